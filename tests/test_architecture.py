"""The tree's own rules: which package may import which, who knows vLLM, and whose names these are."""

from __future__ import annotations

import ast
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARROWS: dict[str, set[str]] = {
    "service": {"grammar", "retrieval_index", "adapters", "sandbox", "model_store"},
    "trainer": {"grammar", "adapters", "sandbox", "evaluation", "model_store"},
    "evaluation": {"grammar", "sandbox"},
    "retrieval_index": {"grammar"},
    "grammar": set(),
    "adapters": set(),
    "sandbox": set(),
    "model_store": set(),
}
PACKAGES = [name for name in ARROWS if (ROOT / name).is_dir()]


def _imports(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import; write the path"
                yield path, node.module or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_point_one_way(package: str) -> None:
    allowed = ARROWS[package] | {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path, module in _imports(ROOT / package)
        if module.split(".")[0] in ARROWS and module.split(".")[0] not in allowed
    ]
    assert not wrong


def test_retrieval_knows_of_grammar_only_its_languages() -> None:
    modules = {module for _, module in _imports(ROOT / "retrieval_index") if module.startswith("grammar")}
    assert modules <= {"grammar.languages"}


def test_only_the_engine_package_knows_vllm() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path, module in _imports(ROOT / package)
        if module.split(".")[0] == "vllm" and "vllm_" not in str(path.relative_to(ROOT))
    ]
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_no_installed_distribution_shares_our_names(package: str) -> None:
    # An editable install of ours lists no packages, so "nobody else" is what can be asserted.
    owners = importlib.metadata.packages_distributions().get(package, [])
    assert set(owners) <= {"codefusion"}
    assert importlib.metadata.version("codefusion")


def test_tests_have_no_packages_that_could_shadow_ours() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_content(package: str) -> None:
    assert len(list((ROOT / package).glob("*.py"))) > 1
