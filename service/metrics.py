"""codefusion_* counters and histograms, and vLLM's own beside them on one page.

Labels are bounded: routes, statuses, kinds of error. No tenant, no prompt, no key.
"""

from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.engine import RequestStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKEN_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
_LAG_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_LAG_EVERY_SECONDS = 0.1


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
        if stats.outcome == "aborted":
            self.aborts.inc()
        if stats.queue_seconds is not None:
            self.queue_seconds.observe(stats.queue_seconds)
        if stats.first_token_seconds is not None:
            self.first_token_seconds.observe(stats.first_token_seconds)
        if stats.inter_token_seconds is not None:
            self.inter_token_seconds.observe(stats.inter_token_seconds)

    def render(self) -> bytes:
        """Give the Prometheus page: ours first, then what vLLM keeps in the process's own registry."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)

    async def watch_event_loop(self) -> None:
        """Measure how late the loop wakes us, for as long as the service runs."""
        while True:
            due = time.perf_counter() + _LAG_EVERY_SECONDS
            await asyncio.sleep(_LAG_EVERY_SECONDS)
            self.loop_lag_seconds.observe(max(0.0, time.perf_counter() - due))
