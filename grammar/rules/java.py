"""Java as javac 17 parses it, above tree-sitter-java.

Not expressible here, because it depends on the text of names: restricted names (`record`, `sealed`, ... as types),
`goto` and `const`. Stricter than javac in one point: an assignment to what is no variable, `a + b = c;`, parses
there and fails later.
"""

from __future__ import annotations

import unicodedata

from grammar.rules.java_names import JOINED_LINES, NEWER, RECEIVERS, TEXT_BLOCK_STARTS, TEXT_BLOCKS
from grammar.rules.java_places import MODIFIERS, NAMES_A_TYPE, PRIMITIVES
from grammar.rules.java_structure import STRUCTURE
from grammar.rules.model import LanguageRules, LexemeRule, OwnNames, StackRule, State
from grammar.rules.tops import (
    ANY,
    C_COMMENTS,
    CHARACTER,
    COMMENT_END,
    LINE_COMMENT_END,
    STRING,
    WORD,
    WORD_END,
    Top,
    begun_text,
    text,
)

RESERVED = (
    "final", "instanceof", "new", "class", "extends", "switch", "case", "default", "underscore_pattern", "assert", "do",
    "while", "break", "continue", "return", "synchronized", "throw", "try", "catch", "finally", "if", "else", "for",
    "static", "package", "import", "enum", "public", "protected", "private", "abstract", "strictfp", "native",
    "transient", "volatile", "implements", "interface", *PRIMITIVES, "void_type", "throws", "this", "super", "true",
    "false", "null_literal",
)  # fmt: skip


OPENERS = (
    "a", "a ", "void a(a", "class \1{", "interface a{", "enum \1{", "record \1(", "void a(){", "void a(", "{", "(",
    "a(", "a[", "a[]a={", "a=", "a->{", "new a(){", "new a[]{", "if(a", "if(a)", "if(a){", "for(", "for(;;){",
    "try{", "try(a a=", "do{", "switch(a){case 0:", "switch(a){", "a=switch(a){case 0->", "case ", '"', "'",
    '"""\n', "/*", "//", "@a(", "@a ", "return ", "import ", "int a", "a?", "a.", "a<", "throw ",
    "class a extends ", "class \1{void a(){", "module a{", "module a{exports ", "a=new a[][]{{", "return a(",
    "void a()throws ", "synchronized(",
    "@interface a{", "try{}catch(", "if ", "while ", "for ", "switch ", "a.a(new a(){", "module a", "a(()->{", "{{",
    "a[]a={{",
)  # fmt: skip


# ---- no modifier twice: one small automaton each


def _once(modifier: str) -> StackRule:
    def shift(state: State, terminal: str) -> State | None:
        if terminal == modifier:
            return None if state == "seen" else "seen"
        return state if terminal in MODIFIERS or terminal == "@" else ""

    return StackRule(
        f"{modifier} once", "", shift, ("repeated modifier",), {"modifiers": _top, "modifiers_repeat1": _top}
    )


# ---- permits only behind sealed


def _sealed_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "permits":
            return state if state == "sealed" else None
        case "sealed":
            return "sealed"
        case "{" | "(" | ";":
            return ""
        case _:
            return state


def _top(_: State, top: State) -> State:
    return top


SEALED = StackRule(
    "sealed", "", _sealed_shift, ("invalid permits clause",), {"modifiers": _top, "modifiers_repeat1": _top}
)


# ---- <> only behind new; a.<?>b() has no wildcards
#   "new"    in a type behind it      "<"         behind that bracket elsewhere
#   "."      behind a dot or ::       "explicit"  behind the bracket there, or a comma in it; "typed": a type


def _diamond_shift(state: State, terminal: str) -> State | None:
    if (state in ("<", "explicit") and terminal == ">") or (state == "explicit" and terminal == "?"):
        return None
    if terminal == "<":
        return {"new": "", ".": "explicit"}.get(str(state), "<")
    if terminal == "," and state == "typed":
        return "explicit"
    if terminal in (".", "::") and state != "new":
        return "."
    if terminal == "new":
        return "new"
    return (
        "new"
        if state == "new" and terminal in ("identifier", ".", "@", "record", "open", "module", "with")
        else ""
    )


DIAMOND = StackRule(
    "diamond",
    "",
    _diamond_shift,
    ("illegal start of type",),
    settle=lambda below: {"new": "new", "explicit": "typed"}.get(str(below), ""),
)


# ---- lexemes

_HEX = "[0-9a-fA-F]"
_ESCAPE = r"[btnfrs\"'\\]"


def _up_to(limit: str) -> str:
    """Give a pattern for decimal numbers without leading zeros, with underscores, that are at most `limit`."""
    longer = [rf"[1-9](_?[0-9]){{0,{len(limit) - 2}}}"]
    for i, digit in enumerate(limit):
        low = "1" if i == 0 else "0"
        if digit > low:
            prefix = "_?".join(limit[:i]) + ("_?" if i else "")
            rest = len(limit) - i - 1
            longer.append(rf"{prefix}[{low}-{chr(ord(digit) - 1)}](_?[0-9]){{{rest}}}")
    return "|".join((*longer, "_?".join(limit)))


LEXEMES = (
    LexemeRule(("identifier",), r"[\w$\2][\w$\1]*", ("illegal character",)),
    LexemeRule(
        ("decimal_integer_literal",),
        rf"0[lL]?|{_up_to('2147483648')}|[1-9](_?[0-9]){{0,18}}[lL]",
        ("integer number too large",),
    ),
    LexemeRule(
        ("hex_integer_literal",),
        rf"0[xX][0_]*(([1-9a-fA-F](_?{_HEX}){{0,7}})?|([1-9a-fA-F](_?{_HEX}){{0,15}})?[lL])",
        ("integer number too large",),
    ),
    LexemeRule(
        ("binary_integer_literal",),
        r"0[bB][0_]*((1(_?[01]){0,31})?|(1(_?[01]){0,63})?[lL])",
        ("integer number too large",),
    ),
    LexemeRule(
        ("octal_integer_literal",),
        r"0[0_]*(([1-3](_?[0-7]){10}|[1-7](_?[0-7]){0,9})?|(1(_?[0-7]){21}|[1-7](_?[0-7]){0,20})?[lL])",
        ("integer number too large",),
    ),
    LexemeRule(
        ("hex_floating_point_literal",),
        rf"0[xX]({_HEX}|_|\.)+[pP][+-]?[0-9](_?[0-9])*[fFdD]?",
        ("malformed floating-point literal",),
    ),
    LexemeRule(
        ("character_literal",),
        rf"'([^'\\\n\r]|\\({_ESCAPE}|[0-3]?[0-7]{{1,2}}|u+{_HEX}{{4}})"
        rf"|\\u+005[cC]({_ESCAPE}|\\u+{_HEX}{{4}}|[0-3]?[0-7]{{1,2}}))'",
        ("unclosed character literal", "illegal escape character"),
    ),
    LexemeRule(
        ("string_fragment",), r"[^\"\\\n\r]+", ("unclosed string literal",), commit=r"[^\"\\\n\r]*[\n\r]"
    ),
    LexemeRule(
        ("escape_sequence",), rf"\\({_ESCAPE}|[0-7]{{1,3}}|u{_HEX}{{4}}|\n|\r)", ("illegal escape character",)
    ),
    # A Unicode escape is read before anything else, even in a comment.
    LexemeRule(("line_comment",), rf"//([^\\\n]|\\[^u\n]|\\u+{_HEX}{{4}})*\\?", ("illegal unicode escape",)),
    LexemeRule(("block_comment",), rf"/\*([^\\]|\\[^u]|\\u+{_HEX}{{4}})*", ("illegal unicode escape",)),
    LexemeRule(("_escape_sequence_token1",), r"\\(\n|\r|u|[0-7])", ("illegal escape character",)),
)

_STARTS = ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Sc", "Pc")


def _is_identifier_start(char: str) -> bool:
    """java.lang.Character.isJavaIdentifierStart."""
    return unicodedata.category(char) in _STARTS


def _is_identifier_part(char: str) -> bool:
    """java.lang.Character.isJavaIdentifierPart."""
    return unicodedata.category(char) in (*_STARTS, "Nd", "Mn", "Mc", "Cf") or "\x80" <= char <= "\x9f"


_TEXT_BLOCK = rb'(?s:[^"\\]|\\.|"(?!""))'
TOP = Top(
    begun=(
        WORD_END,
        LINE_COMMENT_END,
        COMMENT_END,
        *begun_text(b'"', STRING),
        *begun_text(b"'", CHARACTER),
        *begun_text(b'"""', _TEXT_BLOCK, ANY),
        b'""?',
    ),
    lexeme=C_COMMENTS + b'|"""' + text(b'(?:"""|\\Z)', _TEXT_BLOCK) + b'|"' + text(b'"?', STRING)
    + b"|'" + text(b"'?", CHARACTER) + b"|" + WORD + rb"|\S",
    levels=(rb"\bimport\b", rb"\bpackage\b"),
)  # fmt: skip

JAVA = LanguageRules(
    stack_rules=(STRUCTURE, RECEIVERS, NEWER, TEXT_BLOCKS, SEALED, DIAMOND, *(_once(m) for m in MODIFIERS)),
    lexeme_rules=LEXEMES,
    lexeme_variants=(TEXT_BLOCK_STARTS, *JOINED_LINES),
    own_names=OwnNames("identifier", NAMES_A_TYPE, "({/"),
    reserved=RESERVED,
    blanks=" \t\n\r\f",
    endings=("class a{}", "void a(){}"),  # not a(){}: a constructor has its class's name
    openers=OPENERS,
    characters=(_is_identifier_part, _is_identifier_start),
    extras=("line_comment", "block_comment"),
    top=TOP,
)
