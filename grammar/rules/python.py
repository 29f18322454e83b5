r"""Python as CPython 3.11 compiles it, above tree-sitter-python.

Indentation and string delimiters belong to the scanner (csrc/python_scanner.cpp). Not expressible here, because
they depend on the text of names: duplicate arguments, repeated keyword arguments, `global` after use, `nonlocal`
without a binding, unknown names in \N{...}; and `from __future__` after other statements.
"""

from __future__ import annotations

from grammar.rules.model import LanguageRules, LexemeRule
from grammar.rules.python_expressions import (
    ARGUMENTS,
    AS_TARGETS,
    KEYWORDS_AS_NAMES,
    NEIGHBOURS,
    PARAMETERS,
    STRING_MIX,
)
from grammar.rules.python_future import FUTURE, TOP
from grammar.rules.python_layout import LAYOUT, NUM_STRING_KINDS, SPECIFIERS
from grammar.rules.python_stars import ONE_STAR, STAR_VALUES, STARS
from grammar.rules.python_statements import ASSIGNMENT, SCOPE, SIMPLE_STATEMENTS
from grammar.rules.python_targets import DEL_TARGETS, FOR_TARGETS, TYPES, WITH_TARGETS
from grammar.rules.python_walrus import WALRUS

_DIGITS = r"[0-9](_?[0-9])*"
_EXPONENT = rf"[eE][+-]?{_DIGITS}"

LEXEMES = (
    LexemeRule(("identifier",), r"[\w\2][\w\1]*", ("invalid character",)),
    LexemeRule(
        ("integer",),
        r"0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|[1-9](_?[0-9])*|0(_?0)*"
        rf"|{_DIGITS}[jJ]",
        ("leading zeros in decimal integer literals are not permitted", "invalid decimal literal"),
    ),
    LexemeRule(
        ("float",),
        rf"({_DIGITS}\.({_DIGITS})?({_EXPONENT})?|\.{_DIGITS}({_EXPONENT})?|{_DIGITS}{_EXPONENT})[jJ]?",
        ("invalid decimal literal",),
    ),
    LexemeRule(
        ("escape_sequence",),
        r"\\(u[0-9a-fA-F]{4}|U(000[0-9a-fA-F]|0010)[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-9]{1,3}|\r?\n"
        r"|['\"abfrntv\\]|N\{[A-Za-z0-9 -]+\})",
        ("(unicode error) 'unicodeescape' codec can't decode bytes",),
    ),
    # A backslash that is no escape stands for itself, but not before x, u, U and N.
    LexemeRule(("\\",), r"\\", ("truncated \\xXX escape",), commit=r"\\[xuUN]"),
    LexemeRule(("comment",), r"#[^\r\n]*\r?"),
    LexemeRule(("line_continuation",), r"\\\r?\n"),
    LexemeRule(("type_conversion",), r"![rsa]", ("f-string: invalid conversion character",)),
)


# Never names; the grammar reserves them in some states only.
RESERVED = (
    "false", "none", "true", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
)  # fmt: skip

OPENERS = (
    "a", "a ", "a(", "a[", "(", "[", "{", "{a:", "a=", "a,", "a:a=", "if a", "if a:", "for a in ", "for ", "def a(",
    "def a()", "async def a(", "class a", "class a(", "while a", "with a", "lambda:", "lambda ", "return ",
    "return a(", "return (", "a=(", "a=a(", "elif a", "import ", "import a.", "from a import ", "from a ",
    "from a import(", '"', "'", '"""', "'''", 'f"', "f'", 'f"{', "f'{", 'f"""', 'r"', "#", "@", "@a(", "a.",
    "a if a ", "a for a in a ", "assert ", "raise ", "del ", "except a", "except(", "case ", "a->", "await a(",
    "try", "else", "yield ", "global ", "not ",
    "a={a", "if (", "while (", "if a or ", "for a in a", "with (", "def ", "class ",
)  # fmt: skip
BLOCK_OPENERS = (
    "if a:", "def a():", "async def a():", "while a:", "try:", "class a:", "match a:", "for a in a:", "case a:",
)  # fmt: skip

PYTHON = LanguageRules(
    stack_rules=(
        LAYOUT,
        SCOPE,
        ARGUMENTS,
        PARAMETERS,
        ASSIGNMENT,
        SIMPLE_STATEMENTS,
        AS_TARGETS,
        FOR_TARGETS,
        DEL_TARGETS,
        WITH_TARGETS,
        STAR_VALUES,
        STARS,
        ONE_STAR,
        TYPES,
        WALRUS,
        KEYWORDS_AS_NAMES,
        NEIGHBOURS,
        STRING_MIX,
        FUTURE,
    ),
    lexeme_rules=LEXEMES,
    reserved=RESERVED,
    blanks=" \t\n\r\f",
    openers=OPENERS,
    block_openers=BLOCK_OPENERS,
    extras=("comment", "line_continuation"),
    variants=(("string_start", NUM_STRING_KINDS),),
    lexeme_variants=(SPECIFIERS,),
    characters=(lambda char: ("a" + char).isidentifier(), str.isidentifier),
    line_comments=("comment",),
    line_ends=("_newline", "_indent"),
    top=TOP,
)
