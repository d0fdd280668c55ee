"""Reviews what one moment of a workspace changed against another: what differs, who breaks, what it did to results."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptctl.comparisons.gates import Decision, strictest
from promptctl.comparisons.rule import rule_of
from promptctl.comparisons.together import deciding
from promptctl.context import Context
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK, WORKSPACE, GitError, WorkspaceError
from promptctl.evaluations.session import Session
from promptctl.files.names import RECORDINGS, SETTINGS
from promptctl.files.wording import count, name_some
from promptctl.files.writing import temporary_folder
from promptctl.formats.settings_file import Settings
from promptctl.git.repository import Git
from promptctl.git.tree_changes import blobs_of, is_changed
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.labels.times import moves_between
from promptctl.log.store import Store
from promptctl.prompts.checking import NESTED
from promptctl.reviews.bars import below_base
from promptctl.reviews.changes import Changes
from promptctl.reviews.dataset_changes import DatasetReading
from promptctl.reviews.judges import DecidingJudges, judges_of_head, otherwise_judged, undone_by_merging
from promptctl.reviews.measuring import Measured, Task, measure, tasks_of
from promptctl.reviews.range import ReviewRange, find_range
from promptctl.reviews.request import ReviewRequest
from promptctl.reviews.review import Measurement, Review, ReviewSide
from promptctl.reviews.settings_changes import SettingsReview, settings_review
from promptctl.reviews.taken_away import looser_outputs, taken_away, tests_behind, undecided_now
from promptctl.versions.committed_settings import settings_of

InSession = Callable[[Context, Callable[[Session], Coroutine[Any, Any, Measured]]], Measured]
"""Does the work in a session of the context, the only one of a command."""


def review(context: Context, request: ReviewRequest, in_session: InSession) -> Review:
    """Return what HEAD changed against BASE, and what that did to the results.

    Everything is read and planned before the session begins. Settings and judges come from BASE alone, and no code of
    the workspace runs: HEAD may be a stranger's. Raises `GitError` outside Git, and if this clone lacks what it takes;
    `InvalidFiles` if BASE's settings are wrong; `WorkspaceError` if the workspace is not the one that BASE has.
    Whatever else is wrong in HEAD is in the review.
    """
    here = context.work_tree_for("a review")
    git = Git.open(context.root)
    if git is None:
        raise GitError("a review compares commits, and the workspace is not in a Git repository", hint="git init")
    with closing(git), temporary_folder("review") as folder:
        moments = find_range(git, here, request, context.start)
        settings = settings_of(moments.tip)
        needs_recordings = request.is_evaluated and request.replies not in ("record", "refresh")  # to the work tree
        recordings = _recordings(context, moments.head, folder) if needs_recordings else None
        with closing(
            context.at(moments.head, settings or Settings(), moments.tip, recordings, is_numbered=settings is not None)
        ) as other:
            about, tasks = _read(other, request, moments, has_settings=settings is not None)
            found, together = in_session(other, lambda session: measure(other.log, session, tasks, about.rule))
            return _concluded(other.log, replace(about, measurements=tuple(found), together=together))


def _read(
    context: Context, request: ReviewRequest, moments: ReviewRange, *, has_settings: bool
) -> tuple[Review, tuple[Task, ...]]:
    """Return what HEAD changed, with the decision on that alone, and what is to be evaluated."""
    settings, git = context.settings, moments.base.git
    own_settings, wrong = _settings_of_head(moments.head)
    own = settings_review(settings, moments, own_settings)
    judging = DecidingJudges(context, request)
    reading = DatasetReading(moments.tip, settings.limits)
    default_models = (settings.model, settings.model if request.models else own.default_model)
    judged = replace(reading, judging=judging.of)
    changes = Changes(moments.base, moments.head, judged, default_models, request.is_replayed)
    tasks = tuple(tasks_of(context, request, moments, changes))
    differs = is_changed(moments.tip, moments.head, SETTINGS)
    named = filter(None, (settings.model, settings.gate.judge, request.judge))
    own_judges = list(judges_of_head(moments, changes, [*named], reading))
    undecided = list(undecided_now(changes.datasets, changes.prompts))
    if own_settings and (own_judges or differs or changes.is_about_judges):
        undecided += undone_by_merging(context, own_settings, moments.head, judging, request)
    about = Review(
        tip=ReviewSide(moments.tip.commit, moments.name),
        base=ReviewSide(moments.base.commit),
        head=ReviewSide(moments.head.commit, request.head),
        prompts=changes.prompts,
        datasets=changes.datasets,
        files=changes.files,
        recordings=changes.recordings,
        lines=dict(changes.lines()),
        moves=tuple(moves_between(git, context.now().label_trust, moments.base.commit, moments.head.commit)),
        settings_differ=differs,
        settings=own.values,
        doubts=_doubts(context, own, moments.head, request),
        uses_recordings=any(not pair.head.is_asked for task in tasks for pair in task.pairs),
        notes=(
            *_notes(moments, own if differs else None, has_settings=has_settings),
            *filter(None, [DatasetIndex(moments.head).left_out]),
            *changes.notes(),
        ),
        taken_away=(
            *taken_away(changes.datasets, changes.prompts, changes.stale),
            *looser_outputs(changes.datasets, changes.prompts, changes.tests, changes.stale),
            *tests_behind(moments, changes, reading),
            *own_judges,
            *undecided,
            *_recorded_judges(changes, tasks),
            *_kept_from_base(tasks),
            *own.weaker_gate(),
        ),
        rule=rule_of(settings.gate.rule, request.rule),
        arguments=(moments.tip.commit, *filter(None, [moments.head.commit]), *request.arguments),
        decision=Decision(OK),
        hide=context.redactor.redact_data,
    )
    decisions = [Decision.of(INCOMPLETE, f"A judge of BASE decides no longer: {each}.") for each in undecided]
    decisions += [Decision.of(WORKSPACE, f"{path}: {NESTED}.") for path in changes.nested_workspaces]
    decisions += [Decision.of(WORKSPACE, f"{each}.") for each in changes.collisions]
    decisions += [*(wrong if differs else []), *_on_changes(request, about, tasks)]
    return replace(about, decision=strictest(decisions)), tasks


def _on_changes(request: ReviewRequest, review: Review, tasks: Sequence[Task]) -> Iterator[Decision]:
    """Yield the decisions on what HEAD changed, whatever results are."""
    for prompt in review.breaking if request.fails_on_breaking else ():
        yield Decision.of(CHECK_FAILED, f"{prompt.id} breaks its callers or consumers.")
    for dataset in review.datasets:
        if dataset.problems and dataset.kind != "removed":
            yield Decision.of(WORKSPACE, f"{dataset.path} cannot be used: {dataset.problems[0]}.")
    if review.rule.gate == "strict":
        if review.taken_away:
            gone = "; ".join(review.taken_away)
            reason = f"The strict gate lets HEAD take away nothing that tests a prompt: {gone}."
            yield Decision.of(CHECK_FAILED, reason)
        yield from (Decision.of(INCOMPLETE, f"{task.prompt}: {task.doubt}.") for task in tasks if task.doubt)
        yield from (Decision.of(INCOMPLETE, f"{doubt}.") for doubt in review.doubts)


def _concluded(log: Store, review: Review) -> Review:
    """Return the review with what all of it comes to, its results and what HEAD changed."""
    decisions = list(_on_prompts(review.measurements))
    if review.rule.gate == "strict" and review.measurements:
        decisions += below_base(log, review)
    if (joint := deciding(review.together)) is not None:
        decisions.append(joint.decision)
    decision = strictest([*decisions, review.decision])
    if decision.is_passed:
        is_measured = any(found.is_made for found in review.measurements)
        reasons = () if is_measured else _why_nothing(review.measurements, review.doubts)
        decision = Decision(OK, tuple(reasons) or ("No check failed.",))
    return replace(review, decision=decision)


def _on_prompts(measurements: Sequence[Measurement]) -> Iterator[Decision]:
    """Yield the decisions on the prompts, each reason once with those that it is said of."""
    alike: dict[tuple[Decision, bool], list[str]] = {}
    for found in measurements:
        start = f"{found.prompt}: "
        for reason in found.decision.reasons:
            decision = Decision.of(found.decision.exit_code, reason.removeprefix(start))
            alike.setdefault((decision, reason.startswith(start)), []).append(found.prompt)
    yield from (each.about(name_some(ids)) if is_named else each for (each, is_named), ids in alike.items())


def _why_nothing(measurements: Sequence[Measurement], doubts: Sequence[str]) -> Iterator[str]:
    """Yield why nothing was evaluated, each reason once with the prompts."""
    prompts: dict[str | None, list[str]] = {}
    for found in measurements:
        prompts.setdefault(found.why_not, []).append(found.prompt)
    yield from (f"{name_some(ids)}: {why}." for why, ids in prompts.items())
    yield from (f"{doubt}." for doubt in doubts)


def _settings_of_head(head: CommitTree | WorkTree) -> tuple[Settings | None, list[Decision]]:
    """Return HEAD's own settings; if they cannot be read nobody knows where its prompts are, and that is decided on."""
    try:
        return settings_of(head) or Settings(), []
    except GitError:
        raise
    except WorkspaceError as error:
        problem = f"{error.place or SETTINGS}: {error.message}"
        return None, [Decision.of(WORKSPACE, f"The settings of HEAD cannot be used: {problem}.")]


def _recordings(context: Context, head: CommitTree | WorkTree, folder: Path) -> Path | None:
    """A folder with HEAD's recordings; None if those on disk are the same."""
    if isinstance(head, WorkTree):
        return None
    wanted = blobs_of(head, RECORDINGS, head)
    if wanted == blobs_of(WorkTree(context.root), RECORDINGS, head):
        return None
    for path in wanted:
        name = path.removeprefix(RECORDINGS + "/")
        if "/" not in name:
            with head.open(path) as opened, (folder / name).open("wb") as copy:
                while part := opened.read(1 << 20):
                    copy.write(part)
    return folder


def _recorded_judges(changes: Changes, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield for whom recordings that HEAD changed graded, if they did."""
    graded = sorted({task.prompt for task in tasks if task.is_judged_by_recordings})
    if changes.recordings and graded:
        yield f"recordings that HEAD changed answered for the judges of {name_some(graded)}"


def _kept_from_base(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield the cases that HEAD edited so that BASE's prompt is asked for others alone."""
    for task in tasks:
        for pair in task.pairs:
            left_out = pair.base.spec.left_out if pair.base is not None else ()
            if ids := [id_ for id_ in left_out if id_ in pair.edited]:
                cases = f"{count(len(ids), 'case')} with inputs that {task.prompt} of BASE cannot take"
                yield f"{pair.head.spec.dataset}: {cases} ({name_some(ids)})"


def _doubts(
    context: Context, own: SettingsReview, head: CommitTree | WorkTree, request: ReviewRequest
) -> tuple[str, ...]:
    """Return what HEAD's settings do to results that BASE's cannot show."""
    if not request.is_evaluated:
        return ()
    index = DatasetIndex(head, trusted=context.trusted_judges, limits=context.settings.limits)
    return (*own.unmeasured(index), *otherwise_judged(context, own, index, request))


def _notes(moments: ReviewRange, own: SettingsReview | None, *, has_settings: bool) -> Iterator[str]:
    if moments.note:
        yield moments.note
    if not has_settings:
        yield f"BASE has no {SETTINGS}: the built-in settings were used"
    elif own is not None:
        but = "" if own.default_model == own.tip.model else ", but for HEAD's default model"
        yield f"{SETTINGS} differs: the settings of BASE were used, not those of HEAD{but}"
    if moments.base.git.is_shallow:
        yield "this clone is shallow: it may lack labels and version numbers"
