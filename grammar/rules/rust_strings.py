r"""Rust: which raw string is being read. Feeds the scanner (csrc/rust_scanner.cpp).

r##"a"#b"##     the text ends at a quote and as many hashes as it began with
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

MAX_HASHES = 8  # of 255 in the language; none of 3,753 real files has more than 3
START, END = "_raw_string_literal_start", "_raw_string_literal_end"
VARIANTS = ((START, MAX_HASHES + 1),)


def _shift(state: State, terminal: str) -> State:
    if terminal.startswith(START + "/"):
        return 1 + int(terminal.split("/")[1])
    return 0 if terminal == END else state


def _flags(state: State) -> int:
    assert isinstance(state, int)
    return state


RAW_STRINGS = StackRule("raw strings", 0, _shift, lex_flags=_flags)
