"""The command line: which commands there are. Each one lives in a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from promptctl._version import __version__
from promptctl.cli import evaluate, init, listing, logs, render, run, validate
from promptctl.cli.boundary import run_guarded
from promptctl.cli.options import WorkspaceFolder
from promptctl.cli.output import say

app = typer.Typer(
    name="promptctl",
    help="Prompts in Git: rendered, run, evaluated and compared, with every model call on record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"promptctl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    workspace: WorkspaceFolder = None,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Prompts in Git: rendered, run, evaluated and compared, with every model call on record."""
    context.obj = workspace


app.command("init")(init.init)
app.command("list")(listing.list_prompts)
app.command("render")(render.render)
app.command("run")(run.run)
app.command("eval")(evaluate.evaluate)
app.command("validate")(validate.validate)
app.add_typer(logs.app, name="log")


def main() -> None:
    """The console script's entry point."""
    sys.exit(run_guarded(typer.main.get_command(app)))
