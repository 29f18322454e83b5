"""Bounds that are settings, and options this build does not have. Each refusal names the field and the bound."""

from __future__ import annotations

import json
from typing import Any

from service.errors import BadRequestError
from service.languages import LANGUAGES, UnknownLanguageError, language
from service.prompt import STOP_TOKENS
from service.schemas.common import CodeFusionOptions
from service.schemas.generate import GenerateRequest
from service.schemas.openai import ChatCompletionBody, CompletionBody
from service.settings import LimitSettings
from service.syntax import MASKED_LANGUAGES, is_masked
from service.validation import quoted

_UNAVAILABLE = "not available in this build"
_REPEATS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def check_generate(request: GenerateRequest, limits: LimitSettings) -> None:
    """Refuse a /generate request that asks for nothing, for too much, or for what this build cannot do."""
    if not request.is_completion and not (request.prompt or "").strip():
        raise BadRequestError(
            "prompt: expected what to write, or `prefix` or `suffix` (code around a gap).", param="prompt"
        )
    if request.is_completion and request.prompting == "staged":
        raise BadRequestError(
            'prompting "staged" asks in turns of a chat; expected "single" with `prefix` or `suffix`.',
            param="prompting",
            code="conflicting_options",
        )
    _at_most(request.candidates, limits.max_n, "candidates")
    _at_most(request.max_tokens, limits.max_tokens, "max_tokens")
    _at_most(len(request.constraints), limits.max_examples, "constraints", "entries")
    _at_most(len(request.examples), limits.max_examples, "examples", "entries")
    check_stop(request.stop, limits)
    check_language(request.language, "language")
    if request.context.comments is not None or request.context.trace is not None:
        raise BadRequestError(f"context is {_UNAVAILABLE}.", param="context", code="not_available")


def check_options(options: CodeFusionOptions | None) -> None:
    """Refuse what the `codefusion` object of an OpenAI request asks for and this build cannot do."""
    if options is not None:
        check_language(options.language, "codefusion.language")


def check_language(name: str | None, param: str) -> None:
    """Refuse a language that is not in the table."""
    if name is not None:
        try:
            language(name)
        except UnknownLanguageError as error:
            known = ", ".join(known.name for known in LANGUAGES)
            raise BadRequestError(
                f"{param}: expected one of {known}; got {quoted(name)}.", param=param, code="unknown_language"
            ) from error


def check_masked(name: str, param: str) -> None:
    """Refuse to enforce a syntax that there is no grammar for."""
    if not is_masked(name):
        known = ", ".join(MASKED_LANGUAGES)
        raise BadRequestError(
            f'{param}: syntax "enforce" is served for {known}; got {quoted(name)}.',
            param=param,
            code="language_without_mask",
        )


def check_chat(body: ChatCompletionBody, limits: LimitSettings) -> None:
    """Refuse a chat completion that asks for too much."""
    check_options(body.codefusion)
    _check_sampling(body, limits)
    _at_most(len(body.messages), limits.max_messages, "messages", "messages")
    for name in ("max_tokens", "max_completion_tokens"):
        _at_most(getattr(body, name) or 0, limits.max_tokens, name)
    _at_most(body.top_logprobs or 0, limits.max_logprobs, "top_logprobs")
    if body.top_logprobs and not body.logprobs:
        raise BadRequestError("top_logprobs needs logprobs: true.", param="top_logprobs")
    _at_most(len(body.tools or ()), limits.max_tools, "tools", "tools")
    for i, tool in enumerate(body.tools or ()):
        if tool.function.parameters is not None:
            check_schema(tool.function.parameters, limits, f"tools.{i}.function.parameters")
    _check_response_format(body, limits)
    _check_chat_syntax(body)


def _check_chat_syntax(body: ChatCompletionBody) -> None:
    options = body.codefusion
    if options is None or options.syntax == "off":
        return
    if options.language is not None:
        check_masked(options.language, "codefusion.language")
    if body.response_format is not None and body.response_format.type != "text":
        raise BadRequestError(
            'codefusion.syntax "enforce" and response_format hold the answer to two grammars; expected one of them.',
            param="response_format",
            code="conflicting_options",
        )
    if body.tool_choice not in (None, "none", "auto"):
        raise BadRequestError(
            'codefusion.syntax "enforce" and a tool_choice that demands a call hold the answer to two grammars; '
            "expected one of them.",
            param="tool_choice",
            code="conflicting_options",
        )


def _check_response_format(body: ChatCompletionBody, limits: LimitSettings) -> None:
    form = body.response_format
    if form is None:
        return
    if form.type == "json_schema" and form.json_schema is None:
        raise BadRequestError(
            "response_format of type json_schema needs json_schema.", param="response_format.json_schema"
        )
    if form.json_schema is not None:
        check_schema(form.json_schema.schema_, limits, "response_format.json_schema.schema")


def check_completion(body: CompletionBody, limits: LimitSettings) -> None:
    """Refuse a completion that asks for too much."""
    check_options(body.codefusion)
    _check_sampling(body, limits)
    _at_most(body.max_tokens or 0, limits.max_tokens, "max_tokens")
    _at_most(body.logprobs or 0, limits.max_logprobs, "logprobs")
    if body.max_tokens == 0 and not body.echo:
        raise BadRequestError("max_tokens 0 needs echo: true.", param="max_tokens")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise BadRequestError(
            f"best_of is served only when equal to n ({body.n or 1}); got {quoted(body.best_of)}.",
            param="best_of",
        )
    if isinstance(body.prompt, list) and (not body.prompt or isinstance(body.prompt[0], str)):
        _exactly_one(len(body.prompt))
    if body.suffix is not None:
        _check_suffix(body)
    if body.suffix is None and body.codefusion is not None and body.codefusion.retrieval is not False:
        raise BadRequestError(
            "codefusion.retrieval: expected it with `suffix` (which may be empty), in a chat, or in POST /generate; a "
            "bare prompt has no place for other files.",
            param="codefusion.retrieval",
            code="conflicting_options",
        )
    _check_completion_syntax(body)


def _check_completion_syntax(body: CompletionBody) -> None:
    options = body.codefusion
    if options is None or options.syntax == "off":
        return
    if options.language is None:
        known = ", ".join(MASKED_LANGUAGES)
        raise BadRequestError(
            f'codefusion.language: syntax "enforce" needs it; expected one of {known}.',
            param="codefusion.language",
        )
    check_masked(options.language, "codefusion.language")
    prompt = body.prompt[0] if isinstance(body.prompt, list) else body.prompt
    if not isinstance(prompt, str):
        raise BadRequestError(
            'With codefusion.syntax "enforce", prompt must be a text; got token ids.', param="prompt"
        )
    if body.suffix is None and any(token in prompt for token in STOP_TOKENS):
        raise BadRequestError(
            'With codefusion.syntax "enforce", prompt must be code alone; got a special token in it. '
            "Send what is right of the gap as `suffix`.",
            param="prompt",
        )


def _check_suffix(body: CompletionBody) -> None:
    if body.echo:
        raise BadRequestError("echo is not served together with suffix.", param="echo")
    if isinstance(body.prompt, list) and not all(isinstance(item, str) for item in body.prompt):
        raise BadRequestError("With suffix, prompt must be a text; got token ids.", param="prompt")


def _exactly_one(count: int) -> None:
    if count != 1:
        raise BadRequestError(f"Expected one prompt per request; got {count}.", param="prompt")


def _check_sampling(body: ChatCompletionBody | CompletionBody, limits: LimitSettings) -> None:
    _at_most(body.n or 1, limits.max_n, "n")
    _at_most(len(body.logit_bias or ()), limits.max_logit_bias, "logit_bias", "entries")
    check_stop(body.stop, limits)
    if body.stream_options is not None and not body.stream:
        raise BadRequestError("stream_options needs stream: true.", param="stream_options")


def check_stop(stop: str | list[str] | None, limits: LimitSettings) -> None:
    """Refuse too many, too long or empty stop strings."""
    strings = [stop] if isinstance(stop, str) else stop or []
    _at_most(len(strings), limits.max_stop, "stop", "strings")
    for string in strings:
        if not string:
            raise BadRequestError("A stop string is empty; expected at least one character.", param="stop")
        _at_most(len(string), limits.max_stop_chars, "stop", "characters in one string")


def check_schema(schema: dict[str, Any], limits: LimitSettings, param: str) -> None:
    """Refuse a JSON schema that would take the engine seconds to compile (security notes: 200 optional
    properties 7.9 s, `[a-z]{0,100000}` 1.3 s). Regular expressions are refused whole: their cost has no simple bound.
    """  # noqa: D205
    _at_most(len(json.dumps(schema)), limits.max_schema_bytes, param, "bytes")
    _check_schema_node(schema, limits, param, depth=1)


def _check_schema_node(node: Any, limits: LimitSettings, param: str, depth: int) -> None:
    _at_most(depth, limits.max_schema_depth, param, "levels of nesting")
    if isinstance(node, dict):
        _check_schema_object(node, limits, param)
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            _check_schema_node(item, limits, param, depth + 1)


def _check_schema_object(node: dict[str, Any], limits: LimitSettings, param: str) -> None:
    # A property may itself be called "pattern" or "enum": its value is then a schema, not a string or list.
    if isinstance(node.get("pattern"), str):
        raise BadRequestError("Regular expressions in a schema are not served.", param=f"{param}.pattern")
    if "patternProperties" in node:
        raise BadRequestError("patternProperties are not served.", param=f"{param}.patternProperties")
    for name in _REPEATS:
        if isinstance(node.get(name), int | float):
            _at_most(node[name], limits.max_schema_repeat, f"{param}.{name}")
    if isinstance(node.get("enum"), list):
        _at_most(len(node["enum"]), limits.max_schema_enum, f"{param}.enum", "entries")
    if isinstance(node.get("properties"), dict):
        _at_most(len(node["properties"]), limits.max_schema_properties, f"{param}.properties", "entries")


def _at_most(value: float, bound: int, param: str, unit: str = "") -> None:
    if value > bound:
        unit = f" {unit}" if unit else ""
        raise BadRequestError(f"{param}: expected at most {bound}{unit}; got {quoted(value)}.", param=param)
