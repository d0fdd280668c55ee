"""`promptctl eval`: how good a prompt version is on the cases of its datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.compare import Gate, Margin
from promptctl.cli.comparison_output import say_against
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress, say_evaluations
from promptctl.cli.inputs import read_pairs
from promptctl.cli.output import say_json, tell
from promptctl.comparisons.verdicts import GateRule
from promptctl.datasets.selection import Selection
from promptctl.errors import UsageError, WorkspaceError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.request import EvaluationRequest, Limits, ResumeRequest
from promptctl.reports.files import check_report_path
from promptctl.workspace import Workspace

NANO = 1_000_000_000
_ID = re.compile(r"[0-9a-f-]{4,36}")


def evaluate(
    context: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF|ID]...",
            help="Prompts, each at a version if wanted; with --resume, --retry-errors or --failed an evaluation's id.",
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
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", metavar="MODEL", help="Ask this model instead. Repeatable: each in turn."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar="NAME=VALUE", help="A parameter of the model. Repeatable."),
    ] = None,
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
    concurrency: Annotated[
        int, typer.Option("-j", "--concurrency", min=1, max=2000, metavar="N", help="Requests at once.")
    ] = 16,
    timeout_s: Annotated[
        float,
        typer.Option("--case-timeout", min=0.1, metavar="SECONDS", help="For one case.", callback=options.a_number),
    ] = 300.0,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost", min=0.0, metavar="USD", help="Stop before more is spent.", callback=options.a_number
        ),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first case that does not pass.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again even where the reply is kept.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write replies to datasets/recordings/.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Answer from recordings alone: free and offline.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the evaluation ID, or with what the last command left; errors are asked again."
        ),
    ] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="The same, also where nothing but errors is left.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; ask nothing.")] = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run `python:` assertions of the workspace.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REF", help="Also evaluate this version (@production, @origin/main) and compare."
        ),
    ] = None,
    gate: Gate = "worse",
    margin: Margin = 0.05,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Also write .json .jsonl .csv .md .xml (JUnit) .html. Repeatable."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate prompts over their datasets. Exit code 1 where too few cases pass, 5 where some could not be graded."""
    workspace = options.workspace_of(context)
    is_resumed = resume or retry_errors
    _check_options(replay, record, at_least, repeats, outputs or [])
    if dry_run and (is_resumed or against is not None or outputs):
        raise UsageError("--dry-run estimates what begins anew, without --resume, --retry-errors, --against and -o")
    if is_resumed and against is not None:
        raise UsageError(
            "a comparison is not resumed", hint="give its command again: what was answered is not asked for again"
        )
    if is_resumed:
        begun_with = {
            "--all": everything, "--changed-since": changed, "--dataset": datasets, "--model": models,
            "--param": parameters, "--judge": judge, "--case": cases, "--tag": tags, "--sample": sample,
            "--first": first, "--failed": failed, "--repeat": repeats > 1, "--at-least": at_least,
            "--min-pass": min_pass is not None, "--no-cache": no_cache, "--record": record, "--replay": replay,
        }  # fmt: skip
        _refuse_on_resume([option for option, given in begun_with.items() if given])
    wanted = _Wanted.of(workspace, refs or [], takes_id=failed or is_resumed)
    chosen = (
        ()
        if is_resumed
        else _refs(workspace, wanted, is_all=everything, changed=changed, datasets=datasets or (), is_failed=failed)
    )
    if not chosen and changed is not None:
        what = (
            f"nothing that {' or '.join(datasets)} tests"
            if datasets
            else "no tested prompt, and none of their datasets,"
        )
        tell(f"nothing to evaluate: {what} has changed since {changed}")
        _say_nothing(workspace, outputs or [], as_json=as_json)
        return
    ids = frozenset(cases) if cases else None
    request = EvaluationRequest(
        refs=chosen,
        datasets=tuple(datasets or ()),
        models=tuple(models or ()),
        parameters=read_pairs(parameters or (), "--param"),
        judge=judge,
        selection=Selection(ids=ids, tags=tuple(tags or ()), sample=sample, seed=seed, first=first),
        only_own_datasets=everything or changed is not None,
        only_failed=failed,
        failed_of=wanted.evaluation_id,
        repeats=repeats,
        at_least=at_least,
        min_pass=min_pass,
        limits=Limits(
            concurrency=concurrency,
            case_timeout_s=timeout_s,
            max_cost_nano_usd=None if max_cost is None else round(max_cost * NANO),
            fails_fast=fail_fast,
        ),
        replies="replay" if replay else "record" if record else "ask" if no_cache else "cache",
        allows_code=allow_code,
    )
    if dry_run:
        say_estimate(workspace, request, as_json=as_json)
        return
    with EvaluationProgress() as progress:
        if against is not None:
            rule = GateRule(gate=gate, margin=margin)
            beside = workspace.evaluate_against(request, against, rule, progress)
            found = beside.heads
        elif is_resumed:
            again = ResumeRequest(
                evaluation=wanted.evaluation_id,
                prompts=wanted.prompts,
                retries_errors=retry_errors,
                limits=request.limits,
                allows_code=allow_code,
            )
            found = workspace.resume(again, progress)
        else:
            found = workspace.evaluate(request, progress)
    unwritten = _write_reports(workspace, outputs or [], found)
    if against is not None:
        say_against(beside, rule, as_json=as_json)
        code = beside.decision.exit_code
    else:
        say_evaluations(workspace, found, as_json=as_json)
        code = exit_code(found)
    if unwritten is not None:
        raise unwritten
    raise typer.Exit(code)


def exit_code(found: Sequence[Evaluation]) -> int:
    """1 where anything failed; else 5 where anything is incomplete; else 0."""
    verdicts = {each.verdict for each in found}
    if "failed" in verdicts:
        return errors.CHECK_FAILED
    if "incomplete" in verdicts or not found or any(each.stopped for each in found):
        return errors.INCOMPLETE
    return errors.OK


def _write_reports(workspace: Workspace, outputs: Sequence[Path], found: Sequence[Evaluation]) -> WorkspaceError | None:
    """Write all that can be written; what went wrong is told after the verdict, which was paid for."""
    unwritten = None
    for path in outputs:
        try:
            workspace.results.export(found, path)
            tell(f"written  {path}")
        except WorkspaceError as error:
            error.hint = error.hint or "write it again with: promptctl results export ID -o FILE"
            unwritten = unwritten or error
    return unwritten


def _say_nothing(workspace: Workspace, outputs: Sequence[Path], *, as_json: bool) -> None:
    """No evaluation, in the form that was asked for: who reads it need not know."""
    unwritten = _write_reports(workspace, outputs, ())
    if as_json:
        say_json([])
    if unwritten is not None:
        raise unwritten


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the arguments name: prompts, and an evaluation where the options have a use for one."""

    refs: tuple[str, ...]
    evaluation_id: str | None = None

    @classmethod
    def of(cls, workspace: Workspace, given: Sequence[str], *, takes_id: bool) -> _Wanted:
        """An argument is an evaluation's id where it looks like one and no prompt is called so."""
        ids = [each for each in given if takes_id and _ID.fullmatch(each) and each not in workspace.complete("")]
        if len(ids) > 1:
            raise UsageError("name one evaluation, not several", hint=f"you named {', '.join(ids)}")
        return cls(tuple(each for each in given if each not in ids), ids[0] if ids else None)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts' ids, without their versions."""
        return tuple(ref.partition("@")[0] for ref in self.refs)


def _refuse_on_resume(options_given: Sequence[str]) -> None:
    """What is taken up again keeps what it was begun with: an option that says otherwise would do nothing."""
    if options_given:
        raise UsageError(
            f"{options_given[0]} cannot be given with --resume and --retry-errors",
            hint="they go on with what the evaluation was begun with; to change it, evaluate anew",
        )


def _check_options(replay: bool, record: bool, at_least: int | None, repeats: int, outputs: Sequence[Path]) -> None:
    if replay and record:
        raise UsageError("--replay and --record cannot be given together")
    if at_least is not None and at_least > repeats:
        raise UsageError(f"--at-least {at_least} is more than --repeat {repeats}")
    for path in outputs:
        check_report_path(path)


def _refs(
    workspace: Workspace,
    wanted: _Wanted,
    *,
    is_all: bool,
    changed: str | None,
    datasets: Sequence[str],
    is_failed: bool,
) -> tuple[str, ...]:
    ways = [bool(wanted.refs), is_all, changed is not None]
    if sum(ways) > 1:
        raise UsageError("give prompts, --all or --changed-since: one of them")
    if changed is not None:
        return tuple(workspace.datasets.changed_since(changed, datasets))
    if is_all:
        found = workspace.datasets.tested_prompts()
        if not found:
            raise UsageError("no prompt has a dataset", hint="write one to datasets/, with `prompts:` and `cases:`")
        return tuple(found)
    if wanted.refs or not is_failed:
        if not wanted.refs:
            raise UsageError("say what to evaluate", hint="a prompt, or --all, or --changed-since origin/main")
        return wanted.refs
    named = wanted.evaluation_id
    rows = [workspace.results.evaluation(named).row] if named is not None else workspace.results.last_command()
    return tuple(dict.fromkeys(row.prompt for row in rows))
