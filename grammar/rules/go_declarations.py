"""Go: the shape of a file, of a function's head, and parameters that are all named or all unnamed.

package p;  imports;  declarations        nothing else stands at the top of a file
func (r R) name(a, b int, c ...T) (x X, err error) {
"""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import Reduce, StackRule, State

NEWLINE = "source_file_token1"
TERMINATORS = (";", NEWLINE, "")  # the nameless one stands for the end of the text
LEADS = ("const", "var", "type", "func")


class Entry(NamedTuple):
    """Where in a parameter list the text stands.

    at    "first", "start" (behind a comma), "name" (one identifier: a name or a type), "type" (behind a type)
    mode  "": only single identifiers so far; "types"; "named"; "pending": named, and the last names lack their type
    """

    at: str
    mode: str = ""

    @property
    def needs_name(self) -> bool:
        """Say whether an entry without a name is refused: mixed named and unnamed parameters."""
        return self.mode in ("named", "pending")


# ---- the top of a file, and what follows `func`

_DONE = {"package done": "imports", "import done": "imports", "decl done": "decls",
         "package done before imports": "imports before imports",
         "import done before imports": "imports before imports"}  # fmt: skip
# state -> terminal -> next; anything else is refused
_HEADS: dict[str, dict[str, State]] = {
    "start": {"package": "package"},
    "package": {"identifier": "package done"},
    # Where right context still has imports, or the package clause.
    "start before imports": {"package": "package before imports"},
    "package before imports": {"identifier": "package done before imports"},
    "imports before imports": {"import": ""},
    "start before package": {},
    "imports": {"import": "", "func": "func decl", **dict.fromkeys(("const", "var", "type"), "")},
    "decls": {"func": "func decl", **dict.fromkeys(("const", "var", "type"), "")},
    "func decl": {"(": Entry("first"), "identifier": "func name"},
    "receiver": {"identifier": "method name"},
    "func name": {"(": Entry("first"), "[": ""},
    "method name": {"(": Entry("first")},
    **{state: dict.fromkeys(TERMINATORS, after) for state, after in _DONE.items()},
}


def _shift(state: State, terminal: str) -> State | None:
    if isinstance(state, Entry):
        return _entry_shift(state, terminal)
    s = str(state)
    if s in _HEADS:
        return _HEADS[s].get(terminal)
    match s:
        case "func" | "signature" | "method" if terminal == "(":
            return Entry("first")
        case "signature" if terminal not in ("{", "func", "interface", "["):
            return s
        case "interface" if terminal == "{":
            return "elements"
        case "elements" if terminal == "identifier":
            return "method"
        case "elements" if terminal in (*TERMINATORS, "|"):
            return s
        case "arguments" | "arguments first" if terminal != "]":
            return "" if terminal in ("(", "[", "{") else None if terminal == "..." else "arguments"
        case "array":  # the length of the array of a named parameter
            return None if terminal == "," else s if terminal not in ("(", "[", "{", "]") else ""
        case "arguments":
            return "arguments done"
        case "arguments first" | "arguments done":
            return None  # a slice or an array would be the type of a named parameter
        case _:
            return terminal if terminal in ("func", "interface") else ""


def _entry_shift(e: Entry, terminal: str) -> State | None:
    if terminal == ")":
        return None if e.mode == "pending" or (e.mode == "named" and e.at == "name") else ""
    if terminal == ",":
        if e.at == "first":
            return None
        return Entry("start", "pending" if e.needs_name and e.at == "name" else e.mode)
    if e.at == "type":
        return "" if terminal in ("[", "(", "{") else e
    typed = None if e.mode == "types" else Entry("type", "named")
    if e.at == "name":
        match terminal:
            case ".":
                return None if e.needs_name else Entry("type", "types")
            case "[":
                return "arguments first" if e.mode == "types" else "array" if e.needs_name else ""
            case "identifier" | "...":
                return typed
            case _:
                return typed and _shift("", terminal)
    if terminal == "identifier":
        return e._replace(at="name")
    if e.needs_name:
        return None
    return Entry("type", "types") if terminal == "..." else _shift("", terminal)


# ---- reductions


def _top(_: State, top: State) -> State:
    return top


def _type(below: State, top: State) -> State | None:
    """A type is the whole entry, or follows its name."""
    if not isinstance(below, Entry) or below.at == "type":
        return below
    if below.at != "name":
        return None if below.needs_name else Entry("type", "types")
    return None if below.mode == "types" else Entry("type", "named")


def _simple_type(below: State, top: State) -> State | None:
    return top if isinstance(top, Entry) and isinstance(below, Entry) else _type(below, top)


def _type_arguments(below: State, _: State) -> State | None:
    return None if isinstance(below, Entry) and below.at == "name" and below.needs_name else below


_BEHIND_PARAMETERS = {"func decl": "receiver"} | dict.fromkeys(
    ("func", "func name", "method name", "method"), "signature"
)


def _done(below_to: dict[str, str]) -> Reduce:
    def reduce(below: State, top: State) -> State:
        if below in below_to:
            return top if top in _DONE else below_to[str(below)]
        return below

    return reduce


_DECLARATION = _done(dict.fromkeys(("imports", "decls"), "decl done"))
TYPES = ("generic_type", "qualified_type", "pointer_type", "array_type", "slice_type", "struct_type", "interface_type",
          "map_type", "channel_type", "function_type", "negated_type", "parenthesized_type")  # fmt: skip

DECLARATIONS = StackRule(
    "declarations",
    "start",
    _shift,
    (
        "expected 'package'",
        "expected declaration",
        "expected 'IDENT'",
        "mixed named and unnamed parameters",
        "expected ')', found ','",
    ),
    {
        "package_clause": _done(
            {"start": "package done", "start before imports": "package done before imports"}
        ),
        "import_declaration": _done(
            {"imports": "import done", "imports before imports": "import done before imports"}
        ),
        "source_file_repeat1": _top,
        "source_file": lambda below, top: None if top == "start" else below,
        **dict.fromkeys(
            (
                "_declaration",
                "_statement",
                "const_declaration",
                "var_declaration",
                "type_declaration",
                "function_declaration",
                "method_declaration",
            ),
            _DECLARATION,
        ),
        "parameter_list": lambda below, _: _BEHIND_PARAMETERS.get(str(below), below),
        **dict.fromkeys(
            (
                "parameter_declaration",
                "variadic_parameter_declaration",
                "parameter_list_repeat1",
                "const_spec_repeat1",
            ),
            _top,
        ),
        **dict.fromkeys(TYPES, _type),
        "_simple_type": _simple_type,
        "type_arguments": _type_arguments,
    },
    settle=lambda below: "arguments" if below == "arguments first" else below,
    tops=("start before imports", "start before package"),
)
