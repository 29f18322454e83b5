"""Code near the request: repositories cut into chunks, kept on disk, searched by words and vectors."""

from retrieval_index.chunks import Chunk, chunk_text
from retrieval_index.embedder import Embedder, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.search import Hit, Place, SearchIndex
from retrieval_index.update import Report, update_index

__all__ = [
    "Chunk",
    "EmbeddedBy",
    "Embedder",
    "Hit",
    "Place",
    "Report",
    "SearchIndex",
    "chunk_text",
    "load_embedder",
    "update_index",
]
