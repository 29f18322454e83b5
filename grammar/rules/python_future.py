"""Python: `from __future__` imports come first, behind one string at most.

"start"   of the file     "("       behind brackets there       "text"   behind a string that is a statement so far
"next"    behind the string or such an import                   "late"   behind anything else
"from"    a word may be `__future__`                            "future"  in such an import
"""

from __future__ import annotations

from grammar.rules.model import Reduce, StackRule, State
from grammar.rules.tops import ANY, CHARACTER, LINE_COMMENT_END, STRING, WORD, WORD_END, Top, begun_text, text

BEFORE = " before"  # with it, the states before right context that still has such an import

_STRINGS = ("string", "concatenated_string")
_VALUES = ("primary_expression", "expression", "expression_statement", "parenthesized_expression")
_SEQUENCES = ("_simple_statements_repeat1", "_simple_statements", "_statement", "module_repeat1")
_PARTS = ("string_repeat1", "concatenated_string_repeat1", "string_content", "string_content_repeat1")
_IN_STRINGS = ("_string_content", "escape_sequence", "\\", "string_end", ")")


def _shift(state: State, terminal: str) -> State | None:
    s = str(state)
    after = _shift_in(s.removesuffix(BEFORE), terminal)
    return _before(after) if s.endswith(BEFORE) else after


def _before(after: State | None) -> State | None:
    """Refuse what is late where right context still has such an import."""
    return None if after in (None, "late") else f"{after}{BEFORE}"


def _shift_in(state: str, terminal: str) -> State | None:
    match state:
        case "start" | "next" if terminal == "from":
            return "from"
        case "start" | "(" if terminal == "(":
            return "("
        case "start" | "(" | "text" if _is_text(terminal):
            return "text"
        case "from" if terminal == "__future__":
            return "future"
        case "text" if terminal in _IN_STRINGS:
            return "text"
        case "text" if terminal in ("_newline", ";"):
            return "next"
        case "next" if terminal == "_newline":  # behind a semicolon
            return "next"
        case "future":
            return "next" if terminal in ("_newline", ";") else state
        case _:
            return None if terminal == "__future__" else "late"


def _is_text(terminal: str) -> bool:
    """Say whether it begins a string that is neither bytes nor formatted, see python_layout.py."""
    return terminal.startswith("string_start/") and int(terminal.split("/")[1]) < 8


def _text(below: State, top: State) -> State:
    if below in ("start", "(", "text"):
        return "text" if top == "text" else "late"
    return below


def _value(below: State, top: State) -> State:
    return top if below in ("start", "(") and top == "text" else settle(below)


def _import(below: State, top: State) -> State:
    return top if below in ("start", "next") and top == "future" else settle(below)


def _sequence(below: State, top: State) -> State:
    del below
    return top


def settle(below: State) -> State:
    """Give the state of a node that is none of these: at the start of a statement it makes it a late one."""
    return "late" if below in ("start", "next", "(", "text") else below


def _also_before(reduce: Reduce) -> Reduce:
    def reduced(below: State, top: State) -> State | None:
        if not str(below).endswith(BEFORE):
            return reduce(below, top)
        return _before(reduce(str(below).removesuffix(BEFORE), str(top).removesuffix(BEFORE)))

    return reduced


FUTURE = StackRule(
    "future",
    "start",
    _shift,
    ("from __future__ imports must occur at the beginning of the file",),
    {
        **dict.fromkeys((*_STRINGS, *_PARTS), _also_before(_text)),
        **dict.fromkeys(_VALUES, _also_before(_value)),
        "future_import_statement": _also_before(_import),
        **dict.fromkeys(_SEQUENCES, _also_before(_sequence)),
    },
    settle=settle,
    tops=("start" + BEFORE,),
)


# ---- right context

_LONG = (rb'(?s:[^"\\]|\\.|"(?!""))', rb"(?s:[^'\\]|\\.|'(?!''))")
TOP = Top(
    begun=(
        WORD_END,
        LINE_COMMENT_END,
        *begun_text(b'"', STRING, ANY),
        *begun_text(b"'", CHARACTER, ANY),
        *begun_text(b'"""', _LONG[0], ANY),
        *begun_text(b"'''", _LONG[1], ANY),
        b'""?',
        b"''?",
    ),
    lexeme=b"|".join((
        rb"#[^\n]*", rb"\\\r?\n",
        b'"""' + text(b'(?:"""|\\Z)', _LONG[0]), b"'''" + text(b"(?:'''|\\Z)", _LONG[1]),
        b'"' + text(b'"?', STRING), b"'" + text(b"'?", CHARACTER),
        WORD, rb"\n", rb"\S",
    )),
    levels=(rb"(?:^|[\n;]) ?from __future__ import\b",),
)  # fmt: skip
