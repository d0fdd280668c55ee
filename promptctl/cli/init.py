"""`promptctl init`: a new workspace, in a new or an existing Git repository."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from promptctl import init_workspace
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError


def init(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; the current folder by default.")
    ] = None,
) -> None:
    """Make a workspace. No file that exists is touched."""
    target = (Path(context.obj or ".") / (folder or Path())).absolute()
    if target.is_file():
        raise UsageError(f"`{folder or context.obj}` is a file", hint="name a folder, or none for the current one")
    made = init_workspace(target)
    if made.is_new_repository:
        tell(f"made a Git repository in {target}")
    for path in made.kept:
        tell(f"kept     {path}")
    for path in made.written:
        say(f"written  {path}")
    place = "" if target == Path.cwd() else f"cd {folder or context.obj} && "
    tell("\nnext:")
    tell(f"  {place}promptctl validate")
    if "prompts/welcome.prompt.yaml" in made.written:
        tell("  promptctl render welcome -i name=Ada")
        tell("  promptctl run welcome -i name=Ada")
    for other in _elsewhere(target):
        tell(f"  git mv {shlex.quote(other)} prompts/      # a prompt where promptctl does not look")
        around, is_kept, _ = other.partition("/prompts/")
        if is_kept:
            tell(f"  promptctl -C {shlex.quote(around)} init      # or leave it where it is")
    tell("  git add . && git commit -m 'Add prompts'      # from now on every version has a name")


def _elsewhere(target: Path) -> list[str]:
    """List the prompts where GitHub's tools have them, those of a workspace of their own left out."""
    found = [*target.glob("*.prompt.y*ml"), *target.glob(".github/**/*.prompt.y*ml")]
    others = [path.parent for path in target.glob(".github/**/promptctl.yaml")]
    return sorted(
        path.relative_to(target).as_posix() for path in found if not any(path.is_relative_to(other) for other in others)
    )
