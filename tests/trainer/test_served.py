"""The service that a stage starts ends with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

_STAGE = """
import sys, time
from pathlib import Path
from trainer.cli import leave_orderly_on_sigterm
from trainer.served import served

leave_orderly_on_sigterm()
with served("fake", Path(sys.argv[1]), {"engine.backend": "fake"}) as url:
    print(url, flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stage_that_is_stopped_stops_its_service(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", _STAGE, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as stage:
        assert stage.stdout is not None
        url = stage.stdout.readline().strip()
        assert httpx.get(f"{url}/readyz").is_success
        stage.send_signal(number)
        stage.wait(60)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz")
