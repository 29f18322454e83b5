"""The mask with guessed tokens."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from grammar import can_end, load_language
from service.fences import code_blocks
from tests.model.conftest import Service, running_service

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

# Completion of what repeats: the best case for n-grams.
REPEATED = "".join(f"def add_{n}(a, b):\n    return a + b + {n}\n\n\n" for n in range(6)) + "def add_6("
CONTEXT = 1024


@pytest.fixture(scope="module")
def guessing(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    with running_service(
        tmp_path_factory.mktemp("guessing"),
        engine__speculative_ngram_tokens=4,
        engine__max_model_len=CONTEXT,
    ) as service:
        yield service


def generate(service: Service, **request: Any) -> dict[str, Any]:
    with service.http() as client:
        response = client.post("/generate", json=request)
    assert response.status_code == 200, response.text
    return response.json()


def is_program(language: str, text: str) -> bool:
    return can_end(load_language(language), text.encode())


@contextmanager
def guesses_taken(service: Service) -> Generator[None]:
    """See to it that guesses were accepted within."""
    name = "vllm:spec_decode_num_accepted_tokens_total"
    before = service.metric(name)
    yield
    assert service.metric(name) > before


def together(calls: list[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(12) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def seeds(service: Service, num: int, **request: Any) -> list[dict[str, Any]]:
    return together([lambda seed=seed: generate(service, seed=seed, **request) for seed in range(num)])


@pytest.mark.parametrize(("temperature", "num"), [(0.0, 1), (0.7, 8), (1.0, 40)])
def test_answers_with_guesses_are_programs(guessing: Service, temperature: float, num: int) -> None:
    # With vLLM's own sampling on CPUs 3 of 24 were none at temperature 1: service/vllm_plugin/cpu_sampling.py.
    with guesses_taken(guessing):
        answers = seeds(guessing, num, prefix=REPEATED, temperature=temperature, max_tokens=100)
    for answer in answers:
        syntax = answer["syntax"]
        assert (syntax["enforced"], syntax["degraded"], syntax["valid"]) == (True, None, True)
        assert is_program("python", REPEATED + answer["code"]), answer["code"]


def test_drawn_tokens_are_of_the_requests_temperature(guessing: Service) -> None:
    # Just above zero the likeliest token is drawn; without a mask, so that nothing else is in play.
    request = {"prefix": REPEATED, "max_tokens": 60, "syntax": "off"}
    greedy = generate(guessing, temperature=0.0, **request)["code"]
    assert "return a + b" in greedy
    with guesses_taken(guessing):
        drawn = seeds(guessing, 6, temperature=0.01, **request)
    assert [answer["code"] for answer in drawn] == [greedy] * 6
    beside = together(
        [
            lambda: generate(guessing, temperature=0.0, **request),
            *(
                lambda seed=seed: generate(guessing, temperature=1.0, seed=seed, **request)
                for seed in range(5)
            ),
        ]
    )
    assert beside[0]["code"] == greedy


def test_chats_with_guesses_keep_their_fences(guessing: Service) -> None:
    messages = [{"role": "user", "content": f"Complete this, with a sentence:\n```python\n{REPEATED}\n```"}]
    body = {
        "messages": messages, "temperature": 1.0, "max_tokens": 100, "codefusion": {"syntax": "enforce"},
    }  # fmt: skip

    def ask(seed: int) -> dict[str, Any]:
        with guessing.http() as client:
            return client.post("/v1/chat/completions", json={**body, "seed": seed}).json()

    with guesses_taken(guessing):
        answers = together([lambda seed=seed: ask(seed) for seed in range(16)])
    for answer in answers:
        syntax = answer["codefusion"]["syntax"]
        assert (syntax["enforced"], syntax["degraded"], syntax["valid"]) == (True, None, True)
        for label, code, is_closed in code_blocks(answer["choices"][0]["message"]["content"]):
            assert is_closed
            assert label != "python" or is_program("python", code), code


def test_guessing_changes_no_greedy_answer(guessing: Service) -> None:
    # A repetitive text has guesses refused by the mask as well: brackets that the copied line would leave open.
    request = {"prefix": REPEATED + "a=(1", "temperature": 0.0, "max_tokens": 60}
    masked = generate(guessing, **request)
    assert is_program("python", request["prefix"] + masked["code"])
    again = generate(guessing, **request)
    assert again["code"] == masked["code"]


@pytest.mark.parametrize("language", ["python", "java", "go", "javascript", "tsx", "rust"])
def test_budgets_end_in_programs_with_guesses_too(guessing: Service, language: str) -> None:
    task = "Write ten small functions add_0 to add_9 that each add their number."
    answers = [
        answer
        for num in (12, 31, 77)
        for answer in seeds(guessing, 8, prompt=task, language=language, temperature=1.0, max_tokens=num)
    ]
    for answer in answers:
        assert is_program(language, answer["code"]), answer["code"]
        assert answer["syntax"]["degraded"] is None
