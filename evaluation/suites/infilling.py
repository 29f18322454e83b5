"""HumanEval infilling (Bavarian et al. 2022): a line, lines or a span cut out of a reference solution."""

from __future__ import annotations

from collections.abc import Callable

from evaluation.problems import AssertCode, Form, Problem, Row, text_of


def infilling(suite: str) -> Callable[[Row], Problem]:
    """Give the reader of one of the infilling files."""

    def read(row: Row) -> Problem:
        prompt, suffix, entry_point = (text_of(row, f) for f in ("prompt", "suffix", "entry_point"))
        return Problem(
            suite=suite,
            task_id=text_of(row, "task_id"),
            language="python",
            form=Form.INFILL,
            prompt=prompt,
            checks=AssertCode(f"{text_of(row, 'test')}\n\ncheck({entry_point})\n"),
            entry_point=entry_point,
            reference=prompt + text_of(row, "canonical_solution") + suffix,
            suffix=suffix,
        )

    return read
