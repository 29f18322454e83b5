"""The question put to a language's own parser, and its answer."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from benchmarks.errors import BenchmarkError


class OracleMissingError(BenchmarkError):
    """The language's own parser is not on this machine."""


@dataclass(frozen=True)
class Finding:
    """One error: where (bytes or characters, as the parser counts), its code if it has one, its text."""

    position: int
    code: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What the parser says.

    accepted  the whole text is a program.
    possible  some program may begin so. False is certain up to the parser's reading of errors; True may be generous.
    message   the first error that is not about the text's end; "" without one.
    is_early  the parser refuses for what names mean and stops there: of the text's form it says nothing.
    """

    accepted: bool
    possible: bool
    message: str = ""
    is_early: bool = False


class Oracle(abc.ABC):
    """A language's own parser, open until closed."""

    @abc.abstractmethod
    def check(self, text: bytes) -> Verdict:
        """Judge a text."""

    def accepts(self, text: bytes) -> bool:
        """Say whether the whole text is a program; may cost less than `check`."""
        return self.check(text).accepted

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End the helper process, if there is one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ErrorListOracle(Oracle):
    """A parser that recovers and reports every error with its place.

    A text is a possible beginning when, as it stands or with one of the probes appended, all errors are about its
    end: the parser read the whole text and only missed what was to follow.
    """

    probes: Sequence[bytes] = ()
    # Tried where the text ends in the beginning of one, with each of `tails` behind.
    words: Sequence[bytes] = ()
    tails: Sequence[bytes] = (b"",)
    probe_reach = 160  # an error further from the end than this is none that the next lexemes could mend

    @abc.abstractmethod
    def errors(self, text: bytes) -> tuple[int, list[Finding]]:
        """Give the text's length as the parser counts, and its errors."""

    @abc.abstractmethod
    def is_about_end(self, text: bytes, length: int, finding: Finding) -> bool:
        """Say whether an error only means that the text stops too early."""

    def accepts(self, text: bytes) -> bool:
        """Say whether the whole text is a program: one parse."""
        return not self.errors(text)[1]

    def check(self, text: bytes) -> Verdict:
        """Judge a text; up to one parse a probe when it is neither accepted nor plainly unfinished."""
        length, errors = self.errors(text)
        if not errors:
            return Verdict(accepted=True, possible=True)
        inside = [e for e in errors if not self.is_about_end(text, length, e)]
        message = (inside or errors)[0].message
        possible = not inside or (
            all(self.is_mendable(length, e) for e in inside)
            and any(self._only_unfinished(text + probe) for probe in self._probes_of(text))
        )
        return Verdict(accepted=False, possible=possible, message=message)

    def _probes_of(self, text: bytes) -> Iterator[bytes]:
        yield from self.probes
        match = re.search(rb"[a-z]+\Z", text)
        if match:
            begun = match[0]
            yield from (
                word[len(begun) :] + t for word in self.words if word.startswith(begun) for t in self.tails
            )

    def is_mendable(self, length: int, finding: Finding) -> bool:
        """Say whether more text could make this error go away."""
        return finding.position >= length - self.probe_reach

    def _only_unfinished(self, text: bytes) -> bool:
        length, errors = self.errors(text)
        return all(self.is_about_end(text, length, e) for e in errors)
