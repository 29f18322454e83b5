"""What a single line of a chat model's answer looks like: code or prose.

Judges words and signs at a line's ends, with no parser, and sees no other line: that a line of prose stands within
a comment, or that an answer has a fence, is the caller's to know.
"""

import re
from enum import Enum, auto
from typing import Final

from service.languages import Language


class Shape(Enum):
    """What a line, seen alone, looks like."""

    CODE = auto()
    PROSE = auto()
    UNSURE = auto()


_ANSWER_OPENERS: Final = re.compile(
    r"(Here|Sure|Certainly|Of course|Absolutely|Below|Let's|Let me|To \w+|I'm|I've|I'll|Sorry|Note|Please)\b"
)
_PROSE_OPENERS: Final = re.compile(
    r"(Above|This|These|The|You|We|I|In|It|Yes|No|Okay|OK|First|Next|Then|Finally|However|Explanation|Example|"
    r"Output|Usage|An?|Make|Now)\b"
)
_SENTENCE_WORDS: Final = re.compile(
    r"\b(the|an|following|you|your|will|which|below|here|should|would|there|we|its)\b"
)
# Bold, quotation, list item, rule, table row.
_MARKDOWN: Final = re.compile(r"\*\*\w|>\s|[-*]\s+[A-Z*`]|\d+[.)]\s+[A-Z*`]|-{3,}$|\|")
_CODE_SIGNS: Final = re.compile(r"[{}=]|\)\s*[;{]|;$")
_JUDGED_CHARS: Final = 200  # at either end of a line
_FEW_WORDS: Final = 2
_ENOUGH_WORDS: Final = 4
_CODE_SHAPES: Final = re.compile(
    r"""
      (?:\ {4}|\t)\s*[^\s*\d-]                 # an indented block; list items begin with * - or a digit
    | //|/\*|<!--|<\?|\#!|--\s                 # comments of languages where they are no heading
    | \"\"\"|'''|["']use\ strict               # a docstring, a directive
    | [{\[\]})](?!\w*\]\()                     # a brace; but not [text](link)
    | </?[A-Za-z][^>]*>|<!DOCTYPE              # a tag
    | @\w[\w.]*(?:\(.*\))?$                    # a decorator or annotation
    | \$\w+\s*[=\[-]                           # $name = in PHP
    | [\w.$\[\]"']+(?:\s*:\s*[\w.\[\], |]+)?\s*(?:[-+*/|&%]|:|<<|>>)?=(?![=>])   # an assignment
    | [A-Za-z_][\w.:]*\(.*\)[;:]?$             # a call that fills the line
    | .*(?:[{;]|=>|\)\s*->.*|\):)$             # an open brace, a semicolon, a function head
    | ["'][\w$-]+["']\s*:                      # a key
    """,
    re.VERBOSE,
)


def shape_of(line: str, language: Language) -> Shape:
    """Say whether a line, seen alone, is code or prose.

    CODE    it opens with a word or a sign that begins code in this language and does not read as a sentence
    PROSE   it opens like an answer ("Here is"), or is a capital letter and enough words, a list item or a heading
    UNSURE  the rest, blank lines among it; also `# ...` where that is both a comment and a heading
    """
    if len(line) > 2 * _JUDGED_CHARS:
        line = line[:_JUDGED_CHARS] + line[-_JUDGED_CHARS:]
    text = line.strip()
    if not text:
        return Shape.UNSURE
    if language.line_comment == "#" and text.startswith("#") and not text.startswith("#!"):
        return Shape.UNSURE
    opens_code = _opens_with_code_word(text, language)
    if _reads_as_prose(text, opens_code=opens_code):
        return Shape.PROSE
    if opens_code or _CODE_SHAPES.match(line.rstrip()):
        return Shape.CODE
    return Shape.UNSURE


def _opens_with_code_word(text: str, language: Language) -> bool:
    first_word = text.split(maxsplit=1)[0]
    stem = re.split(r"(?<=\w)[(\[<.\"]", first_word)[0]
    return first_word in language.line_starts or stem in language.line_starts


def _reads_as_prose(text: str, *, opens_code: bool) -> bool:
    text = re.sub(r"`[^`]*`", "code", text)
    words = re.findall(r"[A-Za-z][a-z'\u2019]+|\bI\b|\ba\b", text)
    if _MARKDOWN.match(text) or re.match(r"#{1,6}\s", text):
        return True
    if _ANSWER_OPENERS.match(text) and len(words) >= _FEW_WORDS:
        return True
    if _CODE_SIGNS.search(text):
        return False
    if len(words) >= _ENOUGH_WORDS and text[-1] in ".:!?" and _SENTENCE_WORDS.search(text):
        return True
    if opens_code:
        return False
    if not text[0].isascii() and text[0].isalpha():
        return True
    if _PROSE_OPENERS.match(text) and len(words) >= _FEW_WORDS:
        return True
    return text[0].isupper() and len(words) >= _ENOUGH_WORDS and text[-1] in ".:!?,"
