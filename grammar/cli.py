"""The commands of `python -m grammar`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from grammar import recognize
from grammar.errors import GrammarError
from grammar.languages import LANGUAGES, Language, language_of, load_language
from grammar.matcher import SyntaxMatcher
from grammar.vocabulary import TokenVocabulary


def main(argv: list[str]) -> int:
    """Run one command; give its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m grammar", description="Exact syntax masks for real languages."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("languages", help="the languages, with their grammars' sizes")
    check = commands.add_parser("check", help="say where files stop being the beginning of a valid program")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--language", choices=[*LANGUAGES], help="default: by suffix")
    demo = commands.add_parser("demo", help="show which tokens may follow a prefix")
    demo.add_argument("prefix", nargs="?", default="def f(x):\n    return ")
    demo.add_argument("--language", choices=[*LANGUAGES], default="python")
    demo.add_argument(
        "--tokenizer", help="folder of a Hugging Face tokenizer; default: single characters and keywords"
    )
    demo.add_argument("--limit", type=int, default=60)
    commands.add_parser("bench", help="time masks beside other engines (bench --help)", add_help=False)
    options, rest = parser.parse_known_args(argv)
    if rest and options.command != "bench":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        match options.command:
            case "languages":
                return _languages()
            case "check":
                return max(_check(path, options.language) for path in options.files)
            case "demo":
                return _demo(options)
            case _:
                from grammar.bench.run import main as run_bench

                return run_bench(rest)
    except (GrammarError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _languages() -> int:
    table = Table("language", "grammar", "ABI", "states", "terminals", "lexer states", "rules", "suffixes")
    for name, spec in LANGUAGES.items():
        native = load_language(name).native
        rules = spec.rules()
        table.add_row(
            name,
            spec.wheel,
            str(native.abi),
            str(native.num_states),
            str(native.num_terminals),
            str(native.num_lexer_states),
            f"{len(rules.stack_rules)} + {len(rules.lexeme_rules)}",
            " ".join(spec.suffixes),
        )
    Console().print(table)
    return 0


def _check(path: Path, name: str | None) -> int:
    name = name or language_of(path.name)
    if name is None:
        print(f"{path}: no language has this suffix; name one with --language", file=sys.stderr)
        return 2
    language, data = load_language(name), path.read_bytes()
    read = recognize.viable_length(language, data)
    if read == len(data):
        if recognize.can_end(language, data):
            print(f"{path}: valid {name}")
            return 0
        print(f"{path}: the file ends too early; {_closing(language, data)}")
        return 1
    line = data.count(b"\n", 0, read) + 1
    start = data.rfind(b"\n", 0, read) + 1
    end = data.find(b"\n", read)
    text = data[start : end if end >= 0 else len(data)].decode(errors="replace").expandtabs()
    column = len(data[start:read].decode(errors="replace").expandtabs())
    print(
        f"{path}:{line}:{column + 1}: no valid {name} program goes on this way\n  {text}\n  {' ' * column}^"
    )
    return 1


def _closing(language: Language, data: bytes) -> str:
    vocabulary = TokenVocabulary.from_bytes([bytes([b]) for b in range(256)], eos_ids=[])
    closing = SyntaxMatcher(language, vocabulary, data).closing_bytes()
    return "no short end was found" if closing is None else f"it could end with {closing.decode()!r}"


def _demo(options: argparse.Namespace) -> int:
    language = load_language(options.language)
    vocabulary, names = _demo_vocabulary(language, options.tokenizer)
    prefix = options.prefix.encode().decode("unicode_escape").encode("latin-1")
    matcher = SyntaxMatcher(language, vocabulary, prefix)
    if matcher.degraded_reason:
        print(matcher.degraded_reason)
        return 1
    bitmask = torch.zeros((1, (vocabulary.width + 31) // 32), dtype=torch.int32)
    matcher.fill_bitmask(bitmask, 0)
    allowed = [i for i in range(len(names)) if int(bitmask[0, i >> 5]) >> (i & 31) & 1]
    print(f"{len(allowed):,} of {len(names):,} tokens may follow {prefix.decode(errors='replace')!r}")
    print("  ".join(repr(names[i].decode(errors="replace")) for i in allowed[: options.limit]))
    closing = matcher.closing_bytes()
    print(f"can end here: {matcher.can_end}; could end with {closing!r} ({matcher.min_tokens_to_end} tokens)")
    return 0


def _demo_vocabulary(language: Language, folder: str | None) -> tuple[TokenVocabulary, list[bytes]]:
    if folder is None:
        words = {n.encode() for n in language.native.symbol_names() if n.isascii() and not n.startswith("_")}
        names = [
            *(bytes([b]) for b in range(32, 127)),
            b"\n",
            b"    ",
            *sorted(w for w in words if len(w) > 1),
        ]
        return TokenVocabulary.from_bytes(names, eos_ids=[]), names
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    names = [tokenizer.decode([i]).encode() for i in range(len(tokenizer))]
    return TokenVocabulary.from_tokenizer(tokenizer), names
