"""The command line: which commands there are. Each one lives in a file of its own, imported when it is called."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, Any

import typer

from promptctl import __version__
from promptctl.cli.boundary import leave, run_program
from promptctl.cli.commands import REPLIES, WAY, Command, LazyGroup, ResumeCommand, option, way_here
from promptctl.cli.output import say
from promptctl.errors import UsageError, WorkspaceError, printable

ABOUT = "Prompts in Git: rendered, run, evaluated and compared, with every model call on record."

WRITE, EXCHANGE, CHECK, LIFE, HISTORY, RUN, EVALUATE, REVIEW, HELP = (
    "Write prompts", "Move in, move out, share", "Check and improve prompts", "Rename and retire prompts", "Versions and labels", "Run and log",
    "Evaluate and compare", "Review", "Help",
)  # fmt: skip

COMMANDS = (
    Command("init", "init:init", "Make a workspace.", WRITE),
    Command("new", "new:new", "Begin a prompt and its dataset as a form to be filled in.", WRITE),
    Command("generate", "generate:generate", "Let a model write a prompt and its first dataset.", WRITE),
    Command("list", "listing:list_prompts", "List the prompts of the workspace.", WRITE),
    Command("show", "show:show", "Show everything about one prompt.", WRITE),
    Command("browse", "browse:browse", "Show the workspace as pages in your browser.", WRITE),
    Command("copy", "life:copy", "Copy a prompt, at any version, to a new id.", WRITE),
    Command("render", "render:render", "Print the messages exactly as run would send them.", WRITE),
    Command("fmt", "checks:fmt", "Format prompts, datasets and settings.", WRITE),
    Command("adopt", "adopting:adopt", "Find prompts in code; propose files and the calls that use them.", EXCHANGE),
    Command("import", "importing:import_files", "Write prompts out of other tools' files.", EXCHANGE),
    Command("export", "exporting:export", "Write prompts in the format of a different tool.", EXCHANGE),
    Command("add", "vendoring:add", "Take prompts of another repository.", EXCHANGE),
    Command("update", "vendoring:update", "Bring prompts of other repositories up to date.", EXCHANGE),
    Command("remove", "vendoring:remove", "Take prompts of other repositories out again.", EXCHANGE),
    Command("outdated", "libraries:outdated", "Say which prompts of others are behind.", EXCHANGE),
    Command("library", "libraries:library", "List what this workspace offers others.", EXCHANGE),
    Command("validate", "checks:validate", "Check every file of the workspace.", CHECK),
    Command("lint", "lint:lint", "Look for risks and poor style in prompts.", CHECK),
    Command("schema", "schemas:app", "Infer schemas of what prompts take and answer.", CHECK),
    Command("improve", "improve:improve", "Let a model improve a prompt, and prove it on held-out cases.", CHECK),
    Command("shorten", "shorten:shorten", "Leave out what a prompt does not need, proven on its cases.", CHECK),
    Command("rename", "life:rename", "Rename a prompt, with everything that names it.", LIFE),
    Command("activate", "life:activate", "Let a prompt run again.", LIFE),
    Command("deprecate", "life:deprecate", "Let a prompt warn, and name the one to use in its place.", LIFE),
    Command("deactivate", "life:deactivate", "Let a prompt refuse to run.", LIFE),
    Command("delete", "life:delete", "Delete a prompt, with the tests and rules that are for it alone.", LIFE),
    Command("history", "history:history", "List a prompt's versions: who made each, when and why.", HISTORY),
    Command("blame", "blame:blame", "Say who made each line that a model saw, and who put it live.", HISTORY),
    Command("diff", "diff:diff", "Say what differs between two versions, and who breaks.", HISTORY),
    Command("label", "labels:app", "Names that move: production, staging.", HISTORY),
    Command("snapshot", "snapshots:app", "The prompts of labels in one file, for a process without Git.", HISTORY),
    Command("git", "git:app", "Let Git show prompts readably.", HISTORY),
    Command("run", "run:run", "Ask the model, validate the reply, record every attempt.", RUN),
    Command("serve", "serve:serve", "Answer programs from recordings, in the chat-completions protocol.", RUN),
    Command("log", "logs:app", "What ran, what it answered, what it cost.", RUN),
    Command("stats", "stats:show_stats", "The totals of the log, for Prometheus.", RUN),
    Command("feedback", "feedback:give_feedback", "Score a logged call: was it good?", RUN),
    Command("cost", "cost:app", "What calls cost, and what would make them cheaper.", RUN),
    Command("dashboard", "dashboard:show_dashboard", "Say if anything is wrong, what changed, what it costs.", RUN),
    Command("budget", "budgets:app", "What prompts may spend, and what is left.", RUN),
    Command("experiment", "experiments:app", "Versions compared on live calls.", RUN),
    Command("eval", "evaluate:evaluate", "Evaluate prompts over their datasets.", EVALUATE, REPLIES),
    Command(
        "eval resume", "resume:resume", "Go on with evaluations that were not finished.", EVALUATE, kind=ResumeCommand
    ),
    Command("compare", "compare:compare", "Say what the difference between two evaluations means.", EVALUATE),
    Command("results", "results:app", "Evaluations of the past.", EVALUATE),
    Command("dataset", "datasets:app", "The cases that prompts are evaluated on.", EVALUATE),
    Command("judge", "judges:app", "People who label replies, and judges measured by them.", EVALUATE),
    Command(
        "review",
        "review:review",
        "Review a pull request: what changed, who breaks, what it did to results.",
        REVIEW,
        {"--replay": "--replies=replay"},
    ),
    Command("review-comment", "review_comment:review_comment", "Write a review to its pull or merge request.", REVIEW),
    Command("status", "status:status", "Show where the workspace stands, and what to do next.", HELP),
    Command("doctor", "doctor:doctor", "Look for what is wrong here, and say what to do.", HELP),
    Command("help", "help:show_help", "Show what a command does: promptctl help eval.", HELP),
    Command("version", "help:show_version", "Print the version.", HELP),
)

_WITHOUT_SNAPSHOT = (
    "init",
    "snapshot",
    "git",
    "review-comment",
    "browse",
    "serve",
    "status",
    "doctor",
    "help",
    "version",
)


class _Commands(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    name="promptctl",
    help=ABOUT,
    cls=_Commands,
    invoke_without_command=True,
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
    workspace: Annotated[str | None, option("-C", "--workspace", "DIR", "Work as if started in this folder.")] = None,
    snapshot: Annotated[
        str | None, option("--snapshot", "FILE", "Use this snapshot as the workspace: no Git is needed.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, option("--version", "Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Prompts in Git: rendered, run, evaluated and compared, with every model call on record."""
    command = context.invoked_subcommand or "status"
    if snapshot is not None and command in _WITHOUT_SNAPSHOT:
        words = f"`promptctl {command}` takes no --snapshot"
        raise UsageError(words, hint="with one, run and render prompts, and read the log")
    context.obj = workspace
    if workspace is not None and (context.invoked_subcommand != "init" or os.path.isdir(workspace)):  # noqa: PTH112
        before = _current_folder()
        context.meta[WAY] = os.path.join(way_here() if before else "", workspace)  # noqa: PTH118
        try:
            os.chdir(workspace)
        except (FileNotFoundError, NotADirectoryError):
            hint = "-C names a folder that is there; `init` alone makes one"
            raise UsageError(f"there is no folder `{printable(workspace)}`", hint=hint) from None
        except OSError as error:
            raise WorkspaceError(f"cannot enter {printable(workspace)}: {error.strerror}") from error
        context.obj = None
        if before is not None:
            context.call_on_close(lambda: os.chdir(before))
    elif _current_folder() is None:
        raise WorkspaceError("the current folder was deleted", hint="cd to a folder that is there, or name one: -C DIR")
    if context.invoked_subcommand is None:
        from promptctl.cli.status import begin

        begin(context)


def _current_folder() -> str | None:
    """Return the current folder; None if it was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109 - of a program that has not started yet
    except FileNotFoundError:
        return None


def main() -> None:
    """Run the command that the arguments name, and end the program."""
    # The process is the program's own and soon over, and what it drops is hardly ever a cycle: looking for them every
    # 700 objects took a fifth of an evaluation.
    gc.set_threshold(50_000, 20, 20)
    leave(run_program(command))


def command(**settings: Any) -> Any:
    """Run the command line. Refuse a shell's name that Typer would drop unread: it finds out by itself which shell it is."""
    match sys.argv[1:]:
        case ["--install-completion" | "--show-completion" as option, word, *_] if not word.startswith("-"):
            raise UsageError(
                f"`{option}` takes no shell, `{word}`: it is for the one that it is given in",
                hint=f"in the shell that is to complete: promptctl {option}",
            )
        case _:
            return typer.main.get_command(app)(**settings)
