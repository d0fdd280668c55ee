"""`promptctl judge`: people who label replies, how far they agree, and how well a judge agrees with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option, refuse_given
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import flat, left_to_show, say, say_json, say_wrapped, tell, tell_wrapped, visible, warn
from promptctl.cli.proposing import AskingOptions, WriteOptions, offer
from promptctl.cli.tables import say_table
from promptctl.errors import quote
from promptctl.reports.wording import clip, count, format_cost, format_range, format_share, percent

if TYPE_CHECKING:
    from promptctl import (
        AgreementReport,
        Calibrated,
        Calibration,
        JudgeStatus,
        QuestionAgreement,
        ReplyLabelling,
        Workspace,
    )

app = Group("Judges, people who label replies in their place, and how far they all agree.")

EXAMPLES = """\
  promptctl judge label support/triage --by ada
  promptctl judge label support/triage -o label.html
  promptctl judge label support/triage --import triage.ada.jsonl
  promptctl judge agreement support/triage
  promptctl judge list
  promptctl judge calibrate llm-rubric --repeats 3 --max-cost 1.00
"""

_MOST_SHOWN = 400


@app.command("calibrate")
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


@app.command("list")
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
    cases = f" to {count(found.judged.n, 'case')}" if found.by_case else ""
    yield (
        "labels",
        f"{count(counts.n, 'reply')}{cases} by {', '.join(map(flat, found.people))}: {counts.on_pass} passed, {counts.on_fail} failed",
    )
    ties = f"; {_without_ties(found.ties)}" if found.ties else ""
    yield "κ", _number(found.kappa) + ties
    for name, each in found.rates.items():
        yield name, _percent(each)
    if counts.errors:
        yield (
            "errors",
            f"{count(counts.errors, 'verdict')} could not be read, and agree{'s' * (counts.errors == 1)} with nobody",
        )
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
    return f"without {count(ties, 'reply')} on which people are split: the hard ones, so it flatters"


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


@app.command("label")
def label(
    context: typer.Context,
    name: options.DatasetName,
    by: Annotated[str | None, option("--by", "NAME", "The person; by default Git's user.name.")] = None,
    evaluations: Annotated[
        list[str] | None,
        option(
            "--evaluation",
            "ID",
            "Label the replies of this one, not of the newest. Repeatable: several versions' replies.",
            completes="evaluation",
        ),
    ] = None,
    tags: Annotated[
        list[str] | None, option("--tag", "TAG", "Only cases with this tag. Repeatable.", completes="tag")
    ] = None,
    sample: Annotated[
        int | None, option("-n", "--sample", "N", "Only N cases, the same for everybody by --seed.", min=1)
    ] = None,
    seed: options.Seed = 0,
    again: Annotated[bool, option("--again", "Ask again what the person has labelled.")] = False,
    page: Annotated[Path | None, option("-o", "--output", "FILE.html", "Write a page to label in, offline.")] = None,
    file: Annotated[Path | None, option("--import", "FILE.jsonl", "Take in the labels that a page saved.")] = None,
    *,
    wanted: WriteOptions,
) -> None:
    """Label replies of a dataset's newest evaluation. Which version gave one, or what a judge found, is not shown.

    Each answer is written at once to datasets/human-labels/, to be committed; the same command goes on later.
    """
    from promptctl import LabelRequest, Selection

    workspace = options.workspace_of(context)
    if file is not None:
        names = ["by", "evaluations", "tags", "sample", "seed", "again", "page"]
        why = "and --import cannot be given together"
        refuse_given(context, names, why, "--import takes in what is in its file: give it with the dataset alone")
        _import(workspace, name, file, wanted)
        return
    refuse_given(context, ["yes", "dry_run"], "is for --import", "answers are written as they are given")
    selection = Selection(tags=tuple(tags or ()), sample=sample, seed=seed)
    labelling = workspace.judges.label(LabelRequest(name, by, tuple(evaluations or ()), selection))
    items = labelling.items if again else labelling.left()
    if page is not None:
        workspace.judges.write_page(labelling, items, page)
    if wanted.as_json:
        say_json(labelling.as_dict() | {"page": None if page is None else str(page)})
        return
    for note in labelling.notes:
        warn(note)
    if page is not None:
        tell(f"written  {page}: {count(len(items), 'question')} for {labelling.by}")
        tell(f"take in what it saves: promptctl judge label {quote(labelling.dataset)} --import FILE.jsonl")
        return
    if items:
        from promptctl.cli.labelling import ask

        options.end_waiting(context)
        ask(labelling, items)
    _tell_state(labelling)


@app.command("agreement")
def show_agreement(context: typer.Context, name: options.DatasetName, as_json: options.Json = False) -> None:
    """Say how far people who labelled a dataset agree, beyond chance too, and about which replies they do not."""
    found = options.workspace_of(context).judges.agreement(name)
    if as_json:
        say_json(found.as_dict())
        return
    say_table(
        ["Question", "People", "Replies", "Agree", "95 %", "Beyond chance"],
        [_agreement_row(each) for each in found.questions],
        right=["People", "Replies", "Agree"],
        texts=["Question"],
    )
    tell("labels: " + ", ".join(f"{by} {labels:,}" for by, labels in found.people.items()))
    for reason in dict.fromkeys(each.unknown for each in found.questions if each.unknown):
        tell(f"beyond chance nothing is known: {reason}")
    if found.set_aside:
        warn(found.set_aside, f"label again: promptctl judge label {quote(found.dataset)}")
    if len(found.people) == 1:
        tell(
            f"only {next(iter(found.people))} has labelled; a second person: promptctl judge label {quote(found.dataset)} --by NAME"
        )
    _say_disagreements(found)


def _import(workspace: Workspace, name: str, file: Path, wanted: WriteOptions) -> None:
    found = workspace.judges.import_labels(name, file)
    if not wanted.as_json and found.set_aside:
        warn(found.set_aside, "evaluate and label again: the dataset changed since")
    offer(workspace, found.proposal, wanted, found.as_dict)
    if not wanted.as_json:
        by = f", by {', '.join(found.people)}" if found.people else ""
        tell(f"{count(found.new, 'new label')}, {found.changed} changed, {found.same} there already{by}")


def _tell_state(labelling: ReplyLabelling) -> None:
    state = labelling.as_dict()
    tell(f"{state['labelled']} of {count(state['items'], 'question')} answered by {labelling.by} in {labelling.path}")
    if state["left"]:
        tell(f"go on later with the same command; agreement: promptctl judge agreement {quote(labelling.dataset)}")


def _agreement_row(each: QuestionAgreement) -> tuple[object, ...]:
    interval = "" if each.interval is None else f" ({each.interval.low:.2f} to {each.interval.high:.2f})"
    symbol = {"kappa": "κ", "alpha": "α"}[each.measure]
    return (
        f"{each.type}: {each.question}" if each.question else each.type,
        len(each.people),
        each.replies,
        format_share(each.agreed),
        "-" if each.agreed_interval is None else format_range(each.agreed_interval.low, each.agreed_interval.high),
        "-" if each.value is None else f"{symbol} {each.value:.2f}{interval}",
    )


def _say_disagreements(found: AgreementReport) -> None:
    if not found.disagreements:
        return
    say()
    say(f"{count(len(found.disagreements), 'disagreement')}, to talk about:")
    for each in found.disagreements:
        say()
        question = each.question
        say(visible(f"{question.case.id}  {question.type}{f': {question.text}' if question.text else ''}"))
        facts = [("reply", clip(question.reply, _MOST_SHOWN))]
        facts += [
            (given.by, f"{given.answer}: {given.comment}" if given.comment else given.answer) for given in each.labels
        ]
        width = max(len(name) for name, _ in facts)
        for name, text in facts:
            say_wrapped(visible(f"{name.ljust(width)}  {' '.join(text.split())}"), "  ")
