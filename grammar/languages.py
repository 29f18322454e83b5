"""The languages: which grammar wheel, which scanner, which rules, which file suffixes.

A language whose grammar has no external scanner is one entry here (docs/grammar.md shows JSON).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import platformdirs

from grammar import _native
from grammar.errors import LanguageNotInstalledError, UnknownLanguageError
from grammar.rules.cache import cached_rules
from grammar.rules.compile import RuleTables, SymbolNames, compile_rules
from grammar.rules.model import LanguageRules


@dataclass(frozen=True)
class LanguageSpec:
    """One language.

    wheel     module of the grammar wheel; its `function` gives a PyCapsule with the TSLanguage.
    scanner   name of the native scanner for the grammar's external tokens; "" when it has none.
    rules     what its own parser refuses beyond the grammar; called when the language is loaded.
    """

    name: str
    wheel: str
    suffixes: tuple[str, ...]
    rules: Callable[[], LanguageRules]
    scanner: str = ""
    function: str = "language"


@dataclass(frozen=True)
class Language:
    """A loaded language: immutable, shared by every matcher."""

    spec: LanguageSpec
    tables: RuleTables = field(repr=False)
    native: _native.Language = field(repr=False)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self.spec.name


def _python() -> LanguageRules:
    from grammar.rules.python import PYTHON

    return PYTHON


def _java() -> LanguageRules:
    from grammar.rules.java import JAVA

    return JAVA


def _go() -> LanguageRules:
    from grammar.rules.go import GO

    return GO


def _javascript() -> LanguageRules:
    from grammar.rules.javascript import JAVASCRIPT

    return JAVASCRIPT


def _typescript() -> LanguageRules:
    from grammar.rules.typescript import TYPESCRIPT

    return TYPESCRIPT


def _tsx() -> LanguageRules:
    from grammar.rules.typescript import TSX

    return TSX


def _rust() -> LanguageRules:
    from grammar.rules.rust import RUST

    return RUST


LANGUAGES: dict[str, LanguageSpec] = {
    spec.name: spec
    for spec in (
        LanguageSpec("python", "tree_sitter_python", (".py", ".pyi"), _python, scanner="python"),
        LanguageSpec("java", "tree_sitter_java", (".java",), _java),
        LanguageSpec("go", "tree_sitter_go", (".go",), _go),
        LanguageSpec(
            "javascript",
            "tree_sitter_javascript",
            (".js", ".mjs", ".cjs", ".jsx"),
            _javascript,
            scanner="javascript",
        ),
        LanguageSpec(
            "typescript",
            "tree_sitter_typescript",
            (".ts", ".mts", ".cts"),
            _typescript,
            scanner="typescript",
            function="language_typescript",
        ),
        LanguageSpec(
            "tsx",
            "tree_sitter_typescript",
            (".tsx",),
            _tsx,
            scanner="typescript",
            function="language_tsx",
        ),
        LanguageSpec("rust", "tree_sitter_rust", (".rs",), _rust, scanner="rust"),
    )
}


def cache_folder() -> Path:
    """Give the user's cache folder for what grammars are compiled to."""
    return Path(platformdirs.user_cache_dir("codefusion")) / "grammar"


def language_of(path: str) -> str | None:
    """Give the language of a file by its suffix; None when no language has it."""
    suffix = PurePath(path).suffix
    return next((spec.name for spec in LANGUAGES.values() if suffix in spec.suffixes), None)


@functools.cache
def load_language(name: str) -> Language:
    """Load a language by name; 0.2 to 1 s the first time, then shared.

    The lexers are learnt from the installed wheel and checked against it with random words.
    Raises UnknownLanguageError, LanguageNotInstalledError, RuleError (a rule does not fit the grammar),
    NativeError (the grammar's ABI is unknown, or its lexer is no finite automaton).
    """
    spec = LANGUAGES.get(name)
    if spec is None:
        raise UnknownLanguageError(f"expected one of {', '.join(LANGUAGES)}; got {name!r}")
    return load_spec(spec)


def load_spec(spec: LanguageSpec) -> Language:
    """Load a language that is not in the registry."""
    try:
        capsule = getattr(importlib.import_module(spec.wheel), spec.function)()
    except ImportError as error:
        raise LanguageNotInstalledError(
            f"{spec.name}: expected the package {spec.wheel.replace('_', '-')}; it cannot be imported ({error})"
        ) from error
    names, token_count = _native.read_symbols(capsule)
    rules, symbols = spec.rules(), SymbolNames(names, token_count)

    def compiled() -> RuleTables:
        tables = compile_rules(rules, symbols)
        merged = _native.merge_states(capsule, tables)
        pairs = zip(tables.rules, merged, strict=True)
        return dataclasses.replace(tables, rules=[dataclasses.replace(r, merged=m) for r, m in pairs])

    origin = f"{wheel_version(spec)} {core_version()}"
    tables = cached_rules(spec.name, compiled, origin, symbols, cache_folder())
    return Language(spec, tables, _native.Language(capsule, tables, spec.scanner))


def wheel_version(spec: LanguageSpec) -> str:
    """Give the version of a grammar's wheel; "unknown" for a module that no package installed."""
    try:
        return importlib.metadata.version(spec.wheel.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def core_version() -> str:
    """Give what changes with every build of the native core: its size and time."""
    found = Path(str(_native.__file__)).stat()
    return f"{found.st_size}-{found.st_mtime_ns}"
