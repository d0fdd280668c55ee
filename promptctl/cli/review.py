"""`promptctl review`: a whole pull request: what changed, who breaks, what it did to the results, and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.compare import Gate, Margin
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import say_json, tell
from promptctl.cli.review_output import say_review
from promptctl.comparisons.verdicts import GateRule
from promptctl.errors import UsageError
from promptctl.evaluations.request import Limits
from promptctl.reports.review import review_as_dict
from promptctl.reports.review_files import check_suffixes
from promptctl.reviews.measuring import ReviewRequest

NANO = 1_000_000_000


def review(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(
            metavar="[BASE]", help="What HEAD is compared with: where it left this. Default: the default branch."
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Argument(
            metavar="[HEAD]", help="The revision under review. Default: the work tree, or HEAD where it is clean."
        ),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Answer from recordings alone: free and offline.")] = False,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Ask no model: say what changed and who breaks.")] = False,
    gate: Gate = "worse",
    margin: Margin = 0.05,
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", metavar="MODEL", help="Ask this model instead, on both sides. Repeatable."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("-j", "--concurrency", min=1, max=2000, metavar="N", help="Requests at once.")
    ] = 16,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost", min=0.0, metavar="USD", help="Stop before more is spent in all.", callback=options.a_number
        ),
    ] = None,
    fail_on_breaking: Annotated[
        bool, typer.Option("--fail-on-breaking", help="Fail where callers or consumers break.")
    ] = False,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Run `python:` assertions of HEAD. Only where you trust whoever wrote it."),
    ] = False,
    outputs: Annotated[
        list[Path] | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write .md .json .html .xml (JUnit). Repeatable."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Review what HEAD changed: prompts, schemas, datasets, who breaks, and whether results got worse.

    Settings, and so endpoints and the names of keys, come from BASE. Exit code 1 where the gate fails.
    """
    if replay and no_eval:
        raise UsageError("--replay and --no-eval cannot be given together")
    check_suffixes(outputs or ())
    workspace = options.workspace_of(context)
    arguments = _arguments(
        {"--gate": gate if gate != "worse" else None, "--margin": margin if margin != 0.05 else None},
        {"--replay": replay, "--no-eval": no_eval, "--fail-on-breaking": fail_on_breaking, "--allow-code": allow_code},
    )
    arguments += [part for model in models or () for part in ("--model", model)]
    request = ReviewRequest(
        base=base,
        head=head,
        models=tuple(models or ()),
        rule=GateRule(gate=gate, margin=margin),
        limits=Limits(concurrency=concurrency, max_cost_nano_usd=None if max_cost is None else round(max_cost * NANO)),
        is_evaluated=not no_eval,
        replies="replay" if replay else "cache",
        allows_code=allow_code,
        fails_on_breaking=fail_on_breaking,
        arguments=tuple(arguments),
    )
    with EvaluationProgress() as progress:
        found = workspace.review(request, progress)
    for path in outputs or ():
        workspace.export_review(found, path)
        tell(f"written  {path}")
    if as_json:
        say_json(review_as_dict(found))
    else:
        say_review(found)
    raise typer.Exit(found.decision.exit_code)


def _arguments(values: dict[str, object], flags: dict[str, bool]) -> list[str]:
    """The options that were given, as they would be typed."""
    given = [part for name, value in values.items() if value is not None for part in (name, str(value))]
    return given + [name for name, is_set in flags.items() if is_set]
