"""One engine in this process, given batches of masked and other requests; prints what came out as JSON.

Run by test_syntax_engine.py, once per engine:  python tests/model/mask_arms.py <model>
Standard input: {"engine": {...}, "more": {...}, "batches": [[{...}, ...], ...]}, requests as `_params` takes them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from service.engine_plan import plan
from service.hardware import detect
from service.model_shape import ModelShape
from service.settings import load_settings
from service.syntax_spec import REPORT_KEY, SyntaxCounts


def main() -> None:
    model = Path(sys.argv[1])
    job: dict[str, Any] = json.load(sys.stdin)
    settings = load_settings(None, {"engine.max_model_len": 512, **job["engine"]}, {})
    resolved = plan(settings, ModelShape.from_folder(model), detect())
    os.environ.update({**resolved.environment, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"})
    from vllm import LLM
    from vllm.inputs import TokensPrompt

    arguments: dict[str, Any] = {
        **resolved.engine_args(model),
        "distributed_executor_backend": "uni",
        "disable_log_stats": False,
        **job["more"],
    }
    del arguments["enable_log_requests"]  # of the asynchronous engine alone
    engine: Any = LLM(**arguments)
    tokenizer = engine.get_tokenizer()
    batches: list[list[dict[str, Any]]] = []
    steps: list[dict[str, float]] = []
    for batch in job["batches"]:
        prompts: list[Any] = [
            TokensPrompt(prompt_token_ids=tokenizer.encode(request["prompt"])) for request in batch
        ]
        outputs = engine.generate(prompts, [_params(request) for request in batch], use_tqdm=False)
        batches.append([_result(output) for output in outputs])
        preempted = _metrics(engine)["vllm:num_preemptions"]
        steps.append({"preempted": preempted - sum(step["preempted"] for step in steps)})
    result = {
        "batches": batches,
        "steps": steps,
        "metrics": _metrics(engine),
    }
    print("RESULT" + json.dumps(result))  # noqa: T201 - vLLM writes to standard output, too


def _metrics(engine: Any) -> dict[str, float]:
    return {metric.name: metric.value for metric in engine.get_metrics() if hasattr(metric, "value")}


def _params(request: dict[str, Any]) -> Any:
    """Give the parameters of {"prompt", "grammar" or "json", "seed", "max_tokens"}; a seed means temperature 1."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    seed, kinds = request.get("seed"), {k: request[k] for k in ("grammar", "json") if k in request}
    return SamplingParams(
        temperature=0.0 if seed is None else 1.0,
        seed=seed,
        max_tokens=request["max_tokens"],
        structured_outputs=StructuredOutputsParams(**kinds) if kinds else None,
    )


def _result(output: Any) -> dict[str, Any]:
    (candidate,) = output.outputs
    values = (output.kv_transfer_params or {}).get(REPORT_KEY)
    counts = SyntaxCounts.from_wire(values) if values else None
    return {
        "tokens": list(candidate.token_ids),
        "text": candidate.text,
        "reason": candidate.finish_reason,
        "counted": counts and counts.tokens,
        "degraded": counts and counts.degraded,
        "closing_forced": counts and counts.closing_forced,
    }


if __name__ == "__main__":
    main()
