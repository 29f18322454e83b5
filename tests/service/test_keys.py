"""API keys: the file, the ring, the guard of routes, and the command line."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from service.errors import ConfigurationError, RateLimitedError, ServiceError, UnauthorizedError
from service.key_file import KeyRecord, digest, new_key, read_keys, write_keys
from service.keys import (
    ANONYMOUS,
    FailedLogins,
    KeyRing,
    Principal,
    is_loopback,
    require,
    require_keys_or_loopback,
)
from service.keys_cli import duration, main
from service.settings import AccessSettings, ServerSettings, Settings

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def ring_of(path: Path, *records: KeyRecord) -> KeyRing:
    write_keys(path, records)
    return KeyRing.load(path)


def test_a_new_key_has_the_documented_form_and_its_secret_is_not_kept() -> None:
    record, key = new_key("acme", frozenset({"infer"}))
    prefix, key_id, secret = key.split("_", 2)
    assert (prefix, key_id, len(key_id), len(secret)) == ("cf", record.id, 8, 43)
    assert record.sha256 == digest(secret)
    assert secret not in record.model_dump_json()


def test_writing_and_reading_keys_keeps_them_and_the_file_is_private(path: Path) -> None:
    records = tuple(
        new_key("acme", frozenset({"infer", "metrics"}), datetime.now(UTC) + DAY)[0] for _ in range(3)
    )
    write_keys(path, records)
    assert read_keys(path) == records
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_file_others_can_reach_is_refused(path: Path, mode: int) -> None:
    write_keys(path, ())
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        KeyRing.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"version": 2, "keys": []}',
        '{"keys": [{"id": "x"}]}',
        '{"keys": [], "extra": 1}',
    ],
)
def test_a_broken_file_is_refused_with_its_name(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        KeyRing.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "short"),
        ("id", "UPPERCASE"),
        ("sha256", "f" * 63),
        ("tenant", "Acme"),
        ("tenant", "../x"),
        ("tenant", "a" * 65),
        ("tenant", "acme\n"),
        ("scopes", []),
        ("scopes", ["root"]),
        ("created", "yesterday"),
        ("created", "2026-01-01T00:00:00"),
        ("unknown", 1),
    ],
)
def test_each_field_is_checked_and_the_message_names_it(path: Path, field: str, value: object) -> None:
    record, _ = new_key("acme", frozenset({"infer"}))
    raw = {**json.loads(record.model_dump_json()), field: value}
    path.touch(mode=0o600)
    path.write_text(json.dumps({"keys": [raw]}))
    with pytest.raises(ConfigurationError, match=field):
        KeyRing.load(path)


def test_a_missing_file_a_folder_and_double_ids_are_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read"):
        KeyRing.load(path)
    with pytest.raises(ConfigurationError):
        KeyRing.load(path.parent)
    record, _ = new_key("acme", frozenset({"infer"}))
    with pytest.raises(ConfigurationError, match="same id"):
        ring_of(path, record, record)


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = new_key("acme", frozenset({"infer"}))
    write_keys(path, (record,))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_keys(path, ())
    assert read_keys(path) == (record,)
    assert list(path.parent.iterdir()) == [path]


def test_a_key_gives_its_principal(path: Path) -> None:
    record, key = new_key("acme", frozenset({"infer"}))
    ring = ring_of(path, record)
    expected = Principal("acme", record.id, frozenset({"infer"}))
    assert ring.authenticate(f"Bearer {key}") == expected
    assert ring.authenticate(f"bearer   {key} ") == expected


def test_every_failure_reads_the_same(path: Path) -> None:
    good, key = new_key("acme", frozenset({"infer"}))
    revoked, revoked_key = new_key("acme", frozenset({"infer"}))
    expired, expired_key = new_key("acme", frozenset({"infer"}), datetime.now(UTC) - timedelta(seconds=1))
    ring = ring_of(path, good, revoked.model_copy(update={"revoked": True}), expired)
    _, unknown = new_key("acme", frozenset({"infer"}))
    secret = key.split("_", 2)[2]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    headers = [
        None,
        "",
        "Bearer",
        f"Basic {key}",
        key,
        f"Bearer {key}x",
        f"Bearer {secret}",
        f"Bearer {key.upper()}",
    ]
    headers += [
        f"Bearer {other}" for other in (unknown, wrong, revoked_key, expired_key, f"cf_{good.id}_", "ä" * 50)
    ]
    headers += [f"Bearer {key}, Bearer {key}", f"Bearer\n{key}", "x" * 100_000]
    messages: set[str] = set()
    for header in headers:
        with pytest.raises(UnauthorizedError) as caught:
            ring.authenticate(header)
        assert caught.value.headers()["WWW-Authenticate"].startswith("Bearer")
        messages.add(caught.value.message)
    assert len(messages) == 1


@pytest.mark.parametrize("header", [None, "Bearer x", "Bearer cf_aaaaaaaa_" + "x" * 43])
def test_unknown_and_malformed_keys_are_compared_like_known_ones(
    path: Path, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    compared: list[tuple[str, str]] = []

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return False

    monkeypatch.setattr("service.keys.hmac.compare_digest", compare)
    with pytest.raises(UnauthorizedError):
        ring_of(path).authenticate(header)
    assert [len(text) for pair in compared for text in pair] == [64, 64]


def test_a_key_ends_when_it_expires(path: Path) -> None:
    record, key = new_key("acme", frozenset({"infer"}), datetime.now(UTC) + DAY)
    assert ring_of(path, record).authenticate(f"Bearer {key}")
    assert record.expires
    assert record.is_usable(record.expires - timedelta(seconds=1))
    assert not record.is_usable(record.expires)


def test_reload_takes_changes_and_survives_a_broken_file(path: Path) -> None:
    first, key = new_key("acme", frozenset({"infer"}))
    second, other = new_key("umbrella", frozenset({"admin"}))
    ring = ring_of(path, first)
    write_keys(path, (second,))
    assert ring.reload()
    assert ring.authenticate(f"Bearer {other}").tenant == "umbrella"
    with pytest.raises(UnauthorizedError):
        ring.authenticate(f"Bearer {key}")
    path.write_text("{")
    assert not ring.reload()
    path.unlink()
    assert not ring.reload()
    assert ring.authenticate(f"Bearer {other}").tenant == "umbrella"


def test_without_keys_everyone_is_the_local_principal() -> None:
    ring = KeyRing.open()
    assert ring.is_open
    assert ring.reload()
    assert ring.authenticate(None) == ring.authenticate("Bearer x") == ANONYMOUS


def test_a_key_file_without_keys_lets_nobody_in(path: Path) -> None:
    with pytest.raises(UnauthorizedError):
        ring_of(path).authenticate(None)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_without_keys_only_loopback_is_served(host: str, local: bool) -> None:
    assert is_loopback(host) is local
    settings = Settings(server=ServerSettings(host=host))
    with_keys = Settings(server=ServerSettings(host=host), access=AccessSettings(keys_file=Path("keys.json")))
    require_keys_or_loopback(with_keys)
    if local:
        require_keys_or_loopback(settings)
    else:
        with pytest.raises(ConfigurationError, match="API keys"):
            require_keys_or_loopback(settings)


def test_failed_logins_are_limited_per_address_and_minute() -> None:
    now = [0.0]
    logins = FailedLogins(2, clock=lambda: now[0])
    for _ in range(2):
        logins.record("1.2.3.4")
    now[0] = 45.0
    with pytest.raises(RateLimitedError) as caught:
        logins.record("1.2.3.4")
    assert caught.value.headers()["Retry-After"] == "15"
    logins.record("1.2.3.5")
    now[0] = 60.0
    logins.record("1.2.3.4")
    assert logins.total == 5


def test_one_ipv6_network_is_one_address_and_mapped_ipv4_is_ipv4() -> None:
    logins = FailedLogins(1)
    logins.record("2001:db8::1")
    with pytest.raises(RateLimitedError):
        logins.record("2001:db8::ffff:1")
    logins.record("2001:db8:0:1::1")
    logins.record("::ffff:1.2.3.4")
    with pytest.raises(RateLimitedError):
        logins.record("1.2.3.4")
    logins.record("::ffff:1.2.3.5")


def test_a_flood_of_addresses_shares_one_count_past_ten_thousand() -> None:
    logins = FailedLogins(1)
    for i in range(10_001):
        logins.record(f"host-{i}")
    with pytest.raises(RateLimitedError):
        logins.record("host-10001")


async def ask(keys: KeyRing, key: str | None, *, times: int = 1) -> httpx.Response:
    app = FastAPI()
    app.state.keys, app.state.logins = keys, FailedLogins(2)

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ServiceError)
        return JSONResponse(error.body().model_dump(), error.status, error.headers())

    app.add_exception_handler(ServiceError, refuse)
    permitted = require("admin")
    assert getattr(permitted, "required_scope", None) == "admin"

    async def route(principal: Principal = Depends(permitted)) -> dict[str, Any]:  # noqa: B008
        return {"tenant": principal.tenant}

    app.get("/")(route)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        for _ in range(times - 1):
            await client.get("/", headers=headers)
        return await client.get("/", headers=headers)


async def test_a_route_asks_for_its_scope(path: Path) -> None:
    admin, admin_key = new_key("acme", frozenset({"admin"}))
    infer, infer_key = new_key("acme", frozenset({"infer", "metrics"}))
    ring = ring_of(path, admin, infer)
    assert (await ask(ring, admin_key)).json() == {"tenant": "acme"}
    refused = await ask(ring, infer_key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    assert (await ask(ring, None)).status_code == 401
    assert (await ask(KeyRing.open(), None)).status_code == 200


async def test_a_right_key_passes_however_often_its_neighbours_failed(path: Path) -> None:
    record, key = new_key("acme", frozenset({"admin"}))
    ring = ring_of(path, record)
    assert (await ask(ring, "wrong", times=3)).status_code == 429
    assert (await ask(ring, key, times=5)).status_code == 200


def test_the_command_line_makes_lists_revokes_and_rotates(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> str:
        assert main([*arguments, "--file", str(path)]) == 0
        return capsys.readouterr().out.strip()

    first = run("add", "--tenant", "acme", "--scope", "infer", "--scope", "admin", "--expires", "90d")
    key_id = first.split("_")[1]
    assert KeyRing.load(path).authenticate(f"Bearer {first}").scopes == {"infer", "admin"}
    second = run("rotate", key_id, "--overlap", "24h")
    ring = KeyRing.load(path)
    assert ring.authenticate(f"Bearer {first}").tenant == ring.authenticate(f"Bearer {second}").tenant
    old = next(key for key in read_keys(path) if key.id == key_id)
    assert old.expires
    assert timedelta(hours=23) < old.expires - datetime.now(UTC) <= timedelta(hours=24)
    listing = run("list")
    assert key_id in listing
    assert first not in listing
    assert first.split("_", 2)[2] not in listing + path.read_text()
    run("revoke", key_id)
    with pytest.raises(UnauthorizedError):
        KeyRing.load(path).authenticate(f"Bearer {first}")
    assert KeyRing.load(path).authenticate(f"Bearer {second}")
    assert "revoked" in run("list")


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "--tenant", "Bad Tenant", "--scope", "infer"],
        ["revoke", "nosuchid"],
        ["rotate", "nosuchid"],
    ],
)
def test_the_command_line_says_what_is_wrong(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    write_keys(path, ())
    assert main([*arguments, "--file", str(path)]) == 1
    assert capsys.readouterr().err.strip()
    assert read_keys(path) == ()


def test_rotating_never_lengthens_a_life_nor_revives_a_key(path: Path) -> None:
    soon, _ = new_key(
        "acme", frozenset({"infer"}), (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    )
    gone, _ = new_key("acme", frozenset({"infer"}))
    write_keys(path, (soon, gone.model_copy(update={"revoked": True})))
    assert main(["rotate", soon.id, "--overlap", "24h", "--file", str(path)]) == 0
    assert next(key for key in read_keys(path) if key.id == soon.id).expires == soon.expires
    assert main(["rotate", gone.id, "--file", str(path)]) == 1


@pytest.mark.parametrize(
    ("text", "span"), [("90d", 90 * DAY), ("24h", DAY), ("30m", DAY / 48), ("0s", 0 * DAY)]
)
def test_durations(text: str, span: timedelta) -> None:
    assert duration(text) == span
