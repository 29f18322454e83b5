"""Program dependence graph of Python code: which statement decides, or feeds, which.

One node a statement (and one for a function's arguments), labelled by its kind and the operations in it, not by
names. Edges, after Ferrante, Ottenstein and Warren 1987:

    control   from an `if`, loop, `try`, `with`, `match` or function head to the statements directly in its body. For
              code without jumps this is the definition by post-dominance; `return`, `break`, `continue` and `raise`
              add an edge to each later statement of every block they can leave, up to the loop or function they leave.
    data      from a definition of a name to each use it may reach, by a forward walk over the block structure: both
              branches are joined, loop bodies are walked twice so that what an iteration leaves reaches the next.

Approximations: attributes and elements count as their base name, and changing one counts as a use and a definition;
calls by name only; nested functions, classes and lambdas see the names defined where they stand; an exception may
come from any statement of a `try` body, which is taken as: everything defined there may or may not be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evaluation.python_syntax import python_tree

Definitions = dict[str, frozenset[int]]


@dataclass(slots=True)
class DependenceGraph:
    """Labels by node number, and the edges."""

    labels: list[str] = field(default_factory=list[str])
    control: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    data: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])


def dependence_graph(code: str) -> DependenceGraph | None:
    """Build the graph of a module; None for code that does not parse, or is nested too deep to walk."""
    if (module := python_tree(code)) is None:
        return None
    builder = _Builder()
    try:
        builder.block(module.body, {}, None)
    except RecursionError:
        return None
    return builder.graph


class _Builder:
    def __init__(self) -> None:
        self.graph = DependenceGraph()
        self._loops = 0  # how many loops the walk is in

    def block(self, body: list[ast.stmt], reaching: Definitions, parent: int | None) -> Definitions:
        """Add statements in order; give the definitions that reach the end."""
        jumps: list[int] = []
        for statement in body:
            if _is_docstring(statement):
                continue
            node = self._node(statement, parent)
            self.graph.control.update((jump, node) for jump in jumps)
            reaching = self._statement(statement, node, reaching)
            if _can_leave(statement, _LEAVES_LOOP):
                jumps.append(node)
        return reaching

    def _node(self, statement: ast.stmt, parent: int | None) -> int:
        self.graph.labels.append(_label(statement))
        node = len(self.graph.labels) - 1
        if parent is not None:
            self.graph.control.add((parent, node))
        return node

    def _statement(self, statement: ast.stmt, node: int, reaching: Definitions) -> Definitions:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._uses([*statement.args.defaults, *statement.decorator_list], node, reaching)
                outer = {**reaching, statement.name: frozenset({node})}
                names = [arg.arg for arg in ast.walk(statement.args) if isinstance(arg, ast.arg)]
                self.block(statement.body, {**outer, **dict.fromkeys(names, frozenset({node}))}, node)
                return outer
            case ast.ClassDef():
                self._uses([*statement.bases, *statement.decorator_list], node, reaching)
                outer = {**reaching, statement.name: frozenset({node})}
                self.block(statement.body, outer, node)
                return outer
            case ast.If():
                self._uses([statement.test], node, reaching)
                reaching = self._defined([statement.test], node, reaching)
                then = self.block(statement.body, reaching, node)
                return _joined(then, self.block(statement.orelse, reaching, node))
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(statement, node, reaching)
            case ast.With() | ast.AsyncWith():
                parts: list[ast.AST] = list(statement.items)
                self._uses(parts, node, reaching)
                return self.block(statement.body, self._defined(parts, node, reaching), node)
            case ast.Try() | ast.TryStar():
                return self._try(statement, node, reaching)
            case ast.Match():
                self._uses([statement.subject], node, reaching)
                ends = [reaching]
                for case in statement.cases:
                    inside = self._defined([case.pattern], node, reaching)
                    ends.append(self.block(case.body, inside, node))
                return _joined(*ends)
            case _:
                self._uses([statement], node, reaching)
                return self._defined([statement], node, reaching)

    def _loop(
        self, loop: ast.For | ast.AsyncFor | ast.While, node: int, reaching: Definitions
    ) -> Definitions:
        head: list[ast.AST] = [loop.test] if isinstance(loop, ast.While) else [loop.iter]
        targets = head if isinstance(loop, ast.While) else [loop.target]
        self._uses(head, node, reaching)
        inside = self._defined(targets, node, reaching)
        mark = len(self.graph.labels)
        self._loops += 1
        end = _joined(reaching, self.block(loop.body, inside, node))
        if self._loops <= _MAX_WALKED_TWICE:
            # The second walk meets the same statements under the same numbers: only edges are new.
            self._uses(head, node, end)
            kept, self.graph.labels = self.graph.labels, self.graph.labels[:mark]
            end = _joined(end, self.block(loop.body, self._defined(targets, node, end), node))
            self.graph.labels = kept
        self._loops -= 1
        return self.block(loop.orelse, end, node)

    def _try(self, statement: ast.Try | ast.TryStar, node: int, reaching: Definitions) -> Definitions:
        tried = _joined(reaching, self.block(statement.body, reaching, node))
        ends = [self.block(statement.orelse, tried, node)]
        for handler in statement.handlers:
            self._uses([handler.type] if handler.type else [], node, tried)
            inside = {**tried, handler.name: frozenset({node})} if handler.name else tried
            ends.append(self.block(handler.body, inside, node))
        return self.block(statement.finalbody, _joined(*ends), node)

    def _uses(self, parts: Sequence[ast.AST], node: int, reaching: Definitions) -> None:
        for name in _names(parts, ast.Load):
            self.graph.data.update((source, node) for source in reaching.get(name, ()))

    def _defined(self, parts: Sequence[ast.AST], node: int, reaching: Definitions) -> Definitions:
        weak = {name: reaching.get(name, frozenset()) | {node} for name in _changed_inside(parts)}
        strong = dict.fromkeys(_names(parts, ast.Store), frozenset({node}))
        return {**reaching, **weak, **strong, **_imported(parts, node)}


_LEAVES_FUNCTION = (ast.Return, ast.Raise)
_LEAVES_LOOP = (*_LEAVES_FUNCTION, ast.Break, ast.Continue)
# Each level doubles the work: deeper loops (only hostile code has them) are walked once.
_MAX_WALKED_TWICE = 5


def _joined(*ends: Definitions) -> Definitions:
    names = {name for end in ends for name in end}
    return {name: frozenset().union(*(end.get(name, frozenset()) for end in ends)) for name in names}


def _names(parts: Sequence[ast.AST], context: type[ast.expr_context]) -> Iterator[str]:
    for part in parts:
        for node in ast.walk(part):
            if isinstance(node, ast.Name) and isinstance(node.ctx, context):
                yield node.id
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                yield node.target.id
            elif context is ast.Store and isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                yield node.name


def _changed_inside(parts: Sequence[ast.AST]) -> Iterator[str]:
    """Give base names of attributes and elements that are assigned, and of objects whose method is called."""
    for part in parts:
        for node in ast.walk(part):
            is_place = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
            is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_place or is_method:
                base = node.func if isinstance(node, ast.Call) else node
                while isinstance(base, ast.Attribute | ast.Subscript):
                    base = base.value
                if isinstance(base, ast.Name):
                    yield base.id


def _imported(parts: Sequence[ast.AST], node: int) -> Definitions:
    return {
        (alias.asname or alias.name).split(".")[0]: frozenset({node})
        for part in parts
        if isinstance(part, ast.Import | ast.ImportFrom)
        for alias in part.names
    }


def _can_leave(statement: ast.stmt, jumps: tuple[type[ast.stmt], ...]) -> bool:
    """Whether one of the jumps stands in the statement, not counting functions in it and jumps of loops in it."""
    if isinstance(statement, jumps):
        return True
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    inside = _LEAVES_FUNCTION if isinstance(statement, ast.For | ast.AsyncFor | ast.While) else jumps
    for child in ast.iter_child_nodes(statement):
        below = child.body if isinstance(child, ast.ExceptHandler | ast.match_case) else [child]
        if any(isinstance(each, ast.stmt) and _can_leave(each, inside) for each in below):
            return True
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


_OPERATIONS = (
    *(ast.operator, ast.cmpop, ast.boolop, ast.unaryop),
    *(ast.Call, ast.Subscript, ast.comprehension, ast.Lambda, ast.IfExp),
)


def _label(statement: ast.stmt) -> str:
    """Give the kind of a statement and the operations of its own expressions, sorted, without names or values."""
    operations: list[str] = []
    stack: list[ast.AST] = [
        child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)
    ]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case | ast.arguments):
            continue
        if isinstance(node, _OPERATIONS):
            operations.append(type(node).__name__)
        stack.extend(ast.iter_child_nodes(node))
    return " ".join([type(statement).__name__, *sorted(operations)])
