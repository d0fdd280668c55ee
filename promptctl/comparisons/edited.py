"""Comparisons over cases that whoever wrote head has edited or added: a gain of such a case makes up for no loss."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, compare_outcomes
from promptctl.comparisons.gates import Decision, decide, strictest
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import INCOMPLETE
from promptctl.evaluations.outcomes import CasePair
from promptctl.files.wording import count, name_some


def beside_own(found: Compared, added: Collection[str]) -> Compared:
    """Return a comparison that names the edited cases, and is neither better nor proved not worse by them alone.

    It is worse if of the cases that are not edited, nor among the `added`, more are confirmed to have regressed than to
    have improved. Confirmed ones are sure case by case, so that to look at some of them alone finds no more false ones.
    Added cases may show by themselves that head is better, unless it lost more of the others.
    """
    comparison, verdict = found.comparison, found.verdict
    pairs = [*comparison.regressed, *comparison.improved, *comparison.unchanged]
    ids = [pair.case_id for pair in (*pairs, *comparison.errors)]
    edited = tuple(id_ for id_ in ids if id_ in comparison.edited)
    own = {*edited, *(id_ for id_ in ids if id_ in added)}
    if not own:
        return found
    found = replace(found, edited=edited)
    rest = [pair for pair in pairs if pair.case_id not in own]
    verbs = ["edit"] * bool(edited) + ["add"] * (len(own) > len(edited))
    make, made = " or ".join(verbs), " or ".join(f"{each}ed" for each in verbs)
    lost = [id_ for id_ in verdict.confirmed.regressions if id_ not in own]
    gained = [id_ for id_ in verdict.confirmed.improvements if id_ not in own]
    if PASSED in found.rule.judged and len(lost) - len(gained) > found.rule.min_effect * len(rest):
        if verdict.kind == "worse":
            return found
        told = f"Worse: of {count(len(rest), 'case')} that HEAD did not {make} {len(lost)} regressed every time"
        return _judged(found, replace(verdict, kind="worse", reason=f"{told}: {name_some(lost)}."))
    if not edited and sum(pair.way for pair in rest) >= 0:
        return found
    others = _verdict_on(rest, found)
    judged = replace(verdict, is_noninferior=verdict.is_noninferior and _rules_out_a_loss(others, found.rule))
    is_better = len(gained) > len(lost) or others.kind == "better"
    if (verdict.kind == "better" and not is_better) or (verdict.kind == "not-worse" and not judged.is_noninferior):
        compared = count(len(ids), "compared case")
        lacking = "show nothing better" if verdict.kind == "better" else "do not rule out a loss"
        beside = f", and the others {lacking}" if rest else ""
        reason = f"Inconclusive: HEAD {made} {len(own)} of {compared}{beside}."
        judged = replace(judged, kind="inconclusive", reason=reason, p=None)
    if judged != verdict:
        found = _judged(found, judged)
    if rest or not edited or found.rule.gate != "strict":
        return found
    doubt = f"HEAD {made} every compared case, which leaves the strict gate nothing to go by."
    return replace(found, decision=strictest([found.decision, Decision.of(INCOMPLETE, doubt)]))


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
