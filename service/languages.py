"""The languages a request may name, and what each is called elsewhere: in prose, in a code fence, in a comment.

Knows nothing of grammars: whether a language can be masked is the business of `grammar`.
"""

from dataclasses import dataclass
from typing import Final


class UnknownLanguageError(ValueError):
    """A request named a language outside the table.

    name   what the request said
    known  every name it could have said, in the table's order
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown language {name!r}; expected one of: {', '.join(known)}")
        self.name = name
        self.known = known


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    name           canonical name, used in requests and as the fence label we ask the model for
    display_name   as a sentence spells it ("C++")
    fence_labels   further labels models write after a fence, lower case
    line_comment   marker that comments out the rest of a line, None where the language has none
    block_comment  opening and closing marker, for languages without a line comment
    line_starts    words that open a line of code and seldom a sentence; evidence for unfenced answers
    """

    name: str
    display_name: str
    fence_labels: tuple[str, ...] = ()
    line_comment: str | None = None
    block_comment: tuple[str, str] | None = None
    line_starts: frozenset[str] = frozenset()

    @property
    def is_code(self) -> bool:
        """False for plain text: nothing to extract, nothing to mask."""
        return self.name != "text"

    def comment(self, text: str, indent: str = "") -> str | None:
        """Write `text` as whole comment lines, each ending in a newline; None if the language has no comments.

        Every kind of line break starts a new comment line, and a closing marker inside `text` is broken up, so
        no text can leave its comment.
        """
        lines = [line.rstrip() for line in text.splitlines()]
        if self.line_comment is not None:
            return "".join(f"{indent}{self.line_comment} {line}".rstrip() + "\n" for line in lines)
        if self.block_comment is not None:
            opening, closing = self.block_comment
            broken = f"{closing[0]} {closing[1:]}"
            return "".join(f"{indent}{opening} {line.replace(closing, broken)} {closing}\n" for line in lines)
        return None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _either_case(text: str) -> frozenset[str]:
    # "SELECT" and "select" open a query, "Select" opens a sentence.
    return _words(text) | _words(text.upper())


_JAVASCRIPT_STARTS = _words(
    "async await break class const document. else export for function if import let module.exports new return "
    "switch throw try var while console.log require 'use \"use"
)
_TYPESCRIPT_STARTS = _JAVASCRIPT_STARTS | _words("abstract declare enum interface namespace readonly type")

LANGUAGES: Final[tuple[Language, ...]] = (
    Language(
        name="python",
        display_name="Python",
        fence_labels=("py", "python3", "py3", "python2", "pycon", "ipython", "gyp"),
        line_comment="#",
        line_starts=_words(
            "assert async await class def del elif else: for from global if import lambda nonlocal pass print raise "
            "return try: while with yield"
        ),
    ),
    Language(
        name="java",
        display_name="Java",
        line_comment="//",
        line_starts=_words(
            "abstract class enum final import interface package private protected public record return static int "
            "long double boolean void String List<String> for if while System.out.println"
        ),
    ),
    Language(
        name="go",
        display_name="Go",
        fence_labels=("golang",),
        line_comment="//",
        line_starts=_words("const defer for func go if import package return select switch type var"),
    ),
    Language(
        name="javascript",
        display_name="JavaScript",
        fence_labels=("js", "jsx", "mjs", "cjs", "node", "nodejs", "ecmascript", "es6"),
        line_comment="//",
        line_starts=_JAVASCRIPT_STARTS,
    ),
    Language(
        name="typescript",
        display_name="TypeScript",
        fence_labels=("ts", "mts", "cts"),
        line_comment="//",
        line_starts=_TYPESCRIPT_STARTS,
    ),
    Language(
        name="tsx",
        display_name="TypeScript with JSX",
        fence_labels=("typescriptreact",),
        line_comment="//",
        line_starts=_TYPESCRIPT_STARTS,
    ),
    Language(
        name="c",
        display_name="C",
        fence_labels=("h",),
        line_comment="//",
        line_starts=_words(
            "#include #define #ifdef #ifndef #if #pragma bool char const double enum extern float for if int long "
            "return short size_t static struct switch typedef uint8_t uint32_t uint64_t union unsigned void while"
        ),
    ),
    Language(
        name="cpp",
        display_name="C++",
        fence_labels=("c++", "cxx", "cc", "hpp", "c++11", "c++14", "c++17", "c++20", "c++23"),
        line_comment="//",
        line_starts=_words(
            "#include #define #ifdef #ifndef #if #pragma auto bool char class const constexpr double enum extern "
            "float for if inline int long namespace private: public: return short size_t static std:: struct "
            "template template<typename typedef uint32_t uint64_t unsigned using vector<int> void while"
        ),
    ),
    Language(
        name="rust",
        display_name="Rust",
        fence_labels=("rs",),
        line_comment="//",
        line_starts=_words(
            "const enum extern fn for if impl let loop macro_rules! match mod pub pub(crate) return static struct "
            "trait type unsafe use while #[derive #![allow"
        ),
    ),
    Language(
        name="csharp",
        display_name="C#",
        fence_labels=("cs", "c#", "c-sharp", "dotnet"),
        line_comment="//",
        line_starts=_words(
            "abstract bool class double enum for foreach if int interface internal long namespace private protected "
            "public record return sealed static string struct using var void while #nullable #region #if"
        ),
    ),
    Language(
        name="php",
        display_name="PHP",
        fence_labels=("php3", "php7", "php8"),
        line_comment="//",
        line_starts=_words(
            "<?php <?= abstract class const echo final for foreach function if interface namespace return trait use "
            "while require require_once include declare(strict_types=1);"
        ),
    ),
    Language(
        name="ruby",
        display_name="Ruby",
        fence_labels=("rb", "irb"),
        line_comment="#",
        line_starts=_words(
            "attr_accessor attr_reader begin class def end if module puts require require_relative return unless "
            "until while"
        ),
    ),
    Language(
        name="bash",
        display_name="Bash",
        fence_labels=("sh", "shell", "zsh", "ksh", "shellscript", "shell-script"),
        line_comment="#",
        line_starts=_words(
            "apt apt-get awk cat cd chmod chown cp curl declare do docker done echo exit export fi find for function "
            "git grep if kill local ls mkdir mv npm pip printf ps python python3 read rm sed set shift sort ssh "
            "sudo systemctl tail tar then touch trap unset wget while xargs"
        ),
    ),
    Language(
        name="sql",
        display_name="SQL",
        fence_labels=(
            "postgresql",
            "postgres",
            "psql",
            "mysql",
            "sqlite",
            "sqlite3",
            "plsql",
            "tsql",
            "pgsql",
        ),
        line_comment="--",
        line_starts=_either_case(
            "alter begin; commit; create delete drop explain from grant group having insert join left merge order "
            "select truncate union update where with"
        ),
    ),
    Language(
        name="kotlin",
        display_name="Kotlin",
        fence_labels=("kt", "kts"),
        line_comment="//",
        line_starts=_words(
            "abstract class companion data enum for fun if import interface internal object open override package "
            "private protected return sealed suspend typealias val var when while println"
        ),
    ),
    Language(
        name="scala",
        display_name="Scala",
        fence_labels=("sc", "scala3"),
        line_comment="//",
        line_starts=_words(
            "abstract case class def enum extension final for given if implicit import lazy object override package "
            "private protected return sealed trait type val var while"
        ),
    ),
    Language(
        name="html",
        display_name="HTML",
        fence_labels=("htm", "xhtml", "html5"),
        block_comment=("<!--", "-->"),
    ),
    Language(
        name="css",
        display_name="CSS",
        block_comment=("/*", "*/"),
        line_starts=_words("@import @media @font-face @keyframes @charset :root"),
    ),
    Language(
        name="json",
        display_name="JSON",
        fence_labels=("jsonc", "json5", "jsonl", "geojson"),
    ),
    Language(
        name="text",
        display_name="plain text",
        fence_labels=("txt", "plaintext", "plain", "none", "console", "output", "log"),
    ),
)

_BY_NAME: Final = {language.name: language for language in LANGUAGES}
_BY_FENCE_LABEL: Final = {
    label: language for language in LANGUAGES for label in (language.name, *language.fence_labels)
}


def language(name: str) -> Language:
    """Return the language a request names by its canonical name, exactly as written.

    Raises UnknownLanguageError, which lists the names.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownLanguageError(name, tuple(_BY_NAME)) from None


def from_fence_label(label: str) -> Language | None:
    """Return the language a code fence names, in any case, or None for a label that means none of ours."""
    return _BY_FENCE_LABEL.get(label.strip().lower())
