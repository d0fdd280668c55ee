"""Streams that broke off before the provider counted their tokens: priced by what was sent and received."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptctl.models.chat_protocol import cost_of
from promptctl.models.gateway import Reply, Request, Usage

if TYPE_CHECKING:
    from promptctl.models.model_settings import Models

# A tokenizer would take seconds to load, in the middle of an application's loop of events.
_BYTES_PER_TOKEN = 4
_EACH_MESSAGE = 4
ESTIMATED = ", tokens estimated"
"""Ends the price source of a cost whose tokens nobody counted."""


def with_estimate(models: Models, request: Request, reply: Reply, started_at: str) -> Reply:
    """Return what was received of a reply with tokens and cost: one token for each four bytes sent and received.

    Unchanged if the provider counted them, if nothing was received, if no provider was asked, or if the request has
    images, sounds or documents, whose tokens nobody can tell.
    """
    received = reply.text + reply.reasoning + _text(list(reply.tool_calls))
    settings = models.settings_of(request.model)
    if reply.usage.output_tokens is not None or not received or settings.lane in {"echo", "replay"}:
        return reply
    if not all(map(_is_text, request.messages)):
        return reply
    sent = _text([list(request.messages), list(request.tools), request.response_format])
    usage = Usage(_tokens(sent) + _EACH_MESSAGE * len(request.messages), _tokens(received))
    began = datetime.fromisoformat(started_at).timestamp()
    cost, source = cost_of(models.prices, settings.model, usage, request.parameters, began)
    price_source = None if source is None else source + ESTIMATED
    return replace(reply, usage=usage, cost_nano_usd=cost, price_source=price_source, is_estimated=True)


def _is_text(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return not isinstance(content, list) or all(
        isinstance(part, str) or (isinstance(part, Mapping) and part.get("type") == "text") for part in content
    )


def _text(value: Any) -> str:
    """Return every text within a value, its keys left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "".join(map(_text, value.values()))
    if isinstance(value, list):
        return "".join(map(_text, value))
    return "" if value is None else json.dumps(value, default=str)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
