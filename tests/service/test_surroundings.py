"""What is found around the service: the port, the cache, and that looking leaves no trace."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from service.settings import Settings, load_settings
from service.surroundings import Surroundings, look_around


def _around(port: int, cache_dir: Path) -> tuple[Settings, Surroundings]:
    settings = load_settings(overrides={"server.port": port, "model.cache_dir": cache_dir})
    return settings, look_around(settings, {"NAME": "value"})


def test_a_port_in_use_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _, around = _around(port, tmp_path)
    assert f"127.0.0.1:{port}" in (around.port_error or "")


def test_looking_around_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "cache"
    _, around = _around(0, cache)
    assert around.port_error is None
    assert not around.is_here
    assert around.is_writable
    assert around.free_bytes > 0
    assert around.environ == {"NAME": "value"}
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert not _around(0, tmp_path / "cache")[1].is_writable
