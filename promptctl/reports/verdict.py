"""A comparison's verdict as somebody repeats it: one sentence, then how sure it is and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from promptctl.comparisons import reasons
from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, UsageChange
from promptctl.comparisons.gates import Decision
from promptctl.errors import INCOMPLETE
from promptctl.reports.wording import count, format_cost, format_latency, name_some
from promptctl.statistics.metric import MetricComparison

_NAMES = {"cost_nano_usd": "cost", "latency_ms": "latency"}
_MOST_NAMED = 5
_SIGNIFICANT = 0.05
MARKS = {
    "worse": "❌", "better": "🎉", "not-worse": "✅", "inconclusive": "➖", "powerless": "➖", "incomplete": "⚠️",
    "passed": "✅", "failed": "❌",
}  # fmt: skip
"""The mark of each verdict on a comparison, and on an evaluation by itself."""


def mark_of(found: Compared) -> str:
    """Return the mark of a comparison: that of its verdict, or of the decision if that is against head."""
    return MARKS[found.verdict.kind] if found.decision.is_passed else mark_against(found.decision)


def mark_against(decision: Decision) -> str:
    """Return the mark of a decision that is against head."""
    return "⚠️" if decision.exit_code == INCOMPLETE else "❌"


def shared_level(comparisons: int, together: int) -> str:
    """Say what shares the chance of a false alarm: comparisons, and tests of several of them together."""
    joint = f" and {count(together, 'test')} of them together" if together else ""
    return f"{comparisons} comparisons{joint} share an error rate of 5%"


def headline(found: Compared) -> str:
    """Return the verdict in a sentence: `Worse: 52 of 60 cases pass, 58 did. 4 now fail every time: bug-0009, …`."""
    comparison, verdict = found.comparison, found.verdict
    word = verdict.kind.replace("-", " ").capitalize()
    passed, decisive = comparison.metric(PASSED), comparison.metric(verdict.metric or PASSED)
    told = []
    if verdict.kind == "incomplete" or passed is None:
        told.append(verdict.reason.partition(": ")[2].rstrip("."))
    elif decisive is not None and decisive.name != PASSED:
        told.append(f"{decisive.name} is {decisive.head_mean:.3f}, it was {decisive.base_mean:.3f}")
    if comparison.is_decided and verdict.kind in ("worse", "better"):
        asked = f"{comparison.comparable - comparison.left_out:,} of {count(comparison.comparable, 'case')}"
        flips = f"{len(comparison.regressed):,} regressed and {len(comparison.improved):,} improved"
        told = [f"decided after {asked}, {flips}"]
    elif passed is not None:
        told.append(passes(passed))
    sentence = f"{word}: {'; '.join(told)}."
    return " ".join([sentence, *_flipped(found)])


def with_headlines(text: str, compared: Iterable[Compared]) -> str:
    """Return a text with each verdict's reason in it as the sentence that people repeat."""
    for each in compared:
        text = text.replace(each.verdict.reason, headline(each))
    return text


def certainty(found: Compared, cost: Callable[[float | None], str] = format_cost) -> str:
    """Return how sure the verdict is, and what became of cost and latency, in one line; `cost` formats amounts."""
    edited = edited_cases([found]) if found.edited else ""
    told = [edited, _chance(found)]
    usage: dict[str, UsageChange] = {each.name: each for each in found.comparison.usage}
    if not found.comparison.is_timed_together:
        usage.pop("latency_ms", None)
    changes = [_change(usage[name], cost) for name in _NAMES if name in usage]
    told.append(", ".join(change for change in changes if change))
    return "; ".join(part for part in told if part)


def edited_cases(found: Sequence[Compared]) -> str:
    """Return how many of the compared cases head edited: `3 of 12 compared cases were edited by this branch`."""
    edited = sum(len(each.edited) for each in found)
    compared = count(sum(each.comparison.n + len(each.comparison.errors) for each in found), "compared case")
    return f"{edited} of {compared} {'was' if edited == 1 else 'were'} edited by this branch"


def passes(passed: MetricComparison) -> str:
    """Return how many cases pass, and did: `52 of 60 cases pass, 58 did`."""
    before, after = (round(mean * passed.n) for mean in (passed.base_mean, passed.head_mean))
    verb = "passes" if passed.n == 1 else "pass"
    return f"{after:,} of {count(passed.n, 'case')} {verb}, {'as before' if before == after else f'{before:,} did'}"


def _flipped(found: Compared) -> list[str]:
    """Return a sentence on the cases that hold one way, or if none does and head is worse on those that fail now."""
    held, comparison = found.verdict.confirmed, found.comparison
    told = []
    if held.regressions:
        told.append(f"{_number(held.regressions, 'fail')} every time: {name_some(held.regressions, _MOST_NAMED)}.")
    elif found.verdict.kind == "worse" and comparison.regressed:
        ids = [pair.case_id for pair in comparison.regressed]
        told.append(f"{_number(ids, 'fail')}: {name_some(ids, _MOST_NAMED)}.")
    if held.improvements:
        told.append(f"{_number(held.improvements, 'pass')} every time: {name_some(held.improvements, _MOST_NAMED)}.")
    return told


def _number(ids: tuple[str, ...] | list[str], verb: str) -> str:
    ending = ("es" if verb == "pass" else "s") if len(ids) == 1 else ""
    return f"{len(ids)} now {verb}{ending}"


def _chance(found: Compared) -> str:
    verdict, findings = found.verdict, found.verdict.findings
    if verdict.kind == "incomplete" or verdict.p is None:
        return ""
    if verdict.kind in ("worse", "better"):
        if findings is not None and not findings.steps.can_differ:
            return "not chance: asked again, these replies stay the same"
        return f"unlikely to be chance (p {_p(verdict.p)})"
    if verdict.kind == "not-worse":
        metric = found.comparison.metric(verdict.metric or PASSED)
        return reasons.ruled_out(metric, found.rule.margin) if metric else ""
    if not found.comparison.regressed and not found.comparison.improved:
        return "no case flipped" + ("" if found.is_same else f", but {count(verdict.n, 'case')} cannot rule out a loss")
    procedure = found.comparison.procedure
    if verdict.p >= _SIGNIFICANT:
        return f"it may be chance (p {_p(verdict.p)})"
    if verdict.p >= procedure.level:
        needed = f"{procedure.comparisons} tests made together ask for less than {procedure.level:.2g} of each"
        return f"not proven: p = {verdict.p:.2g}, and {needed}"
    return f"too small a difference to count (p {_p(verdict.p)})"


def chance(p: float) -> str:
    """Return how likely chance is to explain a difference of this two-sided p-value, at the usual 5 %."""
    return f"{'unlikely to be' if p <= _SIGNIFICANT else 'may be'} chance (p {_p(p)})"


def _p(p: float) -> str:
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.01 else f"= {p:.2f}"


def _change(usage: UsageChange, cost: Callable[[float | None], str]) -> str:
    """Return what became of a cost or a latency; empty if nothing can be said."""
    name = _NAMES[usage.name]
    before, after = usage.sides
    if before is None or after is None or (usage.name == "latency_ms" and usage.interval is None):
        return ""
    if usage.change is None or usage.interval is None:
        form = cost if usage.name == "cost_nano_usd" else format_latency
        return f"{name} unchanged" if before == after else f"{name} {form(before)} → {form(after)}"
    is_noise = usage.interval.low <= 0 <= usage.interval.high
    if not round(usage.change, 2):
        return f"{name} unchanged"
    return f"{name} {usage.change:+.0%}{', within noise' if is_noise else ''}"
