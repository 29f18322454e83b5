"""Whether it works: benchmarks against a running service, scored in the sandbox, with intervals and controls."""

from evaluation.problems import Form, Loaded, Problem
from evaluation.suites import SUITES, load_suite

__all__ = ["SUITES", "Form", "Loaded", "Problem", "load_suite"]
