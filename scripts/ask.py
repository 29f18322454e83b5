"""Ask a running service and watch the code arrive: python -m scripts.ask "Parse an ISO 8601 duration."."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx


def generate(base_url: str, request: dict[str, Any]) -> Iterator[str | dict[str, Any]]:
    """Yield the pieces of code of a `/generate` stream, then the report. Raises RuntimeError with the refusal."""
    key = os.environ.get("CODEFUSION_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {**request, "stream": True}
    with httpx.stream("POST", f"{base_url}/generate", json=body, headers=headers, timeout=600) as response:
        if not response.is_success:
            response.read()
            raise RuntimeError(f"{response.status_code}: {response.json()['error']['message']}")
        for line in response.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise RuntimeError(event["error"]["message"])
            yield event.get("delta", event)


def show(base_url: str, request: dict[str, Any]) -> None:
    """Print the code as it comes, then what it cost."""
    for item in generate(base_url, request):
        if isinstance(item, str):
            print(item, end="", flush=True)
        else:
            usage, timings = item["usage"], item["timings_ms"]
            seconds = timings["total"] / 1000
            print(
                f"\n── {item['finish_reason']}: {usage['completion_tokens']} tokens in {seconds:.1f} s "
                f"({usage['completion_tokens'] / seconds:.1f} tokens/s), first after {timings['first_token']:.0f} ms"
            )


def main() -> int:
    """Ask once; give the exit code."""
    parser = argparse.ArgumentParser(description="Ask a running service for code.")
    parser.add_argument("prompt")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--language", default="python")
    options = parser.parse_args()
    try:
        show(f"http://127.0.0.1:{options.port}", {"prompt": options.prompt, "language": options.language})
    except (RuntimeError, httpx.TransportError) as error:
        print(f"no answer: {error} (is the service up? `make serve`)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
