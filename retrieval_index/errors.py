"""What keeps an index from being built or read. Each message says what was expected and what came.

RetrievalError
├── RepositoryError     the folder to index is none, or nothing in it can be indexed
├── IndexMissingError   no index has this name
├── IndexDamagedError   a file of the index is not what its manifest says
├── IndexVersionError   the index was written in another format
├── IndexBusyError      another process is writing this index
├── IndexWriteError     it cannot be written: no space, no permission
├── StoreUnreachableError  the PostgreSQL server does not answer, or refuses
├── EmbedderError       no such embedder, or not the one that an index was made with
└── QueryError          a query or a bound that makes no sense
"""

from __future__ import annotations


class RetrievalError(Exception):
    """Any error of this package that a caller may want to catch."""


class RepositoryError(RetrievalError):
    """The folder cannot be indexed."""


class IndexMissingError(RetrievalError):
    """There is no index of this name."""


class IndexDamagedError(RetrievalError):
    """A file is missing, cut or changed."""


class IndexVersionError(RetrievalError):
    """Another format; build it again."""


class IndexBusyError(RetrievalError):
    """Another process writes it."""


class IndexWriteError(RetrievalError):
    """The disk is full, or may not be written. The index is as it was."""


class StoreUnreachableError(RetrievalError):
    """The PostgreSQL server does not answer, or refuses."""


class EmbedderError(RetrievalError):
    """It cannot be loaded, or an index was made with another."""


class QueryError(RetrievalError):
    """The query cannot be answered."""
