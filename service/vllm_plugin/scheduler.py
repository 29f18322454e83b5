"""vLLM's scheduler, with the syntax backend in place and each candidate's report on its outputs.

    add_request ─► the candidate learns its budget            update_from_output ─► its counts ride on the outputs

vLLM builds its structured-output backend only where none is there yet, which is the door used here. The counts travel
in `kv_transfer_params` of an output, a field for disaggregated serving that this service never uses; the front end
takes them out again (service/vllm_engine/client.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output.backend_types import StructuredOutputGrammar

from service.syntax_spec import REPORT_KEY
from service.vllm_plugin.syntax_backend import SyntaxBackend
from service.vllm_plugin.syntax_grammar import SyntaxGrammar

# Outputs between two reports of a candidate. The last output always carries one; the others are for answers that the
# front end ends by itself (a stop string, a client that leaves).
_REPORT_EVERY = 16


# Set on the runner's output by masked_cpu_worker.py: request id to one flag for each row of logits.
CHANGED_ATTRIBUTE = "codefusion_changed"


class SyntaxReports:
    """The masked candidates of a scheduler."""

    def __init__(self) -> None:
        self._open: dict[str, SyntaxGrammar] = {}

    def add(self, request: Request, limit: int) -> None:
        """Watch a request, if it is masked; its grammar may still be in the making."""
        # Private, since the public property waits for nothing and cannot be waited for.
        made: Any = getattr(request.structured_output_request, "_grammar", None)

        def take(grammar: Any) -> None:
            if isinstance(grammar, SyntaxGrammar) and not request.is_finished():
                grammar.set_limit(limit)
                self._open[request.request_id] = grammar

        def made_later(done: Future[StructuredOutputGrammar]) -> None:
            if done.exception() is None:
                take(done.result())

        if isinstance(made, Future):
            made.add_done_callback(made_later)
        else:
            take(made)

    def drop(self, request_id: str) -> None:
        """Forget a request."""
        self._open.pop(request_id, None)

    def attach(self, outputs: Iterable[EngineCoreOutputs], changed: dict[str, list[bool]] | None) -> None:
        """Put reports on the outputs of one step. `changed`: None where nobody counts."""
        if not self._open:
            return
        for batch in outputs:
            for output in batch.outputs:
                grammar = self._open.get(output.request_id)
                if grammar is None:
                    continue
                if changed is not None:
                    # Rows behind the last token that was taken belong to guesses that were not.
                    flags = changed.get(output.request_id, ())[: len(output.new_token_ids)]
                    grammar.counts.changed_tokens = (grammar.counts.changed_tokens or 0) + sum(flags)
                if output.finished:
                    self.drop(output.request_id)
                elif grammar.counts.tokens % _REPORT_EVERY != 1:
                    continue
                output.kv_transfer_params = {REPORT_KEY: grammar.counts.to_wire()}


class _Masking(Scheduler):
    """What both of vLLM's schedulers get."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manager = self.structured_output_manager
        backend = SyntaxBackend(
            manager.vllm_config,
            tokenizer=manager.tokenizer,
            vocab_size=manager.vllm_config.model_config.get_vocab_size(),
        )
        manager.backend = backend
        self.syntax_reports = SyntaxReports()
        # The engine does not wait for it: a request that comes earlier does.
        threading.Thread(target=backend.parts.prepare_all, name="syntax-engines", daemon=True).start()

    def add_request(self, request: Request) -> None:
        super().add_request(request)
        if request.use_structured_output:
            self.syntax_reports.add(
                request, min(request.max_tokens, self.max_model_len - request.num_prompt_tokens)
            )

    def finish_requests(
        self, request_ids: str | Iterable[str] | None, finished_status: RequestStatus
    ) -> list[Request]:
        finished = super().finish_requests(request_ids, finished_status)
        for request in finished:
            self.syntax_reports.drop(request.request_id)
        return finished

    def update_from_output(self, *args: Any, **kwargs: Any) -> dict[int, EngineCoreOutputs]:
        (runner_output,) = args[1:2] or (kwargs.get("model_runner_output"),)
        outputs = super().update_from_output(*args, **kwargs)
        self.syntax_reports.attach(outputs.values(), getattr(runner_output, CHANGED_ATTRIBUTE, None))
        return outputs


class MaskingScheduler(_Masking):
    """For engines that wait for each step."""


class MaskingAsyncScheduler(_Masking, AsyncScheduler):
    """For engines that schedule the next step while the last one runs."""


def make_scheduler(**kwargs: Any) -> Scheduler:
    """Give the scheduler that vLLM would have taken, masking. Named in the engine's arguments as its class.

    Which of the two is right is decided by vLLM while it reads its configuration, after ours.
    """
    is_async = kwargs["vllm_config"].scheduler_config.async_scheduling
    return (MaskingAsyncScheduler if is_async else MaskingScheduler)(**kwargs)
