"""What `POST /generate` answers at its end."""

from __future__ import annotations

import math
import time

from service.answers import Answer
from service.generate_job import Choice, Job, Progress
from service.schemas.common import Usage
from service.schemas.generate import Candidate, CandidateReport, GenerateResponse, PromptReport, Timings
from service.styles import report
from service.syntax_report import syntax_report


def generate_report(
    model: str, job: Job, answers: list[Answer], choice: Choice, progress: Progress
) -> GenerateResponse:
    """Say all of it."""
    best = answers[choice.index]
    prompt_tokens = len(job.prompt.token_ids)
    completion_tokens = job.stage_tokens + sum(answer.num_tokens for answer in answers)
    first_token = progress.first_token_seconds
    return GenerateResponse(
        id=job.request_id,
        model=model,
        language=job.language.name,
        code=best.code,
        finish_reason=best.finish_reason,
        syntax=syntax_report(job.syntax, [progress.syntax], is_valid=progress.is_valid),
        retrieved=job.retrieval.chunks(job.prompt.snippets) if job.retrieval else [],
        retrieval=job.retrieval.report(job.prompt.snippets) if job.retrieval else None,
        steering=report(job.steering),
        candidates=_candidates(job, answers, choice),
        prompt=PromptReport(
            trimmed_prefix_chars=job.prompt.trimmed_prefix_chars,
            trimmed_suffix_chars=job.prompt.trimmed_suffix_chars,
            stages=job.num_stages,
        ),
        usage=Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
            cached_tokens=progress.cached_tokens,
        ),
        timings_ms=Timings(
            queue=_ms(progress.queue_seconds),
            retrieve=_ms(job.retrieval.seconds) if job.retrieval else 0.0,
            examples=_ms(choice.seconds),
            first_token=None if first_token is None else _ms(first_token),
            total=_ms(time.monotonic() - job.started),
            mask_p50_us=progress.syntax.median_fill_microseconds if progress.syntax else 0.0,
            mask_max_us=round(progress.syntax.max_fill_microseconds, 1) if progress.syntax else 0.0,
        ),
    )


def _candidates(job: Job, answers: list[Answer], choice: Choice) -> CandidateReport:
    passed: list[int | None] = choice.passed or [None] * len(answers)
    wanted = len(job.request.examples)
    return CandidateReport(
        generated=len(answers),
        passed_examples=None if choice.passed is None else passed.count(wanted),
        chosen=choice.index,
        each=[
            Candidate(
                passed_examples=count,
                mean_logprob=answer.mean_logprob if math.isfinite(answer.mean_logprob) else None,
                finish_reason=answer.finish_reason,
                code=answer.code if job.request.return_candidates else None,
            )
            for answer, count in zip(answers, passed, strict=True)
        ],
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
