"""Rows of evaluations and of their results as plain records; most commands never load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, TypedDict

ResultStatus = Literal["passed", "failed", "error"]
Replies = Literal["ask", "cache", "record", "refresh", "replay"]
"""Source of replies: the model; the cache first; the same, and recorded; the model, and recorded; recordings alone."""
Side = Literal["alone", "base", "head", "rerun", "trial", "calibration"]
_PARTIAL = ("rerun", "trial", "calibration")
_WORK = (
    "dataset_digest", "dataset_beside", "ids", "tags", "sample", "seed", "first", "split", "shard", "left_out",
    "code_left_out", "repeats", "passes_needed", "parameters", "judge", "judge_model", "judge_parameters", "server",
)  # fmt: skip
OF_JUDGES = ("judges", "uncalibrated")
"""The names of rules that are of judges; the others are of the model that answers."""
_UNKNOWN = ("server", "judge_model", "rules", *OF_JUDGES)  # of a spec that `is_without_server`
StopReason = Literal["interrupted", "fail-fast", "max-cost", "budget", "refused", "log", "decided"]
"""What ended an evaluation early; `decided` is what was asked for with `until`."""
STOPPED: Mapping[StopReason, str] = {
    "interrupted": "interrupted",
    "fail-fast": "stopped at the first case that did not pass",
    "max-cost": "stopped at the limit on the cost",
    "budget": "stopped since a budget admits no more",
    "refused": "stopped when the key, the account or the model was refused",
    "log": "stopped since the log cannot be written",
    "decided": "stopped as soon as it was decided",
}
"""The same in words."""
UntilKind = Literal["decided", "sequential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSpec:
    """Everything that it takes to do an evaluation again, beside the prompt's version and the model.

    `ref` is the prompt's ref as it was asked for; `group` is shared by the evaluations of one command. `dataset_beside`
    is a hash of what its cases ask beside their content (recorded replies, `must_pass`, a strict `xfail`), empty for
    nothing, None of a spec that an earlier version of the program wrote. `cases` is the number of selected cases.
    `ids`, `tags`, `sample`, `seed`, `first` and `split` (a part, with seed and digest of its draw) are the selection;
    `ids` None means any. At least `at_least` of `repeats` replies must pass for a case to pass (all if it is None).
    `judge` is the model asked for with `--judge`, `judge_model` the one that judges without a model of their own asked,
    None without judges; `judge_parameters` are those of `--judge-param`. `side` is the part it plays in a comparison; a
    `rerun` asks flipped cases again, a `trial` is of a candidate that a command tries on some of the cases, and a
    `calibration` grades replies that people labelled. `left_out` are cases whose inputs a base cannot take. With
    `drops_unknown_inputs`, inputs that the prompt does not declare are left out of a case. `shard` is (i, n): the i-th
    of n parts of the cases. `comparison` is equal for comparisons of the same content; one begun `afresh` sets the
    answers of earlier ones aside. With `until` it ends once it is decided: by no answer still to come, or as its cases
    are looked at one after another. `server` is a digest that tells apart servers that answer to the same model's id,
    None for the provider's own. `rules` are those of `promptctl.yaml` that change what is graded, by name, with a
    digest for those of its judges; only what is set. `calibrations` are those of its judges by their keys: what is
    known of their agreement with people. `code_left_out` says how many assertions were left out as they run code, and
    where; empty for none. `look` is of a candidate that is judged on held-out cases: comparisons with the same one are
    one look at these. `max_cost_nano_usd` bounds what the evaluations of its `group` may cost together, however often
    they are taken up again. Of a spec that an earlier version of the program wrote, `is_without_server` says that
    server, rules and judging model are unknown.
    """

    ref: str = ""
    group: str | None = None
    dataset: str = ""
    dataset_digest: str | None = None
    dataset_beside: str | None = ""
    cases: int = 0
    ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    first: int | None = None
    split: Mapping[str, Any] | None = None
    repeats: int = 1
    at_least: int | None = None
    min_pass: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    judge_model: str | None = None
    judge_parameters: Mapping[str, Any] = field(default_factory=dict)
    replies: Replies = "cache"
    side: Side = "alone"
    drops_unknown_inputs: bool = False
    left_out: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None
    comparison: str | None = None
    afresh: bool = False
    until: UntilKind | None = None
    server: str | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    calibrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    code_left_out: str = ""
    look: str = ""
    max_cost_nano_usd: int | None = None
    is_without_server: bool = field(default=False, compare=False)

    @property
    def is_whole(self) -> bool:
        """True if it covers every case of its dataset, and every assertion."""
        is_selected = self.ids is not None or self.tags or self.sample is not None or self.first is not None
        is_selected = is_selected or self.split is not None
        return not (is_selected or self.side in _PARTIAL or self.left_out or self.shard or self.code_left_out)

    @property
    def is_part_of_comparison(self) -> bool:
        """True for the base of a comparison and for what is no evaluation by itself: reruns, trials, calibrations."""
        return self.side == "base" or self.side in _PARTIAL

    @property
    def needs_its_comparison(self) -> bool:
        """True if it can go on only beside the other side: by itself no gate judges it."""
        return self.is_part_of_comparison or self.side == "head"

    @property
    def passes_needed(self) -> int:
        """The number of a case's repeats that must pass for the case to pass."""
        return self.at_least or self.repeats

    @property
    def work(self) -> dict[str, Any]:
        """The work by name: all that is asked of a prompt, and how it is graded; not its version, nor the model.

        The source of replies counts only if it is recordings. `rules` are those of the model that answers.
        """
        work = {name: getattr(self, name) for name in _WORK}
        of_model = {name: rule for name, rule in self.rules.items() if name not in OF_JUDGES}
        of_judges = {name: self.rules.get(name) for name in OF_JUDGES}
        return work | of_judges | {"rules": of_model, "recordings": self.replies == "replay"}

    def is_same_work(self, other: EvaluationSpec) -> bool:
        """Return True if both ask the same of a prompt, so that the results of one stand for the other.

        A rerun is the same as nothing: it was asked for to be fresh.
        """
        return {self.side, other.side}.isdisjoint(("rerun", "calibration")) and not self._differing(other)

    def unlike(self, other: EvaluationSpec) -> set[str]:
        """Return the names of the work in which they are known to differ."""
        return self._differing(other).difference(_UNKNOWN if self.is_without_server or other.is_without_server else ())

    def _differing(self, other: EvaluationSpec) -> set[str]:
        own, others = self.work, other.work
        if None in (self.dataset_beside, other.dataset_beside):
            del own["dataset_beside"]
        return {name for name in own if own[name] != others[name]}

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that the log keeps."""
        kept = _as_json(self)
        del kept["is_without_server"]
        return kept

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote, or what earlier versions of the program did."""
        known = _known(cls, data)
        known.setdefault("dataset_beside", None)
        known["is_without_server"] = not {"server", "rules", "judge_model"} <= data.keys()
        known["left_out"] = tuple(data.get("left_out_ids") or _texts(data.get("left_out")))
        if "replies" not in data:
            known["replies"] = _earlier_replies(data)
        if "side" not in data:
            known["side"] = "rerun" if "rerun_of" in data else "base" if data.get("drops_unknown_inputs") else "alone"
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """An evaluation in numbers, over cases whose repeats are reduced first. All zero and None until it is counted.

    `low` and `high` are the 95 % Wilson interval of `pass_rate`, a share of all cases. Costs are nano-USD: `cost` is
    what was spent, `full_cost` what the replies cost when they were paid for (None if unknown of one), `unpriced` the
    number of results and open cases whose cost is unknown; `open_cost` and `open_unpriced` are the part of cases that a
    limit left without a result. `max_cost` bounds what the evaluations of its `group` may cost together, if a resume
    gave them another bound than their specs have. `requests_saved` were never asked since it was decided. `xfailed` and
    `xpassed` cases are expected to fail, and did or did not: they count nowhere else. `pass_at_k` and `pass_hat_k` are
    the shares of cases of which at least one and all of K repeats passed. `by_tag` and `by_assertion` have counts by
    name; `judges` are the models that judged, `judged` their rates: raw, corrected by their calibrations, and why they
    decide nothing. Lists of case ids are cut after 1,000.
    """

    cases: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    pass_rate: float | None = None
    low: float | None = None
    high: float | None = None
    expected_cases: int = 0
    never_run: int = 0
    repeats: int = 1
    at_least: int | None = None
    pass_at_k: float | None = None
    pass_hat_k: float | None = None
    score: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    by_tag: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_assertion: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judges: Sequence[str] = ()
    judged: Sequence[Mapping[str, Any]] = ()
    cost_nano_usd: int = 0
    full_cost_nano_usd: int | None = None
    unpriced: int = 0
    open_cost_nano_usd: int = 0
    open_unpriced: int = 0
    max_cost_nano_usd: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    p50_latency_ms: float | None = None
    p95_latency_ms: float | None = None
    reply_sources: Mapping[str, int] = field(default_factory=dict)
    error_types: Mapping[str, int] = field(default_factory=dict)
    failing: Sequence[str] = ()
    errored: Sequence[str] = ()
    flaky: Sequence[str] = ()
    must_pass_failed: Sequence[str] = ()
    xfailed: Sequence[str] = ()
    xpassed: Sequence[str] = ()
    verdict: str | None = None
    reason: str | None = None
    requests_saved: int = 0
    stopped: StopReason | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that the log keeps, with a key for each field."""
        return _as_json(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(**_known(cls, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDetail:
    """The grading of a reply. `assertions` are JSON objects, one for each assertion, as they were graded.

    `metrics` are mean scores by the names that assertions give. `tokens` are (input, output), each None if unknown.
    `full_cost_nano_usd` is what the reply cost when it was paid for, `has_call` False if no model was called;
    `judge_cost_nano_usd` is what judging it cost. `xfail` is why the case is expected to fail. `cluster` names the
    group of cases that stand or fall together.
    `inputs` and `expected` are the case's, very long texts cut; empty and None in older logs.
    """

    reason: str = ""
    assertions: Sequence[Mapping[str, Any]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Sequence[str] = ()
    must_pass: bool = False
    xfail: str | None = None
    is_xfail_strict: bool = False
    cluster: str | None = None
    tokens: tuple[int | None, int | None] = (None, None)
    full_cost_nano_usd: int | None = None
    has_call: bool = False
    judge_cost_nano_usd: int | None = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Any = None

    @property
    def failed_assertions(self) -> list[Mapping[str, Any]]:
        """The assertions that did not pass, as they were graded."""
        return [graded for graded in self.assertions if graded.get("passed") is not True]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that the log keeps."""
        data = _as_json(self)
        if not data.pop("has_call"):
            del data["full_cost_nano_usd"], data["tokens"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote, or what earlier versions of the program did."""
        known = _known(cls, data)
        return cls(**{**known, "has_call": "full_cost_nano_usd" in data})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """One evaluation: one prompt version over one selection of cases. `status` is `running` until it is finished."""

    id: str
    started_at: str
    prompt: str
    digest: str
    model: str
    status: str = "running"
    finished_at: str | None = None
    version: int | None = None
    version_display: str | None = None
    commit: str | None = None
    is_dirty: bool = False
    label: str | None = None
    spec: EvaluationSpec = field(default_factory=EvaluationSpec)
    totals: Totals = field(default_factory=Totals)
    tool_version: str = ""

    @property
    def group(self) -> str:
        """The id that the evaluations of one command share."""
        return self.spec.group or self.id

    @property
    def is_conclusive(self) -> bool:
        """True if its verdict is that of all its cases: each was run, or it failed whatever those left came to."""
        return self.status == "finished" or (self.totals.stopped == "decided" and self.totals.verdict == "failed")


class EvaluationQuery(TypedDict, total=False):
    """A choice of evaluations; all that is given must hold.

    `prompt` is an id or a glob, `group` the id that the evaluations of one command share. With `has_gaps` only those
    that are not finished, or of which a case ended in an error; with a `dataset`, its path, those of it; with `before`,
    an evaluation's id, those that come after it in the list. `verdict` is that of the cases. `limit` keeps the newest.
    """

    prompt: str | None
    digest: str | None
    status: str | None
    verdict: str | None
    group: str | None
    has_gaps: bool
    dataset: str | None
    before: str | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One case of an evaluation at one repeat; the log holds each (evaluation, case, repeat) once.

    `position` is the case's place in its dataset, `case_digest` the hash of its content, `detail` how it was graded,
    `score` the assertions' weighted mean, `output` the reply that was graded, kept whatever the log rules say.
    `cost_nano_usd` is None if the price is unknown. `execution_id` is the execution graded, if one was logged.
    """

    evaluation_id: str
    case_id: str
    status: ResultStatus
    repeat: int = 1
    position: int = 0
    case_digest: str | None = None
    finished_at: str | None = None
    score: float | None = None
    detail: ResultDetail = field(default_factory=ResultDetail)
    output: str | None = None
    reply_source: str | None = None
    cost_nano_usd: int | None = None
    latency_ms: float | None = None
    execution_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None


def _as_json(record: EvaluationSpec | Totals | ResultDetail) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _known(kind: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields that a record has; a later version of the program may have written more."""
    known = {each.name: data[each.name] for each in fields(kind) if each.name in data}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}


def _texts(value: Any) -> Sequence[str]:
    return value if isinstance(value, list | tuple) else ()


def _earlier_replies(data: Mapping[str, Any]) -> Replies:
    if data.get("is_replayed"):
        return "replay"
    if data.get("is_recorded"):
        return "record" if data.get("is_cached", True) else "refresh"
    return "cache" if data.get("is_cached", True) else "ask"
