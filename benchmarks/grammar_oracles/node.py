"""JavaScript: V8's parser, as node reads its files."""

from __future__ import annotations

import re

from benchmarks.grammar_oracles.oracle import Finding, Oracle, Verdict
from benchmarks.grammar_oracles.process import SOURCES, HelperProcess, find_program

# Refused for names, for what is declared elsewhere, or for a pattern's own grammar, which no grammar of the language's
# text can see. V8 stops there, so nothing is known of the rest.
_EARLY = re.compile(
    r"Identifier '.*' has already been declared|Duplicate export|Export '.*' is not defined"
    r"|Undefined label|Label '.*' has already been declared|Private field '.*' must be declared"
    r"|Invalid regular expression: /|Invalid regular expression flags|Duplicate __proto__|Duplicate parameter name"
    r"|Classes may not have a private|Unexpected eval or arguments|let is disallowed"
)
# V8 says this of a literal that the end of the text, or of its line, leaves open.
_OPEN = ("Invalid or unexpected token", "Invalid regular expression: missing /", "Unterminated template literal",
         "Invalid Unicode escape sequence", "Invalid hexadecimal escape sequence", "missing ) after argument list",
         "Missing } in template expression")  # fmt: skip
_PROBES = (b" ", b"x", b" x", b"0", b";", b"(", b")", b"{", b"}", b"]", b",", b":", b"=", b"=>", b" => x", b"/", b"'",
           b'"', b"`", b"}`", b"()", b"(){", b"() => {", b"){", b") => x", b"}) => x", b"]) => x", b"= x", b"} = x",
           b"] = x", b"}] = x", b"}} = x", b"} of x)", b"] of x)", b" of x)", b" in x)", b"x: 1} = x", b".x", b".x = 1",
           b"]= x", b")(x)", b"=1}) => x", b"}) = x", b" x) {", b" from 'a'", b"} from 'a'", b"in x", b"await x",
           b"0000", b"n", b"}, x) => x", b"], x) => x", b", x) => x", b"while(x)", b"catch{", b"finally{")  # fmt: skip
_WORDS = (b"in", b"instanceof", b"of", b"as", b"from", b"while", b"catch", b"finally", b"case", b"default",
          b"extends", b"target", b"meta", b"static", b"class", b"function", b"async", b"import", b"export",
          b"else", b"const", b"return", b"with", b"switch", b"break", b"continue", b"debugger", b"delete",
          b"typeof", b"void", b"yield", b"await", b"throw", b"try", b"new", b"super", b"this", b"null",
          b"true", b"false", b"for", b"var", b"let")  # fmt: skip
_TAILS = (b"", b" x", b"(x)", b"{", b" x {", b"(", b" 'a'", b" * as x", b": x", b" x of y)", b" {x", b" x() {",
          b" function(", b":")  # fmt: skip
_REACH = 160
_MAX_READ = 8_000_000  # bytes; node keeps every module it has compiled, so it is started anew behind so many


class NodeOracle(Oracle):
    """The installed version's parser; rules are written for node 20.

    A text is accepted when it is a CommonJS module (a function's body in sloppy mode) or an ECMAScript module.
    """

    def __init__(self) -> None:
        self._node = find_program("node", "nodejs")
        self._process = self._started()
        self._read = 0

    def _started(self) -> HelperProcess:
        flags = ["--expose-internals", "--experimental-vm-modules", "--no-warnings"]
        return HelperProcess("node", [], [self._node, *flags, str(SOURCES / "node_oracle.cjs")])

    def _ask(self, text: bytes) -> tuple[int, list[Finding]]:
        self._read += len(text)
        if self._read > _MAX_READ:
            self._process.close()
            self._process, self._read = self._started(), 0
        return self._process.ask(text)

    def accepts(self, text: bytes) -> bool:
        """Say whether either kind of module accepts the text."""
        return len(self._ask(text)[1]) < 2

    def check(self, text: bytes) -> Verdict:
        """Judge a text; a text is a possible beginning when a probe moves the first error behind its end."""
        length, errors = self._ask(text)
        if len(errors) < 2:
            return Verdict(accepted=True, possible=True)
        message = max(errors, key=lambda error: error.position).message
        if any(_EARLY.match(error.message) for error in errors):
            return Verdict(accepted=False, possible=True, message=message, is_early=True)
        possible = any(self._is_about_end(text, length, error) for error in errors) or (
            any(error.position >= length - _REACH for error in errors)
            and any(self._reads_past(text + probe, length) for probe in self._probes_of(text))
        )
        return Verdict(accepted=False, possible=possible, message=message)

    @staticmethod
    def _is_about_end(text: bytes, length: int, error: Finding) -> bool:
        if error.position >= length or error.message == "Unexpected end of input":
            return True
        if error.message not in _OPEN:
            return False
        behind = text.decode().encode("utf-16-le")[2 * error.position :].decode("utf-16-le")
        if error.message.startswith("missing"):
            return False  # the place is that of a lexeme before: the probes tell
        if behind.startswith("/*"):
            return "*/" not in behind
        return "\n" not in behind and behind[:1] in ("'", '"', "/", "\\")

    def _reads_past(self, text: bytes, length: int) -> bool:
        _, errors = self._ask(text)
        return len(errors) < 2 or any(
            error.position >= length or error.message == "Unexpected end of input" for error in errors
        )

    @staticmethod
    def _probes_of(text: bytes) -> list[bytes]:
        probes: list[bytes] = [*_PROBES]
        begun = re.search(rb"[a-z]+\Z", text)
        if begun:
            rests = [word[len(begun[0]) :] for word in _WORDS if word.startswith(begun[0])]
            probes += [rest + tail for rest in rests for tail in _TAILS]
        return probes

    def close(self) -> None:
        """End the helper."""
        self._process.close()
