"""Compiled rule tables kept on disk: compiling Python's takes about a second, reading them back some milliseconds.

The name of a file is the digest of everything that the tables follow from: the rules' source and the grammar's
symbols, the grammar's version and the core's. A file that cannot be read is compiled anew. JSON with base64: data only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grammar.rules.compile import LexemeTable, RuleTables, StackTable, SymbolNames

_LOG = logging.getLogger(__name__)


def cached_rules(
    name: str, compiled: Callable[[], RuleTables], origin: str, symbols: SymbolNames, folder: Path
) -> RuleTables:
    """Give the tables of a language's rules, from the folder where they are known. Raises what `compiled` raises.

    origin  names the versions of the grammar and of the core.
    """
    path = folder / f"{name}-{_digest(origin, symbols)}.rules"
    try:
        return _decoded(json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s cannot be used, its rules are compiled anew: %s", path, error)
    tables = compiled()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=path.name)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(_encoded(asdict(tables)), file)
        Path(temporary).replace(path)
    except OSError as error:
        _LOG.warning("rule tables could not be kept in %s: %s", folder, error)
    return tables


def _digest(origin: str, symbols: SymbolNames) -> str:
    digest = hashlib.blake2b(origin.encode(), digest_size=12)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(json.dumps([list(symbols.names), symbols.token_count]).encode())
    return digest.hexdigest()


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {str(key): _encoded(part) for key, part in value.items()}
    return [_encoded(part) for part in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _decoded(data: Any) -> RuleTables:
    fields = _plain(data)
    stack: list[StackTable] = []
    for rule in fields.pop("rules"):
        reduce = {int(key): table for key, table in rule.pop("reduce").items()}
        stack.append(StackTable(reduce=reduce, **rule))
    lexemes = [LexemeTable(**table) for table in fields.pop("lexeme_filters")]
    return RuleTables(rules=stack, lexeme_filters=lexemes, **fields)
