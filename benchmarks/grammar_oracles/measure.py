"""The comparisons: engine against tree-sitter, against the language's own parser on real files, mutants, closings."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.grammar_oracles.corpora import SourceFile
from benchmarks.grammar_oracles.mutations import Pieces, mutate
from benchmarks.grammar_oracles.oracle import Oracle
from benchmarks.progress import Steps
from grammar import LANGUAGES, Language, SyntaxMatcher, TokenVocabulary, can_end, load_spec, viable_length
from grammar.rules import javascript_lines, rust_strings, typescript_lines
from grammar.rules.model import LanguageRules

_MUTANTS_A_PIECE = 8
_EXAMPLES = 3
_BYTES_SHOWN = 60
# What a scanner of our own that does as the grammar's has to be told.
_SCANNER_RULES: dict[str, LanguageRules] = {
    "javascript": LanguageRules(stack_rules=(javascript_lines.LINES,)),
    "typescript": LanguageRules(stack_rules=(typescript_lines.LINES,)),
    "rust": LanguageRules(stack_rules=(rust_strings.RAW_STRINGS,), variants=rust_strings.VARIANTS, extras=()),
}


@dataclass
class Differences:
    """How many texts were compared, and those that came out differently, grouped by a reason."""

    compared: int = 0
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])  # asdict() mistakes a Counter
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, reason: str, example: str) -> None:
        """Count one difference."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _EXAMPLES:
            shown.append(example)

    @property
    def different(self) -> int:
        """Number of differences."""
        return sum(self.reasons.values())


@dataclass
class Report:
    """Everything measured for one language."""

    language: str
    tree_sitter: Differences = field(default_factory=Differences)
    refused_by_grammar: Differences = field(default_factory=Differences)
    refused_by_rules: Differences = field(default_factory=Differences)
    mutants: int = 0
    not_judged: int = 0  # mutants refused for what names mean
    mutants_refused: Differences = field(default_factory=Differences)
    over_accepted: Differences = field(default_factory=Differences)
    wrongly_ended: Differences = field(default_factory=Differences)
    closings: Differences = field(default_factory=Differences)
    suffixes: Differences = field(default_factory=Differences)


def without_rules(language: str) -> Language | None:
    """Load the grammar as it is; None where our scanner replaces the grammar's (Python)."""
    spec = LANGUAGES[language]
    if spec.scanner in _SCANNER_RULES:
        rules = _SCANNER_RULES[spec.scanner]
    elif spec.scanner:
        return None
    else:
        rules = LanguageRules()
    return load_spec(dataclasses.replace(spec, name=f"{language}-plain", rules=lambda: rules))


def compare_files(
    report: Report,
    language: Language,
    plain: Language | None,
    oracle: Oracle,
    files: list[SourceFile],
    steps: Steps,
) -> None:
    """Whole files: the grammar alone against tree-sitter, all of it against the language's own parser."""
    pieces = Pieces(report.language)
    for file in files:
        steps.begin("files")
        text = file.read()
        if plain is not None:
            _compare_verdicts(report, plain, pieces, file.origin, text)
        if oracle.check(text).accepted:
            _count(report.refused_by_rules, text)
            _count(report.refused_by_grammar, text)
            # Reading on checks every prefix: each byte was viable, or the length is shorter.
            read = viable_length(language, text)
            if read < len(text) or not can_end(language, text):
                gap = plain is not None and not can_end(plain, text)
                kind = report.refused_by_grammar if gap else report.refused_by_rules
                kind.add("refused", f"{file.origin} at byte {read}: {_around(text, read)}")
        steps.done()


def compare_with_tree_sitter(report: Report, plain: Language, files: list[SourceFile], steps: Steps) -> None:
    """Whole files: the grammar alone against tree-sitter."""
    pieces = Pieces(report.language)
    for file in files:
        steps.begin("files")
        _compare_verdicts(report, plain, pieces, file.origin, file.read())
        steps.done()


def _compare_verdicts(report: Report, plain: Language, pieces: Pieces, origin: str, text: bytes) -> None:
    _count(report.tree_sitter, text)
    ours, theirs = can_end(plain, text), pieces.is_clean(text)
    if ours != theirs:
        report.tree_sitter.add("accepted" if ours else "refused", origin)


def compare_mutants(
    report: Report, language: Language, oracle: Oracle, files: list[SourceFile], count: int, rng: random.Random,
    steps: Steps,
) -> None:  # fmt: skip
    """Mutants: what the language's own parser rules out and the engine calls viable, and the other way round."""
    for text, mutant in _mutants(report.language, oracle, files, count, rng):
        steps.begin("mutants")
        report.mutants += 1
        verdict = oracle.check(mutant)
        if verdict.is_early:
            report.not_judged += 1
            steps.done()
            continue
        read = viable_length(language, mutant)
        ends = read == len(mutant) and can_end(language, mutant)
        if verdict.accepted:
            _count(report.mutants_refused, mutant)
            if not ends:
                report.mutants_refused.add("refused", _around(mutant, read))
        elif not verdict.possible:
            _count(report.over_accepted, mutant)
            if read == len(mutant):
                report.over_accepted.add(
                    _general(verdict.message), _around(mutant, _first_change(text, mutant))
                )
        else:
            _count(report.wrongly_ended, mutant)
            if ends:
                report.wrongly_ended.add(_general(verdict.message), _around(mutant, len(mutant)))
        steps.done()


def compare_closings(
    report: Report, language: Language, oracle: Oracle, files: list[SourceFile], count: int, rng: random.Random,
    steps: Steps,
) -> None:  # fmt: skip
    """Cuts anywhere, closed by the engine: the language's own parser has to accept what comes out."""
    vocabulary = _bytes_vocabulary()
    texts = accepted_pieces(report.language, oracle, files, rng)
    for _ in range(count):
        steps.begin("closings")
        text = next(texts)
        prefix = text[: rng.randrange(len(text) + 1)]
        closing = SyntaxMatcher(language, vocabulary, prefix).closing_bytes()
        _count(report.closings, prefix)
        shown = prefix[-_BYTES_SHOWN:].decode(errors="replace")
        if closing is None:
            report.closings.add("no closing found", repr(shown))
        elif not oracle.accepts(prefix + closing):
            message = oracle.check(prefix + closing).message
            report.closings.add(_general(message), f"{shown!r} + {closing.decode(errors='replace')!r}")
        steps.done()


def compare_suffixes(
    report: Report, language: Language, oracle: Oracle, files: list[SourceFile], count: int, rng: random.Random,
    steps: Steps,
) -> None:  # fmt: skip
    """Gaps in real text: a lexeme that may stand there, and whether a way from it to the right context is found."""
    vocabulary, pieces, pool = _bytes_vocabulary(), Pieces(report.language), list[bytes]()
    texts = accepted_pieces(report.language, oracle, files, rng)
    while report.suffixes.compared < count:
        text = next(texts)
        spans = pieces.lexemes(text)
        if len(spans) < 5:
            continue
        pool += [text[a:b] for a, b in rng.sample(spans, min(len(spans), 20)) if b - a < 30]
        begin, end = sorted(rng.sample(range(len(text) + 1), 2))
        matcher = SyntaxMatcher(language, vocabulary, text[:begin], text[end:])
        lexeme = rng.choice(pool)
        if not matcher.accept_bytes(lexeme):
            continue
        steps.begin("suffixes")
        _count(report.suffixes, text)
        closing = matcher.closing_bytes()
        whole = text[:begin] + lexeme + (closing or b"") + text[end:]
        shown = f"{text[max(0, begin - 40) : begin]!r} + {lexeme!r} … {text[end : end + 40]!r}"
        if closing is None:
            report.suffixes.add("no way found", shown)
        elif not can_end(language, whole):
            report.suffixes.add("the way found leads elsewhere", shown)
        steps.done()


def _bytes_vocabulary() -> TokenVocabulary:
    return TokenVocabulary.from_bytes([*(bytes([b]) for b in range(256)), b"<stop>"], eos_ids=[256])


def accepted_pieces(
    language: str, oracle: Oracle, files: list[SourceFile], rng: random.Random
) -> Iterator[bytes]:
    """Give pieces that the language's own parser accepts, over and over."""
    pieces = Pieces(language)
    while True:
        found = False
        for file in files:
            short = list(pieces.pieces(file.read()))
            if short and oracle.accepts(text := rng.choice(short)):
                found = True
                yield text
        if not found:
            raise ValueError(f"expected files with accepted declarations; none of {len(files)} has one")


def _mutants(
    language: str, oracle: Oracle, files: list[SourceFile], count: int, rng: random.Random
) -> Iterator[tuple[bytes, bytes]]:
    pieces, pool = Pieces(language), list[bytes]()
    made = 0
    for text in accepted_pieces(language, oracle, files, rng):
        spans = pieces.lexemes(text)
        if len(spans) < 5:
            continue
        pool += [text[a:b] for a, b in rng.sample(spans, min(len(spans), 20)) if b - a < 30]
        for _ in range(_MUTANTS_A_PIECE):
            _, mutant = mutate(text, spans, pool[-3000:], rng)
            if mutant != text:
                yield text, mutant
                made += 1
                if made == count:
                    return


def _count(differences: Differences, text: bytes) -> None:
    differences.compared += 1
    differences.bytes += len(text)


def _first_change(a: bytes, b: bytes) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _around(text: bytes, at: int) -> str:
    return repr(text[max(0, at - _BYTES_SHOWN) : at + _BYTES_SHOWN // 2].decode(errors="replace"))


def _general(message: str) -> str:
    """Take names and literals out of a message, so that equal mistakes are counted together."""
    message = re.sub(r"(found|path:|digit) .*", r"\1 …", message)
    return re.sub(r"'[^']{12,}'|\"[^\"]*\"", "…", message)
