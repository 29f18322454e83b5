"""The benchmarks: which file each reads, and how a row becomes a Problem."""

from evaluation.suites.registry import SUITES, Suite, find_suite, load_suite

__all__ = ["SUITES", "Suite", "find_suite", "load_suite"]
