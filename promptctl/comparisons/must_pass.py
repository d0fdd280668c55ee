"""Cases that must pass, in a comparison: those that fail head, and those that it is not blamed for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from promptctl.comparisons.comparison import Comparison
from promptctl.comparisons.gates import Decision, check_passes
from promptctl.comparisons.rule import GateRule
from promptctl.errors import OK
from promptctl.evaluations.outcomes import CaseResults
from promptctl.files.wording import count, name_some


def check_must_pass(
    heads: Sequence[CaseResults],
    comparison: Comparison,
    unconfirmed: Collection[str],
    rule: GateRule,
    added: Collection[str] = (),
) -> tuple[Decision, tuple[str, ...]]:
    """Return the decision on those of head's cases that must pass, and in sentences those it is not blamed for.

    A case that flipped does not fail if it is among the `unconfirmed`, since it may be flaky; nor, but under the strict
    gate, one that failed before as well, or that lasting errors leave without a result on both sides. All others are
    judged by themselves: those that are new or were changed too, even if base, asked them as well, fails them. `added`
    came together with head.
    """
    hard = [case.outcome for case in heads if case.must_pass]
    if not hard:
        return Decision(OK), ()
    missed = [outcome.case_id for outcome in hard if outcome.status != "passed"]
    flipped = {pair.case_id for pair in comparison.regressed}
    flaky = [id_ for id_ in missed if id_ in flipped and id_ in unconfirmed]
    failed = [pair for pair in (*comparison.unchanged, *comparison.errors) if pair.base.status == "failed"]
    as_before = {pair.case_id for pair in (*failed, *comparison.alike)}
    old = [id_ for id_ in missed if id_ in as_before and id_ not in comparison.edited and id_ not in added]
    excused = {*flaky} if rule.gate == "strict" else {*flaky, *old}
    told = {
        "failed once, which fresh pairs did not confirm": flaky,
        "did not pass before either": [id_ for id_ in old if id_ in excused],
    }
    asked = [outcome.case_id for outcome in hard if outcome.case_id not in excused]
    let_pass = (
        f"{count(len(ids), 'case')} that must pass {what}: {name_some(ids)}" for what, ids in told.items() if ids
    )
    return check_passes([case.outcome for case in heads], must_pass=asked), tuple(let_pass)
