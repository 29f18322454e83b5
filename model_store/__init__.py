"""Where model weights come from, verified. See `python -m model_store --help`."""

from model_store.cache import default_cache_dir
from model_store.catalog import HubSource, ModelEntry, PackageIndexSource, load_catalog
from model_store.errors import (
    CatalogError,
    ConversionError,
    DiskSpaceError,
    HubContentError,
    HubUnreachableError,
    IntegrityError,
    ModelStoreError,
    NoSourceError,
    PackageIndexError,
    SourceError,
    UnknownModelError,
    UnpinnedSourceError,
    UnsafeModelError,
)
from model_store.fetch import ensure_model, find_model
from model_store.manifest import ModelManifest
from model_store.verify import verify_model

__all__ = [
    "CatalogError",
    "ConversionError",
    "DiskSpaceError",
    "HubContentError",
    "HubSource",
    "HubUnreachableError",
    "IntegrityError",
    "ModelEntry",
    "ModelManifest",
    "ModelStoreError",
    "NoSourceError",
    "PackageIndexError",
    "PackageIndexSource",
    "SourceError",
    "UnknownModelError",
    "UnpinnedSourceError",
    "UnsafeModelError",
    "default_cache_dir",
    "ensure_model",
    "find_model",
    "load_catalog",
    "verify_model",
]
