"""The indexes that are loaded: opened at start, read again when asked or when they change on disk.

An index that cannot be loaded keeps nobody from the others: it is listed with the reason, and a new state of it that
cannot be read leaves the old one in service.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from service.errors import NotFoundError
from service.settings import RetrievalSettings
from service.validation import quoted

if TYPE_CHECKING:
    from retrieval_index.embedder import Embedder
    from retrieval_index.search import SearchIndex

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedIndex:
    """One index of the library. `index` None: it could not be loaded, for this reason."""

    name: str
    index: SearchIndex | None
    reason: str = ""
    loaded_at: float = 0.0


class IndexLibrary:
    """Every index of `retrieval.folder`, or those that are named. Loading blocks: it happens in the executor."""

    def __init__(
        self, settings: RetrievalSettings, executor: Executor, on_load: Callable[[SearchIndex], None]
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._on_load = on_load
        self._loaded: dict[str, LoadedIndex] = {}
        self._embedder: Embedder | None = None
        self._embedder_error: str | None = None
        self._opened = asyncio.Event()
        self._loading = asyncio.Lock()

    async def open(self) -> None:
        """Load what there is. Never raises for an index that cannot be."""
        try:
            if self._settings.enabled:
                for name in await self._run(self._names_on_disk):
                    await self._load(name)
        finally:
            self._opened.set()

    async def watch(self) -> None:
        """Load what changed on disk, for as long as the service runs."""
        await self._opened.wait()
        while self._settings.enabled and self._settings.reload_seconds:
            await asyncio.sleep(self._settings.reload_seconds)
            for name in await self._run(self._changed):
                await self._load(name)

    def close(self) -> None:
        """Close every file."""
        for loaded in self._loaded.values():
            if loaded.index is not None:
                loaded.index.close()

    async def visible_to(self, tenant: str) -> list[LoadedIndex]:
        """List the indexes that a tenant may ask, by name. Waits for the start to have loaded them."""
        await self._opened.wait()
        return [self._loaded[name] for name in sorted(self._loaded) if self._may(tenant, name)]

    async def find(self, name: str, tenant: str, param: str) -> LoadedIndex:
        """Give an index. Raises NotFoundError that names those the tenant has."""
        visible = {loaded.name: loaded for loaded in await self.visible_to(tenant)}
        if name in visible:
            return visible[name]
        known = ", ".join(visible) or "none"
        raise NotFoundError(
            f"{param}: there is no index {quoted(name)}; expected one of: {known}.",
            param=param,
            code="index_not_found",
        )

    async def reload(self, name: str, param: str) -> LoadedIndex:
        """Read an index again, or for the first time. Raises NotFoundError; what cannot be read stays as it was."""
        await self._opened.wait()
        names = await self._run(self._names_on_disk)
        if name not in names:
            raise NotFoundError(
                f"{param}: there is no index {quoted(name)}; expected one of: {', '.join(names) or 'none'}.",
                param=param,
                code="index_not_found",
            )
        return await self._load(name)

    async def _load(self, name: str) -> LoadedIndex:
        async with self._loading:
            found = await self._run(lambda: self._opened_index(name))
            before = self._loaded.get(name)
            if found.index is None:
                log.error("index_not_loaded", index=name, reason=found.reason)
                if before is not None and before.index is not None:
                    self._loaded[name] = LoadedIndex(name, before.index, found.reason, before.loaded_at)
                    return self._loaded[name]
            self._loaded[name] = found
            if found.index is not None:
                self._on_load(found.index)
                log.info("index_loaded", index=name, chunks=found.index.manifest.num_chunks)
                # The old one is not closed here: a search may still be reading it. It goes with its last reader.
            return found

    def _opened_index(self, name: str) -> LoadedIndex:
        from retrieval_index.errors import RetrievalError
        from retrieval_index.store import read_manifest

        try:
            from retrieval_index.search import SearchIndex

            if read_manifest(self._folder, name).embedder_id:
                self._load_embedder()
            index = SearchIndex.open(self._folder, name, self._embedder)
        except RetrievalError as error:
            return LoadedIndex(name, None, self._embedder_error or str(error))
        except ImportError as error:
            return LoadedIndex(name, None, f"expected the packages of codefusion[retrieval]: {error}")
        except Exception as error:
            log.exception("index_not_loaded", index=name)
            return LoadedIndex(name, None, f"an error of ours ({type(error).__name__})")
        return LoadedIndex(name, index, loaded_at=time.time())

    def _load_embedder(self) -> None:
        """Load it once, and only when an index needs it: it takes seconds and 300 MB."""
        from retrieval_index.embedder import load_embedder
        from retrieval_index.errors import RetrievalError

        if self._embedder is None:
            self._embedder_error = None
            try:
                self._embedder = load_embedder(self._settings.embedder, threads=1)
            except RetrievalError as error:
                self._embedder_error = str(error)
                raise

    @property
    def _folder(self) -> Path:
        from retrieval_index.store import default_home

        return self._settings.folder or default_home()

    def _names_on_disk(self) -> list[str]:
        from retrieval_index.store import names_in

        return list(self._settings.indexes) if self._settings.indexes is not None else names_in(self._folder)

    def _changed(self) -> list[str]:
        return list(self._changed_names())

    def _changed_names(self) -> Iterator[str]:
        from retrieval_index.errors import RetrievalError
        from retrieval_index.store import read_manifest

        for name in self._names_on_disk():
            loaded = self._loaded.get(name)
            if loaded is None:
                yield name
                continue
            with contextlib.suppress(RetrievalError):  # a state that cannot be read replaces none
                manifest = read_manifest(self._folder, name)
                if loaded.index is None or loaded.index.manifest.folder != manifest.folder:
                    yield name

    def _may(self, tenant: str, name: str) -> bool:
        tenants = self._settings.tenants.get(name)
        return tenants is None or tenant in tenants

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)
