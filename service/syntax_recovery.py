"""A prefix that no program begins with, the normal case while somebody types: what of it can still be followed.

    class A {                                    class A {          ◄ a stand-in for what encloses it
      void broken( { ... }      ──►                void good() {    ◄ first line that can be followed to the end
      void good() {                                    |cursor
          |cursor

The text from some line start on is kept, where it can be followed to its end behind nothing, or behind a stand-in for
what encloses it: as much of it as possible, from the first line behind the fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from grammar import Language, is_viable_prefix, viable_length

# Line starts that are tried: the nearest behind the fault, then doubling distances. Each try reads until it fails.
_MAX_TRIES = 48
_MAX_READ_BYTES = 2 << 20

# What may enclose a region, the least first. Python's blocks need the region's own indentation, which is deeper.
_ENCLOSURES: dict[str, tuple[str, ...]] = {
    "python": ("", "async def a():\n while 1:\n"),
    "java": ("", "class a{", "class a{void a(){while(true){"),
    "go": ("", "package a\n", "package a\nfunc a(){for{"),
    "javascript": ("", "class a{", "async function*a(){for(;;){"),
    "typescript": ("", "class a{", "interface a{", "async function*a(){for(;;){"),
    "tsx": ("", "class a{", "interface a{", "async function*a(){for(;;){"),
    "rust": ("", "impl a{", "fn a(){loop{"),
}


@dataclass(frozen=True, slots=True)
class Recovered:
    """The prefix to follow, and what was left out; None when it is the request's own."""

    prefix: str
    degraded: str | None = None


def recover(language: Language, prefix: str) -> Recovered:
    """Give what of a prefix can be followed.

    Cost  one reading of the prefix when nothing is wrong; else up to 2 MB of reading
    """
    data = prefix.encode(errors="replace")
    broken_at = viable_length(language, data)
    if broken_at == len(data):
        return Recovered(prefix)
    line = data.count(b"\n", 0, broken_at) + 1
    read = 0
    for start in _line_starts(data, broken_at):
        for enclosure in _ENCLOSURES.get(language.name, ("",)):
            text = enclosure.encode() + data[start:]
            read += len(text)
            if read > _MAX_READ_BYTES:
                break
            if is_viable_prefix(language, text):
                kept = data.count(b"\n", 0, start) + 1
                return Recovered(
                    text.decode(),
                    f"the prefix is no beginning of a program (line {line}): followed from line {kept} on",
                )
    return Recovered(
        "", f"the prefix is no beginning of a program (line {line}): the answer was held to be one by itself"
    )


def _line_starts(data: bytes, broken_at: int) -> list[int]:
    starts = [match.end() for match in re.finditer(rb"\n(?=[^\n])", data[broken_at:])]
    starts = [broken_at + start for start in starts]
    if len(starts) > _MAX_TRIES:
        # The first ones keep most, the last ones are likeliest.
        half = _MAX_TRIES // 2
        starts = starts[:half] + starts[-half:]
    return starts
