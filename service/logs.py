r"""How the service logs: one line per event, JSON or console, never a prompt, an answer or a key.

    structlog call ──┐
                     ├─► shared processors ─► describe exception ─► redact ─► render ─► stderr
    stdlib record  ──┘       (uvicorn, vllm, asyncio)

What protects the log:
  names     a value under a name like `prompt` or `api_key` becomes its type and size
  patterns  API keys and bearer tokens are cut out of every string
  escapes   control, line-breaking and bidirectional characters are written as `\n`, `\x1b`, `\u202e`
  types     an object that is no plain value is written as its type name: its repr may hold a prompt
  errors    inside a request an exception is written as type and frames, without its message: libraries quote
            their input in messages. Messages of our own errors, and outside requests of all, are kept.
Text that a third-party library puts into its own log message is beyond this, patterns and escapes apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.errors import ConfigurationError, ServiceError
from service.settings import LogSettings

_SENSITIVE_WORDS = frozenset(
    re.findall(
        r"\w+",
        "answer authorization body code completion content cookie credential credentials headers input key keys "
        "message messages output password prefix prompt prompts query secret signature snippet suffix text token "
        "tokens",
    )
)
# Names that hold one of those words and stand for something harmless.
_SAFE_NAMES = frozenset({"key_id", "error_code", "status_code", "exit_code"})
_KEY = re.compile(r"cf_([a-z0-9]{8})_[A-Za-z0-9_-]{8,}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[^\s,;\"']+")
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_OWN_PACKAGES = frozenset({"service", "grammar", "adapters", "retrieval_index", "sandbox", "model_store"})
_MAX_NESTING = 4
_MAX_FRAMES = 20
_PROCESS_KEY = secrets.token_bytes(32)

log = structlog.stdlib.get_logger(__name__)


def configure_logging(settings: LogSettings) -> None:
    """Send structlog and stdlib logging to stderr in one form, and log what nobody caught. Call it once, first."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings, shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    # A line that cannot be written (disk full) is lost; printing it, arguments and all, would be worse.
    logging.raiseExceptions = False
    adopt("uvicorn", "uvicorn.error")
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
    # The edge writes the access line, without the query string.
    logging.getLogger("uvicorn.access").disabled = True
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def adopt(*names: str) -> None:
    """Take a library's own handlers off its loggers, so that its records come through ours.

    vLLM installs handlers when it is imported: call `adopt("vllm")` after that.
    """
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def hashed(identity: str) -> str:
    """Give a short name for a tenant or an address that is stable in this process and means nothing outside."""
    return hmac.new(_PROCESS_KEY, identity.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:12]


def log_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001
    """Log what an event loop could not deliver (`loop.set_exception_handler`).

    asyncio's own handler prints the task's repr, which quotes the exception's message.
    """
    log.error("uncaught exception in the event loop", exc_info=context.get("exception"))


def escape(text: str) -> str:
    """Write characters that could forge or hide log lines as escapes."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def describe_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Replace `exc_info` by the exception's type, frames and causes (messages: see the module's rule)."""
    error = _exception_of(event.pop("exc_info", None))
    if error is not None:
        event["exception"] = _chain(error, with_message="request_id" not in event)
    return event


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Leave no secret, no request text and no control character in an event."""
    return {_scrub(str(name)): _clean(str(name), value, _MAX_NESTING) for name, value in event.items()}


def _formatter(settings: LogSettings, shared: list[Processor]) -> logging.Formatter:
    is_console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if is_console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            describe_exception,
            redact,
            renderer,
        ],
    )


def _clean(name: str, value: Any, nesting: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name not in _SAFE_NAMES and not _SENSITIVE_WORDS.isdisjoint(re.split(r"[^a-z]+", name.lower())):
        return _outline(value)
    if isinstance(value, str):
        return _scrub(value)
    if isinstance(value, Path):
        return _scrub(str(value))
    if nesting and isinstance(value, Mapping):
        pairs = cast("Mapping[object, Any]", value).items()
        return {_scrub(str(key)): _clean(str(key), child, nesting - 1) for key, child in pairs}
    if nesting and isinstance(value, list | tuple | set | frozenset):
        return [_clean("", child, nesting - 1) for child in cast("list[Any]", value)]
    return f"<{type(value).__name__}>"


def _scrub(text: str) -> str:
    return escape(_BEARER.sub(r"\1 [redacted]", _KEY.sub(r"cf_\1_[redacted]", text)))


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Drop uvicorn's report of requests that were cut when the server ended: the access log has them."""
    return not isinstance(_exception_of(record.exc_info), asyncio.CancelledError)


def _outline(value: Any) -> str:
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"[redacted {type(value).__name__}{size}]"


def _exception_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("tuple[Any, BaseException | None, Any]", exc_info)[1]
    return sys.exception() if exc_info else None


def _chain(error: BaseException, *, with_message: bool) -> list[dict[str, Any]]:
    """List an exception and its causes, outermost first."""
    described: list[dict[str, Any]] = []
    link: BaseException | None = error
    while link is not None and len(described) < _MAX_NESTING:
        item: dict[str, Any] = {"type": f"{type(link).__module__}.{type(link).__qualname__}"}
        if with_message or isinstance(link, ServiceError | ConfigurationError):
            item["detail"] = str(link)
        item["frames"] = _frames(link.__traceback__)
        described.append(item)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return described


def _frames(trace: TracebackType | None) -> list[str]:
    """Give our own frames and the one that raised, outermost first, without lines of source or folders."""
    frames = traceback.extract_tb(trace)
    kept = [frame for i, frame in enumerate(frames) if _is_ours(frame.filename) or i == len(frames) - 1]
    return [f"{_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in kept[-_MAX_FRAMES:]]


def _is_ours(filename: str) -> bool:
    return "site-packages" not in filename and not _OWN_PACKAGES.isdisjoint(Path(filename).parts)


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-3:]).lstrip("/")


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    log.critical("uncaught exception in a thread", exc_info=args.exc_value)
