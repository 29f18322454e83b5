"""TypeScript: the compiler's parser, on node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from benchmarks.grammar_oracles.oracle import ErrorListOracle, Finding, OracleMissingError
from benchmarks.grammar_oracles.process import SOURCES, HelperProcess, find_program

_UNTERMINATED = ("Unterminated", "'*/' expected", "Hexadecimal digit expected", "Digit expected",
                 "Binary digit expected", "Octal digit expected")  # fmt: skip
_OPEN_ELEMENTS = ("JSX element ", "JSX fragment ")  # … has no corresponding closing tag


class TypeScriptOracle(ErrorListOracle):
    """The parser of the npm package `typescript`; rules are written for 5.9.

    A text is accepted when the parser has no diagnostic. What the compiler says later (where `break` may stand, which
    modifiers go together, what names mean) is no matter of parsing.
    """

    probes = (b" ", b"\n", b"x", b" x", b"0", b";", b"(", b")", b"{", b"}", b"]", b",", b":", b"=", b"=>", b" => x",
              b"/", b"'", b'"', b"`", b"}`", b"()", b"(){", b"() => {", b"){", b") => x", b"}) => x", b"]) => x",
              b"= x", b"} = x", b"] = x", b"}] = x", b"}} = x", b"} of x)", b"] of x)", b" of x)", b" in x)",
              b"x: 1} = x", b".x", b"]= x", b")(x)", b"=1}) => x", b"}) = x", b" x) {", b" from 'a'", b"} from 'a'",
              b"in x", b"n", b"}, x) => x", b"], x) => x", b", x) => x", b"while(x)", b"catch{", b"finally{", b">",
              b">(x)", b"> = x", b": x) => x", b"?: x) => x", b"): x => x", b" x>", b" x = x", b" x: x", b"]: x",
              b": x]: x", b" in x]: x", b" is x", b"> x", b"></x>", b"/>", b"</", b" x {", b" x {}", b"\nx", b"[]",
              b"|x", b"x}", b"-x", b"x'", b"!", b"0>", b"class x {", b"function x(", b" x;", b"x: x) => x")  # fmt: skip
    words = (b"in", b"instanceof", b"of", b"as", b"from", b"while", b"catch", b"finally", b"case", b"default",
             b"extends", b"implements", b"target", b"meta", b"static", b"class", b"function", b"async", b"import",
             b"export", b"else", b"const", b"return", b"with", b"switch", b"break", b"continue", b"debugger",
             b"delete", b"typeof", b"void", b"yield", b"await", b"throw", b"try", b"new", b"super", b"this", b"null",
             b"true", b"false", b"for", b"var", b"let", b"type", b"interface", b"enum", b"namespace", b"module",
             b"declare", b"abstract", b"public", b"private", b"protected", b"readonly", b"override", b"accessor",
             b"keyof", b"infer", b"is", b"asserts", b"satisfies", b"unique", b"global", b"require", b"get", b"set",
             b"assert", b"using", b"if", b"do", b"undefined", b"string", b"number", b"boolean", b"symbol")  # fmt: skip
    tails = (b"", b" x", b"(x)", b"{", b" x {", b"(", b" 'a'", b" * as x", b": x", b" x of y)", b" {x", b" x() {",
             b" x = x", b" function(", b":", b" x>", b" class x {", b" x: x", b" from 'a'", b" x from 'a'", b"[]",
             b" symbol", b" {", b" x in x]", b" 'a' {", b"() {")  # fmt: skip
    file_name: ClassVar = "a.ts"

    def __init__(self) -> None:
        node = find_program("node", "nodejs")
        command = [node, str(SOURCES / "typescript_oracle.cjs"), str(_compiler(node)), self.file_name]
        self._process = HelperProcess("TypeScript", [], command)

    def errors(self, text: bytes) -> tuple[int, list[Finding]]:
        """Ask the parser; of its diagnostics only the first is telling, the others may come of its recovery.

        An element that is not closed is told where it begins: what comes behind says whether the text could go on.
        """
        length, findings = self._process.ask(text)
        inside = [finding for finding in findings if not finding.message.startswith(_OPEN_ELEMENTS)]
        return length, (inside or findings)[:1]

    def is_about_end(self, text: bytes, length: int, finding: Finding) -> bool:
        """Say so for what is missing at the end, and for a literal or comment that is still open there."""
        is_open = finding.message.startswith(_UNTERMINATED) and b"\n" not in _behind(text, finding.position)
        return finding.position >= length or is_open

    def close(self) -> None:
        """End the helper."""
        self._process.close()


class TsxOracle(TypeScriptOracle):
    """The same with JSX."""

    file_name: ClassVar = "a.tsx"


_INSTALLED = Path(__file__).parents[2] / "requirements" / "typescript" / "node_modules" / "typescript"


def _behind(text: bytes, position: int) -> bytes:
    """Give what is behind a place that is counted in UTF-16 units."""
    return (
        text.decode(errors="replace")
        .encode("utf-16-le")[2 * position :]
        .decode("utf-16-le", "replace")
        .encode()
    )


def _compiler(node: str) -> Path:
    """Find lib/typescript.js. Raises OracleMissingError, saying where it is looked for."""
    given = os.environ.get("CODEFUSION_TYPESCRIPT_COMPILER")
    beside = Path(os.path.realpath(node)).parent.parent / "lib" / "node_modules" / "typescript"
    folders = [Path(given)] if given else [_INSTALLED, beside]
    for folder in folders:
        found = folder / "lib" / "typescript.js"
        if found.is_file():
            return found
    raise OracleMissingError(
        "expected the npm package typescript (5.9): `python -m scripts.typescript` installs it, and "
        f"CODEFUSION_TYPESCRIPT_COMPILER may name a folder that has it; looked in {' and '.join(map(str, folders))}"
    )
