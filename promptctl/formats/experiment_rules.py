"""`experiments:` of `promptctl.yaml`: which versions of a prompt are compared on live calls, and what decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptctl.errors import Place, Problem, printable
from promptctl.files.document import Document
from promptctl.files.names import did_you_mean

OutcomeKind = Literal["feedback", "cost", "errors", "latency"]
CONTROL = "control"
"""The arm that the others are compared with, and that a call falls back to."""
MAX_ARMS = 20
BUCKETS = 10_000
"""The number of equal parts that keys are spread over: a share of one percent is 100 of them."""
_RELATIVE = frozenset(("cost", "latency"))
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
_OUTCOMES: Mapping[OutcomeKind, tuple[str, ...]] = {
    "feedback": (),
    "cost": ("mean",),
    "errors": ("rate",),
    "latency": ("mean", "p95"),
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One version that is compared: `ref` is `@production`, `@v7` or `@<revision>` of the experiment's prompt.

    `start` and `end` are the range of buckets whose keys get it.
    """

    name: str
    ref: str
    share: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Primary:
    """The outcome that decides. `of` is the name of a feedback, or `mean`, `rate` or `p95`.

    `minimum` is the smallest difference worth finding: of a score or rate in its own unit (0.03 is 3 points), of cost
    and latency as a share of the control arm's.
    """

    kind: OutcomeKind
    of: str
    direction: Literal["higher", "lower"]
    minimum: float | None = None

    @property
    def is_relative(self) -> bool:
        """True if a difference is a share of the control arm's."""
        return self.kind in _RELATIVE


@dataclass(frozen=True, slots=True)
class Guard:
    """An outcome that must not get worse by more than `limit`.

    That is a share of the control arm's (0.2 for `+20%`), or of `errors` a difference of rates (0.01 for `+1pp`).
    """

    kind: OutcomeKind
    of: str
    limit: float

    @property
    def is_relative(self) -> bool:
        """True if the limit is a share of the control arm's."""
        return self.kind in _RELATIVE


@dataclass(frozen=True, slots=True)
class Ends:
    """The end of a decided experiment: `experiment step` moves the label, or only stops it."""

    then: Literal["promote", "control"]
    when: Literal["decided"] = "decided"


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms of one prompt, what calls are drawn into them by, and what decides between them.

    `key_missing` says what happens to a call without a key. With `window_s` a key's outcome is that of its calls of so
    many seconds, without it that of its first one. `label` and `metadata` are the conditions of `only:`; a value of
    metadata is compared as text. `stopped` is the reason why nobody is drawn any more, None for one that runs.
    """

    name: str
    prompt: str
    arms: tuple[Arm, ...]
    primary: Primary
    key: Literal["user", "session", "call"] = "user"
    key_missing: Literal["refuse", "control"] = "refuse"
    window_s: float | None = None
    label: str | None = None
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    ends: Ends | None = None
    hypothesis: str | None = None
    stopped: str | None = None
    place: Place | None = field(default=None, compare=False)

    @property
    def control(self) -> Arm:
        """The arm that the others are compared with."""
        return next(arm for arm in self.arms if arm.name == CONTROL)


def read_experiments(document: Document, problems: list[Problem]) -> tuple[Experiment, ...]:
    """Return the experiments of a document that has the form of settings; what is wrong is added to `problems`."""
    found = []
    for name, given in document.data["experiments"].items():
        wrong = list(_problems(document, name, given))
        problems += wrong
        if not wrong:
            found.append(_experiment(document, name, given))
    return tuple(found)


def _experiment(document: Document, name: str, given: Mapping[str, Any]) -> Experiment:
    only, stopped = given.get("only", {}), given.get("stopped", False)
    metadata = {key: tuple(map(text_of, _listed(value))) for key, value in only.get("metadata", {}).items()}
    outcome, of = _outcome(given["primary"])
    minimum = given["primary"].get("minimum")
    return Experiment(
        name=name,
        prompt=given["prompt"],
        arms=tuple(_arms(given["arms"])),
        primary=Primary(
            outcome,
            of,
            given["primary"].get("direction", "higher" if outcome == "feedback" else "lower"),
            None if minimum is None else _share(minimum),
        ),
        key=given.get("key", "user"),
        key_missing=given.get("key_missing", "refuse"),
        window_s=_seconds(given["window"]) if "window" in given else None,
        label=only.get("label"),
        metadata=metadata,
        guards=tuple(Guard(*_outcome(guard), _share(guard["at_most"])) for guard in given.get("guards", ())),
        ends=Ends(given["ends"]["then"]) if "ends" in given else None,
        hypothesis=" ".join(given.get("hypothesis", "").split()) or None,
        stopped=(" ".join(stopped.split()) if isinstance(stopped, str) else "stopped") if stopped else None,
        place=document.key_place("experiments", name),
    )


def _arms(given: Mapping[str, Any]) -> Iterator[Arm]:
    """Yield the arms with their ranges: the first begins at the first bucket, and the last ends at the last.

    So nobody moves who need not when the shares of two arms change, and one who left returns to the same arm. Those
    between begin where they would if the shares filled all buckets.
    """
    sizes = {arm: round(_percent(each["share"]) * BUCKETS / 100) for arm, each in given.items()}
    total, before = sum(sizes.values()), 0
    for number, (arm, each) in enumerate(given.items(), start=1):
        size = sizes[arm]
        start = BUCKETS - size if number == len(given) else before * BUCKETS // total
        yield Arm(arm, each["ref"], _percent(each["share"]), start, start + size)
        before += size


def _problems(document: Document, name: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _arm_problems(document, name, given["arms"])
    keys = ("experiments", name)
    yield from _outcome_problems(document, (*keys, "primary"), given["primary"], is_primary=True)
    for index, guard in enumerate(given.get("guards", ())):
        yield from _outcome_problems(document, (*keys, "guards", index), guard, is_primary=False)
    seen = {_named(given["primary"]): "decides the experiment already"}
    for index, guard in enumerate(given.get("guards", ())):
        named = _named(guard)
        if named is not None and named in seen:
            place = document.key_place(*keys, "guards", index)
            message = f"`{named[0]}: {printable(named[1])}` {seen[named]}"
            yield Problem(message, place, "take the guard out, or name a different outcome", "contradiction")
        seen.setdefault(named, "is a guard already")


def _arm_problems(document: Document, name: str, arms: Mapping[str, Any]) -> Iterator[Problem]:
    place = document.key_place("experiments", name, "arms")
    if len(arms) > MAX_ARMS:
        hint = "each takes its part of the keys and of the 5 % of errors: try the best in experiments one after another"
        yield Problem(f"`{name}` has {len(arms):,} arms, more than {MAX_ARMS}", place, hint, "out-of-range")
        return
    if CONTROL not in arms:
        hint = did_you_mean(CONTROL, arms) or f"name the arm that the others are compared with `{CONTROL}`"
        yield Problem(f"`{name}` has no arm `{CONTROL}`", place, hint, "missing-key")
    if len(arms) == 1:
        yield Problem("one arm is compared with nothing", place, "add the arm that is to be tried", "out-of-range")
    for arm, each in arms.items():
        ref, where = each["ref"], document.place("experiments", name, "arms", arm, "ref")
        if not ref.startswith("@") or len(ref) == 1 or "@" in ref[1:]:
            at = ref.rpartition("@")[2]
            hint = f'write "@{printable(at)}"' if at and at != ref else 'write "@production", "@v7" or "@<revision>"'
            message = f"the arm `{arm}` names no version of the prompt: `{printable(ref)}`"
            yield Problem(message, where, hint, "unknown-value")
        if round(_percent(each["share"]) * BUCKETS / 100, 6) % 1:
            where = document.place("experiments", name, "arms", arm, "share")
            yield Problem(
                f"a share of {_percent(each['share']):g} is too fine", where, "two decimals at most", "out-of-range"
            )
    total = round(sum(_percent(each["share"]) for each in arms.values()), 6)
    if total > 100:
        hint = "shares are percent of the keys: together 100, or fewer to leave some out"
        yield Problem(f"the shares add up to {total:g}", place, hint, "out-of-range")
    elif total <= 1:
        percents = ", ".join(format(_percent(each["share"]) * 100, "g") for each in arms.values())
        hint = f"they are percent: write {percents}"
        yield Problem(f"the shares add up to {total:g} percent of the keys", place, hint, "out-of-range")


def _outcome_problems(
    document: Document, keys: tuple[str | int, ...], given: Mapping[str, Any], *, is_primary: bool
) -> Iterator[Problem]:
    place, named = document.place(*keys), [each for each in _OUTCOMES if each in given]
    if is_primary and not named:
        yield Problem("`primary` names no outcome", place, "write `feedback: NAME`, `cost: mean` …", "missing-key")
    if not is_primary and not named:
        yield Problem("a guard is of cost, errors or latency", place, "write `cost: mean` …", "missing-key")
    if len(named) > 1:
        message = f"`{'` and `'.join(named)}` are two outcomes"
        hint = "one decides; the others are `guards`" if is_primary else "write two guards"
        yield Problem(message, document.key_place(*keys, named[1]), hint, "contradiction")
    elif named:
        yield from _amount_problems(document, keys, given, named[0], is_primary=is_primary)


def _amount_problems(
    document: Document, keys: tuple[str | int, ...], given: Mapping[str, Any], kind: OutcomeKind, *, is_primary: bool
) -> Iterator[Problem]:
    known = _OUTCOMES[kind]
    if known and given[kind] not in known:
        hint = did_you_mean(given[kind], known) or f"write `{kind}: {'` or `'.join(known)}`"
        message = f"`{kind}` is judged by {' or '.join(known)}, not by `{printable(given[kind])}`"
        yield Problem(message, document.place(*keys, kind), hint, "unknown-value")
    if is_primary and kind != "feedback" and given.get("direction") == "higher":
        hint = "leave `direction` out"
        message = f"more {'cost' if kind == 'cost' else kind} cannot be the aim"
        yield Problem(message, document.place(*keys, "direction"), hint, "contradiction")
    key, points = ("minimum" if is_primary else "at_most"), kind in ("feedback", "errors")
    amount = given.get(key)
    if isinstance(amount, str) and amount.endswith("pp") != points:
        written = amount.strip("+p%")
        unit = "points" if points else "a share of the control arm's"
        hint = f"write {written}{'pp' if points else '%'}"
        yield Problem(f"`{key}` of {kind} is {unit}", document.place(*keys, key), hint, "unknown-value")


def _outcome(given: Mapping[str, Any]) -> tuple[OutcomeKind, str]:
    return next((outcome, given[outcome]) for outcome in _OUTCOMES if outcome in given)


def _named(given: Mapping[str, Any]) -> tuple[OutcomeKind, str] | None:
    """Return the outcome that is named; None for none, or more than one."""
    named = [each for each in _OUTCOMES if each in given]
    return _outcome(given) if len(named) == 1 else None


def _share(amount: float | str) -> float:
    return float(amount.rstrip("p%")) / 100 if isinstance(amount, str) else amount


def _percent(share: float | str) -> float:
    return float(share.rstrip("%")) if isinstance(share, str) else share


def _seconds(window: str) -> float:
    return 3600.0 * int(window[:-1]) * _HOURS[window[-1]]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text_of(value: object) -> str:
    """Return a value of metadata as text that is compared: `true` for True."""
    return str(value).lower() if isinstance(value, bool) else str(value)
