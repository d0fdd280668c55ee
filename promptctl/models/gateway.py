"""The one seam to a model: a request, a reply, and the protocol that every lane keeps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from promptctl.errors import ProviderFailed
from promptctl.files.plain import written_json

if TYPE_CHECKING:
    from promptctl.log.masking import Mask

ReplySource = Literal["model", "echo", "replay", "cache", "recorded"]
REPLAY = "replay/"
# The finish reason of a reply that the provider marks as the model's refusal.
REFUSAL = "refusal"
# The finish reasons of a reply that the provider, and not the model, ended early.
_BROKEN_OFF = frozenset({"error", "abort", "aborted", "cancelled", "insufficient_system_resource", "network_error"})
_TAG = re.compile("<[^<>]*>")
# No JSON text holds it: there it is escaped.
_ANY_MARK = "\0"
# Texts of a reply that a model or a provider writes.
_WRITTEN = ("text", "reasoning", "finish_reason", "model", "service_tier")
_MOST_TOKENS = 10**9
_MOST_NANO_USD = 10**15
LARGEST_REPLY = 64 * 1024 * 1024
HINT_ENDPOINT = "check `api_base` under `models:` in promptctl.yaml, or the provider's *_BASE_URL variable"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address, key and headers of a request. Nothing of it shows in a repr or a log; errors may show the address.

    `set_by` says where the address was set. `leaves_out` are keys of a request that its server refuses.
    """

    api_base: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    set_by: str | None = None
    leaves_out: frozenset[str] = frozenset()

    @property
    def server(self) -> str:
        """A text that tells apart servers that answer to the same model's id; empty for the provider's own."""
        return " ".join([(self.api_base or "").rstrip("/"), *sorted(self.leaves_out)])

    @property
    def place(self) -> str:
        """The address and where it was set, for an error; without what may be secret in it, a user name or a query."""
        if self.api_base is None:
            return "its endpoint"
        address = re.sub(r"\A([A-Za-z+]*://)?[^/]*@", r"\1", self.api_base).partition("?")[0].partition("#")[0]
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in address)
        return f"{shown} ({self.set_by})" if self.set_by else shown


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model, exactly as it will be sent.

    `model` is the LiteLLM id (`openai/gpt-4o-mini`). `messages`, `tools`, `response_format` and `parameters` have
    the chat-completions protocol's shapes. `repeat` tells equal requests of one evaluation apart and is not sent.
    One that `is_embedding` asks for vectors of the messages' texts: see `embedding_request`.
    `declared` are messages and response format as the prompt declares them, if a model is asked in another form.
    `mark` is a text within the messages that was drawn for this request alone; it is no part of what is asked.
    `mask` hides values of sensitive inputs in a reply that is kept, and in the digest of its recording.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None
    timeout_s: float = 60.0
    endpoint: Endpoint = field(default_factory=Endpoint)
    repeat: int = 0
    is_embedding: bool = False
    declared: tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None] | None = None
    mark: str = ""
    mask: Mask | None = field(default=None, repr=False, compare=False)

    def to_keep(self, reply: Reply) -> Reply:
        """Return a reply to this request as it may be kept; the very same object if nothing in it is sensitive."""
        mask = self.mask
        if mask is None:
            return reply
        kept = {name: mask.data(getattr(reply, name)) for name in _WRITTEN}
        kept["tool_calls"] = tuple(mask.conversation(list(reply.tool_calls), numbers=True))
        return reply if all(getattr(reply, name) == value for name, value in kept.items()) else replace(reply, **kept)

    def digest(self) -> str:
        """SHA-256 (hex) of what decides the reply: model, messages, parameters, tools, response format, repeat."""
        decided = {
            "model": self.model,
            "messages": list(self.messages),
            "parameters": dict(self.parameters),
            "tools": list(self.tools),
            "response_format": self.response_format,
            "repeat": self.repeat,
        }
        text = written_json(decided)
        if self.mark and self.mark in text:
            text = text.replace(self.mark, "" if _are_all_marked(text, self.mark) else _ANY_MARK)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _are_all_marked(text: str, mark: str) -> bool:
    """Return True if every tag of a text ends with the mark, and the mark is nowhere else.

    It is then known where the mark was in the text without it. If not, `</reply>` within a reply would be the same
    text as its end.
    """
    tags = _TAG.findall(text)
    return len(tags) == text.count(mark) and all(tag.endswith(f"{mark}>") for tag in tags)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; None if it did not say.

    `input_tokens` and `output_tokens` are all of them, and the others are parts of these: `cache_write_hour_tokens` of
    `cache_write_tokens`. `told_nano_usd` is what the provider says that the call cost.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_hour_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    told_nano_usd: int | None = None
    input_image_tokens: int | None = None
    web_searches: int | None = None
    output_image_tokens: int | None = None


UNLISTED_KINDS = (
    *("cache_write_tokens", "cache_write_hour_tokens", "input_audio_tokens", "output_audio_tokens"),
    *("input_image_tokens", "output_image_tokens"),
)
"""Kinds of tokens that the log has no column for, and rows of earlier versions do not count."""
_DETAILS = (*UNLISTED_KINDS, "web_searches", "told_nano_usd")


def is_broken_off(finish_reason: str | None) -> bool:
    """Return True if the provider gives this reason for a reply that it failed to finish."""
    return finish_reason is not None and finish_reason.lower() in _BROKEN_OFF


def is_count(value: Any) -> bool:
    """Return True for a number of tokens that can be: whole, not negative, and no more than any reply has."""
    return value.__class__ is int and 0 <= value <= _MOST_TOKENS


def usage_of_kept(counts: Mapping[str, Any]) -> Usage:
    """Return the usage that was kept by the names of its fields; None for a count that cannot be."""
    return Usage(**{name: value for name, value in counts.items() if is_count(value)})


def cost_of_kept(nano_usd: Any) -> int | None:
    """Return a cost that was kept; None for one that cannot be."""
    return nano_usd if nano_usd.__class__ is int and 0 <= nano_usd <= _MOST_NANO_USD else None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; `reasoning` is the thinking that came before its text, if the provider shows it.

    `cost_nano_usd` is None if the price is unknown, never 0 for that reason.

    `service_tier` is the one that the provider says it was made in. With `is_estimated` nobody counted its tokens.
    `full_cost_nano_usd` is what a reused reply cost when it was paid for; `made_on` the day it was made, if
    that is known; None otherwise. `warning` is what the user should know of the answer it came in.
    `id` is the provider's own of the reply; empty for a reused one, and if the provider gives none.
    `vectors` are the reply to an `embedding_request`: one for each text, in that order, and no text beside them.
    """

    text: str
    model: str
    provider: str
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_nano_usd: int | None = None
    price_source: str | None = None
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    source: ReplySource = "model"
    full_cost_nano_usd: int | None = None
    made_on: str | None = None
    warning: str | None = None
    reasoning: str = ""
    service_tier: str | None = None
    is_estimated: bool = False
    id: str = ""
    vectors: tuple[tuple[float, ...], ...] = ()

    @property
    def usage_details(self) -> dict[str, Any]:
        """Details that a price may depend on, and the day of a reused reply: the log has no column for them."""
        details = {name: value for name in _DETAILS if (value := getattr(self.usage, name))}
        if self.service_tier is not None:
            details["service_tier"] = self.service_tier
        if self.is_estimated:
            details["estimated"] = True
        if self.made_on is not None:
            details["made_on"] = self.made_on
        return details


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed reply's text, as it arrives."""

    text: str


def embedding_request(model: str, texts: Sequence[str], *, timeout_s: float = 60.0) -> Request:
    """Return a request for embeddings: one message for each text, of a role that no chat has."""
    messages = [{"role": "embed", "content": text} for text in texts]
    return Request(model, messages, timeout_s=timeout_s, is_embedding=True)


def texts_of(request: Request) -> list[str]:
    """Return the texts of an `embedding_request`."""
    return [message["content"] for message in request.messages]


def text_of(content: Any) -> str:
    """Return a message's content as text; of content parts, those that are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def recorded_model(model: str) -> str:
    """Return the model whose recorded replies a model id asks for; any id but `replay/…` is its own.

    >>> recorded_model("replay/openai/gpt-4o-mini")
    'openai/gpt-4o-mini'
    """
    return model.removeprefix(REPLAY)


def broken(request: Request, what: str) -> ProviderFailed:
    """Return the error of an answer that is not the protocol's; `what` ends the sentence that begins with the model."""
    endpoint = request.endpoint
    asked = "" if endpoint.api_base is None else f"is {endpoint.place} the address? "
    return ProviderFailed(f"{request.model} {what}", hint=f"{asked}{HINT_ENDPOINT}")


def too_large(request: Request) -> ProviderFailed:
    """Return the error of an answer of more than `LARGEST_REPLY` bytes."""
    return broken(request, f"answered with more than {LARGEST_REPLY // (1024 * 1024)} MiB")


class Gateway(Protocol):
    """A lane to models. Failures are `promptctl.errors.ModelError`s; a lane never retries and never prints.

    An error raised in the middle of a stream carries what had arrived in its `partial` attribute (a `Reply`).
    """

    async def complete(self, request: Request) -> Reply:
        """Ask and wait for the whole reply, at most `request.timeout_s` seconds."""

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Ask and yield each `Delta` as it arrives, then the whole `Reply`, last; never for an `embedding_request`."""

    async def close(self) -> None:
        """Close connections; the gateway may be used again afterwards."""
