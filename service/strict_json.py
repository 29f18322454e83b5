"""JSON bodies, read once and strictly: what two parsers could read differently is refused.

Not accepted, though Python's `json` takes it: NaN and Infinity, numbers that overflow to infinity, duplicate keys,
lone surrogates, NUL characters, UTF-16 or UTF-32, a byte order mark, deep nesting. Knows nothing of HTTP or fields.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, cast

from service.errors import BadRequestError

_BOM = b"\xef\xbb\xbf"
# No message shows more of the body than this.
_MAX_ECHO = 40
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Every bracket becomes a square one and every other byte goes away.
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(body: bytes, *, max_depth: int) -> Any:
    """Read one JSON value from a whole request body.

    body       UTF-8 without a byte order mark
    max_depth  nesting of arrays and objects; `[]` has depth 1
    Cost       linear in the body; the nesting is bounded before the parser, which recurses, sees it.
    Raises     BadRequestError with what was expected and what came; `param` where a field is to blame.
    """
    text = _decode(body)
    # Pairs of backslashes are characters, not the start of an escape: gone, every `\` left starts one.
    escapes = body.replace(rb"\\", b"")
    _check_depth(escapes, max_depth)
    value = _load(text)
    # Raw NULs are syntax errors and raw surrogates are no UTF-8, so only escapes can bring either.
    if rb"\u0000" in escapes or _ESCAPED_SURROGATE.search(escapes):
        _check_characters(value)
    return value


def text_chars(value: Any) -> int:
    """Count the characters of all strings in a JSON value, keys included."""
    chars = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            chars += len(item)
        elif isinstance(item, dict):
            fields = cast("dict[str, Any]", item)
            chars += sum(map(len, fields))
            pending.extend(fields.values())
        elif isinstance(item, list):
            pending.extend(cast("list[Any]", item))
    return chars


def _decode(body: bytes) -> str:
    if body.startswith(_BOM):
        raise BadRequestError("Expected JSON in UTF-8 without a byte order mark; the body starts with one.")
    if not body.strip():
        raise BadRequestError("Expected a JSON body; it is empty.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequestError(
            f"Expected JSON in UTF-8; byte {error.start} of the body is not valid UTF-8."
        ) from error


def _check_depth(escapes: bytes, max_depth: int) -> None:
    """Bound the nesting without recursion, in whole-buffer operations (a loop over 1 MB takes 100 ms).

    With strings cut out and one kind of bracket left, deleting `[]` takes off the innermost level exactly:
    `[[][[]]]` -> `[[]]` -> `[]` -> ``. What is left after max_depth deletions is too deep, or unbalanced as
    `]]][[[`; then the parser finds the fault, at most max_depth unclosed brackets deeper.
    """
    outside_strings = b"".join(escapes.replace(rb"\"", b"").split(b'"')[::2])
    brackets = outside_strings.translate(_AS_SQUARE, delete=_NOT_BRACKETS)
    for _ in range(max_depth):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > max_depth:
        raise BadRequestError(f"Expected JSON nested at most {max_depth} deep; the body is nested deeper.")


def _load(text: str) -> Any:
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique_keys
        )
    except json.JSONDecodeError as error:
        raise BadRequestError(
            f"Expected valid JSON; line {error.lineno}, column {error.colno}: {error.msg[:_MAX_ECHO]}."
        ) from error
    except ValueError as error:
        # Python's own bound on decimal integers; converting them costs quadratic time.
        raise BadRequestError("Expected integers of at most 4300 digits; one is longer.") from error


def _refuse_constant(name: str) -> float:
    raise BadRequestError(f"Expected finite numbers; {name} came.")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise BadRequestError(
            f"Expected numbers that fit a double; {_excerpt(digits)} overflows to infinity."
        )
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            shown = _excerpt(key)
            raise BadRequestError(
                f"Expected each key of an object once; {shown!r} came twice.", param=_plain(shown)
            )
        seen.add(key)
    raise AssertionError("fewer keys than pairs means that one repeats")


def _check_characters(value: Any) -> None:
    for path, text in _strings(value):
        fault = "a NUL character" if "\0" in text else "half a surrogate pair"
        if "\0" in text or _SURROGATE.search(text):
            raise BadRequestError(
                f"Expected Unicode text; {fault} came.", param=_plain(_excerpt(".".join(path))) or None
            )


def _strings(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every string with the path to it; a key's path is its object's."""
    pending: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, dict):
            for key, child in cast("dict[str, Any]", item).items():
                yield path, key
                pending.append(((*path, key), child))
        elif isinstance(item, list):
            pending.extend(((*path, str(i)), child) for i, child in enumerate(cast("list[Any]", item)))


def _excerpt(text: str) -> str:
    return text if len(text) <= _MAX_ECHO else text[: _MAX_ECHO - 1] + "…"


def _plain(text: str) -> str:
    """Make a text from the body safe to send: what is no Unicode scalar value cannot be encoded."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
