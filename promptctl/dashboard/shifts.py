"""The calls of late beside those before: what is different by more than chance explains, by one bound for the page.

All comparisons of a page share 1 %: if nothing changed, at most one page in a hundred says that something did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


class StepKey(NamedTuple):
    """A step of time, and which version was called by which label in it."""

    at: float
    version: str | None
    label: str | None


@dataclass(slots=True)
class StepSums:
    """The calls of one key: their sums, and how many replies cost how much."""

    fact: Fact = field(default_factory=Fact)
    costs: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class PromptSteps:
    """The calls of one prompt in some time: together, and step by step."""

    total: Fact = field(default_factory=Fact)
    costs: dict[int, int] = field(default_factory=dict)
    steps: dict[StepKey, StepSums] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: dict[StepKey, StepSums]) -> PromptSteps:
        """Return the calls of these steps."""
        found = cls(steps=steps)
        for sums in steps.values():
            found.total.add(sums.fact)
            add_counts(found.costs, sums.costs)
        return found

    @property
    def average_cost(self) -> float | None:
        """The known cost of an attempt whose price is known, and that was not reused, in nano-USD."""
        paid = self.total["priced"] - self.total["reused"]
        return self.total["cost_nano_usd"] / paid if paid > 0 else None


class Move(NamedTuple):
    """A label that named `version` from a moment on, and `other` before; `is_live` if it still does."""

    label: str
    version: str
    other: str
    at: float
    is_live: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """A change that chance does not explain. Rates are shares, latencies milliseconds, costs nano-USD of a reply.

    With `at` it is of that one step of time, beside all others; with `move` of the version that a label was moved to,
    beside the one before.
    """

    measure: Measure
    prompt: str
    before: float
    after: float
    calls_before: int
    calls_after: int
    p: float
    at: float | None = None
    move: Move | None = None

    @property
    def is_worse(self) -> bool:
        """True if it went up, as none of these is to be high."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class Shifts:
    """All that was found, the number of `comparisons` made, prompts that mostly fail, and what has too few calls."""

    found: tuple[Shift, ...]
    failing: tuple[tuple[str, int, int], ...]
    comparisons: int
    thin: tuple[str, ...]
    too_new: tuple[str, ...] = ()


Count = Callable[[StepSums], tuple[int, int]]
Moves = Sequence[tuple[float, str | None]]
"""What a label named from when on, oldest first; None once it was removed."""


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
    steps: dict[str, dict[StepKey, StepSums]] = {}
    for step, of_step in cells.cells.items():
        at = seconds_of(step) // SECONDS[cells.step] * SECONDS[cells.step]
        if not begin - SECONDS[cells.step] < at < end:
            continue
        for key, sums in of_step.items():
            found = steps.setdefault(key.prompt, {}).setdefault(StepKey(at, key.version, key.label), StepSums())
            found.fact.count(key, sums)
            add_counts(found.costs, sums.costs)
    return {prompt: PromptSteps.of(of_prompt) for prompt, of_prompt in steps.items()}


def shifts(
    windows: Windows,
    before: Mapping[str, PromptSteps],
    after: Mapping[str, PromptSteps],
    named: Mapping[tuple[str, str], Moves],
) -> Shifts:
    """Compare each prompt's calls of late with those before; and, where a label moved, the version with the one before.

    A move in the middle of the time of late leaves good calls beside bad ones, so that the time as a whole may show
    nothing. Such comparisons are few, and have half of what may err.
    """
    tried: list[Shift] = []
    bursts: list[Shift] = []
    moved: list[Shift] = []
    thin, too_new, failing = [], [], []
    by_prompt: dict[str, dict[str, Moves]] = {}
    for (prompt, label), moves in named.items():
        if any(windows.earlier <= at <= windows.end for at, _ in moves):
            by_prompt.setdefault(prompt, {})[label] = moves
    for prompt in sorted(after):
        late, early = after[prompt], before.get(prompt, PromptSteps())
        failing.append((prompt, late.total.failed, late.total.asked))
        versions = []
        for label, moves in by_prompt.get(prompt, {}).items():
            by_version = _by_version(label, early, late)
            move, few = _move(windows, label, moves, {name: each.total.asked for name, each in by_version.items()})
            too_new += [f"{prompt} {version}" for version in few]
            if move is not None:
                compared = _compared(prompt, by_version[move.other], by_version[move.version])
                versions += [replace(shift, move=move) for shift in compared]
        moved += versions
        if min(late.total.asked, early.total.asked) >= LEAST_CALLS:
            tried += _compared(prompt, early, late)
            bursts += _bursts(prompt, early, late)
        elif not versions:
            thin.append(prompt)
    others = len(tried) + len(bursts) + len(failing)
    bound = ALPHA / (2 if moved else 1) / max(1, others)
    clear = [shift for shift in moved if shift.p <= ALPHA / 2 / len(moved)]
    clear += (shift for shift in tried if shift.p <= bound)
    found: dict[tuple[str, Measure], Shift] = {}
    for shift in filter(_is_large, clear):  # what a version explains is not said of its time as well
        found.setdefault((shift.prompt, shift.measure), shift)
    failed = {shift.prompt for shift in found.values() if shift.measure == "failures" and shift.is_worse}
    worst: dict[str, Shift] = {}
    for burst in bursts:
        is_large = burst.after - burst.before >= _LEAST_BURST_RATE
        if burst.p <= bound and is_large and burst.prompt not in failed:
            worst[burst.prompt] = min(burst, worst.get(burst.prompt, burst), key=lambda each: each.p)
    mostly = [(name, x, n) for name, x, n in failing if 2 * x > n and binomial_tail(x, n) <= bound]
    return Shifts((*found.values(), *worst.values()), tuple(mostly), others + len(moved), tuple(thin), tuple(too_new))


def _by_version(label: str, *sides: PromptSteps) -> dict[str, PromptSteps]:
    """Return the calls by a label, version by version."""
    steps: dict[str, dict[StepKey, StepSums]] = {}
    for side in sides:
        for key, sums in side.steps.items():
            if key.label == label and key.version is not None:
                steps.setdefault(key.version, {})[key] = sums
    return {version: PromptSteps.of(of_version) for version, of_version in steps.items()}


def _move(windows: Windows, label: str, moves: Moves, calls: Mapping[str, int]) -> tuple[Move | None, list[str]]:
    """Return the newest version with enough calls that a label was moved to in these times, and newer ones with few."""
    until = [move for move in moves if move[0] <= windows.end]
    since: dict[str, float] = {}
    last = None
    for at, version in reversed(until):
        if version is not None and (version == last or version not in since):
            since[version] = at
            last = version
    enough = [version for version in since if calls.get(version, 0) >= LEAST_CALLS]
    newer = list(since)[: list(since).index(enough[0]) if enough else None]
    few = [version for version in newer if calls.get(version) and since[version] >= windows.earlier and len(since) > 1]
    if len(enough) < 2 or since[enough[0]] < windows.earlier:
        return None, few
    version, other = enough[:2]
    return Move(label, version, other, since[version], version == until[-1][1]), few


def _compared(prompt: str, early: PromptSteps, late: PromptSteps) -> Iterator[Shift]:
    sides = (early, late)

    def shift(
        measure: Measure, count: Count, before: float | None = None, after: float | None = None
    ) -> Iterator[Shift]:
        by_version = [_counted(side, count) for side in sides]
        counts = [[step for steps in side for step in steps] for side in by_version]
        if measure in ("failures", "invalid"):
            before, after = map(_rate, counts)
        numbers = [sum(n for n, _ in side) for side in counts]
        if before is not None and after is not None and min(numbers) >= LEAST_CALLS:
            p = change_p(counts[0], counts[1], [*by_version[0], *by_version[1]])
            yield Shift(measure, prompt, before, after, numbers[0], numbers[1], p)

    yield from shift("failures", lambda sums: (sums.fact.asked, sums.fact.failed))
    yield from shift("invalid", lambda sums: _invalid_outputs(sums.fact))
    # Half of all replies of both are slower than the middle one, whichever side they are on if nothing changed.
    middle = _middle([early.total.latencies, late.total.latencies])
    latencies = (percentile(side.total.latencies, 0.5) for side in sides)
    yield from shift("latency", lambda sums: _above(sums.fact.latencies, middle), *latencies)
    dear = _middle([early.costs, late.costs])
    yield from shift("cost", lambda sums: _above(sums.costs, dear), early.average_cost, late.average_cost)


def _counted(side: PromptSteps, count: Count) -> list[Counts]:
    """Return the counts of each step of time, version by version: what one changed at once is no burst."""
    found: dict[str | None, dict[float, tuple[int, int]]] = {}
    for (at, version, _), sums in side.steps.items():
        of_version = found.setdefault(version, {})
        (n, x), (more, of_them) = of_version.get(at, (0, 0)), count(sums)
        of_version[at] = n + more, x + of_them
    return [list(steps.values()) for steps in found.values()]


def _bursts(prompt: str, early: PromptSteps, late: PromptSteps) -> Iterator[Shift]:
    """Yield for each step of late its failures beside those of all other steps."""
    asked, failed = early.total.asked + late.total.asked, early.total.failed + late.total.failed
    by_step: dict[float, Fact] = {}
    for (at, _, _), sums in late.steps.items():
        by_step.setdefault(at, Fact()).add(sums.fact)
    for at, fact in by_step.items():
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


def _invalid_outputs(fact: Fact) -> tuple[int, int]:
    return fact["ok"] + fact["invalid_outputs"], fact["invalid_outputs"]


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
