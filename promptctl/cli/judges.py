"""`promptctl judge`: people who label replies, how far they agree, and how well a judge agrees with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.calibrating import calibrate, list_judges
from promptctl.cli.commands import Group, option, refuse_given
from promptctl.cli.output import say, say_json, say_wrapped, tell, visible, warn
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.cli.tables import say_table
from promptctl.errors import quote
from promptctl.reports.wording import clip, count, format_range, format_share

if TYPE_CHECKING:
    from promptctl import AgreementReport, QuestionAgreement, ReplyLabelling, Workspace

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
app.command("calibrate")(calibrate)
app.command("list")(list_judges)


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
        tell(
            f"{count(found.new, 'new label')}, {found.changed} changed, {found.same} there already, by {', '.join(found.people)}"
        )


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
