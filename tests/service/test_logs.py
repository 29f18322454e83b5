"""What reaches the log, and what must not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequestError
from service.key_file import new_key
from service.logs import adopt, configure_logging, escape, hashed, log_loop_exception, redact
from service.settings import LogSettings

CANARY = "CANARY-7f3a"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Logging configured as the service does it, and everything put back afterwards."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    kept = (root.handlers, root.level, sys.excepthook, threading.excepthook, logging.raiseExceptions)
    buffer = io.StringIO()
    monkeypatch.setattr(sys, "stderr", buffer)
    configure_logging(LogSettings(level="info", format="json"))
    yield buffer
    root.handlers, root.level, sys.excepthook, threading.excepthook, logging.raiseExceptions = kept
    uvicorn.filters.clear()
    logging.getLogger("uvicorn.access").disabled = False
    structlog.reset_defaults()


def lines(stderr: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.getvalue().splitlines()]


def test_structlog_and_stdlib_records_have_one_form(stderr: io.StringIO) -> None:
    structlog.stdlib.get_logger("service.x").info("hello", count=3)
    logging.getLogger("uvicorn.error").warning("bye %d", 4)
    first, second = lines(stderr)
    assert (first["event"], first["count"], first["level"], first["logger"]) == (
        "hello",
        3,
        "info",
        "service.x",
    )
    assert (second["event"], second["level"], second["logger"]) == ("bye 4", "warning", "uvicorn.error")
    assert set(second) <= set(first)


def test_the_level_is_the_least_written(stderr: io.StringIO) -> None:
    structlog.stdlib.get_logger("service.x").debug("no")
    logging.getLogger("anything").debug("no")
    assert lines(stderr) == []


def test_a_librarys_handlers_can_be_taken_off(stderr: io.StringIO) -> None:
    logger = logging.getLogger("a_library")
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.propagate = False
    adopt("a_library")
    logger.warning("once")
    assert [line["event"] for line in lines(stderr)] == ["once"]


def test_uvicorns_access_log_is_silent(stderr: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /?q=secret")
    assert lines(stderr) == []


def test_console_lines_are_one_line_each(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logging(LogSettings(format="console"))
    structlog.stdlib.get_logger("service.x").info("a\nb", path="/x\r\nINFO forged \x1b[31m")
    assert len(stderr.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "prompt",
        "messages",
        "authorization",
        "Authorization",
        "code",
        "text",
        "content",
        "key",
        "api_key",
        "secret",
        "cache-secret",
        "completion",
        "headers",
        "prompt_text",
    ],
)
@pytest.mark.parametrize("value", [CANARY, [CANARY], {"a": CANARY}, CANARY.encode()])
def test_values_under_sensitive_names_become_type_and_size(name: str, value: Any) -> None:
    for event in ({name: value}, {"outer": {name: value}}, {"list": [{name: value}]}):
        cleaned = json.dumps(redact(None, "", event))
        assert CANARY not in cleaned
        assert f"redacted {type(value).__name__} of {len(value)}" in cleaned


def test_sizes_and_harmless_names_are_kept() -> None:
    event = {"prompt_tokens": 12, "has_code": True, "key_id": "k3v9x0ab", "path": "/generate", "text": None}
    assert redact(None, "", dict(event)) == event


def test_keys_and_bearer_tokens_are_cut_out_of_every_string() -> None:
    record, key = new_key("acme", frozenset({"infer"}))
    event = {"event": f"got {key}!", "a": [{"b": f"Bearer {CANARY}"}], "c": f"x-{key}", key: 1, "d": {key: 1}}
    cleaned = json.dumps(redact(None, "", event))
    assert key.split("_", 2)[2] not in cleaned
    assert CANARY not in cleaned
    assert record.id in cleaned


def test_objects_are_written_as_their_type_alone() -> None:
    class Request:
        def __repr__(self) -> str:
            return CANARY

    cleaned = redact(
        None, "", {"request": Request(), "error": ValueError(CANARY), "nested": [[[[[[[CANARY]]]]]]]}
    )
    assert cleaned["request"] == "<Request>"
    assert cleaned["error"] == "<ValueError>"
    assert CANARY not in json.dumps(cleaned)


@given(st.text())
def test_no_text_can_break_or_disguise_a_line(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in escaped)
    assert not set(escaped) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")
    escaped.encode()
    if text.isprintable():
        assert escaped == text


def test_in_a_request_exceptions_are_logged_without_their_message(stderr: io.StringIO) -> None:
    log = structlog.stdlib.get_logger("service.x")
    try:
        try:
            json.loads("{" + CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError:
        with structlog.contextvars.bound_contextvars(request_id="req-1"):
            log.exception("failed")
            logging.getLogger("a_library").exception("failed too")
    output = stderr.getvalue()
    assert CANARY not in output
    first, second = (json.loads(line) for line in output.splitlines())
    assert [item["type"] for item in first["exception"]] == [
        "builtins.KeyError",
        "json.decoder.JSONDecodeError",
    ]
    assert first["exception"] == second["exception"]
    assert "/json/decoder.py:" in first["exception"][1]["frames"][-1]
    assert "/home" not in output


def test_messages_of_our_own_errors_and_outside_requests_are_kept(stderr: io.StringIO) -> None:
    log = structlog.stdlib.get_logger("service.x")
    log.error("start failed", exc_info=OSError("no such device"))
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        log.error("refused", exc_info=BadRequestError("Expected n to be at most 8."))
    first, second = lines(stderr)
    assert first["exception"][0]["detail"] == "no such device"
    assert second["exception"][0]["detail"] == "Expected n to be at most 8."


def test_uncaught_exceptions_are_one_event(stderr: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("lost")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    events = lines(stderr)
    assert [line["level"] for line in events] == ["critical", "critical"]
    assert events[0]["exception"][0]["type"] == events[1]["exception"][0]["type"] == "builtins.ValueError"


async def test_a_task_nobody_waited_for_is_logged_without_its_repr(
    stderr: io.StringIO,
) -> None:
    async def fail() -> None:
        raise ValueError(CANARY)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_exception)
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        log_loop_exception(loop, {"message": f"Task {task!r}", "exception": task.exception(), "task": task})
    output = stderr.getvalue()
    assert CANARY not in output
    assert "builtins.ValueError" in output


def test_cancellations_at_the_servers_end_are_no_errors(stderr: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error(
        "Exception in ASGI application\n", exc_info=asyncio.CancelledError()
    )
    assert lines(stderr) == []


def test_hashes_are_stable_in_a_process_and_tell_tenants_apart() -> None:
    assert hashed("acme") == hashed("acme") != hashed("umbrella")
    assert "acme" not in hashed("acme")


@given(
    st.recursive(
        st.just(CANARY), lambda inner: st.dictionaries(st.sampled_from(["prompt", "text", "a"]), inner)
    )
)
def test_a_canary_under_a_sensitive_name_never_survives(value: Any) -> None:
    assert CANARY not in json.dumps(redact(None, "", {"prompt": value, "x": {"messages": [value]}}))
