"""A call of an experiment: whether it takes part, which arm its key gets, and the call of that arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.calls.call import Call
from promptctl.calls.prepare import Asked, RunOptions, check_options, prepare_all
from promptctl.context import Context
from promptctl.errors import ExperimentKeyMissing, ExperimentNotFound, UsageError, WorkspaceError, printable
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.formats.experiment_rules import BUCKETS, Arm, Experiment, text_of
from promptctl.log.arm_calls import arm_key
from promptctl.log.records import Drawn
from promptctl.log.stamps import new_id
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, parse_ref

_OFFSET = 0x811C9DC5
_PRIME = 0x01000193


@dataclass(frozen=True, slots=True)
class Assignment:
    """The version that a call of an experiment gets, and the part of its record that names the arm.

    `drawn` is None for a call that takes no part, and `why_not` says why. `key` is what it was drawn by, if it was.
    """

    prompt: PromptAtVersion
    drawn: Drawn | None = None
    key: str | None = None
    why_not: str | None = None


@dataclass(slots=True)
class _Seen:
    """Kept of a workspace from call to call: the warnings given.

    `renamed` are pairs of the id that an experiment names, and of the prompt's id today.
    """

    said: set[str] = field(default_factory=set)
    renamed: set[tuple[str, str]] = field(default_factory=set)


def prepare_drawn(
    context: Context, asked: Asked, inputs: Mapping[str, Any] | None, options: RunOptions, *, is_dry_run: bool = False
) -> list[Call]:
    """Return the call of the arm that a call is drawn into, and its fallbacks, ready to be made."""
    ref = asked if isinstance(asked, str) else str(asked.ref)
    found = assign(context, ref, options, is_dry_run=is_dry_run)
    return prepare_all(context, found.prompt, inputs, options, drawn=found.drawn, is_dry_run=is_dry_run)


def assign(context: Context, ref: str, options: RunOptions, *, is_dry_run: bool = False) -> Assignment:
    """Return what a call gets that names an experiment.

    Raises `ExperimentNotFound`, `ExperimentKeyMissing`, `UsageError` for a ref that is not of the experiment, and what
    resolving the control arm raises. Another arm that cannot be resolved is replaced by the control arm, with a
    warning: the record then has no arm, so that it is not compared.
    """
    check_options(options)
    experiment = _named(experiments_read(context), options.get("experiment") or "")
    asked = parse_ref(ref)
    control = experiment.control.ref[1:]
    _check_prompt(context, experiment, asked)
    if asked.at not in (None, control) and experiment.label is None:
        raise UsageError(
            f"the call names the version @{asked.at}, and the arms of the experiment `{experiment.name}` name theirs",
            hint=f"call {asked.prompt} alone, or say in `only:` of which label the experiment is",
        )
    served = f"{asked.prompt}@{asked.at or control}"
    if experiment.stopped is not None:
        return Assignment(context.prompt(served), why_not=f"it is stopped: {experiment.stopped}")
    if not _takes_part(experiment, asked.at or control, options.get("metadata") or {}):
        return Assignment(context.prompt(served), why_not="the call is not among those of `only:`")
    key = _key(experiment, options)
    if key is None:
        return Assignment(context.prompt(served), Drawn(experiment.name, None, None))
    arm = arm_of(experiment, key)
    if arm is None:
        return Assignment(context.prompt(served), key=key, why_not="the key is outside all shares")
    hashed = arm_key(experiment.name, key)
    try:
        prompt = context.prompt(f"{asked.prompt}{arm.ref}")
    except WorkspaceError as error:
        if arm is experiment.control:
            raise
        words = f"the arm `{arm.name}` of the experiment `{experiment.name}` was replaced by control: {error.message}"
        _say_once(context, words)
        return Assignment(context.prompt(served), Drawn(experiment.name, None, hashed), key)
    if not is_dry_run and _kept(context, prompt, options) == "off":
        words = f"calls of the experiment `{experiment.name}` leave no row in the log, so it learns nothing of them"
        _say_once(context, f"{words}: the log keeps nothing of {prompt.prompt.id}")
    return Assignment(prompt, Drawn(experiment.name, arm.name, hashed), key)


def find_experiment(context: Context, name: str) -> Experiment:
    """Return the experiment of a name, with its prompt's id of today. Raises `ExperimentNotFound`."""
    return of_today(context, _named(experiments_read(context), name))


def experiments_now(context: Context) -> Sequence[Experiment]:
    """Return the experiments of `experiments_read`, with the ids that their prompts have today."""
    return [of_today(context, each) for each in experiments_read(context)]


def of_today(context: Context, experiment: Experiment) -> Experiment:
    """Return an experiment with the id that its prompt has today: it may have been renamed since."""
    with suppress(WorkspaceError):  # whoever resolves an arm of it says why
        return replace(experiment, prompt=context.repository.id_of_today(experiment.prompt))
    return experiment


def _named(experiments: Sequence[Experiment], name: str) -> Experiment:
    found = {each.name: each for each in experiments}
    if name not in found:
        hint = did_you_mean(name, found) or (
            "promptctl experiment list" if found else f"{SETTINGS} has no `experiments`"
        )
        raise ExperimentNotFound(f"no experiment `{printable(name)}`", hint=hint)
    return found[name]


def experiments_read(context: Context) -> Sequence[Experiment]:
    """Return the experiments as `promptctl.yaml` has them now: a running process sees that one was stopped."""
    return context.settings_now.experiments


def _check_prompt(context: Context, experiment: Experiment, asked: Ref) -> None:
    """Raise `UsageError` for a ref of a different prompt; a prompt that was renamed since is the same."""
    known = (experiment.prompt, asked.prompt)
    if asked.prompt == experiment.prompt or known in context.kept(_Seen).renamed:
        return
    today = of_today(context, experiment).prompt
    if asked.prompt != today:
        raise UsageError(
            f"the experiment `{experiment.name}` is of {experiment.prompt}, not of {printable(asked.prompt)}",
            hint=f"call {today}, or leave `experiment` out",
        )
    context.kept(_Seen).renamed.add(known)


def _takes_part(experiment: Experiment, at: str, metadata: Mapping[str, Any]) -> bool:
    return experiment.label in (None, at) and all(
        name in metadata and text_of(metadata[name]) in values for name, values in experiment.metadata.items()
    )


def _key(experiment: Experiment, options: RunOptions) -> str | None:
    """Return what a call is drawn by; None without it, if the experiment lets such calls pass."""
    key = options.get("key")
    if key is None:
        key = new_id() if experiment.key == "call" else options.get(experiment.key)
    if key not in (None, ""):
        return str(key)
    if experiment.key_missing == "control":
        return None
    raise ExperimentKeyMissing(
        f"the experiment `{experiment.name}` needs a key: a {experiment.key} who always gets the same arm",
        hint=f"give `key` or `{experiment.key}`, or set `key_missing: control` in {SETTINGS}",
    )


def _kept(context: Context, found: PromptAtVersion, options: RunOptions) -> str:
    rule = context.settings_now.log_rule(found.prompt.id, *found.prompt.formerly)
    return options.get("log") or rule.kept


def _say_once(context: Context, words: str) -> None:
    said = context.kept(_Seen).said
    if words not in said:
        said.add(words)
        context.warn(words)


def bucket(seed: str, key: str) -> int:
    """Return the bucket of a key, from 0 to 9,999: GrowthBook's hash, version 2, in every language.

    https://docs.growthbook.io/lib/build-your-own#hashing. Characters are hashed by UTF-16 code units, as JavaScript has
    them; for keys of ASCII letters all implementations agree.

    >>> bucket("seed", "a")
    505
    """
    return _fnv1a_32(str(_fnv1a_32(seed + key))) % BUCKETS


def arm_of(experiment: Experiment, key: str) -> Arm | None:
    """Return the arm that a key gets; None if it is outside all shares."""
    found = bucket(experiment.name, key)
    return next((arm for arm in experiment.arms if arm.start <= found < arm.end), None)


def _fnv1a_32(text: str) -> int:
    units = text.encode("utf-16-le", "surrogatepass")
    found = _OFFSET
    for low, high in zip(units[::2], units[1::2], strict=True):
        found = (found ^ (low | high << 8)) * _PRIME & 0xFFFFFFFF
    return found
