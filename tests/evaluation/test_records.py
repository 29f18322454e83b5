from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.errors import RunFolderError
from evaluation.records import RecordWriter, read_records


def test_what_is_written_is_read(tmp_path: Path) -> None:
    records = [{"a": "ü\u2028\n"}, {"b": [1, None]}, {"c": "\ud800"}]
    with RecordWriter(tmp_path / "r") as writer:
        for record in records:
            writer.append(record)
    assert read_records(tmp_path / "r") == records


def test_a_file_cut_anywhere_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with RecordWriter(path) as writer:
        for number in range(3):
            writer.append({"n": number})
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        assert [record["n"] for record in read_records(path)] == [*range(whole)]
        with RecordWriter(path) as writer:
            writer.append({"n": "more"})
        assert [record["n"] for record in read_records(path)] == [*range(whole), "more"]


def test_a_long_cut_line_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(b'{"n": 1}\n' + b"x" * 200_000)
    with RecordWriter(path) as writer:
        writer.append({"n": 2})
    assert read_records(path) == [{"n": 1}, {"n": 2}]


def test_a_full_disk_is_an_error_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    writer = RecordWriter(path)
    writer.append({"n": 1})
    real = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        real(fd, data[:3], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        writer.append({"n": 2})
    monkeypatch.setattr(os, "pwrite", real)
    assert path.read_bytes() == b'{"n": 1}\n'
    writer.append({"n": 3})
    writer.close()
    assert read_records(path) == [{"n": 1}, {"n": 3}]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b'{"n": 1}\n{]\n')
    with pytest.raises(RunFolderError, match="line 2"):
        read_records(tmp_path / "r")


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none") == []
    with pytest.raises(RunFolderError, match="cannot be written"):
        RecordWriter(tmp_path / "none" / "r")


def test_a_second_writer_is_refused_and_damages_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r"
    code = (
        "import sys; from pathlib import Path; from evaluation.records import RecordWriter; "
        "RecordWriter(Path(sys.argv[1]))"
    )
    with RecordWriter(path) as writer:
        writer.append({"n": 1})
        with pytest.raises(RunFolderError, match="another process is working on this run"):
            RecordWriter(path)
        other = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert "another process is working on this run" in other.stderr
        writer.append({"n": 2})
    with RecordWriter(path) as writer:
        writer.append({"n": 3})
    assert read_records(path) == [{"n": 1}, {"n": 2}, {"n": 3}]
