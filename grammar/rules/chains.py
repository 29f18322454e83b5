"""Operators that do not stand beside some others without parentheses, in any language.

    a KIND b            KIND behind the operator, "KIND done" behind its right side
    (a KIND b), f(a)    nothing: what is closed is a side like any other

A rule says in its own shift which kinds refuse which.
"""

from __future__ import annotations

from collections.abc import Collection

from grammar.rules.model import Reduce, State

_DONE = " done"


def settle(below: State) -> State:
    """Give the state of a node that is a side and no operation."""
    return "" if str(below).endswith(_DONE) else below


def operation(kinds: Collection[str]) -> Reduce:
    """Make the reduction of an operation, which keeps its operator's kind."""
    return lambda below, top: f"{top}{_DONE}" if top in kinds else settle(below)


def value(below: State, top: State) -> State:
    """Keep an operation's kind in the expression that it is."""
    return top if str(top).endswith(_DONE) else settle(below)
