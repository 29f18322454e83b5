from __future__ import annotations

import shutil

import pytest

from evaluation.errors import SandboxMissingError
from evaluation.extraction import program_of, without_unused_crates
from evaluation.go_tests import go_head, go_program
from evaluation.scoring import Scorer
from evaluation.suites.polyglot import humaneval_x

GO_SETUP = (
    'package main\n\nimport (\n    "testing"\n    "math/rand"\n    "github.com/stretchr/testify/assert"\n)\n'
)
GO_TEST = "func TestAdd(t *testing.T) {\n    assert := assert.New(t)\n    assert.Equal(3, Add(1, 2))\n}\n"
GO_HEAD = "// Add.\nfunc Add(a int, b int) int {\n"


def test_go_imports_are_those_that_are_used() -> None:
    imports = 'import (\n    "strings"\n    "os"\n)\n'
    program = f'package other\n\n{imports}\nfunc Add() int {{ return strings.Count("", "") }}\n'
    head, body = go_head(GO_SETUP, program, GO_TEST), go_program(GO_SETUP, program)
    assert "package other" not in body
    assert "import" not in body
    for path, is_there in (
        ("strings", True),
        ("testing", True),
        ("reflect", True),
        ("os", False),
        ("math/rand", False),
    ):
        assert (f'"{path}"' in head) is is_there
    assert "testify" not in head


def test_rust_crates_that_nothing_names_are_left_out() -> None:
    code = "use std::cmp;\nuse rand::Rng;\nuse regex::Regex;\nuse md5;\nfn f() { Regex::new(); }\n"
    assert without_unused_crates(code) == "use std::cmp;\nuse regex::Regex;\nfn f() { Regex::new(); }\n"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go here")
@pytest.mark.parametrize(("body", "status"), [("return a + b", "passed"), ("return a - b", "failed")])
async def test_go_answers_are_judged(body: str, status: str) -> None:
    try:
        scorer = Scorer()
    except SandboxMissingError as error:
        pytest.skip(f"no sandbox works here: {error}")
    row = {
        "task_id": "Go/0",
        "prompt": GO_HEAD,
        "declaration": GO_HEAD,
        "canonical_solution": "",
        "test": GO_TEST,
        "test_setup": GO_SETUP,
    }
    problem = humaneval_x("go")(row)
    program = program_of(problem, f"```go\n{GO_HEAD}    {body}\n}}\n```")
    record = {"task_id": "Go/0", "seed": 0, "index": 0, "program": program}
    async with scorer:
        verdict = await scorer.score(problem, record)
    assert verdict["status"] == status, verdict["detail"]
