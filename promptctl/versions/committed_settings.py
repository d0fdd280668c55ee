"""The settings that hold for everyone: `promptctl.yaml` as the default branch has it, not as a work tree does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptctl.errors import GitError, InvalidFiles, Place, quote
from promptctl.files.names import SETTINGS
from promptctl.files.wording import name_some
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.git.repository import ADD_WORK_TREE, Git
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.labels.signers import SIGNERS
from promptctl.labels.trust import LabelTrust
from promptctl.versions.line import Line, find_line


@dataclass(frozen=True, slots=True)
class Committed:
    """The settings of the commit `commit` of the default branch, and the trust in labels by them."""

    settings: Settings
    commit: str
    trust: LabelTrust


def trusted_line(git: Git, usual: Line) -> Line:
    """Return the default branch by what the branch that the remote calls its own says of name and remote.

    The work tree's `promptctl.yaml` is not asked: a branch must not say whose rules hold.
    """
    branch, remote = _named(git, usual)
    if remote is not None and not git.refs(f"refs/remotes/{remote}/"):
        remote = None
    is_usual = branch is None and remote in (None, usual.remote)
    return usual if is_usual else find_line(git, branch, remote or usual.remote)


def _named(git: Git, line: Line) -> tuple[str | None, str | None]:
    """Return the default branch and the remote that the settings at the tip of a line name."""
    try:
        data = CommitTree(git, line.tip).read(SETTINGS)
    except FileNotFoundError:
        return None, None
    if not (b"branch" in data or b"remote" in data):  # most have neither, and are not parsed for it
        return None, None
    settings = _read(data, line)
    return settings.branch, settings.labels.remote


def committed_settings(git: Git, line: Line, *, is_fresh: bool = False) -> Committed | None:
    """Return what `promptctl.yaml` says on the default branch; None if that branch has no such file anywhere.

    With `is_fresh` the remote is asked for its branch of now, so that a rule that was added there holds here at
    once; if it cannot be asked, what was fetched last counts. Raises `GitError` if only other workspaces are there, and
    `InvalidFiles` if the file there is wrong.
    """
    tip = (_tip_at_remote(git, line) if is_fresh else None) or line.tip
    found = settings_at(git, replace(line, tip=tip))
    if found is None:
        others = settings_files(git, tip)
        if others and git.is_bare:
            place = f"{line.name} of the bare repository {git.folder}"
            add = ADD_WORK_TREE.format(quote(str(git.folder)))
            raise GitError(
                f"{place} has no {SETTINGS} at its root, but {name_some(others)}",
                hint=f"{add}; then promptctl -C FOLDER/{quote(others[0].removesuffix(f'/{SETTINGS}'))}",
            )
        if other := next(iter(others), None):
            raise GitError(
                f"whose label rules hold is not known: {line.name} has no {git.prefix}{SETTINGS}, but {other}",
                hint=f"labels go by the settings of {line.name}: bring the workspace there first",
            )
    return found


def settings_files(git: Git, commit: str) -> list[str]:
    """Return the paths, from the repository's root, of every `promptctl.yaml` of a commit."""
    listed = git.run(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit]).text.split("\0")
    return [path for path in listed if path.rpartition("/")[2] == SETTINGS]


def settings_at(git: Git, line: Line) -> Committed | None:
    """Return what the workspace's settings and its file of signers are at the tip of a line; None without settings."""
    tree = CommitTree(git, line.tip)
    try:
        settings = _read(tree.read(SETTINGS), line)
    except FileNotFoundError:
        return None
    remote = settings.labels.remote
    if git.is_bare and remote is not None and remote not in git.remotes():
        # It is that remote itself, to its clones: a tag that is here is what they fetch.
        settings = replace(settings, labels=replace(settings.labels, remote=None))
    signers = (_signers(tree) or "") if settings.labels.is_signed else None
    return Committed(settings, line.tip, LabelTrust(settings.labels.remote, signers, line.name))


def settings_of(tree: CommitTree | WorkTree) -> Settings | None:
    """Read `promptctl.yaml` of a tree; None if it has none. Raises `InvalidFiles`, and `WorkspaceError` for no file."""
    name = SETTINGS if tree.commit is None else f"{tree.commit[:7]}:{SETTINGS}"
    try:
        return read_settings(tree.read(SETTINGS), name)
    except FileNotFoundError:
        return None


def trust_without_line(git: Git, line: Line | None = None) -> LabelTrust:
    """Return the trust in labels if the default branch's settings are not known: the remote must have them.

    `line` is that branch if its settings alone cannot be read. If it has a file of signers, they must have signed.
    """
    remote = git.usual_remote()
    return LabelTrust(remote, _signers(CommitTree(git, line.tip)), line.name) if line else LabelTrust(remote)


def _signers(tree: CommitTree) -> str | None:
    """Return the content of the file of signers; None if there is none."""
    try:
        return tree.read(SIGNERS).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _read(data: bytes, line: Line) -> Settings:
    try:
        return read_settings(data, SETTINGS)
    except InvalidFiles as error:
        where = f"{line.name}:{SETTINGS}"
        problems = [
            replace(each, place=replace(each.place, path=where) if each.place else Place(where))
            for each in error.problems
        ]
        raise InvalidFiles(problems) from error


def _tip_at_remote(git: Git, line: Line) -> str | None:
    """Return the commit that the line's branch has at its remote now, fetched here; None if it cannot be known."""
    from promptctl.labels.remote import tip_of  # here, since few commands ask a remote

    remote, _, branch = line.ref.removeprefix("refs/remotes/").partition("/")
    return tip_of(git, remote, branch) if line.ref.startswith("refs/remotes/") else None
