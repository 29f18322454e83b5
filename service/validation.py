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
_MAX_PATH = 8
# Later ones change nothing but the count, and a hostile body has thousands.
_MAX_COMPLAINTS = 64


def to_bad_request(failure: RequestValidationError, body: Any) -> BadRequestError:
    """Give the error for the first field at fault; how many more complaints there are is said."""
    complaints = failure.errors()
    paths = [_field_path(complaint["loc"], body) for complaint in complaints[:_MAX_COMPLAINTS]]
    # A value that fits no branch of a union brings a complaint for each.
    same_field = [i for i, path in enumerate(paths) if path[:1] == paths[0][:1]]
    chosen = max(same_field, key=lambda i: _closeness(complaints[i], paths[i]))
    first, path = complaints[chosen], paths[chosen]
    param = ".".join(_shortened(str(part)) for part in path[:_MAX_PATH]) or None
    message = f"{param or 'body'}: {_expectation(first)}{_what_came(first)}."
    if len(same_field) < len(paths):
        message += f" ({len(complaints) - 1} more complaints.)"
    return BadRequestError(
        message, param=param, code="unknown_field" if first["type"] == "extra_forbidden" else None
    )


def quoted(value: Any) -> str:
    """Say what came: a number or a short word as it is, of anything else the kind and the size."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        text = str(value)
        return text if len(text) <= _MAX_QUOTED else f"a number of {len(text)} characters"
    if isinstance(value, str):
        is_word = len(value) <= _MAX_QUOTED and value.isprintable() and " " not in value
        return repr(value) if is_word else f"a string of {len(value)} characters"
    return "an array" if isinstance(value, list) else "an object"


def _field_path(loc: Sequence[Any], body: Any) -> tuple[Any, ...]:
    """Give the path as the client wrote it: pydantic's also names the branches of unions it tried."""
    path: list[Any] = []
    place = body
    parts = loc[1:] if loc[:1] == ("body",) else loc
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


def _closeness(complaint: Any, path: tuple[Any, ...]) -> tuple[int, bool, int]:
    """Tell how far a branch of a union got: that which was meant got deepest, to the right type, along the list."""
    last = path[-1] if path else None
    return len(path), not complaint["type"].endswith("_type"), last if isinstance(last, int) else 0


def _shortened(name: str) -> str:
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 1] + "…"


def _expectation(complaint: Any) -> str:
    match complaint["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "expected this field; it is missing"
        case "value_error":
            return str(complaint["msg"]).removeprefix("Value error, ")
        case "model_type" | "model_attributes_type" | "dict_type":
            return "expected an object"
        case _:
            text = str(complaint["msg"])
            return text.replace("Input should be", "expected", 1)


def _what_came(complaint: Any) -> str:
    if complaint["type"] in {"extra_forbidden", "missing", "value_error", "json_invalid"}:
        return ""
    return f"; got {quoted(complaint.get('input'))}"
