"""From a request's examples to what the sandbox is asked: which languages, which form, which text.

    calls   Python, JavaScript, TypeScript: `input` is an expression that calls the code, `output` one for its value
    stdin   every language of the sandbox: `input` is typed in, `output` must be printed

Only a scripting language can evaluate an expression of the caller's without knowing its type: elsewhere the code has
to be a whole program. Runs nothing.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandbox import LANGUAGES
from service.errors import BadRequestError
from service.schemas.generate import Example, ExamplesForm, GenerateRequest
from service.validation import quoted

SUPPORTED: Final[dict[ExamplesForm, tuple[str, ...]]] = {
    "calls": ("python", "javascript", "typescript"),
    "stdin": tuple(LANGUAGES),
}
"""Which languages run in which form, where the machine has their toolchain."""

# Parsing an expression of this length takes a millisecond at worst; a longer input belongs into stdin.
MAX_CALL_CHARS: Final = 2048


@dataclass(frozen=True, slots=True)
class ExampleTask:
    """Examples that can be run."""

    language: str
    form: ExamplesForm
    examples: tuple[Example, ...]


def example_task(request: GenerateRequest, language: str) -> ExampleTask:
    """Give what is to be run for a request that selects by examples. Raises BadRequestError."""
    form = request.examples_form
    if not request.examples:
        raise BadRequestError('select "examples": expected at least one of `examples`.', param="examples")
    if language not in SUPPORTED[form]:
        known = "; ".join(f"{name}: {', '.join(languages)}" for name, languages in SUPPORTED.items())
        raise BadRequestError(
            f'select "examples" runs ({known}); got {quoted(language)} as {form}.',
            param="language",
            code="unsupported_language",
        )
    for number, example in enumerate(request.examples):
        for name, text in (("input", example.input), ("output", example.output)):
            _check_text(text, f"examples.{number}.{name}", form, language)
    return ExampleTask(language, form, tuple(request.examples))


def tests_of(examples: Sequence[Example], language: str) -> str:
    """Write examples of the form `calls` as tests that fail at the first that is wrong."""
    return "".join(_TESTS[language].format(input=each.input, output=each.output) for each in examples)


# On lines of their own, so that a comment at the end of an expression ends with it.
_JAVASCRIPT: Final = (
    'process.getBuiltinModule("node:assert").deepStrictEqual((\n{input}\n), (\n{output}\n));\n'
)
_TESTS: Final = {
    "python": "assert (\n{input}\n) == (\n{output}\n)\n",
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
}


def _check_text(text: str, param: str, form: ExamplesForm, language: str) -> None:
    if form == "stdin":
        return
    if len(text) > MAX_CALL_CHARS:
        raise BadRequestError(
            f"{param}: expected at most {MAX_CALL_CHARS} characters to be run; got {len(text)}.", param=param
        )
    if "\0" in text or not text.strip():
        raise BadRequestError(f"{param}: expected an expression; got {quoted(text)}.", param=param)
    if language == "python":
        tree = _python_expression(text)
        needs_call = param.endswith("input")
        if tree is None or (needs_call and not any(isinstance(node, ast.Call) for node in ast.walk(tree))):
            kind = "that calls the code, as f(1, 2)," if needs_call else "for its value"
            raise BadRequestError(
                f'{param}: expected a Python expression {kind} to be run (or examples_form "stdin"); got '
                f"{quoted(text)}.",
                param=param,
            )


def _python_expression(text: str) -> ast.Expression | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
