"""From a problem to the body of a request.

Python functions, route RAW: EvalPlus' chat prompt, which Qwen2.5-Coder's published figures for HumanEval(+) and
MBPP(+) use: the question, then the answer begun with one sentence and an open fence, sent as text with the chat
template spelt out. Differences from EvalPlus 0.3: of its stop strings we send four (the service's bound); the others
are special tokens that end an answer anyway, or strings that the extraction cuts.

Programs from stdin (CodeContests, APPS): the prompt of Qwen2.5-Coder's LiveCodeBench evaluation. Other languages:
the prompt of its MultiPL-E evaluation (`chat`), with the system message used there. Differences: at most 1,024
tokens (there: 2,000 and 1,024), no few-shot examples for MBPP (EvalPlus has none either).

Route CHAT: EvalPlus' prompt for OpenAI models, which leaves the answer's beginning to the model. Route GENERATE: the
question goes into `prompt` and the service lays it out; its prompt is not EvalPlus', so compare this route with
itself. Route PARTS: the same with a Python task's words, signature and examples in fields of
their own. Infilling: /v1/completions with `suffix`; the service writes the FIM template.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Final

from evaluation.arms import Arm, Route
from evaluation.problems import Form, Problem
from evaluation.python_syntax import python_expression
from evaluation.task_parts import fields_of

INSTRUCTION: Final = (
    "Please provide a self-contained Python script that solves the following problem "
    "in a markdown code block:"
)
RESPONSE: Final = (
    "Below is a Python script with a self-contained function that solves the problem "
    "and passes corresponding tests:"
)
STOP: Final = ("\n```\n", "\nif __name__", "\ndef main(", "\nprint(")
_QWEN_SYSTEM: Final = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
_SYSTEM: Final = "You are a helpful assistant."
_PROGRAM: Final = (
    "You will be given a question (problem specification) and will generate a correct Python program that matches "
    "the specification and passes all tests. You will NOT return anything except for the program.\n\n"
    "Question: {question}\n\n"
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample "
    "inputs). Enclose your code within delimiters as follows.\n```python\n# YOUR CODE HERE\n```\n\n"
)
_COMPLETE: Final = (
    "Please continue to complete the function and return all completed code in a codeblock. "
    "Here is the given code to do completion:\n```{language}\n{code}\n```"
)
_MAX_TOKENS: Final = {Form.FUNCTION: 768, Form.INSTRUCTION: 768, Form.PROGRAM: 1024, Form.INFILL: 256}
# The service's default bounds.
_MAX_EXAMPLES: Final = 16
_MAX_CALL_CHARS: Final = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a path below the base URL and a JSON body."""

    path: str
    body: dict[str, Any]


def request_for(
    problem: Problem, arm: Arm, temperature: float, seed: int, max_tokens: int | None = None
) -> Request:
    """Lay out one sample's request. The arm's overrides come last, but for the temperature: that is the run's."""
    request = _layout(problem, arm.route)
    request.body.update(
        temperature=temperature, seed=seed, max_tokens=max_tokens or _MAX_TOKENS[problem.form]
    )
    overrides = dict(arm.overrides)
    if overrides.get("select") == "examples":
        examples = runnable_examples(problem)
        request.body["examples"] = [{"input": a, "output": b} for a, b in examples]
        if problem.form is Form.PROGRAM:
            request.body["examples_form"] = "stdin"
        if not examples:
            # Nothing to select by: the likeliest candidate, as the service does among equals.
            overrides["select"] = "logprob"
    overrides.pop("temperature", None)
    request.body.update(overrides)
    return request


def runnable_examples(problem: Problem) -> tuple[tuple[str, str], ...]:
    """Give the examples that the service can run, within its bounds: of a function, those that are a call and a value.

    HumanEval's docstrings hold seven that are neither (`>>> f([]) == None`, with no line of its own below).
    """
    runnable = problem.examples
    if problem.form is not Form.PROGRAM:
        runnable = tuple((call, value) for call, value in runnable if _is_call(call) and _parses(value))
        runnable = tuple(pair for pair in runnable if max(map(len, pair)) <= _MAX_CALL_CHARS)
    return runnable[:_MAX_EXAMPLES]


def _is_call(text: str) -> bool:
    return _parses(text) and any(isinstance(node, ast.Call) for node in ast.walk(python_expression(text)))


def _parses(text: str) -> bool:
    try:
        python_expression(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _layout(problem: Problem, route: Route) -> Request:
    if route in (Route.GENERATE, Route.PARTS):
        parts = fields_of(problem, runnable_examples(problem)) if route is Route.PARTS else {}
        return Request("/generate", {**_generate_body(problem), **parts})
    if problem.form is Form.INFILL:
        # Qwen's template reads a cut as the end of the file: a blank suffix is sent as it is.
        return Request("/v1/completions", {"prompt": problem.prompt, "suffix": problem.suffix})
    if route is Route.CHAT:
        messages = [{"role": "user", "content": _chat_question(problem)}]
        return Request("/v1/chat/completions", {"messages": messages})
    return Request("/v1/completions", _raw_body(problem))


def _generate_body(problem: Problem) -> dict[str, Any]:
    if problem.form is Form.INFILL:
        return {"prefix": problem.prompt, "suffix": problem.suffix, "language": problem.language}
    return {"prompt": _question(problem), "language": problem.language}


def _raw_body(problem: Problem) -> dict[str, Any]:
    if _is_evalplus(problem):
        text = f"{_chatml(_QWEN_SYSTEM, _question(problem))}{RESPONSE}\n```python\n"
        return {"prompt": text, "stop": list(STOP)}
    if problem.form is Form.PROGRAM:
        return {"prompt": _chatml(_SYSTEM, f"\n{_question(problem)}")}
    return {"prompt": _chatml(_SYSTEM, _question(problem))}


def _is_evalplus(problem: Problem) -> bool:
    return problem.language == "python" and problem.form in (Form.FUNCTION, Form.INSTRUCTION)


def _question(problem: Problem) -> str:
    if problem.form is Form.PROGRAM:
        return _PROGRAM.format(question=problem.prompt)
    if _is_evalplus(problem):
        return f"{INSTRUCTION}\n```\n{problem.prompt.strip()}\n```\n"
    return _COMPLETE.format(language=problem.language, code=problem.prompt.strip())


def _chat_question(problem: Problem) -> str:
    if _is_evalplus(problem):
        return f"{INSTRUCTION}\n```python\n{problem.prompt.strip()}\n```"
    return _question(problem)


def _chatml(system: str, user: str) -> str:
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    )
