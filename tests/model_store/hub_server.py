"""A model hub in a few lines: the endpoints that huggingface_hub uses to list and download files."""

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

REPO = "Tiny/Model"


@dataclass
class Hub:
    """What the server holds and how it misbehaves.

    files         listed content, by name; those above `lfs_from_bytes` are listed with a SHA-256
    served        what is sent instead of the listed content
    cut           names whose first answer stops after that many bytes
    """

    revision: str
    files: dict[str, bytes]
    lfs_from_bytes: int = 200
    served: dict[str, bytes] = field(default_factory=dict[str, bytes])
    cut: dict[str, int] = field(default_factory=dict[str, int])
    downloads: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    endpoint: str = ""

    def listing(self) -> dict[str, Any]:
        siblings = [self._sibling(name, data) for name, data in self.files.items()]
        return {"id": REPO, "sha": self.revision, "siblings": siblings, "tags": [], "downloads": 0}

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        sibling: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob_id(data)}
        if len(data) >= self.lfs_from_bytes:
            digest = hashlib.sha256(data).hexdigest()
            sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 100}
        return sibling


def blob_id(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


@contextmanager
def serve(hub: Hub) -> Generator[Hub]:
    """Answer requests on a free port of this machine; `hub.endpoint` is the address."""

    class Handler(_Handler):
        state = hub

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output free of access lines."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        resolve = f"/{REPO}/resolve/{self.state.revision}/"
        if path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/{self.state.revision}"):
            self._send(json.dumps(self.state.listing()).encode(), {}, with_body=with_body)
        elif path.startswith(f"/api/models/{REPO}/revision/"):
            self._refuse("RevisionNotFound")
        elif path.startswith("/api/models/"):
            self._refuse("RepoNotFound")
        elif path.startswith(resolve) and (name := path.removeprefix(resolve)) in self.state.files:
            self._send_file(name, with_body=with_body)
        else:
            self._refuse("EntryNotFound")

    def _send_file(self, name: str, *, with_body: bool) -> None:
        data = self.state.served.get(name, self.state.files[name])
        headers = {"ETag": f'"{blob_id(self.state.files[name])}"', "X-Repo-Commit": self.state.revision}
        if with_body:
            self.state.downloads.append((name, self.headers.get("Range")))
        self._send(
            data,
            headers,
            with_body=with_body,
            stop_after=self.state.cut.pop(name, None) if with_body else None,
        )

    def _send(
        self, data: bytes, headers: dict[str, str], *, with_body: bool, stop_after: int | None = None
    ) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if with_body:
            self.wfile.write(data[start:stop_after])
        if stop_after is not None:
            self.close_connection = True

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
