"""Contract of the native core (sources in csrc/). Python code outside this package uses grammar's own classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__file__: str

class NativeError(ValueError):
    """A grammar, rule table, vocabulary or artefact that cannot be used."""

def read_symbols(grammar: object) -> tuple[list[str], int]:
    """Names of all symbols and the number of terminals of a "tree_sitter.Language" capsule."""

def merge_states(grammar: object, rules: object) -> list[bytes]:
    """For every stack rule: triples of 16-bit numbers (parser state, rule state, the state that stands for it)."""

def mask_logits(
    type: str,  # noqa: A002
    logits: int,
    row_bytes: int,
    rows: Sequence[int],
    masks: int,
    mask_bytes: int,
    mask_rows: Sequence[int],
    width: int,
    simd: str | None = None,
) -> list[bool]:
    """See grammar.logits.mask_logits; `logits` and `masks` are addresses, and nothing is checked.

    simd   one of simd_here(); None: the fastest
    """

def simd_here() -> list[str]:
    """Give the ways of mask_logits that this processor has, the fastest last."""

class Language:
    """A grammar's tables, learnt lexers and rules; immutable."""

    def __init__(
        self, grammar: object, rules: object, scanner: str = "", verify_words: int = 2000
    ) -> None: ...
    @property
    def abi(self) -> int: ...
    @property
    def num_terminals(self) -> int: ...
    @property
    def num_states(self) -> int: ...
    @property
    def num_lexer_states(self) -> int: ...
    def symbol_names(self) -> list[str]: ...

class Session:
    """Recognises one text from its start."""

    def __init__(self, language: Language) -> None: ...
    def feed(self, data: bytes) -> int:
        """Read bytes; give how many before the text stopped being viable."""

    @property
    def can_end(self) -> bool: ...
    @property
    def is_viable(self) -> bool: ...
    @property
    def num_threads(self) -> int: ...
    def statistics(self) -> dict[str, int]: ...

class Vocabulary:
    """Token bytes, stop ids and the width of a logits row; immutable."""

    def __init__(self, tokens: list[bytes | None], stop_ids: list[int], width: int) -> None: ...
    @property
    def width(self) -> int: ...
    @property
    def stop_ids(self) -> list[int]: ...
    @property
    def fingerprint(self) -> int: ...
    def token_bytes(self, id: int) -> bytes | None: ...  # noqa: A002
    def tokenize(self, text: bytes) -> list[int] | None:
        """Ids of the longest token at each place; None when a byte has no token."""

class Engine:
    """What all matchers of one language and vocabulary share; one lock."""

    def __init__(
        self, language: Language, vocabulary: Vocabulary, max_evaluator_bytes: int = 56 << 20
    ) -> None:
        """Above `max_evaluator_bytes` of stored results, those not met since the last time are dropped."""

    @property
    def split_seconds(self) -> float:
        """Time spent building token splits, ever."""

    def save(self) -> bytes:
        """The token splits and what is stored without stacks, as bytes for `load`."""

    def load(self, data: bytes) -> None:
        """Take splits saved by an engine of the same language and vocabulary; before any use."""

    def anticipate(self, max_evaluator_bytes: int) -> None:
        """Make what masks need in the parser states met so far, for every lexeme that may be open in them."""

    def forget_windows(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...

class Matcher:
    """One request's state; see grammar.matcher.SyntaxMatcher."""

    def __init__(self, engine: Engine, prefix: bytes = b"", suffix: bytes = b"", top: int = 0) -> None:
        """top: what the suffix asks for of the file's top, a level of StackRule.tops."""

    def clone(self) -> Matcher: ...
    def accept_token(self, id: int) -> bool: ...  # noqa: A002
    def accept_bytes(self, data: bytes) -> bool: ...
    def rollback(self, num_tokens: int) -> None: ...
    def reset(self) -> None: ...
    def fill_row(self, row: npt.NDArray[np.int32]) -> None: ...
    def closing_bytes(self) -> bytes | None: ...
    def time_tokens(self, ids: list[int]) -> tuple[list[float], list[float], list[float], list[bool]]:
        """Nanoseconds of mask and accept a token, those spent on splits, and whether the token was allowed."""

    @property
    def min_tokens_to_end(self) -> int | None: ...
    @property
    def can_end(self) -> bool: ...
    @property
    def is_terminated(self) -> bool: ...
    @property
    def num_accepted(self) -> int: ...
    @property
    def degraded_reason(self) -> str | None: ...
