"""Bodies of OpenAI's chat requests: what of them is a prompt's, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.exchange.model_settings import ForeignSettings
from promptctl.exchange.notes import Fate

_OF_A_CALL = ("stream", "stream_options", "user", "n", "store", "metadata", "safety_identifier")
_WORDS: Mapping[str, tuple[Fate, str]] = {"tools": ("kept", "stay"), "output.schema": ("changed", "is `output`")}


def keys_of(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[Fate, str]]]:
    """Return the keys of a prompt that a body stands for without its messages, and what became of each of its keys."""
    settings, fates = ForeignSettings(), dict[str, tuple[Fate, str]]()
    for key, value in body.items():
        if key == "messages" or value is None or value == [] or value == "":
            continue
        if key in _OF_A_CALL:
            fates[key] = "dropped", "is of one call, no part of a prompt"
            continue
        place, why = settings.take(key, model_of(value) if key == "model" and isinstance(value, str) else value)
        if place is None:
            fates[key] = "dropped", why
        elif place == "model":
            fates[key] = "changed", f"is `{settings.data['model']}`"
        else:
            is_same = place.rpartition(".")[2] == key
            fates[key] = _WORDS.get(place, ("kept" if is_same else "changed", f"is `{place}`"))
    return settings.data, fates


def model_of(written: str) -> str:
    """Return LiteLLM's id of a model of OpenAI; one that names a provider stays.

    >>> model_of("gpt-4o"), model_of("anthropic/claude-sonnet-4-5")
    ('openai/gpt-4o', 'anthropic/claude-sonnet-4-5')
    """
    return written if "/" in written else f"openai/{written}"
