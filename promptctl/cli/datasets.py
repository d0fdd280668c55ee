"""`promptctl dataset`: the cases that prompts are evaluated on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from promptctl import CaseSample, errors
from promptctl.cli import options
from promptctl.cli.call_filter import FilterOptions
from promptctl.cli.checks import say_check
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.estimate_output import say_dry_run
from promptctl.cli.generate import WriterOptions
from promptctl.cli.output import format_id, left_to_show, say_json, tell, tell_hint, warn
from promptctl.cli.proposing import AskingOptions, WriteOptions, offer
from promptctl.cli.tables import say_table
from promptctl.cli.text_difference import shortened
from promptctl.cli.waiting import loading
from promptctl.reports.wording import count, format_cost, name_some, percent

if TYPE_CHECKING:
    from promptctl import CaseWritingOptions

app = Group("The cases that prompts are evaluated on.")


@app.command("list")
def list_datasets(context: typer.Context, as_json: options.Json = False) -> None:
    """List the datasets of the workspace, and the prompts they test."""
    found = options.workspace_of(context).datasets.all()
    if left_to_show(found, "no datasets yet: promptctl new PROMPT begins one", as_json=as_json):
        rows = [
            (
                each.path,
                "invalid" if each.cases is None else each.cases,
                ", ".join(each.header.prompts) if each.header else None,
                each.header.description if each.header else "see promptctl validate",
            )
            for each in found
        ]
        say_table(
            ["Dataset", "Cases", "Prompts", "Description"], rows, right=["Cases"], texts=["Prompts", "Description"]
        )


@app.command("show")
def show_dataset(context: typer.Context, name: options.DatasetName, as_json: options.Json = False) -> None:
    """Show the cases of a dataset."""
    found = options.workspace_of(context).datasets.cases(name)
    if as_json:
        say_json(found.as_dict())
        return
    rows = [
        (
            case.id,
            " ".join(case.tags),
            ", ".join(assertion.type for assertion in case.assertions),
            shortened(dict(case.inputs), width=100),
        )
        for case in found.cases
    ]
    say_table(["Case", "Tags", "Assertions", "Inputs"], rows, texts=["Tags", "Assertions", "Inputs"])


@app.command("validate")
def validate_dataset(context: typer.Context, name: options.DatasetName, as_json: options.Json = False) -> None:
    """Check a dataset to its last case, with every prompt that it tests. Exit code 1 on any error."""
    found = options.workspace_of(context).datasets.check(name)
    cases = "" if found.cases is None else f"{count(found.cases, 'case')}, "
    say_check(found.problems, about=f"{found.path}: {cases}", as_json=as_json, dataset=found.path, cases=found.cases)


@app.command("add")
def add_to_dataset(
    context: typer.Context,
    name: options.DatasetName,
    execution: Annotated[str, option("--execution", "ID", "The execution that becomes a case.", completes="execution")],
    case: Annotated[
        str | None, option("--id", "CASE", "The case's id; without it, one made of the execution's.")
    ] = None,
    tags: Annotated[list[str] | None, option("--tag", "TAG", "A tag of the case. Repeatable.", completes="tag")] = None,
    expects_reply: Annotated[
        bool, option("--expect-reply", "What was answered then is what is expected from now on.")
    ] = False,
) -> None:
    """Add a case from a logged execution; comments and order of the file stay as they are."""
    added = options.workspace_of(context).datasets.add(
        name, execution, case_id=case, tags=tags or (), expects_reply=expects_reply
    )
    tell(f"added    {added.case_id} to {added.path}")


@app.command("from-log")
def add_from_log(
    context: typer.Context,
    name: options.DatasetName,
    filters: FilterOptions,
    status: Annotated[
        Literal["ok", "error", "invalid_output", "blocked", "cancelled"] | None,
        option("--status", "Only calls of which an attempt ended so."),
    ] = None,
    order: Annotated[
        Literal["worst", "random", "newest", "longest", "shortest", "novel"] | None,
        option("--by", "The first of them: by scores, at random, by time, input, or unlike the cases there."),
    ] = None,
    seed: Annotated[int, option("--seed", "N", "Draws the same calls each time.")] = 0,
    limit: Annotated[int, option("-n", "--limit", "N", "At most so many.", min=1)] = 20,
    tags: Annotated[
        list[str] | None, option("--tag", "TAG", "A tag of the cases. Repeatable.", completes="tag")
    ] = None,
    expects_reply: Annotated[
        bool, option("--expect-reply", "Where nobody corrected it, what was answered is what is expected.")
    ] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Add a sample of logged calls as cases, with people's corrections as what is expected.

    With --feedback it is the worst ones, else a random sample. A dataset that is not there begins for the prompt of
    --prompt.
    """
    workspace = options.workspace_of(context)
    sample = CaseSample(limit=limit, order=order, seed=seed, tags=tags or (), expects_reply=expects_reply)
    found = workspace.datasets.from_log(name, replace(filters.filter, status=status), sample)
    if wanted.as_json:
        calls = [each.as_dict() for each in found.calls]
        about = {"dry_run": wanted.dry_run, "dataset": found.path, "further": found.further, "calls": calls}
        offer(workspace, found.proposal, wanted, lambda: about)
        return
    if not found.calls:
        filters.tell_nothing(workspace, "call")
        return
    for each in found.calls:
        score = "" if each.score is None else f" (score {each.score:.3g})"
        what = (
            f"add   {each.case_id}{score}"
            if each.case_id
            else f"leave {format_id(each.execution)}{score}: {each.left_out}"
        )
        tell(what)
    left_out = f"; {count(len(found.left_out), 'call')} left out" if found.left_out else ""
    further = f"; {count(found.further, 'further call')}: raise --limit" if found.further else ""
    tell(f"{count(len(found.added), 'case')} for {found.path}{left_out}{further}")
    if not expects_reply and any("nobody said" in str(each.left_out) for each in found.left_out):
        tell_hint("what was answered can be what is expected: --expect-reply")
    offer(workspace, found.proposal, wanted)


@app.command("dedupe")
def drop_duplicates(
    context: typer.Context,
    name: options.DatasetName,
    threshold: Annotated[
        float,
        options.share_option(
            "--threshold", "Long texts are alike from this share of equal characters on; 1: only equal ones.", least=0.5
        ),
    ] = 0.9,
    *,
    wanted: WriteOptions,
) -> None:
    """Take out cases that are like another one. Those that must pass, or expect a different reply, stay."""
    workspace = options.workspace_of(context)
    found = workspace.datasets.dedupe(name, threshold)
    for each in found.found if not wanted.as_json else ():
        like = "equal to" if each.share == 1 else f"{percent(each.share)} like"
        tell(f"{'drop' if each.is_dropped else 'keep'}  {each.case_id}: {like} {each.like}; {each.why}")
    kept = len(found.found) - len(found.dropped)
    rest = f"; {kept} more alike and kept" if kept else ""
    tell(f"{found.path}: {len(found.dropped)} of {count(found.cases, 'case')} dropped{rest}")
    offer(workspace, found.proposal, wanted, found.as_dict)


@app.command("split")
def split_dataset(
    context: typer.Context,
    name: options.DatasetName,
    seed: Annotated[
        int | None, option("--seed", "N", "Draws the parts; without one, a seed that makes them even.", min=0)
    ] = None,
    *,
    wanted: WriteOptions,
) -> None:
    """Draw the parts of a dataset: to learn from, to choose by, and held out. The draw is kept in its file."""
    workspace = options.workspace_of(context)
    found = workspace.datasets.split(name, seed)
    sizes = ", ".join(f"{part} {size}" for part, size in found.sizes.items())
    tell(f"{found.path}: seed {found.split.seed}: {sizes}")
    if found.left_out:
        tell(f"in no part, as they are like a held-out case: {name_some(found.left_out)}")
    for one, other in found.apart:
        warn(f"{one} and {other} are alike, and the split that is kept has them in different parts")
    if found.before is not None and found.before.seed != found.split.seed:
        warn("drawn anew: what was tuned until now has seen some of the cases that are held out from now on")
    if found.proposal.is_empty and not wanted.as_json:
        tell("nothing changes")
    offer(workspace, found.proposal, wanted, found.as_dict)


@app.command("generate")
def generate_cases(
    context: typer.Context,
    prompt: Annotated[str, argument("ID", "The prompt that the cases test.", completes="ref")],
    writer: WriterOptions,
    number: Annotated[int, option("-n", "--n", "N", "How many cases.", min=1, max=500)] = 20,
    kind: Annotated[
        Literal["diverse", "edge", "adversarial", "injection"],
        option("--kind", "As in life; the ends of what is allowed; hard to get right; with instructions."),
    ] = "diverse",
    dataset: Annotated[
        str | None, options.dataset_option("The dataset that they are for; else the one that tests the prompt.")
    ] = None,
    *,
    wanted: AskingOptions,
) -> None:
    """Let a model write cases for a prompt: unlike those that are there, tagged `generated`, never held out."""
    workspace = options.workspace_of(context)
    asked: CaseWritingOptions = {"dataset": dataset, **writer.asked()}
    if wanted.dry_run:
        say_dry_run(workspace.authoring.estimate_cases(prompt, number, kind, **asked), as_json=wanted.as_json)
        return
    options.begin_waiting(context, lambda: loading() or "a model is writing cases")
    found = workspace.authoring.generate_cases(prompt, number, kind, **asked)
    options.end_waiting(context)
    offer(workspace, found.proposal, wanted, found.as_dict, asks_again=True)
    alike = f"; {found.alike} more left out, as they are like another case" if found.alike else ""
    tell(
        f"{len(found.cases)} of {count(found.asked, 'case')} for {found.path} · {format_cost(found.cost_nano_usd)}{alike}"
    )
    if found.stopped is not None:
        warn(f"there are fewer than asked for: {found.stopped}")
        raise typer.Exit(errors.INCOMPLETE)
