"""Candidates under the mask: what all of an engine share, and how one is made from its spec. Knows no vLLM."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from grammar import LANGUAGES, Language, SyntaxMatcher, TokenVocabulary, load_language, prepare_engine
from service.syntax import fence_language
from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.code_follower import CodeFollower, Ends
from service.vllm_plugin.fenced_grammar import FENCE_RESERVE, FencedGrammar
from service.vllm_plugin.syntax_grammar import CodeGrammar, SyntaxGrammar
from service.vllm_plugin.token_sets import Row, TokenSets, holds, row_of

_LOG = logging.getLogger(__name__)


class SyntaxParts:
    """Vocabulary, token sets and languages, made at first use. One per engine core; safe in threads."""

    def __init__(self, make_vocabulary: Callable[[], TokenVocabulary]) -> None:
        self._make_vocabulary = make_vocabulary
        self._lock = threading.Lock()
        self._made: tuple[TokenVocabulary, TokenSets] | None = None
        self._languages: dict[str, Language] = {}

    def language(self, name: str) -> Language:
        """Give a language whose engine is ready; 0.5 to 10 s the first time. Raises UnknownLanguageError."""
        with self._lock:
            if name not in self._languages:
                language = load_language(name)
                prepare_engine(language, self._vocabulary_and_sets()[0])
                self._languages[name] = language
            return self._languages[name]

    @property
    def vocabulary(self) -> TokenVocabulary:
        """The model's tokens."""
        with self._lock:
            return self._vocabulary_and_sets()[0]

    @property
    def sets(self) -> TokenSets:
        """Sets of the model's tokens."""
        with self._lock:
            return self._vocabulary_and_sets()[1]

    def _vocabulary_and_sets(self) -> tuple[TokenVocabulary, TokenSets]:
        if self._made is None:
            vocabulary = self._make_vocabulary()
            self._made = vocabulary, TokenSets.of(vocabulary)
        return self._made

    def prepare_all(self) -> None:
        """Make every language ready; costs nothing when they are."""
        for name in LANGUAGES:
            try:
                self.language(name)
            except Exception as error:  # noqa: BLE001 - its requests say so; the others are served
                _LOG.error("the language %s cannot be masked", name, exc_info=error)

    def grammar(self, spec: SyntaxSpec, stop_token_ids: set[int]) -> SyntaxGrammar:
        """Make the state of one candidate; reads the prefix and looks for a first way to the end."""
        vocabulary, sets = self.vocabulary, self.sets
        ends = _ends(stop_token_ids, vocabulary, sets)
        if spec.mode == "fenced":
            # Its fences are opened by the engine's loop, which must not wait for a language to be made ready.
            self.prepare_all()
            return FencedGrammar(
                spec, sets, ends, vocabulary.token_bytes, lambda label: self._block(label, spec.language)
            )
        prefix, suffix = (text.encode(errors="replace") for text in (spec.prefix, spec.suffix or ""))
        matcher = SyntaxMatcher(self.language(spec.language), vocabulary, prefix, suffix)
        follower = CodeFollower(matcher, sets, Ends(ends, anywhere=spec.may_end_anywhere))
        follower.closing.prepare(0)
        return CodeGrammar(spec, follower)

    def _block(self, label: str, default: str) -> CodeFollower | None:
        """Give the follower of a fence in a chat. The engine of its language is ready: see `prepare_all`."""
        name = fence_language(label) if label else default
        if not name:
            return None
        sets = self.sets
        ends = Ends(sets.fence, only_at_line_start=True, never=sets.any_fence)
        matcher = SyntaxMatcher(self.language(name), self.vocabulary)
        return CodeFollower(matcher, sets, ends, reserve=FENCE_RESERVE)


def _ends(stop_token_ids: set[int], vocabulary: TokenVocabulary, sets: TokenSets) -> Row:
    """Give what ends code: the request's stop ids, as far as they are no code themselves."""
    ids = [t for t in stop_token_ids if vocabulary.token_bytes(t) is None or holds(sets.fence, t)]
    return row_of(ids, sets.width) if ids else sets.stop
