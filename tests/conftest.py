"""Fixtures for the whole suite: the application over a FakeEngine, in process and over a real socket."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings

from service.app import create_app
from service.fake_engine import FakeEngine
from service.http_server import HttpServer
from service.key_file import SCOPES, KeyRecord, Scope, new_key, write_keys
from service.lifecycle import Lifecycle
from service.logs import configure_logging
from service.settings import LogSettings, Settings, load_settings
from service.styles import LoadedStyles

# On a machine that others use too, a slow example says nothing about the code.
hypothesis_settings.register_profile("codefusion", deadline=None)
hypothesis_settings.load_profile("codefusion")


@dataclass
class Running:
    """A service over a FakeEngine, with a client that talks to it."""

    app: FastAPI
    engine: FakeEngine
    lifecycle: Lifecycle
    client: httpx.AsyncClient
    settings: Settings
    port: int = 0
    exit_code: asyncio.Future[int] | None = field(default=None, repr=False)
    server: HttpServer | None = field(default=None, repr=False)


Serve = Callable[..., AbstractAsyncContextManager[Running]]


def settings_with(**overrides: Any) -> Settings:
    """Settings for a test; `server__port=0` sets server.port."""
    dotted = {name.replace("__", ".", 1): value for name, value in overrides.items()}
    return load_settings(None, dotted, {})


def _build(
    engine: FakeEngine | None, seats: int, overrides: dict[str, Any], styles: LoadedStyles | None = None
) -> tuple[FastAPI, FakeEngine, Settings]:
    engine = engine or FakeEngine()
    # The user's own indexes are no part of a test.
    settings = settings_with(**{"retrieval__folder": Path("/nowhere/indexes"), **overrides})
    return create_app(settings, engine, seats=seats, styles=styles), engine, settings


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something to become true; fail when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the conditions are states, not events
            await asyncio.sleep(0.002)


@asynccontextmanager
async def serve_in_process(
    engine: FakeEngine | None = None,
    *,
    seats: int = 18,
    ready: bool = True,
    styles: LoadedStyles | None = None,
    **overrides: Any,
) -> AsyncGenerator[Running, None]:
    """Serve without a socket; for module-wide fixtures. Tests take the fixture `in_process`."""
    app, engine, settings = _build(engine, seats, overrides, styles)
    lifecycle: Lifecycle = app.state.services.lifecycle
    async with app.router.lifespan_context(app):
        if ready:
            await until(lambda: lifecycle.ready)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as client:
            yield Running(app, engine, lifecycle, client, settings)


@pytest.fixture
def in_process() -> Serve:
    """Serve without a socket: fast, for everything that is not about connections."""
    return serve_in_process


@pytest.fixture
def over_socket() -> Serve:
    """Serve on a free port with the real HTTP server: for disconnects, drains, streams."""

    @asynccontextmanager
    async def serve(
        engine: FakeEngine | None = None, *, seats: int = 18, ready: bool = True, **overrides: Any
    ) -> AsyncGenerator[Running, None]:
        app, engine, settings = _build(engine, seats, {"server__port": 0, **overrides})
        lifecycle: Lifecycle = app.state.services.lifecycle
        server = HttpServer(app, settings, lifecycle)
        running = asyncio.ensure_future(server.run())
        await asyncio.wait_for(server.started.wait(), 10)
        if ready:
            await until(lambda: lifecycle.ready)
        base_url = f"http://127.0.0.1:{server.bound_port}"
        try:
            async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
                yield Running(
                    app, engine, lifecycle, client, settings, server.bound_port or 0, running, server
                )
        finally:
            server.stop()
            server.stop()
            await asyncio.wait_for(running, 20)

    return serve


@pytest.fixture
async def within_a_minute() -> None:
    """Begin early enough in the clock's minute: at its end a rate's window moves on and lets one more request pass."""
    left = 60 - time.time() % 60
    if left < 5:
        await asyncio.sleep(left)


class KeyFile:
    """A file of API keys that grows; a service reads it when it is made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: tuple[KeyRecord, ...] = ()
        write_keys(path, ())

    def add(self, tenant: str, *scopes: Scope) -> dict[str, str]:
        """Make a key with these scopes, or with all; give the header to send."""
        record, key = new_key(tenant, frozenset(scopes or SCOPES))
        self._records = (*self._records, record)
        write_keys(self.path, self._records)
        return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    """An empty file of API keys: pass `access__keys_file=key_file.path`."""
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def log_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a service with logging as in production writes, at the most talkative level."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    kept = (root.handlers, root.level, sys.excepthook, threading.excepthook, logging.raiseExceptions)
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    for client in ("httpx", "httpcore"):
        # The tests' own client, not the service.
        monkeypatch.setattr(logging.getLogger(client), "propagate", False)
    configure_logging(LogSettings(level="debug", format="json"))
    yield written
    root.handlers, root.level, sys.excepthook, threading.excepthook, logging.raiseExceptions = kept
    uvicorn.filters.clear()
    logging.getLogger("uvicorn.access").disabled = False
    structlog.reset_defaults()
