"""`python -m model_store`: answers on standard output, reasons on standard error, an exit status."""

from pathlib import Path

import pytest

from model_store.__main__ import main

SMALL = "qwen2.5-coder-0.5b-instruct"


def test_list_names_every_model_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cache-dir", str(tmp_path), "list"]) == 0
    told = capsys.readouterr().out
    assert SMALL in told
    assert "qwen2.5-coder-32b-instruct" in told
    assert "package-index" in told


@pytest.mark.parametrize("command", ["path", "verify"])
def test_a_model_that_is_not_here_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main(["--cache-dir", str(tmp_path), command, SMALL]) == 1
    assert f"fetch {SMALL}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fetch", "pin", "verify"])
def test_an_unknown_id_lists_the_known_ones(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "nothing"]) == 1
    assert SMALL in capsys.readouterr().err


def test_verify_of_a_folder_without_manifest_notes_it(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tiny_folder), "--deep"]) == 0
    told = capsys.readouterr().out
    assert ": ok" in told
    assert "not pinned" in told


def test_verify_of_a_bad_folder_fails(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny_folder / "model.bin").write_bytes(b"x")
    assert main(["verify", str(tiny_folder)]) == 1
    assert "pickled" in capsys.readouterr().err


def test_fetch_from_a_folder_of_another_model_fails(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--cache-dir", str(tmp_path / "cache"), "fetch", SMALL, "--source", str(tiny_folder)]
    assert main(command) == 1
    assert "num_hidden_layers" in capsys.readouterr().err


def test_convert_of_what_is_no_checkpoint_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert-qwen", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "config.json" in capsys.readouterr().err
