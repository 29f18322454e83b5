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
  paragraph of prose. One that looks like neither is taken whole, at its end. `line_shape.py` says what looks like what.

Whole lines are judged, so how the text was cut into chunks cannot matter. Inside a block the line being written
is released at once except for what may belong to a fence: the line's leading blanks, a run of fence characters and
the blanks after it. That is the hold-back bound; for ordinary code it is the indentation, at most three columns
beyond the opening fence's. In BARE the blank lines and the line after them wait until that line ends, since it
may be prose.

This module judges shapes of lines, not syntax, and does not know the tokenizer or the mask.
"""

from enum import Enum, auto

from service.bare_code import BareCode, code_among_prose
from service.code_fence import MIN_FENCE, Block, Fence, parse_opening_fence, without_glued_fence
from service.languages import Language
from service.line_shape import Shape, shape_of


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
        self._bare = BareCode(language)
        self._block = Block(Fence("`", MIN_FENCE, 0, language.name))
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
                code += code_among_prose(held, self._language)
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
        length = self._block.fence.length if self._state is ExtractorState.BLOCK else MIN_FENCE
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
        if fence := parse_opening_fence(line, self._language):
            return self._open(fence)
        if not line.strip() and not self._held:
            return ""
        match shape_of(line, self._language):
            case Shape.PROSE:
                self._state = ExtractorState.PROSE
            case Shape.CODE:
                self._state = ExtractorState.BARE
                lines, self._held = [*self._held, line], []
                return "".join(self._bare.add(held) for held in lines)
            case _:
                pass
        self._held.append(line)
        return ""

    def _end_prose_line(self, line: str) -> str:
        if fence := parse_opening_fence(line, self._language):
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
            line = without_glued_fence(line, MIN_FENCE)
        return self._bare.add(line, already_sent=self._sent)

    def _open(self, fence: Fence) -> str:
        self._had_fence = True
        self._state = ExtractorState.BLOCK
        self._held = []
        self._block = Block(fence)
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
