"""Suggestions: what would make a prompt cheaper, each with the calls that show it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from promptctl.comparisons.compared import compare
from promptctl.comparisons.rule import GateRule
from promptctl.costs.recent_calls import DAYS, RecentCalls
from promptctl.files.wording import clip, count, percent, version_keys
from promptctl.log.results import EvaluationRow
from promptctl.models.gateway import recorded_model
from promptctl.prompts.prompt import Message
from promptctl.templates.reading import split_markup

CACHE_MINIMUM = 1024
FEWEST_CALLS = 20
_HIT_RATE = 0.1
# Providers keep a prefix for five to ten minutes after its last use.
_KEPT = timedelta(minutes=10)
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_FAR_ABOVE = 4
_FEWEST_GROUPS = 10
_LEAST_SHARE = 0.1
_LEAST_TOKENS = 50
_MOST_PARAGRAPHS = 3
_NAME = re.compile(r"\{\{-?\s*([\w.]+)")
_INCLUDE = re.compile(r"\{%-?\s*include\s+[\"']([^\"']+)[\"']")
_NOT_WHOLE = ("ReplyCut", "ReplyWithheld")  # replies of which no schema is the cause
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to make a prompt cheaper.

    `saving_nano_usd` is the estimate for a month, None if no money is saved or no price is known. `calls` is the number
    of calls that show it, `evidence` what they show, `rule` when this is suggested and how the money is reckoned.
    """

    prompt: str
    kind: str
    saving_nano_usd: int | None
    calls: int
    what: str
    evidence: str
    rule: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Suggestions for some prompts, those that save most first.

    `looked_at` has each prompt with the version, the calls and the cost in a month that they are drawn from;
    `unchecked` says what could not be checked, and why.
    """

    looked_at: tuple[Mapping[str, Any], ...]
    found: tuple[Suggestion, ...]
    unchecked: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {
            "prompts": [dict(each) for each in self.looked_at],
            "suggestions": [each.as_dict() for each in self.found],
            "unchecked": list(self.unchecked),
        }


def suggest(recent: Sequence[RecentCalls]) -> Suggestions:
    """Return the suggestions for these prompts."""
    found = [each for seen in recent if len(seen.calls) >= FEWEST_CALLS for rule in _RULES for each in rule(seen)]
    found.sort(key=lambda each: -(each.saving_nano_usd or 0))
    looked_at = [
        {
            "prompt": seen.prompt_id,
            **version_keys(seen.version),
            "model": seen.model,
            "calls": len(seen.calls),
            "cost_nano_usd": seen.paid_a_month(seen.attempts),
        }
        for seen in recent
    ]
    return Suggestions(tuple(looked_at), tuple(found), tuple(text for seen in recent for text in _unchecked(seen)))


def _unchecked(seen: RecentCalls) -> Iterator[str]:
    of = f"{seen.prompt_id} {seen.version}"
    if len(seen.calls) < FEWEST_CALLS:
        yield f"{of} has {count(len(seen.calls), 'call')} in {DAYS} days; suggestions take {FEWEST_CALLS}"
        return
    if seen.prompt is None:
        yield f"{of} is neither in the files nor in Git: its text, its prefix and its examples were not checked"
    if not seen.has_contents:
        yield f"the log keeps no contents of {of}: repeated requests and inputs without effect were not checked"
    if seen.price(*seen.usage) is None:
        yield f"no price is known for {seen.model}: estimates have no money"


def _prefix(seen: RecentCalls) -> Iterator[Suggestion]:
    texts = _texts(seen)
    parts = split_markup("\n".join(texts), "{%")
    if len(parts) == 1 or seen.prompt is None:
        return
    tools = seen.count_tokens(json.dumps(list(seen.prompt.tools))) if seen.prompt.tools else 0
    prefix = tools + seen.count_tokens(parts[0])
    constant = tools + seen.count_tokens("".join(parts[::2]))
    sent, received, cached = seen.usage
    hits = cached / sent if sent else 0.0
    starts = sorted(datetime.fromisoformat(call[0].started_at) for call in seen.calls)
    warm = sum(later - earlier <= _KEPT for earlier, later in pairwise(starts))
    if prefix >= CACHE_MINIMUM or constant < CACHE_MINIMUM or hits >= _HIT_RATE or not warm:
        return
    now, then = seen.price(sent, received, cached), seen.price(sent, received, constant)
    variable = _NAME.match(parts[1])
    name = f"`{variable[1]}`" if variable else f"`{_shown(parts[1])}`"
    yield Suggestion(
        seen.prompt_id,
        "prefix",
        None if now is None or then is None else seen.a_month(max(0, now - then) * warm),
        len(seen.calls),
        f"move {name} behind the constant text, so that the provider can cache it",
        f"{name} comes after {prefix:,} tokens, {constant:,} tokens are constant in all; {percent(hits)} of the tokens "
        f"sent were cached; {count(warm, 'call')} followed another within 10 minutes",
        f"the text before the first variable has less than the {CACHE_MINIMUM:,} tokens from which providers cache, "
        "the constant text has more, and less than 10 % is cached; saved: the constant text at the price of cached "
        "tokens, in calls that follow another within 10 minutes",
    )


def _model(seen: RecentCalls) -> Iterator[Suggestion]:
    log = seen.context.log
    made = [
        each
        for each in log.evaluations(prompt=seen.prompt_id, digest=seen.attempts[0].digest, status="finished")
        if not each.spec.is_part_of_comparison
    ]
    now = seen.price(*seen.usage)
    tried: set[str] = set()
    for other in made:
        then = seen.price(*seen.usage, model=other.model)
        if other.model in {seen.model, *tried} or now is None or then is None or then >= now:
            continue
        base = next((each for each in made if each.model == seen.model and _is_same_work(seen, each, other)), None)
        if base is None:
            continue
        tried.add(other.model)
        verdict = compare(log, base.id, other.id, GateRule(gate="noninferior")).verdict
        if verdict.is_noninferior:
            yield Suggestion(
                seen.prompt_id,
                "model",
                seen.a_month((now - then) * len(seen.attempts)),
                len(seen.calls),
                f"use {other.model} instead of {seen.model}",
                f"evaluations {base.id} and {other.id} over {count(verdict.n, 'case')}: {verdict.reason}",
                "a finished evaluation of this version with a cheaper model rules out a loss of 5 points of the pass "
                "rate against one of the same cases with the model in use; saved: these calls' tokens at both prices",
            )


def _is_same_work(seen: RecentCalls, *rows: EvaluationRow) -> bool:
    """Return True if two evaluations differ in nothing but what is their models' own: the server and the rules."""
    rules = [seen.context.settings.model_rule(recorded_model(row.model)).parameters for row in rows]
    ruled = {name for rule in rules for name in rule}
    base, head = (
        row.spec.work
        | {"server": None, "rules": None}
        | {"parameters": {name: value for name, value in row.spec.parameters.items() if name not in ruled}}
        for row in rows
    )
    return base == head


def _max_tokens(seen: RecentCalls) -> Iterator[Suggestion]:
    given = json.loads(seen.attempts[0].parameters)
    name = next((each for each in _LIMITS if isinstance(given.get(each), int)), None)
    received = sorted(each.output_tokens for each in seen.attempts if each.output_tokens is not None)
    if name is None or not received:
        return
    cut = [each for each in seen.attempts if each.finish_reason in ("length", "max_tokens")]
    limit, most = given[name], received[-1]
    if cut:
        yield Suggestion(
            seen.prompt_id,
            "truncated",
            seen.paid_a_month(cut),
            len({each.call_id for each in cut}),
            f"raise `{name}`, or ask for shorter replies: cut replies were paid for",
            f"{len(cut):,} of {len(received):,} replies ended at `{name}: {limit}`",
            "a reply ended because of the limit; saved: what these replies cost",
        )
    elif limit >= _FAR_ABOVE * most:
        yield Suggestion(
            seen.prompt_id,
            "max_tokens",
            None,
            len(seen.calls),
            f"lower `{name}` from {limit:,} to about {_rounded(2 * most):,}",
            f"the longest of {len(received):,} replies had {most:,} tokens",
            "the limit is at least four times the longest reply; that saves no money by itself, but budgets reserve it "
            "for each call, and a runaway reply may cost it",
        )


def _inputs(seen: RecentCalls) -> Iterator[Suggestion]:
    if seen.prompt is None or len(seen.prompt.inputs) < 2:
        return
    answered = [each for each in seen.contents if each.status == "ok"]
    if len({each.reply for each in answered}) < 2:
        return
    for name in seen.prompt.inputs:
        groups: dict[str, list[Any]] = {}
        for each in answered:
            if name in (inputs := dict(each.inputs or {})):
                value = inputs.pop(name)
                groups.setdefault(json.dumps(inputs, sort_keys=True), []).append((json.dumps(value), each.reply))
        varied = [group for group in groups.values() if len({value for value, _ in group}) > 1]
        if len(varied) < _FEWEST_GROUPS or any(len({reply for _, reply in group}) > 1 for group in varied):
            continue
        values = [value for group in varied for value, _ in group]
        tokens = round(sum(map(seen.count_tokens, values)) / len(values))
        yield Suggestion(
            seen.prompt_id,
            "input",
            seen.sent_less(tokens),
            len(values),
            f"leave out the input `{name}`, if nothing else needs it",
            f"{count(len(varied), 'group')} of calls with equal other inputs had different values of `{name}`, about "
            f"{tokens:,} tokens each, and the same reply",
            "replies differ, but in at least 10 groups of calls that differ in this input alone each group has one; "
            "saved: the input's tokens",
        )


def _text(seen: RecentCalls) -> Iterator[Suggestion]:
    sent = seen.usage[0]
    if seen.prompt is None or not sent:
        return
    pieces = [("paragraph", part) for text in _texts(seen, examples=False) for part in re.split(r"\n\s*\n", text)]
    if examples := _texts(seen, examples=True):
        pieces.append(("examples", "\n".join(examples)))
    sized = [(seen.count_tokens(_plain(text, "{%")), kind, text) for kind, text in pieces]
    large = [each for each in sized if each[0] >= max(_LEAST_TOKENS, _LEAST_SHARE * sent)]
    for tokens, kind, text in sorted(large, reverse=True)[:_MOST_PARAGRAPHS]:
        named = "the few-shot examples" if kind == "examples" else f"the paragraph “{_shown(text)}”"
        yield Suggestion(
            seen.prompt_id,
            kind,
            seen.sent_less(tokens),
            len(seen.calls),
            f"evaluate without {named}",
            f"about {tokens:,} tokens, {percent(tokens / sent)} of those sent with each call",
            "a paragraph, or all few-shot examples, have at least 50 tokens and 10 % of those sent; saved at most, if "
            "replies stay as good without: these tokens",
        )


def _paid_again(seen: RecentCalls) -> Iterator[Suggestion]:
    for kind, status, words, what in (
        ("retries", "error", "failed", "see why attempts fail: promptctl log list --status error"),
        ("invalid", "invalid_output", "did not fit the schema", "make the schema or its instructions easier to meet"),
    ):
        attempts = (each for each in seen.attempts if each.status == status and each.error_type not in _NOT_WHOLE)
        paid = [each for each in attempts if each.cost_nano_usd]
        if paid:
            yield Suggestion(
                seen.prompt_id,
                kind,
                seen.paid_a_month(paid),
                len({each.call_id for each in paid}),
                what,
                f"{len(paid):,} of {len(seen.attempts):,} attempts {words}, at a cost",
                "attempts of that status had a cost; saved: that cost",
            )


def _repeats(seen: RecentCalls) -> Iterator[Suggestion]:
    met: set[tuple[str, Any, str]] = set()
    again = []
    for call in seen.calls:
        first = call[0]
        key = (first.model, first.messages_hash, first.parameters)
        if first.messages_hash is None:
            continue
        if key in met:
            again.append(call)
        met.add(key)
    if again:
        yield Suggestion(
            seen.prompt_id,
            "repeats",
            seen.paid_a_month(each for call in again for each in call),
            len(again),
            "keep replies in the application by their inputs, and do not ask again",
            f"{count(len(again), 'call')} of {len(seen.calls):,} sent what an earlier one had sent, to the same model",
            f"equal messages, model and parameters within {DAYS} days; saved: what all but the first cost",
        )


_RULES: tuple[Callable[[RecentCalls], Iterator[Suggestion]], ...] = (
    _prefix, _model, _max_tokens, _inputs, _text, _paid_again, _repeats,
)  # fmt: skip


def _texts(seen: RecentCalls, *, examples: bool | None = None) -> list[str]:
    """Return the texts of the prompt's messages, partials included; of few-shot examples alone, or of all others.

    An example is a message of the assistant with the one of the user before it.
    """
    if seen.prompt is None:
        return []
    messages = [each for each in seen.prompt.messages if isinstance(each, Message)]
    shown = {at for at, each in enumerate(messages) if each.role == "assistant"}
    shown |= {at - 1 for at in shown if at and messages[at - 1].role == "user"}
    partials = seen.prompt.partials
    found = []
    for at, message in enumerate(messages):
        if examples is None or (at in shown) == examples:
            content = message.content
            parts = [content] if isinstance(content, str) else [str(part.get("text", "")) for part in content]
            pieces = split_markup(_plain("\n".join(parts), "#"), "%")
            for number in range(1, len(pieces), 2):
                if (include := _INCLUDE.match(pieces[number])) is not None:
                    pieces[number] = partials.get(include[1], "")
            found.append("".join(pieces))
    return found


def _plain(text: str, kinds: str) -> str:
    """Return a template's text without its markup of these kinds."""
    return "".join(split_markup(text, kinds)[::2])


def _shown(text: str) -> str:
    return clip(" ".join(text.split()), _SHOWN)


def _rounded(tokens: int) -> int:
    return max(50, -(-tokens // 50) * 50)
