"""From pydantic's complaints to one sentence: the right field, what was expected, and nothing a user wrote."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from service.errors import BadRequestError
from service.schemas.generate import GenerateRequest
from service.schemas.openai import ChatCompletionBody, CompletionBody
from service.validation import quoted, to_bad_request

CANARY = "CANARY of a user"


def refusal(model: type[BaseModel], body: Any) -> BadRequestError:
    """Validate as FastAPI does and give the error a client gets."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    complaints = [{**item, "loc": ("body", *item["loc"])} for item in caught.value.errors(include_url=False)]
    return to_bad_request(RequestValidationError(complaints), body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"prompt": 5}, "prompt: expected a valid string; got 5."),
        ({"prompt": ["a"]}, "prompt: expected a valid string; got an array."),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens: expected greater than or equal to 1; got 0."),
        ({"prompt": "x", "max_tokens": None}, "max_tokens: expected a valid integer; got null."),
        ({"prompt": "x", "max_tokens": True}, "max_tokens: expected a valid integer; got true."),
        ({"prompt": "x", "max_tokens": {}}, "max_tokens: expected a valid integer; got an object."),
        ({"prompt": "x", "top_p": "high"}, "top_p: expected a valid number; got 'high'."),
        ({"prompt": "x", "syntax": "on"}, "syntax: expected 'enforce' or 'off'; got 'on'."),
        ({"prompt": "x", "nope": 1}, "nope: unknown field."),
        ({"prompt": "x", "examples": [{}]}, "examples.0.input: expected this field; it is missing."),
        ({"prompt": "x", "context": [1]}, "context: expected an object; got an array."),
        ({"prompt": "x", "verbosity": 3}, "verbosity: expected less than or equal to 1; got 3."),
        (
            {"prompt": "x", "verbosity": "loud"},
            "verbosity: expected 'minimal', 'normal' or 'detailed'; got 'loud'.",
        ),
        ({"prompt": "x", "retrieval": {"k": 99}}, "retrieval.k: expected less than or equal to 32; got 99."),
        ([], "body: expected an object; got an array."),
        ("x", "body: expected an object; got 'x'."),
        (None, "body: expected an object; got null."),
        ({"a": 1, "b": 2}, "a: unknown field. (1 more complaints.)"),
    ],
)
def test_a_complaint_is_one_sentence(body: Any, message: str) -> None:
    assert refusal(GenerateRequest, body).message == message


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        (GenerateRequest, {"prompt": "x", "body": 1}, "body"),
        (GenerateRequest, {"prompt": "x", "list[str]": 1}, "list[str]"),
        (GenerateRequest, {"prompt": "x", "stop": ["a", 1]}, "stop.1"),
        (GenerateRequest, {"prompt": "x", "retrieval": {"index": "../x"}}, "retrieval.index"),
        (GenerateRequest, {"prompt": "x", "retrieval": True}, "retrieval"),
        (GenerateRequest, {"prompt": "x", "style": {"RetrievalOptions": 5}}, "style.RetrievalOptions"),
        (CompletionBody, {"prompt": [1, "a"]}, "prompt.1"),
        (CompletionBody, {"prompt": [[1]]}, "prompt.0"),
        (CompletionBody, {"prompt": [2**40]}, "prompt.0"),
        (CompletionBody, {"prompt": "x", "logit_bias": {"a.b": 1}}, "logit_bias.a.b"),
        (ChatCompletionBody, {"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0.type"),
        (ChatCompletionBody, {"messages": [{"role": "user", "content": {"a": 1}}]}, "messages.0.content"),
        (ChatCompletionBody, {"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0"),
        (ChatCompletionBody, {"messages": [5]}, "messages.0"),
    ],
)
def test_the_path_is_the_clients_own(model: type[BaseModel], body: Any, param: str) -> None:
    assert refusal(model, body).param == param


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (10**39, "1" + "0" * 39),
        (10**40, "a number of 41 characters"),
        ("word", "'word'"),
        ("x" * 40, "'" + "x" * 40 + "'"),
        ("x" * 41, "a string of 41 characters"),
        ("two words", "a string of 9 characters"),
        ("\x1b[31m", "a string of 5 characters"),
        ("\u202eevil", "a string of 5 characters"),
        ([CANARY], "an array"),
        ({CANARY: 1}, "an object"),
    ],
)
def test_only_numbers_and_short_words_are_quoted(value: Any, said: str) -> None:
    assert quoted(value) == said


VALUES = st.sampled_from([CANARY, [CANARY], {CANARY: CANARY}, [[CANARY]], {"a": CANARY}, CANARY * 1000])
ODD = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | VALUES


@given(
    st.sampled_from([GenerateRequest, CompletionBody, ChatCompletionBody]),
    st.data(),
)
def test_no_message_carries_what_a_user_wrote(model: type[BaseModel], data: st.DataObject) -> None:
    names = [field.alias or name for name, field in model.model_fields.items()]
    body = data.draw(st.dictionaries(st.sampled_from(names), ODD, min_size=1, max_size=6))
    try:
        model.model_validate(body)
    except ValidationError:
        error = refusal(model, body)
        # A key is part of the path, so it may be named; a value may not.
        assert CANARY not in error.message.removeprefix(f"{error.param}:")
        assert len(error.message) < 400


@pytest.mark.parametrize("key", ["k" * 100_000, "\x1b[31mred", "\u202eevil", "a\nb", "🙂" * 500, ""])
def test_a_hostile_key_is_shortened_and_made_visible(key: str) -> None:
    error = refusal(GenerateRequest, {"prompt": "x", key: 1})
    assert len(error.message) < 200
    assert error.message.isprintable()
    assert error.code == "unknown_field"


def test_a_deep_path_is_shortened() -> None:
    error = to_bad_request(
        RequestValidationError(
            [{"loc": ("body", *["a" * 100] * 30), "type": "missing", "msg": "", "input": None}]
        ),
        _nested("a" * 100, 30),
    )
    assert len(error.param or "") < 400


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (GenerateRequest, {f"k{i}": 1 for i in range(100_000)}),
        (GenerateRequest, {"prompt": "x", "style": {f"k{i}": 9 for i in range(100_000)}}),
        (GenerateRequest, {"prompt": "x", "constraints": [1] * 300_000}),
        (GenerateRequest, {"prompt": "x", "examples": [1] * 300_000}),
        (CompletionBody, {"prompt": ["a", 1.5] * 100_000}),
        (CompletionBody, {"prompt": "x", "stop": [1] * 300_000}),
        (CompletionBody, {"prompt": "x", "logit_bias": {f"k{i}": 9 for i in range(100_000)}}),
        (ChatCompletionBody, {"messages": [1] * 300_000}),
        (ChatCompletionBody, {"messages": [{"role": "user", "content": [1] * 300_000}]}),
        (ChatCompletionBody, {"messages": [{"role": "user", "content": ""}], "tools": [1] * 300_000}),
    ],
    ids=[
        "fields",
        "style",
        "constraints",
        "examples",
        "prompt",
        "stop",
        "bias",
        "messages",
        "parts",
        "tools",
    ],
)
def test_a_megabyte_of_faults_is_refused_as_fast_as_one(model: type[BaseModel], body: Any) -> None:
    begun = time.process_time()
    error = refusal(model, body)
    # Naming each fault took 0.3 to 1.2 s, and nobody else's stream moved meanwhile.
    assert time.process_time() - begun < 0.1
    assert len(error.message) < 200


def _nested(key: str, levels: int) -> dict[str, Any]:
    return {key: _nested(key, levels - 1) if levels > 1 else {}}
