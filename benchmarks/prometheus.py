"""Histograms of a Prometheus page, their differences and quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts by upper bound, as Prometheus keeps them; the last bound is infinity."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """How many values were observed."""
        return self.counts[-1] if self.counts else 0.0

    def since(self, earlier: Histogram) -> Histogram:
        """Give what was observed after `earlier`. Raises BenchmarkError if the counters went back (a restart)."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        if self.bounds != earlier.bounds or any(count < 0 for count in counts):
            raise BenchmarkError(
                "The service restarted between two reads of /metrics: its counters went back."
            )
        return Histogram(self.bounds, counts)

    def quantile(self, share: float) -> float:
        """Estimate a quantile as Prometheus's histogram_quantile does: linear within the bucket.

        share  0 to 1. A quantile above the last finite bound is given as that bound; NaN without values.
        """
        index = self._bucket(share)
        if index is None:
            return math.nan
        if math.isinf(self.bounds[index]):
            return self.bounds[index - 1] if index else math.nan
        low, before = (self.bounds[index - 1], self.counts[index - 1]) if index else (0.0, 0.0)
        inside = self.counts[index] - before
        return low + (self.bounds[index] - low) * (share * self.total - before) / inside if inside else low

    def bound(self, share: float) -> float:
        """Give the upper bound of the bucket a quantile lies in: what is certain of it. NaN without values."""
        index = self._bucket(share)
        return math.nan if index is None else self.bounds[index]

    def _bucket(self, share: float) -> int | None:
        if not self.total:
            return None
        rank = share * self.total
        return next(i for i, count in enumerate(self.counts) if count >= rank and count > 0)


def read_histogram(page: str, name: str) -> Histogram:
    """Read a histogram without labels from a page. Raises BenchmarkError if the page has none of that name."""
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(page):
        if family.name == name:
            for sample in family.samples:
                labels: Mapping[str, str] = sample.labels
                if sample.name == f"{name}_bucket" and set(labels) == {"le"}:
                    buckets[float(labels["le"])] = sample.value
    if not buckets:
        raise BenchmarkError(f"Expected the histogram {name} on /metrics; it is not there.")
    bounds = tuple(sorted(buckets))
    return Histogram(bounds, tuple(buckets[bound] for bound in bounds))
