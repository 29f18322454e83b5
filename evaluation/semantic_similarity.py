"""SemSim: how alike the program dependence graphs of an answer and the reference are.

Definition  cosine of two Weisfeiler-Lehman embeddings: counts of node labels after 0 to 3 rounds, in which a node's
            label becomes the hash of its own and its neighbours', by kind and direction of the edge; each round's
            counts scaled to unit length, so that every depth weighs the same.
Source      the paper, Table 1 (it names "cosine of PDG embeddings" and leaves the embedding open); Ferrante et al.
            1987 for the graph, Shervashidze et al. 2011 for the embedding.
Fails       it is no proof of equal meaning: `a + b` and `b - a` differ in a label only, names and constants do not
            count, and small programs look alike. So the value means nothing alone: it stands beside the baseline of
            shuffled pairs, answers against the references of other problems. Code that does not parse scores 0.
            Python only.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.dependence_graph import DependenceGraph, dependence_graph
from evaluation.metrics import mean

_ROUNDS: Final = 3
Embedding = dict[str, float]


def embedding(graph: DependenceGraph) -> Embedding:
    """Give the Weisfeiler-Lehman embedding of a graph."""
    neighbours: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for kind, edges in (("c", graph.control), ("d", graph.data)):
        for source, target in edges:
            neighbours[source].append((f"{kind}>", target))
            neighbours[target].append((f"{kind}<", source))
    labels = list(graph.labels)
    vector: Embedding = _unit(Counter(f"0 {label}" for label in labels))
    for number in range(1, _ROUNDS + 1):
        labels = [
            _hash([label, *sorted(f"{kind}{labels[other]}" for kind, other in neighbours[node])])
            for node, label in enumerate(labels)
        ]
        vector |= _unit(Counter(f"{number} {label}" for label in labels))
    return vector


def semantic_similarity(answer: str, reference: str) -> float:
    """Give SemSim of two Python programs, 0 to 1; 0 when one does not parse or is empty."""
    return _cosine(_embedded(answer), _embedded(reference))


@dataclass(frozen=True, slots=True)
class WithBaseline:
    """SemSim of matching pairs, beside that of shuffled pairs, both averaged over the pairs.

    per_pair      value of each matching pair, in order
    baseline      mean over answers paired with references of other problems
    """

    value: float
    baseline: float
    per_pair: tuple[float, ...]


def with_shuffled_baseline(
    answers: Sequence[str], references: Sequence[str], seed: int = 0, rounds: int = 5
) -> WithBaseline:
    """Compare each answer with its reference, and with those of other problems (`rounds` of them)."""
    if len(answers) != len(references):
        raise ValueError(f"expected as many references as answers; got {len(references)} and {len(answers)}")
    known = {text: _embedded(text) for text in {*answers, *references}}
    pairs = [_cosine(known[a], known[b]) for a, b in zip(answers, references, strict=True)]
    generator = random.Random(seed)  # noqa: S311
    shuffled = [
        _cosine(known[answer], known[other])
        for answer, reference in zip(answers, references, strict=True)
        for other in _others(references, reference, rounds, generator)
    ]
    return WithBaseline(mean(pairs), mean(shuffled), tuple(pairs))


def _others(references: Sequence[str], own: str, count: int, generator: random.Random) -> list[str]:
    candidates = [text for text in references if text != own]
    return generator.sample(candidates, min(count, len(candidates)))


def _embedded(code: str) -> Embedding:
    graph = dependence_graph(code)
    return embedding(graph) if graph is not None and graph.labels else {}


def _unit(counts: Counter[str]) -> Embedding:
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {label: count / length for label, count in counts.items()}


def _cosine(a: Embedding, b: Embedding) -> float:
    if not a or not b:
        return 0.0
    product = sum(value * b.get(label, 0.0) for label, value in a.items())
    return product / (_ROUNDS + 1)


def _hash(parts: list[str]) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=8).hexdigest()
