"""Plain values as one line of JSON, and back. Part of every script that runs inside, and imported outside.

Whoever reads cannot be made to run anything: only exact built-in types come out, whatever the writer sent.

    None, bool, int, float, str, list    themselves
    all else                             {"t": tuple | set | frozenset | dict | bytes | complex | range | int, "v": …}
"""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

try:
    # The two halves of the json module that are written in C: json itself imports re, which takes longer (6 ms) than
    # all else that a driver does before its first call.
    from _json import encode_basestring_ascii, make_encoder, make_scanner
except ImportError:  # another implementation of Python
    make_scanner = None

MAX_DEPTH = 200
_SEQUENCES = {"tuple": tuple, "set": set, "frozenset": frozenset}


class NotPlainError(Exception):
    """A value that has no plain form."""


class MalformedError(Exception):
    """A text that no honest writer makes."""


def _refuse(value):
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _plain_json():
    """Give dumps and loads."""
    if make_scanner is None:
        import json

        return json.dumps, json.loads

    class Context:
        strict, object_hook, object_pairs_hook, parse_float, parse_int, memo = (
            True,
            None,
            None,
            float,
            int,
            {},
        )
        parse_constant = {
            "NaN": float("nan"),
            "Infinity": float("inf"),
            "-Infinity": -float("inf"),
        }.__getitem__

    scan = make_scanner(Context())
    encode_value = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)

    def loads(text):
        text = text.decode() if isinstance(text, bytes) else text
        try:
            value, end = scan(text.strip(), 0)
        except StopIteration:
            raise ValueError("no JSON") from None
        if end != len(text.strip()):
            raise ValueError("more than one value")
        return value

    return (lambda value: "".join(encode_value(value, 0))), loads


dumps, loads = _plain_json()


def encode(value):
    """Give a value as a line of JSON. Raises NotPlainError."""
    try:
        return dumps(to_json(value, 0))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPlainError(str(error)) from None


def to_json(value, depth):
    """Give a value as JSON can hold it. Raises NotPlainError."""
    if depth > MAX_DEPTH:
        raise NotPlainError(f"nested deeper than {MAX_DEPTH}")
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else {"t": "int", "v": hex(value)}
    return _container_to_json(value, depth + 1)


def _container_to_json(value, depth):
    if isinstance(value, list):
        return [to_json(each, depth) for each in list.__iter__(value)]
    # A subclass (Counter, a named tuple, IntEnum) is sent as what it extends.
    if isinstance(value, tuple):
        return {"t": "tuple", "v": [to_json(each, depth) for each in tuple.__iter__(value)]}
    if isinstance(value, dict):
        return {"t": "dict", "v": [[to_json(k, depth), to_json(v, depth)] for k, v in dict.items(value)]}
    for kind in ("set", "frozenset"):
        if isinstance(value, _SEQUENCES[kind]):
            return {"t": kind, "v": [to_json(each, depth) for each in _SEQUENCES[kind].__iter__(value)]}
    return _scalar_to_json(value)


def _scalar_to_json(value):
    if isinstance(value, (bytes, bytearray)):
        return {"t": "bytes", "v": bytes(value).hex()}
    if isinstance(value, range):
        return {"t": "range", "v": [value.start, value.stop, value.step]}
    if isinstance(value, complex):
        return {"t": "complex", "v": [value.real, value.imag]}
    for base, give in ((int, int.__int__), (float, float.__float__), (str, str.__str__)):
        if isinstance(value, base):
            return to_json(give(value), 0)
    raise NotPlainError(f"a {type(value).__name__} is no plain value")


def decode(text):
    """Give the value of a line. Raises MalformedError."""
    try:
        return from_json(loads(text))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError) as error:
        raise MalformedError(f"{type(error).__name__}: {error}") from None


def from_json(node):
    """Give the value of a parsed line."""
    if type(node) is list:
        return [from_json(each) for each in node]
    if type(node) is not dict:
        return node
    kind, inner = node["t"], node["v"]
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](from_json(each) for each in inner)
    if kind == "dict":
        return {from_json(key): from_json(value) for key, value in inner}
    return _scalar_from_json(kind, inner)


def _scalar_from_json(kind, inner):
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind == "range":
        start, stop, step = inner
        return range(start, stop, step)
    if kind == "complex":
        return complex(*inner)
    if kind == "int":
        return int(inner, 16)
    raise ValueError(f"unknown kind {kind!r}")
