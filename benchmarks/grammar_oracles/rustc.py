"""Rust: rustc's parser, before modules are loaded, attributes are read and macros are expanded.

What stands between the brackets of a macro or an attribute is free, but for lexemes and brackets.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from benchmarks.grammar_oracles.oracle import ErrorListOracle, Finding, OracleMissingError
from benchmarks.grammar_oracles.process import SOURCES, HelperProcess

# All but the first two are said of what something should have followed, where that stands; in the middle of a text they
# are errors for good, and are not counted.
_OPEN = (
    "this file contains an unclosed delimiter", "unterminated",
    "expected item after attributes", "expected item after doc comment", "expected statement after outer attribute",
    "visibility `pub` is not followed by an item", "missing `fn` or `struct`", "non-item in item list",
)  # fmt: skip


class RustcOracle(ErrorListOracle):
    """The installed version's parser, edition 2021: one process a text, 20 to 40 ms."""

    # rustc's parser does not go back: an error at a lexeme that is read is one for good, but for the last lexeme.
    probes = (b" ", b"x", b" x", b";", b"x;", b"!{}", b"x!{}", b"=", b":", b"::x", b" x {}", b"()", b" {}", b"x() {}",
              b">", b"> x", b"=> x", b"#", b".x", b"0", b"|x| x", b"&", b"/")  # fmt: skip
    words = (b"where", b"for", b"impl", b"struct", b"const", b"unsafe", b"extern", b"async", b"else", b"match", b"dyn",
             b"move", b"fn", b"in", b"as", b"crate", b"macro_rules", b"loop", b"while", b"if", b"let", b"mut",
             b"ref")  # fmt: skip
    probe_reach = 8

    def __init__(self) -> None:
        rustc = shutil.which("rustc") or str(Path.home() / ".cargo" / "bin" / "rustc")
        if not os.access(rustc, os.X_OK):
            raise OracleMissingError(
                "expected the program 'rustc' on the PATH or in ~/.cargo/bin (rustup.rs)"
            )
        self._process = HelperProcess("Rust", [], [sys.executable, str(SOURCES / "rustc_oracle.py"), rustc])

    def errors(self, text: bytes) -> tuple[int, list[Finding]]:
        """Ask rustc."""
        return self._process.ask(text)

    def is_about_end(self, text: bytes, length: int, finding: Finding) -> bool:
        """Say so for what is missing at the end, and for a bracket, literal or comment that is still open there."""
        del text
        is_at_end = finding.position >= length or finding.message.endswith("found `<eof>`")
        return is_at_end or finding.message.startswith(_OPEN) or finding.message.endswith("\\u{0}")

    def close(self) -> None:
        """End the helper."""
        self._process.close()
