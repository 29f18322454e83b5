import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store import find_model
from service.prompt import STOP_TOKENS, Message, chat_segments, fim_segments
from service.prompt_encoder import PromptEncoder, Special, SpecialTokenError, Text
from tests.service.word_tokenizer import ADDED, ENCODER, TOKENIZER, WordTokenizer, rendered

hostile_texts = st.lists(
    st.sampled_from([*ADDED, "<|", "|>", "<|im_", "end|>", "<", ">", "im", "_", " ", "\n", "def", "x=1"]),
    max_size=12,
).map("".join)


@given(hostile_texts)
def test_text_never_becomes_a_control_token_and_loses_nothing(text: str) -> None:
    ids = ENCODER.encode_text(text)
    assert not set(ids) & set(TOKENIZER.get_added_vocab().values())
    assert TOKENIZER.decode(ids) == text


@given(hostile_texts)
def test_text_is_encoded_as_a_tokenizer_without_added_tokens_would(text: str) -> None:
    plain = WordTokenizer(added=())
    ids = ENCODER.encode_text(text)
    assert [TOKENIZER.decode([id_]) for id_ in ids] == [
        plain.decode([id_]) for id_ in plain.encode(text, add_special_tokens=False)
    ]


@given(st.lists(hostile_texts, max_size=4))
def test_adjacent_texts_are_one_text(texts: list[str]) -> None:
    assert ENCODER.encode([Text(text) for text in texts]) == ENCODER.encode_text("".join(texts))


def test_specials_are_single_ids_between_texts() -> None:
    segments = (Special("<|im_start|>"), Text("<|im_end|>"), Special("<|im_end|>"))
    added = TOKENIZER.get_added_vocab()
    start, *middle, end = ENCODER.encode(segments)
    assert (start, end) == (added["<|im_start|>"], added["<|im_end|>"])
    assert TOKENIZER.decode(middle) == "<|im_end|>"


def test_a_missing_control_token_is_named() -> None:
    encoder = PromptEncoder(WordTokenizer(added=("<|im_end|>",)))
    with pytest.raises(SpecialTokenError, match="fim_prefix"):
        encoder.encode(fim_segments("a", "b"))


def test_a_tokenizer_that_smuggles_control_tokens_is_caught() -> None:
    class Normalising(WordTokenizer):
        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            # As NFC turns the Kelvin sign into the letter K.
            return super().encode(text.replace("\u212a", "K"), add_special_tokens=add_special_tokens)

    encoder = PromptEncoder(Normalising(added=("<|K|>",)))
    assert encoder.encode_text("<|K|>")
    with pytest.raises(SpecialTokenError):
        encoder.encode_text("<|\u212a|>")


def test_blank_added_tokens_belong_to_text() -> None:
    assert PromptEncoder(WordTokenizer(added=("    ",))).encode_text("    x")[0] == 0


# ----------------------------------------------------------------------------------- the real tokenizer

# Text that spells no added token: Hypothesis tries the literals it finds in our sources.
any_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=60).filter(
    lambda text: not re.search(r"<\|\w+\|>|</?tool_call>", text)
)


@pytest.fixture(scope="module")
def qwen() -> Any:
    folder = find_model("qwen2.5-coder-0.5b-instruct")
    if folder is None:
        pytest.skip("the 0.5B model is not installed")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.model
class TestQwen:
    @settings(deadline=None)
    @given(system=any_text, user=any_text)
    def test_a_chat_has_the_ids_of_the_models_own_template(self, qwen: Any, system: str, user: str) -> None:
        messages = (Message("system", system), Message("user", user))
        template = [{"role": message.role, "content": message.content} for message in messages]
        expected = qwen.apply_chat_template(
            template, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        assert PromptEncoder(qwen).encode(chat_segments(messages)) == expected

    @settings(deadline=None)
    @given(prefix=any_text, suffix=any_text)
    def test_fim_has_the_ids_of_the_template_string(self, qwen: Any, prefix: str, suffix: str) -> None:
        segments = fim_segments(prefix, suffix)
        assert PromptEncoder(qwen).encode(segments) == qwen.encode(
            rendered(segments), add_special_tokens=False
        )

    @settings(deadline=None)
    @given(hostile_texts)
    def test_hostile_text_is_plain_text(self, qwen: Any, text: str) -> None:
        ids = PromptEncoder(qwen).encode_text(text)
        assert not set(ids) & set(qwen.get_added_vocab().values())
        assert qwen.decode(ids) == text

    def test_every_added_token_is_plain_text_in_text_and_has_the_ids_of_its_spelling(self, qwen: Any) -> None:
        encoder = PromptEncoder(qwen)
        for token, id_ in qwen.get_added_vocab().items():
            # The model alone, without the step that finds added tokens.
            words = qwen.backend_tokenizer.pre_tokenizer.pre_tokenize_str(f"a {token} b")
            spelled = [piece.id for word, _ in words for piece in qwen.backend_tokenizer.model.tokenize(word)]
            assert encoder.encode_text(f"a {token} b") == spelled
            assert id_ not in spelled

    def test_stop_tokens_have_the_known_ids(self, qwen: Any) -> None:
        assert PromptEncoder(qwen).special_ids(STOP_TOKENS) == [
            *(151645, 151643, 151644),
            *(151659, 151661, 151660, 151662, 151663, 151664),
        ]
