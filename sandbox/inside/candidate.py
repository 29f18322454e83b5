"""The candidate's half of a function task: load the program, answer calls. Shares its process with hostile code.

What it sends is therefore never believed, only compared. One line of JSON each way:

    in    {"call": name, "args": […], "kwargs": {…}}            in the codec's form
    out   {"functions": […], "others": […], "modules": […]} | {"compile": message} | {"load": [type, message]}   once
          {"value": …, "args": … when they were changed, "iterator": true for one that was read to its end}
          {"raised": [type, message]} | {"opaque": message, "truth": …}
"""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

import builtins
import os
import sys

from sandbox.inside.codec import dumps, from_json, loads, to_json

MESSAGE_CHARACTERS = 500


def describe(error):
    """Give an exception's type and message; even its __str__ may be hostile."""
    try:
        message = str(error)[:MESSAGE_CHARACTERS]
    except BaseException:
        message = ""
    return [type(error).__name__, message]


def load(path):
    """Execute the program as a module of its own; gives its namespace and the first line to send."""
    builtins.exit = builtins.quit = sys.exit  # as site would have it
    module = type(sys)("candidate")
    sys.modules["candidate"] = module
    try:
        with open(path, "rb") as source:
            code = compile(source.read(), "program.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {}, {"compile": ": ".join(describe(error))}
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return {}, {"load": describe(error)}
    return module.__dict__, inventory(module.__dict__)


def inventory(namespace):
    """Name what the program defines, by kind, for tests that do not say what they need."""
    found = {"functions": [], "others": [], "modules": []}
    for name, value in list(namespace.items()):
        if not name.startswith("__"):
            kind = type(value)
            is_function = kind is not type and hasattr(value, "__call__")
            found["modules" if kind is type(sys) else "functions" if is_function else "others"].append(name)
    return found


def answer(namespace, request):
    """Make one call."""
    args, kwargs = from_json(request["args"]), from_json(request["kwargs"])
    try:
        target = namespace[request["call"]]
        value = target(*args, **kwargs)
        is_iterator = hasattr(type(value), "__next__")
        value = list(value) if is_iterator else value
    except BaseException as error:
        return {"raised": describe(error)}
    try:
        reply = {"value": to_json(value, 0)} | ({"iterator": True} if is_iterator else {})
        if any(type(each) in (list, dict, set) for each in args):
            after = to_json(args, 0)
            if after != request["args"]:
                reply["args"] = after
    except Exception as error:
        return {"opaque": ": ".join(describe(error)), "truth": truth_of(value)}
    return reply


def truth_of(value):
    """Give what `assert value` would see."""
    try:
        return bool(value)
    except BaseException:
        return False


def send(descriptor, reply):
    """Write a line whole."""
    try:
        line = dumps(reply)
    except Exception as error:
        line = dumps({"opaque": ": ".join(describe(error)), "truth": False})
    data = line.encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def main(path, requests, replies):
    """Answer calls until there are no more."""
    namespace, first = load(path)
    send(replies, first)
    if "functions" not in first:
        return
    with open(requests, "rb") as lines:
        for line in lines:
            send(replies, answer(namespace, loads(line)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)
