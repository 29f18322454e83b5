"""The table of known models, `models.toml`, as values.

It says what a model is and where its files come from; it does not know how to fetch them.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_store.errors import CatalogError

CATALOG_PATH = Path(__file__).parent / "models.toml"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSource(_Frozen):
    """A repository on a model hub, at one commit.

    files     names, which must exist, or patterns with *, which may match nothing
    sha256    known hashes by file name; the others are taken from the hub's listing at `revision`
    """

    kind: Literal["hub"]
    repo: str
    revision: Revision | None = None
    files: tuple[str, ...]
    sha256: dict[str, Sha256] = Field(default_factory=dict)


class WheelPart(_Frozen):
    """One slice of a GGUF file, carried as a member of a wheel. Sizes in bytes."""

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")]
    wheel_bytes: int
    wheel_sha256: Sha256
    member: str
    member_bytes: int
    member_sha256: Sha256

    @model_validator(mode="after")
    def _member_stays_inside(self) -> "WheelPart":
        path = PurePosixPath(self.member)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"member {self.member!r} leaves its wheel")
        return self


class PackageIndexSource(_Frozen):
    """A GGUF file cut into parts, each inside a wheel of the package index that pip is set up for."""

    kind: Literal["package-index"]
    gguf_sha256: Sha256
    quality: str
    parts: tuple[WheelPart, ...]

    @property
    def gguf_bytes(self) -> int:
        """Size of the assembled file."""
        return sum(part.member_bytes for part in self.parts)


Source = Annotated[HubSource | PackageIndexSource, Field(discriminator="kind")]


class ModelEntry(_Frozen):
    """One known model: its shape, licence and sources in the order to try them.

    vocab_size      rows of the embedding matrix, padding included
    num_tokens      entries of the tokenizer
    context_length  positions of config.json; more by YaRN is the user's choice
    """

    id: str
    architecture: str
    parameters: int
    layers: int
    hidden_size: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    num_tokens: int
    context_length: int
    tied_embeddings: bool
    licence: str
    size_bytes: int
    sources: tuple[Source, ...]

    @property
    def hub(self) -> HubSource | None:
        """The hub source, if the model has one."""
        return next((source for source in self.sources if isinstance(source, HubSource)), None)


def load_catalog(path: Path = CATALOG_PATH) -> Mapping[str, ModelEntry]:
    """Read the table of models, by id, in the file's order.

    Raises   CatalogError if the file is no TOML, lacks a field or has one too many.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["models"]
        entries = {name: ModelEntry.model_validate({"id": name, **table}) for name, table in tables.items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValidationError) as error:
        raise CatalogError(path, str(error)) from error
    return MappingProxyType(entries)
