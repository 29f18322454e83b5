"""Python: what a statement may be, by the function, class or loop around it."""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import StackRule, State
from grammar.rules.python_layout import OPEN

AWAITABLE = ("identifier", "(", "[", "{", "print", "exec", "type", "match", "_", "integer", "float", "true", "false",
             "none", "ellipsis")  # fmt: skip


class Scope(NamedTuple):
    """Innermost function or class, whether a loop can be left, and the header that is being read.

    header  "def", "async def", "class", "loop", "lambda", "try": its ':' is still to come;
            "loop body N", "try body": right behind that ':'; "loop done N", "try done": behind the body
            (N: whether the loop lies in another); one-lexeme contexts: "async", "await", "yield", "import".
    bracket "(" or "[" inside brackets (the innermost one; "[" stands for "{" too); "(for": behind a `for` there
    """

    function: str = "module"
    loop: bool = False
    header: str = ""
    bracket: str = ""


def _is_refused(s: Scope, terminal: str) -> bool:
    """Say whether a terminal cannot follow what the header notes."""
    match s.header:
        case "async":  # 'async for' outside async function
            is_function = terminal == "def" and not s.bracket
            comprehends = s.function == "async def" or "(" in s.bracket
            return not is_function and (terminal not in ("for", "with") or not comprehends)
        case "await":
            return terminal not in AWAITABLE and not terminal.startswith("string_start")
        case "yield":  # 'yield from' inside async function
            return terminal == "from" and s.function == "async def"
        case "import":  # import * only allowed at module level
            return terminal == "*" and s.function != "module"
        case "try body" | "try done":  # expected 'except' or 'finally' block
            return terminal == "else"
        case _:
            return False


_PASSING = ("async", "await", "yield", "import", "loop body 0", "loop body 1", "try body", "try done")


def _scope_shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, Scope)
    s, in_function = state, state.function in ("def", "async def")
    if _is_refused(s, terminal):
        return None
    match s.header:
        case "async" if terminal == "def":
            return s._replace(header="async def")
        case "loop body 0" | "loop body 1" | "try body" if terminal == "_indent":
            return s
        # A body on the header's line is no block, so these states still stand behind it.
        case "loop body 0" | "loop body 1" | "loop done 0" | "loop done 1" if terminal == "else":
            return s._replace(header="", loop=s.header.endswith("1"))
        case _ if s.header in _PASSING:
            s = s._replace(header="")
        case _:
            pass
    if terminal in OPEN:
        return Scope(s.function, bracket="(" if terminal == "(" else "[")
    match terminal:
        case "return" | "yield" if not in_function:
            return None  # 'return' outside function
        case "yield":
            return s._replace(header="yield")
        case "await":
            awaits = s.function == "async def" or s.bracket == "(for"
            return s._replace(header="await") if awaits else None
        case "async":
            comprehends = s.function == "async def" or "(" in s.bracket
            return s._replace(header="async") if comprehends or not s.bracket else None
        case "break" | "continue" if not s.loop:
            return None  # 'break' outside loop
        case "nonlocal" if s.function == "module":
            return None  # nonlocal declaration not allowed at module level
        case "import":
            return s._replace(header="import")
        case "lambda":
            return s._replace(header="lambda", loop=False)
        case "def" | "class" | "try" if not s.bracket:
            return s._replace(header=terminal)
        case "for" if s.bracket == "(":  # a generator may await anywhere
            return s._replace(bracket="(for")
        case "for" | "while" if not s.bracket:
            return s._replace(header="loop")
        case ":":
            return _enter(s)
        case _:
            return s


def _enter(s: Scope) -> Scope:
    match s.header:
        case "def" | "lambda":
            return Scope("def", bracket=s.bracket)
        case "async def" | "class":
            return Scope(s.header)
        case "loop":
            return s._replace(loop=True, header=f"loop body {int(s.loop)}")
        case "try":
            return s._replace(header="try body")
        case _:
            return s


def _block(below: State, _: State) -> State:
    assert isinstance(below, Scope)
    return below._replace(header=below.header.replace("body", "done")) if "body" in below.header else below


def _handled(below: State, _: State) -> State:
    assert isinstance(below, Scope)
    return below._replace(header="") if below.header in ("try body", "try done") else below


def _generator(below: State, _: State) -> State:
    assert isinstance(below, Scope)
    return below._replace(bracket="(for") if below.bracket == "(" else below


def _handler_list(below: State, top: State) -> State:
    return _handled(below, top)


def _try_statement(below: State, top: State) -> State | None:
    # expected 'except' or 'finally' block
    return None if isinstance(top, Scope) and top.header in ("try body", "try done") else below


def _settle_scope(below: State) -> State:
    assert isinstance(below, Scope)
    return below._replace(header="") if below.header in ("async", "await", "yield", "import") else below


SCOPE = StackRule(
    "scope",
    Scope(),
    _scope_shift,
    (
        "'return' outside function",
        "'yield' outside function",
        "'await' outside async function",
        "'break' outside loop",
        "'continue' not properly in loop",
        "nonlocal declaration not allowed at module level",
        "import * only allowed at module level",
        "expected 'except' or 'finally' block",
    ),
    {
        "block": _block,
        "for_in_clause": _generator,
        "_comprehension_clauses_repeat1": _generator,
        "except_clause": _handled,
        "finally_clause": _handled,
        "try_statement_repeat1": _handler_list,
        "try_statement": _try_statement,
    },
    settle=_settle_scope,
)


# ---- assignment: which of '=', '+=', ':' may still come

AUGMENTED = ("+=", "-=", "*=", "/=", "@=", "//=", "%=", "**=", ">>=", "<<=", "&=", "^=", "|=")
HEADERS = (
    "if",
    "elif",
    "else",
    "while",
    "for",
    "try",
    "except",
    "finally",
    "with",
    "def",
    "class",
    "case",
    "match",
)


def _assignment_shift(state: State, terminal: str) -> State | None:
    if terminal in OPEN:
        return _OPENED
    if state in _IN_BRACKET:
        return (
            _COMMA
            if terminal == ","
            else state
            if state == _OPENED and terminal == ")"
            else _settle_target(state)
        )
    if terminal == "lambda":
        return "lambda"
    if state == "lambda":
        return "lambda body" if terminal == ":" else state
    if terminal in HEADERS:
        return "header"
    if state == "header":
        return "" if terminal == ":" else state
    if terminal == ":":
        return "annotation" if state in ("", "single") else None
    if terminal == "=":
        if state in ("", "single"):
            return "assigned"
        return {"assigned": "assigned", "annotation": "last"}.get(str(state))
    if terminal in AUGMENTED:
        return "last" if state in ("", "single") else None
    if terminal == ";":
        return ""
    return state


_TUPLE = "tuple target"
_COMMA = "bracket,"  # in a bracket, behind a comma: (a, b) is a tuple, (a) a name, () a tuple
_OPENED = "bracket ("
_IN_BRACKET = ("bracket", _COMMA, _OPENED)


def _settle_target(below: State) -> State:
    return "bracket" if below == _OPENED else below


def _elements(below: State, top: State) -> State:
    return _COMMA if top == _COMMA and below in _IN_BRACKET else _settle_target(below)


def _more_elements(below: State, _: State) -> State:
    return _COMMA if below in _IN_BRACKET else below


def _tuple_pattern(below: State, top: State) -> State:
    return _TUPLE if below == "" and top in (_COMMA, _OPENED) else _settle_target(below)


def _pattern_list(below: State, _: State) -> State:
    return _TUPLE if below == "" else _settle_target(below)


ASSIGNMENT = StackRule(
    "assignment",
    "",
    lambda state, terminal: (
        ("assigned" if terminal == "=" else None)
        if state == _TUPLE and terminal in (*AUGMENTED, ":", "=")
        else _assignment_shift("" if state == _TUPLE else state, terminal)
    ),
    (
        "'tuple' is an illegal expression for augmented assignment",
        "only single target (not tuple) can be annotated",
        "invalid syntax",
    ),
    {
        "pattern_list": _pattern_list,
        "tuple_pattern": _tuple_pattern,
        "_patterns": _elements,
        "_patterns_repeat1": _more_elements,
        "list_pattern": _pattern_list,
        "pattern": lambda below, top: top if top == _TUPLE and below == "" else _settle_target(below),
    },
    settle=_settle_target,
)


# ---- simple statements with their own small grammars

_STARTS = {"assert": "assert 0", "raise": "raise 0", "from": "from", "global": "names", "nonlocal": "names"}


def _simple_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal in OPEN:
        return "names (" if s == "from import" and terminal == "(" else "bracket"
    match s:
        case "bracket":
            return s
        case "names (":
            return None if terminal == "." else s  # from a import (b.c)
        case "assert 0" | "assert 1" if terminal == ",":
            return "assert 1" if s == "assert 0" else None
        case "raise 0" if terminal == "from":
            return None
        case "raise 0":
            return "raise"
        case "raise" if terminal == ",":
            return None
        case "from" if terminal == "import":
            return "from import"
        case "from import" if terminal == ".":
            return None
        case "from import" | "import" if terminal == ",":
            return s + ","
        case "from import," | "import,":
            return s[:-1] if terminal in ("identifier", "print", "exec", "match", "type", "_") else None
        case "" if terminal == "import":
            return "import"
        case "":
            return _STARTS.get(terminal, s)
        case _:
            return s


def _assert_list(below: State, top: State) -> State:
    return "assert 1" if top == "assert 1" else below


def _import_list(below: State, top: State) -> State | None:
    # trailing comma not allowed without surrounding parentheses
    return None if top in ("from import,", "import,") else below


def _settle_simple(below: State) -> State:
    return {"raise 0": "raise", "from import,": "from import", "import,": "import"}.get(str(below), below)


SIMPLE_STATEMENTS = StackRule(
    "simple statements",
    "",
    _simple_shift,
    ("trailing comma not allowed without surrounding parentheses", "invalid syntax"),
    {
        "assert_statement_repeat1": _assert_list,
        "_import_list": _import_list,
    },
    settle=_settle_simple,
)
