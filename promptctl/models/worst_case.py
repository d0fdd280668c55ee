"""The most that a request can cost, known before it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.models.gateway import Request

if TYPE_CHECKING:
    from promptctl.models.prices import Prices

# A token stands for one byte at least. What a provider adds: for each request and message, for tools, for a schema.
_EACH_REQUEST = 16
_EACH_MESSAGE = 8
_TOOLS = 700
_SCHEMA = 350
# The most that an image takes with any provider (16,384 for the largest that open models take); one model takes more.
_IMAGE = 16_384
_IMAGE_4O_MINI = 50_000
_IMAGES = frozenset({"image_url", "image", "input_image"})
_SOUNDS = frozenset({"input_audio", "audio"})
# Where nothing says how much a model reads or writes.
_MOST_INPUT = 200_000
MOST_OUTPUT = 128_000
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_CHOICES = ("n", "best_of", "candidate_count")
# Models that no provider is asked for begin with these.
FREE = ("echo/", "replay/")


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most tokens of one request, and the most that they cost; None if nobody can tell.

    `is_limited` says that the request or LiteLLM's list limits the reply; if not, it is taken to be of 128,000 tokens.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int | None = 0
    is_unpriced: bool = False
    is_limited: bool = True

    @classmethod
    def of(cls, request: Request, model: str, prices: Prices) -> WorstCase:
        """Return the worst case of a request to a model, by its id with its provider."""
        if model.startswith(FREE):
            return cls()
        given = _merged(request.parameters)
        window, most = prices.limits_of(model)
        output, is_limited = 0, True
        if not _is_embedding(request):
            asked = max((given[name] for name in _LIMITS if _is_positive(given.get(name))), default=None)
            is_limited = asked is not None or most is not None
            choices = max((given[name] for name in _CHOICES if _is_positive(given.get(name))), default=1)
            output = (asked or most or MOST_OUTPUT) * choices
        tokens = _input_tokens(request, model, window or _MOST_INPUT)
        has_audio = bool(given.get("modalities")) or any(map(_has_sound, request.messages))
        tier = given.get("service_tier")
        cost = prices.worst_nano_usd(
            model,
            tokens,
            output,
            service_tier=tier if isinstance(tier, str) else None,
            has_audio=has_audio,
            searches=_may_search(given, request),
        )
        return cls(tokens, output, cost, cost is None and not prices.tells_cost(model), is_limited)

    @property
    def words(self) -> str:
        """The tokens, as people read them."""
        return f"up to {self.input_tokens:,} tokens of input and {self.output_tokens:,} of the reply"

    @property
    def hint(self) -> str:
        """Advice on a request that is too dear."""
        limit = "lower `max_tokens`" if self.is_limited else "set `max_tokens`, which limits the reply"
        return f"{limit} (a prompt's `parameters`; a judge's: `judge_parameters`), or raise the limit on the cost"


def _merged(parameters: Mapping[str, Any]) -> dict[str, Any]:
    extra = parameters.get("extra_body")
    if not isinstance(extra, Mapping):
        return dict(parameters)
    # Either may be what counts: the larger of two limits is the safe one.
    both = {name: max(parameters[name], extra[name]) for name in _both_numbers(parameters, extra)}
    return {**parameters, **extra, **both}


def _both_numbers(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in one.keys() & other.keys() if _is_positive(one[name]) and _is_positive(other[name])]


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_embedding(request: Request) -> bool:
    return bool(request.messages) and request.messages[0].get("role") == "embed"


def _has_sound(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("type") in _SOUNDS for part in content)


def _may_search(given: Mapping[str, Any], request: Request) -> bool:
    tools = [*request.tools, *(given["tools"] if isinstance(given.get("tools"), list) else ())]
    kinds = [str(tool.get("type")) for tool in tools if isinstance(tool, Mapping)]
    return "web_search_options" in given or any("search" in kind for kind in kinds)


def _input_tokens(request: Request, model: str, window: int) -> int:
    tokens = _EACH_REQUEST
    for message in request.messages:
        tokens += _EACH_MESSAGE
        for name, value in message.items():
            if name == "content" and isinstance(value, list):
                tokens += sum(_part(part, model, window) for part in value)
            else:
                tokens += _bytes(value)
    if request.tools:
        tokens += _TOOLS + _bytes(list(request.tools))
    if request.response_format is not None:
        tokens += _SCHEMA + _bytes(request.response_format)
    # Among them may be functions, a prediction, or a body with more tools.
    return tokens + sum(_bytes(value) for value in request.parameters.values() if isinstance(value, list | Mapping))


def _part(part: Any, model: str, window: int) -> int:
    """Return the most tokens of one part of a message; of a document or film, all that the model reads."""
    kind = part.get("type") if isinstance(part, Mapping) else "text"
    if kind in _IMAGES:
        return _IMAGE_4O_MINI if "4o-mini" in model else _IMAGE
    return _bytes(part) if kind == "text" or kind in _SOUNDS else window


def _bytes(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
