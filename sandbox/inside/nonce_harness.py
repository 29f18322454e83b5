"""Program and tests in one Python process, ended by a nonce. Weaker than two processes: for tests that use classes.

A control expects another value in each `assert A == B`. A program that passes it compares by a lie; a program that
prints the nonce without reaching the end is found the same way.
"""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

import _ast
import builtins
import json
import os
import sys

from sandbox.inside.syntax import walk

COMPILE_ERROR = 87


class Differ:
    """Gives values that differ from the right ones, and knows whether it was asked."""

    def __init__(self):
        self.was_used = False

    def __call__(self, value):
        self.was_used = True
        kind = type(value)
        if kind is bool:
            return not value
        if kind in (int, float, complex):
            return value + 1 if value == value and value + 1 != value else 0
        if kind in (str, bytes):
            return value + kind(b"x" if kind is bytes else "x")
        if kind in (list, tuple):
            return value + kind([None])
        if kind in (set, frozenset):
            return value | {object()}
        return {**value, object(): None} if kind is dict else object()


def has_call_to(tree, names):
    calls = [node for node in walk(tree) if isinstance(node, _ast.Call)]
    return any(isinstance(call.func, _ast.Name) and call.func.id in names for call in calls)


def falsify(tree, names, hook):
    """Make each asserted equality expect another value, on the side that does not call the program."""
    for node in walk(tree):
        compared = node.test if isinstance(node, _ast.Assert) else None
        if (
            isinstance(compared, _ast.Compare)
            and len(compared.ops) == 1
            and isinstance(compared.ops[0], _ast.Eq)
        ):
            right = compared.comparators[0]
            on_left = has_call_to(right, names) and not has_call_to(compared.left, names)
            expected = compared.left if on_left else right
            place = {"lineno": expected.lineno, "col_offset": expected.col_offset}
            called = _ast.Call(_ast.Name(hook, _ast.Load(), **place), [expected], [], **place)
            if on_left:
                compared.left = called
            else:
                compared.comparators[0] = called


def load(path):
    with open(path, encoding="utf-8") as source:
        return json.load(source)


def compile_program(text):
    try:
        return compile(text, "program.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(COMPILE_ERROR)


def program_names(text):
    """Name what the program defines at its top; `check(candidate)` is how HumanEval calls it."""
    tree = compile(text, "program.py", "exec", _ast.PyCF_ONLY_AST)
    return {node.name for node in tree.body if hasattr(node, "name")} | {"candidate"}


def main(task):
    """Run both; the nonce is written only when everything before it went well."""
    builtins.exit = builtins.quit = sys.exit  # as site would have it
    module = type(sys)("candidate")
    sys.modules["candidate"] = module
    program = compile_program(task["program"])
    tests = compile(task["tests"], "tests", "exec", _ast.PyCF_ONLY_AST)
    differ, hook = Differ(), "_" + task["nonce"][:8] + "_differ"
    if task["is_control"]:
        falsify(tests, program_names(task["program"]), hook)
    tests = compile(tests, "tests", "exec")
    exec(program, module.__dict__)
    module.__dict__[hook] = differ
    exec(tests, module.__dict__)
    if task["is_control"] and not differ.was_used:
        raise AssertionError("control")
    sys.stdout.flush()
    os.write(1, b"\n" + task["nonce"].encode() + b"\n")


main(load(os.path.join(os.path.dirname(__file__), "task.json")))
sys.stdout.flush()
os._exit(0)
