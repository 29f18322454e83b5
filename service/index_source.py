"""Where the indexes of the service are: a folder of this machine, or a PostgreSQL server for several replicas.

Importing an index's packages takes a second, so it happens in the thread that first asks. Every method blocks.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from service.settings import RetrievalSettings

if TYPE_CHECKING:
    from retrieval_index.embedder import Embedder
    from retrieval_index.postgres import PostgresStore
    from retrieval_index.search import SearchIndex


class IndexSource(Protocol):
    """Raises RetrievalError for what cannot be read, ImportError where packages are missing."""

    def names(self) -> list[str]:
        """List the indexes there are."""
        ...

    def state(self, name: str) -> Hashable:
        """Give what tells one state of an index from another; None: there is no such index."""
        ...

    def has_vectors(self, name: str) -> bool:
        """Say whether an embedder is needed to open it."""
        ...

    def open(self, name: str, embedder: Embedder | None) -> SearchIndex:
        """Open an index, verified."""
        ...

    def close(self) -> None:
        """Ask for nothing more. It can be used again."""
        ...


def index_source(settings: RetrievalSettings) -> IndexSource:
    """Give the source that the settings name."""
    if settings.database_url is not None:
        return ServerSource(settings.database_url)
    return FolderSource(settings.folder)


class FolderSource:
    """Indexes as `python -m retrieval_index` puts them. None: where it puts them by default."""

    def __init__(self, folder: Path | None) -> None:
        self._given = folder

    @property
    def _folder(self) -> Path:
        from retrieval_index.store import default_home

        return self._given or default_home()

    def names(self) -> list[str]:
        """See IndexSource."""
        from retrieval_index.store import names_in

        return names_in(self._folder)

    def state(self, name: str) -> Hashable:
        """See IndexSource. The manifest is replaced as a whole."""
        try:
            found = (self._folder / name / "manifest.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def has_vectors(self, name: str) -> bool:
        """See IndexSource."""
        from retrieval_index.store import read_manifest

        return bool(read_manifest(self._folder, name).embedder_id)

    def open(self, name: str, embedder: Embedder | None) -> SearchIndex:
        """See IndexSource."""
        from retrieval_index.search import SearchIndex

        return SearchIndex.open(self._folder, name, embedder)

    def close(self) -> None:
        """See IndexSource."""


class ServerSource:
    """Indexes as `python -m retrieval_index publish` puts them on a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: PostgresStore | None = None

    @property
    def _store(self) -> PostgresStore:
        from retrieval_index.postgres import PostgresStore

        if self._opened is None:
            self._opened = PostgresStore(self._url)
        return self._opened

    def names(self) -> list[str]:
        """See IndexSource."""
        return self._store.names()

    def state(self, name: str) -> Hashable:
        """See IndexSource."""
        return self._store.state(name)

    def has_vectors(self, name: str) -> bool:
        """See IndexSource."""
        return bool(self._store.manifest(name).embedder_id)

    def open(self, name: str, embedder: Embedder | None) -> SearchIndex:
        """See IndexSource."""
        return self._store.open(name, embedder)

    def close(self) -> None:
        """See IndexSource."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
