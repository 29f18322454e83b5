"""Files of a model from a hub, at one commit, each checked against the hub's own listing of that commit.

The commit id pins the listing; the listing pins every byte. Hashes that the catalog knows are checked as well.
"""

import errno
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from tqdm import tqdm

from model_store.catalog import HubSource
from model_store.digests import git_blob_id_of_file, sha256_of_file
from model_store.errors import HubContentError, HubUnreachableError, IntegrityError, SourceError
from model_store.progress import Advance, Reporter

CONNECT_TIMEOUT_S = 5.0
# Name resolution knows no timeout of its own, so the whole question gets one.
PROBE_TIMEOUT_S = 15.0

LOCAL_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS})

_T = TypeVar("_T")


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it. Large files have a SHA-256, small ones only git's blob id."""

    name: str
    size: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class HubListing:
    """The files of a repository at one commit."""

    revision: str
    files: tuple[HubFile, ...]

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size for file in self.files)


def list_files(source: HubSource, revision: str | None, endpoint: str | None = None) -> HubListing:
    """Ask the hub what the source's files are at `revision` (None: the newest), within seconds.

    Raises   HubUnreachableError if offline or unanswered; HubContentError if the hub lacks what is named.
    """
    api = HfApi(endpoint=endpoint)

    def ask() -> Any:
        return api.model_info(source.repo, revision=revision, files_metadata=True, timeout=CONNECT_TIMEOUT_S)

    info = _translated(source, lambda: _within(PROBE_TIMEOUT_S, ask))
    listed = [
        HubFile(item.rfilename, item.size or 0, item.lfs.sha256 if item.lfs else None, item.blob_id)
        for item in info.siblings or ()
    ]
    return HubListing(info.sha, tuple(_selected(source, listed)))


def _selected(source: HubSource, listed: list[HubFile]) -> list[HubFile]:
    for pattern in source.files:
        if "*" not in pattern and all(file.name != pattern for file in listed):
            raise HubContentError(f"{source.repo} has no file '{pattern}' at {source.revision}")
    return [file for file in listed if any(fnmatchcase(file.name, pattern) for pattern in source.files)]


def download(
    source: HubSource, listing: HubListing, folder: Path, reporter: Reporter, endpoint: str | None = None
) -> dict[str, str]:
    """Download the listed files into `folder`, going on where an earlier call stopped.

    Returns  the SHA-256 of each file, all of them checked
    Raises   IntegrityError for wrong bytes, after deleting them; SourceError if the hub fails.
    """
    digests: dict[str, str] = {}
    with reporter.bar(f"download {source.repo}", listing.num_bytes) as advance:
        for file in listing.files:
            _download_file(source, listing.revision, file, folder, endpoint, advance)
            digests[file.name] = checked_sha256(folder / file.name, file, source.sha256.get(file.name))
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return digests


def _download_file(
    source: HubSource, revision: str, file: HubFile, folder: Path, endpoint: str | None, advance: Advance
) -> None:
    if (folder / file.name).exists():
        advance(file.size)
    _translated(
        source,
        lambda: hf_hub_download(
            source.repo,
            file.name,
            revision=revision,
            local_dir=folder,
            endpoint=endpoint,
            etag_timeout=CONNECT_TIMEOUT_S,
            tqdm_class=_bar_calling(advance),
        ),
    )


def checked_sha256(path: Path, file: HubFile, known_sha256: str | None) -> str:
    """Return the file's SHA-256 if the bytes are the listed and the known ones; delete them and raise if not."""
    found = sha256_of_file(path)
    expected = [digest for digest in (file.sha256, known_sha256) if digest is not None]
    wrong = next((digest for digest in expected if digest != found), None)
    if wrong is None and file.sha256 is None and git_blob_id_of_file(path) != file.blob_id:
        wrong = f"git blob {file.blob_id}"
    if wrong is not None:
        path.unlink()
        raise IntegrityError(f"{file.name} from the hub", wrong, found)
    return found


def _bar_calling(advance: Advance) -> type[Any]:
    """A tqdm class, which is what the hub's client reports to, that passes the bytes on and draws nothing."""

    class Forwarding(tqdm):  # pyright: ignore[reportMissingTypeArgument]
        def __init__(self, *args: Any, **options: Any) -> None:
            advance(int(options.get("initial") or 0))
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            advance(int(n or 0))
            return None

    return Forwarding


def _translated(source: HubSource, call: Callable[[], _T]) -> _T:
    """Make the call; turn the client's many exceptions into the two that matter here."""
    try:
        return call()
    except SourceError:
        raise
    except OfflineModeIsEnabled as error:
        raise HubUnreachableError("the hub is switched off by HF_HUB_OFFLINE") from error
    except HfHubHTTPError as error:
        raise HubContentError(_content_problem(source, error)) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in LOCAL_FAULTS:
            raise
        # The client's transport errors come from httpx or httpx2, depending on its version; they share only names.
        raise HubUnreachableError(f"the hub did not answer ({type(error).__name__}: {error})") from error


def _content_problem(source: HubSource, error: HfHubHTTPError) -> str:
    first_line = str(error).strip().split("\n", 1)[0]
    return (
        f"the hub does not hand out {source.repo} at {source.revision} ({type(error).__name__}: {first_line}). "
        "If the revision is gone, pin another: `python -m model_store pin ID`"
    )


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return the call's result, or give up waiting for it after `seconds`."""
    results: list[_T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise HubUnreachableError(f"the hub did not answer within {seconds:.0f} s")
    return results[0]
