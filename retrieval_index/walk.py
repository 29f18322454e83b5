"""The files of a repository that are worth indexing, and how many were left out for which reason.

Rules of `.gitignore` hold as git reads them, each file's for its own folder. Links are not followed, so nothing outside
the repository is read. What looks like a secret is left out whole: an index is shown to a model.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexPattern as Pattern

from grammar.languages import language_of
from retrieval_index.errors import RepositoryError

MAX_FILE_BYTES = 512 * 1024
_LONGEST_LINE = 2_000  # bytes; longer ones are generated or data
_HEAD_BYTES = 4_096

_VENDORED = frozenset({
    "node_modules", "vendor", "third_party", "site-packages", "bower_components", "venv", ".venv", "__pycache__",
    ".git", ".hg", ".svn", ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache",
})  # fmt: skip
_GENERATED_NAME = re.compile(
    r"(_pb2(_grpc)?\.pyi?|\.pb(\.gw)?\.go|\.min\.js|\.generated\.\w+|_generated\.go)$"
)
_GENERATED_TEXT = re.compile(
    rb"@generated\b|\bdo not (edit|modify)\b.{0,80}\bgenerated\b|\bgenerated\b.{0,120}\bdo not (edit|modify)\b",
    re.IGNORECASE | re.DOTALL,
)
_SECRET_NAME = re.compile(
    r"(?i)^(\.env(\..*)?|.*\.(pem|key|p12|pfx|keystore|jks)|id_(rsa|dsa|ecdsa|ed25519)|credentials(\..*)?|\.netrc|\.pgpass)$"
)
_SECRET_TEXT = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bghp_[0-9A-Za-z]{36}\b|\bsk-[0-9A-Za-z]{32,}\b"
    rb"|\bxox[baprs]-[0-9A-Za-z-]{20,}\b"
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as the walk found it. `path` is relative to the repository, with slashes."""

    path: str
    language: str
    size: int
    mtime_ns: int


@dataclass
class Walk:
    """What was found. `skipped` counts files by reason; a folder that is left out counts once."""

    files: list[SourceFile] = field(default_factory=list[SourceFile])
    skipped: Counter[str] = field(default_factory=Counter[str])


def walk(root: Path) -> Walk:
    """Find the files below a folder, in the order of their paths: one stat for each.

    Raises RepositoryError when it is no folder, or cannot be read.
    """
    if not root.is_dir():
        raise RepositoryError(f"expected a folder; {root} is none")
    found = Walk()
    try:
        os.scandir(root).close()
    except OSError as error:
        raise RepositoryError(f"{root}: cannot be read ({error.strerror})") from error
    _walk_folder(root, PurePosixPath(), [], found)
    found.files.sort(key=lambda file: file.path)
    return found


Rules = list[tuple[PurePosixPath, GitIgnoreSpec]]


def _walk_folder(folder: Path, relative: PurePosixPath, rules: Rules, found: Walk) -> None:
    rules = [*rules, *_rules_of(folder, relative)]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        found.skipped["unreadable"] += 1
        return
    for entry in entries:
        path = relative / entry.name
        if entry.is_symlink():
            found.skipped["link"] += 1
        elif entry.is_dir(follow_symlinks=False):
            if entry.name in _VENDORED:
                found.skipped["vendored"] += entry.name != ".git"
            elif _is_ignored(path, rules, is_folder=True):
                found.skipped["ignored"] += 1
            else:
                _walk_folder(Path(entry.path), path, rules, found)
        elif entry.is_file(follow_symlinks=False):
            reason = _add(entry, path, rules, found)
            found.skipped.update([reason] if reason else [])


def _add(entry: os.DirEntry[str], path: PurePosixPath, rules: Rules, found: Walk) -> str | None:
    """Take a file; give the reason when it is left out."""
    if _is_ignored(path, rules, is_folder=False):
        return "ignored"
    if _SECRET_NAME.match(entry.name):
        return "secret"
    language = language_of(entry.name)
    if language is None:
        return "no language"
    if _GENERATED_NAME.search(entry.name):
        return "generated"
    try:
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        return "unreadable"
    if stat.st_size > MAX_FILE_BYTES:
        return "too large"
    found.files.append(SourceFile(str(path), language, stat.st_size, stat.st_mtime_ns))
    return None


def read_text(path: Path) -> tuple[str | None, str | None]:
    """Read a file: its text, or else the reason why it is left out."""
    try:
        data = path.read_bytes()
    except OSError:
        return None, "unreadable"
    if b"\0" in data:
        return None, "binary"
    if _SECRET_TEXT.search(data):
        return None, "secret"
    if _GENERATED_TEXT.search(data[:_HEAD_BYTES]) or any(
        len(line) > _LONGEST_LINE for line in data.split(b"\n")
    ):
        return None, "generated"
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return None, "not UTF-8"


def _rules_of(folder: Path, relative: PurePosixPath) -> Iterator[tuple[PurePosixPath, GitIgnoreSpec]]:
    files = [folder / ".gitignore"]
    if not relative.parts:
        files.insert(0, folder / ".git" / "info" / "exclude")
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        yield relative, GitIgnoreSpec.from_lines(lines)


def _is_ignored(path: PurePosixPath, rules: Rules, *, is_folder: bool) -> bool:
    """Say what the last rule says that speaks of the path itself, as git does: deeper files win.

    Folders above it have been asked before: where one is ignored nothing below is seen.
    """
    for folder, spec in reversed(rules):
        name = str(path.relative_to(folder)) + ("/" if is_folder else "")
        for pattern in reversed(spec.patterns):
            if pattern.include is not None and _speaks_of(pattern, name):
                return pattern.include
    return False


def _speaks_of(pattern: Pattern, name: str) -> bool:
    """Say whether a pattern means this path, and not one above it, as pathspec's expressions do, too."""
    expression, text = pattern.regex, str(pattern.pattern)
    assert expression is not None
    if text.endswith("/") and not name.endswith("/"):
        return False
    if "/" not in text.rstrip("/"):  # without a folder: of any
        name = name.rstrip("/").rpartition("/")[2] + ("/" if name.endswith("/") else "")
    match = expression.search(name)
    if match is None:
        return False
    if match.groupdict().get("ps_d"):
        # `a/` means a, `a/**/` the folders in it.
        return (match.start("ps_d") == len(name) - 1) != text.endswith("/**/")
    # `a/**` means what is in a, not a itself.
    return not (name.endswith("/") and expression.pattern.endswith("/") and match.end() == len(name))
