"""Git, spoken to through GitPython's command interface, but for `list_refs`: the one module that knows GitPython.

Each call is a process of about 2 ms, so callers ask for much at once. Only plumbing is called: it runs no hook, no
file-system monitor and no filter of the repository's own configuration, and reads neither aliases nor display settings.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from promptctl.errors import GitError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# What `git rev-parse --local-env-vars` prints, and two that change what commands write: a hook or a `git -C` around us
# must not choose our repository, index or objects. GitPython hands each process this process's environment and can
# only add to it, so these are taken out by env(1), and only where one is set.
_LEAKING = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_FLUSH",
)

_ENVIRONMENT = {
    "GIT_NO_REPLACE_OBJECTS": "1",  # a replace ref would put a different text under the original id
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would fetch one blob at a time: see `objects.py`
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_GLOB_PATHSPECS": "0",
    "GIT_NOGLOB_PATHSPECS": "0",
    "GIT_ICASE_PATHSPECS": "0",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}

_OPTIONS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "advice.graftFileDeprecated=false"),
)

# A folder of the work tree that looks like a bare repository brings a configuration, which can name programs.
_NEVER_BARE = ("-c", "safe.bareRepository=explicit")

FSCK = "git fsck shows what is damaged"
REFETCH = f"{FSCK}; git fetch --refetch REMOTE brings again what a remote has"
_BROKEN_REF = re.compile(r"broken ref (\S+)")
_ALL_BRANCHES = (
    "refs/heads",
    "refs/remotes",
    "refs/remotes/",
)  # who lists them can do without one, but not who writes `refs/heads/`

_NOTHING_ADDED: Mapping[str, str] = MappingProxyType({})
_FAILURES = ("fatal: ", "error: ")
_NO_GIT = "Git is not installed, or not on the PATH"
_INSTALL_GIT = (
    "install Git (https://git-scm.com), or use the workspace outside Git: without its .git folder, or as a snapshot"
)


@dataclass(frozen=True, slots=True)
class GitOutput:
    """The output of a Git command, and its exit status."""

    stdout: bytes
    stderr: str
    status: int

    @property
    def text(self) -> str:
        """Standard output as text, without the line end at its end."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def lines(self) -> list[str]:
        """Return standard output's lines; none if nothing was written."""
        return self.text.split("\n") if self.stdout else []


# How often this process has changed references, in any repository.
changes_made = 0
_CHANGING = frozenset({"update-ref", "fetch"})


def list_refs(folder: Path, form: str, patterns: Iterable[str]) -> list[str]:
    """Return a line of the form for each reference that a pattern matches; none where Git cannot tell.

    For a shell that waits for words: it takes 2 ms, and importing GitPython 60.
    """
    import subprocess

    environ = {name: value for name, value in os.environ.items() if name not in _LEAKING} | _ENVIRONMENT
    command = ["git", "-C", str(folder), *_OPTIONS, *_NEVER_BARE, "for-each-ref", f"--format={form}", *patterns]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return []
    return done.stdout.decode("utf-8", "replace").split("\n")[:-1]


class Commands:
    """Runs Git commands in one folder, in an environment that nothing around us has bent.

    Where it `is_bare`, the folder may be a repository itself, if Git's configuration of the user allows that.
    `environment` is added to that of each command.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_interactive: bool = False,
        is_bare: bool = False,
        environment: Mapping[str, str] = _NOTHING_ADDED,
    ) -> None:
        self.folder = folder
        self.is_bare = is_bare
        self._command = _command(folder)
        self._environment = dict(_ENVIRONMENT)
        if not is_interactive:
            self._environment["GIT_TERMINAL_PROMPT"] = "0"
        self._environment.update(environment)

    def run(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002
        check: bool = True,
        has_globs: bool = False,
    ) -> GitOutput:
        """Run `git ARGS` in the folder and wait for its end; `input` is what it reads. Paths may be patterns of ours.

        Whatever a user typed must follow `--end-of-options`, come after a fixed beginning (`refs/…`), or be input.
        Raises `GitError` with Git's own words on a status other than 0, unless `check` is False.
        """
        process = self.start(args, has_input=input is not None, has_globs=has_globs)
        stdout, stderr = process.communicate(input)
        output = GitOutput(stdout, stderr.decode("utf-8", "replace"), process.returncode)
        if not _CHANGING.isdisjoint(args):
            global changes_made
            changes_made += 1
        if check and output.status != 0:
            raise refusal(output)
        for name in _BROKEN_REF.findall(output.stderr):  # Git goes on without it: a label would be an older one
            if any(f"{name}/".startswith(f"{asked.rstrip('/')}/") for asked in args if asked not in _ALL_BRANCHES):
                raise GitError(f"the reference {name} is damaged", hint=f"{FSCK}; then remove it and fetch it again")
        return output

    def start(
        self, args: Sequence[str], *, has_input: bool = False, has_globs: bool = False, through: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start `git ARGS` and return the process, its streams as pipes; it is ended when nothing holds it.

        `through` is a command that becomes the one which follows it, as `env` does.
        """
        if any("\0" in argument for argument in args):
            raise GitError("a NUL character cannot be part of a Git name")
        from git.exc import GitCommandNotFound

        leaking = [name for name in _LEAKING if name in os.environ]
        unset = ["env", *(part for name in leaking for part in ("-u", name))] if leaking else []
        environment = self._environment | ({"GIT_LITERAL_PATHSPECS": "0"} if has_globs else {})
        command = [*through, *unset, "git", "-C", str(self.folder)]
        command += [*_OPTIONS, *(() if self.is_bare else _NEVER_BARE), *args]
        try:
            process: subprocess.Popen[bytes] = self._command.execute(
                command, istream=-1 if has_input else None, as_process=True, env=environment, shell=False
            )
        except GitCommandNotFound as error:
            raise GitError(_NO_GIT, hint=_INSTALL_GIT) from error
        return process


def refusal(output: GitOutput) -> GitError:
    """Return Git's own words as an error: its errors as the message, what follows, which is its remedy, as the hint."""
    words = [line.strip() for line in output.stderr.splitlines() if line.strip()]
    fatal = [line for line in words if line.startswith(_FAILURES)] or words[:1]
    rest = [line for line in words[words.index(fatal[0]) + 1 :] if line not in fatal] if fatal else []
    said = "; ".join(line.split(": ", 1)[-1] for line in fatal) or f"it ended with status {output.status} and no word"
    return GitError(f"Git refused: {said}", hint="\n".join(rest) or None)


def _command(folder: Path) -> Any:
    try:
        import git
    except ImportError as error:  # what GitPython raises where it finds no git program
        raise GitError(_NO_GIT, hint=_INSTALL_GIT) from error
    return git.Git(folder)
