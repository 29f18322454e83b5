from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evaluation.errors import SandboxMissingError
from evaluation.scoring import Scorer

Reply = tuple[int, dict[str, Any]]


def completion(text: str) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "text_completion",
        "created": 0,
        "model": "toy",
        "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def deterministic(path: str, body: dict[str, Any]) -> Reply:
    """Answer by the request alone, as a seeded model does; odd seeds are wrong."""
    del path
    sign = "+" if body["seed"] % 2 == 0 else "-"
    return 200, completion(f"def add(a, b):\n    return a {sign} b  # {body['seed']}\n")


@dataclass
class ToyService:
    """A real HTTP server. `reply` answers; `seen` keeps what was asked."""

    url: str = ""
    reply: Callable[[str, dict[str, Any]], Reply] = deterministic
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])


@pytest.fixture
def sandbox() -> None:
    """Skip where no sandbox works."""
    try:
        Scorer()
    except SandboxMissingError as error:
        pytest.skip(f"no sandbox works here: {error}")


@pytest.fixture
def service() -> Iterator[ToyService]:
    toy = ToyService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "toy", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            toy.seen.append((self.path, body))
            answer = toy.reply(self.path, body)
            # A client that was interrupted has gone by then.
            with suppress(BrokenPipeError):
                self._send(*answer)

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    toy.url = f"http://127.0.0.1:{server.server_port}"
    yield toy
    server.shutdown()
    thread.join()
    server.server_close()
