"""Code near the request: repositories cut into chunks, kept on disk, searched by words."""

from retrieval_index.chunks import Chunk, chunk_text
from retrieval_index.search import Hit, SearchIndex
from retrieval_index.update import Report, update_index

__all__ = ["Chunk", "Hit", "Report", "SearchIndex", "chunk_text", "update_index"]
