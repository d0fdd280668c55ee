"""Comparisons over cases that whoever wrote head has edited: such a case can show a loss, and no gain by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, compare_outcomes
from promptctl.comparisons.gates import Decision, decide, strictest
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import INCOMPLETE
from promptctl.evaluations.outcomes import CasePair
from promptctl.files.wording import count, name_some


def beside_edited(found: Compared) -> Compared:
    """Return a comparison that names the edited cases, and is neither better nor proved not worse by them alone.

    It is worse if of the others more are confirmed to have regressed than to have improved. Confirmed ones are sure
    case by case, so that to look at some of them alone finds no more false ones.
    """
    comparison, verdict, edited = found.comparison, found.verdict, found.comparison.edited
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
    others = _verdict_on(rest, found)
    judged = replace(verdict, is_noninferior=verdict.is_noninferior and _rules_out_a_loss(others, found.rule))
    is_better = len(gained) > len(lost) or others.kind == "better"
    if (verdict.kind == "better" and not is_better) or (verdict.kind == "not-worse" and not judged.is_noninferior):
        compared = count(len(pairs) + len(comparison.errors), "compared case")
        lacking = "show nothing better" if verdict.kind == "better" else "do not rule out a loss"
        beside = f", and the others {lacking}" if rest else ""
        reason = f"Inconclusive: HEAD edited {len(own)} of {compared}{beside}."
        judged = replace(judged, kind="inconclusive", reason=reason, p=None)
    if judged != verdict:
        found = _judged(found, judged)
    if rest or found.rule.gate != "strict":
        return found
    doubt = Decision.of(INCOMPLETE, "HEAD edited every compared case, which leaves the strict gate nothing to go by.")
    return replace(found, decision=strictest([found.decision, doubt]))


def _verdict_on(pairs: Sequence[CasePair], found: Compared) -> Verdict:
    base, head = [pair.base for pair in pairs], [pair.head for pair in pairs]
    return judge(compare_outcomes(base, head, procedure=found.comparison.procedure), found.rule)


def _rules_out_a_loss(verdict: Verdict, rule: GateRule) -> bool:
    return {*rule.judged} <= {each.name for each in verdict.metrics if each.is_noninferior}


def _judged(found: Compared, verdict: Verdict) -> Compared:
    decision = decide(verdict, found.rule)
    if not found.decision.is_passed:
        decision = strictest([found.decision, decision])
    return replace(found, verdict=verdict, decision=decision)
