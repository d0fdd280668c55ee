"""The end of an experiment: its report, the label moved on it, everybody back at control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from promptctl.context import Context
from promptctl.errors import (
    ExperimentNotFound,
    HistoryIncomplete,
    LabelRefused,
    PromptctlError,
    UsageError,
    WorkspaceError,
    printable,
)
from promptctl.experiments.drawing import experiments_now, find_experiment
from promptctl.experiments.report import ArmReport, ExperimentReport, calls_of, report
from promptctl.experiments.status import control_events, evidence_of, promotion_of
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.files.plain import record_data
from promptctl.files.writing import replace_file
from promptctl.formats.experiment_rules import CONTROL, Experiment
from promptctl.formats.rule_editing import with_stopped
from promptctl.labels.tags import LabelEvent, one_line
from promptctl.log.stamps import utc_now, utc_text
from promptctl.promotion.labelling import Labelling, check_reason
from promptctl.versions.prompt_at_version import is_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of an experiment: its label moved, the experiment stopped in `promptctl.yaml`, or nothing done.

    `refused` is the move that a rule of the label stopped, a report that is void, or an `error` of one step of many.
    `words` say why. `verdict` is that of the report, None if none was needed.
    """

    experiment: str
    action: Literal["promoted", "stopped", "refused", "none"]
    words: str
    verdict: str | None = None
    arm: str | None = None
    event: LabelEvent | None = None
    error: PromptctlError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, without=("words", "error"), reason=self.words)


def report_of(context: Context, name: str) -> ExperimentReport:
    """Return the report of an experiment; of one whose arm was promoted, as it was until then."""
    experiment = find_experiment(context, name)
    promotion = promotion_of(context, experiment)
    return replace(_report(context, experiment, promotion), promotion=promotion)


def stop(context: Context, name: str, reason: str) -> Ending:
    """Stop an experiment in `promptctl.yaml`: everybody gets control. One that is stopped keeps its reason.

    Raises `UsageError` without a reason or for one with a secret, `ExperimentNotFound`, and what editing raises.
    """
    reason = one_line(reason)
    check_reason(context, reason)
    experiment = find_experiment(context, name)
    if not reason:
        raise UsageError("a reason is needed", hint="say why it is stopped: --reason TEXT")
    if experiment.stopped is not None:
        return Ending(experiment=name, action="none", words=f"it is stopped already: {experiment.stopped}")
    tree = context.work_tree_for("a change of the settings")
    replace_file(tree.root / SETTINGS, [with_stopped(tree.read(SETTINGS), name, reason)])
    return Ending(experiment=name, action="stopped", words=reason)


def promote(
    context: Context, name: str, arm: str | None = None, *, reason: str = "", is_forced: bool = False
) -> Ending:
    """Move the label of the control arm to the version of a better one, with the report as evidence.

    The labels of the remote are brought here first. Raises `LabelRefused` if the report does not say so or an arm
    names a different version since, unless that `is_forced` for a reason; if the label is moved meanwhile, and if a
    rule of it stops the move. Raises `UsageError` if the control arm is no label, and `ExperimentNotFound` for an
    unknown arm.
    """
    return _promote(_up_to_date(context), find_experiment(context, name), arm, reason=reason, is_forced=is_forced)


def _promote(
    context: Context, experiment: Experiment, arm: str | None, *, reason: str = "", is_forced: bool = False
) -> Ending:
    name, label = experiment.name, experiment.control.ref[1:]
    if not is_label(label):
        message = f"control is {experiment.control.ref}, which is no label that could be moved"
        raise UsageError(message, hint="write the ref of the better arm for control in promptctl.yaml")
    if is_forced and not one_line(reason):
        raise UsageError("a reason is needed", hint="say why the report does not decide: --reason TEXT")
    events = control_events(context, experiment)
    found = _report(context, experiment, promotion_of(context, experiment))
    chosen = _chosen(experiment, found, arm)
    target = context.prompt(f"{experiment.prompt}{chosen.ref}")
    # One whose label names the arm's version already has nothing to lose.
    is_there = bool(events) and events[-1].is_live and events[-1].digest == target.version.digest
    arms = [chosen] if is_there else [found.arms[0], chosen]
    objections = _objections(found, chosen) or list(_changes(context, experiment, arms))
    if objections and not is_forced:
        raise LabelRefused(
            f"{experiment.prompt}@{label} was not moved: {'; '.join(objections)}",
            hint=f"promptctl experiment report {name}\nto move it all the same: --force --reason TEXT",
        )
    evidence = evidence_of(experiment) + ("forced, " if objections else "") + _evidence(found, chosen)
    move = Labelling(context).set(
        f"{experiment.prompt}@{label}",
        target.version.commit,
        reason=reason or f"the experiment {name} found {chosen.arm} better",
        evidence=evidence,
        seen=events[-1] if events else None,
    )
    return Ending(
        experiment=name,
        action="promoted" if move.is_moved else "none",
        words=f"{experiment.prompt}@{label} names {move.event.version}{'' if move.is_moved else ' already'}",
        verdict=found.verdict if objections else "better",
        arm=chosen.arm,
        event=move.event,
    )


def step(context: Context, names: Sequence[str] = ()) -> list[Ending]:
    """Do what `ends` says of each experiment that is decided; what was done before is not done again.

    Whatever one of them raises is its ending, and the others are stepped.
    """
    chosen = [find_experiment(context, name) for name in names] or experiments_now(context)
    if any(each.stopped is None and each.ends is not None and each.ends.then == "promote" for each in chosen):
        context = _up_to_date(context)
    return [_ended(context, experiment) for experiment in chosen]


def _ended(context: Context, experiment: Experiment) -> Ending:
    try:
        return _step(context, experiment)
    except PromptctlError as error:
        return Ending(experiment=experiment.name, action="refused", words=error.message, error=error)


def _step(context: Context, experiment: Experiment) -> Ending:
    name, promotion = experiment.name, promotion_of(context, experiment)
    if promotion is not None:
        return Ending(experiment=name, action="none", words=f"{promotion.version} was promoted already")
    if experiment.stopped is not None:
        return Ending(experiment=name, action="none", words=f"it is stopped already: {experiment.stopped}")
    if experiment.ends is None:
        return Ending(experiment=name, action="none", words="it has no `ends`: a person decides")
    found = _report(context, experiment, None)
    if found.decision is None:
        words = "; ".join(found.voided) or "it is not decided"
        action: Literal["refused", "none"] = "refused" if found.voided else "none"
        return Ending(experiment=name, action=action, words=words, verdict=found.verdict)
    if experiment.ends.then == "promote" and found.promoted is not None:
        try:
            return _promote(context, experiment, found.promoted.arm)
        except LabelRefused as error:
            return Ending(experiment=name, action="refused", words=error.message, verdict=found.verdict)
    ended = stop(context, name, found.evidence)
    return Ending(experiment=name, action=ended.action, words=ended.words, verdict=found.verdict)


def _report(context: Context, experiment: Experiment, promotion: LabelEvent | None) -> ExperimentReport:
    end = None if promotion is None else utc_text(promotion.date)
    calls = () if context.log.is_new else calls_of(context.log, experiment, end)
    found = report(experiment, calls, end or utc_now())
    if promotion is not None:
        return found
    changes = tuple(_changes(context, experiment, found.arms))
    # What calls said of an experiment stays true when it is over.
    if experiment.stopped is not None:
        return replace(found, notes=found.notes + changes)
    return replace(found, voided=found.voided + changes)


def _changes(context: Context, experiment: Experiment, arms: Sequence[ArmReport]) -> Iterator[str]:
    """Yield a text for each arm that names a different version now than its calls are of.

    An arm whose version this clone cannot know is passed over.
    """
    for arm in arms:
        if arm.digest is None:
            continue
        try:
            version = context.prompt(f"{experiment.prompt}{arm.ref}").version
        except HistoryIncomplete:
            continue
        except WorkspaceError as error:
            yield f"the arm `{arm.arm}` names no version now: {error.message}"
            continue
        if version.digest != arm.digest:
            before = "another" if arm.version is None else f"v{arm.version}"
            yield (
                f"{arm.ref} does not name the version any more that the report is of: {version.display} now, "
                f"{before} before; let it name that again, or give the experiment a new name"
            )


def _up_to_date(context: Context) -> Context:
    """Return the same parts after the remote was asked for its labels: what others did counts."""
    if context.now().is_versioned:
        Labelling(context).all()
    return context.fresh()


def _chosen(experiment: Experiment, found: ExperimentReport, arm: str | None) -> ArmReport:
    """Return the arm that is asked for, or the one that the report prefers."""
    if arm is None:
        return found.best
    arms = {each.arm: each for each in found.arms}
    if arm == CONTROL:
        hint = f"to end the experiment: promptctl experiment stop {experiment.name} --reason TEXT"
        raise UsageError(f"`{CONTROL}` is what {experiment.control.ref} names already", hint=hint)
    if arm not in arms:
        hint = did_you_mean(arm, arms) or f"its arms are {', '.join(arms)}"
        raise ExperimentNotFound(f"the experiment `{experiment.name}` has no arm `{printable(arm)}`", hint=hint)
    return arms[arm]


def _objections(found: ExperimentReport, chosen: ArmReport) -> list[str]:
    """Return in words what the report has against promoting an arm."""
    if found.voided:
        return [f"the report is void: {'; '.join(found.voided)}"]
    objections = [] if chosen.verdict == "better" else [f"the report says `{chosen.verdict}` of {chosen.arm}"]
    return objections + [
        f"the guard {each.outcome} is {each.verdict}" for each in chosen.guards if each.verdict != "kept"
    ]


def _evidence(found: ExperimentReport, chosen: ArmReport) -> str:
    return found.evidence if chosen is found.best else f"{chosen.arm} {chosen.verdict}, compared with control"
