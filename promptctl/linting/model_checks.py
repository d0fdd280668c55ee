"""Rules about the model: what it does not take, whether it is there, how much it reads and writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from promptctl.errors import Place, printable
from promptctl.linting.models import ModelFacts, ModelList
from promptctl.linting.prompt import LintedPrompt
from promptctl.linting.rules import Findings, LintFinding, finding
from promptctl.models.dialects import dialect_of, is_reasoning

_SOON = timedelta(days=30)
# What OpenAI's reasoning models refuse, with the value that is theirs anyway.
_NO_SAMPLING = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False,
                "top_logprobs": None, "logit_bias": None}  # fmt: skip
_SAMPLING = {"temperature": 1, "top_p": 1, "top_k": None}
# What OpenAI's and Anthropic's own servers refuse from every model. Sources: the pages on their requests' bodies.
_REFUSED = {
    "openai": frozenset(("top_k", "min_p", "repetition_penalty", "thinking", "safety_settings")),
    "anthropic": frozenset(
        ("seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "min_p",
         "repetition_penalty", "safety_settings")
    ),
}  # fmt: skip
_LIMITS = ("max_completion_tokens", "max_tokens")
# Each run of letters, up to three digits and each run of signs is a token at least; a character is one at most.
_AT_LEAST_A_TOKEN = re.compile(r"[^\W\d_]+|\d{1,3}|[^\w\s]+")


def refused(prompt: LintedPrompt) -> Findings:
    """Find P203."""
    facts = prompt.facts
    if not facts.provider or facts.is_own:
        return
    for name, why in _refusals(facts, prompt.parameters):
        if prompt.own(name):
            message = f"{facts.id} does not take `{name}`{why}"
            hint = "remove it, or name a model that takes it"
            yield finding("P203", message, prompt.parameter_place(name), hint, removes=prompt.removable(name))
    yield from _kinds(prompt, facts)


def _refusals(facts: ModelFacts, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each parameter that the model refuses, with the end of a sentence on it."""
    told = {*_REFUSED.get(facts.provider, ()), *dialect_of(facts.provider).lacks} & given.keys()
    for name in sorted(told):
        yield name, ""
    openai = facts.provider in ("openai", "azure") and is_reasoning(facts.name) and bool(facts.entry)
    if openai and facts.entry.get("supports_none_reasoning_effort") is not True:
        only = _NO_SAMPLING
    elif facts.entry.get("supports_sampling_params") is False:
        only = _SAMPLING
    else:
        only = {}
    for name, usual in only.items():
        if name in given and name not in told and given[name] != usual:
            yield name, f": it has no value but {usual}" if isinstance(usual, int) and usual else ""
    is_openai = facts.provider == "openai" and bool(facts.entry) and not facts.name.startswith("ft:")
    if is_openai and "reasoning_effort" in given and facts.entry.get("supports_reasoning") is not True:
        yield "reasoning_effort", ": it does not reason"
    if facts.provider == "anthropic" and (given.get("temperature") or 0) > 1 and not only:
        yield "temperature", " above 1"


def _kinds(prompt: LintedPrompt, facts: ModelFacts) -> Iterator[LintFinding]:
    """Yield tools and images that LiteLLM's list says the model does not take."""
    if prompt.declared.tools and facts.entry.get("supports_function_calling") is False:
        message, hint = f"{facts.id} does not take tools", "name a model that takes them, or remove `tools`"
        yield finding("P203", message, prompt.place("tools"), hint)
    if facts.entry.get("supports_vision") is False:
        messages, media = prompt.data["messages"], (text.keys for text in prompt.texts if text.role == "media")
        images = (keys for keys in media if messages[keys[1]]["content"][keys[3]]["type"] == "image_url")
        if (keys := next(images, None)) is not None:
            message, hint = f"{facts.id} does not take images", "name a model that sees"
            yield finding("P203", message, prompt.document.place(*keys), hint)


def unknown(prompt: LintedPrompt) -> Findings:
    """Find P204 and P205 for the model that the prompt names."""
    if prompt.data.get("model"):
        yield from of_model(prompt.facts, prompt.document.place("model"), prompt.today, prompt.models)


def of_model(facts: ModelFacts, place: Place, today: date, models: ModelList) -> Findings:
    """Find P204 and P205 for a model that is named at the place."""
    if facts.unknown is not None:
        hint = facts.hint or "it may be retired, or newer than the list; a server of your own is named under `models:`"
        yield finding("P204", f"the model `{printable(facts.id)}` {facts.unknown}", place, hint)
    day = facts.retires
    if day is not None and not facts.is_own and day <= today + _SOON:
        verb = "retired" if day <= today else "retires"
        message = f"{facts.provider} {verb} the model `{facts.id}` on {day} ({models.source})"
        yield finding("P205", message, place, "name its successor, and evaluate it with promptctl eval --model")


def over_the_window(prompt: LintedPrompt) -> Findings:
    """Find P206: of the constant text alone, whose tokens are counted as so many as there are at least."""
    facts = prompt.facts
    window, most = facts.count("max_input_tokens"), facts.count("max_output_tokens")
    for name in prompt.own(*_LIMITS):
        asked = prompt.parameters.get(name)
        if most is not None and type(asked) is int and asked > most and not facts.is_own:
            message = f"`{name}: {asked}` is more than {facts.id} writes: at most {most:,} tokens"
            hint = f"set at most {most}"
            yield finding("P206", message, prompt.parameter_place(name), hint)
    if window is None:
        return
    pieces = [piece for text in prompt.texts for piece in text.pieces if piece.is_always_sent]
    if sum(len(piece.text) for piece in pieces) <= window:
        return
    least = sum(len(_AT_LEAST_A_TOKEN.findall(piece.text)) for piece in pieces)
    if least > window:
        message = f"the messages alone have more than {least:,} tokens, and {facts.id} reads at most {window:,}"
        yield finding("P206", message, prompt.place("messages"), "shorten them, or name a model that reads more")
