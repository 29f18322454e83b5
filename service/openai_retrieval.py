"""Retrieved code in OpenAI's requests: before the last words of a chat's user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.prompt_encoder import PromptEncoder
from service.retrieval import Retrieval
from service.snippets import Repository, Snippet, chat_section, within_budget

# Of a chat's template, for each message, and of the shortest answer of use.
_MESSAGE_TOKENS, _LEAST_ANSWER_TOKENS = 8, 16


@dataclass
class FoundSnippets:
    """What was found for a request, and what of it is in its prompt."""

    retrieval: Retrieval
    used: tuple[Snippet, ...] = ()

    @property
    def repository(self) -> Repository:
        """Where they are from."""
        return self.retrieval.repository

    def report(self) -> dict[str, Any]:
        """Give the fields of the answer."""
        return {
            "retrieved": [chunk.model_dump() for chunk in self.retrieval.chunks(self.used)],
            "retrieval": self.retrieval.report(self.used).model_dump(),
        }


def last_words(messages: list[dict[str, Any]]) -> str:
    """Give the text of the last message of a chat's user."""
    for message in reversed(messages):
        if message["role"] == "user":
            return "\n".join(_texts(message))
    return ""


def put_into_chat(
    messages: list[dict[str, Any]],
    repository: Repository,
    encoder: PromptEncoder,
    context: int,
    max_snippet_tokens: int,
) -> tuple[Snippet, ...]:
    """Put snippets before the user's last words, as many as fit beside the whole chat; give those that did."""
    last = next((message for message in reversed(messages) if message["role"] == "user"), None)
    if last is None or not repository.snippets:
        return ()

    def num_tokens(text: str) -> int:
        return len(encoder.encode_text(text))

    taken = sum(_MESSAGE_TOKENS + sum(map(num_tokens, _texts(message))) for message in messages)
    room = context - taken - _LEAST_ANSWER_TOKENS - num_tokens(chat_section(()))
    used = within_budget(repository.snippets, min(max_snippet_tokens, room), num_tokens)
    if used:
        section = chat_section(used)
        content = last["content"]
        last["content"] = (
            f"{section}\n\n{content}"
            if isinstance(content, str)
            else [{"type": "text", "text": section}, *content]
        )
    return used


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if isinstance(part, dict) and "text" in part)
