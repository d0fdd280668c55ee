"""One repository of Git, seen from one folder of its work tree, or a bare one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptctl.errors import GitError, RevisionNotFound, WorkspaceError, WorkspaceNotFound, printable, quote
from promptctl.files.names import SETTINGS
from promptctl.git.commands import Commands, refusal
from promptctl.git.objects import Objects, is_object_id


@dataclass(frozen=True, slots=True)
class GitRef:
    """A reference by its full name (`refs/tags/…`) and the id of the object it names (a tag object stays one)."""

    name: str
    object: str


# A list of packed references, in bytes, that is searched sooner than a process begins.
_SOON_SEARCHED = 1 << 18
# With the folder quoted for a shell.
ADD_WORK_TREE = "git -C {} worktree add --detach FOLDER"


class Git(Commands):
    """One repository, seen from one folder of its work tree.

    `folder` is that folder, `root` the work tree's, `prefix` the way from root to folder (`""` or `apps/bot/`), `head`
    the full id of HEAD's commit (None if there is no commit yet). `objects` reads objects by id. Of one that `is_bare`,
    folder and root are the repository itself.
    """

    def __init__(self, folder: Path, *, is_interactive: bool = False, is_bare: bool = False) -> None:
        super().__init__(folder, is_interactive=is_interactive, is_bare=is_bare)
        self.root = folder
        self.prefix = ""
        self.head: str | None = None
        self.is_shallow = False
        self._place: tuple[int, int] | None = None
        # With commands of its own: two objects that hold each other are not let go of at once.
        self.objects = Objects(Commands(folder, is_interactive=is_interactive, is_bare=is_bare))

    @classmethod
    def open(cls, folder: Path, *, is_interactive: bool = False) -> Git | None:
        """Return the repository whose work tree holds `folder`, or the bare one that it is; None if there is none.

        `is_interactive` allows Git to ask for a password on the terminal. Raises `GitError` if Git is not installed
        or refuses the repository.
        """
        folder = folder.resolve()
        is_bare = is_bare_folder(folder)
        if not is_bare and git_folder(folder) is None:
            return None
        git = cls(folder, is_interactive=is_interactive, is_bare=is_bare)
        return git if git.look_again() else None

    def look_again(self) -> bool:
        """Read in one call what every command needs and others may have changed; False outside a work tree."""
        self._leave_replaced()
        is_one = "--is-bare-repository" if self.is_bare else "--is-inside-work-tree"
        places = () if self.is_bare else ("--show-toplevel", "--show-prefix")
        output = self.run(["rev-parse", is_one, "--is-shallow-repository", *places, "HEAD"], check=False)
        answers = output.lines()
        if answers[:1] == ["false"]:
            return False
        if len(answers) < 2 + len(places):
            raise refusal(output)
        self.is_shallow = answers[1] == "true"
        if places:
            self.root, self.prefix = Path(answers[2]), answers[3]
        head = answers[2 + len(places)] if len(answers) > 2 + len(places) else ""
        self.head = head if is_object_id(head) else None
        if self.head is None:  # a branch that is damaged looks like one without a commit
            self.refs("refs/heads/")
        return True

    def _leave_replaced(self) -> None:
        """End the process that reads objects if a different folder is in the place of the one that it works in."""
        with suppress(OSError):
            found = self.folder.stat()
            place = found.st_dev, found.st_ino
            if self._place not in (None, place):
                self.objects.close()
            self._place = place

    def remotes(self) -> list[str]:
        """Return the names of the remotes that the user configured."""
        return self.run(["remote"]).lines()

    def usual_remote(self) -> str | None:
        """Return the remote that is meant where none is named: `origin`, or else the first one; None without any."""
        names = self.remotes()
        return "origin" if "origin" in names else next(iter(names), None)

    def fetch_hint(self, revision: str) -> str:
        """Return words with the command that most likely brings a revision that is not here, or lists what is."""
        name = re.split(r"[~^]|@\{", revision, maxsplit=1)[0]
        usual = f"git fetch {quote(self.usual_remote() or 'origin')}"
        ask = ("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        is_here = name in ("", "@") or self.run(ask, check=False).status == 0
        is_part = re.fullmatch(r"[0-9a-f]{4,39}", name) is not None  # servers take whole ids alone
        if self.is_shallow and (is_here or is_part):
            return f"bring the history here: {usual.replace('fetch', 'fetch --unshallow', 1)}"
        if is_here or self.run(["check-ref-format", "--allow-onelevel", name], check=False).status != 0:
            return "the commits that are here: git log --oneline"
        return f"bring it here: {usual if is_part else self._fetch_of(name, usual)}"

    def _fetch_of(self, name: str, usual: str) -> str:
        remote, _, branch = name.partition("/")
        if branch and remote in self.remotes():
            return f"git fetch {quote(remote)} {quote(f'+refs/heads/{branch}:refs/remotes/{remote}/{branch}')}"
        if self.is_shallow and is_object_id(name):
            usual = usual.replace("fetch", "fetch --depth=1", 1)
        return f"{usual} {quote(name)}"

    @property
    def shared_folder(self) -> Path:
        """Git's own folder, which all work trees share."""
        found = shared_git_folder(self.folder)
        assert found is not None
        return found[0]

    def path_here(self, path: str) -> str:
        """Return a path of the workspace as commands of Git take it, which run in its folder, or at a bare root."""
        return f"{self.prefix}{path}" if self.is_bare else path

    def refs(self, *prefixes: str) -> list[GitRef]:
        """Return the references below each of `prefixes` (`refs/tags/prompt/support`), by name; opens no object."""
        assert all(prefix.startswith("refs/") for prefix in prefixes)
        output = self.run(["for-each-ref", "--format=%(objectname) %(refname)", *prefixes])
        return [GitRef(name, id_) for id_, name in (line.split(" ", 1) for line in output.lines())]

    def may_have(self, *prefixes: str) -> bool:
        """Return False if there is surely no reference below any of `prefixes`; no process is started."""
        tops = [prefix.partition("*")[0].rpartition("/")[0] if "*" in prefix else prefix for prefix in prefixes]
        try:
            found = shared_git_folder(self.folder)
            if found is None or not (found[0] / "refs").is_dir():  # Git says what is wrong
                return True
            # Git packs a reference before it removes the file of it, so files are looked for first.
            if any((found[0] / name).exists() for name in (*tops, "reftable")):
                return True
            packed = found[0] / "packed-refs"
            if not packed.exists():
                return False
            names = packed.read_bytes() if packed.stat().st_size <= _SOON_SEARCHED else None
            return names is None or any(f" {top}".encode() in names for top in tops)
        except OSError:
            return True

    def commit_of(self, revision: str) -> str:
        """Return the full id of the commit that `revision` (anything `git rev-parse` takes) names.

        Raises `RevisionNotFound` if nothing of that name is here, or if it is no commit, and `GitError` if
        a branch and a tag have that name.
        """
        if is_object_id(revision):  # the process that reads objects is needed anyway
            found = self.objects.read(revision, max_bytes=0)
            if found is not None and found.kind == "commit":
                return revision
        ask = ("rev-parse", "--verify", "--end-of-options")
        name = revision
        if revision.startswith(":"):  # `:/words` would take the ending for words to search for
            name = self.run([*ask, revision], check=False).text
        output = self.run([*ask, f"{name}^{{commit}}"], check=False)
        if output.status != 0 or not is_object_id(output.text):
            raise RevisionNotFound(
                f"no commit is named `{printable(revision)}` in this repository", hint=_candidates(output.stderr)
            )
        if output.stderr:  # Git warns where it had to choose
            self._refuse_ambiguous(revision)
        return output.text

    def _refuse_ambiguous(self, revision: str) -> None:
        short = re.split(r"[~^:@]", revision, maxsplit=1)[0]
        places = [f"refs/{short}", f"refs/tags/{short}", f"refs/heads/{short}", f"refs/remotes/{short}"]
        names = [ref.name for ref in self.refs(*places) if ref.name in places]
        if len(names) > 1:
            raise GitError(f"`{short}` is the name of several things", hint=f"write it in full: {' or '.join(names)}")

    def close(self) -> None:
        """End the process that reads objects; the next read starts a new one."""
        self.objects.close()


def init_repository(folder: Path) -> None:
    """Make a Git repository in `folder`, whose first branch is what the user's configuration says, else main."""
    commands = Commands(folder)
    name = commands.run(["config", "init.defaultBranch"], check=False).text
    commands.run(["init", "--quiet", *([] if name else ["--initial-branch=main"])])


def _candidates(words: str) -> str | None:
    """Return Git's words about a name that could be several commits; None for a name of none."""
    said = [line.partition(": ")[2].strip() for line in words.splitlines() if line.startswith(("error: ", "hint: "))]
    return "Git says: " + "; ".join(said) if said else None


def git_folder(folder: Path) -> Path | None:
    """Return the Git folder of the work tree that `folder` is in, as Git looks for it; None if there is none.

    Asked before GitPython is imported: a workspace outside Git does not pay for it.
    """
    found = _git_folder(folder)
    return found[1] if found is not None else None


def is_bare_folder(folder: Path) -> bool:
    """Return True if a folder looks like a bare repository, and lies in no work tree, whose commits could bring it."""
    folder = folder.resolve()
    if not all((folder / name).exists() for name in ("HEAD", "objects", "refs")):
        return False
    around = git_folder(folder)
    return around is None or around.resolve() == folder


def bare_repository_around(folder: Path) -> Path | None:
    """Return the nearest bare repository that an absolute folder is or lies in, or whose work tree it lies in."""
    around = git_folder(folder)
    candidates = [folder, *folder.parents]
    if around is not None and around.name != ".git":  # that a file `.git` names, beside its work trees
        candidates.append(around.resolve())
    for candidate in filter(is_bare_folder, candidates):
        git = Git.open(candidate)
        if git is not None:
            git.close()
            return candidate
    return None


def refuse_bare(folder: Path, task: str) -> None:
    """Raise `WorkspaceError` if a folder is a bare repository, for a task that needs a work tree."""
    if is_bare_folder(folder):
        raise WorkspaceError(
            f"{folder} is a bare repository, and {task} needs a work tree",
            hint=f"make one with: {ADD_WORK_TREE.format(quote(str(folder)))}",
        )


def shared_git_folder(folder: Path) -> tuple[Path, str] | None:
    """Return the Git folder that all work trees of a repository share, and the way from this one's root to `folder`.

    None outside Git. No commit, and so no checkout, has a file in it.
    """
    folder = folder.resolve()
    found = (folder, folder) if is_bare_folder(folder) else _git_folder(folder)
    if found is None or not found[1].is_dir():
        return None
    root, git = found
    with suppress(OSError, ValueError):  # only the folder of a linked work tree has this file
        git /= (git / "commondir").read_text(encoding="utf-8").strip()
    return git.resolve(), "" if folder == root else folder.relative_to(root).as_posix()


def _git_folder(folder: Path) -> tuple[Path, Path] | None:
    device = folder.stat().st_dev
    for place in (folder, *folder.parents):
        if place.stat().st_dev != device:
            return None
        found = place / ".git"
        if found.is_file():  # of a linked work tree or a submodule
            with suppress(OSError, ValueError):
                return place, place / found.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        if found.exists():
            return place, found
    return None


def sparse_state(git: Path) -> int | None:
    """Return a number that changes with what a sparse checkout leaves out; None if the checkout is not sparse.

    `git` is the Git folder of the work tree.
    """
    if not (git / "info" / "sparse-checkout").is_file():
        return None
    try:
        return (git / "index").stat().st_mtime_ns
    except OSError:
        return None


def find_root(start: Path) -> Path:
    """Return the nearest folder, from `start` upwards, that holds a `promptctl.yaml`, or that is a bare repository.

    Raises `WorkspaceError` if that folder is among the files of a workspace, and `WorkspaceNotFound` if there is none.
    """
    folder = start.absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / SETTINGS).is_file():
            if any((around / SETTINGS).is_file() for around in candidate.resolve().parents):
                from promptctl.files.roots import refuse_inside

                refuse_inside(candidate)
            return candidate
    if (bare := bare_repository_around(folder)) is not None:
        return bare
    names = [os.path.relpath(each, folder) for each in islice(_workspaces_near(folder), 3)]
    hint = "make a workspace here with: promptctl init"
    if names:
        hint = f"this repository has one in {', '.join(map(printable, names))}: promptctl -C {quote(names[0])} …"
    raise WorkspaceNotFound(f"there is no {SETTINGS} in {folder} or any folder above it", hint=hint)


def _workspaces_near(folder: Path) -> Iterator[Path]:
    """Yield workspaces one or two folders below the root of the repository that a folder is in."""
    if found := _git_folder(folder):
        for pattern in ("*", "*/*"):
            yield from sorted(each.parent for each in found[0].glob(f"{pattern}/{SETTINGS}"))
