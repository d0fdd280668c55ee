"""Rules about parameters: those that contradict each other, and a reply that cannot be long enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from promptctl.linting.prompt import LintedPrompt
from promptctl.linting.rules import Findings, LintFinding, finding

_LIMITS = ("max_tokens", "max_completion_tokens")
_CHOICES = ("n", "best_of", "candidate_count")
_OF_TOOLS = ("tool_choice", "parallel_tool_calls")
# A token is seldom longer than so many characters of JSON, and replies of more tokens than this fit every schema.
_CHARACTERS = 5
_MOST_CHECKED = 4_000


def contradictory(prompt: LintedPrompt) -> Findings:
    """Find P201."""
    given = prompt.parameters
    yield from _at_zero(prompt)
    if len({given[name] for name in _LIMITS if name in given}) > 1 and (own := prompt.own(*_LIMITS)):
        hint = "keep one: OpenAI's reasoning models take `max_completion_tokens`, all others `max_tokens`"
        yield _found(prompt, own[-1], "`max_tokens` and `max_completion_tokens` are two limits of one reply", hint)
    if "top_logprobs" in given and given.get("logprobs") is not True and prompt.own("top_logprobs"):
        message = "`top_logprobs` is asked for without `logprobs: true`"
        yield _found(prompt, "top_logprobs", message, "remove it, or set `logprobs`", is_idle=True)
    yield from _of_tools(prompt)
    yield from _of_thinking(prompt)
    yield from _of_choices(prompt)
    yield from _of_stops(prompt)


def _at_zero(prompt: LintedPrompt) -> Iterator[LintFinding]:
    """At temperature 0 the likeliest word is taken: what narrows the choice down has nothing left to do."""
    given = prompt.parameters
    narrowing = [name for name, idle in (("top_p", 1), ("top_k", 0), ("min_p", 0)) if given.get(name, idle) != idle]
    own = prompt.own(*narrowing)
    if given.get("temperature") != 0 or not own or given.get("top_k") == 1:
        return
    names = " and ".join(f"`{name}`" for name in own)
    message = f"{names} {'does' if len(own) == 1 else 'do'} nothing at `temperature: 0`, which takes the likeliest word"
    place, removes = prompt.parameter_place(own[0]), prompt.removable(*own)
    yield finding("P201", message, place, "keep one of the two", removes=removes)


def _of_tools(prompt: LintedPrompt) -> Iterator[LintFinding]:
    tools = prompt.declared.tools
    for name in prompt.own(*_OF_TOOLS):
        if not tools:
            message = f"`{name}` is set, and the prompt has no tools"
            yield _found(prompt, name, message, "remove it, or add the tools", is_idle=True)
    choice = prompt.parameters.get("tool_choice")
    named = choice.get("function") if isinstance(choice, dict) else None
    wanted = named.get("name") if isinstance(named, dict) else None
    known = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
    if tools and prompt.own("tool_choice") and isinstance(wanted, str) and wanted not in known:
        yield _found(prompt, "tool_choice", f"`tool_choice` names `{wanted}`, and no tool is named so", "name a tool")


def _of_thinking(prompt: LintedPrompt) -> Iterator[LintFinding]:
    thinking = prompt.parameters.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled" or not prompt.own("thinking"):
        return
    budget, limit = thinking.get("budget_tokens"), prompt.parameters.get("max_tokens")
    if isinstance(budget, int) and isinstance(limit, int) and budget >= limit:
        message = (
            f"thinking may take {budget:,} tokens, and `max_tokens` allows {limit:,} for it and the reply together"
        )
        yield _found(prompt, "thinking", message, "raise `max_tokens` above `budget_tokens`")
    if prompt.parameters.get("temperature", 1) != 1 and prompt.own("temperature"):
        message = "`temperature` is set beside `thinking`, which allows no value but 1"
        yield _found(prompt, "temperature", message, "remove one of the two")


def _of_choices(prompt: LintedPrompt) -> Iterator[LintFinding]:
    extra = prompt.parameters.get("extra_body")
    given = {**(extra if isinstance(extra, dict) else {}), **prompt.parameters}
    for name in _CHOICES:
        value = given.get(name)
        if isinstance(value, int) and value > 1 and prompt.own(name, "extra_body"):
            message = f"`{name}: {value}` pays for {value} replies, and the first alone is read"
            yield _found(prompt, (*prompt.own(name), "extra_body")[0], message, "remove it; `eval --repeat` repeats")


def _of_stops(prompt: LintedPrompt) -> Iterator[LintFinding]:
    schema = prompt.declared.output.schema
    stop = prompt.parameters.get("stop")
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    if schema is None or not stops or not prompt.own("stop"):
        return
    reply = _smallest(schema)
    for each in stops:
        if isinstance(each, str) and each and reply is not None and each in reply:
            shown = json.dumps(each, ensure_ascii=False)[:40]
            message = f"`stop` ends the reply at {shown}, which the replies of the output schema hold"
            yield _found(prompt, "stop", message, "remove it: the end of the JSON ends the reply")
            return


def too_short(prompt: LintedPrompt) -> Findings:
    """Find P202."""
    schema = prompt.declared.output.schema
    limits = [value for name in prompt.own(*_LIMITS) if type(value := prompt.parameters.get(name)) is int]
    if schema is None or not limits or min(limits) > _MOST_CHECKED:
        return
    reply = _smallest(schema)
    least = 0 if reply is None else len(reply) // _CHARACTERS
    if least > min(limits):
        name = next(name for name in prompt.own(*_LIMITS) if prompt.parameters[name] == min(limits))
        shortest = f"the shortest that fits the output schema has about {least:,} tokens"
        message = f"`{name}: {min(limits)}` cuts every reply: {shortest}"
        hint = "raise it to what the longest good reply takes"
        yield finding("P202", message, prompt.parameter_place(name), hint)


def _smallest(schema: Any) -> str | None:
    """Return a small reply that fits the schema, as JSON; None if none was found."""
    from promptctl.schemas.minimal import CannotFill, minimal_instance

    try:
        return json.dumps(minimal_instance(schema), separators=(",", ":"), ensure_ascii=False)
    except CannotFill:
        return None


def _found(prompt: LintedPrompt, name: str, message: str, hint: str, *, is_idle: bool = False) -> LintFinding:
    removes = prompt.removable(name) if is_idle else ()
    return finding("P201", message, prompt.parameter_place(name), hint, removes=removes)
