"""Git's diff driver for prompts: `git diff` and `git log -p` show them readably in a clone that has it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from promptctl import __version__
from promptctl.errors import GitError, InvalidFiles
from promptctl.git.repository import Git

DRIVER = "promptctl"
ATTRIBUTES = (f"*.prompt.yaml diff={DRIVER}", f"*.prompt.yml diff={DRIVER}")
_CACHE = f"refs/notes/textconv/{DRIVER}"


def install(git: Git | None, program: str) -> Path:
    """Set the driver up in a clone: its configuration and .git/info/attributes; return the repository's folder.

    `program` is the shell command that starts promptctl. Raises `GitError` outside Git.
    """
    git = _existing(git)
    # Where this program is gone one day, Git shows plain files instead of failing.
    shown = f'f() {{ {program} git textconv {_made_by(__version__)} "$1" 2>/dev/null || cat "$1"; }}; f'
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
    return git.root


def uninstall(git: Git | None) -> None:
    """Take the driver out of a clone. Raises `GitError` outside Git."""
    git = _existing(git)
    git.run(["config", "--local", "--remove-section", f"diff.{DRIVER}"], check=False)
    _forget(git)
    attributes = _attributes(git)
    if attributes.is_file():
        lines = attributes.read_bytes().splitlines(keepends=True)
        own = {line.encode() for line in ATTRIBUTES}
        attributes.write_bytes(b"".join(line for line in lines if line.rstrip(b"\r\n") not in own))


def textconv(data: bytes, made_by: str | None = None) -> bytes:
    """Return a prompt file as Git is to show it; a file that cannot be read comes back as it is.

    `made_by` is the version that installed the driver: for an earlier one Git forgets what it kept of its output.
    """
    from promptctl.formats.readable import readable

    if made_by is not None and made_by != __version__:
        _renew(made_by)
    try:
        return readable(data).encode(errors="surrogateescape")
    except InvalidFiles:
        return data


def _existing(git: Git | None) -> Git:
    if git is None:
        raise GitError("the workspace is not in a Git repository", hint="git init")
    return git


def _attributes(git: Git) -> Path:
    return Path(git.run(["rev-parse", "--path-format=absolute", "--git-path", "info/attributes"]).text)


def _made_by(version: str) -> str:
    return f"--made-by {version}"


def _renew(made_by: str) -> None:
    """Let Git keep nothing that a different version rendered: it forgets what was made by a different command."""
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
    """Drop what Git kept of earlier runs: a different version of this program may show files differently."""
    git.run(["update-ref", "-d", _CACHE], check=False)
