"""Code in an answer without a fence: where it begins among prose, and where it ends.

It ends at a fence, or at a paragraph of prose that follows a blank line and stands in no comment or long string of
the code. Knows those two constructs of a language and nothing else of its syntax.
"""

from typing import Final

from service.code_fence import (
    MIN_FENCE,
    before_trailing_run,
    is_fence_line,
    parse_opening_fence,
    without_glued_fence,
)
from service.languages import Language
from service.line_shape import Shape, shape_of


class BareCode:
    """Code that began without a fence: finds where it ends."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._blank_lines: list[str] = []
        self._open_text: str | None = None  # what closes the comment or long string we are in

    def ends_before(self, line: str) -> bool:
        """Whether the code ended before this line."""
        if self._open_text is not None:
            return False
        if is_fence_line(line):
            return True
        # Within a page of HTML, paragraphs of prose are the code.
        if not self._blank_lines or line[:1].isspace() or self._language.name == "html":
            return False
        return (
            shape_of(line, self._language) is Shape.PROSE
            or parse_opening_fence(line, self._language) is not None
        )

    def ends_within(self, line: str) -> bool:
        """Whether a closing fence is glued to the end of this line."""
        return self._open_text is None and without_glued_fence(line, MIN_FENCE) != line

    def add(self, line: str, *, already_sent: int = 0) -> str:
        """Take a line that belongs to the code; return what of it, and of blank lines before it, is new."""
        if not line.strip() and self._open_text is None:
            self._blank_lines.append(line[already_sent:])
            return ""
        self._open_text = _open_text_after(line, self._open_text, self._language)
        return self.take_blank_lines() + line[already_sent:]

    def take_blank_lines(self) -> str:
        """Give the blank lines held back, once: code follows them, or the answer has ended."""
        lines, self._blank_lines = self._blank_lines, []
        return "".join(lines)

    def certain_part(self, line: str) -> str:
        """Return the part of an unfinished line that is code whatever follows."""
        if self._open_text is not None:
            return line
        if self._blank_lines or not line.strip() or line.lstrip()[0] in "`~":
            return ""
        return before_trailing_run(line)


_LONG_STRINGS: Final = {"python": ('"""', "'''"), "kotlin": ('"""',), "scala": ('"""',), "java": ('"""',)}


def _open_text_after(line: str, closing: str | None, language: Language) -> str | None:
    """Return what closes the block comment or long string that is open after this line."""
    openings = {delimiter: delimiter for delimiter in _LONG_STRINGS.get(language.name, ())}
    if language.line_comment == "//" or language.name in {"css", "sql"}:
        openings["/*"] = "*/"
    if language.name == "html":
        openings["<!--"] = "-->"
    position = 0
    while True:
        if closing is not None:
            end = line.find(closing, position)
            if end < 0:
                return closing
            position, closing = end + len(closing), None
        starts = [(start, opening) for opening in openings if (start := line.find(opening, position)) >= 0]
        if not starts:
            return None
        start, opening = min(starts)
        position, closing = start + len(opening), openings[opening]


def code_among_prose(lines: list[str], language: Language) -> str:
    """Return the code of an answer that began with prose and never opened a fence."""
    first = next((i for i, line in enumerate(lines) if shape_of(line, language) is Shape.CODE), None)
    if first is None:
        return ""
    while (
        first > 0
        and lines[first - 1].startswith("#")
        and shape_of(lines[first - 1], language) is Shape.UNSURE
    ):
        first -= 1
    bare = BareCode(language)
    code: list[str] = []
    for line in lines[first:]:
        if bare.ends_before(line):
            break
        code.append(bare.add(line))
    return "".join(code)
