"""The command line: which commands there are. Each one lives in a file of its own, imported when it is called."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from promptctl import __version__
from promptctl.cli.boundary import leave, run_program
from promptctl.cli.lazy import Command, LazyGroup
from promptctl.cli.output import say
from promptctl.cli.spellings import REPLIES, ResumeCommand

ABOUT = "Prompts in Git: rendered, run, evaluated and compared, with every model call on record."

COMMANDS = (
    Command("init", "init:init", "Make a workspace."),
    Command("validate", "validate:validate", "Check every file of the workspace."),
    Command("fmt", "fmt:fmt", "Format prompts, datasets and settings."),
    Command("list", "listing:list_prompts", "List the prompts of the workspace."),
    Command("show", "show:show", "Show everything about one prompt."),
    Command("history", "history:history", "List a prompt's versions: who made each, when and why."),
    Command("diff", "diff:diff", "Say what differs between two versions, and who breaks."),
    Command("label", "labels:app", "Names that move: production, staging."),
    Command("copy", "copying:copy", "Copy a prompt, at any version, to a new id."),
    Command("render", "render:render", "Print the messages exactly as run would send them."),
    Command("run", "run:run", "Ask the model, validate the reply, record every attempt."),
    Command("eval", "evaluate:evaluate", "Evaluate prompts over their datasets.", REPLIES),
    Command("eval resume", "resume:resume", "Go on with evaluations that were not finished.", kind=ResumeCommand),
    Command("compare", "compare:compare", "Say what the difference between two evaluations means."),
    Command(
        "review",
        "review:review",
        "Review a pull request: what changed, who breaks, what it did to results.",
        {"--replay": "--replies=replay"},
    ),
    Command("review-comment", "review_comment:review_comment", "Write a review to its pull request on GitHub."),
    Command("results", "results:app", "Evaluations of the past."),
    Command("dataset", "datasets:app", "The cases that prompts are evaluated on."),
    Command("log", "logs:app", "What ran, what it answered, what it cost."),
    Command("git", "git:app", "Let Git show prompts readably."),
)


class _Commands(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    name="promptctl",
    help=ABOUT,
    cls=_Commands,
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
def start(
    context: typer.Context,
    workspace: Annotated[
        str | None, typer.Option("-C", "--workspace", metavar="DIR", help="Work as if started in this folder.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Prompts in Git: rendered, run, evaluated and compared, with every model call on record."""
    context.obj = workspace


def main() -> None:
    """The console script's entry point."""
    # The process is the program's own and soon over, and what it drops is hardly ever a cycle: looking for them every
    # 700 objects took a fifth of an evaluation.
    gc.set_threshold(50_000, 20, 20)
    leave(run_program(typer.main.get_command(app)))
