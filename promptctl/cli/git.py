"""`promptctl git`: Git shows prompts readably, in `git diff` and `git log -p`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.output import say, tell
from promptctl.errors import GitError, InvalidFiles, UsageError

app = typer.Typer(help="Let Git show prompts readably.", no_args_is_help=True, rich_markup_mode=None)

DRIVER = "promptctl"
ATTRIBUTES = (f"*.prompt.yaml diff={DRIVER}", f"*.prompt.yml diff={DRIVER}")


@app.command("install")
def install(context: typer.Context) -> None:
    """Set up the diff driver in this clone: its configuration and .git/info/attributes, nothing that is committed."""
    git = options.workspace_of(context).repository.git
    if git is None:
        raise GitError("the workspace is not in a Git repository", hint="git init")
    git.run(["config", "--local", f"diff.{DRIVER}.textconv", f"{_program()} git textconv"])
    git.run(["config", "--local", f"diff.{DRIVER}.cachetextconv", "true"])
    attributes = Path(git.run(["rev-parse", "--path-format=absolute", "--git-path", "info/attributes"]).text)
    attributes.parent.mkdir(parents=True, exist_ok=True)
    old = attributes.read_text(encoding="utf-8") if attributes.is_file() else ""
    missing = [line for line in ATTRIBUTES if line not in old.splitlines()]
    if missing:
        gap = "" if not old or old.endswith("\n") else "\n"
        attributes.write_text(old + gap + "".join(f"{line}\n" for line in missing), encoding="utf-8")
    say(f"git diff and git log -p now show prompts readably in {git.root}")
    tell("  undo it with: promptctl git uninstall")


@app.command("uninstall")
def uninstall(context: typer.Context) -> None:
    """Take the diff driver out of this clone."""
    git = options.workspace_of(context).repository.git
    if git is None:
        raise GitError("the workspace is not in a Git repository", hint="git init")
    git.run(["config", "--local", "--remove-section", f"diff.{DRIVER}"], check=False)
    attributes = Path(git.run(["rev-parse", "--path-format=absolute", "--git-path", "info/attributes"]).text)
    if attributes.is_file():
        kept = [line for line in attributes.read_text(encoding="utf-8").splitlines() if line not in ATTRIBUTES]
        attributes.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    say("git shows prompts as plain files again")


@app.command("textconv")
def textconv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt file, as Git hands it over.")],
) -> None:
    """Print a prompt file as Git is to show it. A file that cannot be read is printed as it is."""
    from promptctl.prompts.readable import readable

    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    try:
        sys.stdout.buffer.write(readable(data).encode(errors="surrogateescape"))
    except InvalidFiles:
        sys.stdout.buffer.write(data)


def _program() -> str:
    """How Git is to call this program: by its full path, so that it need not be on Git's PATH."""
    import shlex
    import shutil

    started = Path(sys.argv[0])
    if started.name == "promptctl" and started.is_file():
        return shlex.quote(str(started.resolve()))
    found = shutil.which("promptctl")
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m promptctl"
