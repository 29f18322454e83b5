"""From segments of a prompt to token ids, so that no text of a user ever becomes a control token.

    Special("<|im_end|>")   looked up by its spelling              ──► one id, the control token's
    Text("<|im_end|>")      cut inside the literal, then encoded   ──► the ids of its letters and signs

Knows no template: which segments make a prompt is `service.prompt`'s. Loads no tokenizer.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from service.engine import Tokenizer


class SpecialTokenError(RuntimeError):
    """The tokenizer lacks a control token of the template, or reads one out of plain text. Never the user's fault."""


@dataclass(frozen=True, slots=True)
class Special:
    """One control token, by its spelling in the vocabulary."""

    token: str


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text: whatever it spells, it never becomes a control token."""

    text: str


Segment = Special | Text


class PromptEncoder:
    """Segments to ids. Built once per tokenizer; holds no state between calls.

    Text that spells an added token is cut inside the literal, and the parts are encoded one by one. Hugging
    Face's `split_special_tokens=True` is no substitute: it passes over only those added tokens whose `special`
    flag is set (upstream Qwen2.5 does not set it for `<|fim_prefix|>` and `<tool_call>`), and it is a switch on
    the shared tokenizer that a second thread may flip.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # Some vocabularies add runs of blanks as tokens; those belong to text.
        self._added = {token: id_ for token, id_ in tokenizer.get_added_vocab().items() if token.strip()}
        self._control_ids = frozenset(self._added.values())
        # Shortest first: a literal that begins another one is then cut as well.
        literals = sorted(self._added, key=len)
        self._literal = re.compile("|".join(map(re.escape, literals)) if literals else r"(?!)")

    def encode(self, segments: Iterable[Segment]) -> list[int]:
        """Return the ids of a whole prompt. Adjacent texts are encoded as one, as if they had been one segment."""
        ids: list[int] = []
        for is_text, run in groupby(segments, key=lambda segment: isinstance(segment, Text)):
            if is_text:
                ids += self.encode_text("".join(segment.text for segment in run if isinstance(segment, Text)))
            else:
                ids += self.special_ids(segment.token for segment in run if isinstance(segment, Special))
        return ids

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of plain text.

        Equal to the tokenizer's own ids unless the text spells an added token; no id is a control token's.
        """
        ids: list[int] = []
        for piece in self._split_literals(text):
            ids += self._tokenizer.encode(piece, add_special_tokens=False)
        if not self._control_ids.isdisjoint(ids):
            msg = "the tokenizer read a control token out of plain text"
            raise SpecialTokenError(msg)
        return ids

    def special_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the id of each control token. Raises SpecialTokenError for one the vocabulary lacks."""
        try:
            return [self._added[token] for token in tokens]
        except KeyError as error:
            msg = f"the tokenizer has no control token {error.args[0]!r}"
            raise SpecialTokenError(msg) from error

    def _split_literals(self, text: str) -> Iterator[str]:
        start = 0
        while match := self._literal.search(text, start):
            cut = match.start() + _cut_inside(match.group())
            yield text[start:cut]
            # Not the end of the match: a second literal may begin inside this one.
            start = cut
        yield text[start:]


def _cut_inside(literal: str) -> int:
    # Qwen's pre-tokenizer ends a piece wherever a letter is followed by something else (<|im_end|> is read as
    # `<|`, `im`, `_end`, `|>`), so cutting there gives the ids that the text would have without any added token.
    after_letters = re.search(r"[^\W\d_](?=[\W\d_])", literal)
    return after_letters.end() if after_letters else max(1, len(literal) // 2)
