"""The report of an experiment: its arms judged by their calls, and true however often it is read.

Of a hundred experiments without any difference, at most five ever call an arm better or worse, though somebody looks
after every call: α = 5 % for the primary outcome, shared among the arms. The guards share another 5 %, and the two
tests that make it void 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from promptctl.experiments.judging import Measured, compare, keys_needed, measure
from promptctl.experiments.key_values import KeyedCalls, by_key, values_of
from promptctl.files.plain import record_data
from promptctl.files.wording import count, percent
from promptctl.formats.experiment_rules import Arm, Experiment, Guard, OutcomeKind
from promptctl.log.arm_calls import ArmCall
from promptctl.statistics.split import split_e_value

if TYPE_CHECKING:
    from promptctl.labels.tags import LabelEvent
    from promptctl.log.store import Store

    Values = Sequence[tuple[str, float]]

Verdict = Literal["better", "worse", "no worse", "undecided"]
GuardVerdict = Literal["kept", "broken", "undecided"]
ALPHA = 0.05
VOID_ALPHA = 0.01 / 2
_MOST_FALLBACKS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReport:
    """One guard of one arm. `difference` is to control: a share of its value, or of `errors` a difference of rates."""

    outcome: str
    limit: float
    is_relative: bool
    arm: Measured
    control: Measured
    difference: Measured
    verdict: GuardVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReport:
    """One arm. `values` counts the keys whose primary outcome is known; the control arm has no verdict.

    `more_keys` is how many more keys of this arm and of control a difference of the minimum would take, with four
    chances in five; None if it is decided, or cannot be said.
    """

    arm: str
    ref: str
    share: float
    version: int | None
    version_display: str | None
    digest: str | None
    calls: int
    keys: int
    values: int
    primary: Measured
    difference: Measured | None = None
    verdict: Verdict | None = None
    is_minimum_excluded: bool = False
    more_keys: int | None = None
    guards: tuple[GuardReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentReport:
    """All that is known of an experiment. `voided` has the reasons, in words, for which nothing follows from its calls.

    Costs are nano-USD, latencies milliseconds, rates and scores 0 to 1; differences of costs and latencies are shares
    of control's. The first of `arms` is control. After a `promotion` it is of the calls until then.
    """

    experiment: Experiment
    first_at: str | None
    last_at: str | None
    calls: int
    keys: int
    voided: tuple[str, ...]
    notes: tuple[str, ...]
    arms: tuple[ArmReport, ...]
    promotion: LabelEvent | None = None

    @property
    def best(self) -> ArmReport:
        """The arm beside control that is to be preferred most: by its verdict, then by its difference."""
        sign = 1 if self.experiment.primary.direction == "higher" else -1
        order = ("worse", "undecided", "no worse", "better")

        def rank(arm: ArmReport) -> tuple[int, float]:
            gain = arm.difference.value if arm.difference else None
            return order.index(arm.verdict or "undecided"), sign * (gain or 0.0)

        return max(self.arms[1:], key=rank)

    @property
    def verdict(self) -> Verdict | Literal["void"]:
        """The verdict on the best arm; `void` if there is a reason."""
        return "void" if self.voided else self.best.verdict or "undecided"

    @property
    def promoted(self) -> ArmReport | None:
        """The arm that may be promoted: better, and all of its guards are kept."""
        is_kept = all(guard.verdict == "kept" for guard in self.best.guards)
        return self.best if self.verdict == "better" and is_kept else None

    @property
    def is_decided(self) -> bool:
        """True if there is a next step."""
        return self.decision is not None

    @property
    def decision(self) -> tuple[Literal["promote", "control"], str | None] | None:
        """The next step: promote an arm, stay with control since no arm ever will be promoted, or wait (None)."""
        if self.voided:
            return None
        if self.promoted is not None:
            return "promote", self.promoted.arm
        return ("control", None) if all(map(_is_out, self.arms[1:])) else None

    @property
    def evidence(self) -> str:
        """One line for the event of a label that is moved on this evidence."""
        best, control, primary = self.best, self.arms[0], self.experiment.primary
        parts = [f"{best.arm} {best.verdict}, compared with control: {outcome_name(primary.kind, primary.of)}"]
        if best.difference:
            parts.append(difference_text(best.difference, is_relative=primary.is_relative))
        keys = f"{best.values:,} and {control.values:,} keys"
        guards = [f"{guard.outcome} {guard.verdict}" for guard in best.guards]
        return ", ".join((" ".join(parts), keys, *guards))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, as `--json` prints it."""
        experiment, decision, primary = self.experiment, self.decision, self.experiment.primary
        return {
            "experiment": experiment.name,
            **{name: getattr(experiment, name) for name in ("hypothesis", "prompt", "key", "stopped")},
            "primary": {
                "outcome": outcome_name(primary.kind, primary.of),
                "direction": primary.direction,
                "minimum": primary.minimum,
                "relative": primary.is_relative,
            },
            "verdict": self.verdict,
            "decision": None if decision is None else {"then": decision[0], "arm": decision[1]},
            "confidence": 1 - ALPHA / len(self.arms[1:]),
            **record_data(self, without=("experiment",)),
        }


def report(experiment: Experiment, calls: Iterable[ArmCall], now: str) -> ExperimentReport:
    """Return what calls say of an experiment, as far as it was known at `now`, a time as the log writes it."""
    calls = list(calls)
    keyed = by_key(calls)
    control = experiment.control
    tried = [arm for arm in experiment.arms if arm is not control]
    primary = experiment.primary

    def known(kind: OutcomeKind, of: str) -> Values:
        return values_of(keyed, kind, of, window_s=experiment.window_s, now=now)

    values = known(primary.kind, primary.of)
    guarded = [(guard, known(guard.kind, guard.of)) for guard in experiment.guards]
    arms = [_arm_report(experiment, control, keyed, values)]
    arms += [_judged(experiment, _arm_report(experiment, arm, keyed, values), keyed, values, guarded) for arm in tried]
    times = [call.started_at for call in calls]
    return ExperimentReport(
        experiment=experiment,
        first_at=min(times, default=None),
        last_at=max(times, default=None),
        calls=len(calls),
        keys=len(keyed.arms),
        voided=tuple(_reasons(experiment, keyed, values, len(calls))),
        notes=tuple(_notes(experiment, keyed, len(calls), arms)),
        arms=tuple(arms),
    )


def calls_of(log: Store, experiment: Experiment, until: str | None) -> list[ArmCall]:
    """Return the calls of an experiment, with the feedback that its primary outcome is of, up to a moment."""
    primary = experiment.primary
    return list(log.outcomes(experiment.name, [primary.of] if primary.kind == "feedback" else [], until=until))


def difference_text(difference: Measured, *, is_relative: bool) -> str:
    """Return a difference with its interval: `+7.1 pp [+2.0, +12.3]`, or `+12.0% [+3.1%, +21.7%]` of a share."""
    unit, each = ("", "%") if is_relative else (" pp", "")

    def number(value: float | None, unbound: str = "-") -> str:
        # Adding zero takes the sign off a zero that was rounded.
        return unbound if value is None else f"{round(100 * value, 1) + 0.0:+.1f}{each}"

    if difference.value is None:
        return "-"
    value = f"{number(difference.value)}{unit}"
    if difference.low is None and difference.high is None:
        return f"{value} [not yet known]"
    return f"{value} [{number(difference.low, '-∞')}, {number(difference.high, '+∞')}]"


def outcome_name(kind: str, of: str) -> str:
    """Return the name of an outcome: that of the feedback, or `cost mean`, `errors rate`."""
    return of if kind == "feedback" else f"{kind} {of}"


def _is_out(arm: ArmReport) -> bool:
    """Return True for an arm that will not be promoted, whatever else comes."""
    is_broken = any(guard.verdict == "broken" for guard in arm.guards)
    return is_broken or arm.verdict == "worse" or (arm.verdict == "no worse" and arm.is_minimum_excluded)


def _arm_report(experiment: Experiment, arm: Arm, keyed: KeyedCalls, values: Values) -> ArmReport:
    last = max(keyed.of(arm.name), key=lambda call: call.started_at, default=None)
    own = [value for name, value in values if name == arm.name]
    return ArmReport(
        arm=arm.name,
        ref=arm.ref,
        share=arm.share,
        version=last.version if last else None,
        version_display=last.version_display if last else None,
        digest=last.digest if last else None,
        calls=sum(1 for _call in keyed.of(arm.name)),
        keys=keyed.count(arm.name),
        values=len(own),
        primary=measure(experiment.primary.kind, experiment.primary.of, own),
    )


def _judged(
    experiment: Experiment,
    arm: ArmReport,
    keyed: KeyedCalls,
    values: Values,
    guarded: Sequence[tuple[Guard, Values]],
) -> ArmReport:
    """Return the report of an arm beside control, with its verdict and its guards."""
    primary, control = experiment.primary, experiment.control
    tried = len(experiment.arms) - 1
    share, pairs = _beside_control(experiment, arm, values)
    alpha, minimum = ALPHA / tried, primary.minimum
    difference = compare(primary.kind, primary.of, pairs, share, minimum, alpha)
    sign = 1 if primary.direction == "higher" else -1
    least, most = (difference.low, difference.high) if sign > 0 else (_minus(difference.high), _minus(difference.low))
    verdict: Verdict = "undecided"
    if least is not None and least > 0:
        verdict = "better"
    elif most is not None and most < 0:
        verdict = "worse"
    elif minimum is not None and least is not None and least > -minimum:
        verdict = "no worse"
    is_excluded = minimum is not None and most is not None and most < minimum
    more = None
    if minimum and verdict in ("undecided", "no worse") and not is_excluded:
        needed = keys_needed(primary.kind, primary.of, pairs, share, minimum, alpha)
        keys = arm.keys + keyed.count(control.name)
        more = None if needed is None else math.ceil(max(0, needed - len(pairs)) * keys / len(pairs))
    return replace(
        arm,
        difference=difference,
        verdict=verdict,
        is_minimum_excluded=is_excluded,
        more_keys=more,
        guards=tuple(_guard(experiment, guard, arm, known) for guard, known in guarded),
    )


def _guard(experiment: Experiment, guard: Guard, arm: ArmReport, values: Values) -> GuardReport:
    share, pairs = _beside_control(experiment, arm, values)
    alpha = ALPHA / len(experiment.guards) / (len(experiment.arms) - 1)
    difference = compare(guard.kind, guard.of, pairs, share, guard.limit, alpha)
    verdict: GuardVerdict = "undecided"
    if difference.high is not None and difference.high <= guard.limit:
        verdict = "kept"
    elif difference.low is not None and difference.low > guard.limit:
        verdict = "broken"
    on_arm, on_control = ([value for is_on_arm, value in pairs if is_on_arm is side] for side in (True, False))
    return GuardReport(
        outcome=outcome_name(guard.kind, guard.of),
        limit=guard.limit,
        is_relative=guard.is_relative,
        arm=measure(guard.kind, guard.of, on_arm),
        control=measure(guard.kind, guard.of, on_control),
        difference=difference,
        verdict=verdict,
    )


def _beside_control(experiment: Experiment, arm: ArmReport, values: Values) -> tuple[float, list[tuple[bool, float]]]:
    """Return the arm's share of what it and control have, and the values of both."""
    control = experiment.control
    share = arm.share / (arm.share + control.share)
    return share, [(name == arm.arm, value) for name, value in values if name in (arm.arm, control.name)]


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _reasons(experiment: Experiment, keyed: KeyedCalls, values: Values, calls: int) -> Iterator[str]:
    """Yield each reason for which nothing follows from the calls."""
    anew = "give the experiment a new name, and its keys are drawn anew"
    names = [arm.name for arm in experiment.arms]
    for unknown in sorted(set(keyed.arms.values()) - set(names)):
        yield f"{count(keyed.count(unknown), 'key')} got the arm `{unknown}`, which there is no more: {anew}"
    for name in names:
        yield from (f"{change}: {anew}" for change in _changes(name, keyed))
    if keyed.fallbacks > _MOST_FALLBACKS * calls:
        yield (
            f"{keyed.fallbacks:,} of {calls:,} calls got the control arm since their own arm could not be resolved: "
            f"mend its ref, then {anew}"
        )
    assigned = [keyed.count(name) for name in names]
    asked = ":".join(f"{arm.share:g}" for arm in experiment.arms)
    if not _is_split_as_asked(experiment, assigned):
        got = ", ".join(f"{number:,} on `{name}`" for name, number in zip(names, assigned, strict=True))
        yield f"keys are not split {asked}, but {got}: find out why; if shares were changed on the way, {anew}"
        return
    valued = [sum(arm == name for arm, _value in values) for name in names]
    if not _is_split_as_asked(experiment, valued):
        got = ", ".join(
            f"{percent(number / keys if keys else 0.0)} on `{name}`"
            for name, number, keys in zip(names, valued, assigned, strict=True)
        )
        outcome = outcome_name(experiment.primary.kind, experiment.primary.of)
        yield (
            f"`{outcome}` is missing more often on one arm than on the other, known of {got}: those who are "
            "missing may be those who differ"
        )


def _is_split_as_asked(experiment: Experiment, counts: Sequence[int]) -> bool:
    return split_e_value(counts, [arm.share for arm in experiment.arms]) < 1 / VOID_ALPHA


def _changes(name: str, keyed: KeyedCalls) -> Iterator[str]:
    """Yield a text if an arm's calls are of more than one digest."""
    first_of: dict[str, ArmCall] = {}
    for call in keyed.of(name):
        known = first_of.get(call.digest)
        if known is None or call.started_at < known.started_at:
            first_of[call.digest] = call
    if len(first_of) > 1:
        by_time = sorted(first_of.values(), key=lambda call: call.started_at)
        versions = ", then ".join(
            f"{'v?' if call.version is None else f'v{call.version}'} from {call.started_at}" for call in by_time
        )
        yield f"the arm `{name}` was changed on the way: {versions}"


def _notes(experiment: Experiment, keyed: KeyedCalls, calls: int, arms: Sequence[ArmReport]) -> Iterator[str]:
    if experiment.stopped is not None:
        yield f"stopped: {experiment.stopped}"
    if 0 < keyed.fallbacks <= _MOST_FALLBACKS * calls:
        yield f"{count(keyed.fallbacks, 'call')} got the control arm since their own could not be resolved: not counted"
    if keyed.keyless:
        yield f"{count(keyed.keyless, 'call')} had no key: not counted"
    if keyed.moved:
        yield f"{count(keyed.moved, 'key')} changed to another arm: counted by the first"
    if any(arm.values < arm.keys for arm in arms) and experiment.window_s is not None:
        yield "a key counts from the end of its window on, if its outcome is known by then"
