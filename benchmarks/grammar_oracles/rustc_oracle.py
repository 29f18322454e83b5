"""Parses texts with the rustc that the argument names, until stdin ends.

Request: byte count (4 bytes, big endian), text. Answer: byte count, then lines: the text's length, and per error
"offset TAB code TAB message". A process a text: rustc has no server.
"""

import json
import os
import subprocess
import sys
from typing import Any

_FLAGS = [
    "-Zparse-crate-root-only",
    "--edition=2021",
    "--crate-type=lib",
    "--error-format=json",
    "-Awarnings",
    "-",
]
_UNCLOSED = "this file contains an unclosed delimiter"
_CLOSERS = {ord("("): ord(")"), ord("["): ord("]"), ord("{"): ord("}")}
_ABORTING = ("aborting due to", "could not compile")


def diagnostics(rustc: str, text: bytes) -> list[dict[str, Any]]:
    """Give the errors that rustc has for a text."""
    ran = subprocess.run(
        [rustc, *_FLAGS], input=text, capture_output=True, check=False,
        env={**os.environ, "RUSTC_BOOTSTRAP": "1"},
    )  # fmt: skip
    found = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith(b"{")]
    errors = [f for f in found if f["level"].startswith("error") and not f["message"].startswith(_ABORTING)]
    if ran.returncode != 0 and not errors:
        errors = [{"message": "rustc failed", "code": None, "spans": []}]
    return errors


def place(error: dict[str, Any]) -> int:
    """Give the offset of an error; 0 where it has none."""
    return max((span["byte_start"] for span in error["spans"] if span["is_primary"]), default=0)


def parse(rustc: str, text: bytes) -> bytes:
    """Give the answer's text.

    rustc pairs brackets before it parses and stops there: what is open is closed, so that the errors before are seen.
    """
    errors = diagnostics(rustc, text)
    if len(errors) == 1 and errors[0]["message"].startswith(_UNCLOSED):
        opened = {s["byte_start"] for s in errors[0]["spans"] if s["label"] == "unclosed delimiter"}
        closing = bytes(_CLOSERS[text[at]] for at in sorted(opened, reverse=True) if text[at] in _CLOSERS)
        errors += [e for e in diagnostics(rustc, text + b"\n" + closing) if place(e) < len(text.rstrip())]
    lines = [str(len(text))]
    for error in errors:
        code = (error["code"] or {}).get("code", "")
        lines.append(f"{place(error)}\t{code}\t{' '.join(error['message'].split())}")
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    """Answer until there is nothing more to read."""
    while len(head := sys.stdin.buffer.read(4)) == 4:
        answer = parse(sys.argv[1], sys.stdin.buffer.read(int.from_bytes(head, "big")))
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
