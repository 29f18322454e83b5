"""One engine in this process, given batches of prompts with knobs; prints what came out, to the last bit, as JSON.

Run by test_steering.py, once per engine:  python tests/model/steering_arms.py <model> <vectors, or -> <options>
Standard input: {"batches": [[{"prompt", "knobs", "seed"}, ...], ...], "engine": {...}, "max_tokens": n}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from adapters import StyleLibrary
from service.engine_plan import plan
from service.hardware import detect
from service.model_shape import ModelShape
from service.settings import load_settings
from service.steering_spec import EXTRA_KEY, SteeringSpec
from service.styles import LoadedStyles


def main() -> None:
    model, vectors = Path(sys.argv[1]), sys.argv[2]
    job: dict[str, Any] = json.load(sys.stdin)
    library = StyleLibrary() if vectors == "-" else StyleLibrary.load(Path(vectors))
    styles = LoadedStyles(Path(vectors) if library else None, library)
    settings = load_settings(
        None, {"engine.max_model_len": 512, "engine.kv_cache_bytes": 1 << 28, **job["engine"]}, {}
    )
    resolved = plan(settings, ModelShape.from_folder(model), detect(), styles)
    # In this process: it starts in half the time.
    os.environ.update({**resolved.environment, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"})
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt

    arguments: dict[str, Any] = {**resolved.engine_args(model), "distributed_executor_backend": "uni"}
    del arguments["enable_log_requests"]  # of the asynchronous engine alone
    engine = LLM(**arguments)
    tokenizer = engine.get_tokenizer()

    def spec_of(request: dict[str, Any]) -> SteeringSpec | None:
        mix = library.mix(request["knobs"])
        return SteeringSpec(mix, library.digest) if mix else None

    results: list[list[dict[str, Any]]] = []
    for batch in job["batches"]:
        prompts: list[Any] = []
        params: list[SamplingParams] = []
        for request in batch:
            spec = spec_of(request)
            ids = tokenizer.encode(request["prompt"])
            prompts.append(TokensPrompt(prompt_token_ids=ids, cache_salt=spec.salt if spec else "plain"))
            seed = request.get("seed")
            params.append(
                SamplingParams(
                    temperature=0.0 if seed is None else 1.0,
                    seed=seed,
                    max_tokens=job["max_tokens"],
                    # All sequences of a batch stay in it to the end: then the shapes of two engines' steps are equal.
                    ignore_eos=True,
                    logprobs=5,
                    extra_args={EXTRA_KEY: spec.to_wire()} if spec else None,
                )
            )
        outputs = engine.generate(prompts, params, use_tqdm=False)
        results.append([_result(output) for output in outputs])
    print("RESULT" + json.dumps(results))  # noqa: T201 - vLLM writes to standard output, too


def _result(output: Any) -> dict[str, Any]:
    (candidate,) = output.outputs
    return {
        "tokens": list(candidate.token_ids),
        "logprobs": [{str(t): found.logprob for t, found in step.items()} for step in candidate.logprobs],
        "cached": output.num_cached_tokens,
        "text": candidate.text,
    }


if __name__ == "__main__":
    main()
