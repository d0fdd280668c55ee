"""Reviews what one moment of a workspace changed against another: what differs, who breaks, what it did to results."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.comparisons.comparing import Comparing
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.verdicts import GateRule
from promptctl.context import Context
from promptctl.errors import CHECK_FAILED, OK, WORKSPACE, GitError, WorkspaceError
from promptctl.evaluations.evaluation import Plan
from promptctl.evaluations.evaluator import Progress
from promptctl.files.names import RECORDINGS, SETTINGS
from promptctl.formats.scaffold import STATE_FOLDER
from promptctl.formats.settings_file import Settings
from promptctl.git.tree_changes import blobs_of, is_changed
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.labels.stretch import moves_between
from promptctl.reviews.changes import Changes, find_changes
from promptctl.reviews.measuring import Measurer, ReviewRequest
from promptctl.reviews.range import ReviewRange, find_range, settings_at, trusted_line
from promptctl.reviews.review import Measurement, Moment, PromptReview, Review, strictest_of
from promptctl.reviews.taken_away import taken_away

if TYPE_CHECKING:
    from promptctl.git.repository import Git


class Reviewing:
    """One review. Settings come from BASE alone, and no code of the workspace runs: HEAD may be a stranger's."""

    def __init__(self, parts: Context, request: ReviewRequest) -> None:
        self._parts = parts
        self._request = request
        self._comparing: Comparing | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Finish and save what is under way, and begin nothing more."""
        self._is_stopped = True
        if self._comparing is not None:
            self._comparing.stop()

    async def run(self, on_progress: Callable[[Plan, Progress], None] | None = None) -> Review:
        """Do the whole review.

        Raises `GitError` outside Git, and where this clone lacks what it takes; `InvalidFiles` where BASE's settings
        are wrong. Whatever is wrong in HEAD is part of the review.
        """
        from promptctl.git.repository import Git

        git = Git.open(self._parts.root)
        if git is None:
            raise GitError("a review compares commits, and the workspace is not in a Git repository", hint="git init")
        try:
            return await self._run(git, on_progress)
        finally:
            git.close()

    async def _run(self, git: Git, on_progress: Callable[[Plan, Progress], None] | None) -> Review:
        request = self._request
        work_tree = WorkTree(self._parts.root)
        line = trusted_line(git, self._own_settings()) if request.base is None else None
        found = find_range(git, work_tree, request.base, request.head, line)
        base = CommitTree(git, found.base, git.prefix)
        head = CommitTree(git, found.head, git.prefix) if found.head is not None else work_tree
        settings = settings_at(git, found.tip)
        if end := found.head or git.head:
            _refuse_state(CommitTree(git, end, git.prefix))
        changes = find_changes(git, base, head)
        with _as_at(self._parts, head, settings or Settings(), is_evaluated=request.is_evaluated) as parts:
            self._comparing = Comparing(parts, request.rule)
            if self._is_stopped:
                self._comparing.stop()
            measurer = Measurer(parts, request, found, self._comparing, on_progress)
            measurements = [await measurer.measure(id_, changes) for id_ in _to_measure(changes)]
        differs = is_changed(CommitTree(git, found.tip, git.prefix), head, SETTINGS)
        breaking = [prompt for prompt in changes.prompts if prompt.is_breaking]
        gone = taken_away(changes.datasets, changes.prompts)
        return Review(
            tip=Moment(found.tip, request.base or (line.name if line else None)),
            base=Moment(found.base),
            head=Moment(found.head, request.head),
            prompts=changes.prompts,
            datasets=changes.datasets,
            files=changes.files,
            recordings=changes.recordings,
            moves=tuple(moves_between(git, found.base, found.head)),
            measurements=tuple(measurements),
            settings_differ=differs,
            uses_recordings=measurer.uses_recordings,
            notes=(*_notes(git, found, settings, differs=differs), *changes.notes),
            taken_away=gone,
            rule=request.rule,
            arguments=(found.tip, *((found.head,) if found.head else ()), *request.arguments),
            decision=strictest_of(
                [
                    _decision(measurements, changes, breaking if request.fails_on_breaking else []),
                    _nothing_taken_away(gone, request.rule),
                ]
            ),
        )

    def _own_settings(self) -> Settings | None:
        with suppress(WorkspaceError, OSError):
            return self._parts.settings
        return None


@contextmanager
def _as_at(parts: Context, head: CommitTree | WorkTree, settings: Settings, *, is_evaluated: bool) -> Iterator[Context]:
    """The workspace with HEAD's datasets and recordings, and with the settings given."""
    with tempfile.TemporaryDirectory(prefix="promptctl-review-") as folder:
        recordings = _recordings(parts, head, Path(folder)) if is_evaluated else None
        other = parts.at(head, settings, recordings)
        try:
            yield other
        finally:
            other.close()


def _recordings(parts: Context, head: CommitTree | WorkTree, folder: Path) -> Path | None:
    """A folder with HEAD's recordings; None where those on disk are the same."""
    if isinstance(head, WorkTree):
        return None
    wanted = blobs_of(head, RECORDINGS, like=head.commit)
    if wanted == blobs_of(WorkTree(parts.root), RECORDINGS, like=head.commit):
        return None
    for path in wanted:
        name = path.removeprefix(RECORDINGS + "/")
        if "/" not in name:
            with head.open(path) as opened, (folder / name).open("wb") as copy:
                while part := opened.read(1 << 20):
                    copy.write(part)
    return folder


def _to_measure(changes: Changes) -> list[str]:
    """The prompts to evaluate, or to say of why they are not."""
    changed = {prompt.id for prompt in changes.prompts if prompt.kind != "removed" and prompt.is_other_behaviour}
    return sorted(changed | changes.tests.keys())


def _refuse_state(tree: CommitTree) -> None:
    """Raise where a commit brings a log or a cache along: its replies and verdicts would be those of its author.

    A link there would have ours written wherever it leads.
    """
    harmless = (f"{STATE_FOLDER}/schemas/", f"{STATE_FOLDER}/.gitignore")
    found = [path for path in tree.paths(STATE_FOLDER) if not path.startswith(harmless) or tree.blob(path) is None]
    if found:
        raise WorkspaceError(
            f"{found[0]} is committed: replies and verdicts that HEAD brings along prove nothing",
            hint=f"git rm -r --cached {STATE_FOLDER}",
        )


def _notes(git: Git, found: ReviewRange, settings: Settings | None, *, differs: bool) -> Iterator[str]:
    if found.note:
        yield found.note
    if settings is None:
        yield f"BASE has no {SETTINGS}: the built-in settings were used"
    elif differs:
        yield f"{SETTINGS} differs: the settings of BASE were used, not those of HEAD"
    if git.is_shallow:
        yield "this clone is shallow: it may lack labels and version numbers"


def _nothing_taken_away(gone: Sequence[str], rule: GateRule) -> Decision:
    if not gone or rule.gate != "strict":
        return Decision(OK, "")
    reason = f"The strict gate lets HEAD take away nothing that tests a prompt: {'; '.join(gone)}."
    return Decision(CHECK_FAILED, reason)


def _decision(measurements: Sequence[Measurement], changes: Changes, breaking: Sequence[PromptReview]) -> Decision:
    decisions = [found.decision for found in measurements]
    decisions += [Decision(CHECK_FAILED, f"{prompt.id} breaks its callers or consumers.") for prompt in breaking]
    unusable = [dataset for dataset in changes.datasets if dataset.problems and dataset.kind != "removed"]
    decisions += [Decision(WORKSPACE, f"{dataset.path} cannot be used: {dataset.problems[0]}.") for dataset in unusable]
    return strictest_of(decisions)
