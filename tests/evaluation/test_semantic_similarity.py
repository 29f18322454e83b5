from __future__ import annotations

import pytest

from evaluation.dependence_graph import dependence_graph
from evaluation.semantic_similarity import semantic_similarity, with_shuffled_baseline

GCD = "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n"


def edges(code: str) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    graph = dependence_graph(code)
    assert graph is not None
    return graph.control, graph.data


def test_the_graph_of_a_loop_by_hand() -> None:
    # 0 def, 1 while, 2 assignment, 3 return. The return uses the parameter and what the loop leaves.
    control, data = edges(GCD)
    assert control == {(0, 1), (0, 3), (1, 2)}
    assert data == {(0, 1), (2, 1), (0, 2), (2, 2), (0, 3), (2, 3)}


def test_both_branches_reach_and_a_new_value_hides_the_old() -> None:
    control, data = edges("x = 1\nif x:\n    y = 1\nelse:\n    y = 2\nx = 3\nz = x + y\n")
    assert control == {(1, 2), (1, 3)}
    assert data == {(0, 1), (2, 5), (3, 5), (4, 5)}


def test_what_follows_an_early_return_depends_on_its_condition() -> None:
    control, _ = edges("def f(x):\n    if x:\n        return 1\n    return 2\n")
    assert (1, 3) in control


def test_a_break_leaves_its_loop_only() -> None:
    control, _ = edges("for i in x:\n    if i:\n        break\n    f(i)\ng(x)\n")
    assert (1, 3) in control
    assert (0, 4) not in control


def test_changing_an_element_is_a_use_and_a_definition() -> None:
    _, data = edges("a = []\na.append(1)\na[0] = 2\nprint(a)\n")
    assert {(0, 1), (1, 2), (2, 3)} <= data


@pytest.mark.parametrize("code", ["def f(:", "(" * 90_000, "\x00"])
def test_code_that_does_not_parse_has_no_graph(code: str) -> None:
    assert dependence_graph(code) is None
    assert semantic_similarity(code, GCD) == 0


def test_deeply_nested_loops_take_no_time() -> None:
    code = "".join(f"{' ' * i}for i in x:\n" for i in range(90)) + " " * 90 + "pass\n"
    assert dependence_graph(code) is not None


def test_names_do_not_count_and_operations_do() -> None:
    renamed = GCD.replace("gcd", "f").replace("a", "p").replace("b", "q")
    assert semantic_similarity(GCD, GCD) == pytest.approx(1)
    assert semantic_similarity(
        GCD, "def f(p, q):\n    while q:\n        p, q = q, p % q\n    return p\n"
    ) == pytest.approx(1)
    assert 0 < semantic_similarity(GCD, GCD.replace("%", "-")) < 1
    assert renamed != GCD


def test_data_flow_counts() -> None:
    straight = "def f(a, b):\n    x = a + b\n    y = x + a\n    return y\n"
    crossed = "def f(a, b):\n    x = a + b\n    y = b + a\n    return y\n"
    assert semantic_similarity(straight, crossed) < 1


def test_the_baseline_stands_beside_and_is_below() -> None:
    programs = [
        GCD,
        "def f(x):\n    return x * 2\n",
        "def g(t):\n    s = 0\n    for i in t:\n        if i > 0:\n            s += i\n    return s\n",
        "class A:\n    def h(self):\n        return [i for i in self.x]\n",
    ]
    result = with_shuffled_baseline(programs, programs)
    assert result.value == pytest.approx(1)
    assert result.baseline < 0.6
    assert len(result.per_pair) == 4


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        with_shuffled_baseline([GCD], [])
