"""What an answer is held to: from a request's code to a spec for the engine, and from the answer to "it parses".

    prefix ──► does a program begin so? ──no──► the nearest region that can be followed (syntax_recovery.py)
    suffix ──► is there a text that joins the two? ──no──► refused, or the end is left open

Knows grammars and no tokens: its matchers have a vocabulary of single bytes. Reading is bounded by the limits on a
request's text; at 0.2 µs a byte, a megabyte takes 0.2 s, so callers use a thread.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property

from grammar import LANGUAGES, Language, SyntaxMatcher, TokenVocabulary, can_end, load_language
from service.fences import code_blocks
from service.languages import from_fence_label
from service.syntax_recovery import recover
from service.syntax_spec import Mode, SyntaxSpec

MASKED_LANGUAGES = tuple(LANGUAGES)


class UnjoinableSuffixError(ValueError):
    """No text was found that leads from the prefix to the suffix."""


def is_masked(language: str) -> bool:
    """Whether there is a grammar for a language."""
    return language in LANGUAGES


def fence_language(label: str) -> str | None:
    """Give the language of a fence's label, if it can be masked."""
    found = from_fence_label(label)
    return found.name if found is not None and found.name in LANGUAGES else None


class SyntaxPlanner:
    """Plans and checks. One per service; safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Load every language, so that no request waits for it. Some seconds the first time."""
        for name in MASKED_LANGUAGES:
            self._language(name)

    def _language(self, name: str) -> Language:
        # Loading is cached, and not guarded against two threads that come at once.
        with self._lock:
            return load_language(name)

    @cached_property
    def _bytes(self) -> TokenVocabulary:
        return TokenVocabulary.from_bytes([bytes((b,)) for b in range(256)] + [None], eos_ids=[256])

    def plan_code(
        self, language: str, prefix: str | None, suffix: str | None, *, needs_join: bool
    ) -> SyntaxSpec:
        """Plan an answer that is code from its first token to its last.

        needs_join  a suffix that cannot be joined is an error (UnjoinableSuffixError); else the answer is kept
                    viable and may end anywhere
        Cost        reading prefix and suffix; with a suffix, up to 0.2 s of searching
        """
        if not (prefix or suffix):
            return SyntaxSpec(language)
        mode: Mode = "infilling" if suffix else "continuation"
        found = recover(self._language(language), prefix or "")
        spec = SyntaxSpec(language, mode, found.prefix, suffix or None, degraded=found.degraded)
        if spec.suffix is None or self._joins(spec):
            return spec
        if needs_join:
            raise UnjoinableSuffixError
        unused = "no text was found that joins prefix and suffix: what follows was not looked at"
        degraded = "; ".join(filter(None, (found.degraded, unused)))
        return replace(spec, suffix=None, may_end_anywhere=True, degraded=degraded)

    def _joins(self, spec: SyntaxSpec) -> bool:
        matcher = SyntaxMatcher(
            self._language(spec.language), self._bytes, _bytes(spec.prefix), _bytes(spec.suffix or "")
        )
        return matcher.degraded_reason is None and (matcher.can_end or matcher.closing_bytes() is not None)

    def plan_fenced(self, language: str | None) -> SyntaxSpec:
        """Plan a chat's answer: prose with code in fences. `language` is that of fences without a label."""
        return SyntaxSpec(language or "", "fenced")

    def is_valid(self, spec: SyntaxSpec, answer: str) -> bool:
        """Whether the answer, in its place, is a valid program; for a chat, whether each of its fences is."""
        if spec.mode != "fenced":
            text = spec.prefix + answer + (spec.suffix or "")
            return can_end(self._language(spec.language), _bytes(text))
        for label, code, is_closed in code_blocks(answer):
            name = fence_language(label) if label else spec.language
            if name and not (is_closed and can_end(self._language(name), _bytes(code))):
                return False
        return True


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
