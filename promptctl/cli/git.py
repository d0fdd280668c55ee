"""`promptctl git`: Git shows prompts readably, in `git diff` and `git log -p`."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl._version import __version__
from promptctl.cli import options
from promptctl.cli.output import say, tell
from promptctl.errors import GitError, InvalidFiles, UsageError

if TYPE_CHECKING:
    from promptctl.git.repository import Git

app = typer.Typer(help="Let Git show prompts readably.", no_args_is_help=True, rich_markup_mode=None)

DRIVER = "promptctl"
ATTRIBUTES = (f"*.prompt.yaml diff={DRIVER}", f"*.prompt.yml diff={DRIVER}")
_CACHE = f"refs/notes/textconv/{DRIVER}"


@app.command("install")
def install(context: typer.Context) -> None:
    """Set up the diff driver in this clone: its configuration and .git/info/attributes, nothing that is committed."""
    git = options.workspace_of(context).repository.git
    if git is None:
        raise GitError("the workspace is not in a Git repository", hint="git init")
    # Where this program is gone one day, Git shows plain files instead of failing.
    shown = f'f() {{ {_program()} git textconv {_made_by(__version__)} "$1" 2>/dev/null || cat "$1"; }}; f'
    git.run(["config", "--local", f"diff.{DRIVER}.textconv", shown])
    git.run(["config", "--local", f"diff.{DRIVER}.cachetextconv", "true"])
    _forget(git)
    attributes = _attributes(git)
    attributes.parent.mkdir(parents=True, exist_ok=True)
    old = attributes.read_bytes() if attributes.is_file() else b""
    missing = [line for line in ATTRIBUTES if line.encode() not in old.splitlines()]
    if missing:
        gap = b"" if not old or old.endswith(b"\n") else b"\n"
        attributes.write_bytes(old + gap + "".join(f"{line}\n" for line in missing).encode())
    say(f"git diff and git log -p now show prompts readably in {git.root}")
    tell("  undo it with: promptctl git uninstall")


@app.command("uninstall")
def uninstall(context: typer.Context) -> None:
    """Take the diff driver out of this clone."""
    git = options.workspace_of(context).repository.git
    if git is None:
        raise GitError("the workspace is not in a Git repository", hint="git init")
    git.run(["config", "--local", "--remove-section", f"diff.{DRIVER}"], check=False)
    _forget(git)
    attributes = _attributes(git)
    if attributes.is_file():
        lines = attributes.read_bytes().splitlines(keepends=True)
        own = {line.encode() for line in ATTRIBUTES}
        attributes.write_bytes(b"".join(line for line in lines if line.rstrip(b"\r\n") not in own))
    say("git shows prompts as plain files again")


@app.command("textconv")
def textconv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt file, as Git hands it over.")],
    made_by: Annotated[str | None, typer.Option("--made-by", hidden=True)] = None,
) -> None:
    """Print a prompt file as Git is to show it. A file that cannot be read is printed as it is."""
    from promptctl.formats.readable import readable

    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    try:
        sys.stdout.buffer.write(readable(data).encode(errors="surrogateescape"))
    except InvalidFiles:
        sys.stdout.buffer.write(data)
    if made_by is not None and made_by != __version__:
        _renew(made_by)


def _attributes(git: Git) -> Path:
    return Path(git.run(["rev-parse", "--path-format=absolute", "--git-path", "info/attributes"]).text)


def _made_by(version: str) -> str:
    return f"--made-by {version}"


def _renew(made_by: str) -> None:
    """Let Git keep nothing that another version rendered: it forgets all that another command than today's gave."""
    from promptctl.git.repository import Git

    with suppress(GitError, OSError):
        git = Git.open(Path.cwd())
        if git is None:
            return
        key = f"diff.{DRIVER}.textconv"
        command = git.run(["config", "--local", "--get", key], check=False).text
        if _made_by(made_by) in command:
            git.run(["config", "--local", key, command.replace(_made_by(made_by), _made_by(__version__))])
        git.close()


def _forget(git: Git) -> None:
    """Drop what Git kept of earlier runs: another version of this program may show files otherwise."""
    git.run(["update-ref", "-d", _CACHE], check=False)


def _program() -> str:
    """How Git is to call this program: by its full path, so that it need not be on Git's PATH."""
    import shlex
    import shutil

    started = Path(sys.argv[0])
    if started.name == "promptctl" and started.is_file():
        return shlex.quote(str(started.resolve()))
    found = shutil.which("promptctl")
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m promptctl"
