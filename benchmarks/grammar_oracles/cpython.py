"""Python: the compiler of the interpreter that runs this."""

from __future__ import annotations

import warnings

from benchmarks.grammar_oracles.oracle import Oracle, Verdict

_ALLOW_INCOMPLETE_INPUT = 0x4000  # PyCF_ALLOW_INCOMPLETE_INPUT; codeop uses the same
_DONT_IMPLY_DEDENT = 0x200

# What may follow a cut: ends of lexemes, operands, closers, blocks. "Impossible" only when all of them fail.
_TAILS = (
    "", " ", "\n", "x", " x", "0", "1", ":", ": x", ":\n x", "\n x", "\n  x", "\n    x", "\n        x", "\n\tx", "=x",
    " = x", ")", "]", "}", "x)", "x]", "x}", ": x)", "'", '"', "'''", '"""', "})", "'}'", "}'", '}"', "x}'", 'x}"',
    "))", "x):\n  x", "):\n x", "()", "(x)", "[x]", " in x:\n x", " in x", " for x in x]", " else x", " if x else x",
    "\nexcept x:\n x", "\nfinally:\n x", " as x:\n x", " import x", "import x", " x: x", "s", "n x", "f x", "=\n", "\\\n",  # noqa: E501
    "*x", ".x", "f():\n x", " def x():\n  x", "\ndef x(): x", "\nclass x: x", "lambda: x", "nd x", "r x", "t x", "e", "lse",  # noqa: E501
)  # fmt: skip


class CPythonOracle(Oracle):
    """`compile` for whole texts; for beginnings codeop's question, then the tails."""

    def check(self, text: bytes) -> Verdict:
        """Judge a text."""
        message = _error(text)
        if message is None:
            return Verdict(accepted=True, possible=True)
        return Verdict(accepted=False, possible=_is_possible(text), message=message)


def _error(text: bytes, flags: int = 0) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<text>", "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        return error.msg or "invalid syntax"
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        return str(error) or type(error).__name__
    return None


def _is_possible(text: bytes) -> bool:
    if _error(text, _ALLOW_INCOMPLETE_INPUT | _DONT_IMPLY_DEDENT) == "incomplete input":
        return True
    return any(_error(text + tail.encode()) is None for tail in _TAILS)
