"""Assertions on how the reply came: latency, cost, finish-reason, tool-call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from promptctl.assertions.assertion import Assertion, Subject
from promptctl.assertions.effort import Effort
from promptctl.assertions.equality import first_difference
from promptctl.assertions.outcome import Outcome, Ungraded, decided, shown
from promptctl.assertions.shapes import Shape, listed
from promptctl.models.reading import shallow

NANO = 1_000_000_000


def latency(subject: Subject, assertion: Assertion) -> Outcome:
    """The whole reply took at most `threshold` milliseconds."""
    limit = assertion.options["threshold"]
    if subject.latency_ms is None:
        raise Ungraded("the latency is unknown: the reply was recorded, not asked for")
    is_met = subject.latency_ms <= limit
    return decided(
        is_met, f"took {subject.latency_ms:.0f} ms, {limit:g} ms allowed", expected=limit, got=subject.latency_ms
    )


def cost(subject: Subject, assertion: Assertion) -> Outcome:
    """The reply cost at most `threshold` US dollars. A reply of unknown price is an error, never a pass."""
    limit = assertion.options["threshold"]
    if subject.cost_nano_usd is None and subject.latency_ms is None:
        raise Ungraded("the cost is unknown: the reply was recorded, not asked for")
    if subject.cost_nano_usd is None:
        raise Ungraded(
            "unpriced: what this reply cost is unknown; give the model a price under `prices` in promptctl.yaml"
        )
    dollars = subject.cost_nano_usd / NANO
    is_met = subject.cost_nano_usd <= limit * NANO
    return decided(is_met, f"cost ${dollars:.6g}, ${limit:.6g} allowed", expected=limit, got=dollars)


def finish_reason(subject: Subject, assertion: Assertion) -> Outcome:
    """The provider gave the value as the reason why the reply ended: `stop`, `length`, `tool_calls`, …"""
    wanted = assertion.wanted(subject)
    if subject.finish_reason is None:
        raise Ungraded("the provider gave no finish reason")
    is_met = subject.finish_reason == wanted
    return decided(is_met, f"finished with {shown(subject.finish_reason)}", expected=wanted, got=subject.finish_reason)


def tool_call(subject: Subject, assertion: Assertion) -> Outcome:
    """The reply calls the tools that the value names, each with at least the arguments given; without one, any tool."""
    wanted: tuple[Mapping[str, Any], ...] | None = assertion.wanted(subject)
    given = [_given(call) for call in subject.tool_calls]
    if wanted is None:
        reason = f"calls {', '.join(str(call['name']) for call in given)}" if given else "calls no tool"
        return decided(bool(given), reason, got=given)
    misses = [miss for call in wanted if (miss := _miss(call, given, subject.effort)) is not None]
    reason = "; ".join(misses) or f"calls {', '.join(call['name'] for call in wanted)}"
    return decided(not misses, reason, expected=list(wanted), got=given, score=1.0 - len(misses) / len(wanted))


def _given(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool call of the chat-completions protocol as name and arguments; arguments not in JSON stay text."""
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = shallow(json.loads(arguments), arguments)
    return {"name": function.get("name"), "arguments": arguments}


def _miss(wanted: Mapping[str, Any], given: Sequence[Mapping[str, Any]], effort: Effort) -> str | None:
    """Return why no given call is the wanted one; None if one is."""
    effort.tick()
    named = [call for call in given if call["name"] == wanted["name"]]
    if not named:
        return f"does not call {wanted['name']}"
    differences = [_argument_difference(wanted.get("arguments", {}), call["arguments"]) for call in named]
    return None if None in differences else f"calls {wanted['name']} otherwise: {differences[0]}"


def _argument_difference(wanted: Mapping[str, Any], given: Any) -> str | None:
    if not wanted:
        return None
    if not isinstance(given, Mapping):
        return f"its arguments are no JSON object: {shown(given)}"
    for name, value in wanted.items():
        difference = first_difference(value, given[name], name) if name in given else f"no argument {name}"
        if difference:
            return difference
    return None


def read_wanted_calls(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Read a tool's name, `{name, arguments}`, or a list of either; without `arguments` any will do."""
    return tuple(_read_wanted_call(item) for item in listed(value, "tool"))


def _read_wanted_call(item: Any) -> Mapping[str, Any]:
    if isinstance(item, str) and item:
        return {"name": item}
    if isinstance(item, Mapping) and isinstance(item.get("name"), str) and not set(item) - {"name", "arguments"}:
        arguments = item.get("arguments")
        if arguments is None or isinstance(arguments, Mapping):
            return {key: given for key, given in item.items() if given is not None}
    raise ValueError(f"must be a tool's name or {{name: …, arguments: {{…}}}}, not {shown(item)}")


TOOL_CALLS = Shape(read_wanted_calls, is_required=False)
