"""`promptctl judge calibrate`: how well a judge agrees with people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import flat, left_to_show, tell, tell_wrapped, warn
from promptctl.cli.proposing import AskingOptions, offer
from promptctl.cli.tables import say_table
from promptctl.reports.wording import format_cost, format_range, percent

if TYPE_CHECKING:
    from promptctl import Calibrated, Calibration, JudgeStatus


def calibrate(
    context: typer.Context,
    name: Annotated[
        str, argument("JUDGE", "Its prompt's id; llm-rubric for judges/llm-rubric, and so on.", completes="judge")
    ],
    labels: Annotated[
        list[str] | None,
        option(
            "--labels",
            "DATASET",
            "Only the labels of this dataset, or of this file. Repeatable. Default: all.",
            completes="dataset",
        ),
    ] = None,
    repeats: Annotated[int, option("--repeats", "--repeat", "N", "Ask for each verdict N times.", min=1, max=100)] = 1,
    replies: Annotated[
        Literal["ask", "cache", "record", "refresh", "replay"],
        option("--replies", "As for eval: `ask` measures the judge as it answers today."),
    ] = "cache",
    *,
    judging: options.JudgeOptions,
    bounds: options.BoundOptions,
    wanted: AskingOptions,
) -> None:
    """Hold a judge's verdicts against the labels of people, and write how well they agree to datasets/calibrations/.

    It grades the replies that people labelled. What it finds holds for this prompt, model and rubric alone.
    """
    from promptctl import CalibrationRequest

    workspace = options.workspace_of(context)
    request = CalibrationRequest(
        judge=name,
        labels=tuple(labels or ()),
        model=judging.judge,
        parameters=judging.asked["judge_parameters"],
        repeats=repeats,
        replies=replies,
        limits=bounds.limits(),
    )
    if wanted.dry_run:
        say_estimate(workspace.judges.estimate(request), as_json=wanted.as_json)
        return
    with EvaluationProgress(context) as progress:
        found = workspace.judges.calibrate(request, progress)
    if not wanted.as_json:
        for note in found.notes:
            warn(note)
        for each, lack in zip(found.calibrations, found.lacks, strict=True):
            _tell_measured(each, lack)
    offer(workspace, found.proposal, wanted, found.as_dict)
    if not wanted.as_json:
        _tell_end(found)


def list_judges(context: typer.Context, as_json: options.Json = False) -> None:
    """List the judges that datasets ask, and how well each agrees with people, on which rubric."""
    found = options.workspace_of(context).judges.list()
    if not left_to_show(found, "no dataset asks a judge", as_json=as_json):
        return
    say_table(
        ["Judge", "Model", "Rubric", "Labels", "κ", "95 %", "Measured", "Decides"],
        [_row(each) for each in found],
        right=["Labels", "κ"],
        texts=["Judge", "Model", "Rubric"],
        spare=["95 %", "Measured"],
    )
    for lack in dict.fromkeys(each.lack for each in found if each.lack is not None):
        tell(f"decides nothing where `judge: calibrated` is asked: {lack}")
    for each in found:
        if each.labels_changed:
            tell(f"the labels that {each.judge} was measured on have changed: promptctl judge calibrate {each.judge}")
        if each.calibration is not None and each.calibration.ties:
            tell(f"κ of {each.judge} is {_without_ties(each.calibration.ties)}")


def _row(each: JudgeStatus) -> tuple[object, ...]:
    known = each.calibration
    rubric = f"{each.type}: {each.rubric}" if each.rubric else each.type
    if known is None:
        return each.judge, each.model or "-", rubric, each.labels, "-", "-", "-", "no"
    kappa = known.kappa
    value, interval = (
        ("-", "-") if kappa.value is None else (f"{kappa.value:.2f}", f"{kappa.low:.2f} to {kappa.high:.2f}")
    )
    decides = "yes" if each.lack is None else "no"
    return each.judge, each.model or "-", rubric, each.labels, value, interval, known.measured_at or "-", decides


def _tell_measured(found: Calibration, lack: str | None) -> None:
    """Print what was measured of one rubric, on stderr: the diff alone is data."""
    tell(f"{flat(found.judge)} with {flat(found.model)} on {found.rubric_type}: {flat(found.rubric_text)}")
    facts = list(_facts(found, lack))
    width = max(len(name) for name, _ in facts)
    for name, words in facts:
        tell_wrapped(f"{name.ljust(width)}  {words}", "  ")
    tell("")


def _facts(found: Calibration, lack: str | None) -> Iterator[tuple[str, str]]:
    counts = found.verdicts
    cases = f" to {found.judged.n} cases" if found.by_case else ""
    yield (
        "labels",
        f"{counts.n} replies{cases} by {', '.join(map(flat, found.people))}: {counts.on_pass} passed, {counts.on_fail} failed",
    )
    ties = f"; {_without_ties(found.ties)}" if found.ties else ""
    yield "κ", _number(found.kappa) + ties
    for name, each in found.rates.items():
        yield name, _percent(each)
    if counts.errors:
        yield "errors", f"{counts.errors} verdicts could not be read, and agree with nobody"
    yield "consistency", _percent(found.consistency)
    yield "position", _percent(found.position, " changed with the order of the choices")
    yield "length", _points(found.length)
    yield "cost", f"{format_cost(found.cost_nano_usd)} a verdict"
    yield (
        "gate",
        "enough for `judge: calibrated`"
        if lack is None
        else f"decides nothing where `judge: calibrated` is asked: it {lack}",
    )


def _without_ties(ties: int) -> str:
    replies = "1 reply" if ties == 1 else f"{ties} replies"
    return f"without {replies} on which people are split: the hard ones, so it flatters"


def _number(each: Any) -> str:
    return each.note if each.value is None else f"{each.value:.2f} ({each.low:.2f} to {each.high:.2f})"


def _percent(each: Any, words: str = "") -> str:
    if each.value is None:
        return str(each.note)
    said = f"{percent(each.value, 1)} ({format_range(each.low, each.high)}){words}"
    return f"{said}; {each.note}" if each.note else said


def _points(each: Any) -> str:
    if each.value is None:
        return str(each.note)
    low, high = each.low * 100, each.high * 100
    told = "longer replies pass more often" if low > 0 else "longer replies pass less often" if high < 0 else "no sign"
    return f"{each.value * 100:+.1f} pp ({low:+.1f} to {high:+.1f}) for longer replies with the same label: {told}"


def _tell_end(found: Calibrated) -> None:
    spent = "" if found.cost_nano_usd == 0 else f" ({format_cost(found.cost_nano_usd)} spent)"
    if found.proposal.is_empty:
        tell(f"nothing has changed since it was measured{spent}")
    elif spent:
        tell(spent.strip(" ()"))
