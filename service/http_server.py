"""uvicorn, run as this service needs it: bounded connections, a drain before the end, an honest exit code.

    first SIGTERM or SIGINT   begin_drain; sockets stay open, so readiness and new requests are answered 503;
                              the end comes when no request is open, or after drain_seconds
    second                    open requests are cut at once; the application still shuts down
    third                     the process dies
    engine dead               open requests have a few seconds to hear of it; exit code 1
    SIGHUP                    `reload`, for keys

uvicorn alone closes its sockets at the first signal: a load balancer then sees refused connections until it has
noticed. Knows no route.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from service.connection import protocol_class
from service.errors import ConfigurationError
from service.head_guard import MAX_HEAD_BYTES
from service.lifecycle import Lifecycle, State
from service.logs import log_loop_exception
from service.settings import ServerSettings, Settings

# Per connection, in the kernel. Left alone it grows to megabytes, and a stalled reader is noticed that much later.
_SEND_BUFFER_BYTES = 128 * 1024
_DEAD_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)


def serve(
    app: ASGIApp,
    settings: Settings,
    lifecycle: Lifecycle,
    *,
    begin_drain: Callable[[], Awaitable[None]] | None = None,
    reload: Callable[[], object] | None = None,
) -> int:
    """Serve until told to stop; give the exit code of the process: 0, or 1 if the engine died or the start failed.

    begin_drain  awaited at the first signal, after the lifecycle went to draining
    Raises       ConfigurationError if the address cannot be listened on
    """
    server = HttpServer(app, settings, lifecycle, begin_drain=begin_drain, reload=reload)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        return runner.run(server.run())


class HttpServer:
    """One server. `run` serves; `started` is set, and `bound_port` known, once it listens."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        lifecycle: Lifecycle,
        *,
        begin_drain: Callable[[], Awaitable[None]] | None = None,
        reload: Callable[[], object] | None = None,
    ) -> None:
        self.config = _config(app, settings.server)
        self.started = asyncio.Event()
        self.bound_port: int | None = None
        self._settings = settings.server
        self._lifecycle = lifecycle
        self._begin_drain = begin_drain
        self._reload = reload
        self._stop_asked = asyncio.Event()
        self._cut_asked = asyncio.Event()

    def stop(self) -> None:
        """Do what a SIGTERM does: drain; the second time, cut."""
        if self._stop_asked.is_set():
            self._cut_asked.set()
            _default_signals()
        self._stop_asked.set()

    async def run(self) -> int:
        """Serve until told to stop; give the exit code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_loop_exception)
        listening = bind(self._settings.host, self._settings.port)
        self.bound_port = listening.getsockname()[1]
        server = _Uvicorn(self.config, self.started)
        ending = asyncio.create_task(self._end_when_told(server))
        has_started = True
        try:
            with self._signals(loop):
                log.info("listening", host=self._settings.host, port=self.bound_port)
                await server.serve(sockets=[listening])
        except SystemExit:
            # uvicorn's way to say that the application's start failed; it has logged why.
            has_started = False
        finally:
            listening.close()
            ending.cancel()
            with suppress(asyncio.CancelledError):
                await ending
        log.info("stopped", cause=self._lifecycle.death_cause)
        return 0 if has_started and self._lifecycle.state is not State.DEAD else 1

    async def _end_when_told(self, server: uvicorn.Server) -> None:
        try:
            await _first(self._stop_asked.wait(), self._lifecycle.wait_dead())
            if self._lifecycle.state is not State.DEAD:
                await self._drain()
            if self._lifecycle.state is State.DEAD:
                await _first(self._lifecycle.wait_idle(_DEAD_SECONDS), self._cut_asked.wait())
        finally:
            # Whatever is open now has had its time.
            self.config.timeout_graceful_shutdown = 0 if self._cut_asked.is_set() else 1
            server.should_exit = True

    async def _drain(self) -> None:
        log.info(
            "draining", open_requests=self._lifecycle.open_requests, seconds=self._settings.drain_seconds
        )
        self._lifecycle.begin_drain()
        if self._begin_drain is not None:
            try:
                await self._begin_drain()
            except Exception as error:
                # The drain goes on, whatever the application says.
                log.error("begin_drain failed", exc_info=error)
        await _first(
            self._lifecycle.wait_idle(self._settings.drain_seconds),
            self._lifecycle.wait_dead(),
            self._cut_asked.wait(),
        )
        if self._lifecycle.open_requests:
            log.warning("requests cut", open_requests=self._lifecycle.open_requests)

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Generator[None]:
        """Handle signals for the length of the block. Outside the main thread, where none arrive, do nothing."""
        handlers: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
        }
        if self._reload is not None:
            handlers[signal.SIGHUP] = self._reload
        installed: list[signal.Signals] = []
        with suppress(RuntimeError, ValueError):
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
                installed.append(number)
        try:
            yield
        finally:
            for number in installed:
                loop.remove_signal_handler(number)


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address. Raises ConfigurationError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    # Accepted connections inherit it.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    return listening


class _Uvicorn(uvicorn.Server):
    """uvicorn's server with the signals left to us."""

    def __init__(self, config: uvicorn.Config, listens: asyncio.Event) -> None:
        super().__init__(config)
        self._listens = listens

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()


def _config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_class(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Behind a proxy its address is the client's; believing X-Forwarded-For from anyone would be worse.
        proxy_headers=False,
        workers=1,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=settings.keep_alive_seconds,
    )


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one of several is done; cancel the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _default_signals() -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
