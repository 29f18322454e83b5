"""The mask with guessed tokens."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from grammar import can_end, load_language
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


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_greedy_answers_take_guesses_and_every_answer_is_a_program(
    guessing: Service, temperature: float
) -> None:
    before = guessing.metric("vllm:spec_decode_num_accepted_tokens_total")
    answer = generate(guessing, prefix=REPEATED, temperature=temperature, seed=1, max_tokens=100)
    accepted = guessing.metric("vllm:spec_decode_num_accepted_tokens_total") - before
    # With a temperature the mask takes no guesses: see docs/cgd.md.
    assert accepted > 0 if temperature == 0.0 else accepted == 0
    assert is_program("python", REPEATED + answer["code"])
    assert answer["syntax"]["valid"] is True
    assert answer["syntax"]["enforced"] is True
    assert answer["syntax"]["degraded"] is None


def test_guessing_changes_no_greedy_answer(guessing: Service) -> None:
    # A repetitive text has guesses refused by the mask as well: brackets that the copied line would leave open.
    request = {"prefix": REPEATED + "a=(1", "temperature": 0.0, "max_tokens": 60}
    masked = generate(guessing, **request)
    assert is_program("python", request["prefix"] + masked["code"])
    again = generate(guessing, **request)
    assert again["code"] == masked["code"]


@pytest.mark.parametrize("language", ["python", "java", "go"])
def test_budgets_end_in_programs_with_guesses_too(guessing: Service, language: str) -> None:
    task = "Write ten small functions add_0 to add_9 that each add their number."
    answers = [
        generate(guessing, prompt=task, language=language, temperature=0.7, seed=n, max_tokens=n)
        for n in (12, 31, 77)
    ]
    for answer in answers:
        assert is_program(language, answer["code"]), answer["code"]
