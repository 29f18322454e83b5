"""The structured-output backend of the engine core: syntax specs go to `grammar`, everything else to vLLM's own.

vLLM has one backend per engine, made for the first request that needs one. Here it is preset (scheduler.py), and JSON
schemas, regular expressions and choices are handed on to the backend that vLLM's front end would have chosen, so that
all kinds of requests run in one batch.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import Any, cast

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

from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.candidates import SyntaxParts
from service.vllm_plugin.syntax_grammar import PermissiveGrammar, SyntaxGrammar, internal_error
from service.vllm_plugin.vocabulary import engine_vocabulary

_LOG = logging.getLogger(__name__)

# It keeps the contract, and can be tested where no vLLM is.
StructuredOutputGrammar.register(SyntaxGrammar)


class SyntaxBackend(StructuredOutputBackend):
    """Compiles syntax specs itself and hands on the rest."""

    def __init__(self, vllm_config: Any, tokenizer: Any, vocab_size: int) -> None:
        super().__init__(vllm_config, tokenizer, vocab_size)
        self.parts = SyntaxParts(lambda: engine_vocabulary(tokenizer, vocab_size))
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
                return cast("StructuredOutputGrammar", self._masked(spec, stop_token_ids or set()))
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
