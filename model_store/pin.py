"""The TOML of a hub source with every hash, for a maintainer who can reach the hub."""

import tempfile
from pathlib import Path

from model_store import hub
from model_store.catalog import HubSource, ModelEntry
from model_store.errors import HubContentError
from model_store.progress import Reporter


def pin_source(
    entry: ModelEntry, revision: str | None, reporter: Reporter, endpoint: str | None = None
) -> str:
    """Resolve `revision` (None: the newest) to a commit and return the source's TOML.

    The hub lists a SHA-256 for large files only, so the small ones (some megabytes) are downloaded and hashed.
    Raises   SourceError if the hub is out of reach or lacks the repository, the revision or a file.
    """
    if entry.hub is None:
        raise HubContentError(f"models.toml has no hub source for '{entry.id}' to pin")
    source = entry.hub.model_copy(update={"sha256": {}})
    listing = hub.list_files(source, revision, endpoint)
    small = tuple(file for file in listing.files if file.sha256 is None)
    with tempfile.TemporaryDirectory() as folder:
        small_listing = hub.HubListing(listing.revision, small)
        digests = hub.download(source, small_listing, Path(folder), reporter, endpoint)
    digests |= {file.name: file.sha256 for file in listing.files if file.sha256 is not None}
    return _toml(entry.id, source, listing.revision, digests)


def _toml(model_id: str, source: HubSource, revision: str, digests: dict[str, str]) -> str:
    files = "".join(f'    "{pattern}",\n' for pattern in source.files)
    hashes = "".join(f'  "{name}" = "{digest}"\n' for name, digest in sorted(digests.items()))
    return (
        f'  [[models."{model_id}".sources]]\n'
        f'  kind = "hub"\n  repo = "{source.repo}"\n  revision = "{revision}"\n'
        f"  files = [\n{files}  ]\n"
        f'  [models."{model_id}".sources.sha256]\n{hashes}'
    )
