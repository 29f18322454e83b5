"""Fuzzing of the native core: writes what the fuzz programs read, and starts them.

A target file holds a language and a vocabulary; grammar/csrc/fuzz/target.cpp reads it. Numbers are little-endian,
arrays and texts begin with their length in 64 bits.
"""

from __future__ import annotations

import importlib.util
import os
import random
import struct
import subprocess
from array import array
from collections.abc import Iterable
from pathlib import Path

from grammar.languages import LANGUAGES, Language, load_language
from grammar.rules.compile import LexemeTable, RuleTables, StackTable
from grammar.warmup import warm_texts

NUM_PIECES = 900
SEED_BYTES = 600
NUM_SEEDS = 60
# What cutting real text rarely gives: broken characters, NUL, long and empty tokens, odd blanks and quotes.
UNUSUAL = [
    b"", b"\0\0", b"\xff\xfe", b"\xe6\xbc", b"\xf0\x9f\x98", b"\xef\xbb\xbf", b"\xc2\xa0", b"\r\n\t", b"\f",
    b"\\\n", b"\\\r\n", b'"""', b"'''", b"{{", b"}}", b"\n    \n\t", b"\n        ", b"x" * 300, b"(" * 40, b" " * 5000,
]  # fmt: skip


def fuzz(folder: Path, seconds: int, names: list[str] | None, *, guided: bool) -> int:
    """Fuzz every language; stop at the first input that breaks a law. Give the exit code."""
    for name in names or list(LANGUAGES):
        place = folder / name
        place.mkdir(exist_ok=True)
        texts = list(warm_texts(name))
        target = place / "target"
        target.write_bytes(target_file(load_language(name), _tokens(texts)))
        seeds = _write_seeds(place / "seeds", texts)
        limits = [f"-max_total_time={seconds}", "-timeout=300", "-rss_limit_mb=4096", "-max_len=1024"]
        found = place / "corpus"
        found.mkdir(exist_ok=True)
        arguments = [*limits, "-print_final_stats=1", str(found), str(seeds)] if guided else [
            str(seconds), *map(str, sorted(seeds.iterdir()))]  # fmt: skip
        print(f"[fuzz] {name}, {seconds} s", flush=True)
        environment = os.environ | {
            "CODEFUSION_FUZZ_TARGET": str(target),
            "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [str(folder / "grammar/csrc/fuzz/fuzz_matcher"), *arguments]
        done = subprocess.run(command, cwd=place, env=environment, check=False)
        if done.returncode:
            print(
                f"[fuzz] {name}: failed; the input lies in {place} (crash-*, timeout-*, oom-* or last-input)"
            )
            return 1
    return 0


def _tokens(texts: list[bytes]) -> list[bytes]:
    """All bytes (id = byte), unusual tokens, pieces of real text cut anywhere."""
    rng = random.Random(1)  # noqa: S311 - repeatable on purpose
    pieces: set[bytes] = set()
    while texts and len(pieces) < NUM_PIECES:
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        pieces.add(text[start : start + rng.randint(2, 14)])
    return [*(bytes([b]) for b in range(256)), *UNUSUAL, *sorted(pieces)]


def _write_seeds(folder: Path, texts: list[bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    rng = random.Random(2)  # noqa: S311 - repeatable on purpose
    # Text stays a step a byte; a byte beyond ASCII would choose a step and is left to the fuzzer.
    for number in range(NUM_SEEDS if texts else 0):
        text = rng.choice(texts)
        start = rng.choice([0, rng.randrange(len(text))])
        piece = bytes(b for b in text[start : start + SEED_BYTES] if b < 0x80)
        (folder / f"text-{number:03}").write_bytes(piece)
    (folder / "empty").write_bytes(b"")
    return folder


def target_file(language: Language, tokens: Iterable[bytes]) -> bytes:
    """Give the file's bytes."""
    spec = importlib.util.find_spec(f"{language.spec.wheel}._binding")
    assert spec is not None
    assert spec.origin is not None
    texts = [spec.origin.encode(), language.spec.function.encode(), language.spec.scanner.encode()]
    parts = [*map(_text, texts), _rule_tables(language.tables), _sequence(map(_text, tokens))]
    return b"".join(parts)


def _rule_tables(tables: RuleTables) -> bytes:
    return b"".join([
        _numbers("H", tables.pseudo_base), _numbers("H", tables.reserved),
        _numbers("H", tables.unreserved), _numbers("H", tables.word_places), _numbers("H", tables.word_marks),
        _text(tables.blanks),
        *(_sequence(map(_text, texts)) for texts in (tables.endings, tables.openers, tables.block_openers)),
        _sequence(_numbers("I", ends) for ends in tables.character_sets),
        _numbers("H", tables.glued), _numbers("H", tables.line_comments), _numbers("H", tables.line_ends),
        struct.pack("<IHHI", tables.in_line_flag, tables.named, tables.own, tables.naming_flag), _text(tables.own_ends),
        _sequence(map(_stack_table, tables.rules)), _sequence(map(_lexeme_table, tables.lexeme_filters)),
    ])  # fmt: skip


def _stack_table(table: StackTable) -> bytes:
    reduce = _sequence(struct.pack("<I", symbol) + _packed(data) for symbol, data in table.reduce.items())
    head = _text(table.name.encode()) + struct.pack("<I", table.num_states)
    flags = _numbers("I", table.lex_flags)
    return (
        head
        + _packed(table.shift)
        + reduce
        + _packed(table.settle)
        + flags
        + _packed(table.merged)
        + _numbers("H", table.tops)
    )


def _lexeme_table(table: LexemeTable) -> bytes:
    head = _numbers("H", table.terminals) + struct.pack("<I", table.num_states)
    variants = _numbers("H", table.variants)
    return head + _text(table.next) + _text(table.accepting) + _text(table.commit) + variants


def _text(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def _packed(data: bytes) -> bytes:
    """16-bit numbers that are bytes already."""
    return struct.pack("<Q", len(data) // 2) + data


def _numbers(code: str, values: Iterable[int]) -> bytes:
    data = array(code, values)
    return struct.pack("<Q", len(data)) + data.tobytes()


def _sequence(parts: Iterable[bytes]) -> bytes:
    listed = list(parts)
    return struct.pack("<Q", len(listed)) + b"".join(listed)
