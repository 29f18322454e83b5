"""`python -m service.keys`: make, list, revoke and rotate API keys.

    python -m service.keys add --file keys.json --tenant acme --scope infer --expires 90d
    python -m service.keys rotate k3v9x0ab --file keys.json --overlap 24h     old and new both work for a day

A key is printed once and stored nowhere. A running service reads the file again on SIGHUP.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from service.errors import ConfigurationError
from service.key_file import SCOPES, KeyRecord, new_key, read_keys, write_keys

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the exit code: 0, or 1 with a line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        lines: list[str] = options.run(options)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except ValidationError as error:
        reasons = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        sys.stderr.write(f"{reasons}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Manage API keys.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--file", type=Path, required=True, help="the key file")
        added.set_defaults(run=run)
        return added

    add = command("add", _add, "Make a key, and the file if need be.")
    add.add_argument("--tenant", required=True, help="whose key it is")
    add.add_argument("--scope", action="append", required=True, choices=SCOPES, help="repeat for several")
    add.add_argument("--expires", type=duration, help="from now on, e.g. 90d; never if left out")
    command("list", _list, "List the keys, without secrets.")
    revoke = command("revoke", _revoke, "Make a key useless from now on.")
    revoke.add_argument("id", help="the 8 characters after cf_")
    rotate = command("rotate", _rotate, "Make a key's successor; the old one goes on for a while.")
    rotate.add_argument("id", help="the 8 characters after cf_")
    rotate.add_argument("--overlap", type=duration, default=timedelta(hours=24), help="e.g. 24h, the default")
    rotate.add_argument("--expires", type=duration, help="of the new key; never if left out")
    return parser


def duration(text: str) -> timedelta:
    """Read `90d`, `24h`, `30m` or `45s`. Raises argparse.ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"expected a number and one of s, m, h, d (as in 90d); {text!r} came"
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _add(options: argparse.Namespace) -> list[str]:
    keys = read_keys(options.file) if options.file.exists() else ()
    record, key = new_key(options.tenant, frozenset(options.scope), _from_now(options.expires))
    write_keys(options.file, (*keys, record))
    return [key]


def _list(options: argparse.Namespace) -> list[str]:
    return [_describe(key) for key in read_keys(options.file)]


def _revoke(options: argparse.Namespace) -> list[str]:
    keys = read_keys(options.file)
    old = _find(keys, options.id)
    write_keys(options.file, _replace(keys, old.model_copy(update={"revoked": True})))
    return [f"{old.id} revoked"]


def _rotate(options: argparse.Namespace) -> list[str]:
    keys = read_keys(options.file)
    old = _find(keys, options.id)
    if not old.is_usable(datetime.now(UTC)):
        raise ConfigurationError(f"The key {old.id} is revoked or expired; make a new one with `add`.")
    end = _from_now(options.overlap)
    record, key = new_key(old.tenant, old.scopes, _from_now(options.expires))
    ending = old.model_copy(update={"expires": min(filter(None, (old.expires, end)))})
    write_keys(options.file, (*_replace(keys, ending), record))
    return [key]


def _from_now(span: timedelta | None) -> datetime | None:
    return None if span is None else datetime.now(UTC).replace(microsecond=0) + span


def _find(keys: tuple[KeyRecord, ...], key_id: str) -> KeyRecord:
    for key in keys:
        if key.id == key_id:
            return key
    raise ConfigurationError(f"No key has the id {key_id!r}; `list` shows those there are.")


def _replace(keys: tuple[KeyRecord, ...], changed: KeyRecord) -> tuple[KeyRecord, ...]:
    return tuple(changed if key.id == changed.id else key for key in keys)


def _describe(key: KeyRecord) -> str:
    if key.revoked:
        state = "revoked"
    elif not key.is_usable(datetime.now(UTC)):
        state = "expired"
    else:
        state = f"until {key.expires.isoformat()}" if key.expires else "no end"
    return f"{key.id}  {key.tenant}  {','.join(sorted(key.scopes))}  {key.created.isoformat()}  {state}"
