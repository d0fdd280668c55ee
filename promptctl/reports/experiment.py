"""The report of an experiment as people read it: sentences, and rows of its arms and guards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from promptctl.experiments.judging import Measured
from promptctl.experiments.report import ArmReport, ExperimentReport, difference_text, outcome_name
from promptctl.files.wording import count
from promptctl.reports.wording import format_cost, format_latency, format_share

ARM_COLUMNS = ("Arm", "Version", "Share", "Keys", "Known", "Outcome", "Difference", "Verdict")
GUARD_COLUMNS = ("Arm", "Guard", "At most", "On arm", "On control", "Difference", "Verdict")


def title(report: ExperimentReport) -> str:
    """Return the experiment's name, its hypothesis, and how much it has seen."""
    experiment = report.experiment
    about = f": {experiment.hypothesis}" if experiment.hypothesis else ""
    seen = f"{count(report.calls, 'call')}, {count(report.keys, 'key')}"
    since = f" since {report.first_at[:10]}" if report.first_at else ""
    return f"{experiment.name}{about} ({experiment.prompt}; {seen}{since})"


def arm_rows(report: ExperimentReport) -> Iterator[tuple[str, ...]]:
    """Yield a row of `ARM_COLUMNS` for each arm; the outcome with its interval of 95 %."""
    primary = report.experiment.primary
    for arm in report.arms:
        yield (
            arm.arm,
            _version(arm),
            f"{arm.share:g}%",
            f"{arm.keys:,}",
            f"{arm.values:,}",
            _measured(arm.primary, primary.kind),
            difference_text(arm.difference, is_relative=primary.is_relative) if arm.difference else "-",
            "void" if report.voided and arm.verdict else arm.verdict or "-",
        )


def guard_rows(report: ExperimentReport) -> Iterator[tuple[str, ...]]:
    """Yield a row of `GUARD_COLUMNS` for each guard of each arm."""
    for arm in report.arms:
        for guard in arm.guards:
            kind = guard.outcome.partition(" ")[0]
            limit = f"{100 * guard.limit:+g}{'%' if guard.is_relative else ' pp'}"
            values = _measured(guard.arm, kind), _measured(guard.control, kind)
            text = difference_text(guard.difference, is_relative=guard.is_relative)
            yield arm.arm, guard.outcome, limit, *values, text, "void" if report.voided else guard.verdict


def sentences(report: ExperimentReport) -> Iterator[str]:
    """Yield what follows, one sentence a line: why it is void, or the verdict on each arm and what it would take."""
    if report.voided:
        for reason in report.voided:
            yield f"void: {reason}"
    else:
        for arm in report.arms[1:]:
            yield _verdict(report, arm)
        if report.promotion is None and report.promoted is not None:
            yield f"decided: `{report.promoted.arm}` may be promoted"
        elif report.promotion is None and report.is_decided:
            yield "decided: control stays"
    if report.promotion is not None:
        yield f"promoted: {report.promotion.name} moved to {report.promotion.version}; later calls do not count"
    yield from report.notes


def _verdict(report: ExperimentReport, arm: ArmReport) -> str:
    primary = report.experiment.primary
    outcome = outcome_name(primary.kind, primary.of)
    least = primary.minimum or 0.0
    minimum = f"{100 * least:g}{'%' if primary.is_relative else ' points'}"
    if arm.verdict in ("better", "worse"):
        text = f"`{arm.arm}` is {arm.verdict} than control in {outcome}"
    elif arm.verdict == "no worse":
        also = ", and so is a gain" if arm.is_minimum_excluded else ""
        text = f"`{arm.arm}` is no worse than control in {outcome}: a loss of {minimum} is ruled out{also}"
    else:
        text = f"`{arm.arm}` is undecided"
        if arm.is_minimum_excluded:
            text += f": a gain of {minimum} is ruled out"
    if arm.more_keys:
        text += f"; finding {minimum} would take about {count_about(arm.more_keys)} more keys"
    elif arm.more_keys == 0:
        text += f"; a difference of {minimum} would most likely have been found by now"
    elif arm.verdict == "undecided" and not arm.values:
        text += f": `{outcome}` is not known of any key yet"
    for guard in arm.guards:
        if guard.verdict == "broken":
            text += f"; its guard `{guard.outcome}` is broken"
        elif guard.verdict == "undecided" and arm.verdict == "better":
            text += f"; its guard `{guard.outcome}` is undecided"
    return text


def count_about(number: int) -> str:
    """Return a number with two digits that matter: 3,412 as `3,400`."""
    digits = max(0, len(str(number)) - 2)
    return f"{-(-number // 10**digits) * 10**digits:,}"


def _version(arm: ArmReport) -> str:
    if arm.digest is None:
        return arm.ref
    return f"{arm.ref} (v{arm.version})" if arm.version is not None else f"{arm.ref} (v?)"


_FORMS: Mapping[str, Callable[[float | None], str]] = {"cost": format_cost, "latency": format_latency}


def _measured(estimate: Measured, kind: str) -> str:
    """Return a number with its interval; the interval alone is `-` as long as too little is known."""
    form = _FORMS.get(kind, format_share)
    if estimate.value is None:
        return "-"
    if estimate.low is None and estimate.high is None:
        return f"{form(estimate.value)} [-]"
    high = "∞" if estimate.high is None else form(estimate.high)
    return f"{form(estimate.value)} [{form(estimate.low)}, {high}]"
