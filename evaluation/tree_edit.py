"""Ordered trees and their edit distance.

The distance is the least number of nodes to insert, delete or rename (cost 1 each) that turns one ordered tree into
the other. Zhang and Shasha 1989, which gives the same exact distance as APTED (Pawlik and Augsten 2016); both trees
are mirrored first where that makes fewer subproblems.

    leftmost[i]   postorder number of the leftmost leaf below node i
    keyroots      nodes with a left sibling, and the root: one table of subforests for each pair of them
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CELLS = 4_000_000
"""Table cells that an exact distance may take: about 2 s. Two trees of 330 nodes each usually fit."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An ordered labelled tree."""

    label: str
    children: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Distance:
    """An edit distance; where it is not exact, a bound that it is not below."""

    value: int
    is_exact: bool


def edit_distance(a: Tree, b: Tree, max_cells: int = MAX_CELLS) -> Distance:
    """Give the edit distance, or a lower bound where the table would take more than `max_cells` cells.

    Cost    cells(a) * cells(b), where cells is the sum of the sizes below the keyroots.
    Bound   the larger of: nodes of the larger tree less the labels both have (as multisets), and the edit distance
            of the preorder label sequences (Guha et al. 2002) where that is affordable.
    """
    plain, mirrored = (
        (_Postorder(a), _Postorder(b)),
        (_Postorder(a, mirrored=True), _Postorder(b, mirrored=True)),
    )
    first, second = min(plain, mirrored, key=lambda pair: pair[0].cells * pair[1].cells)
    if first.cells * second.cells <= max_cells:
        return Distance(_zhang_shasha(first, second), is_exact=True)
    return Distance(_lower_bound(first, second, max_cells), is_exact=False)


class _Postorder:
    def __init__(self, tree: Tree, *, mirrored: bool = False) -> None:
        self.labels: list[str] = []
        self.leftmost: list[int] = []
        self._read(tree, mirrored=mirrored)
        last = {left: node for node, left in enumerate(self.leftmost)}
        self.keyroots = sorted(last.values())
        self.cells = sum(node - self.leftmost[node] + 1 for node in self.keyroots)

    def _read(self, tree: Tree, *, mirrored: bool) -> None:
        # Two visits a node, so that deep trees need no recursion: on the way down, on the way up.
        stack: list[tuple[Tree, int]] = [(tree, -1)]
        while stack:
            node, left = stack.pop()
            if left >= 0 or not node.children:
                self.leftmost.append(max(left, 0) if left >= 0 else len(self.labels))
                self.labels.append(node.label)
                continue
            stack.append((node, len(self.labels)))
            children = node.children if mirrored else reversed(node.children)
            stack.extend((child, -1) for child in children)


def _zhang_shasha(a: _Postorder, b: _Postorder) -> int:
    table = [[0] * len(b.labels) for _ in a.labels]
    for i in a.keyroots:
        for j in b.keyroots:
            _fill(a, b, i, j, table)
    return table[-1][-1]


def _fill(a: _Postorder, b: _Postorder, i: int, j: int, table: list[list[int]]) -> None:
    left_a, left_b = a.leftmost[i], b.leftmost[j]
    width = j - left_b + 2
    rows = [list(range(width))]
    columns = [(y + 1, b.leftmost[left_b + y], b.labels[left_b + y]) for y in range(width - 1)]
    for x in range(left_a, i + 1):
        above, row = rows[-1], [x - left_a + 1]
        label, left_x, results = a.labels[x], a.leftmost[x], table[x]
        is_tree, before = left_x == left_a, rows[left_x - left_a]
        rows.append(row)
        for column, left_y, other in columns:
            best = min(above[column], row[-1]) + 1
            if is_tree and left_y == left_b:
                renamed = above[column - 1] + (label != other)
                best = min(best, renamed)
                results[left_b + column - 1] = best
            else:
                whole = before[left_y - left_b] + results[left_b + column - 1]
                best = min(best, whole)
            row.append(best)


def _lower_bound(a: _Postorder, b: _Postorder, max_cells: int) -> int:
    common = (Counter(a.labels) & Counter(b.labels)).total()
    bound = max(len(a.labels), len(b.labels)) - common
    if len(a.labels) * len(b.labels) <= max_cells:
        bound = max(bound, sequence_distance(a.labels, b.labels))
    return bound


def sequence_distance(a: list[str], b: Iterable[str]) -> int:
    """Give the edit distance of two sequences of labels."""
    row = list(range(len(a) + 1))
    for number, label in enumerate(b, start=1):
        diagonal, row[0] = row[0], number
        for i, other in enumerate(a, start=1):
            diagonal, row[i] = row[i], min(row[i] + 1, row[i - 1] + 1, diagonal + (label != other))
    return row[-1]
