"""A tokenizer of words that treats added tokens as Hugging Face's do, and a reading of segments as text."""

import re
from collections.abc import Sequence

from service.prompt import STOP_TOKENS
from service.prompt_encoder import PromptEncoder, Segment, Special

ADDED = (*STOP_TOKENS, "<tool_call>", "</tool_call>", "<|im")


class WordTokenizer:
    """Added tokens wherever their literal stands, as Hugging Face's do; else one id per word, blank or sign."""

    def __init__(self, added: Sequence[str] = ADDED) -> None:
        self._added = {token: id_ for id_, token in enumerate(added)}
        self._words: dict[str, int] = {}
        longest_first = sorted(added, key=len, reverse=True)
        self._pattern = re.compile(
            "|".join([*map(re.escape, longest_first), r"[^\W\d_]+|[\W\d_]"]), re.DOTALL
        )

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [
            self._added.get(word, len(self._added) + self._words.setdefault(word, len(self._words)))
            for word in self._pattern.findall(text)
        ]

    def get_added_vocab(self) -> dict[str, int]:
        return dict(self._added)

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        assert not skip_special_tokens
        words = [*self._added, *self._words]
        return "".join(words[id_] for id_ in token_ids)


TOKENIZER = WordTokenizer()
ENCODER = PromptEncoder(TOKENIZER)


def rendered(segments: Sequence[Segment]) -> str:
    return "".join(segment.token if isinstance(segment, Special) else segment.text for segment in segments)
