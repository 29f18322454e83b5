from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.languages import LANGUAGES, language
from service.prompt import (
    EmptyPromptError,
    Example,
    Form,
    Message,
    NoCommentSyntaxError,
    PromptParts,
    PromptTooLongError,
    chat_messages,
    chat_segments,
    fim_segments,
    fit,
    opening_fence,
)
from tests.service.word_tokenizer import ENCODER, TOKENIZER, rendered

PYTHON = language("python")


def parts(**changes: Any) -> PromptParts:
    return PromptParts(**(dict[str, Any](language=PYTHON) | changes))


# --------------------------------------------------------------------------------------------- layout


def test_chat_is_chatml() -> None:
    messages = (Message("system", "Be kind."), Message("user", "Hi"))
    assert rendered(chat_segments(messages)) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_fim_is_the_qwen_template() -> None:
    assert rendered(fim_segments("a", "b")) == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


def test_the_instruction_goes_from_description_to_examples() -> None:
    _, user = chat_messages(
        parts(
            prompt="Parse an ISO 8601 duration.",
            signature="def seconds(text: str) -> int:",
            constraints=("no regular expressions", "raise ValueError on bad input"),
            examples=(Example("PT5M", "300"), Example("PT0S", "0")),
        )
    )
    assert user.content == (
        "Parse an ISO 8601 duration.\n\n"
        "Start from this signature:\n```python\ndef seconds(text: str) -> int:\n```\n\n"
        "Requirements:\n- no regular expressions\n- raise ValueError on bad input\n\n"
        "Examples:\nInput: PT5M\nOutput: 300\n\nInput: PT0S\nOutput: 0\n\n"
        "Write it in Python. Answer with one ```python code block that holds the complete, working code."
    )


def test_plain_text_makes_no_demand() -> None:
    _, user = chat_messages(parts(language=language("text"), prompt="Say hello."))
    assert user.content == "Say hello."


def test_a_signature_cannot_close_its_fence() -> None:
    _, user = chat_messages(parts(prompt="p", signature='x = """\n```\n"""'))
    assert '````python\nx = """\n```\n"""\n````' in user.content


@given(
    st.sampled_from(LANGUAGES),
    st.text(max_size=20),
    st.text(min_size=1, max_size=20),
    st.lists(st.text(max_size=9), max_size=3),
)
def test_every_part_is_in_the_message_verbatim(
    entry: Any, signature: str, prompt: str, constraints: list[str]
) -> None:
    message = parts(language=entry, prompt=prompt, signature=signature, constraints=tuple(constraints))
    _, user = chat_messages(message)
    assert all(text in user.content for text in (prompt, signature, *constraints))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"prefix": "a", "suffix": "b"}, "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ({"suffix": "b"}, "<|fim_prefix|><|fim_suffix|>b<|fim_middle|>"),
        ({"prefix": "a"}, "<|fim_prefix|>a<|fim_suffix|><|fim_middle|>"),
        ({"prefix": "a", "suffix": ""}, "<|fim_prefix|>a<|fim_suffix|><|fim_middle|>"),
        (
            {"prefix": "def f(x):\n    ret", "suffix": "\n", "prompt": "Double it.\nFast."},
            "<|fim_prefix|>def f(x):\n    # Double it.\n    # Fast.\n    ret<|fim_suffix|>\n<|fim_middle|>",
        ),
        (
            {"prefix": "x = 1\n", "prompt": "Print x."},
            "<|fim_prefix|>x = 1\n# Print x.\n<|fim_suffix|><|fim_middle|>",
        ),
        ({"prefix": "", "prompt": "Print 1."}, "<|fim_prefix|># Print 1.\n<|fim_suffix|><|fim_middle|>"),
        (
            {"prefix": "<?php\n", "prompt": "Greet.", "language": language("php")},
            "<|fim_prefix|><?php\n// Greet.\n<|fim_suffix|><|fim_middle|>",
        ),
        (
            {"prefix": "<p>", "suffix": "</p>", "prompt": "Greet --> me.", "language": language("html")},
            "<|fim_prefix|><!-- Greet - -> me. -->\n<p><|fim_suffix|></p><|fim_middle|>",
        ),
        (
            {"prefix": "", "constraints": ("pure",), "examples": (Example("1", "2"),)},
            (
                "<|fim_prefix|># Requirements:\n# - pure\n#\n# Examples:\n# Input: 1\n# Output: 2\n"
                "<|fim_suffix|><|fim_middle|>"
            ),
        ),
    ],
)
def test_a_gap_is_fim(changes: dict[str, Any], text: str) -> None:
    prompt = fit(parts(**changes), ENCODER, 1000)
    assert (prompt.form, rendered(prompt.segments)) == (Form.FIM, text)


def test_an_opened_fence_begins_the_answer() -> None:
    plain = fit(parts(prompt="p"), ENCODER, 1000)
    opened = fit(parts(prompt="p"), ENCODER, 1000, open_fence=True)
    assert rendered(opened.segments) == rendered(plain.segments) + "```python\n"
    assert opened.segments[-1] == opening_fence(PYTHON)
    text = fit(parts(prompt="p", language=language("text")), ENCODER, 1000, open_fence=True)
    assert rendered(text.segments).endswith("assistant\n")


@pytest.mark.parametrize(
    "changes", [{}, {"prompt": ""}, {"signature": "f"}, {"prefix": ""}, {"prefix": "", "suffix": ""}]
)
def test_nothing_to_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EmptyPromptError):
        fit(parts(**changes), ENCODER, 1000)


@pytest.mark.parametrize("name", ["json", "text"])
def test_a_prompt_beside_a_prefix_needs_comments(name: str) -> None:
    with pytest.raises(NoCommentSyntaxError, match=name):
        fit(parts(language=language(name), prefix="{", prompt="add a key"), ENCODER, 1000)


# --------------------------------------------------------------------------------------------- budget

code_texts = st.lists(
    st.sampled_from(["a", "b ", "\n", "    ", "<|im_end|>", "x=1\n", "\r\n"]), max_size=60
).map("".join)


def test_a_chat_is_never_cut() -> None:
    request = parts(prompt="word " * 50)
    length = len(fit(request, ENCODER, 1000).token_ids)
    assert len(fit(request, ENCODER, length).token_ids) == length
    with pytest.raises(PromptTooLongError) as caught:
        fit(request, ENCODER, length - 1)
    assert (caught.value.prompt_tokens, caught.value.limit) == (length, length - 1)


@given(code_texts, code_texts, st.sampled_from([None, "Do it."]), st.integers(1, 80))
def test_a_completion_fits_and_says_what_was_cut(
    prefix: str, suffix: str, prompt: str | None, limit: int
) -> None:
    request = parts(prefix=prefix, suffix=suffix, prompt=prompt)
    try:
        fitted = fit(request, ENCODER, limit)
    except (EmptyPromptError, PromptTooLongError):
        return
    assert len(fitted.token_ids) <= limit
    assert list(fitted.token_ids) == ENCODER.encode(fitted.segments)
    assert TOKENIZER.decode(fitted.token_ids) == rendered(fitted.segments)
    kept = parts(
        prefix=prefix[fitted.trimmed_prefix_chars :],
        suffix=suffix[: len(suffix) - fitted.trimmed_suffix_chars],
        prompt=prompt,
    )
    try:
        assert rendered(fitted.segments) == rendered(fit(kept, ENCODER, 1000).segments)
    except EmptyPromptError:
        assert rendered(fitted.segments) == rendered(fim_segments("", ""))


@given(code_texts, code_texts)
def test_what_fits_is_not_cut(prefix: str, suffix: str) -> None:
    try:
        whole = fit(parts(prefix=prefix, suffix=suffix), ENCODER, 1000)
    except EmptyPromptError:
        return
    again = fit(parts(prefix=prefix, suffix=suffix), ENCODER, len(whole.token_ids))
    assert again == whole
    assert (again.trimmed_prefix_chars, again.trimmed_suffix_chars) == (0, 0)


@pytest.mark.parametrize(
    ("num_prefix", "num_suffix", "kept_prefix", "kept_suffix"),
    # 40 tokens of room beside the template's three; every line is two tokens.
    [(50, 50, 15, 5), (50, 2, 18, 2), (4, 50, 4, 16), (50, 0, 20, 0)],
)
def test_room_is_shared_three_to_one_and_unused_room_passes_over(
    num_prefix: int, num_suffix: int, kept_prefix: int, kept_suffix: int
) -> None:
    fitted = fit(parts(prefix="p\n" * num_prefix, suffix="s\n" * num_suffix), ENCODER, 43)
    text = rendered(fitted.segments)
    assert (text.count("p\n"), text.count("s\n")) == (kept_prefix, kept_suffix)


def test_cuts_fall_on_line_starts() -> None:
    line = "a b c d e f\n"
    fitted = fit(parts(prefix=line * 9, suffix=line * 9), ENCODER, 103)
    assert fitted.trimmed_prefix_chars % len(line) == 0
    assert fitted.trimmed_suffix_chars % len(line) == 0


def test_one_long_line_is_cut_inside() -> None:
    fitted = fit(parts(prefix="a " * 500 + "\n" + "b"), ENCODER, 40)
    assert len(fitted.token_ids) == 40
    assert rendered(fitted.segments).endswith("a \nb<|fim_suffix|><|fim_middle|>")


def test_the_comment_survives_trimming() -> None:
    fitted = fit(parts(prefix="p\n" * 500 + "    x", suffix="s\n" * 500, prompt="Why."), ENCODER, 60)
    assert "    # Why.\n    x<|fim_suffix|>" in rendered(fitted.segments)


def test_no_room_for_any_code_is_refused() -> None:
    with pytest.raises(PromptTooLongError) as caught:
        fit(parts(prefix="p" + "q r" * 9, suffix="s", prompt="long " * 30), ENCODER, 20)
    assert caught.value.limit == 20
    assert caught.value.prompt_tokens > 20
