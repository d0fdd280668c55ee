"""`promptctl git`: Git shows prompts readably, in `git diff` and `git log -p`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError, quote
from promptctl.workspace.given_files import git_textconv, install_git_driver, read_given, remove_git_driver

app = Group("Let Git show prompts readably.")


@app.command("install")
def install(context: typer.Context) -> None:
    """Set up the diff driver in this clone: its configuration and .git/info/attributes, nothing that is committed."""
    root = install_git_driver(options.workspace_of(context), _program())
    say(f"git diff and git log -p now show prompts readably in {root}")
    tell("  undo it with: promptctl git uninstall")


@app.command("uninstall")
def uninstall(context: typer.Context) -> None:
    """Take the diff driver out of this clone."""
    remove_git_driver(options.workspace_of(context))
    say("git shows prompts as plain files again")


@app.command("textconv")
def textconv(
    file: Annotated[Path, argument("FILE", "A prompt file, as Git hands it over.")],
    made_by: Annotated[str | None, typer.Option("--made-by", hidden=True)] = None,
) -> None:
    """Print a prompt file as Git is to show it. A file that cannot be read is printed as it is."""
    try:
        data = read_given(file, 16 << 20)
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {error.strerror}") from error
    sys.stdout.buffer.write(git_textconv(data, made_by))


def _program() -> str:
    """Return the command with which Git calls this program.

    Git calls it in the work tree, and Python would import what a branch has there, such as `git.py`, or what an empty
    part of PYTHONPATH names: -I prevents both. It leaves out a user's own packages, so -P has to do for these.
    """
    import site

    is_users_own = Path(__file__).is_relative_to(site.getusersitepackages())
    return f"{quote(sys.executable)} {'-P' if is_users_own else '-I'} -m promptctl"
