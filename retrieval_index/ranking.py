"""From ranks to an answer: rankings made one, then variety among what is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

_CONSTANT = 60  # of reciprocal rank fusion, as its authors chose it


def fused(rankings: Sequence[Sequence[int]], weights: Sequence[float] | None = None) -> dict[int, float]:
    """Make several rankings one: the sum of weight / (60 + rank) (Cormack, Clarke and Buettcher 2009)."""
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, one in enumerate(ranking, 1):
            scores[one] = scores.get(one, 0.0) + weight / (_CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def varied(
    scores: Mapping[int, float],
    likeness: Callable[[int, int], float],
    k: int,
    *,
    variety: float,
    groups: Mapping[int, Hashable],
    per_group: int,
    same: Mapping[int, Hashable],
) -> list[int]:
    """Choose k by maximal marginal relevance (Carbonell and Goldstein 1998), the best first.

    scores     the higher the better, above 0
    likeness   of two candidates, 0 to 1
    variety    how much likeness to what is chosen counts against a candidate: 0 not at all, 1 alone
    groups     at most `per_group` of one group are chosen
    same       of candidates with the same value one is chosen
    """
    best = max(scores.values(), default=1.0)
    worth = {one: (1 - variety) * score / best for one, score in scores.items()}
    alike = dict.fromkeys(scores, 0.0)
    chosen: list[int] = []
    taken = Counter[Hashable]()
    while worth and len(chosen) < k:
        one = max(worth, key=lambda other: worth[other] - variety * alike[other])
        chosen.append(one)
        taken[groups[one]] += 1
        worth = {
            other: value
            for other, value in worth.items()
            if other != one and taken[groups[other]] < per_group and same[other] != same[one]
        }
        for other in worth:
            alike[other] = max(alike[other], likeness(one, other))
    return chosen
