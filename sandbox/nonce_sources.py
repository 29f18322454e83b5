"""Program and tests put into one text that ends by printing a nonce, in each language.

The nonce is fresh for each run and the last thing written. A control has the same text, but must fail just before it:
what prints its nonce all the same is a forgery. Python's control lies elsewhere, see inside/nonce_harness.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.build import Sources
from sandbox.errors import InvalidTaskError
from sandbox.scripts import nonce_script

_THROW = "throw new Error('end');"


@dataclass(frozen=True)
class NonceTask:
    """What is judged, and the nonce of this run."""

    program: str
    tests: str
    nonce: str
    is_control: bool

    def control(self, failure: str) -> str:
        """Give the statement that makes a control fail. The nonce follows it all the same, for a forger to find."""
        return failure if self.is_control else ""

    @property
    def text(self) -> str:
        """The program followed by its tests."""
        return f"{self.program}\n{self.tests}\n"


def make_sources(language: str, task: NonceTask) -> Sources:
    """Give the files to build. Raises InvalidTaskError where the tests have no end to put the nonce at."""
    return _MAKERS[language](task)


def _python(task: NonceTask) -> Sources:
    told = {"program": task.program, "tests": task.tests, "nonce": task.nonce, "is_control": task.is_control}
    return Sources({"program.py": nonce_script(), "task.json": json.dumps(told).encode()})


def _script(file_name: str) -> Callable[[NonceTask], Sources]:
    def make(task: NonceTask) -> Sources:
        # HumanEval-X tests by console.assert, which only warns.
        strict = (
            "console.assert = (ok, ...m) => { if (!ok) throw new Error('Assertion failed ' + m.join(' ')); };"
        )
        ending = f"{task.control(_THROW)} process.stdout.write('\\n{task.nonce}\\n');"
        return Sources({file_name: f"{task.program}\n;{strict}\n{task.tests}\n;{ending}\n".encode()})

    return make


def _bash(task: NonceTask) -> Sources:
    ending = f"{task.control('exit 1')}\nprintf '\\n%s\\n' {task.nonce}"
    return Sources({"program.sh": f"{task.text}\n[ $? -eq 0 ] || exit 1\n{ending}\n".encode()})


def _before_end(text: str, statement: str, braces: int = 1) -> str:
    """Put a statement where main ends: before the last braces, and before a closing `return 0;`."""
    found = re.search(r"(return\s+0\s*;\s*)?" + r"\}\s*" * braces + r"$", text)
    if found is None:
        raise InvalidTaskError("expected the tests to end with the closing brace of their main function")
    return f"{text[: found.start()]}\n{statement}\n{text[found.start() :]}"


def _c_family(file_name: str) -> Callable[[NonceTask], Sources]:
    def make(task: NonceTask) -> Sources:
        ending = f'{task.control("abort();")} fputs("\\n{task.nonce}\\n", stdout); fflush(stdout);'
        text = _before_end(task.text, ending)
        return Sources({file_name: f"#include <stdio.h>\n#include <stdlib.h>\n{text}".encode()})

    return make


def _rust(task: NonceTask) -> Sources:
    text = task.text
    names = re.findall(r"#\[test\]\s*(?:pub\s+)?fn\s+(\w+)", text)
    if names and not re.search(r"\bfn\s+main\s*\(", task.tests):
        text = _rust_main_of_tests(text, names)
    ending = f'{task.control("std::process::exit(1);")} println!("\\n{task.nonce}");'
    return Sources({"program.rs": _before_end(text, ending).encode()})


def _rust_main_of_tests(text: str, names: list[str]) -> str:
    """Turn #[test] functions into calls of a main function, whose end is in sight."""
    text = re.sub(r"\bfn\s+main\s*\(\s*\)\s*\{\s*\}", "", text)
    text = re.sub(r"#\[test\]\s*(?:pub\s+)?fn", "pub fn", text.replace("#[cfg(test)]", ""))
    module = re.search(r"\bmod\s+(\w+)\s*\{", text)
    path = f"{module[1]}::" if module else ""
    return text + "fn main() {\n" + "".join(f"{path}{name}();\n" for name in names) + "}\n"


def _java(task: NonceTask) -> Sources:
    ending = f'{task.control("System.exit(1);")} System.out.println("\\n{task.nonce}"); System.out.flush();'
    text = _before_end(task.text, ending, braces=2)
    return java_sources(text)


def java_sources(text: str) -> Sources:
    """Name the file after the public class, and find the class that has main."""
    start = text.find("void main")
    classes = re.findall(r"\bclass\s+(\w+)", text[:start] if start >= 0 else text)
    if not classes:
        raise InvalidTaskError("expected a class in the Java program")
    public = re.search(r"\bpublic\s+(?:final\s+)?class\s+(\w+)", text)
    return Sources({f"{public[1] if public else classes[-1]}.java": text.encode()}, main=classes[-1])


def _go(task: NonceTask) -> Sources:
    package = re.search(r"^\s*package\s+(\w+)", task.program, re.MULTILINE)
    name = package[1] if package else "main"
    text = task.text if package else f"package main\n{task.text}"
    ending = f'{task.control("os.Exit(1);")} os.Stdout.WriteString("\\n{task.nonce}\\n")'
    if re.search(r"\bfunc\s+Test\w*\s*\(\s*\w+\s+\*testing\.T", text):
        return _go_test(name, text, ending)
    helper = f'package {name}\nimport "os"\nfunc codefusionDone() {{ {ending}; os.Stdout.Sync() }}\n'
    return Sources({"program.go": _before_end(text, "codefusionDone()").encode(), "done.go": helper.encode()})


def _go_test(package: str, text: str, ending: str) -> Sources:
    helper = f"""package {package}
import ("os"; "testing")
func TestMain(m *testing.M) {{
    if code := m.Run(); code != 0 {{ os.Exit(code) }}
    {ending}
    os.Exit(0)
}}
"""
    words = ("test", "-c", "-o", "{out}/program", "{sources}")
    files = {"program_test.go": text.encode(), "done_test.go": helper.encode()}
    return Sources(files, compile=words)


_MAKERS: dict[str, Callable[[NonceTask], Sources]] = {
    "python": _python,
    "javascript": _script("program.js"),
    "typescript": _script("program.ts"),
    "bash": _bash,
    "c": _c_family("program.c"),
    "cpp": _c_family("program.cpp"),
    "rust": _rust,
    "java": _java,
    "go": _go,
}
