"""The file of API keys: what it holds, and how it is read and written. Secrets are not in it, only their sha256.

    {"version": 1, "keys": [{"id": "k3v9x0ab", "sha256": "…", "tenant": "acme", "scopes": ["infer"],
                             "created": "2026-01-31T12:00:00Z", "expires": null, "revoked": false}]}

A key reads `cf_<id, 8>_<secret, 43>`; the secret is 32 random bytes, so a fast hash of it cannot be searched.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import string
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from service.errors import ConfigurationError

Scope = Literal["infer", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = ("infer", "admin", "metrics")

_ID_ALPHABET = string.ascii_lowercase + string.digits
_MAX_FILE_BYTES = 16 << 20


class KeyRecord(BaseModel):
    """One key, as the file holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]{8}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    scopes: frozenset[Scope] = Field(min_length=1)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: bool = False

    def is_usable(self, now: datetime) -> bool:
        """Tell whether the key may be used at a time."""
        return not self.revoked and (self.expires is None or now < self.expires)


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()


def new_key(tenant: str, scopes: frozenset[Scope], expires: datetime | None = None) -> tuple[KeyRecord, str]:
    """Make a key; give its record and the key itself, which exists nowhere else."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    record = KeyRecord(
        id=key_id,
        sha256=digest(secret),
        tenant=tenant,
        scopes=scopes,
        created=datetime.now(UTC).replace(microsecond=0),
        expires=expires,
    )
    return record, f"cf_{key_id}_{secret}"


def digest(secret: str) -> str:
    """Give the sha256 of a secret in hex, as stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """Read a key file. Raises ConfigurationError if it is not there, not private, or not well-formed."""
    text = _read_private(path)
    try:
        keys = _KeyFile.model_validate_json(text).keys
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)[:5]
        )
        raise ConfigurationError(f"{path} is not a valid key file: {places}.") from error
    if len({key.id for key in keys}) < len(keys):
        raise ConfigurationError(f"{path} is not a valid key file: two keys have the same id.")
    return keys


def write_keys(path: Path, keys: tuple[KeyRecord, ...]) -> None:
    """Replace a key file in one step: readers see the old or the new file, also after a power cut."""
    text = _KeyFile(keys=keys).model_dump_json(indent=2) + "\n"
    # mkstemp makes the file with mode 0600.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_private(path: Path) -> bytes:
    """Read a file that nobody but its owner may read or write. The open file is checked, not the name."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(f"Expected the key file {path} to be a regular file.")
            if status.st_mode & 0o077:
                raise ConfigurationError(
                    f"Expected the key file {path} to have mode 0600; it has "
                    f"{stat.S_IMODE(status.st_mode):04o}. Run: chmod 600 {path}"
                )
            if status.st_size > _MAX_FILE_BYTES:
                raise ConfigurationError(f"Expected the key file {path} to be at most 16 MiB.")
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"Cannot read the key file {path}: {error.strerror}.") from error
