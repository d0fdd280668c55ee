"""Writes the past of a registry's prompts: commits on the current branch, and then labels, as far as rules allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from promptctl.context import Context
from promptctl.counting import counted
from promptctl.errors import GitError, LabelRefused, PromptctlError, quote
from promptctl.exchange.history.plan import FilesThere, HistoryLabel, RegistryHistory
from promptctl.files.plain import record_data
from promptctl.git.commit_stream import make_commits
from promptctl.git.growth import CurrentBranch, current_branch, grow, grown_files
from promptctl.git.repository import Git
from promptctl.git.trees import CommitTree
from promptctl.promotion.labelling import Labelling

NO_GIT = "--latest takes the newest versions alone, as files"


@dataclass(frozen=True, slots=True)
class LaterLabel:
    """A label that could not be moved now: the command that moves it, and why it has to wait."""

    command: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return a JSON object with stable keys."""
        return {"command": self.command, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class WrittenHistory:
    """The commits that were made, oldest first, the labels that were moved, and those that have to wait.

    `first` is a command to run before those of `later`; empty if there is none.
    """

    branch: str
    commits: tuple[str, ...]
    labels: tuple[str, ...] = ()
    later: tuple[LaterLabel, ...] = ()
    first: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        without = ("commits", "labels")
        return record_data(self, without=without, made=self.commits, moved=self.labels, first=self.first or None)


def repository_for_history(context: Context) -> Git:
    """Return the repository. Raises `GitError` outside Git, and if HEAD is on no branch."""
    git = Git.open(context.root)
    if git is None:
        raise GitError(
            "a history of versions becomes commits, and the workspace is not in a Git repository", hint=NO_GIT
        )
    current_branch(git)
    return git


@contextmanager
def files_on_branch(context: Context, paths: Iterable[str]) -> Iterator[FilesThere]:
    """Yield the files of the workspace that the current branch has. Raises `GitError` if there is no branch."""
    with closing(repository_for_history(context)) as git:
        branch = current_branch(git)
        if branch.tip is None:
            yield FilesThere()
            return
        tree = CommitTree(git, branch.tip)
        files = {path: tree.read(path) for path in dict.fromkeys(paths) if tree.blob(path) is not None}
        yield FilesThere(files, lambda path: _messages(git, path))


def messages_at(context: Context, path: str) -> str:
    """Return the messages of the commits of HEAD that changed a file, the last one first; empty outside Git."""
    git = context.repository.git
    return "" if git is None else _messages(git, path)


def _messages(git: Git, path: str) -> str:
    return git.run(["log", "--no-show-signature", "--format=%B", "HEAD", "--", path], check=False).text


def write_history(context: Context, history: RegistryHistory) -> WrittenHistory:
    """Make the commits on the current branch, all of them or none, and then move the labels.

    Raises `GitError` and `WorkspaceError` for a path that is not as the branch has it, for a branch that was moved
    meanwhile, and for files that cannot be written; then everything is as it was. A label that is refused is no error.
    """
    with closing(repository_for_history(context)) as git:
        branch, ids = _commit(git, history)
    return _with_labels(context, branch, history, ids)


def _commit(git: Git, history: RegistryHistory) -> tuple[CurrentBranch, list[str]]:
    branch = current_branch(git)
    files = grown_files(git, branch, {git.prefix + path: data for path, data in history.newest.items()})
    ids = make_commits(git, history.commits(git.prefix), branch.tip)
    grow(git, branch, ids[-1], files, f"promptctl import: {len(ids)} versions")
    return branch, ids


def _with_labels(
    context: Context, branch: CurrentBranch, history: RegistryHistory, ids: Sequence[str]
) -> WrittenHistory:
    remote = context.fresh().settings.labels.remote
    wanted = [(each, ids[each.at]) for each in history.labels if each.at is not None]
    if remote is not None and wanted:
        why = f"{remote} does not have these commits yet"
        later = tuple(LaterLabel(_command(label, commit), why) for label, commit in wanted)
        return WrittenHistory(branch.name, tuple(ids), (), later, f"git push {quote(remote)} {quote(branch.name)}")
    labelling = Labelling(context.fresh())
    moved: list[str] = []
    refused: dict[int, LaterLabel] = {}
    pending = dict(enumerate(wanted))
    is_moving = True
    while pending and is_moving:  # a rule may ask that a different label of the prompt be there first
        is_moving = False
        for at, (label, commit) in counted(list(pending.items()), "moving labels", len(pending)):
            try:
                labelling.set(f"{label.prompt}@{label.label}", commit, reason=label.reason)
            except PromptctlError as error:
                refused[at] = LaterLabel(_command(label, commit), error.message)
                if not isinstance(error, LabelRefused):
                    pending.pop(at)
                continue
            moved.append(f"{label.prompt}@{label.label}")
            refused.pop(at, None)
            pending.pop(at)
            is_moving = True
    return WrittenHistory(branch.name, tuple(ids), tuple(moved), tuple(refused[at] for at in sorted(refused)))


def _command(label: HistoryLabel, commit: str) -> str:
    name = quote(f"{label.prompt}@{label.label}")
    return f"promptctl label set {name} {commit[:12]} --reason {quote(label.reason)}"
