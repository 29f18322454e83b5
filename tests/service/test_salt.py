"""Who shares cached prompt beginnings: a tenant with itself, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine import GenerationRequest, OpenAICall
from service.salt import CacheSalts
from tests.conftest import KeyFile, Serve

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3))
def test_equal_parts_and_only_those_share(one: list[str], other: list[str]) -> None:
    salts = CacheSalts("secret")
    assert (salts.salt(*one) == salts.salt(*other)) is (one == other)


@pytest.mark.parametrize("other", [("ab", "c"), ("abc",), ("a", "b", "c"), ("", "abc"), ("bc", "a")])
def test_parts_that_join_to_the_same_text_do_not_share(other: tuple[str, ...]) -> None:
    salts = CacheSalts("secret")
    assert salts.salt(*other) != salts.salt("a", "bc")


@given(NAMES)
def test_a_salt_does_not_name_its_tenant(tenant: str) -> None:
    salt = CacheSalts("secret").salt(tenant)
    assert len(salt) == 64
    assert len(tenant) < 4 or tenant not in salt


def test_a_salt_depends_on_the_secret() -> None:
    assert CacheSalts("a").salt("acme") != CacheSalts("b").salt("acme")
    assert CacheSalts("a").salt("acme") == CacheSalts("a").salt("acme")


def test_without_a_secret_salts_say_nothing_across_restarts() -> None:
    assert CacheSalts().salt("acme") != CacheSalts().salt("acme")


BODIES: dict[str, dict[str, Any]] = {
    "/generate": {"prompt": "x"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
}


async def test_a_tenant_has_one_salt_over_keys_and_routes(in_process: Serve, key_file: KeyFile) -> None:
    keys = {"acme": [key_file.add("acme"), key_file.add("acme")], "umbrella": [key_file.add("umbrella")]}
    salts: dict[str, set[str]] = {}
    async with in_process(access__keys_file=key_file.path) as service:
        for tenant, headers in keys.items():
            for header in headers:
                for path, body in BODIES.items():
                    assert (await service.client.post(path, json=body, headers=header)).status_code == 200
            salts[tenant] = {request.cache_salt for request in service.engine.requests}
            service.engine.requests.clear()
    assert all(len(of_tenant) == 1 for of_tenant in salts.values())
    assert salts["acme"] != salts["umbrella"]


async def test_a_configured_secret_makes_salts_that_last(in_process: Serve) -> None:
    salts: list[str] = []
    for _ in range(2):
        async with in_process(access__cache_secret="a secret") as service:
            await service.client.post("/generate", json={"prompt": "x"})
            salts += [request.cache_salt for request in service.engine.requests]
    assert salts[0] == salts[1]


@pytest.mark.parametrize("path", BODIES)
async def test_no_request_reaches_the_engine_without_a_salt(in_process: Serve, path: str) -> None:
    async with in_process() as service:
        await service.client.post(path, json=BODIES[path])
        (request,) = service.engine.requests
    assert isinstance(request, GenerationRequest | OpenAICall)
    assert len(request.cache_salt) == 64
