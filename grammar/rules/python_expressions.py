"""Python: arguments, parameters, `as`, walrus, soft keywords, mixing of str and bytes."""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import Reduce, StackRule, State
from grammar.rules.python_layout import CLOSE, OPEN

NAMES = ("identifier", "print", "exec", "match", "type", "_")
ARITHMETIC = ("+", "-", "*", "/", "//", "%", "@", "**", "<<", ">>", "&", "|", "^")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")

# ---- arguments of a call: f(a, *b, c=1, **d)
#   ""     outside parentheses        "("    in parentheses, no keyword yet
#   "k"    behind k=v                 "k,"   behind its comma        "k,n"  a name there: '=' must follow
#   "d"    behind **d; likewise "d,", "d,n"


def _arguments_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if s in ("k,", "d,"):
        if terminal in NAMES:
            return s + "n"
        if terminal == "**" or (terminal == "*" and s == "k,"):
            return "("
        return "" if terminal in CLOSE else None
    if s in ("k,n", "d,n"):
        return "(" if terminal == "=" else None
    if terminal in OPEN:
        return "(" if terminal == "(" else ""
    if terminal in CLOSE:
        return ""
    if s in ("k", "d"):
        return s + "," if terminal == "," else s
    return s


def _argument(below: State, top: State) -> State | None:
    # positional argument follows keyword argument
    if top in ("k,n", "d,n"):
        return None
    return str(below)[0] if below in ("k,", "d,") else below


def _keyword_argument(below: State, _: State) -> State:
    return "d" if below in ("d", "d,") else "k" if below in ("(", "k", "k,") else below


def _dictionary_splat(below: State, _: State) -> State:
    return "d" if below in ("(", "k,", "d,") else below


def _argument_repeat(below: State, top: State) -> State | None:
    if top in ("k,n", "d,n"):
        return None
    return top if top in ("k", "d") else below


ARGUMENTS = StackRule(
    "arguments",
    "",
    _arguments_shift,
    (
        "positional argument follows keyword argument",
        "positional argument follows keyword argument unpacking",
    ),
    {
        "keyword_argument": _keyword_argument,
        "dictionary_splat": _dictionary_splat,
        "argument_list_repeat1": _argument_repeat,
        "list_splat": _argument,
        "list_splat_pattern": _argument,
        "primary_expression": _argument,
        "expression": _argument,
        "argument_list": lambda below, top: None if top in ("k,n", "d,n") else below,
    },
)


# ---- parameters of def and lambda


class Parameters(NamedTuple):
    """Where in a parameter list the text stands, and what came before in it.

    at       "" not in one; "def", "name" (before its bracket), "class", "class name"; "first": of the first parameter,
             "start" of another;
             "named"; "typed"; "value"; "star"; "star name"; "kw"; "done": behind a whole parameter
    kind     "def" or "lambda"
    default  a default came, and no star since
    star, slash, kwargs  `*`, `/`, `**` came
    bare     the star was alone: a name must follow
    """

    at: str = ""
    kind: str = ""
    default: bool = False
    star: bool = False
    slash: bool = False
    kwargs: bool = False
    bare: bool = False

    @property
    def needs_default(self) -> bool:
        """Say whether a plain name is refused here: non-default argument follows default argument."""
        return self.default and not self.star


_NO_PARAMETERS = Parameters()
_STARTS = ("start", "first")


def _parameters_shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, Parameters)
    p = state
    if terminal == "lambda":
        return Parameters("first", "lambda")
    ends = terminal in (":" if p.kind == "lambda" else ")")
    match p.at:
        case "":
            return Parameters(terminal) if terminal in ("def", "class") else p
        case "def" | "class":
            return Parameters("name" if p.at == "def" else "class name")
        case "name" | "class name":
            if terminal == "[":
                return None  # type parameters are newer than 3.11
            return Parameters("first", "def") if terminal == "(" and p.at == "name" else _NO_PARAMETERS
        case "value" | "typed":
            if terminal in OPEN:
                return _NO_PARAMETERS
            return p._replace(at="value") if terminal == "=" else p
        case "start" | "first" if terminal in NAMES:
            return None if p.kwargs else p._replace(at="named")
        case "start" | "first" if terminal == "*":
            return None if p.star or p.kwargs else p._replace(at="star")
        case "start" | "first" if terminal == "**":
            return None if p.bare or p.kwargs else p._replace(at="kw")
        case "start" if terminal == "/":
            return None if p.slash or p.star or p.kwargs else p._replace(at="slash")
        case "named" if terminal == "=":
            return p._replace(at="value")
        case "named" | "done" if terminal == ":" and p.kind == "def":
            return p._replace(at="typed")
        case "star" | "kw" if terminal in NAMES:
            return p._replace(at="star name")
        case "named" | "done" if terminal == ",":
            return None if p.at == "named" and p.needs_default else p._replace(at="start")
        case "named" | "done" | "start" | "first" if ends:
            return None if p.bare or (p.at == "named" and p.needs_default) else _NO_PARAMETERS
        case _:
            return None


def _whole(**changes: bool) -> Reduce:
    """Push a whole parameter behind `below`, the place where it started."""

    def reduce(below: State, _: State) -> State | None:
        assert isinstance(below, Parameters)
        return below._replace(at="done", bare=False)._replace(**changes) if below.at in _STARTS else below

    return reduce


def _plain_parameter(below: State, top: State) -> State | None:
    assert isinstance(below, Parameters)
    assert isinstance(top, Parameters)
    if below.at not in _STARTS:
        return below
    if top.at == "done":
        return top
    return None if below.needs_default else below._replace(at="done", bare=False)


def _typed_parameter(below: State, top: State) -> State | None:
    assert isinstance(below, Parameters)
    assert isinstance(top, Parameters)
    if below.at not in _STARTS:
        return below
    if below.kind == "lambda" or (below.needs_default and not top.star and not top.kwargs):
        return None
    return below._replace(at="done", bare=False, star=top.star, kwargs=top.kwargs, default=top.default)


def _default_parameter(below: State, _: State) -> State | None:
    assert isinstance(below, Parameters)
    return below._replace(at="done", bare=False, default=not below.star) if below.at in _STARTS else below


def _parameter_list(below: State, top: State) -> State | None:
    """Carry what the list contains past it; a name that needs a default ends no list."""
    assert isinstance(below, Parameters)
    assert isinstance(top, Parameters)
    if top.at in ("done", *_STARTS):
        return top
    if top.at == "named":
        return None if top.needs_default else top._replace(at="done", bare=False)
    return below


PARAMETERS = StackRule(
    "parameters",
    _NO_PARAMETERS,
    _parameters_shift,
    (
        "non-default argument follows default argument",
        "named arguments must follow bare *",
        "at least one argument must precede /",
    ),
    {
        "parameter": _plain_parameter,
        "typed_parameter": _typed_parameter,
        "default_parameter": _default_parameter,
        "typed_default_parameter": _default_parameter,
        "list_splat_pattern": _whole(star=True, default=False),
        "dictionary_splat_pattern": _whole(kwargs=True),
        "keyword_separator": _whole(star=True, default=False, bare=True),
        "positional_separator": _whole(slash=True),
        "_parameters_repeat1": _parameter_list,
        "_parameters": _parameter_list,
        "lambda_parameters": _parameter_list,
    },
)


# ---- `as`: only behind with, except, import and in case patterns


def _as_shift(state: State, terminal: str) -> State | None:
    match state:
        case "with" | "import" if terminal == "(":
            return state
        case "with" if terminal == ",":
            return "with,"
        case "with,":
            return _as_shift("with", terminal)
        case "case":
            return "" if terminal == ":" else "case in" if terminal in OPEN else state
        case "case in":
            return state
        case "except" if terminal == "as":
            return "except as"
        case "except" if terminal == ",":
            return None  # multiple exception types must be parenthesized
        case "except as":
            return "except name" if terminal in NAMES else None
        case "except name":
            return "" if terminal == ":" else None
        case "" if terminal == "as":
            return None
        case _:
            pass
    if terminal in ("with", "except", "import", "case"):
        return terminal
    if terminal in OPEN or terminal in (":", "lambda"):
        return ""
    return state


AS_TARGETS = StackRule(
    "as",
    "",
    _as_shift,
    ("invalid syntax", "multiple exception types must be parenthesized"),
    {"with_clause": lambda below, top: None if top == "with," else below},
)


# ---- soft keywords and Python 2

_OPERANDS = ("identifier", "integer", "float", "true", "false", "none", "ellipsis", "lambda", "{", "~", "await",
             "print", "exec", "type", "match", "_", "yield")  # fmt: skip


_NAMES = ("primary_expression", "pattern", "list_splat_pattern", "dictionary_splat_pattern",
          "_named_expression_lhs")  # fmt: skip


def _soft_shift(state: State, terminal: str) -> State | None:
    if terminal in ("<>", "__future__ "):
        return None
    if state == "print":
        if terminal in _OPERANDS or terminal.startswith("string_start"):
            return None  # Missing parentheses in call to 'print'
        return "print not" if terminal == "not" else ""
    if state == "print not":
        return "" if terminal == "in" else None
    if terminal in ("async", "await"):
        return "keyword"
    return "print" if terminal in ("print", "exec", "type") else ""


def _keyword_as_name(below: State, top: State) -> State | None:
    return (
        None if top == "keyword" else _soft_settle(below)
    )  # the grammar takes `async` for a name where it can


def _soft_settle(below: State) -> State:
    return "" if below == "keyword" else below


def _refuse(below: State, top: State) -> None:
    del below, top


KEYWORDS_AS_NAMES = StackRule(
    "soft keywords",
    "",
    _soft_shift,
    ("Missing parentheses in call to 'print'", "invalid syntax"),
    {
        **dict.fromkeys(_NAMES, _keyword_as_name),
        "exec_statement": _refuse,
        "type_alias_statement": _refuse,
        "constrained_type": _refuse,
    },
    settle=_soft_settle,
)


# ---- "a" b"c"


def _mix_shift(state: State, terminal: str) -> State | None:
    if terminal.startswith("string_start/"):
        kind = "bytes" if int(terminal.split("/")[1]) // 4 in (2, 3) else "str"
        if state in ("str", "bytes") and state != kind:
            return None  # cannot mix bytes and nonbytes literals
        return kind + " open"
    return state if str(state).endswith(" open") and terminal != "{" else ""


def _string(_: State, top: State) -> State:
    return str(top).removesuffix(" open")


STRING_MIX = StackRule(
    "string mix", "", _mix_shift, ("cannot mix bytes and nonbytes literals",), {"string": _string}
)


# ---- one lexeme back: where a star, a comma or a walrus cannot stand
#   "operator", "keyword"  no star follows        "operator", "value"  no walrus follows its next name

# "@" begins a decorator, too, which may be `@a := b`.
_OPERATORS = ({*ARITHMETIC} - {"@"}) | {*COMPARISONS, "~", "not", "and", "or", "is", ":="}
_KEYWORDS = ("@", "await", "if", "elif", "while", "assert", "raise", "del")
_VALUES = ("in", "else", ":", "=")


def _neighbour_shift(state: State, terminal: str) -> State | None:
    if state in ("operator", "keyword") and terminal == "*":
        return None  # can't use starred expression here
    if state == "open" and terminal == ",":
        return None
    if terminal in OPEN:
        return "open"
    if terminal in _OPERATORS:
        return "operator"
    return "keyword" if terminal in _KEYWORDS else "value" if terminal in _VALUES else ""


NEIGHBOURS = StackRule(
    "neighbours",
    "",
    _neighbour_shift,
    ("can't use starred expression here", "invalid syntax"),
    {"_named_expression_lhs": lambda below, top: None if below in ("operator", "value") else ""},
    settle=lambda _: "",
)
