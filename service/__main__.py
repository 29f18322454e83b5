"""python -m service: read the settings, check them, make the model ready, serve. Holds no logic of its own.

Exit codes: 0 after a drain, 1 if the engine died or did not start, 2 if the configuration cannot work.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import structlog

from model_store import ModelStoreError
from service.bootstrap import build, check
from service.errors import ConfigurationError
from service.http_server import serve
from service.logs import configure_logging
from service.settings import load_settings


def main(arguments: list[str] | None = None) -> int:
    """Run the service; give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(options.config, _overrides(options), dict(os.environ))
        configure_logging(settings.log)
        if options.check:
            return check(settings, as_json=options.json)
        service = build(settings)
        return serve(service.app, settings, service.lifecycle, reload=service.keys.reload)
    except (ConfigurationError, ModelStoreError) as error:
        # The one line an operator looks for stands last, and not inside JSON.
        structlog.get_logger(__name__).error("cannot_start", reason=str(error))
        print(f"python -m service: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service", description="Serve a code model over HTTP. Settings: see docs/settings.md."
    )
    parser.add_argument("--config", type=Path, help="a TOML file, e.g. configs/cpu.toml")
    parser.add_argument("--host", help="address to listen on (server.host)")
    parser.add_argument("--port", type=int, help="port to listen on (server.port)")
    parser.add_argument("--model", help="a model of model_store/models.toml, or a folder (model.id)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.NAME=VALUE",
        help="any other setting; may be repeated",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="print what would run, its memory and what is wrong; do not start",
    )
    parser.add_argument("--json", action="store_true", help="with --check: print JSON")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    named = {"server.host": options.host, "server.port": options.port, "model.id": options.model}
    overrides: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    for assignment in options.set:
        name, equals, value = assignment.partition("=")
        if not equals or "." not in name:
            raise ConfigurationError(f"--set: expected GROUP.NAME=VALUE; got {assignment!r}.")
        overrides[name] = value
    return overrides


if __name__ == "__main__":
    raise SystemExit(main())
