"""The tests' half of a function task: run the tests, ask the candidate in the other sandbox for each call.

Nothing of the candidate is in this process, so it cannot be reached from there: no frames, no files, no patched
AssertionError, no object with a lying __eq__. The report is one line of JSON: {"status": …, "detail": …}.
"""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

import _ast
import builtins
import os
import sys

from sandbox.inside.codec import NotPlainError, dumps, from_json, loads, to_json
from sandbox.inside.syntax import walk

MAX_LINE = 64 << 20


class GoneError(BaseException):
    """The candidate's process has ended. No Exception, so that tests cannot mistake it for one of theirs."""


class ProtocolError(BaseException):
    """The candidate's process sent what its driver never sends."""


class OpaqueError(BaseException):
    """A result or an argument has no plain form."""


class InexpressibleError(BaseException):
    """The tests use classes or values of the program, which cannot be reached by calls."""


class CandidateError(Exception):
    """The candidate raised an exception that has no built-in type."""


class Channel:
    """Lines to and from the candidate."""

    def __init__(self, requests, replies):
        self._requests = requests
        self._replies = open(replies, "rb")  # noqa: SIM115

    def receive(self):
        line = self._replies.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise ProtocolError("an answer is too long") if len(line) >= MAX_LINE else GoneError()
        try:
            reply = loads(line)
        except (ValueError, RecursionError):
            reply = None
        if type(reply) is not dict:
            raise ProtocolError("an answer is not in the protocol's form")
        return reply

    def send(self, request):
        data = dumps(request).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            raise GoneError from None


class Proxy:
    """Stands for a function of the candidate's."""

    def __init__(self, channel, name):
        self._channel = channel
        self.__name__ = name

    def __call__(self, *args, **kwargs):
        try:
            request = {"call": self.__name__, "args": to_json(list(args), 0), "kwargs": to_json(kwargs, 0)}
        except (NotPlainError, RecursionError) as error:
            raise OpaqueError(f"an argument of {self.__name__}: {error}") from None
        self._channel.send(request)
        return read_reply(self._channel.receive(), args)


class Opaque:
    """A result without a plain form (a re.Match, say): it can be asked whether it is true, and for nothing else."""

    def __init__(self, message, truth):
        self._message = message
        self._truth = truth

    def __bool__(self):
        return self._truth

    def _refuse(self, *_):
        raise OpaqueError(self._message)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __len__ = __iter__ = __contains__ = (
        _refuse
    )
    __getattr__ = __getitem__ = __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __str__ = __repr__ = (
        _refuse
    )


def read_reply(reply, args):
    """Give a call's value, or raise as the candidate did."""
    try:
        if "value" in reply:
            take_changes(reply, args)
            value = from_json(reply["value"])
            return iter(value) if "iterator" in reply else value
        if "raised" in reply:
            kind, message = reply["raised"]
            raise_like(str(kind), str(message))
        if "opaque" in reply:
            return Opaque(str(reply["opaque"])[:500], reply["truth"] is True)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, AttributeError) as error:
        if "value" in reply or "raised" not in reply:
            raise ProtocolError(f"an answer cannot be read: {error}") from None
        raise
    raise ProtocolError("an answer is not in the protocol's form")


def take_changes(reply, args):
    """Repeat what the candidate did to lists, dictionaries and sets that it was given."""
    if "args" not in reply:
        return
    changed = from_json(reply["args"])
    if type(changed) is not list or len(changed) != len(args):
        raise ProtocolError("an answer is not in the protocol's form")
    for ours, theirs in zip(args, changed, strict=True):
        if type(ours) is list and type(theirs) is list:
            ours[:] = theirs
        elif type(ours) in (dict, set) and type(theirs) is type(ours):
            ours.clear()
            ours.update(theirs)


def raise_like(kind, message):
    """Raise the built-in exception of that name, so that tests of errors work; else CandidateError."""
    found = getattr(builtins, kind, None)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, UnicodeError):
        error = found(message)
    else:
        error = CandidateError(f"{kind}: {message}")
    error.from_candidate = True
    raise error


def calls_check(tree):
    """Whether the tests call the check() that they define."""
    calls = [
        node.value for node in tree.body if isinstance(node, _ast.Expr) and isinstance(node.value, _ast.Call)
    ]
    return any(isinstance(call.func, _ast.Name) and call.func.id == "check" for call in calls)


def used_names(tree):
    """Give the names that tests read and do not define themselves."""
    names = [node for node in walk(tree) if isinstance(node, _ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, _ast.Load)}
    return read - {node.id for node in names if not isinstance(node.ctx, _ast.Load)}


def fill(namespace, task, inventory, tree, channel):
    """Give the tests what they use of the program.

    Never a name that Python or the prelude has: a candidate that defines `set` or `isinstance` would judge itself.
    A task about a function named as a built-in one (MBPP has `sum`) has no other name to ask for, or says so.
    """
    entry = task["entry_point"]
    if entry:
        namespace[entry] = Proxy(channel, entry)
        return
    used = used_names(tree) - set(namespace)
    functions = used.intersection(map(str, inventory["functions"]))
    own = {name for name in functions if not hasattr(builtins, name)}
    for name in own or functions:
        namespace[name] = Proxy(channel, name)
    used -= functions
    for name in used.intersection(map(str, inventory["modules"])) & set(sys.stdlib_module_names):
        namespace[name] = __import__(name)
    others = {
        name for name in used.intersection(map(str, inventory["others"])) if not hasattr(builtins, name)
    }
    if others:
        raise InexpressibleError(", ".join(sorted(others)))


def run_tests(task, inventory, channel):
    """Execute prelude and tests with the candidate's functions by their names."""
    namespace = {"__name__": "tests"}
    exec(compile(task["prelude"], "prelude", "exec"), namespace)
    tree = compile(task["tests"], "tests", "exec", _ast.PyCF_ONLY_AST)
    fill(namespace, task, inventory, tree, channel)
    exec(compile(tree, "tests", "exec"), namespace)
    if task["entry_point"] and callable(namespace.get("check")) and not calls_check(tree):
        namespace["check"](namespace[task["entry_point"]])


def judge(task, channel):
    """Give the report's status and detail."""
    first = channel.receive()
    if "compile" in first:
        return "compile_error", str(first["compile"])[:500]
    if "load" in first:
        kind, message = first["load"]
        return (
            "memory" if kind == "MemoryError" else "failed"
        ), f"loading the program raised {kind}: {message}"
    if not all(type(first.get(name)) is list for name in ("functions", "others", "modules")):
        raise ProtocolError("the first line is not in the protocol's form")
    try:
        run_tests(task, first, channel)
    except Exception as error:
        return describe_failure(error)
    return "passed", "every test passed"


def describe_failure(error):
    """Say whose exception ended the tests."""
    message = f"{type(error).__name__}: {str(error)[:300]}".rstrip(": ")
    if getattr(error, "from_candidate", False):
        return ("memory" if isinstance(error, MemoryError) else "failed"), f"the program raised {message}"
    lines, where = [], error.__traceback__
    while where is not None:
        lines += [where.tb_lineno] if where.tb_frame.f_code.co_filename == "tests" else []
        where = where.tb_next
    return "failed", f"{message} (line {lines[-1]} of the tests)" if lines else message


def main(path, requests, replies, report):
    """Judge, and say so on the report's descriptor."""
    with open(path, encoding="utf-8") as source:
        task = loads(source.read())
    try:
        status, detail = judge(task, Channel(requests, replies))
    except GoneError:
        status, detail = "gone", "the program ended before its tests did"
    except ProtocolError as error:
        status, detail = "forged", str(error)
    except OpaqueError as error:
        status, detail = "failed", f"the program returned what is no plain value: {error}"
    except InexpressibleError as error:
        status, detail = "inexpressible", str(error)
    except SystemExit as error:
        status, detail = "failed", f"the tests ended with {type(error).__name__}: {error}"
    os.write(report, dumps({"status": status, "detail": detail}).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
    os._exit(0)
