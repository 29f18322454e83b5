"""Java: the parser of javac, without attribution."""

from __future__ import annotations

from benchmarks.grammar_oracles.oracle import ErrorListOracle, Finding
from benchmarks.grammar_oracles.process import HelperProcess, find_program

_AT_END = ("compiler.err.premature.eof", "compiler.err.unclosed.comment", "compiler.err.unclosed.text.block")
_TRY = "compiler.err.try.without"
_IN_LINE = ("compiler.err.unclosed.str.lit", "compiler.err.unclosed.char.lit")


class JavacOracle(ErrorListOracle):
    """The installed version's parser; the module's rules are written for 17."""

    probes = (b" ", b"x", b" x", b"0", b";", b"(", b")", b"{", b"}", b"]", b",", b":", b"=", b"->", b">", b"x;", b" x;",
              b" x(", b"()", b"();", b"++;", b"=x;", b"finally{", b"catch(E e){", b"else", b"while(x);", b"'", b'"',
              b"class X{", b"enum X{", b"void x(", b" x){", b"x->", b".x;", b"::x", b"[]", b"[]{", b"case x:", b"{}",
              b" x = ", b"{ x(", b"/", b"interface X", b"*", b"implements X{", b" x() {", b">x", b")->", b") x",
              b"super.x(", b"] x;", b"]=x;", b" -> x;")  # fmt: skip
    words = (b"abstract", b"assert", b"catch", b"class", b"default", b"else", b"enum", b"extends", b"final", b"finally",
             b"implements", b"import", b"instanceof", b"interface", b"native", b"package", b"permits", b"private",
             b"protected", b"public", b"record", b"sealed", b"static", b"strictfp", b"super", b"synchronized", b"this",
             b"throws", b"transient", b"volatile", b"while")  # fmt: skip
    tails = (b"", b" X {", b" x;", b" class X {", b" x {", b" int x", b"(x);", b" {",
             b"(X x) {", b" X() {", b":", b" X {}", b" x;}", b" x = ")  # fmt: skip

    def __init__(self) -> None:
        java, javac = (find_program(name, "openjdk-17-jdk-headless") for name in ("java", "javac"))
        # One compiler in one process: what it learns of its own hot paths serves all texts.
        self._process = HelperProcess(
            "Java",
            [[javac, "-d", "{out}", "JavaOracle.java"]],
            [java, "-XX:+UseSerialGC", "-Xss16m", "-cp", "{out}", "JavaOracle"],
        )

    def errors(self, text: bytes) -> tuple[int, list[Finding]]:
        """Ask javac."""
        return self._process.ask(text)

    def is_about_end(self, text: bytes, length: int, finding: Finding) -> bool:  # noqa: ARG002
        """Say so for "reached end of file" and for a literal or comment that is still open there."""
        if finding.code in _AT_END:
            return True
        if finding.code == "unmappable":
            return False
        behind = text.decode()[finding.position :]
        if finding.code in _IN_LINE:
            return "\n" not in behind
        if finding.code.startswith(_TRY):
            return behind.count("{") > behind.count("}")  # in its block, if no string has a brace
        return finding.code == "compiler.err.illegal.unicode.esc" and len(behind) < len("\\u0000")

    def is_mendable(self, length: int, finding: Finding) -> bool:
        """Say so for a `try` as well, however far back: what it lacks comes behind its block."""
        return finding.code.startswith(_TRY) or super().is_mendable(length, finding)

    def close(self) -> None:
        """End the helper."""
        self._process.close()
