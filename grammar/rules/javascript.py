"""JavaScript as node 20 reads it, above tree-sitter-javascript: a CommonJS or an ECMAScript module, and JSX.

Semicolons that a line break stands for belong to the scanner (csrc/javascript_scanner.cpp). Not expressible here,
because it depends on the text of names: what is declared twice, labels, private names, exports. Not told apart
either: the two kinds of module, and strict code.
"""

from __future__ import annotations

import string

from grammar.rules.javascript_expressions import EXPRESSIONS
from grammar.rules.javascript_functions import FUNCTIONS
from grammar.rules.javascript_lines import HEADERS, LINES, STRINGS
from grammar.rules.javascript_lists import LISTS
from grammar.rules.javascript_statements import STATEMENTS
from grammar.rules.jsx import ADJACENT
from grammar.rules.model import LanguageRules, LexemeRule

_DIGITS = "[0-9](_?[0-9])*"
_EXPONENT = f"[eE][+-]?{_DIGITS}"
_WHOLE = "(0|[1-9](_?[0-9])*)"

# Without the forms that only sloppy code has.
NUMBERS = (
    rf"{_WHOLE}(\.({_DIGITS})?)?({_EXPONENT})?|\.{_DIGITS}({_EXPONENT})?|{_WHOLE}n"
    r"|0[xX][0-9a-fA-F](_?[0-9a-fA-F])*n?|0[oO][0-7](_?[0-7])*n?|0[bB][01](_?[01])*n?"
)

LEXEMES = (
    LexemeRule(
        ("number",),
        rf"{NUMBERS}|0[0-9]+|0[0-9]*[89][0-9]*(\.({_DIGITS})?)?({_EXPONENT})?",
        ("Invalid or unexpected token", "Numeric separators are not allowed at the end of numeric literals"),
    ),
    LexemeRule(
        ("identifier", "private_property_identifier"),
        r"#?([a-zA-Z_$\2]|\\u([0-9a-fA-F]{4}|\{[0-9a-fA-F]+\}))"
        r"([\w$\-\1]|\\u([0-9a-fA-F]{4}|\{[0-9a-fA-F]+\}))*",
        ("Invalid or unexpected token",),
        commit=r"#?[\w$\-\1]*\\(.|\n)*",  # `x in\u` is no operator and a name: nothing else goes on with a backslash
    ),
    LexemeRule(
        ("escape_sequence",),
        r"\\([^u](.|\n)*|u[0-9a-fA-F]{4}|u\{0*(10[0-9a-fA-F]{4}|[0-9a-fA-F]{1,5})\})",
        ("Undefined Unicode code-point",),
    ),
    LexemeRule(("regex_flags",), "[dgimsuvy]+", ("Invalid regular expression flags",)),
)

# No name and no digit directly behind a number; `a--b` is no difference.
OPERATORS = ("++", "--", *(f"number{char}" for char in string.ascii_letters + string.digits + "_$"))

OPENERS = (
    "a", "a ", "a(", "a[", "(", "[", "{", "({", "({a:", "a={", "a=", "a,", "a.", "a:", "a?", "a?a:",
    "function a(){", "function a(", "function a(a,", "a(function(){", "a(()=>{", "()=>{", "async()=>{",
    "async function a(){", "async function*a(){", "function*a(){", "class a{", "class a{a(){", "class a{a(",
    "class a{a=", "if(a){", "if(a)", "if(", "if(a){}else ", "for(;;){", "for(", "for(let a of ", "for(let a=0;",
    "while(a){", "while(", "do{", "switch(a){", "switch(a){case a:", "switch(", "try{", "try{}catch(a){", "try{}",
    "const a=", "let a=", "let {", "let [", "const {", "const [", "import ", "import {", "import a from ",
    "export {", "export ", "return ", "return a(", "return {", "throw ", "new a(", "await a(", "typeof ", "!", "`",
    "`${", '"', "'", "/*", "//", "/", "a=>", "<a>", "<a>{", "<a ", "a(a,", "a([", "a({", "module.exports={",
    "case a:", "...",
)  # fmt: skip


def _continues_name(char: str) -> bool:
    return ("a" + char).isidentifier() or char in "\u200c\u200d"


JAVASCRIPT = LanguageRules(
    stack_rules=(LINES, STRINGS, HEADERS, *LISTS, *STATEMENTS, *EXPRESSIONS, FUNCTIONS, ADJACENT),
    lexeme_rules=LEXEMES,
    endings=("finally{}", "while(0)"),
    openers=OPENERS,
    operators=OPERATORS,
    unreserved=("identifier",),
    has_elements=True,
    characters=(_continues_name, str.isidentifier),
    extras=("comment", "html_comment"),
)
