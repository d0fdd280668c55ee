"""Snapshots: written from a workspace, checked, compared; and a workspace over one, which needs no Git."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from promptctl.catalogue.snapshots import SnapshotDifference, compare_snapshots, take
from promptctl.context import Context
from promptctl.errors import Problem, PromptctlError, WorkspaceError
from promptctl.files.names import SETTINGS, STATE_FOLDER
from promptctl.formats.settings_file import read_settings
from promptctl.promotion.labelling import Labelling
from promptctl.versions.prompt_at_version import PromptAtVersion
from promptctl.versions.snapshot import MAX_SNAPSHOT, NAME_DIGITS, Snapshot, SnapshotEntry, is_snapshot

T = TypeVar("T")
DIGEST = "{digest}"
_SHOW = "show what a snapshot holds with: promptctl snapshot show FILE"
_TASKS = {
    **dict.fromkeys(("prompts", "suggest"), ("a list of prompts", _SHOW)),
    "standing": ("the state of a workspace", _SHOW),
    "page": ("a prompt's page", _SHOW),
    "dashboard": ("a dashboard",),
    **dict.fromkeys(("history", "blame"), ("a history",)),
    "diff": ("a difference",),
    "copy": ("a copy",),
    **dict.fromkeys(("authoring", "generate", "agenerate"), ("a new prompt",)),
    **dict.fromkeys(("validate", "lint"), ("a check of files",)),
    "format": ("formatting",),
    **dict.fromkeys(("evaluate", "plan", "estimate", "resume", "evaluate_against"), ("an evaluation",)),
    "compare": ("a comparison",),
    **dict.fromkeys(("review", "export_review"), ("a review",)),
    "labels": ("a label",),
    "datasets": ("a dataset",),
    "snapshots": ("a new snapshot",),
}


@dataclass(frozen=True, slots=True)
class WrittenSnapshot:
    """A snapshot and the file it is in. If it `is_new` the file was written, else it held the same already."""

    file: Path
    snapshot: Snapshot
    size: int
    is_new: bool


class Snapshots:
    """Snapshots of a workspace's labels: written, checked against them, compared with them."""

    def __init__(self, context: Context, labels: Labelling) -> None:
        self._context = context
        self._labels = labels

    @property
    def has_repository(self) -> bool:
        """True if the workspace has labels to compare with: it is in a Git repository."""
        return self._context.repository.git is not None

    def take(self, labels: Sequence[str] = (), prompts: Sequence[str] = ()) -> bytes:
        """Return the content of a snapshot file; see `write`."""
        listing = self._labels.all()
        for problem in listing.problems:
            self._context.warn(f"a label does not count: {problem.message}")
        return take(self._context.fresh(), listing.states.values(), labels, prompts)

    def write(
        self, file: str | os.PathLike[str] = ".", labels: Sequence[str] = (), prompts: Sequence[str] = ()
    ) -> WrittenSnapshot:
        """Write the versions that labels name now, all or those given, of prompts whose id matches one of the globs.

        A folder gets a file whose name has the digest; in a name `{digest}` stands for it. The remote of the labels is
        asked first. Raises `RevisionNotFound` and `PromptNotFound` for a label or a glob that means nothing, and
        `WorkspaceError` if a file or a move's reason holds a secret, or the snapshot cannot be written: over a file
        that is none, or in Git's own folder.
        """
        from promptctl.git.outputs import replace_output

        data = self.take(labels, prompts)
        snapshot = Snapshot(data)
        if len(data) > MAX_SNAPSHOT:
            words = f"the snapshot would have {len(data):,} bytes; at most {MAX_SNAPSHOT:,} can be read"
            raise WorkspaceError(words, hint="write fewer labels or prompts into one: --label, --prompt")
        named = str(file).replace(DIGEST, snapshot.digest[:NAME_DIGITS])
        path = Path(named)
        if named.endswith("/") or path.is_dir():
            path = path / snapshot.file_name
        is_new = not (path.is_file() and path.read_bytes() == data)
        if is_new:
            if path.is_file() and not is_snapshot(path):
                words = f"cannot write {path}: the file that is there is no snapshot"
                raise WorkspaceError(words, hint="name a new file, or a folder")
            replace_output(path, [data])
        return WrittenSnapshot(path, snapshot, len(data), is_new)

    def verify(self, file: str | os.PathLike[str]) -> list[Problem]:
        """Return what is wrong with a snapshot file, and where the labels here name something else by now."""
        snapshot = Snapshot.read(file)
        return check_snapshot(snapshot) or self._differing(snapshot)

    def diff(self, file: str | os.PathLike[str]) -> SnapshotDifference:
        """Return what differs from a snapshot file to what the labels name now."""
        return self._difference(Snapshot.read(file))

    def _difference(self, old: Snapshot) -> SnapshotDifference:
        """Return what differs to the same selection of now; a label that names nothing any more is no error."""
        live = {state.label for state in self._labels.here().states.values() if state.is_live}
        now = self.take([each for each in old.labels if each in live], old.globs)
        return compare_snapshots(old, Snapshot(now, "the repository"))

    def _differing(self, snapshot: Snapshot) -> list[Problem]:
        difference, problems = self._difference(snapshot), []
        for change in difference.changes:
            if change.old is None:
                words, code = f"{change.ref} is not in {snapshot.name}", "not-in-snapshot"
            elif self._is_ours(change.old):
                now = "nothing" if change.new is None else change.new.version_display
                words = f"{change.ref} names {now} now, and {snapshot.name} holds {change.old.version_display}"
                code = "label-moved"
            else:
                words = f"{change.ref} of {snapshot.name} is not what this repository has at {change.old.commit[:7]}"
                code = "not-in-repository"
            problems.append(Problem(words, None, "promptctl snapshot write FILE", code))
        if not difference.has_same_settings:
            words = f"{SETTINGS} is not as it was when {snapshot.name} was written"
            problems.append(Problem(words, None, "promptctl snapshot write FILE", "settings-changed"))
        return problems

    def _is_ours(self, entry: SnapshotEntry) -> bool:
        """Return True if the repository has the content of an entry at its commit."""
        try:
            found = self._context.fresh().prompt(f"{entry.prompt}@{entry.commit}")
        except PromptctlError:
            return False
        return found.version.digest == entry.digest


def check_snapshot(snapshot: Snapshot) -> list[Problem]:
    """Return what is wrong inside a snapshot: settings and prompts that cannot be read, texts not their own."""
    problems = []
    refs: dict[str, Callable[[], object]] = {SETTINGS: lambda: read_settings(snapshot.settings.encode())}
    named = [f"{each.prompt}@{each.at}" for each in snapshot.entries]
    refs |= {ref: partial(snapshot.resolve, ref) for ref in named}
    for name, read in refs.items():
        try:
            read()
        except PromptctlError as error:
            problems.append(Problem(f"{name}: {error.message}", error.place, error.hint, "unreadable"))
    return problems


class SnapshotContext(Context):
    """The parts of a workspace that is a snapshot: its prompts and settings, and a log beside its file."""

    def __init__(
        self, file: str | os.PathLike[str], environ: Mapping[str, str], on_warning: Callable[[str], None]
    ) -> None:
        super().__init__(Path(file).absolute().parent, environ, on_warning)
        self.snapshot = Snapshot.read(file)
        settings = read_settings(self.snapshot.settings.encode(), SETTINGS)
        self.snapshot.default_model = settings.model
        self._parts.update(is_bare=False, repository=self.snapshot, settings=settings)

    @property
    def near_state_folder(self) -> Path:
        """The folder of the log where `PROMPTCTL_STATE` names none: beside the file, but no workspace's own."""
        return self.root / STATE_FOLDER / "snapshot"

    own_state_folder: Any = near_state_folder

    def prompt(self, ref: str) -> PromptAtVersion:
        """Return the prompt that a ref names; see `Snapshot.resolve`."""
        return self.snapshot.resolve(ref)

    def prompt_ids(self) -> tuple[str, ...]:
        """Return the ids of the snapshot's prompts, sorted."""
        return self.snapshot.ids

    def work_tree_for(self, task: str) -> NoReturn:
        """Refuse a task that writes files of a work tree."""
        raise self.snapshot.refusal(task)


def refusing(workspace: type[T]) -> type[T]:
    """Return the class of workspaces over a snapshot: what needs files or history is refused."""
    return cast("type[T]", type("SnapshotWorkspace", (workspace,), {name: _Refused(*_TASKS[name]) for name in _TASKS}))


class _Refused:
    """A method or property of a workspace that needs more than a snapshot holds."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __get__(self, workspace: Any, owner: object) -> NoReturn:
        raise workspace.context.snapshot.refusal(*self._words)
