"""When a call's value counts as right: EvalPlus' rules for HumanEval+ and MBPP+.

Source      EvalPlus 0.3 (`unsafe_execute`, `_special_oracle.py`): equal, or for expected floats within 1e-6 or the
            problem's tolerance (relative 1e-7, `numpy.allclose`); some MBPP tasks compare sets, accept any value that
            is not None, or accept a second reading of the task.
Differences HumanEval/32: |poly(xs, root)| <= 1e-4 (the test that ships with HumanEval+ can never pass). Mbpp/737 and
            787: EvalPlus' rule, while their shipped tests assert nothing. The tolerance does not carry over from one
            input to the next.
Values are plain built-ins that left the sandbox: comparing them runs nobody's code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

_SET_EQUAL: Final = frozenset(
    {
        "similar_elements",
        "find_char_long",
        "common_in_nested_lists",
        "extract_singly",
        "larg_nnum",
        "intersection_array",
        "find_dissimilar",
        "Diff",
    }
)
_NOT_NONE: Final = frozenset({"check_str", "text_match_three", "text_starta_endb"})


def is_right(entry_point: str, arguments: Sequence[Any], expected: Any, got: Any, atol: float) -> bool:
    """Whether `got` is what the call should give."""
    try:
        return _special(entry_point, arguments, expected, got) or _agrees(entry_point, expected, got, atol)
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError):
        return False


def _special(entry_point: str, arguments: Sequence[Any], expected: Any, got: Any) -> bool:
    match entry_point:
        case "find_zero":
            coefficients = arguments[0]
            return abs(sum(c * math.pow(got, i) for i, c in enumerate(coefficients))) <= 1e-4
        case "are_equivalent":
            return True
        case "sum_div":
            return bool(got in (expected, 0))
        case "surface_Area":
            return got == expected or abs(got - _pyramid(*arguments)) <= 1e-6
        case "digit_distance_nums":
            return got == expected or got == _digit_distance(*arguments)
        case _ if entry_point in _SET_EQUAL:
            return set(got) == set(expected)
        case _ if entry_point in _NOT_NONE:
            return got == expected if isinstance(got, bool) else expected == (got is not None)
        case _:
            return False


def _agrees(entry_point: str, expected: Any, got: Any, atol: float) -> bool:
    if entry_point == "find_zero" or entry_point in _NOT_NONE:
        return False
    if bool(got == expected):
        return True
    if atol == 0 and _are_floats(expected):
        atol = 1e-6
    return atol != 0 and bool(np.allclose(got, expected, rtol=1e-7, atol=atol))


def _are_floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        items: list[Any] = [*value]  # pyright: ignore[reportUnknownArgumentType]
        return all(isinstance(item, float) for item in items)
    return isinstance(value, float)


def _pyramid(base_edge: float, height: float) -> float:
    slant = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant) / 2)


def _digit_distance(a: int, b: int) -> int:
    first, second = str(a), str(b)
    width = max(len(first), len(second))
    pairs = zip(first.zfill(width), second.zfill(width), strict=True)
    return sum(abs(int(x) - int(y)) for x, y in pairs)
