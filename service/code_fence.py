"""Fences of Markdown as chat models write them: opening, closing, glued to text, and the block between two.

CommonMark's rules, and what models do beside them: a fence behind prose (`Here it is: ```python`), code on the line
of the opening fence, a closing fence glued to the last line of code, blocks nested in a block.

Judges finished lines, and says of an unfinished one what is certain. Does not know what the answer holds outside
the block, nor which of several blocks is wanted.
"""

import re
from dataclasses import dataclass

from service.languages import Language, from_fence_label
from service.line_shape import Shape, shape_of

MIN_FENCE = 3
_MAX_FENCE_INDENT = 3


@dataclass(frozen=True, slots=True)
class Fence:
    """An opening fence; `code` is what stood behind it on its line, with the line's end."""

    char: str
    length: int
    indent: int
    label: str
    code: str = ""


# None of these expressions takes more than linear time: a model can be asked for long runs of anything.
_FENCE_LINE = re.compile(r"([ \t]*)(`{3,}|~{3,})(.*)", re.DOTALL)
# "Here is the code: ```python": prose, then an opening fence at the end of the line.
_FENCE_AFTER_PROSE = re.compile(r"(?:[^`]|`[^`]+`)*?([^`\s])[ \t]*(`{3,})([\w+#.-]*)[ \t\r]*\n?", re.DOTALL)
_LABEL = re.compile(r"\{?[ \t]*\.?([^\W_][\w+#.-]*)")
# {1,3} or [title] or :path or title="x" or main.py: what tools write behind a label.
_ATTRIBUTE = r"""(?:[\w-]+=(?:"[^"]*"|[^\s(]+)|\{[^}]*\}|\[[^\]]*\])"""
_ATTRIBUTES = re.compile(rf"{_ATTRIBUTE}(?:[ \t]+{_ATTRIBUTE})*|[:(,].*|[\w./-]+\.\w+")
# "return x```": the closing fence at the end of a line of code. A blank or a quote before it means a fence within
# a comment (`/// ```` in Rust) or a string.
_GLUED_FENCE = re.compile(r"(?![ \t]*(?:#|//|--|\*))(?:[^`]|`{1,2}(?!`))*[^`\s\"'](`{3,})[ \t\r]*\n?")


def is_fence_line(line: str) -> bool:
    """Whether the line begins with a fence, of whatever kind."""
    return _FENCE_LINE.fullmatch(line) is not None


def parse_opening_fence(line: str, language: Language) -> Fence | None:
    """Return the fence that this line opens, in an answer of this language; None if it opens none."""
    match = _FENCE_LINE.fullmatch(line)
    if match is None:
        match = _FENCE_AFTER_PROSE.fullmatch(line)
        if match and (from_fence_label(match[3]) if match[3] else match[1] == ":"):
            return Fence("`", len(match[2]), 0, match[3])
        return None
    indent, run, info = match.groups()
    label, code = _read_info(info.strip(), language)
    # CommonMark: a backtick behind the run makes it a code span; but "```python print(1)```" is a whole block.
    if run[0] == "`" and "`" in info and not (code.endswith(run) and "`" not in code.removesuffix(run)):
        return None
    return Fence(run[0], len(run), len(indent), label, f"{code}\n" if code and line.endswith("\n") else code)


def _read_info(info: str, language: Language) -> tuple[str, str]:
    """Split what stands behind a fence into its label and code glued to it."""
    match = _LABEL.match(info)
    label = match[1] if match else ""
    rest = info[match.end() :].strip() if match else info
    if not rest or info.startswith("{"):
        return label, ""
    if from_fence_label(label) is None:
        return ("", info) if shape_of(info, language) is Shape.CODE else (label, "")
    return (label, "") if _ATTRIBUTES.fullmatch(rest) else (label, rest)


def before_trailing_run(line: str) -> str:
    """Return what an unfinished line holds before the backticks it ends in, which may be a glued fence."""
    text = line.rstrip(" \t\r")
    before = text.rstrip("`")
    return line if before == text else before


def without_glued_fence(line: str, length: int) -> str:
    """Return what stands before a closing fence at the end of a line of code; the line itself if none does."""
    match = _GLUED_FENCE.fullmatch(line)
    return line[: match.start(1)] if match and len(match[1]) == length else line


@dataclass(frozen=True, slots=True)
class LineEnd:
    """What of a finished line belongs to the block, and whether the line closed it."""

    content: str
    is_closed: bool


class Block:
    """The lines between two fences, and the fences of blocks nested in them."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self._open_lengths = [fence.length]
        char = re.escape(fence.char)
        indent = rf"[ \t]{{0,{fence.indent + _MAX_FENCE_INDENT}}}"
        self._fence_line = re.compile(rf"{indent}({char}{{{fence.length},}}+)[ \t]*+([\w+#.-]*)[ \t\r]*\n?")
        self._maybe_fence = re.compile(rf"{indent}(?:{char}+[ \t\r]*)?")

    def is_wanted(self, language: Language) -> bool:
        """Whether the label is missing or names the language."""
        return self.fence.label == "" or from_fence_label(self.fence.label) is language

    def content(self, line: str) -> str:
        """Take off the indentation that the block itself has, as in a list."""
        indent = self.fence.indent
        return line[min(indent, len(line) - len(line.lstrip(" \t"))) :] if indent else line

    def end_line(self, line: str) -> LineEnd:
        """Take a finished line; a closing fence is no content, a nested block's fences are."""
        if match := self._fence_line.fullmatch(line):
            run, label = match.groups()
            if label:
                self._open_lengths.append(len(run))
            elif len(run) >= self._open_lengths[-1]:
                self._open_lengths.pop()
            closed = not self._open_lengths
            return LineEnd("" if closed else line, closed)
        if self._may_end_glued():
            code = without_glued_fence(line, self.fence.length)
            return LineEnd(code, is_closed=code != line)
        return LineEnd(line, is_closed=False)

    def certain_part(self, line: str) -> str:
        """Return the part of an unfinished line that is content whatever follows."""
        if self._maybe_fence.fullmatch(line):
            return ""
        return before_trailing_run(line) if self._may_end_glued() else line

    def _may_end_glued(self) -> bool:
        # In a nested block, text like this is what the block is about.
        return self.fence.char == "`" and len(self._open_lengths) == 1
