"""A chat's answer: prose is free, code in a fence of a registered language is held to its grammar.

    PROSE ──"```python⏎"──► CODE ──"```", where the code can end──► CLOSED ──line end──► PROSE
      └─────"```⏎", "```rust⏎"──► OTHER ──"```⏎"──► PROSE

A fence closes with one token that is a fence, at the start of a line; no other token with three backticks is allowed
in code, so that whoever reads the Markdown finds the same code. The answer ends in prose or where a fence has closed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from typing_extensions import override

from service.fences import closes, opening
from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.code_follower import CodeFollower
from service.vllm_plugin.syntax_grammar import SyntaxGrammar
from service.vllm_plugin.token_sets import Row, TokenSets, holds

# A line's end, the fence, and the token that ends the answer.
FENCE_RESERVE = 3
# A line of prose is remembered as far as it may be a fence.
_MAX_LINE = 200


class Region(Enum):
    """Where in the answer a token stands."""

    PROSE = auto()
    CODE = auto()
    CLOSED = auto()
    OTHER = auto()


class Place(NamedTuple):
    """The state behind a token.

    line       the unfinished line of prose
    backticks  of the open fence
    block      which of the answer's code blocks; -1 before the first
    num_code   tokens of that block so far
    """

    region: Region = Region.PROSE
    line: bytes = b""
    backticks: int = 3
    block: int = -1
    num_code: int = 0


class FencedGrammar(SyntaxGrammar):
    """Prose with code in fences.

    open_block   gives the follower of a new block for a fence's label; None for a label that is not masked
    token_bytes  of a token id; None for control tokens
    ends         tokens that end the answer
    """

    def __init__(
        self,
        spec: SyntaxSpec,
        sets: TokenSets,
        ends: Row,
        token_bytes: Callable[[int], bytes | None],
        open_block: Callable[[str], CodeFollower | None],
    ) -> None:
        super().__init__(spec)
        self._sets = sets
        self._ends = ends
        self._token_bytes = token_bytes
        self._open_block = open_block
        self._blocks: list[CodeFollower] = []
        self._places = [Place()]

    @property
    def _place(self) -> Place:
        return self._places[-1]

    @override
    def _fill(self, row: Row) -> None:
        place = self._place
        match place.region:
            case Region.CODE:
                block = self._blocks[place.block]
                filled = block.fill(row, self._position, self._left)
                self.note(block, filled)
            case Region.CLOSED if self.counts.closing_forced:
                row[:] = self._ends
            case Region.CLOSED:
                row[:] = self._sets.line_end_first | self._ends
            case _:
                row[:] = -1
                if _is_opening(place.line):
                    # The label's line ends with its token, so that what follows is masked from its first byte.
                    row &= self._sets.one_line

    @override
    def _take(self, token: int) -> bool:
        place = self._place
        if place.region is Region.CODE:
            return self._take_code(place, token)
        if holds(self._ends, token):
            self._ended_at = self._position
            self._places.append(place)
            return True
        after = self._after(place, self._token_bytes(token) or b"")
        if after is not None:
            self._places.append(after)
        return after is not None

    def _take_code(self, place: Place, token: int) -> bool:
        block = self._blocks[place.block]
        if not block.is_end(token):
            taken = block.accept(token, self._position)
            if taken:
                self._places.append(place._replace(num_code=place.num_code + 1))
            return taken
        if not block.can_end:
            return False
        region = Region.PROSE if (self._token_bytes(token) or b"").endswith(b"\n") else Region.CLOSED
        self._places.append(place._replace(region=region, line=b""))
        return True

    def _after(self, place: Place, data: bytes) -> Place | None:
        """Give the place behind some bytes that are not code; None where code begins with what is none."""
        while data:
            part, line_end, rest = data.partition(b"\n")
            line = (place.line + part)[:_MAX_LINE]
            if not line_end:
                return place._replace(line=line)
            place = self._after_line(place, line.decode(errors="replace"))
            if place.region is Region.CODE:
                if rest and not self._blocks[place.block].accept_bytes(rest):
                    return None
                return place._replace(num_code=int(bool(rest)))
            data = rest
        return place

    def _after_line(self, place: Place, line: str) -> Place:
        prose = place._replace(region=Region.PROSE, line=b"")
        match place.region:
            case Region.PROSE:
                fence = opening(line)
                if fence is None:
                    return prose
                # A longer fence would need a longer one to close it, which is no single token.
                block = self._open_block(fence[1]) if fence[0] == 3 else None
                if block is None:
                    return prose._replace(region=Region.OTHER, backticks=fence[0])
                del self._blocks[place.block + 1 :]
                self._blocks.append(block)
                return Place(Region.CODE, b"", fence[0], place.block + 1)
            case Region.OTHER if not closes(line, place.backticks):
                return place._replace(line=b"")
            case _:
                return prose

    @override
    def _take_back(self) -> None:
        if self._position + 1 >= len(self._places):
            return
        del self._places[self._position + 1 :]
        place = self._place
        if place.region is Region.CODE:
            block = self._blocks[place.block]
            block.rollback(block.num_accepted - place.num_code, self._position)

    @override
    def _valid_length(self, tokens: list[int]) -> int:
        length = 0
        begun = self._position
        ended = self._ended_at
        for token in tokens:
            if self._ended_at is not None or not self._take(token):
                break
            self._position += 1
            length += 1
        self._position, self._ended_at = begun, ended
        self._take_back()
        return length


def _is_opening(line: bytes) -> bool:
    return line.lstrip(b" ").startswith(b"```") and opening(line.decode(errors="replace")) is not None
