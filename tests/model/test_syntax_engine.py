"""The mask where the engine does what it seldom does: preemption, a draft model.

Engines of their own in float32, so that what a batch's size does to bfloat16 sums plays no part in what is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from grammar import can_end, load_language
from model_store import find_model
from service.syntax_spec import SyntaxSpec
from tests.model.conftest import MODEL, ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]

Request = dict[str, Any]
BEGINNINGS = {
    "python": '"""Lists of numbers."""\n\n\ndef total(numbers):\n    result = 0\n',
    "java": "import java.util.List;\n\npublic class Numbers {\n    static int total(List<Integer> numbers) {\n",
    "go": "package main\n\n// total adds numbers.\nfunc total(numbers []int) int {\n\tresult := 0\n",
}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def masked(language: str, max_tokens: int, seed: int | None = None, head: str = "") -> Request:
    prefix = head + BEGINNINGS[language]
    spec = SyntaxSpec(language, "continuation", prefix)
    return {"prompt": prefix, "grammar": spec.to_grammar(), "max_tokens": max_tokens, "seed": seed}


def model_folder() -> str:
    folder = find_model(MODEL)
    assert folder is not None, f"fetch {MODEL} first"
    return str(folder)


def run(batches: list[list[Request]], *, more: Any = None, **engine: Any) -> dict[str, Any]:
    options = {f"engine.{name}": value for name, value in engine.items()}
    job = {
        "engine": {"engine.dtype": "float32", **options},
        "more": more or {},
        "batches": batches,
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/model/mask_arms.py"), model_folder()],
        input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "RESULT" in line]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(lines[0].partition("RESULT")[2])


def check(batch: list[Request], results: list[dict[str, Any]]) -> None:
    for request, result in zip(batch, results, strict=True):
        if "grammar" not in request:
            continue
        language = json.loads(request["grammar"].partition("{")[2].partition(", ")[0].partition(": ")[2])
        text = request["prompt"] + result["text"]
        assert can_end(load_language(language), text.encode()), text
        assert result["degraded"] is None
        # The last report came with the last token, and counts each token once.
        assert result["counted"] == len(result["tokens"])


def tokens(results: list[dict[str, Any]]) -> list[list[int]]:
    return [result["tokens"] for result in results]


@pytest.mark.parametrize("guessed", [0, 4])
def test_preempted_answers_are_what_they_are_without(guessed: int) -> None:
    # Prompts of about 100 tokens that share nothing; the cache holds 682, and each answer wants 60 more.
    heads = {"python": "# {0}: {0}\n", "java": "// {0}: {0}\n", "go": "// {0}: {0}\n"}
    together = [
        masked(language, 60, seed, heads[language].format(f"{n} of {language} " * 12))
        for n, (language, seed) in enumerate(
            [("python", None), ("java", None), ("go", None), ("python", 1), ("java", 2), ("go", 3)]
        )
    ]
    # Two at a time there is room for all.
    pairs = [together[i : i + 2] for i in range(0, len(together), 2)]
    result = run([*pairs, together], kv_cache_bytes=1 << 24, speculative_ngram_tokens=guessed, max_num_seqs=8)
    *paired, batch = result["batches"]
    assert [each["preempted"] for each in result["steps"][:-1]] == [0, 0, 0]
    assert result["steps"][-1]["preempted"] > 0
    singles = [one for pair in paired for one in pair]
    check(together, singles)
    check(together, batch)
    # What is drawn behind a guess takes other random numbers than what is drawn without, and preemption drops guesses.
    same = [0, 1, 2] if guessed else range(len(together))
    assert [batch[i]["tokens"] for i in same] == [singles[i]["tokens"] for i in same]


def mixed_batch() -> list[Request]:
    budgets = [9, 24, 60]
    return [
        *(masked(language, n, seed) for language in BEGINNINGS for n, seed in zip(budgets, (None, 1, 2), strict=True)),
        {"prompt": "A number as JSON:", "json": json.dumps(SCHEMA), "max_tokens": 24},
        {"prompt": "def add(a, b):", "max_tokens": 24},
        {"prompt": "def add(a, b):", "max_tokens": 24, "seed": 5},
    ]  # fmt: skip


def test_a_draft_models_guesses_are_held_to_the_mask() -> None:
    batch = mixed_batch()
    draft = {"method": "draft_model", "model": model_folder(), "num_speculative_tokens": 3}
    more = {"speculative_config": draft}
    guessed = run([batch], more=more, kv_cache_bytes=1 << 27)
    assert guessed["metrics"]["vllm:spec_decode_num_accepted_tokens"] > 0
    check(batch, guessed["batches"][0])
