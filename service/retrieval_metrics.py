"""What searching did, on the page of metrics. Indexes are the operator's, so their names are bounded labels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from retrieval_index.search import SearchIndex

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1)


class RetrievalMetrics:
    """codefusion_retrieval_* and codefusion_index_*."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "codefusion_retrieval_seconds", "Searching an index for one request.", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.requests = Counter(
            "codefusion_retrieval_requests", "Requests that searched: hit, empty, degraded (went on without).",
            ["result"], registry=registry,
        )  # fmt: skip
        self.snippets = Counter("codefusion_retrieval_snippets", "Snippets found.", registry=registry)
        self.chunks = Gauge("codefusion_index_chunks", "Chunks of an index.", ["index"], registry=registry)
        self.age = Gauge(
            "codefusion_index_age_seconds", "Since an index was brought up to date.", ["index"],
            registry=registry,
        )  # fmt: skip

    def searched(self, seconds: float, num_found: int, *, is_degraded: bool) -> None:
        """Take note of one search."""
        self.seconds.observe(seconds)
        self.requests.labels("degraded" if is_degraded else "hit" if num_found else "empty").inc()
        self.snippets.inc(num_found)

    def index_loaded(self, index: SearchIndex) -> None:
        """Take note of an index's new state."""
        manifest = index.manifest
        self.chunks.labels(manifest.name).set(manifest.num_chunks)
        self.age.labels(manifest.name).set_function(lambda: time.time() - manifest.built_at)
