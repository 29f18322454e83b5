"""Go: go/parser, the parser behind gofmt -e."""

from __future__ import annotations

from benchmarks.grammar_oracles.oracle import ErrorListOracle, Finding
from benchmarks.grammar_oracles.process import HelperProcess, find_program

_OPEN_AT_END = ("comment not terminated", "raw string literal not terminated")
_OPEN_IN_LINE = (
    "string literal not terminated",
    "rune literal not terminated",
    "escape sequence not terminated",
)


class GoOracle(ErrorListOracle):
    """The installed version's parser; the module's rules are written for 1.19."""

    probes = (b" ", b"\n", b"x", b" x", b"0", b";", b"(", b")", b"{", b"}", b"]", b",", b":", b"=", b" x :=", b" :=",
              b" {}", b" x{}", b"'", b'"', b"1", b"=x{", b".x", b"x)", b"()", b"x()", b" x:", b"package x\n",
              b" T", b"<-x:", b"(type) {", b"func()", b"(){", b"...", b"x]", b"/", b"]T{", b"x]T{", b"-x:", b" = 1",
              b", x = 1", b"=1", b"x=1")  # fmt: skip
    words = (b"func", b"struct", b"interface", b"map", b"chan", b"range", b"import", b"package", b"type", b"const",
             b"var", b"switch", b"select", b"case", b"default", b"else", b"fallthrough", b"return")  # fmt: skip
    tails = (b"", b" x", b" x\n", b"() {", b" {", b" x {", b"[x]x{")

    def __init__(self) -> None:
        go = find_program("go", "golang-go")
        self._process = HelperProcess(
            "Go", [[go, "build", "-o", "{out}/oracle", "go_oracle.go"]], ["{out}/oracle"]
        )

    def errors(self, text: bytes) -> tuple[int, list[Finding]]:
        """Ask go/parser."""
        return self._process.ask(text)

    def is_about_end(self, text: bytes, length: int, finding: Finding) -> bool:
        """Say so for what is missing at the end, and for a literal or comment that is still open there."""
        if finding.message.startswith(_OPEN_AT_END):
            return True
        if finding.message.startswith(_OPEN_IN_LINE):
            return b"\n" not in text[finding.position :]
        return finding.position >= length or finding.message == 'invalid import path: "'

    def close(self) -> None:
        """End the helper."""
        self._process.close()
