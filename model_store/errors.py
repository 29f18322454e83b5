"""What can go wrong between a model's name and its weights on disk.

ModelStoreError
├── UnknownModelError       no such model id, and no such folder
├── CatalogError            models.toml does not say what it must
├── SourceError             this source cannot deliver; the next one is tried
│   ├── HubUnreachableError     offline, or no answer in time
│   ├── HubContentError         the hub answers, but lacks the repository, revision or file
│   ├── UnpinnedSourceError     no revision is pinned, so nothing could be verified
│   └── PackageIndexError       pip could not download a part
├── NoSourceError           every source failed; carries each reason
├── DiskSpaceError          not enough room to start
├── IntegrityError          bytes that are not the pinned ones; never skipped over
├── UnsafeModelError        a folder that must not be loaded: pickles, remote code, strangers
└── ConversionError         a checkpoint we cannot turn into Qwen2 safetensors
"""

from collections.abc import Iterable, Sequence
from pathlib import Path


class ModelStoreError(Exception):
    """Any failure to find, fetch, verify or convert a model."""


class UnknownModelError(ModelStoreError):
    """The name is neither a known model id nor a folder."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(
            f"'{name}' is neither a known model id nor an existing folder. "
            f"Known ids: {', '.join(self.known)} (see `python -m model_store list`)."
        )


class CatalogError(ModelStoreError):
    """The table of models cannot be read as one."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is not a valid table of models: {problem}")


class SourceError(ModelStoreError):
    """A source cannot deliver the model now; others may."""


class HubUnreachableError(SourceError):
    """The hub is switched off (HF_HUB_OFFLINE) or gave no answer in time."""


class HubContentError(SourceError):
    """The hub answers, but does not hold or does not hand out what the catalog names."""


class UnpinnedSourceError(SourceError):
    """The catalog names no revision, so there is nothing to verify a download against."""

    def __init__(self, model_id: str, repo: str) -> None:
        super().__init__(
            f"no revision of {repo} is pinned for '{model_id}'. Run `python -m model_store pin {model_id} "
            "[--revision REV]` where the hub is reachable and paste its output into model_store/models.toml."
        )


class PackageIndexError(SourceError):
    """Pip could not download a part of the model."""


class NoSourceError(ModelStoreError):
    """No source of the model could deliver it."""

    def __init__(self, model_id: str, reasons: Sequence[str]) -> None:
        self.model_id = model_id
        self.reasons = tuple(reasons)
        tried = "".join(f"\n  - {reason}" for reason in self.reasons) or " it has none here"
        super().__init__(
            f"No source could deliver '{model_id}':{tried}\n"
            f"With a copy of the model at hand: `python -m model_store fetch {model_id} --source FOLDER`."
        )


class DiskSpaceError(ModelStoreError):
    """The file system of the cache has too little room; nothing was downloaded."""

    def __init__(self, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        super().__init__(
            f"{needed_bytes / 1e9:.2f} GB are needed below {folder}, {free_bytes / 1e9:.2f} GB are free. "
            "Make room, or point CODEFUSION_CACHE at a larger file system."
        )


class IntegrityError(ModelStoreError):
    """A file does not have the pinned content."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(
            f"{what}: expected {expected}, found {found}. The bytes are not the pinned ones; "
            "fetch the model again (`python -m model_store fetch ID --force`)."
        )


class UnsafeModelError(ModelStoreError):
    """The folder holds something that must not be loaded, or lacks what a model needs."""

    def __init__(self, folder: Path, problem: str) -> None:
        self.folder = folder
        self.problem = problem
        super().__init__(f"{folder} is refused: {problem}")


class ConversionError(ModelStoreError):
    """The checkpoint has a layout this package cannot convert."""
