"""`promptctl stats`: the totals of the log for a program that collects them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError


def show_stats(
    context: typer.Context,
    prometheus: Annotated[bool, option("--prometheus", "As text for the textfile collector of node_exporter.")] = False,
    output: Annotated[Path | None, options.output_option("Write it to a .prom file, whole or not at all.")] = None,
) -> None:
    """Print calls, tokens, costs and latencies by prompt and source, for a program that collects them."""
    if not prometheus:
        raise UsageError("say for which program: --prometheus", hint="promptctl log stats shows the totals to people")
    from promptctl.reports.prometheus import check_prometheus_path, prometheus_text, write_prometheus

    if output is not None:
        check_prometheus_path(output)
    text = prometheus_text(options.workspace_of(context).log.counters())
    if output is not None:
        write_prometheus(output, text)
        tell(f"written  {output}")
        return
    for part in text:
        say(part.removesuffix("\n"))
