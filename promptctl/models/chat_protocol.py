"""The chat-completions protocol: a request as the body to send, and an answer as a reply.

An answer is plain JSON data here; how it travelled is the lane's affair.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import ModelConfigurationError, ProviderFailed, RequestRejected
from promptctl.models.dialects import dialect_of, spoken
from promptctl.models.gateway import (
    REFUSAL,
    Reply,
    Request,
    Usage,
    broken,
    is_broken_off,
    is_count,
    text_of,
    texts_of,
)

if TYPE_CHECKING:
    from promptctl.models.prices import Prices

_OPTIONS = "stream_options"
_HALF = re.compile("[\ud800-\udfff]")
_COUNTS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"})
# More than any model thinks for one reply, and more digits than any number of the protocol has.
_MOST_REASONING = 10**6
_MOST_DIGITS = 30
# More than any call costs.
_MOST_USD = 10**6
# A parameter of one of these names would replace what the prompt declares elsewhere.
_RESERVED = frozenset({"model", "messages", "tools", "response_format", "stream", "stream_options"})


def model_name(model: str) -> str:
    """Return a model's id without its provider: the name that the provider itself uses.

    >>> model_name("openai/gpt-4o-mini")
    'gpt-4o-mini'
    """
    return model.partition("/")[2] or model


def provider_name(model: str) -> str:
    """Return the part of a model's id before the model's name."""
    return model.partition("/")[0]


def sent_parameters(request: Request) -> dict[str, Any]:
    """Return the request's parameters that are set. `extra_body` holds those that only one provider knows.

    Raises `ModelConfigurationError` for one that would replace the messages, the model or how the reply is sent.
    """
    parameters = {name: value for name, value in request.parameters.items() if value is not None}
    extra = parameters.get("extra_body", {})
    if not isinstance(extra, Mapping):
        raise ModelConfigurationError(f"`extra_body` of {request.model} is not a mapping of keys to values")
    reserved = _RESERVED.intersection({*parameters, *extra})
    if reserved:
        raise ModelConfigurationError(
            f"`{min(reserved)}` cannot be set as a parameter of {request.model}",
            hint="parameters are settings such as temperature and max_tokens; the prompt file has keys for the rest",
        )
    return parameters


def chat_body(request: Request, *, is_streamed: bool) -> dict[str, Any]:
    """Return the JSON body that asks for a completion, or for embeddings."""
    provider, name = provider_name(request.model), model_name(request.model)
    if request.is_embedding:
        return {"model": name, "input": texts_of(request), **embedding_options(request)}
    dialect = dialect_of(provider)
    body: dict[str, Any] = {"model": dialect.name_of(name), "messages": dialect.messages(request.messages)}
    if request.parameters:
        parameters = sent_parameters(request)
        extra = parameters.pop("extra_body", {})
        body.update(spoken(provider, name, parameters) | extra)
    if request.tools:
        body["tools"] = dialect.marked(request.tools)
    if request.response_format is not None and "response_format" not in request.endpoint.leaves_out:
        body["response_format"] = request.response_format
    if is_streamed and (dialect.streams_formats or request.response_format is None):
        body["stream"] = True
    return {**dialect.extra, **body} if dialect.extra else body


class StreamOptions:
    """Asks streams for their usage, but not those of servers that are known to refuse that."""

    def __init__(self) -> None:
        self._refusing: set[tuple[str, str | None]] = set()

    def of(self, request: Request) -> dict[str, Any]:
        """Return the key to add to a streamed request, if any."""
        is_refused = _server_of(request) in self._refusing or _OPTIONS in request.endpoint.leaves_out
        return {} if is_refused else {_OPTIONS: {"include_usage": True}}

    def heed(self, request: Request, refused: RequestRejected, sent: Mapping[str, Any]) -> None:
        """Remember the server that refused the key, so that it may be asked once more; any other refusal is raised.

        `sent` holds what this request was sent with: others to the same server may have been refused meanwhile.
        """
        if _OPTIONS not in (refused.detail or "") or _OPTIONS not in sent:
            raise refused
        self._refusing.add(_server_of(request))


def _server_of(request: Request) -> tuple[str, str | None]:
    return provider_name(request.model), request.endpoint.api_base


def embedding_options(request: Request) -> dict[str, Any]:
    """Return the keys of a request for embeddings beside its model and texts."""
    return {} if "encoding_format" in request.endpoint.leaves_out else {"encoding_format": "float"}


def choice_of(request: Request, data: Any) -> dict[str, Any]:
    """Return the first choice of a whole completion. Raises `ProviderFailed` if the data is not one, or is an error."""
    if not isinstance(data, dict):
        raise broken(request, "answered with JSON that is not a completion")
    choices = data.get("choices")
    if data.get("error") or not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        from promptctl.models.provider_errors import error_in_answer

        raise error_in_answer(request, data) or broken(request, "answered without any choice")
    choice: dict[str, Any] = choices[0]
    # A filter may leave the message out.
    if not isinstance(choice.get("message"), dict) and word_of(choice.get("finish_reason")) is None:
        raise broken(request, "answered with a choice that has no message")
    return choice


def said_in(choice: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the text of a choice, and how it ended: the words of a refusal are its text, and its end says so."""
    message, finish_reason = dict_of(choice.get("message")), word_of(choice.get("finish_reason"))
    text, refusal = text_of(message.get("content")), str(message.get("refusal") or "")
    if refusal and not text:
        return paired(refusal), finish_reason if finish_reason not in {None, "stop"} else REFUSAL
    return paired(text), finish_reason


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Return the thinking in a message or a piece of one, by the two names that servers have for it."""
    return text_of(message.get("reasoning_content") or message.get("reasoning"))


def tool_call_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool call with the protocol's keys only; its arguments stay the text that the model wrote."""
    function = dict_of(call.get("function"))
    arguments = function.get("arguments")
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {
            "name": function.get("name"),
            "arguments": paired(arguments)
            if isinstance(arguments, str)
            else json.dumps(arguments or {}, ensure_ascii=False),
        },
    }


def usage_of(data: Any) -> Usage:
    """Return the tokens that a usage object counts; None for those that it leaves out."""
    if not isinstance(data, dict):
        return Usage()
    prompt = dict_of(data.get("prompt_tokens_details"))
    completion = dict_of(data.get("completion_tokens_details"))
    written = dict_of(prompt.get("cache_creation_token_details")) or dict_of(data.get("cache_creation"))
    input_tokens, output_tokens = _count(data.get("prompt_tokens")), _count(data.get("completion_tokens"))
    reasoning_tokens, beside = _count(completion.get("reasoning_tokens")), _beside(data)
    # Some providers count the tokens of reasoning beside the others, and only their sum says so.
    if output_tokens is not None and 0 < beside <= _MOST_REASONING and reasoning_tokens in {None, beside}:
        output_tokens, reasoning_tokens = output_tokens + beside, beside
    if not input_tokens and not output_tokens:  # zeros stand where nobody counted
        input_tokens = output_tokens = None
    return Usage(
        input_tokens,
        output_tokens,
        cached_tokens=_count(
            prompt.get("cached_tokens"), data.get("prompt_cache_hit_tokens"), data.get("cached_tokens")
        ),
        cache_write_tokens=_count(
            data.get("cache_creation_input_tokens"),
            prompt.get("cache_creation_tokens"),
            prompt.get("cache_write_tokens"),
        ),
        reasoning_tokens=reasoning_tokens,
        cache_write_hour_tokens=_count(written.get("ephemeral_1h_input_tokens")),
        input_audio_tokens=_count(prompt.get("audio_tokens")),
        output_audio_tokens=_count(completion.get("audio_tokens")),
        told_nano_usd=_told_nano_usd(data),
        input_image_tokens=_count(prompt.get("image_tokens")),
        output_image_tokens=_count(completion.get("image_tokens")),
        web_searches=_count(
            dict_of(data.get("server_tool_use")).get("web_search_requests"),
            prompt.get("web_search_requests"),
            data.get("num_search_queries"),
        ),
    )


def _told_nano_usd(usage: Mapping[str, Any]) -> int | None:
    """Return what the provider says that a call cost, in the forms of OpenRouter, Perplexity and xAI."""
    ticks = _count(usage.get("cost_in_usd_ticks"))  # of 1e-10 USD
    if ticks is not None:
        return ticks // 10
    told = usage.get("cost")
    usd: list[Any] = [told.get("total_cost") if isinstance(told, dict) else told]
    if usage.get("is_byok") is True:  # OpenRouter's share alone, of a call that the user's own key pays
        usd.append(dict_of(usage.get("cost_details")).get("upstream_inference_cost"))
    if any(each.__class__ not in {int, float} or not 0 <= each < _MOST_USD for each in usd):
        return None
    return round(float(sum(usd)) * 1e9)


def reply_of(request: Request, data: Any, prices: Prices, started: float, first_token_ms: float | None = None) -> Reply:
    """Return the reply that a completion is, whole or put together from a stream, priced by the id asked for.

    `started` is the `time.perf_counter()` at which it was asked for; the reply took from then until now. Raises as
    `choice_of` does, and `ProviderFailed` if an answer to a request for embeddings has not one vector for each text.
    """
    if request.is_embedding:
        return _embeddings(request, dict_of(data), prices, started)
    choice = choice_of(request, data)
    text, finish_reason = said_in(choice)
    message, counts = dict_of(choice.get("message")), data.get("usage")
    usage, odd = usage_of(counts), odd_counts(counts)
    tier = word_of(data.get("service_tier")) or word_of(dict_of(counts).get("service_tier"))
    elapsed_s = time.perf_counter() - started
    cost, source = cost_of(prices, request.model, usage, request.parameters, time.time() - elapsed_s, tier)
    return Reply(
        text=text,
        model=word_of(data.get("model")) or model_name(request.model),
        provider=provider_name(request.model),
        tool_calls=tuple(tool_call_of(call) for call in dicts_of(message.get("tool_calls"))),
        finish_reason=finish_reason,
        usage=usage,
        cost_nano_usd=cost,
        price_source=source,
        latency_ms=elapsed_s * 1000,
        first_token_ms=first_token_ms,
        reasoning=paired(reasoning_of(message)),
        service_tier=tier,
        warning=None if odd is None else f"{request.model} {odd}",
        id=word_of(data.get("id")) or "",
    )


def cost_of(
    prices: Prices, model: str, usage: Usage, parameters: Mapping[str, Any], at: float, service_tier: str | None = None
) -> tuple[int | None, str | None]:
    """Return the cost of a call that began at this moment, asked with these parameters, and the source of its price.

    `service_tier` is the one that the provider says it was made in, if it says so.
    """
    search_size, parameters = None, {**parameters, **dict_of(parameters.get("extra_body"))}
    if (asked := parameters.get("web_search_options")) is not None:
        search_size = word_of(dict_of(asked).get("search_context_size")) or "medium"
    tier = service_tier or word_of(parameters.get("service_tier"))
    return prices.cost_nano_usd(model, usage, service_tier=tier, search_size=search_size, at=at)


def finished(request: Request, reply: Reply) -> Reply:
    """Return the reply. Raises `ProviderFailed`, with the reply as its `partial`, if the provider broke it off."""
    if not is_broken_off(reply.finish_reason):
        return reply
    failure = ProviderFailed(f"{request.model} broke its reply off ({reply.finish_reason})")
    failure.partial = reply
    raise failure


def _embeddings(request: Request, data: Mapping[str, Any], prices: Prices, started: float) -> Reply:
    count = len(request.messages)
    try:
        ordered = sorted(dicts_of(data.get("data")), key=lambda row: int(row["index"]))
        vectors = tuple(tuple(float(number) for number in row["embedding"]) for row in ordered)
    except (KeyError, TypeError, ValueError, OverflowError):
        vectors = ()
    if len(vectors) != count:
        from promptctl.models.provider_errors import error_in_answer

        if not vectors and (failure := error_in_answer(request, data)) is not None:
            raise failure
        raise broken(request, f"answered with {len(vectors)} embeddings for {count} texts")
    usage = replace(usage_of(data.get("usage")), output_tokens=0)
    cost, source = prices.cost_nano_usd(request.model, usage)
    return Reply(
        text="",
        model=word_of(data.get("model")) or model_name(request.model),
        provider=provider_name(request.model),
        usage=usage,
        cost_nano_usd=cost,
        price_source=source,
        latency_ms=(time.perf_counter() - started) * 1000,
        vectors=vectors,
    )


def answer_data(answer: bytes) -> Any:
    """Return an answer's JSON, with numbers of endless digits as infinite. Raises `ValueError`, `RecursionError`."""
    try:
        return json.loads(answer)
    except (json.JSONDecodeError, UnicodeError):
        raise
    except ValueError:  # Python reads no number of more than 4,300 digits
        return json.loads(answer, parse_int=lambda digits: int(digits) if len(digits) < _MOST_DIGITS else float(digits))


def dict_of(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one: a server may send anything."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; none if the value is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def word_of(value: Any) -> str | None:
    """Return the value if it is text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def paired(text: str) -> str:
    """Return a text in which halves of a character that arrived apart are one."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _count(*values: Any) -> int | None:
    return next((value for value in values if is_count(value)), None)


def _beside(usage: Mapping[str, Any]) -> int:
    """Return how many tokens the total counts beside those put in and out; 0 if not all three are known."""
    counts = [_count(usage.get(name)) for name in ("total_tokens", "prompt_tokens", "completion_tokens")]
    known = [count for count in counts if count is not None]
    return known[0] - known[1] - known[2] if len(known) == len(counts) else 0


def odd_counts(usage: Any) -> str | None:
    """Return what to say of a usage object with counts that cannot be, if it has any."""
    given = dict_of(usage)
    details = (dict_of(given.get(name)) for name in ("prompt_tokens_details", "completion_tokens_details"))
    counts = [count for each in (given, *details) for count in each.items() if count[0] in _COUNTS]
    odd = [f"{name}: {value!r:.40}" for name, value in counts if value is not None and not is_count(value)]
    if _beside(given) > _MOST_REASONING:
        odd.append(f"total_tokens: {given['total_tokens']}")
    return f"counted {', '.join(odd)}, which cannot be and is taken as unknown" if odd else None
