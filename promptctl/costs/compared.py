"""Two versions of a prompt compared by what their calls really cost in production."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from promptctl.errors import PromptctlError, PromptNotFound, UsageError, printable
from promptctl.files.plain import record_data
from promptctl.files.wording import count, percent, without_commit
from promptctl.log.attempts import Attempt, calls_of
from promptctl.log.records import WITH_REPLY
from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.intervals import Interval, skewed_interval, skewness_of, standard_error
from promptctl.statistics.ratios import FEWEST_UNITS, ratio_of_unpaired_means

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.log.filter import Filter
    from promptctl.log.store import Store
    from promptctl.versions.prompt_at_version import PromptAtVersion, Version

MOST_ATTEMPTS = 100_000
# A difference of the calls' mix below this is not worth a word.
_LEAST_SHIFT = 0.1
# An interval narrower than this is said with a digit more.
_NARROW = 0.04


@dataclass(frozen=True, slots=True)
class CostSide:
    """The calls of one version in production.

    Costs are of calls all of whose paid attempts have a price; `mean_cost_nano_usd` has the 95 % `interval`, None with
    fewer than 10. Tokens, retries (after an error) and repairs (after an invalid reply) are means per call,
    `invalid_share` the share of calls that ended so, `cache_hit_rate` that of input tokens that the provider had
    cached. Latencies are of whole calls.
    """

    ref: str
    version_display: str
    calls: int
    unpriced_calls: int
    costs: tuple[int, ...]
    mean_cost_nano_usd: float | None
    interval: Interval | None
    input_tokens: float | None
    output_tokens: float | None
    cached_tokens: float | None
    cache_hit_rate: float | None
    retries: float | None
    repairs: float | None
    invalid_share: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    models: Mapping[str, float]
    inputs_bytes: float | None
    first_call_at: str | None
    last_call_at: str | None
    is_cut: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        mean = self.mean_cost_nano_usd
        return record_data(self, without=("costs",), mean_cost_nano_usd=None if mean is None else round(mean))


@dataclass(frozen=True, slots=True)
class CostComparison:
    """Two versions compared: the change of the mean cost of a call from base to head, as a share of base's.

    `interval` is its 95 % interval, None if there are too few calls or the costs' tail is too heavy. `calls_needed` is
    how many more calls of each version would decide it, if the difference stays as it is. `notes` say in what the calls
    of both sides differ.
    """

    prompt: str
    verdict: Literal["cheaper", "dearer", "undecided"]
    sentence: str
    change: float | None
    interval: Interval | None
    calls_needed: int | None
    base: CostSide
    head: CostSide
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self)


def compare_costs(context: Context, base: str, head: str, wanted: Filter) -> CostComparison:
    """Compare the calls of two refs of one prompt that the filter means, at most the newest 100,000 attempts of each.

    A second ref of `@v8` alone is one of the first one's prompt.
    """
    if head.startswith("@"):
        head = base.partition("@")[0] + head
    before, after = context.prompt(base), _head(context, base, head)
    prompt = before.prompt.id
    if after.prompt.id != prompt:
        raise UsageError(
            f"`{base}` and `{head}` are two prompts, not two versions of one",
            hint=f"promptctl cost --prompt {prompt} --prompt {after.prompt.id}",
        )
    if before.version.digest == after.version.digest:
        raise UsageError(
            f"`{base}` and `{head}` are the same version, {after.version.display}", hint=f"promptctl history {prompt}"
        )
    wanted = replace(wanted, prompt=prompt, limit=MOST_ATTEMPTS)
    sides = [
        _side(context.log, ref, at.version, replace(wanted, digest=at.version.digest))
        for ref, at in ((base, before), (head, after))
    ]
    return _compared(prompt, *sides)


def _head(context: Context, base: str, head: str) -> PromptAtVersion:
    """Return the prompt of the second ref. For a version without its `@` the error says what to write."""
    try:
        return context.prompt(head)
    except PromptNotFound as error:
        ref = f"{base.partition('@')[0]}@{head}"
        with suppress(PromptctlError):
            context.prompt(ref)
            error.hint = f"did you mean `{printable(ref)}`?"
        raise


def _side(log: Store, ref: str, version: Version, wanted: Filter) -> CostSide:
    found = log.attempts(wanted)
    attempts = [each for each in found if each.status != "blocked"]
    made = calls_of(attempts)
    priced = [costs for each in made if (costs := _cost(each)) is not None]
    numbers = [float(cost) for cost in priced]
    mean = math.fsum(numbers) / len(numbers) if numbers else None
    sent, cached = (sum(getattr(each, name) or 0 for each in attempts) for name in ("input_tokens", "cached_tokens"))
    models = Counter(each.model for each in attempts)
    latencies = sorted(math.fsum(each.latency_ms or 0.0 for each in call) for call in made)
    sizes = [call[0].inputs_bytes for call in made if call[0].inputs_bytes is not None]

    def per_call(total: float) -> float | None:
        return total / len(made) if made else None

    return CostSide(
        ref=ref,
        version_display=version.display,
        calls=len(made),
        unpriced_calls=len(made) - len(priced),
        costs=tuple(priced),
        mean_cost_nano_usd=mean,
        interval=_mean_interval(numbers),
        input_tokens=per_call(sent),
        output_tokens=per_call(sum(each.output_tokens or 0 for each in attempts)),
        cached_tokens=per_call(cached),
        cache_hit_rate=cached / sent if sent else None,
        retries=per_call(sum(each.status == "error" for call in made for each in call[:-1])),
        repairs=per_call(sum(each.status == "invalid_output" for call in made for each in call[:-1])),
        invalid_share=per_call(sum(call[-1].status == "invalid_output" for call in made)),
        p50_latency_ms=quantile(latencies, 0.5) if latencies else None,
        p95_latency_ms=quantile(latencies, 0.95) if latencies else None,
        models={model: number / len(attempts) for model, number in models.most_common()},
        inputs_bytes=sum(sizes) / len(sizes) if sizes else None,
        first_call_at=attempts[-1].started_at if attempts else None,
        last_call_at=attempts[0].started_at if attempts else None,
        is_cut=len(found) == MOST_ATTEMPTS,
    )


def _cost(call: Sequence[Attempt]) -> int | None:
    """Return what a call cost; None if one attempt that brought something has no price, or none but refusals told."""
    unknown = [each for each in call if each.cost_nano_usd is None]
    if any(each.status in WITH_REPLY or each.output_tokens is not None for each in unknown):
        return None
    cost = sum(each.cost_nano_usd or 0 for each in call)
    return cost if cost or not unknown or any(each.status in WITH_REPLY for each in call) else None


def _mean_interval(costs: Sequence[float]) -> Interval | None:
    if len(costs) < FEWEST_UNITS:
        return None
    mean, error = math.fsum(costs) / len(costs), standard_error(costs) or 0.0
    return skewed_interval(mean, error, skewness_of(costs), len(costs))


def _compared(prompt: str, base: CostSide, head: CostSide) -> CostComparison:
    names = without_commit(base.version_display), without_commit(head.version_display)
    change = interval = needed = None
    verdict: Literal["cheaper", "dearer", "undecided"] = "undecided"
    if base.mean_cost_nano_usd and head.mean_cost_nano_usd is not None:
        change = head.mean_cost_nano_usd / base.mean_cost_nano_usd - 1
    ratio = ratio_of_unpaired_means(base.costs, head.costs)
    if ratio is not None and change is not None:
        interval = replace(ratio, low=ratio.low - 1, high=ratio.high - 1)
        if interval.high < 0 or interval.low > 0:
            verdict = "cheaper" if change < 0 else "dearer"
        else:
            needed = _more_calls(ratio, 1 + change, len(base.costs), len(head.costs))
    sentence = _sentence(names, base, head, verdict, change, interval, needed)
    notes = tuple(_notes(names, base, head))
    return CostComparison(prompt, verdict, sentence, change, interval, needed, base, head, notes)


def _more_calls(ratio: Interval, seen: float, base: int, head: int) -> int | None:
    """Return how many more calls of each would narrow the interval to leave out no change; None if none would.

    So many, k, that the error falls as far as the interval reaches beyond no change: 1/(n₁+k) + 1/(n₂+k) = `wanted`.
    """
    distance = abs(math.log(seen))
    if distance < 0.001:
        return None
    half = math.log(ratio.high / seen) if seen < 1 else math.log(seen / ratio.low)
    wanted = (1 / base + 1 / head) * (distance / half) ** 2
    more = (2 - wanted * (base + head) + math.hypot(2, wanted * (base - head))) / (2 * wanted)
    return max(1, math.ceil(more))


def _sentence(
    names: tuple[str, str],
    base: CostSide,
    head: CostSide,
    verdict: str,
    change: float | None,
    interval: Interval | None,
    needed: int | None,
) -> str:
    for side, name in ((base, names[0]), (head, names[1])):
        if len(side.costs) < FEWEST_UNITS:
            have = count(len(side.costs), "call") + " with a known cost"
            return f"undecided: {name} has {have}; a comparison takes {FEWEST_UNITS} of each"
    if change is None or interval is None:
        return "undecided: the costs of single calls differ too much for an interval that can be trusted"
    digits = 0 if interval.high - interval.low > _NARROW else 1
    seen = f"{names[1]} costs {_words(change, digits)} per call than {names[0]}"
    if verdict != "undecided":
        low, high = sorted((abs(interval.low), abs(interval.high)))
        return f"{seen} (95 %: {percent(low, digits)} to {percent(high, digits)})"
    span = f"95 %: {_words(interval.low, digits)} to {_words(interval.high, digits)}"
    if needed is None:
        return f"undecided: {names[1]} and {names[0]} cost the same per call so far ({span})"
    return f"undecided: {seen} so far ({span}); {count(needed, 'more call')} of each would decide it"


def _words(change: float, digits: int = 0) -> str:
    return f"{percent(abs(change), digits)} {'less' if change < 0 else 'more'}"


def _notes(names: tuple[str, str], base: CostSide, head: CostSide) -> list[str]:
    """Return in what the calls of both sides differ, beside the version."""
    notes = []
    shifts = [abs(base.models.get(each, 0) - head.models.get(each, 0)) for each in {*base.models, *head.models}]
    # Few calls of a model that the other side never asked can be what makes one side dear.
    is_other = base.models.keys() != head.models.keys() or max(shifts, default=0) > _LEAST_SHIFT
    if base.models and head.models and is_other:
        shares = [
            f"{name}: " + ", ".join(f"{model} {percent(share)}" for model, share in side.models.items())
            for name, side in zip(names, (base, head), strict=True)
        ]
        notes.append(f"the models differ, so not the version alone may make the difference ({'; '.join(shares)})")
    if base.inputs_bytes and head.inputs_bytes and abs(head.inputs_bytes / base.inputs_bytes - 1) > _LEAST_SHIFT:
        notes.append(f"the inputs of {names[1]} are {_words(head.inputs_bytes / base.inputs_bytes - 1)} bytes long")
    if base.last_call_at and head.first_call_at and base.last_call_at < head.first_call_at:
        notes.append(f"every call of {names[0]} is older than those of {names[1]}: other changes since then count too")
    if unpriced := base.unpriced_calls + head.unpriced_calls:
        notes.append(f"{count(unpriced, 'call')} of unknown cost, and not in the costs")
    if base.is_cut or head.is_cut:
        notes.append(f"of each version the newest {MOST_ATTEMPTS:,} attempts are counted")
    return notes
