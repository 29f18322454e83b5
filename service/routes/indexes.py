"""`GET /v1/indexes`: the repositories that requests may have in their prompts; and reading one of them again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from service.errors import ErrorBody
from service.index_library import LoadedIndex
from service.keys import Principal, require
from service.routes.documented import ERRORS
from service.schemas.indexes import IndexCard, IndexList, IndexReload
from service.services import services

router = APIRouter(
    prefix="/v1",
    tags=["indexes"],
    responses={status: {"model": ErrorBody, "description": text} for status, text in ERRORS.items()},
)


@router.get("/indexes", summary="List the indexes")
async def indexes(request: Request, principal: Annotated[Principal, Depends(require("infer"))]) -> IndexList:
    """Give each index that the key's tenant may ask."""
    visible = await services(request).retriever.indexes.visible_to(principal.tenant)
    return IndexList(data=[_card(loaded) for loaded in visible])


@router.post("/indexes/{name}/reload", summary="Read an index again")
async def reload(
    request: Request,
    principal: Annotated[Principal, Depends(require("admin"))],
    name: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")],
    body: IndexReload,
) -> IndexCard:
    """Open what is on disk now. Where that cannot be read, the state that was loaded stays, and `reason` says why."""
    del principal, body
    return _card(await services(request).retriever.indexes.reload(name, "name"))


def _card(loaded: LoadedIndex) -> IndexCard:
    manifest = loaded.index.manifest if loaded.index else None
    return IndexCard(
        id=loaded.name,
        status="failed" if manifest is None else "stale" if loaded.reason else "ready",
        reason=loaded.reason or None,
        files=manifest.num_files if manifest else None,
        chunks=manifest.num_chunks if manifest else None,
        built_at=manifest.built_at if manifest else None,
        loaded_at=loaded.loaded_at or None,
        embedder=(manifest.embedder_id or None) if manifest else None,
        vectors=(manifest.vector_kind or None) if manifest else None,
        vector_recall=manifest.vector_recall if manifest and manifest.vector_kind else None,
    )
