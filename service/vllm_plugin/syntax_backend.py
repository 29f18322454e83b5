"""The structured-output backend of the engine core: syntax specs go to `grammar`, everything else to vLLM's own.

vLLM has one backend per engine, made for the first request that needs one. Here it is preset (scheduler.py), and JSON
schemas, regular expressions and choices are handed on to the backend that vLLM's front end would have chosen, so that
all kinds of requests run in one batch.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import torch
from typing_extensions import override
from vllm.v1.structured_output.backend_guidance import GuidanceBackend
from vllm.v1.structured_output.backend_types import (
    StructuredOutputBackend,
    StructuredOutputGrammar,
    StructuredOutputOptions,
)
from vllm.v1.structured_output.backend_xgrammar import (
    XgrammarBackend,
    has_xgrammar_unsupported_json_features,
)

from grammar import LANGUAGES, Language, SyntaxMatcher, TokenVocabulary, load_language, prepare_engine
from service.syntax import fence_language
from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.code_follower import CodeFollower, Ends
from service.vllm_plugin.fenced_grammar import FENCE_RESERVE, FencedGrammar
from service.vllm_plugin.syntax_grammar import CodeGrammar, PermissiveGrammar, SyntaxGrammar, internal_error
from service.vllm_plugin.token_sets import Row, TokenSets, holds, row_of
from service.vllm_plugin.vocabulary import engine_vocabulary

_LOG = logging.getLogger(__name__)


class SyntaxParts:
    """Vocabulary, token sets and languages, made at first use. One per engine core; safe in threads."""

    def __init__(self, tokenizer: Any, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
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
            vocabulary = engine_vocabulary(self._tokenizer, self._vocab_size)
            self._made = vocabulary, TokenSets.of(vocabulary)
        return self._made

    def prepare_all(self) -> None:
        """Make every language ready."""
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


class SyntaxBackend(StructuredOutputBackend):
    """Compiles syntax specs itself and hands on the rest."""

    def __init__(self, vllm_config: Any, tokenizer: Any, vocab_size: int) -> None:
        super().__init__(vllm_config, tokenizer, vocab_size)
        self.parts = SyntaxParts(tokenizer, vocab_size)
        self._lock = threading.Lock()
        self._others: dict[type[StructuredOutputBackend], StructuredOutputBackend] = {}

    @override
    def compile_grammar(
        self,
        request_type: StructuredOutputOptions,
        grammar_spec: str,
        stop_token_ids: set[int] | None = None,
    ) -> StructuredOutputGrammar:
        """Make one candidate's state. Runs in a thread of vLLM's; an error fails this request alone."""
        if request_type is StructuredOutputOptions.GRAMMAR:
            spec = SyntaxSpec.from_grammar(grammar_spec)
            if spec is not None:
                return self._masked(spec, stop_token_ids or set())
        other = self._other(self._kind(request_type, grammar_spec))
        return other.compile_grammar(request_type, grammar_spec, stop_token_ids=stop_token_ids)

    def _masked(self, spec: SyntaxSpec, stop_token_ids: set[int]) -> SyntaxGrammar:
        try:
            return self.parts.grammar(spec, stop_token_ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request is answered
            _LOG.error("the syntax mask could not be made", exc_info=error)
            return PermissiveGrammar(spec, internal_error(error))

    def _kind(self, request_type: StructuredOutputOptions, spec: str) -> type[StructuredOutputBackend]:
        # As SamplingParams._validate_structured_outputs chooses for "auto".
        is_json = request_type is StructuredOutputOptions.JSON
        if is_json and has_xgrammar_unsupported_json_features(json.loads(spec)):
            return GuidanceBackend
        return XgrammarBackend

    def _other(self, kind: type[StructuredOutputBackend]) -> StructuredOutputBackend:
        with self._lock:
            if kind not in self._others:
                self._others[kind] = kind(
                    self.vllm_config, tokenizer=self.tokenizer, vocab_size=self.vocab_size
                )
            return self._others[kind]

    @override
    def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
        """Give rows that allow everything."""
        return torch.full((max_num_seqs, (self.vocab_size + 31) // 32), -1, dtype=torch.int32)

    @override
    def destroy(self) -> None:
        """Let the other backends go."""
        for backend in self._others.values():
            backend.destroy()
