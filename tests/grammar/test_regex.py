"""The regex subset against Python's own `re`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.rules.python import LEXEMES
from grammar.rules.regex import NUM_CLASSES, compile_regex

PATTERNS = sorted({rule.pattern for rule in LEXEMES} | {r"a(b|c)*d?", r"[^\n]{1,3}x", r"(ab){2}|a+"})


def matches(pattern: str, text: str) -> bool:
    dfa = compile_regex(pattern)
    state = 0
    for char in text:
        state = dfa.next[state * NUM_CLASSES + min(ord(char), 128)]
        if state == 255:
            return False
    return bool(dfa.accepting[state])


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
def test_the_automaton_accepts_what_re_accepts(pattern: str, data: st.DataObject) -> None:
    alphabet = "0123456789abcdefxXoObBeEjJuUN_.+-\\{}#\n\r!rsq é"
    # Our sets of characters beyond ASCII, to which none of these belongs; to `re` they would be control characters.
    reference = re.sub(r"\\[12]", "", pattern)
    text = data.draw(st.one_of(st.from_regex(reference, fullmatch=True), st.text(alphabet, max_size=8)))
    expected = re.fullmatch(reference, text, re.ASCII) is not None
    assert matches(pattern, text) == expected


@pytest.mark.parametrize("pattern", ["(a", "a)", "[a"])
def test_broken_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        compile_regex(pattern)
