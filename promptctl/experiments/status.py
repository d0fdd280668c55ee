"""Experiments as people look at them: their arms with what each names now, and how many calls each had."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.context import Context
from promptctl.errors import WorkspaceError
from promptctl.experiments.drawing import experiments_now, find_experiment
from promptctl.files.plain import record_data
from promptctl.formats.experiment_rules import BUCKETS, Arm, Experiment
from promptctl.labels.chains import history
from promptctl.labels.tags import LabelEvent, LabelName
from promptctl.log.arm_calls import KeyCalls
from promptctl.versions.former_ids import former_ids
from promptctl.versions.prompt_at_version import parse_ref

ExperimentState = Literal["running", "broken", "stopped", "promoted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStatus:
    """One arm as it stands: the version that it names now, or the problem why it names none; its calls and keys."""

    arm: Arm
    version_display: str | None
    problem: str | None
    calls: int
    keys: int

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        arm = self.arm
        return {
            "arm": arm.name,
            "ref": arm.ref,
            "share": arm.share,
            "range": [arm.start / BUCKETS, arm.end / BUCKETS],
            **record_data(self, without=("arm",)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStatus:
    """An experiment as it stands. `fell_back` counts the calls that got control in the place of their arm.

    `promotion` is the last move of control's label that was made on its report; if it `is_rolled_back`, the label names
    something else since.
    """

    experiment: Experiment
    arms: tuple[ArmStatus, ...]
    fell_back: int
    first_at: str | None
    last_at: str | None
    promotion: LabelEvent | None
    is_rolled_back: bool = False

    @property
    def state(self) -> ExperimentState:
        """A word for what it does now."""
        if self.experiment.stopped is not None:
            return "stopped"
        if self.promotion is not None and not self.is_rolled_back:
            return "promoted"
        return "broken" if any(arm.problem for arm in self.arms) else "running"

    @property
    def reason(self) -> str | None:
        """Words on why nobody is drawn, an arm is replaced by control, or no call counts; None while it runs."""
        moved = None
        if self.promotion is not None:
            moved = f"{self.promotion.name} moved to {self.promotion.version}"
            if self.is_rolled_back:
                moved += ", and names something else since; calls from then on do not count"
        problem = next((arm.problem for arm in self.arms if arm.problem), None)
        first = self.experiment.stopped or (problem if self.state == "broken" else None)
        return "; ".join(filter(None, (first, moved))) or None

    @property
    def calls(self) -> int:
        """The number of calls that an arm had."""
        return sum(arm.calls for arm in self.arms)

    @property
    def keys(self) -> int:
        """The number of keys that an arm had."""
        return sum(arm.keys for arm in self.arms)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        experiment, primary = self.experiment, self.experiment.primary
        return {
            "experiment": experiment.name,
            "state": self.state,
            "reason": self.reason,
            "rule_place": str(experiment.place),
            **record_data(experiment, without=("name", "label", "metadata", "place")),
            "only": {"label": experiment.label, "metadata": {k: list(v) for k, v in experiment.metadata.items()}},
            "primary": {
                "outcome": primary.kind,
                "of": primary.of,
                "direction": primary.direction,
                "minimum": primary.minimum,
            },
            "guards": [{"outcome": each.kind, "of": each.of, "at_most": each.limit} for each in experiment.guards],
            **record_data(self, without=("experiment",), calls=self.calls, keys=self.keys),
        }


def experiment_statuses(context: Context) -> list[ExperimentStatus]:
    """Return the experiments of the settings, in their order, as they stand now."""
    return [_status(context, each) for each in experiments_now(context)]


def experiment_status(context: Context, name: str) -> ExperimentStatus:
    """Return one experiment as it stands now. Raises `ExperimentNotFound`."""
    return _status(context, find_experiment(context, name))


def promotion_of(context: Context, experiment: Experiment) -> LabelEvent | None:
    """Return the last move of control's label that was made on the report of the experiment, as this clone knows it."""
    moves = [each for each in control_events(context, experiment) if each.action == "set"]
    return next((each for each in reversed(moves) if each.evaluation.startswith(evidence_of(experiment))), None)


def control_events(context: Context, experiment: Experiment) -> Sequence[LabelEvent]:
    """Return the events of control's label, oldest first, as this clone knows them; none if it is no label."""
    ref = parse_ref(f"{experiment.prompt}{experiment.control.ref}")
    with suppress(WorkspaceError):
        moment = context.now()
        if ref.label is not None and moment.is_versioned:
            name = LabelName(ref.prompt, ref.label, former_ids(moment, ref.prompt))
            return history(moment.git, moment.label_trust, name).events
    return ()


def evidence_of(experiment: Experiment) -> str:
    """Return the beginning of the evidence with which a label is moved on the report of an experiment."""
    return f"Experiment: {experiment.name} "


def _status(context: Context, experiment: Experiment) -> ExperimentStatus:
    counted = [] if context.log.is_new else context.log.calls_by_key(experiment.name)
    promotion = promotion_of(context, experiment)
    return ExperimentStatus(
        experiment=experiment,
        arms=tuple(_arm(context, experiment, arm, counted) for arm in experiment.arms),
        fell_back=sum(each.calls for each in counted if each.arm is None),
        first_at=min((each.first_at for each in counted), default=None),
        last_at=max((each.last_at for each in counted), default=None),
        promotion=promotion,
        is_rolled_back=promotion is not None and not _is_at(context, experiment, promotion),
    )


def _is_at(context: Context, experiment: Experiment, promotion: LabelEvent) -> bool:
    """Return True if control names the version that was promoted, still or again."""
    with suppress(WorkspaceError):
        version = context.prompt(f"{experiment.prompt}{experiment.control.ref}").version
        return promotion.digest == version.digest
    return False


def _arm(context: Context, experiment: Experiment, arm: Arm, counted: Sequence[KeyCalls]) -> ArmStatus:
    display = problem = None
    try:
        display = context.prompt(f"{experiment.prompt}{arm.ref}").version.display
    except WorkspaceError as error:
        problem = error.message
    own = [each for each in counted if each.arm == arm.name]
    calls, keys = sum(each.calls for each in own), len({each.arm_key for each in own})
    return ArmStatus(arm=arm, version_display=display, problem=problem, calls=calls, keys=keys)
