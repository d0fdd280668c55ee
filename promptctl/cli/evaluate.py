"""`promptctl eval`: how good a prompt version is on the cases of its datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.compare import Gate, Margin
from promptctl.cli.comparison_output import say_comparisons
from promptctl.cli.evaluation_output import EvaluationProgress, say_evaluations
from promptctl.cli.inputs import read_pairs
from promptctl.cli.output import format_cost, say_json, say_table, tell
from promptctl.comparing import compare_refs
from promptctl.errors import UsageError
from promptctl.evaluating import Evaluating, EvaluationRequest
from promptctl.evaluations.estimate import estimate
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.evaluator import Limits
from promptctl.evaluations.finding import changed_since, failed_cases, unfinished
from promptctl.evaluations.gates import strictest
from promptctl.evaluations.selection import Selection
from promptctl.evaluations.verdicts import GateRule
from promptctl.reports.files import write_report
from promptctl.workspace import Workspace

NANO = 1_000_000_000


def evaluate(
    context: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF]...", help="Prompts, each at a version if wanted.", autocompletion=options.complete_ref
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
    failed: Annotated[bool, typer.Option("--failed", help="Only what did not pass the last time.")] = False,
    repeats: Annotated[
        int, typer.Option("--repeat", min=1, max=1000, metavar="K", help="Ask for each case K times.")
    ] = 1,
    at_least: Annotated[
        int | None,
        typer.Option("--at-least", min=1, metavar="M", help="A case passes with M of its K; all by default."),
    ] = None,
    min_pass: Annotated[
        float | None, typer.Option("--min-pass", min=0.0, max=1.0, metavar="SHARE", help="The share that must pass.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option("-j", "--concurrency", min=1, max=2000, metavar="N", help="Requests at once.")
    ] = 16,
    timeout_s: Annotated[
        float, typer.Option("--case-timeout", min=0.1, metavar="SECONDS", help="For one case.")
    ] = 300.0,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0.0, metavar="USD", help="Stop before more is spent.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first case that does not pass.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again even where the reply is kept.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write replies to datasets/recordings/.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Answer from recordings alone: free and offline.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was not finished; errors are asked again.")
    ] = False,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Ask again for what ended in an error.")] = False,
    evaluation_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="The evaluation that --resume, --retry-errors or --failed means."),
    ] = None,
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
    if replay and record:
        raise UsageError("--replay and --record cannot be given together")
    if at_least is not None and at_least > repeats:
        raise UsageError(f"--at-least {at_least} is more than --repeat {repeats}")
    chosen = _refs(workspace, refs or [], is_all=everything, changed=changed, is_resumed=resume or retry_errors)
    ids = frozenset(cases) if cases else None
    if failed:
        ids = failed_cases(workspace.log, chosen[0] if chosen else None, evaluation_id)
    request = EvaluationRequest(
        refs=chosen,
        datasets=tuple(datasets or ()),
        models=tuple(models or ()),
        parameters=read_pairs(parameters or (), "--param"),
        judge=judge,
        selection=Selection(ids=ids, tags=tuple(tags or ()), sample=sample, seed=seed, first=first),
        repeats=repeats,
        at_least=at_least,
        min_pass=min_pass,
        limits=Limits(
            concurrency=concurrency,
            case_timeout_s=timeout_s,
            max_cost_nano_usd=None if max_cost is None else round(max_cost * NANO),
            fails_fast=fail_fast,
        ),
        is_cached=not no_cache,
        is_recorded=record,
        is_replayed=replay,
        allows_code=allow_code,
    )
    if dry_run:
        _say_estimate(workspace, request, as_json=as_json)
        return
    with EvaluationProgress() as progress:
        if against is not None:
            rule = GateRule(gate=gate, margin=margin)
            compared = workspace.evaluate_against(request, compare_refs(against), rule, progress)
            found = [each.head for each in compared]
        elif resume or retry_errors:
            rows = unfinished(workspace.log, evaluation_id, is_retry=retry_errors)
            found = workspace.resume(rows, request, progress)
        else:
            found = workspace.evaluate(request, progress)
    for path in outputs or ():
        write_report(path, workspace.log, found)
        tell(f"written  {path}")
    if against is not None:
        say_comparisons(compared, as_json=as_json)
        raise typer.Exit(strictest([each.decision for each in compared]).exit_code if compared else errors.INCOMPLETE)
    say_evaluations(workspace, found, as_json=as_json)
    raise typer.Exit(exit_code(found))


def exit_code(found: Sequence[Evaluation]) -> int:
    """1 where anything failed; else 5 where anything is incomplete; else 0."""
    verdicts = {each.verdict for each in found}
    if "failed" in verdicts:
        return errors.CHECK_FAILED
    if "incomplete" in verdicts or not found or any(each.stopped for each in found):
        return errors.INCOMPLETE
    return errors.OK


def _refs(
    workspace: Workspace, refs: list[str], *, is_all: bool, changed: str | None, is_resumed: bool
) -> tuple[str, ...]:
    ways = [bool(refs), is_all, changed is not None]
    if sum(ways) > 1:
        raise UsageError("give prompts, --all or --changed-since: one of them")
    if is_all or changed is not None:
        found = workspace.tested_prompts() if changed is None else changed_since(workspace.repository, changed)
        if not found:
            raise UsageError(
                "no prompt has a dataset" if changed is None else f"no tested prompt has changed since {changed}"
            )
        return tuple(found)
    if not refs and not is_resumed:
        raise UsageError("say what to evaluate", hint="a prompt, or --all, or --changed-since origin/main")
    return tuple(refs)


def _say_estimate(workspace: Workspace, request: EvaluationRequest, *, as_json: bool) -> None:
    evaluating = Evaluating(workspace, request)
    rows = [estimate(workspace.log, plan, evaluating.router.prices) for plan in evaluating.plans()]
    if as_json:
        say_json([row.as_dict() for row in rows])
        return
    say_table(
        ["Prompt", "Model", "Dataset", "Calls", "Tokens in", "Tokens out", "Cost", "Estimated from"],
        [
            (
                row.prompt,
                row.model,
                row.dataset,
                row.calls,
                row.input_tokens,
                "unknown" if row.output_tokens is None else row.output_tokens,
                "unpriced" if row.cost_nano_usd is None else f"about {format_cost(row.cost_nano_usd)}",
                row.source,
            )
            for row in rows
        ],
        right=["Calls", "Tokens in", "Tokens out", "Cost"],
    )
