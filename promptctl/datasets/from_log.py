"""Makes cases of a dataset out of the calls that people scored worst, with their corrections as what is expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.datasets.adding import CaseFile, case_name, case_of
from promptctl.errors import WorkspaceError
from promptctl.files.plain import canonical_json
from promptctl.log.feedback import as_expected, parse_condition
from promptctl.log.filter import Filter
from promptctl.log.records import Execution
from promptctl.log.redaction import REDACTED
from promptctl.log.store import Store
from promptctl.prompts.prompt import MISSING, SENSITIVE_MARKS


@dataclass(frozen=True, slots=True)
class ScoredCase:
    """A scored call: the case that it became, or why it became none, as `left_out`; `score` is its worst."""

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
    """Scored calls that became cases of the file at `path`, and those that did not, the worst first.

    `further` is the number of calls that were not looked at, as there were enough cases.
    """

    path: str
    calls: tuple[ScoredCase, ...]
    further: int

    @property
    def added(self) -> tuple[ScoredCase, ...]:
        """Calls that became cases."""
        return tuple(each for each in self.calls if each.left_out is None)

    @property
    def left_out(self) -> tuple[ScoredCase, ...]:
        """Calls that did not."""
        return tuple(each for each in self.calls if each.left_out is not None)


def cases_from_log(
    file: CaseFile, log: Store, wanted: Filter, *, limit: int, tags: Sequence[str] = (), is_dry_run: bool = False
) -> CasesFromLog:
    """Append at most `limit` cases, made of the worst of the calls that the filter's condition on feedback means.

    What a call was given and what people corrected comes out of the log, so without secrets. Raises `WorkspaceError` if
    the file cannot take cases; then nothing is written.
    """
    calls = _worst_first(log, wanted)
    taken = _Taken(file, tags)
    looked_at: list[ScoredCase] = []
    for score, id_ in calls:
        if len(taken.entries) == limit:
            break
        looked_at.append(taken.look_at(log.execution(id_), score, wanted))
    if taken.entries and not is_dry_run:
        file.write(taken.entries, taken.prompt)
    return CasesFromLog(file.path, tuple(looked_at), len(calls) - len(looked_at))


class _Taken:
    """The cases taken so far, and what the file has already."""

    def __init__(self, file: CaseFile, tags: Sequence[str]) -> None:
        self._file, self._tags = file, tags
        self.entries: list[dict[str, Any]] = []
        self.prompt = ""
        self._ids: set[str] = set()
        self._case_of_inputs: dict[str, str] = {}
        for case in file.cases():
            self._ids.add(case.id)
            self._case_of_inputs.setdefault(canonical_json(dict(case.inputs)), case.id)

    def look_at(self, found: Execution, score: float | None, wanted: Filter) -> ScoredCase:
        """Take a call as a case, if it can be one."""
        prompt = wanted.current_id(found.prompt)
        correction = next((each.expected for each in reversed(found.feedback) if each.expected is not None), None)
        entry = case_of(
            found, case_name(found.id), self._tags, MISSING if correction is None else as_expected(correction)
        )
        why = self._reason_against(found, entry, prompt)
        if why is not None:
            return ScoredCase(found.id, score, left_out=why)
        self.entries.append(entry)
        self.prompt = self.prompt or prompt
        self._ids.add(entry["id"])
        self._case_of_inputs[canonical_json(entry["inputs"])] = entry["id"]
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
        try:
            self._file.check(entry, prompt)
        except WorkspaceError as error:
            if "expected" not in entry and "nothing decides" in error.message:
                return "nobody said what was expected, and the dataset has no assertion by default"
            return error.message
        return None


def _worst_first(log: Store, wanted: Filter) -> list[tuple[float | None, str]]:
    """Return the score and the last attempt's id of each call that the filter means."""
    name = parse_condition(wanted.feedback or "").name
    last: dict[str, tuple[int, float | None, str]] = {}
    for found in log.executions(replace(wanted, limit=None)):
        scores = found.scores
        score = scores.get(name) if name else min(scores.values(), default=None)
        if found.call_id not in last or found.attempt > last[found.call_id][0]:
            last[found.call_id] = found.attempt, score, found.id
    return sorted(((score, id_) for _, score, id_ in last.values()), key=lambda each: (each[0] is None, *each))
