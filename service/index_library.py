"""The indexes that are loaded: opened at start, read again when asked or when they change at their source.

An index that cannot be loaded keeps nobody from the others: it is listed with the reason, and a new state of it that
cannot be read leaves the old one in service.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from service.errors import NotFoundError, UnavailableError
from service.index_source import index_source
from service.settings import RetrievalSettings
from service.validation import quoted

if TYPE_CHECKING:
    from retrieval_index.embedder import Embedder
    from retrieval_index.search import SearchIndex

T = TypeVar("T")
_NEVER = "never"  # no source has such a state
log = structlog.stdlib.get_logger(__name__)


class RunInThread(Protocol):
    """Calls something in a thread and gives what it returns."""

    async def __call__(self, call: Callable[[], T], /) -> T:
        """Call it."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedIndex:
    """One index of the library. `index` None: it could not be loaded, for this reason."""

    name: str
    index: SearchIndex | None
    reason: str = ""
    loaded_at: float = 0.0


class IndexLibrary:
    """Every index of the settings' source, or those that are named. Loading blocks: it happens in a thread.

    run      calls something in a thread
    on_load  told of each index that was loaded
    """

    def __init__(
        self, settings: RetrievalSettings, run: RunInThread, on_load: Callable[[SearchIndex], None]
    ) -> None:
        self._settings = settings
        self._run = run
        self._on_load = on_load
        self._source = index_source(settings)
        self._embedder: Embedder | None = None
        self._begin()

    def _begin(self) -> None:
        self._loaded: dict[str, LoadedIndex] = {}
        # The state that each was last read in: what cannot be read is not tried again before it changes.
        self._tried: dict[str, Hashable] = {}
        self._trouble: str | None = None
        self._opened = asyncio.Event()
        self._loading = asyncio.Lock()

    async def open(self) -> None:
        """Load what there is. Never raises: what cannot be loaded is listed with its reason, or logged."""
        try:
            if self._settings.enabled:
                await self._update()
        finally:
            self._opened.set()

    async def watch(self) -> None:
        """Follow what changes at the source, for as long as the service runs."""
        await self._opened.wait()
        while self._settings.enabled and self._settings.reload_seconds:
            await asyncio.sleep(self._settings.reload_seconds)
            await self._update()

    def close(self) -> None:
        """Close every file. It can be opened again."""
        for loaded in self._loaded.values():
            if loaded.index is not None:
                loaded.index.close()
        self._source.close()
        self._begin()

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
        """Read an index again, or for the first time. What cannot be read stays as it was.

        Raises NotFoundError; UnavailableError where the server that has the indexes does not answer.
        """
        from retrieval_index.errors import StoreUnreachableError

        await self._opened.wait()
        try:
            names = await self._run(self._names)
            if name in names:
                return await self._load(name)
        except StoreUnreachableError as error:
            log.error("index_not_loaded", index=name, reason=str(error))
            raise UnavailableError(
                "The server that has the indexes does not answer; try again soon."
            ) from error
        raise NotFoundError(
            f"{param}: there is no index {quoted(name)}; expected one of: {', '.join(names) or 'none'}.",
            param=param,
            code="index_not_found",
        )

    async def _update(self) -> None:
        """Load what is new or changed, forget what is gone. A failure must not end the watch."""
        try:
            found = await self._run(self._states)
            for name in [name for name in self._loaded if name not in found]:
                # Not closed here: a search may still be reading it. It goes with its last reader.
                del self._loaded[name]
                self._tried.pop(name, None)
                log.info("index_gone", index=name)
            for name, state in found.items():
                if state != self._tried.get(name, _NEVER):
                    await self._load(name)
            self._trouble = None
        except Exception as error:
            # What is loaded stays. It is said once, not at every look.
            if (trouble := f"{type(error).__name__}: {error}") != self._trouble:
                log.exception("indexes_not_updated")
                self._trouble = trouble

    async def _load(self, name: str) -> LoadedIndex:
        async with self._loading:
            # Asked before reading: a change that comes while it is read is seen the next time.
            state = await self._run(lambda: self._source.state(name))
            found = await self._run(lambda: self._opened_index(name))
            self._tried[name] = state
            before = self._loaded.get(name)
            if found.index is None:
                log.error("index_not_loaded", index=name, reason=found.reason)
                if before is not None and before.index is not None:
                    found = LoadedIndex(name, before.index, found.reason, before.loaded_at)
            else:
                self._on_load(found.index)
                log.info("index_loaded", index=name, chunks=found.index.manifest.num_chunks)
            self._loaded[name] = found
            return found

    def _opened_index(self, name: str) -> LoadedIndex:
        from retrieval_index.errors import RetrievalError, StoreUnreachableError

        try:
            embedder = self._loaded_embedder() if self._source.has_vectors(name) else None
            index = self._source.open(name, embedder)
        except StoreUnreachableError:
            raise  # says nothing of the index: it is tried again at the next look
        except RetrievalError as error:
            return LoadedIndex(name, None, str(error))
        except ImportError as error:
            return LoadedIndex(
                name, None, f"expected the packages of codefusion[retrieval,postgres]: {error}"
            )
        except Exception as error:
            log.exception("index_not_loaded", index=name)
            return LoadedIndex(name, None, f"an error of ours ({type(error).__name__})")
        return LoadedIndex(name, index, loaded_at=time.time())

    def _loaded_embedder(self) -> Embedder | None:
        """Give the embedder, ready to be asked. Loaded once, for the first index that needs it: seconds, 300 MB."""
        from retrieval_index.embedder import load_embedder

        if self._embedder is None:
            embedder = load_embedder(self._settings.embedder, threads=1)
            if embedder is not None:
                embedder.embed(["def ready(): ..."])  # else the first request would wait for it
            self._embedder = embedder
        return self._embedder

    def _names(self) -> list[str]:
        return self._source.names() if self._settings.indexes is None else list(self._settings.indexes)

    def _states(self) -> dict[str, Hashable]:
        return {name: self._source.state(name) for name in self._names()}

    def _may(self, tenant: str, name: str) -> bool:
        tenants = self._settings.tenants.get(name)
        return tenants is None or tenant in tenants
