"""Flipped cases by how sure they are, and the assertions that flipped, with the part of the reply they look at."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.comparisons.compared import Compared
from promptctl.evaluations.outcomes import CaseOutcome, CasePair
from promptctl.reports.wording import alike_until, as_text, assertion_name

_LONGEST_DIFF, _CONTEXT = 4000, 2
Certainty = Literal["confirmed", "likely", "partly", "noise"]
"""Held in every fresh pair; not asked again, or not to the end; held in most fresh pairs; did not hold."""


@dataclass(frozen=True, slots=True)
class FlippedAssertion:
    """An assertion that only one side meets, with the reason of the side that fails.

    `before` and `after` are the part of each side's reply that it looks at. `note` says what a judge thought of the
    side that it let pass.
    """

    name: str
    reason: str
    before: str
    after: str
    note: str | None = None


def certainty_of(found: Compared, case_id: str) -> Certainty:
    """Return how sure the flip of a case is."""
    held = found.verdict.confirmed
    if case_id in held.regressions or case_id in held.improvements:
        return "confirmed"
    pairs = next((run.pairs for run in found.reruns if run.case_id == case_id), [])
    way = -1 if any(pair.case_id == case_id for pair in found.comparison.regressed) else 1
    if all(each == way for each in pairs):
        return "likely"
    return "partly" if 2 * way * sum(pairs) > len(pairs) else "noise"


def of_fresh_replies(found: Compared, case_id: str) -> str:
    """Return how a flipped case did on fresh replies: `of fresh replies 3 of 5 passed before, 2 of 5 after`."""
    run = next((run for run in found.reruns if run.case_id == case_id), None)
    if run is None or not (run.base and run.head):
        return "not asked again"
    before, after = (f"{statuses.count('passed')} of {len(statuses)}" for statuses in (run.base, run.head))
    return f"of fresh replies {before} passed before, {after} after"


def grouped(found: Compared, pairs: Sequence[CasePair]) -> Iterator[tuple[Certainty, list[CasePair]]]:
    """Yield the flipped cases in groups, the surest first, without empty ones."""
    kinds: tuple[Certainty, ...] = ("confirmed", "likely", "partly", "noise")
    for kind in kinds:
        group = [pair for pair in pairs if certainty_of(found, pair.case_id) == kind]
        if group:
            yield kind, group


def flipped_assertions(pair: CasePair) -> list[FlippedAssertion]:
    """Return what flipped in a case; if no assertion did, such as where a reply is no valid output, the whole reply."""
    before, after = (side.row.detail.assertions if side.row else () for side in (pair.base, pair.head))
    found = [_flipped(*both, pair) for both in _differing(before, after)] if len(before) == len(after) else []
    if found:
        return found
    failing = pair.head if pair.head.status == "failed" else pair.base
    reason = failing.row.detail.reason if failing.row else ""
    return [FlippedAssertion("reply", reason, as_text(pair.base.output or ""), as_text(pair.head.output or ""))]


def _differing(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the assertions that one side alone meets, of sets the ones within."""
    for old, new in zip(before, after, strict=True):
        if old.get("passed") == new.get("passed"):
            continue
        inner = [*_differing(*parts)] if len((parts := _parts(old, new))[0]) == len(parts[1]) else []
        yield from inner or [(old, new)]


def _parts(*both: Mapping[str, Any]) -> list[Sequence[Mapping[str, Any]]]:
    return [each.get("parts") or () for each in both]


def _flipped(old: Mapping[str, Any], new: Mapping[str, Any], pair: CasePair) -> FlippedAssertion:
    failing, passing = (new, old) if old.get("passed") else (old, new)
    before, after = _part(old, pair.base), _part(new, pair.head)
    note = None
    if failing.get("judge") or passing.get("judge"):
        when = "before" if passing is old else "now"
        changed = "the same reply, and the judge changed its mind" if before == after else "the judge"
        note = f"{changed}; {when} it said: {passing.get('reason')}"
    name = assertion_name(failing)
    return FlippedAssertion(name, str(failing.get("reason") or ""), before, after, note)


def _part(graded: Mapping[str, Any], side: CaseOutcome) -> str:
    """Return the part of the reply that an assertion looked at; the whole reply if it did not say."""
    return as_text(graded["got"] if graded.get("got") is not None else side.output or "")


def line_diff(base: str, head: str) -> str:
    """Return a unified diff without its header; `(equal)` if there is no difference.

    Of very long texts the part is compared that begins a little before the first difference.
    """
    if base == head:
        return "(equal)\n" + _cut(head)
    if max(len(base), len(head)) > _LONGEST_DIFF:
        start = max(0, base.rfind("\n", 0, max(0, alike_until(base, head) - _LONGEST_DIFF // 4)) + 1)
        base, head = ("…\n" * (start > 0) + _cut(text[start:]) for text in (base, head))
    lines = difflib.unified_diff(base.splitlines(), head.splitlines(), lineterm="", n=_CONTEXT)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_DIFF else text[:_LONGEST_DIFF] + "\n… (cut)"
