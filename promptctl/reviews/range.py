"""The range of a review: the tip of BASE, where HEAD left it, HEAD or the work tree; and the workspace they are of.

BASE decides on that: HEAD cannot move it, nor put a nearer one in its place.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import GitError, HistoryIncomplete, Place, RevisionNotFound, WorkspaceError
from promptctl.files.names import DATASETS, SETTINGS, STATE_COMMITTED, STATE_FOLDER, did_you_mean
from promptctl.files.wording import name_some
from promptctl.git.commits import fork_point
from promptctl.git.repository import Git
from promptctl.git.tree_changes import changed_files
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.reviews.request import ReviewRequest
from promptctl.versions.committed_settings import settings_files, trusted_line
from promptctl.versions.line import Line, find_line, missing_hint, unshallow_hint

_NAME_BASE = "name what HEAD is compared with: promptctl review BASE HEAD"
_NONE = re.compile(r"0{40}(?:0{24})?\Z")


@dataclass(frozen=True, slots=True)
class ReviewRange:
    """The moments of a review: where BASE stands (`tip`), where HEAD left it (`base`), and HEAD, maybe the work tree.

    `name` is what BASE is called, `note` what a reader must know of how they were found.
    """

    tip: CommitTree
    base: CommitTree
    head: CommitTree | WorkTree
    name: str | None = None
    note: str | None = None


def find_range(git: Git, work_tree: WorkTree, request: ReviewRequest, start: Path) -> ReviewRange:
    """Return the moments of a review, of the workspace that is found from `start`.

    BASE is what the request names, or else the tip of the default branch; what HEAD changed is counted from where it
    left that, unless BASE is to be taken as it is. HEAD is what the request names, or else the work tree where it
    differs from HEAD's commit, and that commit where it does not.

    Raises `RevisionNotFound`, `WorkspaceError` if HEAD brings a log or a cache along, or if the workspace is not the
    one that BASE has, and `HistoryIncomplete` if this clone cannot tell; the hint is the command that can.
    """
    line = _default_base(git) if request.base is None else None
    if git.head is None:
        raise GitError("the repository has no commit yet", hint="git add . && git commit")
    end = CommitTree(git, git.head if request.head is None else _commit(git, work_tree, request.head, "HEAD"))
    tip, name = (
        (line.tip, line.name) if line is not None else (_commit(git, work_tree, request.base, "BASE"), request.base)
    )
    _refuse_state(end)
    is_dirty = request.head is None and bool(changed_files(end, work_tree))
    left = tip if request.is_base_as_it_is else fork_point(git, tip, end.commit, is_work_tree=is_dirty)
    if left is None and git.is_shallow:
        hint = unshallow_hint(line.remote if line is not None else git.usual_remote())
        raise HistoryIncomplete(
            f"this clone is shallow, and does not reach to where HEAD left {name}",
            hint=hint if line is not None else f"{hint}   (or compare with BASE as it is: --base-as-is)",
        )
    note = "BASE and HEAD share no history, so BASE is compared as it is" if left is None else None
    head = work_tree if is_dirty else end
    found = ReviewRange(CommitTree(git, tip), CommitTree(git, left or tip), head, name, note)
    _check_place(git, start, found)
    return found


def _default_base(git: Git) -> Line:
    """Return the default branch, as the remote has it and as its own `promptctl.yaml` names it.

    HEAD can write the work tree's settings, and a branch that was fetched by itself, so neither says what HEAD is
    compared with. Raises `HistoryIncomplete` if nothing else says it: BASE is then to be named.
    """
    try:
        usual = find_line(git)
    except HistoryIncomplete as error:
        command = (error.hint or "").partition("   ")[0]
        fetch = f"{command}   (or " if command.startswith("git ") else ""
        raise HistoryIncomplete(error.message, hint=f"{fetch}{_NAME_BASE}{')' if fetch else ''}") from error
    remotes = git.remotes()
    if remotes and usual.remote not in ({"origin"} & {*remotes} or remotes):
        message = f"{usual.name} may be HEAD's own: this clone has no default branch of {name_some(remotes)}"
        raise HistoryIncomplete(message, hint=_NAME_BASE)
    return trusted_line(git, usual)


def _refuse_state(tree: CommitTree) -> None:
    """Raise if a commit brings a log or a cache along: its replies and verdicts would be those of its author.

    A link there would have ours written wherever it leads.
    """
    harmless = tuple(f"{STATE_FOLDER}/{each}" for each in STATE_COMMITTED)
    found = [path for path in tree.paths(STATE_FOLDER) if not path.startswith(harmless) or tree.blob(path) is None]
    if found:
        raise WorkspaceError(
            f"{found[0]} is committed: replies and verdicts that HEAD brings along prove nothing",
            hint=f"git rm -r --cached {STATE_FOLDER}",
        )


def _commit(git: Git, tree: WorkTree, revision: str | None, what: str) -> str:
    name = revision or ""
    if _NONE.match(name):
        raise RevisionNotFound(f"{what} is no commit: the branch is new", hint="name the branch that it began from")
    try:
        return git.commit_of(name)
    except RevisionNotFound as error:
        if error.hint is not None:
            raise
        message = f"{what}: this clone has no commit `{name}`"
        branches = [ref.name.split("/", 2)[2] for ref in git.refs("refs/heads", "refs/remotes")]
        meant = did_you_mean(name, branches)
        raise RevisionNotFound(message, hint=f"{meant} {missing_hint(git, tree, name)}".strip()) from error


def _check_place(git: Git, start: Path, moments: ReviewRange) -> None:
    """Raise `WorkspaceError` unless the workspace that was opened is the one that BASE has, found from `start`.

    One that HEAD brings where BASE has none is new, unless HEAD moved or removed another since it left BASE.
    """
    base, head = moments.base, moments.head
    _refuse_links(git, start)
    for name in dict.fromkeys((*base.places.folders, *head.places.folders, DATASETS)):
        if _is_no_folder(head, name):
            raise WorkspaceError(
                "HEAD puts a link, a submodule or a file where a folder belongs",
                place=Place(name),
                hint="put the folder itself there: nothing is read through it",
            )
    below = os.path.relpath(os.path.realpath(start), git.root)
    folder = Path(below)
    whole = CommitTree(git, moments.tip.commit, "")
    here = [each.as_posix() for each in (folder, *folder.parents)]
    found = next((each for each in here if whole.blob(f"{each}/{SETTINGS}".removeprefix("./")) is not None), None)
    own = git.prefix.rstrip("/") or "."
    if found is None:
        before = settings_files(git, base.commit)
        if f"{own}/{SETTINGS}".removeprefix("./") in before:
            raise WorkspaceError(f"BASE moved or removed the workspace in {own}", hint="bring HEAD up to date first")
        after: CommitTree | WorkTree
        after = CommitTree(git, head.commit, "") if isinstance(head, CommitTree) else WorkTree(Path(git.root))
        out = after.not_checked_out() if before and isinstance(after, WorkTree) else {}
        if gone := sorted(str(Path(path).parent) for path in before if path not in out and not _is_file(after, path)):
            raise WorkspaceError(
                f"BASE has no workspace in {below} or above it, and HEAD moves or removes {name_some(gone)}",
                hint="leave them in their place, or give the command in a workspace that BASE has",
            )
        return
    if found != own:
        raise WorkspaceError(
            f"the workspace of BASE is {found}, and HEAD puts the one in {own} in its place",
            hint="give the command in the workspace of BASE; if BASE moved it, bring HEAD up to date first",
        )
    if not _is_file(head, SETTINGS):
        raise WorkspaceError(f"HEAD has no file {SETTINGS} in {own}, where BASE has it", hint="put it back")


def _refuse_links(git: Git, start: Path) -> None:
    """Raise if a folder on the way from the repository to `start` is a link, which HEAD may have put there."""
    top = next((each for each in (start, *start.parents) if os.path.realpath(each) == str(git.root)), start)
    way = start
    while way != top:
        if way.is_symlink():
            raise WorkspaceError(
                f"the way to the workspace leads through the link {way}",
                hint=f"name the folder itself: {os.path.realpath(way)}",
            )
        way = way.parent


def _is_file(tree: CommitTree | WorkTree, path: str) -> bool:
    if isinstance(tree, CommitTree):
        return tree.blob(path) is not None
    return (tree.root / path).is_file() and not (tree.root / path).is_symlink()


def _is_no_folder(tree: CommitTree | WorkTree, name: str) -> bool:
    if isinstance(tree, CommitTree):
        return tree.blob(name) is not None or name in tree.links(name)
    folder = tree.root / name
    return folder.is_symlink() or (folder / ".git").exists() or (folder.exists() and not folder.is_dir())
