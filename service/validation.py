"""pydantic's complaints about a body, in one sentence: which field, what was expected, what came.

A value is quoted only when it is short and no text a user may have written (numbers, booleans, short words): an error
message must not carry a prompt into somebody's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from service.errors import BadRequestError

_MAX_QUOTED = 40


def to_bad_request(failure: RequestValidationError, body: Any) -> BadRequestError:
    """Give the error for the first complaint; how many more there are is said."""
    complaints = failure.errors()
    first = complaints[0]
    path = _field_path(first["loc"], body)
    param = ".".join(str(part) for part in path) or None
    message = f"{param or 'body'}: {_expectation(first)}{_what_came(first)}."
    if len(complaints) > 1 and len({_field_path(c["loc"], body)[:1] for c in complaints}) > 1:
        message += f" ({len(complaints) - 1} more complaints.)"
    return BadRequestError(
        message, param=param, code="unknown_field" if first["type"] == "extra_forbidden" else None
    )


def _field_path(loc: Sequence[Any], body: Any) -> tuple[Any, ...]:
    """Give the path as the client wrote it: pydantic's also names the branches of unions it tried."""
    path: list[Any] = []
    place = body
    parts = [part for part in loc if part != "body"]
    for i, part in enumerate(parts):
        if isinstance(place, dict):
            if part in place:
                place = place[part]
            elif i != len(parts) - 1 or not _is_field_name(part):
                continue
        elif isinstance(place, list) and isinstance(part, int) and part < len(place):
            place = place[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _is_field_name(part: Any) -> bool:
    """Tell a field's name from the name of a union's branch (`list[str]`, `function-after[...]`, `TextPart`)."""
    return isinstance(part, str) and part.isidentifier() and part == part.lower() and part not in _TYPE_NAMES


_TYPE_NAMES = frozenset({"str", "int", "float", "bool", "dict", "list", "none", "model"})


def _expectation(complaint: Any) -> str:
    match complaint["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "expected this field; it is missing"
        case "value_error":
            return str(complaint["msg"]).removeprefix("Value error, ")
        case _:
            text = str(complaint["msg"])
            return text.replace("Input should be", "expected", 1)


def _what_came(complaint: Any) -> str:
    if complaint["type"] in {"extra_forbidden", "missing", "value_error", "json_invalid"}:
        return ""
    value = complaint.get("input")
    if value is None or isinstance(value, bool | int | float):
        return f"; got {str(value).lower() if isinstance(value, bool) or value is None else value}"
    if isinstance(value, str):
        is_word = len(value) <= _MAX_QUOTED and value.isprintable() and " " not in value
        return f"; got {value!r}" if is_word else f"; got a string of {len(value)} characters"
    return f"; got {'an array' if isinstance(value, list) else 'an object'}"
