"""Go as go/parser 1.19 reads it, above tree-sitter-go.

Not expressible here, because it depends on the text of a lexeme: `package _`.
"""

from __future__ import annotations

import unicodedata

from grammar.rules.go_declarations import DECLARATIONS, NEWLINE
from grammar.rules.go_names import CONVERSIONS
from grammar.rules.go_statements import LINE_MUST_GO_ON, STATEMENTS
from grammar.rules.model import LanguageRules, LexemeRule, LexemeVariant
from grammar.rules.tops import (
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

_HEX = "[0-9a-fA-F]"
# A code point, without the surrogates: \u and \U.
_POINT = rf"([0-9a-cA-CefEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}})"
_NUMERIC = rf"[0-3][0-7]{{2}}|u{_POINT}|U0000{_POINT}|U000[1-9a-fA-F]{_HEX}{{4}}|U0010{_HEX}{{4}}"

RESERVED = (
    "break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func", "go",
    "goto", "if", "import", "interface", "map", "package", "range", "return", "select", "struct", "switch", "type",
    "var",
)  # fmt: skip
LEXEMES = (
    # 0x2.a begins a hexadecimal float, whatever follows.
    LexemeRule(
        ("int_literal",), r"\w+", ("hexadecimal mantissa requires a 'p' exponent",), commit=r"0[xX]\w*\."
    ),
    LexemeRule(("identifier",), r"[\w\1]+", ("invalid character in identifier",)),
    LexemeRule(
        ("escape_sequence",),
        rf"\\([abfnrtv\\\"]|x{_HEX}{{2}}{_HEX}*|{_NUMERIC})",
        ("unknown escape sequence", "escape sequence is invalid Unicode code point"),
    ),
    LexemeRule(
        ("rune_literal",),
        rf"'([^'\\\n]|\\([abfnrtv\\']|x{_HEX}{{2}}|{_NUMERIC}))'",
        ("rune literal not terminated", "unknown escape sequence"),
    ),
)

# What an import path may consist of; whether a comment ends its line.
_PATH = r"[+\-./0-9@A-Z_a-z~\2]+"
VARIANTS = (
    LexemeVariant("interpreted_string_literal_content", (_PATH,)),
    LexemeVariant("raw_string_literal_content", (_PATH,)),
    LexemeVariant("comment", (r"//[^\n]*|/\*[^\n]*\n(.|\n)*",)),
)


OPERATORS = (
    "<<", ">>", "&^", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^=", "&&", "||", "<-", "++", "--",
    "==", "!=", "<=", ">=", ":=",
)  # fmt: skip


def _is_letter_or_digit(char: str) -> bool:
    return unicodedata.category(char) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd")


def _is_graphic(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LMNPS" and char != "\ufffd"


OPENERS = (
    "a", "a ", "\nfunc a(a ", "\nfunc a(){", "\nfunc a(", "\nfunc a()", "{", "(", "a(", "a[", "[]a{", "a{", "a=",
    "a:", "a,", "if a{", "if a", "for a{", "for ", "for a:=range ", "switch a{case a:", "switch a{",
    "select{case a:", "select{", "switch a:=a.(type){case a:", "case ", "func(){", "go func(){", "a:=", '"', "'",
    "`", "/*", "//", "\nimport(", "\nimport ", "\nconst(", "\nvar(", "\nvar a ", "\nvar a=", "\ntype a struct{",
    "\ntype a interface{", "\ntype(", "\ntype a ", "return ", "map[a]", "\nvar a=[]a{", "\n", "a.", "if a{}",
    "if a{}else ", "for i:=0;i<a(", "for i:=0;", "if a:=", "a:=[]a{{", "\nvar a=[]a{{", "return a(", "&a{",
    "for a,", "a(func(){", "a(func(){return a", "a(func()a{", "var a=[]struct{a", "a:=[]struct{a", "\nfunc ",
    "for a:=0;", "func a(){", "\ntype a struct{a ",
)  # fmt: skip

TOP = Top(
    begun=(
        WORD_END,
        LINE_COMMENT_END,
        COMMENT_END,
        *begun_text(b'"', STRING),
        *begun_text(b"'", CHARACTER),
        b"[^`]*`",
    ),
    lexeme=C_COMMENTS
    + b'|"'
    + text(b'"?', STRING)
    + b"|'"
    + text(b"'?", CHARACTER)
    + b"|`[^`]*`?|"
    + WORD
    + rb"|\S",
    levels=(rb"\bimport\b", rb"\bpackage\b"),
)

GO = LanguageRules(
    stack_rules=(CONVERSIONS, DECLARATIONS, *STATEMENTS),
    lexeme_rules=LEXEMES,
    reserved=RESERVED,
    blanks=" \t\n\r",
    openers=OPENERS,
    lexeme_variants=VARIANTS,
    operators=OPERATORS,
    characters=(_is_letter_or_digit, _is_graphic),
    line_comments=("comment/1",),
    line_ends=(NEWLINE,),
    in_line_flag=LINE_MUST_GO_ON,
    top=TOP,
)
