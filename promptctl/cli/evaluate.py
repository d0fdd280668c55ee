"""`promptctl eval`: how good a prompt version is on the cases of its datasets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from promptctl import EvaluationRequest, GateRule, Selection, errors
from promptctl.cli import options
from promptctl.cli.comparison_output import say_against
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress, say_evaluations
from promptctl.cli.inputs import read_pairs
from promptctl.cli.output import say_json, tell
from promptctl.errors import UsageError, WorkspaceError
from promptctl.reports.files import check_report_path

if TYPE_CHECKING:
    from promptctl import Evaluation, Workspace

_ID = re.compile(r"[0-9a-f-]{4,36}")


def evaluate(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF]...",
            help="Prompts, each at a version if wanted; with --failed also an evaluation's id.",
            autocompletion=options.complete_ref,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every prompt that a dataset tests.")] = False,
    changed: Annotated[
        str | None,
        typer.Option("--changed-since", metavar="REV", help="Every prompt that changed, or whose dataset did."),
    ] = None,
    datasets: Annotated[
        list[str] | None, typer.Option("-d", "--dataset", metavar="FILE", help="Only this dataset. Repeatable.")
    ] = None,
    models: options.Models = None,
    parameters: options.Parameters = None,
    judge: Annotated[str | None, typer.Option("--judge", metavar="MODEL", help="The model that grades.")] = None,
    cases: Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="Only this case. Repeatable.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only cases with this tag. Repeatable.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="Only N cases, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Draws the same sample each time.")] = 0,
    first: Annotated[int | None, typer.Option("--first", min=1, metavar="N", help="Only the first N cases.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what did not pass the last time, or in the evaluation ID.")
    ] = False,
    repeats: Annotated[
        int, typer.Option("--repeat", min=1, max=1000, metavar="K", help="Ask for each case K times.")
    ] = 1,
    at_least: Annotated[
        int | None,
        typer.Option("--at-least", min=1, metavar="M", help="A case passes with M of its K; all by default."),
    ] = None,
    min_pass: Annotated[
        float | None,
        typer.Option(
            "--min-pass", min=0.0, max=1.0, metavar="SHARE", help="The share that must pass.", callback=options.a_number
        ),
    ] = None,
    replies: options.RepliesFrom = "cache",
    concurrency: options.Concurrency = 16,
    timeout_s: options.CaseTimeout = 300.0,
    max_cost: options.MaxCost = None,
    fail_fast: options.FailFast = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; ask nothing.")] = False,
    allow_code: options.AllowCode = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REF", help="Also evaluate this version (@production, @origin/main) and compare."
        ),
    ] = None,
    gate: options.Gate = "worse",
    margin: options.Margin = 0.05,
    outputs: options.Reports = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate prompts over their datasets. Exit code 1 where too few cases pass, 5 where some could not be graded."""
    if at_least is not None and at_least > repeats:
        raise UsageError(f"--at-least {at_least} is more than --repeat {repeats}")
    if dry_run and (against is not None or outputs):
        raise UsageError("--dry-run estimates one evaluation, without --against and -o")
    check_reports(outputs or ())
    workspace = options.workspace_of(context)
    named, failed_of = split_names(workspace, names or ()) if failed else (names or [], None)
    refs = _refs(
        workspace, named, datasets or (), is_all=everything, changed=changed, failed_of=failed_of, failed=failed
    )
    if changed is not None and not refs:
        what = f"nothing that {' or '.join(datasets)} tests" if datasets else "no tested prompt, and no dataset of one,"
        tell(f"nothing to evaluate: {what} has changed since {changed}")
        conclude(workspace, (), outputs or (), partial(say_json, []) if as_json else lambda: None, errors.OK)
    request = EvaluationRequest(
        refs=refs,
        datasets=datasets or (),
        models=models or (),
        parameters=read_pairs(parameters or (), "--param"),
        judge=judge,
        selection=Selection(
            ids=frozenset(cases) if cases else None, tags=tuple(tags or ()), sample=sample, seed=seed, first=first
        ),
        only_own_datasets=changed is not None,
        only_failed=failed,
        failed_of=failed_of,
        repeats=repeats,
        at_least=at_least,
        min_pass=min_pass,
        limits=options.limits(concurrency, max_cost, timeout_s=timeout_s, fails_fast=fail_fast),
        replies=replies,
        allows_code=allow_code,
    )
    if dry_run:
        say_estimate(workspace.estimate(request), as_json=as_json)
    elif against is not None:
        rule = GateRule(gate=gate, margin=margin)
        with EvaluationProgress() as progress:
            beside = workspace.evaluate_against(request, against, rule, progress)
        say = partial(say_against, beside, rule, as_json=as_json)
        conclude(workspace, beside.heads, outputs or (), say, beside.decision.exit_code)
    else:
        with EvaluationProgress() as progress:
            found = workspace.evaluate(request, progress)
        say = partial(say_evaluations, workspace, found, as_json=as_json)
        conclude(workspace, found, outputs or (), say, exit_code(found))


def check_reports(outputs: Sequence[Path]) -> None:
    """Raise `UsageError` for a report that could not be written, before anything is paid for."""
    for path in outputs:
        check_report_path(path)


def split_names(workspace: Workspace, names: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the prompts that are named, and the id of an evaluation: what looks like one and is no prompt."""
    known = workspace.complete("")
    ids = [name for name in names if _ID.fullmatch(name) and name not in known]
    if len(ids) > 1:
        raise UsageError("name one evaluation, not several", hint=f"you named {', '.join(ids)}")
    return [name for name in names if name not in ids], ids[0] if ids else None


def exit_code(found: Sequence[Evaluation]) -> int:
    """Return 1 if anything failed; else 5 if anything is incomplete; else 0."""
    verdicts = {each.verdict for each in found}
    if "failed" in verdicts:
        return errors.CHECK_FAILED
    if "incomplete" in verdicts or not found or any(each.stopped for each in found):
        return errors.INCOMPLETE
    return errors.OK


def conclude(
    workspace: Workspace, found: Sequence[Evaluation], outputs: Sequence[Path], say: Callable[[], None], code: int
) -> NoReturn:
    """Write the reports, print what was found, and end. A report that fails is told last: the rest was paid for."""
    unwritten = None
    for path in outputs:
        try:
            workspace.results.export(found, path)
            tell(f"written  {path}")
        except WorkspaceError as error:
            error.hint = error.hint or "write it again with: promptctl results export ID -o FILE"
            unwritten = unwritten or error
    say()
    if unwritten is not None:
        raise unwritten
    raise typer.Exit(code)


def _refs(
    workspace: Workspace,
    refs: Sequence[str],
    datasets: Sequence[str],
    *,
    is_all: bool,
    changed: str | None,
    failed: bool,
    failed_of: str | None,
) -> list[str] | None:
    """Return the prompts named, those that changed, or those of the evaluation that had failures; None for all."""
    if bool(refs) + is_all + (changed is not None) > 1:
        raise UsageError("give prompts, --all or --changed-since: one of them")
    if changed is not None:
        return workspace.datasets.changed_since(changed, datasets)
    if is_all:
        return None
    if failed and not refs:
        rows = workspace.results.last_command() if failed_of is None else [workspace.results.evaluation(failed_of).row]
        return list(dict.fromkeys(row.prompt for row in rows))
    if not refs:
        raise UsageError("say what to evaluate", hint="a prompt, or --all, or --changed-since origin/main")
    return list(refs)
