"""What the engine core says of masked candidates, taken from its outputs before vLLM turns them into text.

Outputs are read whole and in order, so that no report is lost when a slow reader's outputs are merged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from vllm.outputs import RequestOutput
from vllm.v1.engine.output_processor import OutputProcessor

from service.syntax_spec import REPORT_KEY, SyntaxCounts

Counts = dict[int, SyntaxCounts]


class SyntaxInbox:
    """Sorts reports by request. A request may be watched by several readers."""

    def __init__(self, processor: OutputProcessor) -> None:
        self._readers: dict[str, list[Counts]] = {}
        self._states = processor.request_states
        self._process = processor.process_outputs
        # In the instance: AsyncLLM builds its processor itself, and looks the method up at each step.
        vars(processor)["process_outputs"] = self._read_and_process

    def _read_and_process(self, outputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        self._read(outputs)
        return self._process(outputs, *args, **kwargs)

    def _read(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            params = output.kv_transfer_params
            if not params or REPORT_KEY not in params:
                continue
            output.kv_transfer_params = None
            state = self._states.get(output.request_id)
            if state is not None:
                counts = SyntaxCounts.from_wire(params[REPORT_KEY])
                for reader in self._readers.get(state.external_req_id, ()):
                    reader[state.request_index] = counts

    @asynccontextmanager
    async def watching(self, request_id: str, reader: Counts) -> AsyncGenerator[None, None]:
        """Have a request's reports put into a dictionary of candidates, for as long as the block runs."""
        readers = self._readers.setdefault(request_id, [])
        readers.append(reader)
        try:
            yield
        finally:
            # By identity: two readers that have read the same are equal.
            readers[:] = [other for other in readers if other is not reader]
            if not readers:
                self._readers.pop(request_id, None)


def say_length_where_closed(output: RequestOutput, counts: Counts) -> None:
    """Correct the reason of candidates that ended because their budget did: vLLM saw a stop token only."""
    for candidate in output.outputs:
        found = counts.get(candidate.index)
        # A stop string of the request's own is a reason in itself.
        is_string = isinstance(candidate.stop_reason, str)
        if found and found.closing_forced and candidate.finish_reason == "stop" and not is_string:
            candidate.finish_reason, candidate.stop_reason = "length", None
