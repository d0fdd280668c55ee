"""`promptctl init`: a new workspace, in a new or an existing Git repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptctl import Scaffold, init_workspace
from promptctl.cli.commands import argument
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError, quote
from promptctl.reports.wording import count


def init(
    context: typer.Context,
    folder: Annotated[Path | None, argument("[DIR]", "Where; the current folder by default.")] = None,
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
    place = "" if target == Path.cwd() else f"cd {quote(str(folder or context.obj))} && "
    tell("\nnext:")
    tell(f"  {place}promptctl validate")
    if "prompts/welcome.prompt.yaml" in made.written:
        tell("  promptctl render welcome -i name=Ada")
        tell("  promptctl run welcome -i name=Ada")
    if made.elsewhere:
        tell(f"  {_about(made)}")
    tell("  git add . && git commit -m 'Add prompts'      # from now on every version has a name")


def _about(made: Scaffold) -> str:
    """Return the line about prompts outside prompts/."""
    which = f"{count(len(made.elsewhere), 'prompt')} outside prompts/"
    if made.line is None:
        return f"git mv {quote(made.elsewhere[0])} prompts/      # not read where it is"
    if "promptctl.yaml" in made.written:
        return f"promptctl list      # {which}: `prompt_paths` in promptctl.yaml names their places"
    return f"write in promptctl.yaml: {made.line}      # reads {which}"
