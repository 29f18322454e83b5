"""What the syntax mask did, on the page of metrics. One candidate of a request is one answer."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from service.syntax_spec import NUM_TIME_BUCKETS, SyntaxCounts


class SyntaxMetrics:
    """codefusion_syntax_*."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"codefusion_syntax_{name}", text, labels, registry=registry)

        self.answers = counter(
            "answers",
            "Answers under the mask: held, degraded (held to less than asked for), permissive (an error ended it).",
            ("mode", "result"),
        )
        self.tokens = counter("tokens", "Tokens of answers under the mask.")
        self.changed = counter(
            "changed_tokens", "Of these, where the model's likeliest token was not allowed."
        )
        self.closings = counter("closings_forced", "Answers whose budget ran out, closed by the mask.")
        self.bounds = counter("bounds_hit", "Steps in which a run of blanks, comments or brackets was cut.")
        self._fills = FillTimes()
        registry.register(self._fills)

    def count(self, counts: SyntaxCounts) -> None:
        """Take note of one answer's end."""
        result = "permissive" if counts.permissive else "degraded" if counts.degraded else "held"
        self.answers.labels(counts.mode, result).inc()
        self.tokens.inc(counts.tokens)
        self.changed.inc(counts.changed_tokens or 0)
        self.closings.inc(counts.closing_forced)
        self.bounds.inc(counts.bounds_hit)
        self._fills.add(counts)


class FillTimes(Collector):
    """A histogram that takes whole buckets: the engine counts, and a step is not an event of its own here."""

    def __init__(self) -> None:
        self._buckets = [0] * NUM_TIME_BUCKETS
        self._microseconds = 0.0

    def add(self, counts: SyntaxCounts) -> None:
        """Add one answer's times."""
        for i, count in enumerate(counts.fill_microseconds):
            self._buckets[i] += count
        self._microseconds += counts.all_fills_microseconds

    @override
    def collect(self) -> Iterator[Metric]:
        """Give the histogram."""
        buckets: list[tuple[str, float]] = []
        seen = 0
        for i, count in enumerate(self._buckets):
            seen += count
            # The last bucket takes whatever is slower.
            edge = "+Inf" if i == NUM_TIME_BUCKETS - 1 else f"{2**i / 1e6:.6f}"
            buckets.append((edge, float(seen)))
        yield HistogramMetricFamily(
            "codefusion_syntax_fill_seconds",
            "Filling one row of the mask, beside the forward pass.",
            buckets=buckets,
            sum_value=self._microseconds / 1e6,
        )
