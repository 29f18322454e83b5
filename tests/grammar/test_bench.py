"""The benchmark's own arithmetic, texts and grammars; no tokenizer, no peer."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grammar import TokenVocabulary
from grammar.bench import lark, measure, run
from grammar.bench.engines import Engine, Text, make_ours, new_row
from grammar.bench.figures import quantiles, row_of, tables
from grammar.bench.lark import expand, lark_of
from grammar.bench.measure import Job, Result, TextFigures, follow_calls, follow_native
from grammar.bench.peers import PEERS
from grammar.bench.texts import bench_texts
from grammar.bench.tokens import load_tokens
from grammar.errors import GrammarError
from grammar.warmup import warm_texts

NEVER = float("inf")


def job(**changes: object) -> Job:
    plain = Job("codefusion", "python", Path("none"), 300, [b"x"], Path("none"), "wall", 5, 5)
    return dataclasses.replace(plain, **changes)  # pyright: ignore[reportArgumentType]


def scripted(allowed: list[int], splits: list[float]) -> Engine:
    """An engine that allows one token a step; its counter of splits takes the given values in turn."""
    row, steps, counts = new_row(64), iter(allowed), itertools.chain(splits, itertools.repeat(splits[-1]))

    def fill() -> None:
        token = next(steps)
        row[:] = 0
        row[token >> 5] = np.int32(1 << (token & 31))

    return Engine(row, lambda: Text(fill, lambda _: True, lambda: True), {"all": 1.0}, lambda: next(counts))


def ticking(step: int) -> Callable[[], int]:
    ticks = itertools.count(0, step)
    return lambda: next(ticks)


def test_quantiles_are_in_microseconds_and_ordered() -> None:
    figures = quantiles([float(n) for n in range(1000, 101_000, 1000)])
    assert figures["max"] == 100
    assert figures["mean"] == pytest.approx(50.5)
    assert figures["p50"] <= figures["p75"] <= figures["p99"] <= figures["p99.9"] <= figures["max"]
    assert quantiles([]) == {}


def test_what_is_built_once_is_taken_out_of_the_call() -> None:
    # The counter is read before fill, after it, and after accept: the second token's mask builds for 2 µs.
    engine = scripted([1, 2], [0, 0, 0, 0, 2e-6, 2e-6])
    figures = follow_calls(engine, [1, 2], ticking(5000), NEVER)
    assert figures.fills == pytest.approx([5000, 3000])
    assert figures.accepts == pytest.approx([5000, 5000])
    assert figures.once == pytest.approx([0, 2000])
    assert (figures.refused, figures.unread, figures.can_end) == (False, 0, True)


def test_a_refused_token_ends_its_text() -> None:
    figures = follow_calls(scripted([1, 40, 3], [0]), [1, 41, 3, 4], ticking(1), NEVER)
    assert (figures.refused, figures.unread, figures.can_end) == (True, 2, False)
    assert (len(figures.fills), len(figures.accepts)) == (2, 1)


def test_a_text_stops_at_the_deadline_without_being_refused() -> None:
    figures = follow_calls(scripted([1, 2, 3], [0]), [1, 2, 3], ticking(1), time.monotonic() - 1)
    assert (figures.refused, figures.unread, figures.can_end) == (False, 2, False)


def test_a_row_sums_texts_up_and_is_plain_json() -> None:
    good = TextFigures([1000.0, 3000.0], [500.0, 500.0], [0.0, 2e6], can_end=True)
    bad = TextFigures([2000.0], [], [0.0], refused=True, unread=7)
    unfinished = TextFigures([2000.0], [100.0], [0.0])
    row = row_of(job(), Result([good, bad, unfinished], "1.0", {"a": 1.0, "b": 0.5}))
    assert (row["tokens"], row["refused"], row["unread"], row["not_ended"]) == (4, 1, 7, 1)
    assert row["start_s"] == 1.5
    assert row["first_use"] == {"calls": 1, "total_s": 0.002, "worst_ms": 2.0}
    assert json.loads(json.dumps(row)) == row
    assert all(table.row_count for table in tables([row]))


def test_python_texts_were_not_warmed_and_are_the_same_every_time() -> None:
    texts = bench_texts("python", 20)
    assert len(texts) == 20
    assert texts == bench_texts("python", 20)
    warm = b"".join(warm_texts("python"))
    assert not any(text in warm for text in texts)
    assert all(ast.parse(text).body for text in texts)


def test_texts_come_from_a_folder(tmp_path: Path) -> None:
    for name, text in {"a.go": b"package a\n", "b.txt": b"no", "c.go": b"\xff"}.items():
        (tmp_path / name).write_bytes(text)
    assert bench_texts("go", 9, tmp_path) == [b"package a\n"]
    with pytest.raises(GrammarError, match="no texts for java"):
        bench_texts("java", 9, tmp_path)


def test_sections_are_written_out_for_each_word() -> None:
    template = 'start: a_1\n// each: 1 2\na_$: "x" S_$? b_$+\nN_$: / {$*4}/\n// plain\nb_3: "y"\n'
    assert expand(template).splitlines() == [
        "start: a_1",
        'a_1: "x" S_1? b_2',
        "N_1: / {4}/",
        'a_2: "x" S_2? b_3',
        "N_2: / {8}/",
        'b_3: "y"',
    ]


@pytest.mark.parametrize("path", sorted(lark.FOLDER.glob("*.lark")), ids=lambda path: path.stem)
def test_every_rule_of_a_grammar_is_defined(path: Path) -> None:
    lines = lark_of(path.stem).splitlines()
    defined = {line.partition(":")[0] for line in lines if line[0] not in " |%"}
    bare = "\n".join(_without_literals(line) for line in lines)
    words = {
        w for w in "".join(c if c.isalnum() or c == "_" else " " for c in bare).split() if not w.isdigit()
    }
    assert words == defined
    assert "$" not in bare


def _without_literals(line: str) -> str:
    name = line.partition(":")[0]
    if name.isupper():
        return name
    if line.startswith("%ignore"):
        return ""
    return "".join(part for index, part in enumerate(line.split('"')) if index % 2 == 0)


def test_a_language_without_a_grammar_is_said_so() -> None:
    with pytest.raises(GrammarError, match="no grammar of cobol"):
        lark_of("cobol")


def byte_tokenizer(folder: Path) -> Path:
    """A byte-level tokenizer of the 256 bytes and a stop token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.add_special_tokens(["<stop>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<stop>"}')
    return folder


def test_tokens_are_bytes(tmp_path: Path) -> None:
    tokens = load_tokens(byte_tokenizer(tmp_path), 300)
    assert tokens.eos == 256
    assert sorted(v for v in tokens.values if v is not None) == [bytes([b]) for b in range(256)]
    text = "é = 1\n".encode()
    assert b"".join(tokens.values[i] or b"?" for i in tokens.encode(text)) == text
    with pytest.raises(GrammarError, match="expected a tokenizer"):
        load_tokens(tmp_path / "none", 300)


@pytest.mark.parametrize("follow", [follow_calls, follow_native])
def test_our_engine_reads_a_text_and_refuses_another(
    follow: Callable[..., TextFigures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grammar.artifact.warm_texts", lambda _: [b"x = 1\n"])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    tokens = load_tokens(byte_tokenizer(tmp_path), 300)
    engine = make_ours("python", tokens, tmp_path, native_loop=True)
    good = follow(engine, tokens.encode(b"def f(x):\n    return x\n"), time.perf_counter_ns, NEVER)
    assert (good.refused, good.unread, good.can_end) == (False, 0, True)
    assert len(good.fills) == len(good.accepts) == 23
    bad = follow(engine, tokens.encode(b"def f(:\n"), time.perf_counter_ns, NEVER)
    assert (bad.refused, bad.unread, bad.can_end) == (True, 1, False)
    assert (len(bad.fills), len(bad.accepts)) == (7, 6)


@pytest.mark.slow
@pytest.mark.parametrize("peer", [*PEERS])
def test_a_peer_reads_python_or_is_said_to_be_missing(peer: str, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path)
    texts = [b"def f(x):\n    if x:\n        return (1,\n  2)  # a\n\n    return x\n"]
    result = measure.measure(job(engine=peer, tokenizer=tokenizer, texts=texts, seconds=30, build_seconds=90))
    if not result.seconds:
        assert "not installed" in result.note
    else:
        assert [(text.refused, text.can_end) for text in result.texts] == [(False, True)]


def test_a_missing_tokenizer_is_a_note_and_not_a_crash() -> None:
    result = measure.measure(job(build_seconds=60))
    assert "expected a tokenizer" in result.note
    assert not result.texts


def test_options_name_peers_and_languages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--peers", "nobody"])
    assert "invalid choice" in capsys.readouterr().err
    assert TokenVocabulary.from_bytes([b"x"], eos_ids=[], width=40).width == 40
