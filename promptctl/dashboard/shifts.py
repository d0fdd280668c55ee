"""The calls of late beside those before: what is different by more than chance explains, by one bound for the page.

All comparisons of a page share 1 %: if nothing changed, at most one page in a hundred says that something did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from promptctl.dashboard.facts import Fact, add_counts
from promptctl.dashboard.time_axis import SECONDS, moment_text, seconds_of
from promptctl.log.call_cells import CallCells
from promptctl.log.call_totals import percentile
from promptctl.statistics.changes import Counts, change_p, fisher_tail
from promptctl.statistics.distributions import binomial_tail

Measure = Literal["failures", "invalid", "latency", "cost"]
ALPHA = 0.01
LEAST_CALLS = 20
LEAST_RATE = 0.01
LEAST_LATENCY, LEAST_COST = 0.25, 0.1
_LEAST_BURST, _LEAST_BURST_RATE = 5, 0.05
_MOST_MOVES = 3
_QUARTER, _HOUR, _DAY = 900, 3600, 86_400


class Windows(NamedTuple):
    """The stretch of late and the one before it, in seconds: from `earlier` to `recent` to `end`, with words for it.

    If it `is_even`, both are equally long. Changes are told from `marks_from` on: of a young log all, and what came
    shortly before the first call.
    """

    earlier: float
    recent: float
    end: float
    words: str
    marks_from: float
    marks_words: str
    is_even: bool = False

    @property
    def is_young(self) -> bool:
        """True for a log of less than two days."""
        return self.marks_words != self.words


@dataclass(slots=True)
class PromptSteps:
    """The calls of one prompt in one window: together, and step by step."""

    total: Fact = field(default_factory=Fact)
    costs: dict[int, int] = field(default_factory=dict)
    steps: dict[float, Fact] = field(default_factory=dict)
    step_costs: dict[float, dict[int, int]] = field(default_factory=dict)

    def add_up(self) -> None:
        """Make its totals of its steps."""
        for fact in self.steps.values():
            self.total.add(fact)
        for costs in self.step_costs.values():
            add_counts(self.costs, costs)

    @property
    def average_cost(self) -> float | None:
        """The known cost of an attempt whose price is known, and that was not reused, in nano-USD."""
        paid = self.total["priced"] - self.total["reused"]
        return self.total["cost_nano_usd"] / paid if paid > 0 else None


@dataclass(frozen=True, slots=True)
class Shift:
    """A change that chance does not explain. Rates are shares, latencies milliseconds, costs nano-USD of a reply.

    With `at` it is of that one step of time, beside all others; with `since` of all steps from a label's move on,
    beside those before.
    """

    measure: Measure
    prompt: str
    before: float
    after: float
    calls_before: int
    calls_after: int
    p: float
    at: float | None = None
    since: float | None = None

    @property
    def is_worse(self) -> bool:
        """True if it went up, as none of these is to be high."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class Shifts:
    """All that was found, the number of `comparisons` made, prompts that mostly fail, and those with too few calls."""

    found: tuple[Shift, ...]
    failing: tuple[tuple[str, int, int], ...]
    comparisons: int
    thin: tuple[str, ...]


def windows_over(first: float, last: float, now: float, end: float | None = None) -> Windows:
    """Return what is compared: a week with the one before, of a younger log a day or half of what there is.

    They end now or at the `end` that is given, or with the last call if that was long ago.
    """
    is_now, until = end is None or end > now, ""
    end = now if end is None or is_now else end
    if end - last > 7 * _DAY:
        is_now, end, until = False, last + 1, f" until {moment_text(last)[:10]}, the last call"
    elif not is_now:
        until = f" until {moment_text(end)[:16].replace('T', ' ')} UTC"
    if end - first >= 14 * _DAY:
        midnight = (end - 1) // _DAY * _DAY
        recent, words = midnight - 6 * _DAY, "in the last 7 days" if is_now else f"in the 7 days{until}"
        return Windows(recent - 7 * _DAY, recent, end, words, recent, words, is_even=True)
    if end - first >= 2 * _DAY:
        recent = end // _HOUR * _HOUR - 23 * _HOUR
        words = "in the last 24 hours" if is_now else f"in the 24 hours{until}"
        return Windows(max(first, recent - 7 * _DAY), recent, end, words, recent, words)
    middle = (first + last) / 2 // _QUARTER * _QUARTER
    words = f"since {moment_text(middle)[:16].replace('T', ' ')} UTC{until}"
    return Windows(min(first, middle), middle, end, words, (first // _QUARTER - 1) * _QUARTER, "so far")


def steps_by_prompt(cells: CallCells, begin: float, end: float) -> dict[str, PromptSteps]:
    """Return the calls of each prompt in the steps of time from the first moment and before the second."""
    found: dict[str, PromptSteps] = {}
    for step, of_step in cells.cells.items():
        at = seconds_of(step) // SECONDS[cells.step] * SECONDS[cells.step]
        if not begin - SECONDS[cells.step] < at < end:
            continue
        for key, sums in of_step.items():
            prompt = found.setdefault(key.prompt, PromptSteps())
            prompt.steps.setdefault(at, Fact()).count(key, sums)
            add_counts(prompt.step_costs.setdefault(at, {}), sums.costs)
    for prompt in found.values():
        prompt.add_up()
    return found


def shifts(
    before: Mapping[str, PromptSteps], after: Mapping[str, PromptSteps], moves: Mapping[str, Sequence[float]]
) -> Shifts:
    """Compare each prompt's calls of late with those before; and those from each of its labels' `moves` on.

    A move in the middle of the time of late makes its steps so uneven that the time as a whole may show nothing.
    """
    tried: list[Shift] = []
    bursts: list[Shift] = []
    thin, failing = [], []
    for prompt in sorted(after):
        late, early = after[prompt], before.get(prompt, PromptSteps())
        failing.append((prompt, late.total.failed, late.total.asked))
        if min(late.total.asked, early.total.asked) < LEAST_CALLS:
            thin.append(prompt)
            continue
        tried += _compared(prompt, early, late)
        steps = early.steps | late.steps
        moved = {max((step for step in steps if step <= at), default=at) for at in moves.get(prompt, ())}
        for at in sorted(moved)[-_MOST_MOVES:]:
            tried += (replace(shift, since=at) for shift in _compared(prompt, *_split(early, late, at)))
        bursts += _bursts(prompt, early, late)
    comparisons = len(tried) + len(bursts) + len(failing)
    bound = ALPHA / max(1, comparisons)
    clearest: dict[tuple[str, Measure], Shift] = {}
    for shift in tried:
        if shift.p <= bound and _is_large(shift):
            kept = clearest.get((shift.prompt, shift.measure), shift)
            clearest[shift.prompt, shift.measure] = min(kept, shift, key=lambda each: each.p)
    found = list(clearest.values())
    failed = {shift.prompt for shift in found if shift.measure == "failures" and shift.is_worse}
    worst: dict[str, Shift] = {}
    for burst in bursts:
        is_large = burst.after - burst.before >= _LEAST_BURST_RATE
        if burst.p <= bound and is_large and burst.prompt not in failed:
            worst[burst.prompt] = min(burst, worst.get(burst.prompt, burst), key=lambda each: each.p)
    mostly = [(name, x, n) for name, x, n in failing if n and binomial_tail(x, n) <= bound and 2 * x > n]
    return Shifts((*found, *worst.values()), tuple(mostly), comparisons, tuple(thin))


def _compared(prompt: str, early: PromptSteps, late: PromptSteps) -> Iterator[Shift]:
    sides = (early, late)

    def shift(measure: Measure, counts: Sequence[Counts], before: float | None, after: float | None) -> Iterator[Shift]:
        numbers = [sum(n for n, _ in side) for side in counts]
        if before is not None and after is not None and min(numbers) >= LEAST_CALLS:
            yield Shift(measure, prompt, before, after, numbers[0], numbers[1], change_p(*counts))

    failures = [[(fact.asked, fact.failed) for fact in side.steps.values()] for side in sides]
    yield from shift("failures", failures, *map(_rate, failures))
    invalid = [
        [(fact["ok"] + fact["invalid_outputs"], fact["invalid_outputs"]) for fact in side.steps.values()]
        for side in sides
    ]
    yield from shift("invalid", invalid, *map(_rate, invalid))
    # Half of all replies of both are slower than the middle one, whichever side they are on if nothing changed.
    middle = _middle([early.total.latencies, late.total.latencies])
    slow = [[_above(fact.latencies, middle) for fact in side.steps.values()] for side in sides]
    yield from shift("latency", slow, *(percentile(side.total.latencies, 0.5) for side in sides))
    dear = _middle([early.costs, late.costs])
    above = [[_above(costs, dear) for costs in side.step_costs.values()] for side in sides]
    yield from shift("cost", above, early.average_cost, late.average_cost)


def _split(early: PromptSteps, late: PromptSteps, at: float) -> tuple[PromptSteps, PromptSteps]:
    """Return the steps before a moment, and those from it on."""
    sides = (PromptSteps(), PromptSteps())
    for each in (early, late):
        for step, fact in each.steps.items():
            side = sides[step >= at]
            side.steps.setdefault(step, Fact()).add(fact)
            add_counts(side.step_costs.setdefault(step, {}), each.step_costs.get(step, {}))
    for side in sides:
        side.add_up()
    return sides


def _bursts(prompt: str, early: PromptSteps, late: PromptSteps) -> Iterator[Shift]:
    """Yield for each step of late its failures beside those of all other steps."""
    asked, failed = early.total.asked + late.total.asked, early.total.failed + late.total.failed
    for at, fact in late.steps.items():
        n, x = fact.asked, fact.failed
        if _LEAST_BURST <= n < asked:
            others = asked - n
            p = fisher_tail(x, n, max(0, failed - x), others)
            yield Shift("failures", prompt, max(0, failed - x) / others, x / n, others, n, p, at)


def _is_large(shift: Shift) -> bool:
    change = shift.after - shift.before
    if shift.measure in ("failures", "invalid"):
        return abs(change) >= LEAST_RATE
    least = LEAST_LATENCY if shift.measure == "latency" else LEAST_COST
    return abs(change) >= least * min(shift.before, shift.after) > 0


def _rate(counts: Counts) -> float | None:
    n = sum(step[0] for step in counts)
    return sum(step[1] for step in counts) / n if n else None


def _middle(histograms: Iterable[dict[int, int]]) -> int:
    """Return the bucket after which about half of all counts come, and some do if possible."""
    counts: dict[int, int] = {}
    for each in histograms:
        add_counts(counts, each)
    total, seen = sum(counts.values()), 0
    best = (float(total), 0)
    for number in sorted(counts)[:-1]:
        seen += counts[number]
        best = min(best, (abs(seen - total / 2), number))
    return best[1] if len(counts) > 1 else max(counts, default=0)


def _above(counts: Mapping[int, int], number: int) -> tuple[int, int]:
    return sum(counts.values()), sum(n for each, n in counts.items() if each > number)
