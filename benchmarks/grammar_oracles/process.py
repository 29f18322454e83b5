"""A helper program that judges texts in a loop: started on demand, asked over stdin, ended with us."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from threading import Thread

from benchmarks.errors import ProcessFailedError
from benchmarks.grammar_oracles.oracle import Finding, OracleMissingError

SOURCES = Path(__file__).parent


def find_program(name: str, package: str) -> str:
    """Give the path of a program. Raises OracleMissingError, naming what to install."""
    path = shutil.which(name)
    if path is None:
        raise OracleMissingError(f"expected the program {name!r} on the PATH; Debian has it in {package}")
    return path


class HelperProcess:
    """Request: byte count (4 bytes, big endian), text. Answer: byte count, lines (see the helpers' sources)."""

    def __init__(self, name: str, build: list[list[str]], command: list[str]) -> None:
        """Build and start; "{out}" in a word is a temporary folder. Raises ProcessFailedError."""
        self._name = name
        self._folder = tempfile.TemporaryDirectory(prefix="grammar-oracle-")
        filled = [[word.replace("{out}", self._folder.name) for word in words] for words in (*build, command)]
        for words in filled[:-1]:
            made = subprocess.run(words, cwd=SOURCES, capture_output=True, text=True, check=False)
            if made.returncode != 0:
                raise ProcessFailedError(
                    f"building the {name} oracle", made.returncode, made.stderr.splitlines()[-5:]
                )
        self._process = subprocess.Popen(
            filled[-1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._log: deque[str] = deque(maxlen=5)
        # A full pipe would stop the helper, so its stderr is always read.
        self._reader = Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line.decode(errors="replace").rstrip())

    def ask(self, text: bytes) -> tuple[int, list[Finding]]:
        """Give the text's length as the helper counts, and its findings. Raises ProcessFailedError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(len(text).to_bytes(4, "big") + text)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error
        answer = self._read(int.from_bytes(self._read(4), "big")).decode(errors="replace")
        length, *lines = answer.splitlines()
        findings = [line.split("\t", 2) for line in lines]
        return int(length), [Finding(int(at), code, message) for at, code, message in findings]

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) != count:
            raise self._failure()
        return data

    def _failure(self) -> ProcessFailedError:
        return ProcessFailedError(f"the {self._name} oracle", self._process.wait(timeout=10), list(self._log))

    def close(self) -> None:
        """End the helper: its stdin ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()
        self._folder.cleanup()
