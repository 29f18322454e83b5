"""strict_json reads what json reads, minus what two parsers could read differently."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import BadRequestError
from service.strict_json import parse, text_chars

# Any text JSON may carry: no surrogates (category Cs), no NUL.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    """The slow definition of nesting."""
    if isinstance(value, dict):
        return 1 + max((depth(child) for child in value.values()), default=0)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return 1 + max((depth(child) for child in value), default=0)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return 0


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [text for child in value for text in strings(child)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [value] if isinstance(value, str) else []


@given(VALUES, st.booleans())
@example("😀", True)
@example({"\\": '\\"[{', '"': "\\u0000"}, True)
def test_valid_json_reads_as_json_loads_reads_it(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(body, max_depth=64) == json.loads(body) == value


@given(VALUES)
def test_the_depth_bound_is_exact(value: Any) -> None:
    body = json.dumps(value).encode()
    bound = depth(value)
    assert parse(body, max_depth=max(bound, 1)) == value
    if bound > 1:
        with pytest.raises(BadRequestError, match=f"at most {bound - 1} deep"):
            parse(body, max_depth=bound - 1)


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0dD81e', max_size=40).map(str.encode))
def test_any_bytes_are_read_as_json_loads_reads_them_or_refused(body: bytes) -> None:
    try:
        value = parse(body, max_depth=8)
    except BadRequestError as error:
        json.dumps(error.body().model_dump()).encode()
        return
    assert value == json.loads(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'"\xed\xa0\x80"', "not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "valid JSON"),
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b"1e999", "overflows"),
        (b"-1e999", "overflows"),
        (b"1" * 400 + b".0", "overflows"),
        (b"1" * 4301, "4300 digits"),
        (b'{"a": 1, "a": 2}', "'a' came twice"),
        (b'{"a": 1, "\\u0061": 2}', "'a' came twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "twice"),
        (b"{} {}", "line 1, column 4"),
        (b"[1,\n 2,\n]", "line 3, column 1"),
        (b'{"a": 1', "valid JSON"),
        (b'"a\nb"', "valid JSON"),
        (b'"\x00"', "valid JSON"),
        (b"'a'", "valid JSON"),
        (b"[" * 20, "valid JSON"),
        (b"]" * 100_000, "valid JSON"),
    ],
)
def test_what_is_refused_says_why(body: bytes, expected: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse(body, max_depth=32)
    assert expected in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (rb'{"prompt": "a\u0000b"}', "prompt"),
        (rb'{"messages": [{"content": "\ud83d"}]}', "messages.0.content"),
        (rb'{"messages": [{"content": "\uDE00\uD83D"}]}', "messages.0.content"),
        (rb'{"options": {"\udfff": 1}}', "options"),
        (rb'{"\u0000": 1}', None),
        (rb'"\ud800"', None),
    ],
)
def test_lone_surrogates_and_nul_are_refused_with_their_field(body: bytes, param: str | None) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse(body, max_depth=32)
    assert caught.value.param == param


def test_surrogate_pairs_and_escaped_backslashes_are_plain_text() -> None:
    assert parse(rb'["\ud83d\ude00", "\\ud800", "\\u0000", "\\\\\""]', max_depth=1) == [
        "😀",
        r"\ud800",
        r"\u0000",
        '\\\\"',
    ]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_a_hundred_thousand_brackets_are_refused_without_recursion(opening: bytes) -> None:
    with pytest.raises(BadRequestError, match="at most 32 deep"):
        parse(opening * 100_000, max_depth=32)


def test_brackets_in_strings_do_not_nest() -> None:
    value = {"code": '[[[["{{{{\\"' * 100}
    assert parse(json.dumps(value).encode(), max_depth=1) == value


def test_no_message_repeats_more_than_forty_characters_of_the_body() -> None:
    secret = "s" * 500
    for body in (
        f'{{"{secret}":1,"{secret}":2}}',
        f'"{secret}',
        f"{secret}",
        "9" * 400 + "e999",
        f'["\\{secret}"]',
    ):
        with pytest.raises(BadRequestError) as caught:
            parse(body.encode(), max_depth=32)
        assert "s" * 41 not in caught.value.message
        assert "9" * 41 not in caught.value.message
        assert len(caught.value.param or "") <= 40


@pytest.mark.parametrize("unit", [b"[],", b'"",', b"0,", b'{"a":""},', rb'"\\\"",'])
def test_a_megabyte_takes_well_under_a_second(unit: bytes) -> None:
    body = b"[" + unit * (2**20 // len(unit)) + b"0]"
    # Half a million objects set off full collections, and those walk what all tests before left behind.
    gc.collect()
    gc.freeze()
    begin = time.process_time()
    try:
        parse(body, max_depth=32)
        assert time.process_time() - begin < 2
    finally:
        gc.unfreeze()


@given(VALUES)
def test_text_chars_sums_all_strings(value: Any) -> None:
    assert text_chars(value) == sum(map(len, strings(value)))
