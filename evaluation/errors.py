"""What keeps an evaluation from going on. Each message says what was expected and what came.

EvaluationError
├── UnknownSuiteError     no suite has this name
├── DataMissingError      a suite's file is not in the data folder
├── FetchError            a benchmark could not be fetched, or is another than the pinned one
├── ProblemFileError      a file of problems in which no row can be used
├── RunFolderError        a run's folder belongs to another run, or cannot be written
├── ServiceDownError      nothing answers any more; what was sampled is kept
├── RequestRefusedError   the service does not do what an arm asks for (HTTP 4xx)
├── SandboxMissingError   nothing here may run untrusted code
└── ConfigError           an ablation's file, or an option, makes no sense
"""

from __future__ import annotations


class EvaluationError(Exception):
    """Any reason for which an evaluation stops."""


class UnknownSuiteError(EvaluationError):
    """No suite has this name."""


class DataMissingError(EvaluationError):
    """A suite's file is not there."""


class FetchError(EvaluationError):
    """A benchmark could not be fetched, or what came is not what was pinned."""


class ProblemFileError(EvaluationError):
    """No row of the file can be used."""


class RunFolderError(EvaluationError):
    """The folder belongs to another run, or cannot be written."""


class ServiceDownError(EvaluationError):
    """The service stopped answering. Samples taken so far are kept; the same command goes on from there."""


class RequestRefusedError(EvaluationError):
    """The service refuses what an arm asks for.

    param   the field it names, if any.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SandboxMissingError(EvaluationError):
    """Answers cannot be run: there is no working sandbox."""


class ConfigError(EvaluationError):
    """An option or a configuration makes no sense."""
