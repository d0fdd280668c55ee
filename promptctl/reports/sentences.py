"""The first sentence of each page: the answer to the one question that it is opened for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.together import JointVerdict, deciding
from promptctl.errors import INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.trend import Trend, TrendRow
from promptctl.log.results import EvaluationRow
from promptctl.reports.columns import short_version
from promptctl.reports.rows import evaluation_name
from promptctl.reports.verdict import edited_cases, passes
from promptctl.reports.wording import count, name_some

if TYPE_CHECKING:
    from promptctl.reviews.review import Measurement, Review

State = Literal["passed", "failed", "incomplete", "undecided", "not evaluated", "better", "worse", ""]
_MOST_NAMED = 3


class Opening(NamedTuple):
    """The first words of a page: what it comes to, and the sentence that says it; `more` says the rest."""

    state: State
    sentence: str
    more: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All that it says."""
        return " ".join([self.sentence, *self.more])

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of a page's data."""
        return self._asdict()


def of_evaluations(evaluations: Sequence[Evaluation], names: Sequence[str] = ()) -> Opening:
    """Return the opening of evaluations: `12 of 12 cases passed.`

    `names` tell them apart if they are of the same cases; empty if each is of its own.
    """
    if not evaluations:
        return Opening("incomplete", "Nothing was evaluated.")
    verdicts = [each.verdict for each in evaluations]
    state: State = next((each for each in ("failed", "incomplete") if each in verdicts), "passed")
    if len(evaluations) == 1:
        return Opening(state, _one(evaluations[0]))
    if any(names) and len({(each.row.prompt, each.row.spec.dataset) for each in evaluations}) == 1:
        return Opening(state, _side_by_side(evaluations, names))
    if columns := _columns(evaluations, names):
        return Opening(state, _by_columns(columns))
    prompts = list(dict.fromkeys(each.row.prompt for each in evaluations))
    models = list(dict.fromkeys(each.row.model for each in evaluations))
    told = count(len(prompts), "prompt") if len(prompts) > 1 else count(len(evaluations), "evaluation")
    told += f" with {len(models)} models" if len(models) > 1 and any(names) else ""
    passed = sum(each.totals.passed for each in evaluations)
    told += f": {passed:,} of {count(sum(map(_total, evaluations)), 'case')} passed"
    for verdict, word in (("failed", "failed"), ("incomplete", "incomplete")):
        found = list(dict.fromkeys(each.row.prompt for each in evaluations if each.verdict == verdict))
        if found and len(prompts) > 1:
            told += f"; {word}: {joined(found)}"
    return Opening(state, f"{told}.")


def _columns(evaluations: Sequence[Evaluation], names: Sequence[str]) -> dict[str, list[Evaluation]]:
    """Return the evaluations by their names, if at least two names stand for the same subjects; else nothing."""
    columns: dict[str, list[Evaluation]] = {}
    for name, each in zip(names, evaluations, strict=False):
        columns.setdefault(name, []).append(each)
    asked = [sorted((e.row.prompt, e.row.spec.dataset, _total(e)) for e in found) for found in columns.values()]
    return columns if all(columns) and len(columns) > 1 and all(each == asked[0] for each in asked) else {}


def _by_columns(columns: Mapping[str, Sequence[Evaluation]]) -> str:
    """Return how each does over all subjects: `a passed 11 of 11 cases, b 9 of 11 at 1/15 of the cost.`"""
    ranked = sorted(columns.items(), key=lambda column: -sum(each.totals.passed for each in column[1]))
    total = sum(map(_total, ranked[0][1]))
    sums = [(name, sum(each.totals.passed for each in found)) for name, found in ranked]
    told = [f"{sums[0][0]} passed {sums[0][1]:,} of {count(total, 'case')}"]
    told += [f"{name} {passed:,} of {total:,}" for name, passed in sums[1:]]
    beside = _cost_beside(ranked[1][1], ranked[0][1]) if len(ranked) == 2 else ""
    return f"{name_some(told, _MOST_NAMED)}{beside}."


def _cost_beside(found: Sequence[Evaluation], other: Sequence[Evaluation]) -> str:
    """Return what some evaluations cost as a share of others, in words; empty if that is not known, or about the same.

    Known is what replies cost when they were paid for.
    """
    if any(each.totals.unpriced or not each.totals.full_cost_nano_usd for each in (*found, *other)):
        return ""
    ours, theirs = (sum(each.totals.full_cost_nano_usd or 0 for each in side) for side in (found, other))
    if round(theirs / ours) >= 2:
        return f" at 1/{round(theirs / ours)} of the cost"
    return f" at {round(ours / theirs)} times the cost" if round(ours / theirs) >= 2 else ""


def _one(found: Evaluation) -> str:
    totals, total = found.totals, _total(found)
    passed = f"{totals.passed:,} of {count(total, 'case')} passed"
    if found.verdict == "passed" and total and found.reason.startswith(f"{totals.passed:,} of "):
        return f"{passed}; {_percent(found.min_pass)} were asked for." if totals.passed < total else f"{passed}."
    if found.verdict == "failed" and ", below the " in found.reason:
        return f"{passed}, below the {_percent(found.min_pass)} asked for."
    if found.verdict == "incomplete" and total:
        if totals.errors == total:
            return f"None of {count(total, 'case')} could be graded."
        missing = [(totals.errors, "could not be graded"), (totals.never_run, "were not run")]
        return f"{passed}; {' and '.join(f'{number:,} {what}' for number, what in missing if number)}."
    return f"{found.reason[:1].upper()}{found.reason[1:]}."


def _side_by_side(evaluations: Sequence[Evaluation], names: Sequence[str]) -> str:
    """Return who passes most, and the others after it: `a passes most: 12 of 12 cases; b passes 10, c 8.`"""
    if len({_total(each) for each in evaluations}) > 1:
        # Of different cases none passes most.
        told = [
            f"{name} passes {e.totals.passed:,} of {_total(e):,}" for name, e in zip(names, evaluations, strict=True)
        ]
        return f"Their cases differ: {name_some(told, _MOST_NAMED)}."
    ranked = sorted(zip(evaluations, names, strict=True), key=lambda pair: -pair[0].totals.passed)
    most = ranked[0][0].totals.passed
    first = [name for each, name in ranked if each.totals.passed == most]
    total = max(map(_total, evaluations))
    of = f"{most:,} of {count(total, 'case')}"
    if len(first) == len(ranked):
        if len(first) > _MOST_NAMED:
            return f"All {len(first)} pass {of} each."
        return f"{joined(first)} pass {of} each."
    lead = f"{first[0]} passes most: {of}" if len(first) == 1 else f"{joined(first)} pass most: {of} each"
    rest = [(name, each.totals.passed) for each, name in ranked[len(first) :]]
    others = [f"{name} {'' if at else 'passes '}{number:,}" for at, (name, number) in enumerate(rest)]
    beside = _cost_beside([ranked[1][0]], [ranked[0][0]]) if len(ranked) == 2 else ""
    return f"{lead}; {name_some(others, _MOST_NAMED)}{beside}."


def _state(exit_code: int) -> State:
    return "passed" if exit_code == OK else "incomplete" if exit_code == INCOMPLETE else "failed"


def joined(names: Sequence[str]) -> str:
    """Return a few names as a sentence has them: `a, b and c`."""
    if 1 < len(names) <= _MOST_NAMED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return name_some(names, _MOST_NAMED)


def _total(found: Evaluation) -> int:
    return found.totals.cases + found.totals.never_run


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def sides_of(found: Compared) -> tuple[str, str]:
    """Return what people call both sides: by prompts, versions or models, whichever differ first."""
    base, head = found.base.row, found.head.row
    if base.prompt != head.prompt:
        return base.prompt, head.prompt
    for before, after in ((_numbered(base), _numbered(head)), (base.model, head.model)):
        if before and after and before != after:
            return before, after
    return "before", head.prompt


def _numbered(row: EvaluationRow) -> str:
    """Return a version by its number alone: a hash says nothing."""
    name = short_version(row)
    return name if name.startswith("v") else ""


def of_comparison(found: Compared) -> str:
    """Return what a comparison comes to: `v5 is worse than v4: 3 of 10 cases that passed now fail every time.`"""
    return f"{_compared(found, *sides_of(found))}."


def _compared(found: Compared, before: str, after: str) -> str:
    comparison, verdict = found.comparison, found.verdict
    passed = comparison.metric(PASSED)
    match verdict.kind:
        case "worse" | "better":
            decisive = comparison.metric(verdict.metric or PASSED)
            if decisive is not None and decisive.name != PASSED:
                what = f"{decisive.name} is {decisive.head_mean:.3f}, it was {decisive.base_mean:.3f}"
            else:
                what = _flipped(found)
            return f"{after} is {verdict.kind} than {before}: {what}"
        case "not-worse":
            what = passes(passed) if passed else ""
            return f"{after} is not worse than {before}: {what}"
        case "incomplete":
            return f"{after} cannot be compared with {before}: {verdict.reason.partition(': ')[2].rstrip('.')}"
    few = "These cases are too few to tell" if verdict.kind == "powerless" else "These cases cannot tell"
    return f"{few} if {after} is worse than {before}" + (f": {passes(passed)}" if passed else "")


def _flipped(found: Compared) -> str:
    """Return how many cases flipped: confirmed ones alone, if any are."""
    comparison, held = found.comparison, found.verdict.confirmed
    both = [*comparison.regressed, *comparison.improved, *comparison.unchanged]
    did = Counter[str](pair.base.status for pair in both)
    told: list[str] = []
    for kind, lost, sure, was, now in (
        ("worse", comparison.regressed, held.regressions, "passed", "fail"),
        ("better", comparison.improved, held.improvements, "failed", "pass"),
    ):
        number = len(sure) or len(lost)
        ending = ("es" if now == "pass" else "s") if number == 1 else ""
        if number:
            every = " every time" if sure else ""
            said = f"{number:,} of {count(did[was], 'case')} that {was} now {now}{ending}{every}"
            told.insert(0 if kind == found.verdict.kind else len(told), said)
    return ", and ".join(told) or "its cases say so"


def of_comparisons(
    compared: Sequence[Compared],
    alone: Sequence[Evaluation],
    decision: Decision,
    together: Sequence[JointVerdict] = (),
) -> Opening:
    """Return the opening of comparisons, and of evaluations without a base."""
    state = _state(decision.exit_code)
    if state == "passed" and compared and not alone and not any(each.is_told for each in compared):
        state = "undecided"
    if len(compared) == 1 and not alone:
        return Opening(state, of_comparison(compared[0]))
    if not compared:
        return Opening(state, f"Nothing to compare with: {of_evaluations(alone).sentence}")
    first, *more = [*_results(compared, together), *_new(alone)]
    return Opening(state, first, tuple(more))


def _results(compared: Sequence[Compared], together: Sequence[JointVerdict]) -> Iterator[str]:
    """Yield a sentence on what is worse, by itself or together with others, and on what could not be told."""
    heads = [each.head for each in compared]
    models = {head.row.model for head in heads}
    kinds = {each.verdict.kind for each in compared}

    def names(found: Iterable[Compared]) -> list[str]:
        several = len(models) > 1
        rows = ((each.head, each.head.row) for each in found)
        return [f"{row.prompt} with {row.model}" if several else evaluation_name(head, heads) for head, row in rows]

    worse = [each for each in compared if each.verdict.kind == "worse"]
    if len({each.head.row.prompt for each in worse}) == 1 and len(models) > 1:
        asked = list(dict.fromkeys(each.head.row.model for each in worse))
        yield f"{worse[0].head.row.prompt} is worse with {joined(asked)}."
    elif worse:
        told = list(dict.fromkeys(names(worse)))
        yield f"{joined(told)} {'is' if len(told) == 1 else 'are'} worse."
    elif (joint := deciding(together)) and joint.kind == "worse":
        yield f"No result is shown to be worse by itself, but {joint.name} are worse together."
    else:
        yield "No result is worse." if kinds <= {"better", "not-worse"} else "No result is shown to be worse."
    passed_over = ("worse", "incomplete")
    if failing := [e for e in compared if not e.decision.is_passed and e.verdict.kind not in passed_over]:
        yield f"{joined(list(dict.fromkeys(names(failing))))} did not pass the gate."
    untold = sum(not each.is_told for each in compared)
    if untold:
        yield f"{untold:,} of {count(len(compared), 'comparison')} cannot be told from chance."
    if missing := [each for each in compared if each.verdict.kind == "incomplete"]:
        yield f"{joined(names(missing))} could not be compared."


def _new(alone: Sequence[Evaluation]) -> Iterator[str]:
    """Yield a sentence on what is new and did not pass."""
    for verdict in ("failed", "incomplete"):
        if names := list(dict.fromkeys(each.row.prompt for each in alone if each.verdict == verdict)):
            be = "is" if len(names) == 1 else "are"
            word = verdict if verdict == "failed" else f"{be} {verdict}"
            yield f"{name_some(names, _MOST_NAMED)}, which {be} new, {word}."


def of_review(review: Review) -> Opening:
    """Return the opening of a review: who breaks, and what became of the results."""
    came = review.state
    state: State = came if came in ("failed", "incomplete", "undecided", "not evaluated") else "passed"
    if review.is_empty:
        return Opening(state, "Nothing changed that a prompt is made of.")
    if state == "not evaluated":
        told = [_unmeasured(review.measurements), *_breaks(review)]
        return Opening(state, " ".join(filter(None, told)), tuple(_less(review)))
    told = [*_breaks(review)]
    compared, alone = review.compared, review.alone
    if len(compared) == 1:
        told.append(f"{_compared(compared[0], 'before', compared[0].head.row.prompt)}.")
    elif compared:
        told += _results(compared, review.together)
    told += _new(alone) if compared else [of_evaluations(alone).sentence] if alone else []
    unmeasured = [found.prompt for found in review.measurements if not found.is_made]
    if unmeasured:
        told.append(f"Not evaluated: {joined(unmeasured)}.")
    if any(each.edited for each in compared):
        told.append(f"{edited_cases(compared)}.")
    told += _less(review)
    # Who breaks, and what became of the results: no one answer without the other.
    return Opening(state, " ".join(told[:2]), tuple(told[2:]))


def _less(review: Review) -> Iterator[str]:
    if review.doubts:
        yield "Changed settings were not evaluated."
    if review.taken_away:
        yield "Some tests ask for less."


def _unmeasured(measurements: Sequence[Measurement]) -> str:
    """Return that nothing of these prompts was evaluated, and why if one reason holds for all; empty without any."""
    if not measurements:
        return ""
    names, reasons = [each.prompt for each in measurements], {each.why_not for each in measurements}
    why = f": {reason}" if len(reasons) == 1 and (reason := reasons.pop()) else ""
    return f"{joined(names)} {'was' if len(names) == 1 else 'were'} not evaluated{why}."


def _breaks(review: Review) -> Iterator[str]:
    callers = [prompt.former_id or prompt.id for prompt in review.prompts if prompt.breaks_callers]
    consumers = [prompt.id for prompt in review.prompts if prompt.breaks_consumers]
    if callers:
        yield f"Code that calls {joined(callers)} breaks."
    if consumers:
        yield f"Code that reads replies of {joined(consumers)} breaks."
    if not callers and not consumers:
        unchanged = "No prompt changed, and promptctl.yaml did." if review.settings_differ else "No prompt changed."
        yield "Nobody who calls these prompts breaks." if review.prompts else unchanged


def of_trend(trend: Trend) -> Opening:
    """Return the opening of a trend: its last version on the default branch beside the one before."""
    line = list(trend.line)
    last = line[-1]
    state: State = last.change if last.change in ("better", "worse") else ""
    if len(line) == 1:
        return Opening(state, f"{_passes(last)}; there is no earlier version to compare it with.")
    before = line[-2]
    if not (last.has_same_cases and before.has_same_cases):
        return Opening(state, f"{_passes(last)}; {before.version_display} was asked other cases.")
    match last.change:
        case "better" | "worse":
            told = f"{last.version_display} is {last.change} than {before.version_display}: "
            told += f"{last.passed:,} of {count(last.cases, 'case')} pass, {before.passed:,} did"
        case "noise" if last.passed != before.passed:
            told = f"{_passes(last)}, {before.version_display} passed {before.passed:,}: chance can explain that"
        case _ if last.passed == before.passed:
            told = f"{_passes(last)}, as many as {before.version_display}"
        case _:
            told = f"{_passes(last)}, {before.version_display} passed {before.passed:,}"
    return Opening(state, f"{told}.")


def _passes(row: TrendRow) -> str:
    if row.cases and not row.passed + row.failed:
        return f"Nothing of {row.version_display} could be graded"
    return f"{row.version_display} passes {row.passed:,} of {count(row.cases, 'case')}"
