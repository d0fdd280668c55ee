"""A verdict's reason in one plain sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from promptctl.comparisons.comparison import PASSED, Comparison
from promptctl.comparisons.flips import ROUNDS, Bounds, CaseSequence, Findings
from promptctl.comparisons.rule import GateRule
from promptctl.files.wording import count, name_some, percent
from promptctl.log.results import STOPPED, StopReason
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import MetricComparison


def flipped(kind: Literal["worse", "better"], metric: MetricComparison, findings: Findings, p: float) -> str:
    """Worse, or better, of the cases: by first answers, by fresh pairs, or case by case."""
    lost, gained = findings.flips.tested
    if findings.step == "first answers" and findings.flips.sequence is not None:
        told = in_sequence(kind, findings.flips.sequence).removesuffix(".")
        return f"{told}{_but(kind, findings)}. Now {describe(metric)}."
    if findings.step == "first answers" and (lost, gained) != (metric.regressed, metric.improved):
        then = f"{count(lost, 'case')} regressed and {gained} improved of {findings.flips.n}"
        return f"{kind.capitalize()}: when this was first compared {then}, p {p_value(p)}. Now {describe(metric)}."
    if findings.step == "first answers":
        return f"{kind.capitalize()}: {describe(metric)}, p {p_value(p)}{_but(kind, findings)}."
    held = findings.confirmed
    ids, others, way = held.regressions, held.improvements, "passed before and failed after"
    if kind == "better":
        ids, others, way = held.improvements, held.regressions, "failed before and passed after"
    if len(ids) > len(others):
        some = name_some(ids) if len(ids) == 1 else f"{count(len(ids), 'case')} ({name_some(ids)})"
        times = (
            f", asked {findings.rounds} times more on both sides, {way} every time" if findings.rounds else f" {way}"
        )
        against = f", while {count(len(others), 'case')} did the reverse as firmly" if others else ""
        return f"{kind.capitalize()}: {some}{times}{against}. Overall {describe(metric)}."
    told = f"{_asked_again(findings)}, p {p_value(p)}{_but(kind, findings)}"
    return f"{kind.capitalize()}: {told}. In the first answers {describe(metric)}."


def name_together(prompts: Sequence[str], comparisons: int, causes: Sequence[str]) -> str:
    """Name comparisons that are tested together: `8 prompts that share prompts/support/tone.j2`."""
    over = f"{len(prompts)} prompts" if len(prompts) > 1 else f"{comparisons} comparisons of {prompts[0]}"
    return f"{over} that share {name_some(causes)}" if causes else over


def jointly(kind: str, name: str, findings: Findings, stopped: StopReason | None) -> str:
    """Worse, better or neither, of several comparisons together."""
    flips = findings.flips
    told = f"{count(len(flips.lost), 'case')} regressed and {len(flips.gained)} improved of {flips.n}"
    if findings.asked:
        told += f"; {_asked_again(findings)}"
    end = f", p {p_value(findings.p_better if kind == 'better' else findings.p_worse)}."
    if kind == "incomplete":
        why = f": {STOPPED[stopped]}" if stopped else ""
        end = f"; flipped cases were not asked again to the end{why}; give the command again."
    return f"{kind.capitalize()} over {name}: {told}{end}"


def _asked_again(findings: Findings) -> str:
    asked = f"of {count(findings.asked, 'flipped case')} asked again on both sides"
    return f"{asked} {findings.base_alone} fresh pairs passed before alone and {findings.head_alone} after alone"


def _but(kind: str, findings: Findings) -> str:
    """Name the confirmed regressions of a head that is better."""
    ids = findings.confirmed.regressions
    if kind != "better" or not ids:
        return ""
    return f"; but {count(len(ids), 'case')} that passed {'fails' if len(ids) == 1 else 'fail'} now every time: " + (
        name_some(ids)
    )


def foregone(bounds: Bounds, p: float) -> str:
    """Worse whatever the cases that were not asked would have answered."""
    chance = f", p {p_value(p)} at most" if p else ""
    return (
        f"Worse: {count(bounds.lost[0], 'case')} of {bounds.n} regressed, and {bounds.gained[1]} at most can have "
        f"improved whatever the others answer{chance}."
    )


def in_sequence(kind: Literal["worse", "better"], sequence: CaseSequence) -> str:
    """Worse, or better, by cases looked at one after another."""
    seen, lost, gained = sequence.decided_at
    return (
        f"{kind.capitalize()}: looked at one after another, {count(lost, 'case')} regressed and {gained} improved of "
        f"the first {seen}, p {p_value(sequence.decided_p)} whenever one looks."
    )


def tested(kind: Literal["worse", "better"], metric: MetricComparison, p: float, metrics: int) -> str:
    """Worse, or better, of a metric that the rule names."""
    correction = f" after Holm's correction over {metrics} metrics" if metrics > 1 else ""
    return f"{kind.capitalize()}: {describe(metric)}, p {p_value(p)}{correction}."


def worse_at_best(comparison: Comparison, improved: int, p: float) -> str:
    """Worse whatever the errors would have been."""
    return (
        f"Worse: {count(len(comparison.regressed), 'case')} regressed, and even if all without a result "
        f"({count(comparison.ungraded, 'case')}) went the better way only {improved} would have improved"
        f"{f', p {p_value(p)}' if p else ''}."
    )


def not_worse(metric: MetricComparison, margin: float) -> str:
    """A loss of the margin is ruled out; of all metrics this one leaves room for the largest loss."""
    return f"Not worse: {describe(metric)}; {ruled_out(metric, margin)}."


def ruled_out(metric: MetricComparison, margin: float) -> str:
    """Return the loss of a metric that is ruled out, with how sure that is."""
    largest_loss = max(0.0, -metric.tolerance.low)
    loss = f"any loss is below {amount(metric, largest_loss)}" if largest_loss else "there is no loss"
    confidence = percent((1 + metric.tolerance.confidence) / 2)
    return f"with {confidence} confidence {loss} (margin {amount(metric, margin)})"


def undecided(
    kind: Literal["inconclusive", "powerless"], metric: MetricComparison, findings: Findings, text: str
) -> str:
    """Neither shown nor ruled out; `text` is the outlook."""
    asked = ""
    if metric.name == PASSED and findings.asked:
        asked = f"; of {count(findings.asked, 'flipped case')} asked again none held every time"
        held = findings.confirmed
        if findings.unfinished:
            asked = (
                f"; {count(findings.unfinished, 'flipped case')} held so far, and could not be asked again to the end"
            )
        if held.regressions or held.improvements:
            asked = (
                f"; asked again {count(len(held.regressions), 'regression')} and "
                f"{count(len(held.improvements), 'improvement')} held every time"
            )
    return f"{kind.capitalize()}: {describe(metric)}{asked}; {text}."


def outlook(
    metric: MetricComparison, detectable: float | None, cases_needed: int | None, rule: GateRule, findings: Findings
) -> str:
    """Say which loss the gate could have seen, and what would show more."""
    if detectable is None:
        seen = f"no loss, however large, was likely to be seen in {count(metric.n, 'case')}"
    elif metric.name == PASSED:
        lost = round(detectable * metric.n)
        fail = "fails" if lost == 1 else "fail"
        seen = f"{count(lost, 'case')} that {fail} now every time would probably have been seen"
    else:
        seen = f"a loss of {amount(metric, detectable)} or more would probably have been seen"
    if not findings.steps.rounds and findings.steps.can_differ and metric.name == PASSED:
        seen += f" in first answers alone; asking flipped cases again, --reruns {ROUNDS}, sees single cases"
    if cases_needed is None and findings.rounds:
        seen += f"; --reruns {2 * findings.steps.rounds} would tell more of the flipped cases"
    elif cases_needed is not None:
        seen += f"; about {cases_needed:,} cases would rule out a loss of {amount(metric, rule.margin)}"
    return seen


def lacks_metric(name: str, counts: tuple[int, int]) -> str:
    """Cases have a metric on one side only."""
    missing, n = counts
    verb = "has" if missing == 1 else "have"
    return f"Incomplete: {missing} of {count(n, 'case')} {verb} the metric `{name}` on one side only."


def not_compared(names: Sequence[str]) -> str:
    """Metrics that no case has on both sides, and that decide nothing."""
    named = ", ".join(f"`{name}`" for name in names)
    return f"Not compared, as no case has it on both sides: {named}."


def no_metric(name: str, known: Sequence[str]) -> str:
    """The rule names a metric that no case has."""
    return f"Incomplete: no case has the metric `{name}` on both sides (there are: {', '.join(known)})."


def all_expected() -> str:
    """Nothing is left to compare."""
    return "Inconclusive: every case on both sides is expected to fail, so that nothing is compared."


def incomplete(comparison: Comparison) -> str:
    """Cases without a result could change the decision, or there is nothing to compare."""
    if not comparison.comparable:
        apart = len(comparison.changed), len(comparison.added), len(comparison.removed)
        if not any(apart):
            return "Incomplete: there are no cases to compare."
        return "Incomplete: no case is the same in both runs ({} changed, {} added, {} removed).".format(*apart)
    rest = (
        f"; of the others {len(comparison.regressed)} regressed and {len(comparison.improved)} improved"
        if comparison.n
        else ""
    )
    lacking = comparison.ungraded
    if judged := comparison.judged_apart:
        some = f"{len(judged)} of {count(comparison.comparable, 'case')}"
        more = f"; {lacking - len(judged)} more without a result" if lacking > len(judged) else ""
        why = "; ".join(dict.fromkeys(judged.values()))
        return f"Incomplete: in {some} a judge decided on one side alone ({why}){more}{rest}."
    sides = ", ".join(
        f"{missing} {side}"
        for side, missing in (
            ("before", comparison.never_run + sum(pair.base.status == "error" for pair in comparison.errors)),
            ("after", comparison.never_run + sum(pair.head.status == "error" for pair in comparison.errors)),
        )
        if missing
    )
    verb = "has" if lacking == 1 else "have"
    return (
        f"Incomplete: {lacking} of {count(comparison.comparable, 'case')} {verb} no result on one side or both "
        f"({sides}){rest}."
    )


def worst_case(improved: int, regressed: int, n: int, p: float) -> str:
    """Say what the result would be if every error counted against head."""
    return (
        f"Were every error held against the version after, {count(regressed, 'case')} would have regressed and "
        f"{improved} improved of {n}, p {p_value(p)}."
    )


def describe(metric: MetricComparison) -> str:
    """Describe a metric's change with its interval: `7 cases regressed and 1 improved of 120 (-5.0 points, …)`."""
    if metric.name == PASSED:
        what = f"{count(metric.regressed, 'case')} regressed and {metric.improved} improved of {metric.n}"
        if not metric.regressed + metric.improved:
            what = f"no case of {metric.n} flipped"
    else:
        what = (
            f"{metric.name} went from {metric.base_mean:.3f} to {metric.head_mean:.3f} over {count(metric.n, 'case')}"
        )
    return f"{what} ({amount(metric, metric.difference, is_signed=True)}, {_interval(metric, metric.interval)})"


def amount(metric: MetricComparison, value: float, *, is_signed: bool = False) -> str:
    """A difference in the metric's unit: percentage points of the pass rate, or the score's own."""
    if metric.name != PASSED:
        return _number(value, 3, is_signed=is_signed)
    return f"{_number(100 * value, 1, is_signed=is_signed)} points"


def p_value(p: float) -> str:
    """A p-value with as many digits as are worth reading, and its sign: `= 0.0342`."""
    if p < 0.0001:
        return "< 0.0001"
    return f"= {p:.4f}" if p < 0.1 else f"= {p:.2f}"


def _interval(metric: MetricComparison, interval: Interval) -> str:
    scale, digits = (100, 1) if metric.name == PASSED else (1, 3)
    low, high = (_number(scale * end, digits, is_signed=True) for end in (interval.low, interval.high))
    return f"{percent(interval.confidence)} interval {low} to {high}"


def _number(value: float, digits: int, *, is_signed: bool) -> str:
    # Adding zero turns the minus zero that rounding leaves into a plain one.
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if is_signed else f"{rounded:.{digits}f}"
