"""The most that a request can cost, known before it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.models.dialects import CACHE_MARK, PARAMETERS
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
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg")
_FILM = re.compile(r"(?i)//(?:[^/]*\.)?(?:youtube\.com|youtu\.be)/")
_SOUNDS = frozenset({"input_audio", "audio"})
_SILENT = frozenset({"text", "input_text", "output_text", "refusal", "thinking", "redacted_thinking", "tool_use"})
_PICTURE = re.compile(r"(?i)(?:data:)?image/")
_DOCUMENT = re.compile(r"(?i)(?:data:)?(?:application/pdf|text/)|[a-z]+://[^?#]*\.pdf(?:[?#]|$)")
_MOST_SEARCHES = 10
# Where nothing says how much a model reads or writes; and the most that searches of the web bring into one request.
_MOST_INPUT = 200_000
MOST_OUTPUT = 128_000
_LIMITS = ("max_tokens", "max_completion_tokens")
_OTHER_LIMITS = ("max_output_tokens", "num_predict")
_CHOICES = ("n", "best_of", "candidate_count")
_COUNTS = frozenset((*_LIMITS, *_OTHER_LIMITS, *_CHOICES))
# What a tool has that costs no more than its bytes and, of those with `search` in their type, the fees of searches.
_TOOL = frozenset({"type", "name", "description", "parameters", "input_schema", "function", "strict", "cache_control"})
_SEARCH = frozenset(
    {"type", "name", "search_context_size", "user_location", "allowed_domains", "blocked_domains", "max_uses"}
)
# Models that no provider is asked for begin with these.
FREE = ("echo/", "replay/")


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most tokens of one request, and the most that they cost; None if nobody can tell.

    `is_limited` says that the request or LiteLLM's list limits the reply; if not, it is taken to be of 128,000 tokens.
    `unbounded` names the part of the request that could cost anything.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int | None = 0
    is_limited: bool = True
    unbounded: str | None = None

    @classmethod
    def of(cls, request: Request, model: str, prices: Prices) -> WorstCase:
        """Return the worst case of a request to a model, by its id with its provider."""
        if model.startswith(FREE):
            tokens = _input_tokens(request, model, _MOST_INPUT)
            return cls(tokens, tokens)
        given = _merged(request.parameters)
        window, most = prices.limits_of(model)
        output, is_limited = 0, True
        if not request.is_embedding:
            asked = _largest(request.parameters, _LIMITS)
            is_limited = asked is not None or most is not None
            # A provider may not know the names of `extra_body`: they lengthen a reply here, and never shorten it.
            longest = max(asked or most or MOST_OUTPUT, _largest(given, (*_LIMITS, *_OTHER_LIMITS)) or 0)
            predicted = _bytes(given["prediction"]) if given.get("prediction") else 0  # what is rejected is output
            output = (longest + _thinking(given) + predicted) * (_largest(given, _CHOICES) or 1)
        tokens = _input_tokens(request, model, window or _MOST_INPUT)
        searches = _searches(given, request) or (_MOST_SEARCHES if prices.always_searches(model) else 0)
        if searches and not prices.finds_for_free(model):
            tokens += min(window or _MOST_INPUT, _MOST_INPUT)
        has_audio = bool(given.get("modalities")) or any(map(_may_sound, request.messages))
        tier = given.get("service_tier")
        cost = prices.worst_nano_usd(
            model,
            tokens,
            output,
            service_tier=tier if isinstance(tier, str) else None,
            has_audio=has_audio,
            for_hour=_is_kept_for_hour(request),
            searches=searches,
        )
        unbounded = _unbounded(request)
        return cls(tokens, output, cost if unbounded is None else None, is_limited, unbounded)

    @property
    def words(self) -> str:
        """The tokens, as people read them."""
        return f"up to {self.input_tokens:,} tokens of input and {self.output_tokens:,} of the reply"

    @property
    def hint(self) -> str:
        """Advice on a request that is too dear."""
        limit = "lower `max_tokens`" if self.is_limited else "set `max_tokens`, which limits the reply"
        where = "-p, or a prompt's `parameters`; a judge's: `judge_parameters`"
        return f"{limit} ({where}), or raise the limit on the cost"


def _merged(parameters: Mapping[str, Any]) -> dict[str, Any]:
    extra = parameters.get("extra_body")
    if not isinstance(extra, Mapping):
        return dict(parameters)
    # Either may be what counts: the larger of two limits is the safe one, and what is set the safe one beside null.
    extra = {name: value for name, value in extra.items() if value is not None}
    pairs = {name: (parameters[name], extra[name]) for name in parameters.keys() & extra.keys()}
    return {**parameters, **extra, **{name: max(both) for name, both in pairs.items() if all(map(_is_positive, both))}}


def _largest(given: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return max((given[name] for name in names if _is_positive(given.get(name))), default=None)


def _thinking(given: Mapping[str, Any]) -> int:
    """Return the tokens for thinking, which some models do not count among those of the reply."""
    thinking = given.get("thinking")
    return (_largest(thinking, ("budget_tokens",)) or 0) if isinstance(thinking, Mapping) else 0


def _unbounded(request: Request) -> str | None:
    """Return the name of what could make the request cost anything; None if nothing of it could.

    A parameter that is not known could be another name for a longer reply, a dearer model or a search of the web.
    """
    extra = request.parameters.get("extra_body")
    extra = extra if isinstance(extra, Mapping) else {}
    own = {name: value for name, value in request.parameters.items() if value is not None and name != "extra_body"}
    for where, given in (("", own), ("extra_body.", extra)):
        for name, value in given.items():
            if name == "thinking":
                is_known = isinstance(value, Mapping) and value.keys() <= {"type", "budget_tokens", "display"}
                is_known = is_known and ("budget_tokens" not in value or _is_positive(value["budget_tokens"]))
            elif name in _COUNTS:
                is_known = _is_positive(value)
            elif name == "modalities":
                is_known = isinstance(value, list) and all(each in ("text", "audio") for each in value)
            else:
                is_known = name in PARAMETERS and name != "extra_body"
            if not is_known:
                return f"{where}{name}"
    for tool in request.tools:
        kind = tool.get("type")
        known = _SEARCH if "search" in str(kind) else _TOOL if kind in (None, "function", "custom") else frozenset()
        if not tool.keys() <= known or not _is_positive(tool.get("max_uses", 1)):
            return "a tool that the provider runs"
    return None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _may_sound(message: Mapping[str, Any]) -> bool:
    """Return True if a part of a message is a sound, or a file or film that may have one."""
    content = message.get("content")
    return isinstance(content, list) and any(map(_is_audible, content))


def _is_audible(part: Any) -> bool:
    kind = part.get("type") if isinstance(part, Mapping) else "text"
    if kind in _SILENT or (kind in _IMAGES and _is_image(part)):
        return False
    given = part.get(kind)
    said = [given.get(name) for name in ("format", "file_data", "file_id", "url")] if isinstance(given, Mapping) else []
    told = [str(each) for each in said if each] or [""]
    if _PICTURE.match(told[0]):
        return not _is_image({"source": {"format": "image/", "url": told[-1]}})
    return not _DOCUMENT.match(told[0])


def _is_kept_for_hour(request: Request) -> bool:
    """Return True if a part of the request is marked to be kept in a cache for an hour."""
    parts = [*request.messages, *request.tools, *(tool.get("function") for tool in request.tools)]
    for message in request.messages:
        if isinstance(message.get("content"), list):
            parts += message["content"]
    return any("1h" in str(part[CACHE_MARK]) for part in parts if isinstance(part, dict) and CACHE_MARK in part)


def _searches(given: Mapping[str, Any], request: Request) -> int:
    """Return the most searches of the web that a request is taken to bring about."""
    found = _MOST_SEARCHES if given.get("web_search_options") is not None else 0
    for tool in request.tools:
        if "search" in str(tool.get("type")):
            found += _largest(tool, ("max_uses",)) or _MOST_SEARCHES
    return found


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
    if kind in _IMAGES and _is_image(part):
        return _IMAGE_4O_MINI if "4o-mini" in model else _IMAGE
    return _bytes(part) if kind == "text" or kind in _SOUNDS else window


def _is_image(part: Mapping[str, Any]) -> bool:
    """Return True unless the address may be of a film or a document, which some providers read in an image's place."""
    given = next((part[name] for name in (*_IMAGES, "source") if part.get(name)), "")
    data = given if isinstance(given, Mapping) else {"url": given}
    said, address = str(data.get("format") or ""), str(data.get("url") or "")
    if not said.startswith("image/") and said:
        return False
    if address.startswith("data:"):
        return address.startswith("data:image/")
    name = re.split("[?#]", address)[0].rpartition("/")[2].lower()
    is_named = "." in name or (not said and address.lower().startswith("gs:"))  # where nothing else may say what it is
    return not _FILM.search(address) and (not is_named or name.endswith(_IMAGE_SUFFIXES))


def _bytes(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
