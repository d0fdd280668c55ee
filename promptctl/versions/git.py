"""Git, spoken to through GitPython's command interface alone: the one module that knows GitPython.

Each call is a process of about 2 ms, so callers ask for much at once. Only plumbing is called: it runs no hook, no
filter and no file-system monitor, and reads neither aliases nor display settings.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.errors import GitError, RevisionNotFound
from promptctl.versions.objects import Objects, is_object_id

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

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
    "GIT_NO_REPLACE_OBJECTS": "1",  # a replace ref would give another text under the original id
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
    # A folder of the work tree that looks like a bare repository brings a configuration, which can name programs.
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "advice.graftFileDeprecated=false"),
)

_NO_GIT = "Git is not installed, or not on the PATH"
_INSTALL_GIT = "install Git (https://git-scm.com), or use the workspace outside Git"


@dataclass(frozen=True, slots=True)
class Output:
    """What a Git command wrote and how it ended."""

    stdout: bytes
    stderr: str
    status: int

    @property
    def text(self) -> str:
        """Standard output as text, without the line end at its end."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def lines(self) -> list[str]:
        """Standard output's lines; none where nothing was written."""
        return self.text.split("\n") if self.stdout else []


@dataclass(frozen=True, slots=True)
class GitRef:
    """A reference by its full name (`refs/tags/…`) and the id of the object it names (a tag object stays one)."""

    name: str
    object: str


class Commands:
    """Runs Git commands in one folder, in an environment that nothing around us has bent."""

    def __init__(self, folder: Path, *, is_interactive: bool = False) -> None:
        self.folder = folder
        self._command = _command(folder)
        self._environment = dict(_ENVIRONMENT)
        if not is_interactive:
            self._environment["GIT_TERMINAL_PROMPT"] = "0"

    def run(self, args: Sequence[str], *, input: bytes | None = None, check: bool = True) -> Output:  # noqa: A002
        """Run `git ARGS` and wait for its end; see `Git.run`."""
        process = self.start(args, has_input=input is not None)
        stdout, stderr = process.communicate(input)
        output = Output(stdout, stderr.decode("utf-8", "replace"), process.returncode)
        if check and output.status != 0:
            raise refusal(output)
        return output

    def start(self, args: Sequence[str], *, has_input: bool = False) -> subprocess.Popen[bytes]:
        """Start `git ARGS` and return the process, its streams as pipes; it is ended when nothing holds it."""
        if any("\0" in argument for argument in args):
            raise GitError("a NUL character cannot be part of a Git name")
        from git.exc import GitCommandNotFound

        leaking = [name for name in _LEAKING if name in os.environ]
        unset = ["env", *(part for name in leaking for part in ("-u", name))] if leaking else []
        command = [*unset, "git", "-C", str(self.folder), *_OPTIONS, *args]
        try:
            process: subprocess.Popen[bytes] = self._command.execute(
                command, istream=-1 if has_input else None, as_process=True, env=self._environment, shell=False
            )
        except GitCommandNotFound as error:
            raise GitError(_NO_GIT, hint=_INSTALL_GIT) from error
        return process


class Git:
    """One repository, seen from one folder of its work tree.

    `folder` is that folder, `root` the work tree's, `prefix` the way from root to folder (`""` or `apps/bot/`), `head`
    the full id of HEAD's commit (None where there is no commit yet). `objects` reads objects by id.
    """

    def __init__(self, folder: Path, *, is_interactive: bool = False) -> None:
        self.folder = folder
        self.root = folder
        self.prefix = ""
        self.head: str | None = None
        self.is_shallow = False
        self._commands = Commands(folder, is_interactive=is_interactive)
        self.objects = Objects(self._commands)

    @classmethod
    def open(cls, folder: Path, *, is_interactive: bool = False) -> Git | None:
        """The repository whose work tree holds `folder`; None where there is none.

        `is_interactive` allows Git to ask for a password on the terminal. Raises `GitError` where Git is not installed
        or refuses the repository.
        """
        folder = folder.resolve()
        if not _is_below_repository(folder):
            return None
        git = cls(folder, is_interactive=is_interactive)
        return git if git.look_again() else None

    def look_again(self) -> bool:
        """Read in one call what every command needs and others may have changed; False outside a work tree."""
        questions = ("--is-inside-work-tree", "--is-shallow-repository", "--show-toplevel", "--show-prefix", "HEAD")
        output = self.run(["rev-parse", *questions], check=False)
        answers = output.lines()
        if answers[:1] == ["false"]:
            return False
        if len(answers) < 4:
            raise refusal(output)
        self.is_shallow = answers[1] == "true"
        self.root, self.prefix = Path(answers[2]), answers[3]
        head = answers[4] if len(answers) > 4 else ""
        self.head = head if is_object_id(head) else None
        return True

    def run(self, args: Sequence[str], *, input: bytes | None = None, check: bool = True) -> Output:  # noqa: A002
        """Run `git ARGS` in the folder and wait for its end; `input` is what it reads.

        Whatever a user typed must follow `--end-of-options`, stand after a fixed beginning (`refs/…`), or be input.
        Raises `GitError` with Git's own words on a status other than 0, unless `check` is False.
        """
        return self._commands.run(args, input=input, check=check)

    def start(self, args: Sequence[str], *, has_input: bool = False) -> subprocess.Popen[bytes]:
        """Start `git ARGS` and return the process, its streams as pipes; it is ended when nothing holds it."""
        return self._commands.start(args, has_input=has_input)

    def refs(self, *prefixes: str) -> list[GitRef]:
        """The references below each of `prefixes` (`refs/tags/prompt/support`), by name; opens no object."""
        assert all(prefix.startswith("refs/") for prefix in prefixes)
        output = self.run(["for-each-ref", "--format=%(objectname) %(refname)", *prefixes])
        return [GitRef(name, id_) for id_, name in (line.split(" ", 1) for line in output.lines())]

    def commit_of(self, revision: str) -> str:
        """The full id of the commit that `revision` (anything `git rev-parse` takes) names.

        Raises `RevisionNotFound` where nothing of that name is here, or where it is no commit, and `GitError` where
        a branch and a tag have that name.
        """
        ask = ("rev-parse", "--verify", "--end-of-options")
        name = revision
        if revision.startswith(":"):  # `:/words` would take the ending for words to search for
            name = self.run([*ask, revision], check=False).text
        output = self.run([*ask, f"{name}^{{commit}}"], check=False)
        if output.status != 0 or not is_object_id(output.text):
            raise RevisionNotFound(
                f"no commit is named {revision!r} in this repository", hint=_candidates(output.stderr)
            )
        if output.stderr:  # Git warns where it had to choose
            self._refuse_ambiguous(revision)
        return output.text

    def _refuse_ambiguous(self, revision: str) -> None:
        short = re.split(r"[~^:@]", revision, maxsplit=1)[0]
        places = [f"refs/{short}", f"refs/tags/{short}", f"refs/heads/{short}", f"refs/remotes/{short}"]
        names = [ref.name for ref in self.refs(*places) if ref.name in places]
        if len(names) > 1:
            raise GitError(f"{short!r} is the name of several things", hint=f"write it in full: {' or '.join(names)}")

    def close(self) -> None:
        """End the process that reads objects; the next read starts another."""
        self.objects.close()


def init_repository(folder: Path) -> None:
    """Make a Git repository in `folder`, whose first branch is what the user's configuration says, else main."""
    commands = Commands(folder)
    name = commands.run(["config", "init.defaultBranch"], check=False).text
    commands.run(["init", "--quiet", *([] if name else ["--initial-branch=main"])])


def refusal(output: Output) -> GitError:
    """Git's own words as an error: its first line as the message, the rest, which is its remedy, as the hint."""
    words = [line.rstrip() for line in output.stderr.splitlines() if line.strip()]
    fatal = next((i for i, line in enumerate(words) if line.startswith(("fatal: ", "error: "))), 0)
    first = words[fatal].split(": ", 1)[-1] if words else f"it ended with status {output.status} and no word"
    rest = words[fatal + 1 :]
    return GitError(f"Git refused: {first}", hint="\n".join(line.strip() for line in rest) or None)


def _candidates(words: str) -> str | None:
    """What Git says of a name that could be several commits; it says nothing of one that is none."""
    said = [line.partition(": ")[2].strip() for line in words.splitlines() if line.startswith(("error: ", "hint: "))]
    return "Git says: " + "; ".join(said) if said else None


def _command(folder: Path) -> Any:
    try:
        import git
    except ImportError as error:  # what GitPython raises where it finds no git program
        raise GitError(_NO_GIT, hint=_INSTALL_GIT) from error
    return git.Git(folder)


def _is_below_repository(folder: Path) -> bool:
    """Whether a `.git` stands in `folder` or above it, on the same file system as Git looks.

    Asked before GitPython is imported: a workspace outside Git does not pay for it.
    """
    device = folder.stat().st_dev
    for place in (folder, *folder.parents):
        if place.stat().st_dev != device:
            return False
        if (place / ".git").exists():
            return True
    return False
