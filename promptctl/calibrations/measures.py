"""The measures of a judge, from its verdicts held against what people said of the same replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from promptctl.errors import LogError
from promptctl.formats.calibration_file import Calibration, Figure
from promptctl.log.records import WITH_REPLY, Execution
from promptctl.log.stamps import utc_now
from promptctl.statistics.agreement import Share, VerdictCounts, stratified_difference
from promptctl.statistics.paired import mcnemar

if TYPE_CHECKING:
    from promptctl.log.results import ResultRow, ResultStatus
    from promptctl.log.store import Store


Price = Callable[["Execution"], "int | None"]
_ERRORS: tuple[ResultStatus, ...] = ("error",)


@dataclass(frozen=True)
class JudgedReply:
    """One reply that people let pass or fail, with the rows of its verdicts.

    `turned` is the row of the verdict on the choices in the other order, if the judge is given any. `cluster` names
    what is to the same case.
    """

    passes: bool
    cluster: str
    length: int
    rows: tuple[ResultRow, ...]
    turned: ResultRow | None = None

    @cached_property
    def verdicts(self) -> list[bool | None]:
        """The verdicts, in the order of the repeats; None for one that could not be read."""
        return [_graded(row).get("passed") for row in self.rows]

    @property
    def choices(self) -> tuple[Any, Any] | None:
        """The choice in either order; None if one of them could not be read."""
        both = [_graded(row) for row in (self.rows[0], self.turned) if row is not None]
        if len(both) < 2 or any(each.get("passed") is None for each in both):
            return None
        return both[0].get("got"), both[1].get("got")


def with_measures(
    about: Calibration, replies: Sequence[JudgedReply], choices: Sequence[str], log: Store, price: Price
) -> Calibration:
    """Return a calibration with everything that the verdicts on these replies say.

    `price` returns what an execution costs where it is paid for.
    """
    return replace(
        about,
        verdicts=_counts(replies),
        by_case=_by_case(replies),
        consistency=_consistency(replies),
        position=_position(replies, choices),
        length=_length(replies),
        cost_nano_usd=_cost(replies, log, price),
    )


def unanswered_verdicts(log: Store, evaluation: str) -> Iterator[str]:
    """Yield why a verdict is missing that the judge was never heard on: what it said, nonsense too, is an answer."""
    for row in log.results(evaluation, statuses=_ERRORS):
        for id_ in _graded(row).get("execution_ids") or (None,):
            try:
                status = "error" if id_ is None else log.execution(id_, with_feedback=False).status
            except LogError:
                continue
            if status not in WITH_REPLY:
                yield row.error_message or "it was not asked"


def day_of(replies: Sequence[JudgedReply], log: Store, *, are_asked: bool) -> tuple[str | None, bool]:
    """Return the day of the oldest verdict, None if it is not known of one; and True if one is no new answer.

    If all `are_asked` now, one that the log keeps no record of is of today.
    """
    days: set[str | None] = set()
    is_reused = False
    for each in _executions(replies, log):
        if each is None:
            days.add(utc_now()[:10] if are_asked else None)
        elif each.reply_source in ("cache", "replay"):
            is_reused = True
            days.add((each.usage_details or {}).get("made_on"))
        else:
            days.add(each.started_at[:10])
    known = [day for day in days if day is not None]
    return (min(known) if known and None not in days else None), is_reused


def _graded(row: ResultRow) -> Any:
    """Return the only assertion of a row, as it was graded; empty if nothing was."""
    return row.detail.assertions[0] if row.detail.assertions else {}


def _counts(replies: Sequence[JudgedReply]) -> VerdictCounts:
    found = [(each.passes, each.verdicts[0] if each.verdicts else None) for each in replies]
    return VerdictCounts(
        true_pass=found.count((True, True)),
        false_fail=found.count((True, False)),
        false_pass=found.count((False, True)),
        true_fail=found.count((False, False)),
        errors_on_pass=found.count((True, None)),
        errors_on_fail=found.count((False, None)),
    )


def _by_case(replies: Sequence[JudgedReply]) -> tuple[tuple[VerdictCounts, int], ...]:
    """The verdicts on the replies to each case, with the number of such cases; empty if no case has several."""
    cases: dict[str, list[JudgedReply]] = {}
    for each in replies:
        cases.setdefault(each.cluster, []).append(each)
    if len(cases) == len(replies):
        return ()
    return tuple(sorted(Counter(map(_counts, cases.values())).items(), key=lambda each: astuple(each[0])))


def _consistency(replies: Sequence[JudgedReply]) -> Figure:
    """The share of replies whose verdicts all agree; one that could not be read agrees with none."""
    repeats = max((len(each.verdicts) for each in replies), default=0)
    if repeats < 2:
        return Figure(note="each reply was judged once: --repeats 3 tells")
    same = sum(len(set(each.verdicts)) == 1 and None not in each.verdicts for each in replies)
    share = Share(same, len(replies))
    return Figure.of(share.rate, share.interval, share.n)


def _position(replies: Sequence[JudgedReply], choices: Sequence[str]) -> Figure:
    """The share of replies for which the judge made a different choice once the choices stood in the other order."""
    if not choices:
        return Figure(note="none: the judge reads one reply by itself, and chooses from no list")
    both = [each.choices for each in replies]
    read = [each for each in both if each is not None]
    order = {name: at for at, name in enumerate(choices)}
    moved = [(one, other) for one, other in read if one != other]
    # What stands earlier in the one order stands later in the other: the same way each time is a leaning.
    earlier = sum(order.get(one, 0) < order.get(other, 0) for one, other in moved)
    share = Share(len(moved), len(read))
    note = ""
    if moved:
        p = mcnemar(earlier, len(moved) - earlier).p_two_sided
        note = f"{earlier} of {len(moved)} times for what stood earlier (p = {p:.2g})"
    return Figure.of(share.rate, share.interval, share.n, note if read else "no verdict could be read in both orders")


def _length(replies: Sequence[JudgedReply]) -> Figure:
    """The difference in the share of passes between longer and shorter replies that people found alike."""
    strata = []
    for passes in (True, False):
        alike = [each for each in replies if each.passes == passes and each.verdicts and each.verdicts[0] is not None]
        middle = median([each.length for each in alike]) if alike else 0
        halves = ([each for each in alike if (each.length > middle) == longer] for longer in (True, False))
        longer, shorter = (Share(sum(each.verdicts[0] is True for each in half), len(half)) for half in halves)
        strata.append((longer, shorter))
    found = stratified_difference(strata)
    if found is None:
        return Figure(note="the replies are all equally long, or too few")
    return Figure.of(found[0], found[1], sum(one.n + other.n for one, other in strata))


def _cost(replies: Sequence[JudgedReply], log: Store, price: Price) -> int | None:
    """The mean cost of a verdict, of one from the cache what it would cost; None if a price is unknown."""
    costs = [None if each is None else _full_cost(each, price) for each in _executions(replies, log)]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known) / len(known)) if known and len(known) == len(costs) else None


def _full_cost(execution: Execution, price: Price) -> int | None:
    return price(execution) if execution.reply_source in ("cache", "replay") else execution.cost_nano_usd


def _executions(replies: Sequence[JudgedReply], log: Store) -> Iterator[Execution | None]:
    """Yield the execution of each verdict; None if the log keeps none."""
    for each in replies:
        for row in each.rows:
            for id_ in _graded(row).get("execution_ids", ()):
                try:
                    yield log.execution(id_, with_feedback=False)
                except LogError:
                    yield None
