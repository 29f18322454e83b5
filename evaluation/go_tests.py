"""One Go file out of HumanEval-X' parts: package clause and imports, answer, tests.

As CodeGeeX' evaluation does it, imports are gathered from all parts and kept where they are used, since Go refuses
unused ones; packages of the standard library that an answer uses without importing them are added from its list. Of
testify the tests use `assert.Equal` alone: the lines below stand for it (reflect.DeepEqual), so that nothing has to be
downloaded.
"""

from __future__ import annotations

import re
from typing import Final

_IMPORT = re.compile(r"^import\s*(?:\(([^)]*)\)|(\"[^\"\n]+\"))[ \t]*\n?", re.MULTILINE)
_PACKAGE = re.compile(r"^\s*package\s+\w+[ \t]*\n?", re.MULTILINE)
_PATH = re.compile(r"\"([^\"\n]+)\"")
_TESTIFY: Final = "github.com/stretchr/testify/assert"
_COMMON: Final = (
    "math",
    "strings",
    "fmt",
    "strconv",
    "time",
    "bytes",
    "regexp",
    "sort",
    "math/rand",
    "crypto/md5",
)
_ASSERT: Final = """
type assertPackage struct{ t *testing.T }

var assert assertPackage

func (assertPackage) New(t *testing.T) assertPackage { return assertPackage{t} }

func (a assertPackage) Equal(expected, actual interface{}) {
    a.t.Helper()
    if !reflect.DeepEqual(expected, actual) {
        a.t.Errorf("Not equal: expected %v, actual %v", expected, actual)
    }
}
"""


def go_program(setup: str, program: str) -> str:
    """Give the file without its tests, which follow it. `setup` is upstream's package clause with its imports."""
    uses_testify = _TESTIFY in setup
    body = _IMPORT.sub("", _PACKAGE.sub("", program, count=1))
    return f"{body}\n{_ASSERT}" if uses_testify else body


def go_head(setup: str, program: str, tests: str) -> str:
    """Give the package clause and the imports that program and tests use."""
    body = go_program(setup, program) + tests
    declared = [
        path
        for part in (setup, program)
        for block in _IMPORT.findall(part)
        for path in _PATH.findall("".join(block))
    ]
    paths = dict.fromkeys([*declared, *_COMMON, "testing", "reflect"])
    used = [path for path in paths if path != _TESTIFY and _is_used(path, body)]
    lines = "".join(f'    "{path}"\n' for path in used)
    return f"package main\n\nimport (\n{lines})\n\n"


def _is_used(path: str, body: str) -> bool:
    return re.search(rf"\b{re.escape(path.rsplit('/', 1)[-1])}\.\w", body) is not None
