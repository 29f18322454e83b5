"""Start-up parts from a recorded log, and import times from -X importtime.

startup_sample.log is a start of vLLM 0.32 on a CPU with the executor `uni`: seconds since the spawn, a tab, the line.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.errors import ProcessFailedError
from benchmarks.import_time import by_package, costliest, measure_import, read_import_times
from benchmarks.service_process import LogLine
from benchmarks.startup import StartupResult, startup_section
from benchmarks.startup_log import MARKS, read_message, split_start

SAMPLE = Path(__file__).parent / "startup_sample.log"
READY = 31.25


def sample() -> list[LogLine]:
    pairs = (line.split("\t", 1) for line in SAMPLE.read_text(encoding="utf-8").splitlines())
    return [LogLine(float(at), text) for at, text in pairs]


def test_a_recorded_start_is_split_into_its_parts() -> None:
    start = split_start(sample(), READY)
    assert {part.name: round(part.seconds, 2) for part in start.parts} == {
        "python, imports, checks, plan": 2.11,
        "vLLM import (service process)": 6.29,
        "engine configuration": 0.4,
        "engine core: spawn, import": 10.2,
        "worker: spawn, import, set-up": 1.2,
        "weights: read": 1.1,
        "weights: repack; KV cache: size": 2.9,
        "KV cache: allocate; engine warm-up": 3.0,
        "engine client, tokenizer, handlers": 2.0,
        "service warm-up requests": 2.0,
        "ready seen by a probe": 0.05,
    }
    assert start.missing == ()


def test_the_parts_add_up_to_the_whole() -> None:
    start = split_start(sample(), READY)
    assert math.isclose(sum(part.seconds for part in start.parts), start.total)


@pytest.mark.parametrize("lost", range(len(MARKS)))
def test_a_lost_mark_leaves_its_time_to_the_next_part(lost: int) -> None:
    mark = MARKS[lost]
    lines = [line for line in sample() if not mark.pattern.search(read_message(line.text)[0])]
    start = split_start(lines, READY)
    assert start.missing == (mark.part,)
    assert math.isclose(sum(part.seconds for part in start.parts), READY)


def test_a_service_that_logs_nothing_has_one_part() -> None:
    start = split_start([], 3.0)
    assert [(part.name, part.seconds) for part in start.parts] == [("ready seen by a probe", 3.0)]
    assert len(start.missing) == len(MARKS) + 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"event": "listening", "port": 1}', "listening"),
        ("(Worker_TP0 pid=7) INFO 11-25 00:10:33 [cpu_model_runner.py:68] Starting to load model x...",
         "Starting to load model x..."),
        ("INFO 11-25 00:10:33 [core.py:133] Initializing a V1 LLM engine", "Initializing a V1 LLM engine"),
        ("\x1b[0;36m(EngineCore pid=1)\x1b[0;0m INFO 11-25 00:10:33 [a.py:1] x", "x"),
        ("{broken", "{broken"),
        ("Loading safetensors", "Loading safetensors"),
    ],
)  # fmt: skip
def test_the_message_of_a_line(text: str, message: str) -> None:
    assert read_message(text)[0] == message


def test_the_report_shows_median_and_every_start() -> None:
    starts = tuple(split_start(sample(), READY + extra) for extra in (0, 2, 1))
    imports = tuple(read_import_times("import time:       100 |        300 | a\n"))
    parts, packages, modules = startup_section(StartupResult(starts, imports)).tables
    assert parts.rows[-1] == ("total: spawn to ready", "32.25", "31.25", "33.25", "32.25")
    assert packages.rows == (("a", "1", "0"),)
    assert modules.rows == (("a", "0", "0"),)


def test_import_times_are_read_and_ordered_by_own_time() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       200 |        200 |   json.decoder\n"
        "a warning in between\n"
        "import time:       900 |       1100 | json\n"
    )
    times = read_import_times(text)
    assert [(item.module, item.cumulative) for item in times] == [("json.decoder", 0.0002), ("json", 0.0011)]
    assert [item.module for item in costliest(times, 1)] == ["json"]
    assert [(name, count) for name, count, _ in by_package(times)] == [("json", 2)]


def test_a_real_import_is_measured() -> None:
    assert any(item.module == "json" for item in measure_import("json", {"ANY": "thing"}))


def test_an_import_that_fails_is_named() -> None:
    with pytest.raises(ProcessFailedError, match="No module named 'no_such_module'"):
        measure_import("no_such_module", {})
