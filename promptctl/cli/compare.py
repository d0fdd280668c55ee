"""`promptctl compare`: what the difference between two evaluations means."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument
from promptctl.cli.evaluation_ending import OutputOptions
from promptctl.cli.output import conclude, say_json


def compare(
    context: typer.Context,
    base: Annotated[str, argument("BASE", "An evaluation's id, its beginning or its end.", completes="evaluation")],
    head: Annotated[str, argument("HEAD", "The evaluation that is judged.", completes="evaluation")],
    gate: options.GateOptions,
    output: OutputOptions,
) -> None:
    """Compare two evaluations case by case: is the difference real, or noise? Exit code 1 if the gate fails."""
    # A shell that completes words need not wait for these.
    from promptctl.cli.comparison_output import say_comparisons
    from promptctl.reports.comparison_json import comparison_as_dict

    output.check()
    workspace = options.workspace_of(context)
    found = workspace.compare(base, head, gate.rule)
    conclude(
        lambda: say_json([comparison_as_dict(found)]) if output.as_json else say_comparisons([found]),
        output.reports,
        partial(workspace.results.export_comparisons, [found]),
        "give the command again with a different -o FILE",
        found.decision.exit_code,
    )
