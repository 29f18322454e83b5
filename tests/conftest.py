"""Fixtures for the whole suite: the application over a FakeEngine, in process and over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.fake_engine import FakeEngine
from service.http_server import HttpServer
from service.lifecycle import Lifecycle
from service.settings import Settings, load_settings


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
    engine: FakeEngine | None, seats: int, overrides: dict[str, Any]
) -> tuple[FastAPI, FakeEngine, Settings]:
    engine = engine or FakeEngine()
    settings = settings_with(**overrides)
    return create_app(settings, engine, seats=seats), engine, settings


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something to become true; fail when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
def in_process() -> Serve:
    """Serve without a socket: fast, for everything that is not about connections."""

    @asynccontextmanager
    async def serve(
        engine: FakeEngine | None = None, *, seats: int = 18, ready: bool = True, **overrides: Any
    ) -> AsyncGenerator[Running, None]:
        app, engine, settings = _build(engine, seats, overrides)
        lifecycle: Lifecycle = app.state.services.lifecycle
        async with app.router.lifespan_context(app):
            if ready:
                await until(lambda: lifecycle.ready)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", timeout=30
            ) as client:
                yield Running(app, engine, lifecycle, client, settings)

    return serve


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
