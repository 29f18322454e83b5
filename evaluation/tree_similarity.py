"""ASTSim: how alike the syntax trees of an answer and the reference are.

Definition  1 - TED / max(|A|, |B|) over tree-sitter trees (`syntax_trees.py`), TED the edit distance with unit costs.
Source      the paper, Table 1, which gives name and range; distance: Zhang and Shasha 1989 (`tree_edit.py`), equal
            to APTED. Exact up to tables of 4,000,000 cells (trees of some 330 nodes); beyond that a lower bound on
            the distance is used, so the similarity is an upper bound, and the report counts such pairs.
Fails       a right answer by another algorithm scores low; any two short functions share a skeleton and score 0.3
            to 0.5, so compare with the shuffled baseline that is reported beside it. An answer that does not parse
            is compared as the tree with ERROR nodes that tree-sitter makes; an empty one scores about 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.syntax_trees import syntax_tree
from evaluation.tree_edit import MAX_CELLS, Tree, edit_distance


@dataclass(frozen=True, slots=True)
class TreeSimilarity:
    """ASTSim of one pair; an upper bound where it is not exact."""

    value: float
    is_exact: bool


def ast_similarity(
    answer: str, reference: str, language: str, max_cells: int = MAX_CELLS
) -> TreeSimilarity | None:
    """Give ASTSim of two programs, 0 to 1; None where no grammar of the language is installed."""
    a, b = syntax_tree(answer, language), syntax_tree(reference, language)
    if a is None or b is None:
        return None
    distance = edit_distance(a, b, max_cells)
    return TreeSimilarity(1.0 - distance.value / max(size(a), size(b)), distance.is_exact)


def size(tree: Tree) -> int:
    """Count the nodes."""
    stack, count = [tree], 0
    while stack:
        count += 1
        stack.extend(stack.pop().children)
    return count
