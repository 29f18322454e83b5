"""What the languages' own parsers say of a text, and real files they accept: the judges of `grammar`."""

from benchmarks.grammar_oracles.cpython import CPythonOracle
from benchmarks.grammar_oracles.go_parser import GoOracle
from benchmarks.grammar_oracles.javac import JavacOracle
from benchmarks.grammar_oracles.node import NodeOracle
from benchmarks.grammar_oracles.oracle import Finding, Oracle, OracleMissingError, Verdict
from benchmarks.grammar_oracles.rustc import RustcOracle
from benchmarks.grammar_oracles.typescript import TsxOracle, TypeScriptOracle

__all__ = [
    "ORACLES",
    "CPythonOracle",
    "Finding",
    "GoOracle",
    "JavacOracle",
    "NodeOracle",
    "Oracle",
    "OracleMissingError",
    "RustcOracle",
    "TsxOracle",
    "TypeScriptOracle",
    "Verdict",
    "open_oracle",
]

ORACLES = {
    "python": CPythonOracle,
    "java": JavacOracle,
    "go": GoOracle,
    "javascript": NodeOracle,
    "typescript": TypeScriptOracle,
    "tsx": TsxOracle,
    "rust": RustcOracle,
}


def open_oracle(language: str) -> Oracle:
    """Start the language's own parser. Raises OracleMissingError when it is not installed."""
    if language not in ORACLES:
        raise OracleMissingError(f"expected a language of {', '.join(ORACLES)}; got {language!r}")
    return ORACLES[language]()
