from __future__ import annotations

import functools
import random

import pytest
from apted import APTED
from apted.helpers import Tree as AptedTree

from evaluation.tree_edit import Tree, edit_distance, sequence_distance
from evaluation.tree_similarity import ast_similarity, size

Forest = tuple[Tree, ...]


@functools.cache
def forest_distance(a: Forest, b: Forest) -> int:
    """The definition: the last roots are deleted, inserted, or matched."""
    if not a or not b:
        return sum(map(size, a or b))
    deleted = forest_distance(a[:-1] + a[-1].children, b) + 1
    inserted = forest_distance(a, b[:-1] + b[-1].children) + 1
    matched = (
        forest_distance(a[-1].children, b[-1].children)
        + forest_distance(a[:-1], b[:-1])
        + (a[-1].label != b[-1].label)
    )
    return min(deleted, inserted, matched)


def random_tree(generator: random.Random, nodes: int) -> Tree:
    if nodes == 1:
        return Tree(generator.choice("ab"))
    left, children = nodes - 1, list[Tree]()
    while left:
        share = generator.randint(1, left)
        children.append(random_tree(generator, share))
        left -= share
    return Tree(generator.choice("ab"), tuple(children))


def bracketed(tree: Tree) -> str:
    return f"{{{tree.label}{''.join(map(bracketed, tree.children))}}}"


@pytest.mark.parametrize("seed", range(60))
def test_the_distance_is_that_of_the_definition(seed: int) -> None:
    generator = random.Random(seed)
    a, b = (random_tree(generator, generator.randint(1, 8)) for _ in range(2))
    assert edit_distance(a, b).value == forest_distance((a,), (b,))


@pytest.mark.parametrize("seed", range(20))
def test_the_distance_is_that_of_apted(seed: int) -> None:
    generator = random.Random(seed)
    a, b = (random_tree(generator, generator.randint(20, 60)) for _ in range(2))
    trees = [AptedTree.from_text(bracketed(tree)) for tree in (a, b)]
    assert edit_distance(a, b).value == APTED(*trees).compute_edit_distance()


@pytest.mark.parametrize("seed", range(40))
def test_the_bound_is_never_above_the_distance(seed: int) -> None:
    generator = random.Random(seed)
    a, b = (random_tree(generator, generator.randint(1, 25)) for _ in range(2))
    for max_cells in (0, 200):
        bound = edit_distance(a, b, max_cells)
        assert bound.value <= edit_distance(a, b).value
        assert not bound.is_exact or max_cells


def test_deep_trees_need_no_recursion() -> None:
    tree = Tree("a")
    for _ in range(30_000):
        tree = Tree("a", (tree,))
    assert edit_distance(tree, Tree("a"), max_cells=1_000_000).value == 30_000


def test_sequences_by_hand() -> None:
    assert sequence_distance([*"kitten"], [*"sitting"]) == 3
    assert sequence_distance([], [*"ab"]) == 2


@pytest.mark.parametrize(
    ("answer", "reference", "low", "high"),
    [
        ("def f(x):\n    return x + 1", "def g(y):\n    '''Text.'''\n    return y + 2  # more", 1, 1),
        ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1", 0.8, 0.99),
        ("", "def f(x):\n    return x + 1", 0, 0.2),
        ("def f(x): return", "class A:\n    x = [1, 2]\n    y = {3: 4}", 0, 0.5),
    ],
)
def test_similarity_counts_structure_and_not_names(
    answer: str, reference: str, low: float, high: float
) -> None:
    found = ast_similarity(answer, reference, "python")
    assert found is not None
    assert found.is_exact
    assert low <= found.value <= high


def test_similarity_is_symmetric_and_hostile_answers_have_one() -> None:
    a, b = "x = 1\nfor i in y: z(i)", "while x: y = 2"
    assert ast_similarity(a, b, "python") == ast_similarity(b, a, "python")
    hostile = ast_similarity("(" * 20_000, a, "python")
    assert hostile is not None
    assert 0 <= hostile.value <= 0.2


def test_a_language_without_grammar_has_no_similarity() -> None:
    assert ast_similarity("x", "x", "cobol") is None
