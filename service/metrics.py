"""codefusion_* counters and histograms, and vLLM's own beside them on one page.

Labels are bounded: routes, statuses, kinds of error. No tenant, no prompt, no key.
"""

from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import RequestStats
from service.errors import DrainingError, InternalError, ServiceError
from service.retrieval_metrics import RetrievalMetrics
from service.sse import ClientGoneError
from service.syntax_metrics import SyntaxMetrics

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKEN_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
_LAG_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_LAG_EVERY_SECONDS = 0.1
_CLIENT_LEFT = 499  # nginx's word for a client that left before its answer


class Metrics:
    """All of the service's metrics, in a registry of their own. Also the engine's observer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "codefusion_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.errors = Counter(
            "codefusion_errors", "Requests refused or failed.", ["code"], registry=self.registry
        )
        self.tokens = Counter(
            "codefusion_tokens",
            "Tokens read, generated, found in the cache.",
            ["kind"],
            registry=self.registry,
        )
        self.aborts = Counter(
            "codefusion_aborts", "Requests ended before their end: the client left, or a deadline.",
            registry=self.registry,
        )  # fmt: skip
        self.open = Gauge("codefusion_open_requests", "HTTP requests being answered.", registry=self.registry)
        self.seats = Gauge("codefusion_seats_taken", "Engine seats taken.", registry=self.registry)
        self.waiting = Gauge(
            "codefusion_waiting_requests", "Requests waiting for a seat.", registry=self.registry
        )
        self.ready = Gauge("codefusion_ready", "1 when the service takes requests.", registry=self.registry)
        self.storage_failures = Gauge(
            "codefusion_limit_storage_failures", "Times that limits were not enforced, their storage being down.",
            registry=self.registry,
        )  # fmt: skip
        self.failed_logins = Gauge(
            "codefusion_failed_logins", "Requests with a wrong key since the start.", registry=self.registry
        )
        self.syntax = SyntaxMetrics(self.registry)
        self.retrieval = RetrievalMetrics(self.registry)
        self.steered = Counter(
            "codefusion_steered_requests", "Requests steered, by style: one counts for each of its styles.",
            ["style"], registry=self.registry,
        )  # fmt: skip
        self.request_seconds = self._histogram(
            "request", "From arrival to the last byte.", _SECONDS, ["route"]
        )
        self.queue_seconds = self._histogram(
            "queue", "Waiting for a seat, then in the engine's queue.", _SECONDS
        )
        self.first_token_seconds = self._histogram(
            "time_to_first_token", "From the engine's arrival to the first token.", _SECONDS
        )
        self.inter_token_seconds = self._histogram(
            "inter_token", "Mean time between two tokens of one request.", _TOKEN_SECONDS
        )
        self.example_runs = Counter(
            "codefusion_example_runs", "Runs of candidates on a request's examples, by verdict.", ["verdict"],
            registry=self.registry,
        )  # fmt: skip
        self.example_seconds = self._histogram(
            "examples", "Running a request's examples on all its candidates.", _SECONDS
        )
        self.loop_lag_seconds = self._histogram(
            "event_loop_lag", "How late the event loop runs.", _LAG_SECONDS
        )

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: list[str] | None = None
    ) -> Histogram:
        return Histogram(
            f"codefusion_{name}_seconds", text, labels or [], buckets=buckets, registry=self.registry
        )

    def request_finished(self, stats: RequestStats) -> None:
        """Take note of one engine request's end."""
        self.tokens.labels("prompt").inc(stats.prompt_tokens)
        self.tokens.labels("completion").inc(stats.completion_tokens)
        self.tokens.labels("cached").inc(stats.cached_tokens)
        # Not `outcome`: the engine's aborts count the answers that were complete with their closing fence, and
        # miss the clients that left while they waited for a seat. `aborts` is counted where answers leave.
        for counts in stats.syntax:
            self.syntax.count(counts)
        for style in stats.styles:
            self.steered.labels(style).inc()
        if stats.queue_seconds is not None:
            self.queue_seconds.observe(stats.queue_seconds)
        if stats.first_token_seconds is not None:
            self.first_token_seconds.observe(stats.first_token_seconds)
        if stats.inter_token_seconds is not None:
            self.inter_token_seconds.observe(stats.inter_token_seconds)

    def sample(
        self,
        *,
        open_requests: int,
        seats: int,
        waiting: int,
        ready: bool,
        storage_failures: int,
        failed_logins: int,
    ) -> None:
        """Set the gauges to what is true now; called when the page is asked for."""
        self.open.set(open_requests)
        self.seats.set(seats)
        self.waiting.set(waiting)
        self.ready.set(ready)
        self.storage_failures.set(storage_failures)
        self.failed_logins.set(failed_logins)

    def render(self) -> bytes:
        """Give the Prometheus page: ours first, then what vLLM keeps in the process's own registry."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)

    async def watch_event_loop(self) -> None:
        """Measure how late the loop wakes us, for as long as the service runs."""
        while True:
            due = time.perf_counter() + _LAG_EVERY_SECONDS
            await asyncio.sleep(_LAG_EVERY_SECONDS)
            self.loop_lag_seconds.observe(max(0.0, time.perf_counter() - due))


class RequestMetrics:
    """Count requests by route and status, and errors by code. Sits inside the layer that answers errors."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    @classmethod
    def layer(cls, metrics: Metrics) -> Middleware:
        """Give the layer for a list of middleware."""
        return Middleware(cls, metrics=metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count at the end."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status = _CLIENT_LEFT
        begun = time.monotonic()

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except asyncio.CancelledError:
            # The server ends without waiting any longer: LastResort says 503, unless the answer had begun.
            status = DrainingError.status if status == _CLIENT_LEFT else status
            raise
        except ClientGoneError:
            raise
        except Exception as failure:
            error = failure if isinstance(failure, ServiceError) else InternalError("")
            status = error.status
            self.metrics.errors.labels(error.code or error.type).inc()
            raise
        finally:
            # The template, not the path: paths are the client's and would be labels without bound.
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(route, status).inc()
            self.metrics.request_seconds.labels(route).observe(time.monotonic() - begun)
