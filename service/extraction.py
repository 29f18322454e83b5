"""Code out of a chat model's answer, while the answer is still being written.

The usual answer is prose, a fence, code, a fence, prose:

    UNDECIDED ──prose──► PROSE ──fence──► BLOCK ──closing fence──► DONE
        │ └──────────────fence──────────►   │ ▲
        └──code──► BARE ──prose or fence──► DONE
                              label of another language: BLOCK, held, then BETWEEN ──fence──► BLOCK

What comes out:
- The first block whose label is the language or is missing; it streams. A block labelled otherwise is held back: it
  is the answer if no better one follows.
- Without a fence: an answer that starts like code is code (BARE) and streams, up to a paragraph of prose or a
  fence. One that starts like prose is judged at its end: from the first line that looks like code up to the next
  paragraph of prose. One that looks like neither is taken whole, at its end. `_shape` says what looks like what.

Whole lines are judged, so how the text was cut into chunks cannot matter. Inside a block the line being written
is released at once except for what may belong to a fence: the line's leading blanks, a run of fence characters and
the blanks after it. That is the hold-back bound; for ordinary code it is the indentation, at most three columns
beyond the opening fence's. In BARE the blank lines and the line after them wait until that line ends, since it
may be prose.

This module judges shapes of lines, not syntax, and does not know the tokenizer or the mask.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from service.languages import Language, from_fence_label

_MIN_FENCE = 3
_MAX_FENCE_INDENT = 3


class ExtractorState(Enum):
    """Where in the answer the text read so far ends."""

    UNDECIDED = auto()
    PROSE = auto()
    BARE = auto()
    BLOCK = auto()
    BETWEEN = auto()
    DONE = auto()
    VERBATIM = auto()


class CodeExtractor:
    """The code of one answer, chunk by chunk.

    For every way to cut an answer, the pieces returned by `feed` and `finish` join to `extract_code(answer)`.

    language  what the request asked for; plain text passes through unchanged, as do FIM answers, for which use
              the language "text" too
    is_open   the prompt already holds the opening fence: the answer begins inside the block
    """

    def __init__(self, language: Language, *, is_open: bool = False) -> None:
        self._language = language
        self._had_fence = False
        self._line = ""  # the unfinished line
        self._sent = 0  # characters of it already released
        self._held: list[str] = []  # finished lines whose fate is open
        self._other_block: str | None = None  # a closed block of another language
        self._bare = _BareCode(language)
        self._block = _Block(_Fence("`", _MIN_FENCE, 0, language.name))
        if not language.is_code:
            self._state = ExtractorState.VERBATIM
        elif is_open:
            self._state = ExtractorState.BLOCK
            self._had_fence = True
        else:
            self._state = ExtractorState.UNDECIDED

    @property
    def state(self) -> ExtractorState:
        """Where the text read so far ends."""
        return self._state

    @property
    def had_fence(self) -> bool:
        """True once a fence opened, in the prompt or in the answer."""
        return self._had_fence

    @property
    def is_complete(self) -> bool:
        """True once nothing that follows can change the code: generation may stop here."""
        return self._state is ExtractorState.DONE

    def feed(self, text: str) -> str:
        """Take the next piece of the answer and return the code that is certain by now."""
        if self._state is ExtractorState.VERBATIM:
            return text
        if self._state is ExtractorState.DONE:
            return ""
        released: list[str] = []
        *lines, rest = text.split("\n")
        for line in lines:
            released.append(self._end_line(self._line + line + "\n"))
            self._line, self._sent = "", 0
        self._line += rest
        released.append(self._release_early())
        return "".join(released)

    def finish(self) -> str:
        """Return the rest of the code: the answer has ended, by itself or at a token limit."""
        if self._state is ExtractorState.VERBATIM:
            return ""
        line, self._line = self._line, ""
        code = self._end_line(line) if line and not self._is_cut_fence(line) else ""
        self._sent = 0
        held, self._held = self._held, []
        match self._state:
            case ExtractorState.UNDECIDED:
                code += "".join(held)
            case ExtractorState.PROSE:
                code += _code_among_prose(held, self._language)
            case ExtractorState.BARE:
                code += self._bare.take_blank_lines()
            case ExtractorState.BLOCK:
                code += self._first_block("".join(held))
            case ExtractorState.BETWEEN:
                code += self._first_block("")
            case _:
                pass
        self._state = ExtractorState.DONE
        return code

    def _is_cut_fence(self, line: str) -> bool:
        # "``" at the very end: a fence that the token limit cut in two.
        text = line.strip()
        length = self._block.fence.length if self._state is ExtractorState.BLOCK else _MIN_FENCE
        return 0 < len(text) < length and text in {"`" * len(text), "~" * len(text)}

    def _first_block(self, open_block: str) -> str:
        # An open block of the right language has nothing held; of two wrong ones the first is the answer.
        if self._block.is_wanted(self._language):
            return open_block
        return open_block if self._other_block is None else self._other_block

    # ------------------------------------------------------------------------------- finished lines

    def _end_line(self, line: str) -> str:
        match self._state:
            case ExtractorState.UNDECIDED:
                return self._end_undecided_line(line)
            case ExtractorState.PROSE | ExtractorState.BETWEEN:
                return self._end_prose_line(line)
            case ExtractorState.BARE:
                return self._end_bare_line(line)
            case ExtractorState.BLOCK:
                return self._end_block_line(line)
            case _:
                return ""

    def _end_undecided_line(self, line: str) -> str:
        if fence := _opening_fence(line, self._language):
            return self._open(fence)
        if not line.strip() and not self._held:
            return ""
        match _shape(line, self._language):
            case _Shape.PROSE:
                self._state = ExtractorState.PROSE
            case _Shape.CODE:
                self._state = ExtractorState.BARE
                lines, self._held = [*self._held, line], []
                return "".join(self._bare.add(held) for held in lines)
            case _:
                pass
        self._held.append(line)
        return ""

    def _end_prose_line(self, line: str) -> str:
        if fence := _opening_fence(line, self._language):
            return self._open(fence)
        if self._state is ExtractorState.PROSE:
            self._held.append(line)
        return ""

    def _end_bare_line(self, line: str) -> str:
        if self._bare.ends_before(line):
            self._state = ExtractorState.DONE
            return ""
        if self._bare.ends_within(line):
            self._state = ExtractorState.DONE
            line = _without_glued_fence(line, _MIN_FENCE)
        return self._bare.add(line, already_sent=self._sent)

    def _open(self, fence: "_Fence") -> str:
        self._had_fence = True
        self._state = ExtractorState.BLOCK
        self._held = []
        self._block = _Block(fence)
        if not fence.code:
            return ""
        return self._end_block_line(fence.code)

    def _end_block_line(self, line: str) -> str:
        end = self._block.end_line(line)
        content = self._block.content(end.content)[self._sent :]
        wanted = self._block.is_wanted(self._language)
        if not wanted:
            self._held.append(content)
            content = ""
        if end.is_closed:
            self._close(wanted=wanted)
        return content

    def _close(self, *, wanted: bool) -> None:
        if wanted:
            self._state = ExtractorState.DONE
            return
        if self._other_block is None:
            self._other_block = "".join(self._held)
        self._held = []
        self._state = ExtractorState.BETWEEN

    # ----------------------------------------------------------------------------- the unfinished line

    def _release_early(self) -> str:
        match self._state:
            case ExtractorState.BLOCK if self._block.is_wanted(self._language):
                certain = self._block.content(self._block.certain_part(self._line))
            case ExtractorState.BARE:
                certain = self._bare.certain_part(self._line)
            case _:
                return ""
        released = certain[self._sent :]
        self._sent += len(released)
        return released


def extract_code(text: str, language: Language) -> str:
    """Return the code of a whole answer; "" if it holds none."""
    extractor = CodeExtractor(language)
    return extractor.feed(text) + extractor.finish()


# ---------------------------------------------------------------------------------------------- fences


@dataclass(frozen=True, slots=True)
class _Fence:
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


def _opening_fence(line: str, language: Language) -> _Fence | None:
    match = _FENCE_LINE.fullmatch(line)
    if match is None:
        match = _FENCE_AFTER_PROSE.fullmatch(line)
        if match and (from_fence_label(match[3]) if match[3] else match[1] == ":"):
            return _Fence("`", len(match[2]), 0, match[3])
        return None
    indent, run, info = match.groups()
    label, code = _read_info(info.strip(), language)
    # CommonMark: a backtick behind the run makes it a code span; but "```python print(1)```" is a whole block.
    if run[0] == "`" and "`" in info and not (code.endswith(run) and "`" not in code.removesuffix(run)):
        return None
    return _Fence(run[0], len(run), len(indent), label, f"{code}\n" if code and line.endswith("\n") else code)


def _read_info(info: str, language: Language) -> tuple[str, str]:
    """Split what stands behind a fence into its label and code glued to it."""
    match = _LABEL.match(info)
    label = match[1] if match else ""
    rest = info[match.end() :].strip() if match else info
    if not rest or info.startswith("{"):
        return label, ""
    if from_fence_label(label) is None:
        return ("", info) if _shape(info, language) is _Shape.CODE else (label, "")
    return (label, "") if _ATTRIBUTES.fullmatch(rest) else (label, rest)


def _before_trailing_run(line: str) -> str:
    """Return what an unfinished line holds before the backticks it ends in, which may be a glued fence."""
    text = line.rstrip(" \t\r")
    before = text.rstrip("`")
    return line if before == text else before


def _without_glued_fence(line: str, length: int) -> str:
    """Return what stands before a closing fence at the end of a line of code; the line itself if none does."""
    match = _GLUED_FENCE.fullmatch(line)
    return line[: match.start(1)] if match and len(match[1]) == length else line


@dataclass(frozen=True, slots=True)
class _LineEnd:
    content: str
    is_closed: bool


class _Block:
    """The lines between two fences, and the fences of blocks nested in them."""

    def __init__(self, fence: _Fence) -> None:
        self.fence = fence
        self._open_lengths = [fence.length]
        char = re.escape(fence.char)
        indent = rf"[ \t]{{0,{fence.indent + _MAX_FENCE_INDENT}}}"
        self._fence_line = re.compile(rf"{indent}({char}{{{fence.length},}}+)[ \t]*+([\w+#.-]*)[ \t\r]*\n?")
        self._maybe_fence = re.compile(rf"{indent}(?:{char}+[ \t\r]*)?")

    def is_wanted(self, language: Language) -> bool:
        return self.fence.label == "" or from_fence_label(self.fence.label) is language

    def content(self, line: str) -> str:
        """Take off the indentation that the block itself has, as in a list."""
        indent = self.fence.indent
        return line[min(indent, len(line) - len(line.lstrip(" \t"))) :] if indent else line

    def end_line(self, line: str) -> _LineEnd:
        if match := self._fence_line.fullmatch(line):
            run, label = match.groups()
            if label:
                self._open_lengths.append(len(run))
            elif len(run) >= self._open_lengths[-1]:
                self._open_lengths.pop()
            closed = not self._open_lengths
            return _LineEnd("" if closed else line, closed)
        if self._may_end_glued():
            code = _without_glued_fence(line, self.fence.length)
            return _LineEnd(code, is_closed=code != line)
        return _LineEnd(line, is_closed=False)

    def certain_part(self, line: str) -> str:
        """Return the part of an unfinished line that is content whatever follows."""
        if self._maybe_fence.fullmatch(line):
            return ""
        return _before_trailing_run(line) if self._may_end_glued() else line

    def _may_end_glued(self) -> bool:
        # In a nested block, text like this is what the block is about.
        return self.fence.char == "`" and len(self._open_lengths) == 1


# --------------------------------------------------------------------------------- code without a fence


class _BareCode:
    """Code that began without a fence: finds where it ends."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._blank_lines: list[str] = []
        self._open_text: str | None = None  # what closes the comment or long string we are in

    def ends_before(self, line: str) -> bool:
        """Whether the code ended before this line."""
        if self._open_text is not None:
            return False
        if _FENCE_LINE.fullmatch(line):
            return True
        # Within a page of HTML, paragraphs of prose are the code.
        if not self._blank_lines or line[:1].isspace() or self._language.name == "html":
            return False
        return (
            _shape(line, self._language) is _Shape.PROSE or _opening_fence(line, self._language) is not None
        )

    def ends_within(self, line: str) -> bool:
        """Whether a closing fence is glued to the end of this line."""
        return self._open_text is None and _without_glued_fence(line, _MIN_FENCE) != line

    def add(self, line: str, *, already_sent: int = 0) -> str:
        """Take a line that belongs to the code; return what of it, and of blank lines before it, is new."""
        if not line.strip() and self._open_text is None:
            self._blank_lines.append(line[already_sent:])
            return ""
        self._open_text = _open_text_after(line, self._open_text, self._language)
        return self.take_blank_lines() + line[already_sent:]

    def take_blank_lines(self) -> str:
        lines, self._blank_lines = self._blank_lines, []
        return "".join(lines)

    def certain_part(self, line: str) -> str:
        """Return the part of an unfinished line that is code whatever follows."""
        if self._open_text is not None:
            return line
        if self._blank_lines or not line.strip() or line.lstrip()[0] in "`~":
            return ""
        return _before_trailing_run(line)


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


def _code_among_prose(lines: list[str], language: Language) -> str:
    """Return the code of an answer that began with prose and never opened a fence."""
    first = next((i for i, line in enumerate(lines) if _shape(line, language) is _Shape.CODE), None)
    if first is None:
        return ""
    while (
        first > 0 and lines[first - 1].startswith("#") and _shape(lines[first - 1], language) is _Shape.UNSURE
    ):
        first -= 1
    bare = _BareCode(language)
    code: list[str] = []
    for line in lines[first:]:
        if bare.ends_before(line):
            break
        code.append(bare.add(line))
    return "".join(code)


# ------------------------------------------------------------------------------------- shapes of lines


class _Shape(Enum):
    CODE = auto()
    PROSE = auto()
    UNSURE = auto()


_ANSWER_OPENERS: Final = re.compile(
    r"(Here|Sure|Certainly|Of course|Absolutely|Below|Let's|Let me|To \w+|I'm|I've|I'll|Sorry|Note|Please)\b"
)
_PROSE_OPENERS: Final = re.compile(
    r"(Above|This|These|The|You|We|I|In|It|Yes|No|Okay|OK|First|Next|Then|Finally|However|Explanation|Example|"
    r"Output|Usage|An?|Make|Now)\b"
)
_SENTENCE_WORDS: Final = re.compile(
    r"\b(the|an|following|you|your|will|which|below|here|should|would|there|we|its)\b"
)
# Bold, quotation, list item, rule, table row.
_MARKDOWN: Final = re.compile(r"\*\*\w|>\s|[-*]\s+[A-Z*`]|\d+[.)]\s+[A-Z*`]|-{3,}$|\|")
_CODE_SIGNS: Final = re.compile(r"[{}=]|\)\s*[;{]|;$")
_JUDGED_CHARS: Final = 200  # at either end of a line
_FEW_WORDS: Final = 2
_ENOUGH_WORDS: Final = 4
_CODE_SHAPES: Final = re.compile(
    r"""
      (?:\ {4}|\t)\s*[^\s*\d-]                 # an indented block; list items begin with * - or a digit
    | //|/\*|<!--|<\?|\#!|--\s                 # comments of languages where they are no heading
    | \"\"\"|'''|["']use\ strict               # a docstring, a directive
    | [{\[\]})](?!\w*\]\()                     # a brace; but not [text](link)
    | </?[A-Za-z][^>]*>|<!DOCTYPE              # a tag
    | @\w[\w.]*(?:\(.*\))?$                    # a decorator or annotation
    | \$\w+\s*[=\[-]                           # $name = in PHP
    | [\w.$\[\]"']+(?:\s*:\s*[\w.\[\], |]+)?\s*(?:[-+*/|&%]|:|<<|>>)?=(?![=>])   # an assignment
    | [A-Za-z_][\w.:]*\(.*\)[;:]?$             # a call that fills the line
    | .*(?:[{;]|=>|\)\s*->.*|\):)$             # an open brace, a semicolon, a function head
    | ["'][\w$-]+["']\s*:                      # a key
    """,
    re.VERBOSE,
)


def _shape(line: str, language: Language) -> _Shape:
    """Say whether a line, seen alone, is code or prose.

    CODE    it opens with a word or a sign that begins code in this language and does not read as a sentence
    PROSE   it opens like an answer ("Here is"), or is a capital letter and enough words, a list item or a heading
    UNSURE  the rest, blank lines among it; also `# ...` where that is both a comment and a heading
    """
    if len(line) > 2 * _JUDGED_CHARS:
        line = line[:_JUDGED_CHARS] + line[-_JUDGED_CHARS:]
    text = line.strip()
    if not text:
        return _Shape.UNSURE
    if language.line_comment == "#" and text.startswith("#") and not text.startswith("#!"):
        return _Shape.UNSURE
    opens_code = _opens_with_code_word(text, language)
    if _reads_as_prose(text, opens_code=opens_code):
        return _Shape.PROSE
    if opens_code or _CODE_SHAPES.match(line.rstrip()):
        return _Shape.CODE
    return _Shape.UNSURE


def _opens_with_code_word(text: str, language: Language) -> bool:
    first_word = text.split(maxsplit=1)[0]
    stem = re.split(r"(?<=\w)[(\[<.\"]", first_word)[0]
    return first_word in language.line_starts or stem in language.line_starts


def _reads_as_prose(text: str, *, opens_code: bool) -> bool:
    text = re.sub(r"`[^`]*`", "code", text)
    words = re.findall(r"[A-Za-z][a-z'\u2019]+|\bI\b|\ba\b", text)
    if _MARKDOWN.match(text) or re.match(r"#{1,6}\s", text):
        return True
    if _ANSWER_OPENERS.match(text) and len(words) >= _FEW_WORDS:
        return True
    if _CODE_SIGNS.search(text):
        return False
    if len(words) >= _ENOUGH_WORDS and text[-1] in ".:!?" and _SENTENCE_WORDS.search(text):
        return True
    if opens_code:
        return False
    if not text[0].isascii() and text[0].isalpha():
        return True
    if _PROSE_OPENERS.match(text) and len(words) >= _FEW_WORDS:
        return True
    return text[0].isupper() and len(words) >= _ENOUGH_WORDS and text[-1] in ".:!?,"
