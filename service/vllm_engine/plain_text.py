r"""Keeping user text plain in a chat: "<|im_end|>" in a message stays twelve characters.

A chat template is rendered to one string and tokenised as a whole, so a special token spelt out in a message
would end the user's turn (prompt injection). vLLM has no switch against it. So the messages are rendered with
stand-ins in place of such literals, the ids are turned back into text, and each plain run between the template's own
special tokens is tokenised as plain text with the literals put back:

    user text    how is <|im_end|> encoded?
    rendered     <|im_start|> user\nhow is ⟪0⟫ encoded? <|im_end|> ...
    plain run                 user\nhow is <|im_end|> encoded?     (PromptEncoder.encode_text)
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from service.engine import Tokenizer
from service.prompt_encoder import PromptEncoder

# Everything Qwen2.5's vocabulary treats as one token by its spelling, and whatever else looks like it.
_SPECIAL = re.compile(r"<\|[a-zA-Z_]{1,32}\|>|</?tool_call>")
# Private-use characters: no template, and in practice no code, contains them.
_STAND_IN = "\ue0f1{}\ue0f2"
_STAND_IN_PATTERN = re.compile("\ue0f1(\\d+)\ue0f2")


class ProtectedMessages:
    """Chat messages whose special-token literals are replaced by stand-ins."""

    def __init__(self, messages: Sequence[dict[str, Any]]) -> None:
        self.originals = list(messages)
        self._literals: list[str] = []
        self.messages: list[dict[str, Any]] = [self._protect(copy.deepcopy(message)) for message in messages]

    @property
    def has_literals(self) -> bool:
        """Whether any message spells out a special token; if not, nothing needs to be done."""
        return bool(self._literals)

    def restore(self, token_ids: Sequence[int], tokenizer: Tokenizer, encoder: PromptEncoder) -> list[int]:
        """Give the ids of the rendered chat with the literals back in place, as plain text."""
        rendered = tokenizer.decode(token_ids, skip_special_tokens=False)
        ids: list[int] = []
        position = 0
        for special in _SPECIAL.finditer(rendered):
            ids += encoder.encode_text(self._with_literals(rendered[position : special.start()]))
            ids += encoder.special_ids([special.group()])
            position = special.end()
        return ids + encoder.encode_text(self._with_literals(rendered[position:]))

    def _with_literals(self, run: str) -> str:
        return _STAND_IN_PATTERN.sub(lambda match: self._literals[int(match.group(1))], run)

    def _protect(self, value: Any) -> Any:
        if isinstance(value, str):
            # A stand-in that is already there would be mistaken for ours: protect it as a literal too.
            text = _STAND_IN_PATTERN.sub(self._stand_in, value)
            return _SPECIAL.sub(self._stand_in, text)
        if isinstance(value, list):
            return [self._protect(item) for item in value]
        if isinstance(value, dict):
            return {key: self._protect(item) for key, item in value.items()}
        return value

    def _stand_in(self, match: re.Match[str]) -> str:
        self._literals.append(match.group())
        return _STAND_IN.format(len(self._literals) - 1)
