"""Reading a stream of server-sent events as a client does."""

from __future__ import annotations

import json
from typing import Any

DONE = "data: [DONE]"


def payloads(text: str) -> list[dict[str, Any]]:
    """Give the JSON of every event of a whole stream. Fails unless it ends in exactly one [DONE]."""
    assert text.endswith("\n\n")
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames[-1] == DONE
    assert frames.count(DONE) == 1
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]
