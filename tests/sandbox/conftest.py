"""Isolation methods of this machine, and the benchmark data where they are."""

from __future__ import annotations

import functools
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox import Isolation, Method, available_languages
from sandbox.selftest import check_method


@functools.cache
def _checked(method: Method) -> Isolation | str:
    return check_method(method)


@pytest.fixture(params=list(Method), ids=str)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    """Each isolation method that works here."""
    found = _checked(request.param)
    if isinstance(found, str):
        pytest.skip(f"{request.param}: {found}")
    return found


@pytest.fixture
def best_isolation() -> Isolation:
    """The first isolation method that works here."""
    found = [_checked(method) for method in Method]
    usable = [each for each in found if isinstance(each, Isolation)]
    if not usable:
        pytest.skip(f"no isolation here: {found}")
    return usable[0]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of benchmark data."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("CODEFUSION_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data at {folder} (set CODEFUSION_DATA)")
    return folder


@pytest.fixture(scope="session")
def human_eval(data: Path) -> list[dict[str, Any]]:
    """The problems of HumanEval."""
    with gzip.open(data / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as source:
        return [json.loads(line) for line in source]


@pytest.fixture
def require_language(request: pytest.FixtureRequest) -> None:
    """Skip, with the reason, a test of a language whose toolchain is missing. The test has a parameter `language`."""
    language = request.node.callspec.params["language"]
    found = available_languages().get(language)
    if isinstance(found, str):
        pytest.skip(f"{language}: {found}")
