"""vLLM's own OpenAI handlers, without its server.

They give tools, logprobs, JSON schemas and usage exactly as vLLM's users know them. They are built as
`vllm/entrypoints/launchers/api_server/app_state.py` builds them; no route of vLLM is mounted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from vllm.engine.protocol import EngineClient
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.completion.serving import OpenAIServingCompletion
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.openai.models.serving import OpenAIServingModels
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.renderers.online_renderer import OnlineRenderer

from service.engine import OpenAICall, OpenAIResult, Tokenizer
from service.errors import ServiceError
from service.prompt_encoder import PromptEncoder
from service.steering_spec import EXTRA_KEY
from service.vllm_engine.plain_text import ProtectedMessages
from service.vllm_engine.translate import from_error_payload, from_error_response, to_service_error

# Fields of vLLM's answers that OpenAI's do not have, and that say nothing when empty.
_VLLM_ONLY = ("prompt_logprobs", "prompt_token_ids", "prompt_text", "kv_transfer_params", "ec_transfer_params",
              "metrics")  # fmt: skip
_VLLM_ONLY_CHOICE = ("stop_reason", "token_ids", "routed_experts", "prompt_logprobs", "prompt_token_ids")


@dataclass(frozen=True)
class OpenAIHandlers:
    """The handlers of one running engine."""

    chat_handler: OpenAIServingChat
    completion_handler: OpenAIServingCompletion
    renderer: OnlineRenderer
    tokenizer: Tokenizer
    encoder: PromptEncoder

    async def chat(self, call: OpenAICall) -> OpenAIResult:
        """Answer a chat completion; user text never becomes a special token."""
        protected = ProtectedMessages(call.body["messages"])
        request = _parse(ChatCompletionRequest, call, {**call.body, "messages": protected.messages})
        if protected.has_literals:
            await self._pin_prompt(request, protected)
        return await _result(lambda: self.chat_handler.create_chat_completion(request))

    async def complete(self, call: OpenAICall) -> OpenAIResult:
        """Answer a completion."""
        body = dict(call.body)
        if call.prompt_token_ids is not None:
            body["prompt"] = list(call.prompt_token_ids)
        request = _parse(CompletionRequest, call, body)
        return await _result(lambda: self.completion_handler.create_completion(request))

    async def _pin_prompt(self, request: ChatCompletionRequest, protected: ProtectedMessages) -> None:
        """Render with stand-ins, put the literals back as plain text, and have the handler take these ids.

        The handler takes ids it is given in `kv_transfer_params`, a door made for disaggregated serving; an empty
        remainder leaves no other trace.
        """
        try:
            rendered = await self.renderer.render_chat(request)
        except Exception as error:
            raise to_service_error(error) from error
        if isinstance(rendered, ErrorResponse):
            raise from_error_response(rendered)
        (engine_input,) = rendered[1]
        ids = cast("list[int]", engine_input.get("prompt_token_ids"))
        request.kv_transfer_params = {
            "prompt_token_ids": protected.restore(ids, self.tokenizer, self.encoder)
        }
        request.messages = cast("Any", protected.originals)


def build_handlers(
    client: EngineClient, *, served_name: str, model_path: str, tool_parser: str | None
) -> OpenAIHandlers:
    """Build the handlers for a running engine. Costs a tokenizer warm-up of some milliseconds."""
    models = OpenAIServingModels(
        engine_client=client, base_model_paths=[BaseModelPath(name=served_name, model_path=model_path)]
    )
    renderer = OnlineRenderer(
        model_config=client.model_config,
        renderer=client.renderer,
        request_logger=None,
        chat_template=None,
        chat_template_content_format="auto",
        enable_auto_tools=tool_parser is not None,
        tool_parser=tool_parser,
    )
    chat = OpenAIServingChat(
        client,
        models,
        "assistant",
        online_renderer=renderer,
        request_logger=None,
        chat_template=None,
        chat_template_content_format="auto",
        enable_auto_tools=tool_parser is not None,
        tool_parser=tool_parser,
        enable_prompt_tokens_details=True,
    )
    completion = OpenAIServingCompletion(
        client, models, online_renderer=renderer, request_logger=None, enable_prompt_tokens_details=True
    )
    tokenizer = cast("Tokenizer", client.renderer.get_tokenizer())
    return OpenAIHandlers(chat, completion, renderer, tokenizer, PromptEncoder(tokenizer))


def _parse(model: type[Any], call: OpenAICall, body: dict[str, Any]) -> Any:
    if call.syntax is not None:
        body = {**body, "structured_outputs": {"grammar": call.syntax.spec.to_grammar()}}
    if call.steering is not None:
        body = {**body, "vllm_xargs": {EXTRA_KEY: call.steering.to_wire()}}
    try:
        return model.model_validate({**body, "request_id": call.request_id, "cache_salt": call.cache_salt})
    except Exception as error:
        raise to_service_error(error) from error


async def _result(create: Callable[[], Any]) -> OpenAIResult:
    try:
        answer = await create()
    except ServiceError:
        raise
    except Exception as error:
        raise to_service_error(error) from error
    if isinstance(answer, ErrorResponse):
        raise from_error_response(answer)
    if isinstance(answer, AsyncGenerator):
        return _events(answer)
    return _openai_only(answer.model_dump())


async def _events(lines: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Give the JSON texts of vLLM's framed lines; an error among them is raised."""
    async with aclosing(lines):
        async for line in lines:
            payload = line.removeprefix("data: ").rstrip("\n")
            if payload == "[DONE]":
                return
            if (error := from_error_payload(payload)) is not None:
                raise error
            yield payload


def _openai_only(answer: dict[str, Any]) -> dict[str, Any]:
    for name in _VLLM_ONLY:
        if answer.get(name) is None:
            answer.pop(name, None)
    for choice in answer.get("choices", ()):
        for name in _VLLM_ONLY_CHOICE:
            if choice.get(name) is None:
                choice.pop(name, None)
    return answer
