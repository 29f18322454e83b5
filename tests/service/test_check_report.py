"""What a check prints: the whole plan, every problem, and an exit code."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from model_store import load_catalog
from service.check import Problem
from service.check_report import print_check
from service.engine_plan import EnginePlan, plan
from service.hardware import Cpu, Hardware, Memory
from service.model_shape import ModelShape
from service.settings import load_settings

XEON = Cpu("Xeon", "x86_64", (0, 1), (0, 1), None, frozenset({"avx2", "amx_bf16"}))
CPU = Hardware(XEON, Memory(32 << 30, 24 << 30), (), "torch is built without CUDA")


def planned(**overrides: Any) -> EnginePlan:
    settings = load_settings(overrides=overrides)
    return plan(settings, ModelShape.from_entry(load_catalog()[settings.model.id]), CPU)


def _printed(resolved: EnginePlan, problems: list[Problem], *, as_json: bool = False) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    code = print_check(resolved, problems, as_json=as_json, console=console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


ERROR = Problem("error", "engine.device", "No GPU [is] usable.")
WARNING = Problem("warning", "engine.threads", "Too many.")


@pytest.mark.parametrize(("problems", "code"), [([], 0), ([WARNING], 0), ([ERROR], 1), ([ERROR, WARNING], 1)])
def test_the_exit_code_tells_errors_from_warnings(problems: list[Problem], code: int) -> None:
    for as_json in (False, True):
        assert _printed(planned(), problems, as_json=as_json)[0] == code


def test_every_choice_its_reason_and_every_problem_is_printed() -> None:
    resolved = planned(**{"engine.tensor_parallel_size": 2})
    _, text = _printed(resolved, [ERROR, WARNING])
    for name, choice in resolved.choices():
        assert name in text
        assert choice.reason in text
    assert "No GPU [is] usable." in text
    assert "Too many." in text
    assert "tokens" in text


def test_the_json_form_is_the_plan_and_its_problems() -> None:
    resolved = planned()
    code, text = _printed(resolved, [ERROR], as_json=True)
    report = json.loads(text)
    assert (code, report["ok"]) == (1, False)
    assert report["problems"] == [
        {"severity": "error", "setting": "engine.device", "message": "No GPU [is] usable."}
    ]
    assert report["choices"]["device"]["value"] == "cpu"
    assert report["memory"]["needed"] > 0
