import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.languages import LANGUAGES, Language, UnknownLanguageError, from_fence_label, language

any_language = st.sampled_from(LANGUAGES)


def test_the_table_holds_the_languages_of_this_stage() -> None:
    assert {entry.name for entry in LANGUAGES} == {
        *("python", "java", "go", "javascript", "typescript", "tsx", "c", "cpp", "rust", "csharp", "php"),
        *("ruby", "bash", "sql", "kotlin", "scala", "html", "css", "json", "text"),
    }


def test_names_and_labels_are_lower_case_and_mean_one_language() -> None:
    labels = [label for entry in LANGUAGES for label in (entry.name, *entry.fence_labels)]
    assert len(labels) == len(set(labels))
    assert all(label == label.lower().strip() and label for label in labels)


@given(any_language)
def test_a_name_finds_its_language_in_requests_and_in_fences(entry: Language) -> None:
    assert language(entry.name) is entry
    assert all(
        from_fence_label(label) is entry
        for name in (entry.name, *entry.fence_labels)
        for label in (name, name.upper(), f" {name} ")
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [("py", "python"), ("python3", "python"), ("js", "javascript"), ("jsx", "javascript"), ("ts", "typescript"),
     ("TSX", "tsx"), ("c++", "cpp"), ("C#", "csharp"), ("sh", "bash"), ("golang", "go"), ("postgresql", "sql"),
     ("kt", "kotlin"), ("rb", "ruby"), ("rs", "rust")],
)  # fmt: skip
def test_fence_labels(label: str, name: str) -> None:
    assert from_fence_label(label) is language(name)


@pytest.mark.parametrize("label", ["", "brainfuck", "python 3", "```"])
def test_an_unknown_fence_label_is_none(label: str) -> None:
    assert from_fence_label(label) is None


@pytest.mark.parametrize("name", ["", "Python", "py", " python", "cobol", "../python"])
def test_a_request_must_use_the_canonical_name(name: str) -> None:
    with pytest.raises(UnknownLanguageError, match="expected one of: python, java, ") as caught:
        language(name)
    assert caught.value.name == name
    assert caught.value.known == tuple(entry.name for entry in LANGUAGES)


def test_only_plain_text_is_no_code() -> None:
    assert [entry.name for entry in LANGUAGES if not entry.is_code] == ["text"]


def test_only_json_and_plain_text_have_no_comments() -> None:
    assert [entry.name for entry in LANGUAGES if entry.comment("why") is None] == ["json", "text"]


@pytest.mark.parametrize(
    ("name", "text", "comment"),
    [
        ("python", "sum a list", "    # sum a list\n"),
        ("python", "first\n\nthen", "    # first\n    #\n    # then\n"),
        ("go", "x\r\ny\u2028z", "    // x\n    // y\n    // z\n"),
        ("sql", "active users", "    -- active users\n"),
        ("html", "a --> b", "    <!-- a - -> b -->\n"),
        ("css", "*/ body", "    /* * / body */\n"),
        ("python", "", ""),
    ],
)
def test_comments(name: str, text: str, comment: str) -> None:
    assert language(name).comment(text, indent="    ") == comment


@given(
    any_language, st.text(alphabet=string.ascii_letters + "*/->#\n\r\x0b\x0c\x1c\u0085\u2028 ", max_size=60)
)
def test_no_text_leaves_its_comment(entry: Language, text: str) -> None:
    comment = entry.comment(text)
    if comment is None:
        return
    for line in comment.splitlines():
        if entry.line_comment is not None:
            assert line.startswith(entry.line_comment)
        else:
            assert entry.block_comment is not None
            opening, closing = entry.block_comment
            assert line.startswith(opening)
            assert line.index(closing, len(opening)) == len(line) - len(closing)
