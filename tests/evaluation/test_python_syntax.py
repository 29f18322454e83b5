"""Trees are right whichever threads ask for them."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluation.python_syntax import python_tree

CODE = "class A:\n" + "".join(
    f"    def f{i}(self, x):\n        return [[(x, {{1: [x, (2, {i})]}}) for x in y if (x and (y or z))] for y in x]\n"
    for i in range(300)
)


@pytest.fixture
def threads_change_inside_the_parser() -> Iterator[None]:
    """A collection that waits hands over to another thread, in the middle of building a tree."""

    def wait(phase: str, info: dict[str, int]) -> None:
        time.sleep(0.0005)

    gc.callbacks.append(wait)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.callbacks.remove(wait)


@pytest.mark.usefixtures("threads_change_inside_the_parser")
def test_several_threads_may_parse_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(python_tree, [CODE] * 24))
    assert all(tree is not None and len(tree.body) == 1 for tree in trees)


@pytest.mark.parametrize("code", ["def f(:", "a\0b", "\ud800", "(" * 5000, "-" * 200_000 + "1"])
def test_what_does_not_parse_has_no_tree(code: str) -> None:
    assert python_tree(code) is None
