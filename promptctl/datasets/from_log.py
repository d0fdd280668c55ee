"""Makes cases of a dataset out of logged calls: the worst by their scores, a random sample, or what is new in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from promptctl.datasets.adding import CaseFile, case_name, case_of
from promptctl.datasets.likeness import Known
from promptctl.datasets.selection import drawn_rank
from promptctl.errors import UsageError, WorkspaceError
from promptctl.files.names import did_you_mean
from promptctl.files.plain import canonical_json
from promptctl.files.proposal import Proposal
from promptctl.log.feedback import as_expected, parse_condition
from promptctl.log.filter import Filter
from promptctl.log.records import Execution
from promptctl.log.redaction import REDACTED
from promptctl.log.store import Store
from promptctl.prompts.prompt import MISSING, SENSITIVE_MARKS, Prompt

Order = Literal["worst", "random", "newest", "longest", "shortest", "novel"]
ORDERS: tuple[Order, ...] = get_args(Order)
# Calls and cases that are compared for the order `novel`, each a random sample.
_MOST_COMPARED = 500
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class ScoredCase:
    """A logged call: the case that it becomes, or why it becomes none, as `left_out`; `score` is its worst, if any."""

    execution: str
    score: float | None
    case_id: str | None = None
    left_out: str | None = None
    is_redacted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {"execution": self.execution, "score": self.score, "case": self.case_id, "left_out": self.left_out}


@dataclass(frozen=True, slots=True)
class CasesFromLog:
    """Logged calls that become cases of the file at `path`, and those that do not, in their order; nothing is written.

    `further` is the number of calls that were not looked at, as there were enough cases.
    """

    path: str
    calls: tuple[ScoredCase, ...]
    further: int
    proposal: Proposal

    @property
    def added(self) -> tuple[ScoredCase, ...]:
        """Calls that become cases."""
        return tuple(each for each in self.calls if each.left_out is None)

    @property
    def left_out(self) -> tuple[ScoredCase, ...]:
        """Calls that do not."""
        return tuple(each for each in self.calls if each.left_out is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSample:
    """A choice among the logged calls: at most `limit` in this order, `seed` draws what is random.

    Without an order it is the worst if the filter has a condition on feedback, else random. If it `expects_reply`, what
    was answered is expected where nobody corrected it.
    """

    limit: int = 20
    order: Order | None = None
    seed: int = 0
    tags: Sequence[str] = ()
    expects_reply: bool = False


def cases_from_log(
    file: CaseFile, log: Store, wanted: Filter, sample: CaseSample, load: Callable[[str], Prompt]
) -> CasesFromLog:
    """Return cases made of the calls that the filter means, and the change that appends them.

    What a call was given, its reply and what people corrected come out of the log, so without secrets. Raises
    `UsageError` for an order that there is not, or of the worst without a condition on feedback, and `WorkspaceError`
    if the file cannot take cases.
    """
    order = sample.order or ("random" if wanted.feedback is None else "worst")
    if order not in ORDERS:
        raise UsageError(
            f"there is no order `{order}`", hint=did_you_mean(order, ORDERS) or f"the orders are {', '.join(ORDERS)}"
        )
    if order == "worst" and wanted.feedback is None:
        raise UsageError("say which scores are bad: a condition on feedback", hint='--feedback "<0.5"')
    taken = _Taken(file, sample, load)
    calls = _in_order(log, file, wanted, order, sample)
    looked_at: list[ScoredCase] = []
    for score, id_ in calls:
        if len(taken.entries) == sample.limit:
            break
        looked_at.append(taken.look_at(log.execution(id_), score, wanted))
    changes = (file.change(taken.entries, taken.prompt),) if taken.entries else ()
    return CasesFromLog(file.path, tuple(looked_at), len(calls) - len(looked_at), Proposal(changes))


class _Taken:
    """The cases taken so far, and what the file has already."""

    def __init__(self, file: CaseFile, sample: CaseSample, load: Callable[[str], Prompt]) -> None:
        self._file, self._sample, self._load = file, sample, load
        self.entries: list[dict[str, Any]] = []
        self.prompt = ""
        self._ids: list[str] = []
        self._known: Known | None = None
        self._case_of_inputs: dict[str, str] = {}
        self._prompts: dict[str, Prompt | None] = {}
        for case in file.cases():
            self._ids.append(case.id)
            self._case_of_inputs.setdefault(canonical_json(dict(case.inputs)), case.id)

    def look_at(self, found: Execution, score: float | None, wanted: Filter) -> ScoredCase:
        """Take a call as a case, if it can be one."""
        prompt = wanted.current_id(found.prompt)
        correction = next((each.expected for each in reversed(found.feedback) if each.expected is not None), None)
        if correction is None and self._sample.expects_reply and found.status == "ok":
            correction = found.reply
        expected = MISSING if correction is None else as_expected(correction)
        entry = case_of(found, case_name(found.id), self._sample.tags, expected)
        why = self._reason_against(found, entry, prompt)
        if why is not None:
            return ScoredCase(found.id, score, left_out=why)
        self.entries.append(entry)
        self.prompt = self.prompt or prompt
        self._ids.append(entry["id"])
        self._case_of_inputs[canonical_json(entry["inputs"])] = entry["id"]
        if self._known is not None:
            self._known.add(self._bare(entry["inputs"], prompt))
        return ScoredCase(found.id, score, case_id=entry["id"], is_redacted=REDACTED in json.dumps(entry))

    def _reason_against(self, found: Execution, entry: dict[str, Any], prompt: str) -> str | None:
        if found.inputs is None:
            return (
                "its inputs were pruned"
                if found.kept_content == "pruned"
                else "the log kept no inputs: its rule is not `content: full`"
            )
        if any(mark in json.dumps(entry) for mark in SENSITIVE_MARKS):
            return "the log never had its sensitive inputs"
        if entry["id"] in self._ids:
            return "it is a case already"
        if (same := self._case_of_inputs.get(canonical_json(entry["inputs"]))) is not None:
            return f"case {same} has the same inputs"
        if self._known is None:
            self._known = Known(self._bare(case.inputs, prompt) for case in self._file.cases())
        if (at := self._known.like(self._bare(entry["inputs"], prompt))) is not None:
            return f"it is like case {self._ids[at]}"
        try:
            self._file.check(entry, prompt)
        except WorkspaceError as error:
            if "expected" not in entry and "nothing decides" in error.message:
                return "nobody said what was expected, and the dataset has no assertion by default"
            return error.message
        return None

    def _bare(self, inputs: Mapping[str, Any], prompt: str) -> Mapping[str, Any]:
        """Return the inputs without those that have their default: a call in the log has all of them."""
        if prompt not in self._prompts:
            self._prompts[prompt] = None
            with suppress(WorkspaceError):
                self._prompts[prompt] = self._load(prompt)
        loaded = self._prompts[prompt]
        return inputs if loaded is None else self._file.bare(inputs, loaded)


def _in_order(
    log: Store, file: CaseFile, wanted: Filter, order: Order, sample: CaseSample
) -> list[tuple[float | None, str]]:
    """Return the score and the last attempt's id of each call that the filter means."""
    name = parse_condition(wanted.feedback).name if wanted.feedback else None
    is_by_length = order in ("longest", "shortest")
    last: dict[str, tuple[int, float | None, str, int]] = {}
    for found in log.executions(replace(wanted, limit=None), with_content=is_by_length):
        scores = found.scores
        score = scores.get(name) if name else min(scores.values(), default=None)
        if found.call_id not in last or found.attempt > last[found.call_id][0]:
            length = len(json.dumps(dict(found.inputs or {}), ensure_ascii=False)) if is_by_length else 0
            last[found.call_id] = found.attempt, score, found.id, length
    calls = [(call_id, *each[1:]) for call_id, each in last.items()]
    if order == "worst":
        calls.sort(key=lambda each: (each[1] is None, each[1] or 0, each[2]))
    elif is_by_length:
        sign = -1 if order == "longest" else 1
        calls.sort(key=lambda each: (sign * each[3], each[2]))
    elif order in ("random", "novel"):
        calls.sort(key=lambda each: drawn_rank(sample.seed, each[0]))
    made = [(score, id_) for _, score, id_, _ in calls]
    return _novel(log, file, made, sample) if order == "novel" else made


def _novel(
    log: Store, file: CaseFile, calls: list[tuple[float | None, str]], sample: CaseSample
) -> list[tuple[float | None, str]]:
    """Return the calls with those first whose words are least like those of the cases and of the calls before them."""
    words = {id_: _words(log.execution(id_).inputs) for _, id_ in calls[:_MOST_COMPARED]}
    cases = sorted(file.cases(), key=lambda case: drawn_rank(sample.seed, case.id))[:_MOST_COMPARED]
    there = [_words(case.inputs) for case in cases]
    near = {id_: max((_shared(own, each) for each in there), default=0.0) for id_, own in words.items()}
    left = {id_: score for score, id_ in calls[:_MOST_COMPARED]}
    first: list[tuple[float | None, str]] = []
    while left and len(first) < 2 * sample.limit:
        id_ = min(left, key=near.__getitem__)
        first.append((left.pop(id_), id_))
        for other in left:
            near[other] = max(near[other], _shared(words[other], words[id_]))
    rest = [(score, id_) for id_, score in left.items()]
    return [*first, *rest, *calls[_MOST_COMPARED:]]


def _words(inputs: Mapping[str, Any] | None) -> frozenset[str]:
    return frozenset(_WORD.findall(json.dumps(dict(inputs or {}), ensure_ascii=False).casefold()))


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two texts have in common, of all their words."""
    return len(one & other) / (len(one | other) or 1)
