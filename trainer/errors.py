"""Errors of the trainer.

TrainerError
├── DataError       a data file is missing or not what it should be
├── ServiceError    the service does not answer, or refuses
└── WorkError       a work folder belongs to another run, or lacks a stage's result
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of all. Its text is for the user."""


class DataError(TrainerError):
    """A data file is missing or not what it should be."""


class ServiceError(TrainerError):
    """The service does not answer, or refuses."""


class WorkError(TrainerError):
    """A work folder belongs to another run, or lacks a stage's result."""
