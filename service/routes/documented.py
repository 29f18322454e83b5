"""What the OpenAPI document says of errors and streams, once for all routes."""

from __future__ import annotations

from typing import Any

ERRORS: dict[int | str, str] = {
    400: "The request breaks a rule; `param` names the field.",
    401: "No API key, or not a valid one.",
    403: "The key lacks the scope.",
    404: "No such model.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    429: "The key's own limit; see Retry-After.",
    500: "Our fault; the id is in X-Request-Id.",
    503: "The server is full, starting, draining, or its engine died; see Retry-After.",
    504: "The request's deadline passed.",
}

# `itemSchema` is OpenAPI 3.2's, as FastAPI writes it too: older readers pass over it.
EVENTS: dict[str, Any] = {
    "itemSchema": {
        "type": "object",
        "properties": {"data": {"type": "string", "description": "JSON; `[DONE]` in the last event."}},
        "required": ["data"],
    }
}
