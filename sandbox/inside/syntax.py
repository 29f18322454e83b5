"""Syntax trees without the ast module, which takes 6 ms to import. Part of scripts that run inside."""

# Values of any type pass through here.
# pyright: basic, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import _ast


def walk(tree):
    """Give all nodes."""
    waiting = [tree]
    for node in waiting:
        for name in node._fields:
            inner = getattr(node, name, None)
            waiting += [
                each for each in (inner if type(inner) is list else [inner]) if isinstance(each, _ast.AST)
            ]
    return waiting
