"""Comparisons over cases that whoever wrote head has edited: such a case can show a loss, and no gain by itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, compare_outcomes
from promptctl.comparisons.gates import Decision, strictest
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import CHECK_FAILED, OK
from promptctl.files.wording import count, name_some


def beside_edited(found: Compared, edited: Collection[str]) -> Compared:
    """Return a comparison that names the edited cases, and is not better for what they alone gained.

    It is worse if of the others more are confirmed to have regressed than to have improved. Confirmed ones are sure
    case by case, so that to look at some of them alone finds no more false ones.
    """
    comparison, verdict = found.comparison, found.verdict
    pairs = [*comparison.regressed, *comparison.improved, *comparison.unchanged]
    own = tuple(pair.case_id for pair in (*pairs, *comparison.errors) if pair.case_id in edited)
    if not own:
        return found
    found = replace(found, edited=own)
    rest = [pair for pair in pairs if pair.case_id not in edited]
    lost = [id_ for id_ in verdict.confirmed.regressions if id_ not in edited]
    gained = [id_ for id_ in verdict.confirmed.improvements if id_ not in edited]
    if PASSED in found.rule.judged and len(lost) - len(gained) > found.rule.min_effect * len(rest):
        if verdict.kind == "worse":
            return found
        told = f"Worse: of {count(len(rest), 'case')} that HEAD did not edit {len(lost)} regressed every time"
        return _judged(found, replace(verdict, kind="worse", reason=f"{told}: {name_some(lost)}."))
    if verdict.kind != "better" or len(gained) > len(lost):
        return found
    others = compare_outcomes(
        [pair.base for pair in rest], [pair.head for pair in rest], procedure=comparison.procedure
    )
    if rest and judge(others, found.rule).kind == "better":
        return found
    told = f"Inconclusive: HEAD edited {len(own)} of {count(len(pairs) + len(comparison.errors), 'compared case')}"
    beside = ", and the others show nothing better" if rest else ""
    return _judged(found, replace(verdict, kind="inconclusive", reason=f"{told}{beside}.", p=None))


def _judged(found: Compared, verdict: Verdict) -> Compared:
    decision = found.decision
    if verdict.kind == "worse":
        decision = strictest([decision, Decision.of(CHECK_FAILED, verdict.reason)])
    elif decision.is_passed:
        decision = Decision.of(OK, verdict.reason)
    return replace(found, verdict=verdict, decision=decision)
