"""JavaScript: which function the text is in, for await, yield and super."""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import StackRule, State


class Function(NamedTuple):
    """The function around, and what the next one will be.

    kind  "top" of a module, where await may stand; "sync"; "async"
    next  "async", "*", "async*" or "await" behind these words; "function" behind that word; "parameters", with one of
          these behind it, behind a list of parameters
    """

    kind: str = "top"
    is_generator: bool = False
    has_super: bool = False
    next: str = ""

    def entered(self) -> Function:
        """Give the function whose head has been read."""
        words = self.next.removeprefix("parameters")
        return self._replace(kind="async" if "async" in words else "sync", is_generator="*" in words, next="")


_NAMES = ("identifier", "get", "set", "static", "of", "from", "as", "target", "meta", "undefined",
          "private_property_identifier", "number")  # fmt: skip


def _shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, Function)
    f = state
    match terminal:
        case "await":
            return None if f.kind == "sync" else f._replace(next="await" if f.kind == "async" else "")
        case "yield":
            return f._replace(next="") if f.is_generator else None
        case "super":
            return f._replace(next="") if f.has_super else None
        case "async":
            return f._replace(next="async")
        case "function":
            return f.entered()._replace(has_super=False, next="function")
        case "*":
            if f.next == "function":
                return f._replace(is_generator=True)
            return f._replace(next="async*" if f.next == "async" else "*")
        case "=>":
            return f.entered()._replace(is_generator=False)
        case "class":
            return f._replace(has_super=True, next="")
        case "{" if f.next.startswith("parameters"):
            return f.entered()._replace(has_super=True)
        case _ if terminal in _NAMES and f.next != "await":
            return f
        case _:
            return f._replace(next="")


def _parameters(below: State, _: State) -> State:
    assert isinstance(below, Function)
    words = below.next.removeprefix("parameters")
    return below if words == "function" else below._replace(next=f"parameters{words}")


def _is_await(top: State) -> bool:
    """Say whether the word is all of an expression: a name, as the grammar would have it."""
    return isinstance(top, Function) and top.next == "await"


def _settle(below: State) -> State:
    return below._replace(next="") if isinstance(below, Function) and below.next == "await" else below


FUNCTIONS = StackRule(
    "functions",
    Function(),
    _shift,
    (
        "await is only valid in async functions and the top level bodies of modules",
        "'super' keyword unexpected here",
        "Unexpected identifier",
    ),
    {
        "formal_parameters": _parameters,
        "primary_expression": lambda below, top: None if _is_await(top) else _settle(below),
    },
    settle=_settle,
)
