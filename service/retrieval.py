"""Code near a request, found in an index within a deadline. Without it a request goes on, and says so.

request ──► Retriever.plan()  unknown index: 404 ──► search, in a thread, at most `retrieval.deadline_ms`
        ──► Retrieval(repository for the prompt, hits, degraded)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from service.index_library import IndexLibrary
from service.retrieval_metrics import RetrievalMetrics
from service.schemas.common import RetrievalOptions
from service.schemas.generate import RetrievalReport, RetrievedChunk
from service.settings import RetrievalSettings
from service.snippets import Repository, Snippet

if TYPE_CHECKING:
    from retrieval_index.search import Hit, SearchIndex

# Of a gap, what is asked with: the code nearest to it says most about what belongs there.
_QUERY_PREFIX_LINES, _QUERY_SUFFIX_LINES = 12, 4
_THREADS = 2
T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a request is searched by.

    words            in words or code: the prompt, the signature
    prefix, suffix   code around a gap
    """

    words: str = ""
    prefix: str = ""
    suffix: str = ""

    @property
    def query(self) -> str:
        """Give the text to search with."""
        before = self.prefix.split("\n")[-_QUERY_PREFIX_LINES:]
        after = self.suffix.split("\n")[:_QUERY_SUFFIX_LINES]
        return "\n".join([self.words, *before, *after]).strip()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a search found. `degraded` says why nothing did, where something failed; None: it was searched."""

    index: str
    repository: Repository
    seconds: float
    degraded: str | None = None

    def report(self, used: tuple[Snippet, ...]) -> RetrievalReport:
        """Say it in the answer."""
        return RetrievalReport(
            index=self.index,
            found=len(self.repository.snippets),
            used=len(used),
            degraded=self.degraded,
        )

    def chunks(self, used: tuple[Snippet, ...]) -> list[RetrievedChunk]:
        """List what was found, best first, and what of it had no room."""
        ids = {snippet.id for snippet in used}
        return [
            RetrievedChunk(
                id=snippet.id,
                path=snippet.path,
                lines=(snippet.first_line, snippet.last_line),
                score=round(snippet.relevance, 4),
                trimmed=snippet.id not in ids,
            )
            for snippet in self.repository.snippets
        ]


class Retriever:
    """The service's searches. One for the whole service; `open` and `aclose` are called once."""

    def __init__(self, settings: RetrievalSettings, metrics: RetrievalMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._threads: ThreadPoolExecutor | None = None
        self.indexes = IndexLibrary(settings, self._in_thread, metrics.index_loaded)

    async def open(self) -> None:
        """Load the indexes, then look after them until cancelled."""
        await self.indexes.open()
        await self.indexes.watch()

    async def aclose(self) -> None:
        """Take no more. It can be opened again."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self.indexes.close()

    async def retrieve(
        self, options: RetrievalOptions, question: Question, tenant: str, param: str = "retrieval"
    ) -> Retrieval:
        """Find code near a request. Raises NotFoundError for an index that the tenant has not; nothing else."""
        loaded = await self.indexes.find(options.index, tenant, f"{param}.index")
        started = time.monotonic()
        degraded: str | None = None
        snippets: tuple[Snippet, ...] = ()
        if loaded.index is None:
            degraded = "the index is not loaded"
        else:
            try:
                snippets = await self._searched(loaded.index, options, question)
            except TimeoutError:
                degraded = f"the search took more than {self._settings.deadline_ms} ms"
            except Exception as error:
                log.error("retrieval_failed", index=options.index, exc_info=error)
                degraded = "the search failed"
        seconds = time.monotonic() - started
        self._metrics.searched(seconds, len(snippets), is_degraded=degraded is not None)
        repository = Repository(options.index, snippets, options.path)
        return Retrieval(options.index, repository, seconds, degraded)

    async def _searched(
        self, index: SearchIndex, options: RetrievalOptions, question: Question
    ) -> tuple[Snippet, ...]:
        from retrieval_index.search import CODE, PROSE, Place

        settings = self._settings
        least = settings.min_similarity if index.manifest.embedder_id else settings.min_coverage
        place = Place(options.path, options.symbol, f"{question.prefix}\n{question.suffix}".strip())
        ranking = PROSE if question.words else CODE

        def search() -> list[Hit]:
            return index.search(question.query, options.k, place=place, ranking=ranking, min_relevance=least)

        hits = await asyncio.wait_for(self._in_thread(search), settings.deadline_ms / 1000)
        return tuple(_snippet(hit) for hit in hits)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="retrieval")
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _snippet(hit: Hit) -> Snippet:
    chunk = hit.chunk
    # Two files may hold the same text: the id names text and place.
    id_ = f"{chunk.sha256[:12]}-{chunk.first_line}"
    return Snippet(
        id_, chunk.path, chunk.first_line, chunk.last_line, chunk.language, chunk.text, hit.relevance
    )
