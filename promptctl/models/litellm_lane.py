"""The LiteLLM lane: every provider that does not speak the chat-completions protocol itself, and any that is forced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from promptctl.errors import ModelConfigurationError, ModelError, RequestRejected
from promptctl.models.chat_protocol import (
    StreamOptions,
    embedding_options,
    finished,
    model_name,
    provider_name,
    reply_of,
    sent_parameters,
)
from promptctl.models.chat_stream import ReplyAssembler, stream_reply
from promptctl.models.dialects import PARAMETERS, dialect_of
from promptctl.models.endpoints import checked_base, first_set, known_provider
from promptctl.models.gateway import Delta, Reply, Request, broken, texts_of
from promptctl.models.hosts import Reach, reach_of
from promptctl.models.litellm_errors import translated
from promptctl.models.litellm_library import (
    close_clients,
    is_loaded,
    leave_mcp_out,
    load_litellm,
    our_call,
    spread_extra_bodies,
    surroundings,
    tool_arguments,
)
from promptctl.models.litellm_wire import Wire
from promptctl.models.prices import Prices
from promptctl.models.provider_errors import interrupted, timed_out

_NO_KEY = "none"
# Providers some of whose models LiteLLM asks by the responses protocol.
_WITH_RESPONSES = ("openai/", "azure/")
# Providers that LiteLLM would otherwise take for OpenAI, of some for the models alone that it does not list.
_UNKNOWN_TO_LITELLM = {
    "ai21": "https://api.ai21.com/studio/v1",
    "lm_studio": "http://localhost:1234/v1",
    "xinference": "http://127.0.0.1:9997/v1",
}
# What is read of an answer: the names in each object; a list stands for many of its one item.
_MESSAGE = {
    "content": None,
    "refusal": None,
    "reasoning_content": None,
    "provider_specific_fields": {"refusal": None},
    "tool_calls": [{"index": None, "id": None, "function": {"name": None, "arguments": None}}],
}
_USAGE = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
    "prompt_tokens_details": {
        "cached_tokens": None,
        "cache_creation_tokens": None,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": None},
        "audio_tokens": None,
        "image_tokens": None,
        "web_search_requests": None,
    },
    "server_tool_use": {"web_search_requests": None},
    "service_tier": None,
    "completion_tokens_details": {"reasoning_tokens": None, "audio_tokens": None},
}


class LiteLLM:
    """Asks any provider through LiteLLM, which is imported on first use (2 s); `preload` begins that early.

    LiteLLM's own retries, fallbacks, callbacks and downloads are off. Keys and addresses come with each request;
    Further connection settings of some providers are read from `environ`.
    """

    def __init__(self, prices: Prices, environ: Mapping[str, str] | None = None) -> None:
        self._prices = prices
        self._environ = environ or {}
        self._stream_options = StreamOptions()
        self._reaches: dict[tuple[str, str | None], Reach] = {}

    async def complete(self, request: Request) -> Reply:
        """Return the whole reply."""
        litellm = await _library()
        wire = self._wire(request)
        if request.is_embedding:
            # Of what a provider does not take, LiteLLM sends nothing: here that can be the format alone.
            options = {**embedding_options(request), "drop_params": True, "input": texts_of(request)}
            arguments = self._arguments(litellm, request) | options
            data = embeddings_data(await _answer_to(request, partial(litellm.aembedding, **arguments), wire))
        else:
            arguments = self._chat_arguments(litellm, request)
            data = completion_data(await _answer_to(request, partial(litellm.acompletion, **arguments), wire))
            lost = wire.take()
            data["usage"] = lost["usage"] or data["usage"]
            for choice in data["choices"][:1]:
                choice["finish_reason"] = lost["finish_reason"] or choice["finish_reason"]
        return finished(request, reply_of(request, data, self._prices, wire.started))

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the reply's text as it arrives, then the whole reply. A broken one raises, with what had arrived."""
        assembler = ReplyAssembler()
        return stream_reply(request, self._texts(request, assembler), assembler, self._prices)

    async def close(self) -> None:
        """Close the running event loop's connections."""
        if is_loaded():
            await close_clients()

    async def _texts(self, request: Request, assembler: ReplyAssembler) -> AsyncGenerator[str, None]:
        """Yield the text of a streamed reply piece by piece, while the assembler takes in all of it."""
        litellm = await _library()
        arguments = self._chat_arguments(litellm, request)
        arguments |= {"stream": True, **self._stream_options.of(request)}
        wire = self._wire(request)
        assembler.started = time.perf_counter()
        try:
            chunks = await _answer_to(request, partial(litellm.acompletion, **arguments), wire)
        except RequestRejected as refused:
            self._stream_options.heed(request, refused, arguments)
            del arguments["stream_options"]
            chunks = await _answer_to(request, partial(litellm.acompletion, **arguments), wire)
        assembler.started = wire.started
        if not hasattr(chunks, "aclose"):  # a provider that does not stream answers whole
            if whole := assembler.add_whole(request, completion_data(chunks)):
                yield whole
            return
        try:
            while (text := await _next_text(request, chunks, assembler, wire)) is not None:
                if text:
                    yield text
        finally:
            await chunks.aclose()
        lost = wire.take()
        assembler.add(lost)
        assembler.finish_reason = lost["finish_reason"] or assembler.finish_reason
        if failure := _what_is_missing(request, chunks, assembler):
            raise failure

    def _chat_arguments(self, litellm: Any, request: Request) -> dict[str, Any]:
        parameters = sent_parameters(request)
        unknown = [name for name in parameters if name not in PARAMETERS]
        if unknown:
            raise ModelConfigurationError(
                f"`{unknown[0]}` is not a parameter that is passed to {request.model} through LiteLLM",
                hint="leave it out; where the provider speaks the chat-completions protocol, `lane: direct` passes any",
            )
        arguments = self._arguments(litellm, request) | parameters
        dialect = dialect_of(provider_name(request.model))
        arguments["messages"] = [dict(message) for message in dialect.messages(request.messages)]
        if request.tools:
            arguments |= {"tools": [dict(tool) for tool in dialect.marked(request.tools)], **tool_arguments()}
        if "extra_body" in parameters:
            spread_extra_bodies()
        if request.model.startswith(_WITH_RESPONSES):
            leave_mcp_out()
        arguments["allowed_openai_params"] = _named_again(litellm, arguments["model"])
        if request.response_format is not None and "response_format" not in request.endpoint.leaves_out:
            arguments["response_format"] = dict(request.response_format)
        return arguments

    def _arguments(self, litellm: Any, request: Request) -> dict[str, Any]:
        """Return the arguments of every call: model, endpoint, deadline, and no retries but ours."""
        endpoint = request.endpoint
        provider = provider_name(request.model)
        arguments: dict[str, Any] = {
            "model": request.model,
            "timeout": request.timeout_s,
            "num_retries": 0,
            "max_retries": 0,
        }
        for name, variables in known_provider(provider).settings.items():
            if value := first_set(self._environ, variables):
                arguments[name] = value
        if endpoint.api_base is None and provider in _UNKNOWN_TO_LITELLM:
            endpoint = replace(endpoint, api_base=_UNKNOWN_TO_LITELLM[provider])
        if endpoint.api_base is not None:
            checked_base(request.model, endpoint)
            arguments["api_base"] = endpoint.api_base
            if provider not in litellm.provider_list:
                arguments["model"] = f"openai/{model_name(request.model)}"
            elif not self._may_be_sent_to(provider, endpoint.api_base):
                raise ModelConfigurationError(
                    f"{request.model} signs in with what LiteLLM finds in the environment, and that would go to the "
                    "`api_base` that promptctl.yaml names",
                    hint="name the address in the provider's variable, or leave `lane: litellm` out: then only the key "
                    "of `api_key_env` is sent",
                )
        if endpoint.api_key is not None or endpoint.api_base is not None:
            # Given no key, LiteLLM would send the one it finds in the environment to this address.
            arguments["api_key"] = endpoint.api_key or _NO_KEY
        if endpoint.headers:
            arguments["extra_headers"] = dict(endpoint.headers)
        return arguments

    def _wire(self, request: Request) -> Wire:
        key = request.model, request.endpoint.api_base
        if key not in self._reaches:
            provider = provider_name(request.model)
            self._reaches[key] = reach_of(request.model, provider, request.endpoint, surroundings(self._environ))
        return Wire(request, self._reaches[key])

    def _may_be_sent_to(self, provider: str, api_base: str) -> bool:
        """Return True if only the given key goes to this address, or the environment itself names it."""
        known = known_provider(provider)
        return known.is_sent_its_key_alone or first_set(self._environ, known.bases) == api_base


def _named_again(litellm: Any, model: str) -> list[str]:
    """Return the arguments that LiteLLM would drop without a word, and that a provider of the protocol takes.

    Without `max_retries` OpenAI's library asks three times.
    """
    provider = provider_name(model)
    return ["max_retries"] if provider == "openai" or provider in litellm.openai_compatible_providers else []


async def _library() -> Any:
    return load_litellm() if is_loaded() else await asyncio.to_thread(load_litellm)


async def _answer_to(
    request: Request, call: Callable[[], Awaitable[Any]], wire: Wire, left_s: float | None = None
) -> Any:
    """Return LiteLLM's answer to one call. Raises its exception translated to one of ours."""
    failure: ModelError
    try:
        with our_call(wire):
            async with asyncio.timeout(request.timeout_s if left_s is None else left_s):
                answer = await call()
        if wire.failure is None:
            return answer
        failure = wire.failure
    except TimeoutError:
        failure = timed_out(request)
    except Exception as error:
        failure = wire.failure or translated(request, error)
    failure.asked_at = wire.started
    # Raised here and not above, so that no traceback leads to the library's error, which holds address and key.
    raise failure


async def _next_text(request: Request, chunks: Any, assembler: ReplyAssembler, wire: Wire) -> str | None:
    """Return the text of the next chunk, None at the stream's end. Steps may be awaited in different tasks."""

    async def step() -> str | None:
        chunk = await anext(chunks, None)
        model = getattr(chunks, "_provider_response_model", None)
        return None if chunk is None else assembler.add(chunk_data(chunk, model))

    left_s = request.timeout_s - (time.perf_counter() - assembler.started)
    text: str | None = await _answer_to(request, step, wire, left_s)
    return text


def _what_is_missing(request: Request, chunks: Any, assembler: ReplyAssembler) -> ModelError | None:
    """Return what is wrong with a stream that ended by itself, if anything: LiteLLM makes up an end if none came."""
    ends = [getattr(chunks, name, None) for name in ("received_finish_reason", "intermittent_finish_reason")]
    if any(ends) or (assembler.finish_reason is not None and not hasattr(chunks, "received_finish_reason")):
        return None
    assembler.forget_end()
    return interrupted(request) if assembler.has_choice else broken(request, "answered without any choice")


# LiteLLM's answers as the protocol's plain data, so that both lanes read replies in the same way. They are objects or
# mappings by provider, and what a server left out is missing in them: nothing is taken for granted.


def completion_data(answer: Any) -> dict[str, Any]:
    """Return a whole completion."""
    return _chat_data(answer, "message")


def chunk_data(chunk: Any, model: str | None) -> dict[str, Any]:
    """Return one chunk of a stream; `model` is the name that the provider answered with, if LiteLLM kept it."""
    data = _chat_data(chunk, "delta")
    return data | {"model": model or data["model"]}


def embeddings_data(answer: Any) -> dict[str, Any]:
    """Return the vectors of an embeddings answer."""
    found: dict[str, Any] = _read(
        answer, {"model": None, "data": [{"index": None, "embedding": None}], "usage": _USAGE}
    )
    return found


def _chat_data(answer: Any, part: str) -> dict[str, Any]:
    data: dict[str, Any] = _read(
        answer,
        {
            "id": None,
            "model": None,
            "service_tier": None,
            "choices": [{"finish_reason": None, part: _MESSAGE}],
            "usage": _USAGE,
        },
    )
    for choice in data["choices"]:
        message = choice[part]
        message["refusal"] = message["refusal"] or message["provider_specific_fields"]["refusal"]
    return data


def _read(thing: Any, shape: Any) -> Any:
    if shape is None:
        return thing
    if isinstance(shape, list):
        return [_read(item, shape[0]) for item in thing or ()]
    fields = thing if isinstance(thing, Mapping) else {name: getattr(thing, name, None) for name in shape}
    return {name: _read(fields.get(name), inner) for name, inner in shape.items()}
