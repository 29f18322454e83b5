"""docker/nginx/nginx.conf at work: nginx itself in front of two services with a FakeEngine."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from service.fake_engine import FakeEngine
from service.lifecycle import State
from tests.conftest import Running, Serve

CONFIG = Path(__file__).resolve().parent.parent / "docker/nginx/nginx.conf"
WORDS = 20
ASK = {"prompt": "Add one.", "language": "python"}


def executable() -> str:
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    return path


def here(config: str, folder: Path, port: int, replicas: list[int]) -> str:
    """Put the ports and folders of this machine in the place of the containers'.

    `resolve` goes with its name server: nginx before 1.27.3 knows it only in its paid edition, and there are no names
    left to resolve.
    """
    for number, replica in enumerate(replicas, start=1):
        assert f"server replica-{number}:8000 resolve " in config
        config = config.replace(f"server replica-{number}:8000 resolve ", f"server 127.0.0.1:{replica} ")
    config, num_resolvers = re.subn(r"\n *resolver [^;]+;", "", config)
    assert num_resolvers == 1
    config = config.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    config = re.sub(r"(\s)/tmp/", rf"\1{folder}/", config)
    return config.replace("/dev/stdout", f"{folder}/access.log").replace("/dev/stderr", f"{folder}/error.log")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@asynccontextmanager
async def nginx(folder: Path, replicas: list[int]) -> AsyncGenerator[httpx.AsyncClient]:
    """Run nginx in front of two ports; give a client that talks to it."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(here(CONFIG.read_text(), folder, port, replicas))
    # pytest's folders are closed to the user that nginx's workers would become.
    command = (executable(), "-p", str(folder), "-c", str(config), "-g", "daemon off; user root;")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    limits = httpx.Limits(max_connections=400)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, limits=limits
        ) as client:
            await alive(client)
            yield client
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def alive(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await client.get("/-/alive")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                return


@dataclass
class Site:
    client: httpx.AsyncClient
    replicas: list[Running]
    folder: Path

    async def ask(self, key: str, **more: object) -> httpx.Response:
        return await self.client.post("/generate", json={**ASK, **more}, headers={"Authorization": key})

    def served(self) -> list[int]:
        return [len(replica.engine.requests) for replica in self.replicas]


Sites = AsyncGenerator[Site]


@pytest.fixture
async def site(over_socket: Serve, tmp_path: Path) -> Sites:
    executable()
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(
                over_socket(FakeEngine(), access__requests_per_minute=0, server__drain_seconds=5.0)
            )
            for _ in range(2)
        ]
        client = await stack.enter_async_context(nginx(tmp_path, [replica.port for replica in replicas]))
        yield Site(client, replicas, tmp_path)


def stop(replica: Running) -> None:
    assert replica.server
    replica.server.stop()


async def end(replica: Running) -> None:
    stop(replica)
    assert replica.exit_code
    assert await asyncio.wait_for(asyncio.shield(replica.exit_code), 10) == 0


async def test_configuration_is_valid(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text(here(CONFIG.read_text(), tmp_path, 8080, [8001, 8002]))
    status, output = await run(executable(), "-t", "-p", str(tmp_path), "-c", str(config))
    assert status == 0, output


@pytest.mark.slow
async def test_stream_passes_token_by_token(site: Site) -> None:
    for replica in site.replicas:
        replica.engine.script, replica.engine.token_seconds = "x = 1\n" * (WORDS // 3) + "```", 0.05
    begun, arrivals = time.monotonic(), list[float]()
    async with site.client.stream("POST", "/generate", json={**ASK, "stream": True}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                arrivals.append(time.monotonic() - begun)
    assert len(arrivals) > WORDS // 2
    assert arrivals[0] < arrivals[-1] / 2
    assert arrivals[-1] - arrivals[0] > 0.05 * WORDS / 2


@pytest.mark.slow
async def test_burst_from_one_address_gets_429(site: Site) -> None:
    answers = await asyncio.gather(*(site.client.get("/healthz") for _ in range(300)))
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {200, 429}
    assert counts[200] >= 100
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.slow
async def test_one_key_meets_one_replica_and_many_keys_meet_both(site: Site) -> None:
    for _ in range(8):
        assert (await site.ask("Bearer one")).status_code == 200
    assert sorted(site.served()) == [0, 8]
    for number in range(24):
        assert (await site.ask(f"Bearer {number}")).status_code == 200
    assert min(site.served()) >= 4


@pytest.mark.slow
async def test_no_request_fails_while_a_replica_drains_and_ends(site: Site) -> None:
    leaving, staying = site.replicas
    leaving.engine.script, leaving.engine.token_seconds = "x = 1\n" * 10, 0.05
    async with leaving.client.stream("POST", "/generate", json={**ASK, "stream": True}) as stream:
        assert stream.status_code == 200
        stop(leaving)
        before = len(staying.engine.requests)
        answers = [await site.ask(f"Bearer {number}") for number in range(16)]
        assert {answer.status_code for answer in answers} == {200}
        assert len(staying.engine.requests) == before + 16
        assert (await stream.aread()).endswith(b"data: [DONE]\n\n")
    await end(leaving)
    answers = [await site.ask(f"Bearer {number}") for number in range(16)]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.slow
async def test_full_replica_hands_on_and_is_asked_again(site: Site) -> None:
    """A 503 must not take a replica out: when both are full for a moment, both are back a moment later."""
    for replica in site.replicas:
        replica.lifecycle._state = State.STARTING  # pyright: ignore[reportPrivateUsage]
    refused = await site.ask("Bearer one")
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "starting"
    assert int(refused.headers["retry-after"]) > 0
    for replica in site.replicas:
        replica.lifecycle.mark_ready()
    for number in range(8):
        assert (await site.ask(f"Bearer {number}")).status_code == 200
    assert min(site.served()) >= 1


@pytest.mark.slow
async def test_what_nginx_refuses_reads_like_the_service(site: Site) -> None:
    cases = {
        "payload_too_large": await site.client.post("/generate", content=b"x" * (1 << 20 | 1)),
        "not_found": await site.client.get("/metrics"),
        "bad_request": await site.client.get("/healthz", headers={"X-Long": "x" * 9000}),
    }
    for replica in site.replicas:
        await end(replica)
    cases["unavailable"] = await site.ask("Bearer one")
    assert {code: answer.status_code for code, answer in cases.items()} == {
        "payload_too_large": 413, "not_found": 404, "bad_request": 400, "unavailable": 503,
    }  # fmt: skip
    for code, answer in cases.items():
        assert answer.json()["error"]["code"] == code
        assert answer.headers["content-type"] == "application/json"
    assert cases["unavailable"].headers["retry-after"] == "5"


@pytest.mark.slow
async def test_request_id_is_one_from_end_to_end(site: Site) -> None:
    named = await site.client.get("/healthz", headers={"X-Request-Id": "mine-1"})
    unnamed = await site.client.get("/healthz?token=canary")
    lines = [json.loads(line) for line in (site.folder / "access.log").read_text().splitlines()]
    assert named.headers["x-request-id"] == "mine-1"
    assert [line["request_id"] for line in lines[-2:]] == ["mine-1", unnamed.headers["x-request-id"]]
    assert "canary" not in (site.folder / "access.log").read_text()
