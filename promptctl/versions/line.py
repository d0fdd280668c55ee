"""The line that versions are numbered on: the first parents of the default branch, as the remote has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import HistoryIncomplete, quote
from promptctl.files.names import LABEL, id_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from promptctl.files.tree import Tree
    from promptctl.git.repository import Git
    from promptctl.git.walk import ParentedCommit

_USUAL_NAMES = ("main", "master")


@dataclass(frozen=True, slots=True)
class Line:
    """The default branch: its full reference (`refs/remotes/origin/main`) and the commit it names.

    The line itself is `tip` and its first parents down to the first commit.
    """

    ref: str
    tip: str

    @property
    def name(self) -> str:
        """Its short name: `origin/main`, `main`."""
        return self.ref.removeprefix("refs/remotes/").removeprefix("refs/heads/")

    @property
    def remote(self) -> str | None:
        """The name of its remote; None for a local branch."""
        return self.ref.split("/")[2] if self.ref.startswith("refs/remotes/") else None


def find_line(git: Git, branch: str | None = None, remote: str | None = None) -> Line:
    """Return the default branch: `branch` of the settings, else what the remote calls its HEAD, else main.

    `remote` is the settings' remote, by default `origin`, or the only one there is. The local branch counts only
    if no remote has been fetched. Raises `HistoryIncomplete` if this clone does not have the branch; the hint
    is the command that would bring it.
    """
    names = (branch,) if branch else _USUAL_NAMES
    if git.is_bare and not branch:  # what its clones call the HEAD of their remote
        head = git.run(["symbolic-ref", "--quiet", "HEAD"], check=False).text
        names = (head.removeprefix("refs/heads/"), *names) if head else names
    wanted = [f"refs/remotes/{remote or '*'}/{name}" for name in (names if branch else ("HEAD", *names))]
    found = _refs(git, [*wanted, *(f"refs/heads/{name}" for name in names)])
    remotes = [ref.split("/", 3)[2] for ref in found if ref.startswith("refs/remotes/")]
    chosen = remote or ("origin" if "origin" in remotes or len(set(remotes)) != 1 else remotes[0])
    line = _first(found, [f"refs/remotes/{chosen}/{name}" for name in ("HEAD", *names)])
    if line is not None:
        return line
    one = ["for-each-ref", "--count=1", "--format=%(refname)", f"refs/remotes/{remote or ''}"]
    if git.may_have("refs/remotes") and (fetched := git.run(one).lines()):
        where = chosen if remote or remotes else fetched[0].split("/")[2]
        configured = git.remotes()
        if configured and where not in configured:  # `refs/remotes/pull/7/merge` is of no remote
            where = git.usual_remote() or where
        raise _no_such_branch(git, names[0], where, is_named=bool(branch))
    line = _first(found, [f"refs/heads/{name}" for name in names])
    return line or _only_branch(git, names[0])


def _refs(git: Git, patterns: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return object and, for a symbolic reference, what it points to, by name."""
    output = git.run(["for-each-ref", "--format=%(refname) %(objectname) %(symref)", *dict.fromkeys(patterns)])
    fields = [line.split(" ") for line in output.lines()]
    return {name: (id_, target) for name, id_, target in fields}


def _first(found: dict[str, tuple[str, str]], names: Iterable[str]) -> Line | None:
    for name in names:
        if name in found:
            tip, target = found[name]
            return Line(target or name, tip)
    return None


def _only_branch(git: Git, wanted: str) -> Line:
    """Return the only branch of a repository that never knew a remote, whatever its name."""
    found = _refs(git, ["refs/heads"])
    if len(found) == 1:
        name, (tip, _) = next(iter(found.items()))
        return Line(name, tip)
    if not found and git.head is None:
        hint = "git push a branch to it" if git.is_bare else "git add . && git commit"
        raise HistoryIncomplete("the repository has no commit yet", hint=hint)
    if not found:  # a commit checked out by itself
        if remote := git.usual_remote():
            raise _no_such_branch(git, wanted, remote, is_named=False)
        raise HistoryIncomplete("this repository has no branch", hint=f"git branch {quote(wanted)}")
    raise HistoryIncomplete(
        f"which branch versions are numbered on is not known: there is no branch {wanted}",
        hint="name it in promptctl.yaml, for example: branch: " + next(iter(found)).removeprefix("refs/heads/"),
    )


def _no_such_branch(git: Git, name: str, remote: str, *, is_named: bool) -> HistoryIncomplete:
    gone = git.run(["symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD"], check=False).text
    if gone and not is_named:  # the remote's default branch has a different name by now
        name = gone.removeprefix(f"refs/remotes/{remote}/")
        hint = f"git fetch {quote(remote)} && git remote set-head {quote(remote)} --auto"
        return HistoryIncomplete(f"this clone no longer has the branch {name}, the default one of {remote}", hint=hint)
    what = f"+refs/heads/{name}:refs/remotes/{remote}/{name}"
    fetch = f"git fetch {'--unshallow ' if git.is_shallow else ''}{quote(remote)} {quote(what)}"
    other = "" if is_named else "   (or name the default branch in promptctl.yaml, for example: branch: trunk)"
    return HistoryIncomplete(f"this clone does not have the branch {name} of {remote}", hint=fetch + other)


def cut_at(git: Git, commits: Sequence[ParentedCommit]) -> str | None:
    """Return the commit at which a shallow clone's line ends too early; None if it reaches the first commit of all."""
    if not git.is_shallow or not commits:
        return None
    from promptctl.git.commits import read_commits

    oldest, parent = commits[0]
    # Git shows no parents at the cut; the commit itself still names them.
    is_cut = parent is None and any(info.parents for info in read_commits(git.objects, [oldest]).values())
    return oldest if is_cut else None


def unshallow_hint(remote: str | None) -> str:
    """Return the command that brings the missing history of a shallow clone."""
    return f"git fetch --unshallow {quote(remote or 'origin')}"


def missing_hint(git: Git, tree: Tree, name: str) -> str:
    """Return how to bring a revision that is not here, or to find the commit of a prompt's version or label."""
    from promptctl.labels.tags import PREFIX
    from promptctl.prompts.loading import path_in

    prompt, sign, _ = name.partition("@")
    if sign and id_problem(prompt) is None and path_in(tree, prompt) is not None:
        return f"that is one prompt's; its commit: promptctl show {quote(name)}"
    label = name.removeprefix("@")
    if LABEL.match(label) and any(f"@{label}/" in ref.name for ref in git.refs(PREFIX, "refs/promptctl/known/")):
        return "that is a label, and each prompt's is on a commit of its own: promptctl label list"
    return git.fetch_hint(name)
