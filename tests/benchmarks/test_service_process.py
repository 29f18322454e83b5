"""Child processes: their lines with times, their failures, and nothing left behind."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress

import pytest

from benchmarks.errors import PortInUseError, ProcessFailedError
from benchmarks.service_process import LoggedProcess, free_port, require_free, running_service

# A child in a process group of its own, as vLLM's engine is.
_PARENT = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "60"], preexec_fn=os.setpgrp)
print(child.pid, flush=True)
time.sleep(60)
"""


def _wait_for_line(process: LoggedProcess) -> str:
    give_up = time.monotonic() + 10
    while not process.lines and time.monotonic() < give_up:
        time.sleep(0.01)
    return process.lines[0].text


def _is_running(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_lines_carry_the_time_of_their_arrival() -> None:
    code = "import time; print('one', flush=True); time.sleep(0.3); print('two')"
    with LoggedProcess("it", [sys.executable, "-c", code]) as process:
        process.wait(10)
    one, two = process.lines
    assert (one.text, two.text) == ("one", "two")
    assert two.at - one.at > 0.25


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs /proc")  # noqa: PTH112
def test_nothing_of_a_stopped_process_is_left() -> None:
    with LoggedProcess("it", [sys.executable, "-c", _PARENT]) as process:
        child = int(_wait_for_line(process))
        assert _is_running(child)
    give_up = time.monotonic() + 5
    while _is_running(child) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert not _is_running(child)


def test_a_client_key_is_no_setting_of_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEFUSION_API_KEY", "cf_x")
    code = "import os; print('CODEFUSION_API_KEY' in os.environ)"
    with LoggedProcess("it", [sys.executable, "-c", code]) as process:
        assert _wait_for_line(process) == "False"


def test_a_service_that_cannot_start_shows_the_end_of_its_log() -> None:
    arguments = ["--set", "engine.threads=none"]
    with (
        pytest.raises(ProcessFailedError, match=r"(?s)exit code 2.*engine\.threads"),
        running_service(arguments),
    ):
        pass


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            require_free(port)
    require_free(free_port())
