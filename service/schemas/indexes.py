"""`GET /v1/indexes`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.schemas.common import RequestModel


class IndexReload(RequestModel):
    """Body of `POST /v1/indexes/{name}/reload`: an empty object."""


class IndexCard(BaseModel):
    """One index. Fields of its content are null while it is not loaded."""

    id: str = Field(description="Its name, for `retrieval.index`.")
    object: Literal["index"] = "index"
    status: Literal["ready", "stale", "failed"] = Field(
        description="`stale`: what is on disk now cannot be read, and an earlier state is served."
    )
    reason: str | None = Field(description="Why it is not `ready`.")
    files: int | None
    chunks: int | None
    built_at: float | None = Field(description="Seconds since 1970.")
    loaded_at: float | None
    embedder: str | None = Field(description="Weights that made its vectors; null: words alone.")
    vectors: str | None = Field(description="`flat` (exact) or `hnsw`.")
    vector_recall: float | None = Field(description="Of the 50 nearest, measured when it was built.")


class IndexList(BaseModel):
    """Answer of `GET /v1/indexes`."""

    object: Literal["list"] = "list"
    data: list[IndexCard]
