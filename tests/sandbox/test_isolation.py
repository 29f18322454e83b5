"""Nothing runs where nothing isolates; what a self-test finds is believed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Isolation, Method, NoIsolationError, prove_isolation, run, selftest
from sandbox.cli import main
from sandbox.errors import LaunchError


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was proven."""
    monkeypatch.setattr(selftest, "_proven", {})


def _missing() -> str:
    return "not on this machine"


@pytest.fixture
def nothing_isolates(unproven: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_MISSING", dict.fromkeys(Method, _missing))


def test_run_is_refused_where_nothing_isolates(nothing_isolates: None) -> None:
    with pytest.raises(NoIsolationError, match="refusing to run untrusted code") as caught:
        run("def f(): return 1", "assert f() == 1")
    assert caught.value.reasons == dict.fromkeys(Method, "not on this machine")


def test_command_line_is_refused_where_nothing_isolates(
    nothing_isolates: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.py").write_text("def f(): return 1")
    (tmp_path / "t.py").write_text("assert f() == 1")
    words = ["run", str(tmp_path / "p.py"), "--language", "python", "--tests", str(tmp_path / "t.py")]
    assert main(words) == 2
    assert "refusing to run untrusted code" in capsys.readouterr().err
    assert main(["doctor"]) == 2
    assert "every run is refused" in capsys.readouterr().out


def test_without_programs_on_the_path_bubblewrap_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = selftest.check_method(Method.BUBBLEWRAP)
    assert found == "bwrap and prlimit not found (Debian: bubblewrap, util-linux)"


def test_an_escape_refuses_the_method(
    unproven: None, best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A probe that says it got out, as it would from a sandbox with a hole.
    escaped = selftest.PROBE.read_text().replace('"refused"\n', '"succeeded"\n', 1)
    monkeypatch.setattr(selftest, "PROBE", _Text(escaped))
    with pytest.raises(NoIsolationError, match=r"the self-test escaped"):
        prove_isolation()


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    def read_bytes(self) -> bytes:
        return self._text.encode()


def test_a_probe_that_tries_nothing_proves_nothing(
    unproven: None, best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "PROBE", _Text('print(\'{"one": "refused"}\')'))
    with pytest.raises(NoIsolationError, match="tried only one"):
        prove_isolation()


def test_the_probe_succeeds_where_nothing_holds_it(tmp_path: Path) -> None:
    """The self-test can fail: outside, the probe reads its canary and connects."""
    with selftest.lay_bait() as bait:
        (tmp_path / "bait.json").write_bytes(bait.as_json())
        probe = tmp_path / "probe.py"
        # Without the attempts that would change this machine or this process.
        kept = "ATTEMPTS = (read_canary, write_beside_canary, connect_to_loopback)\n\n\ndef attempt("
        probe.write_text(selftest.PROBE.read_text().replace("def attempt(", kept))
        words = [sys.executable, "-I", "-S", str(probe), str(tmp_path / "bait.json")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.count("succeeded") == 3
        with pytest.raises(LaunchError, match="wrote outside"):
            bait.check_untouched()


def test_isolation_is_described(isolation: Isolation) -> None:
    assert len(isolation.attempts) >= 8
    assert str(isolation.method) in isolation.describe()


@pytest.mark.usefixtures("best_isolation")
def test_doctor_names_methods_and_languages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("bubblewrap", "landlock", "python", "rust", "Runs use"))


@pytest.mark.usefixtures("best_isolation")
def test_command_line_runs_tests_and_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.py").write_text("def f(x): return x + 1\nprint('\\x1b[31mred')")
    (tmp_path / "t.py").write_text("assert f(1) == 2")
    common = ["run", str(tmp_path / "p.py"), "--language", "python"]
    assert main([*common, "--tests", str(tmp_path / "t.py")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("passed: every test passed")
    assert "\x1b" not in shown
    (tmp_path / "e").write_text("blue\n")
    assert main([*common, "--expected", str(tmp_path / "e")]) == 1
    assert main(common) == 2
    assert main(["run", str(tmp_path / "absent"), "--language", "python", "--tests", "x"]) == 2
