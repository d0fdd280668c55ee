"""Cases that are expected to fail: counted nowhere, and told once they pass."""

from __future__ import annotations

from typing import Any

from promptctl.comparisons.comparison import compare_outcomes
from promptctl.evaluations.outcomes import CaseOutcome
from promptctl.reports.comparison import counts_line
from promptctl.reports.junit import junit
from tests.evaluation_lab import Lab, answering
from tests.openai_server import failure


def cases(lab: Lab, xfail: Any = "the model cannot count") -> None:
    lab.cases(
        {"id": "sound", "inputs": {"ticket": "a"}, "expected": "a"},
        {"id": "known", "inputs": {"ticket": "b"}, "expected": "b", "xfail": xfail},
    )


def test_a_failure_that_is_expected_is_not_counted(lab: Lab) -> None:
    cases(lab)
    lab.server.default = answering({"b": "wrong"})
    found = lab.one()
    assert (found.verdict, found.totals.cases, found.totals.pass_rate) == ("passed", 1, 1.0)
    assert (found.totals.xfailed, found.totals.xpassed, found.totals.failing) == (("known",), (), ())
    assert not found.summary.is_unfinished
    with lab.open() as workspace:
        report = "".join(junit(workspace.context.log, [found]))
    assert 'tests="2" failures="0" errors="0" skipped="1"' in report
    assert '<skipped message="expected to fail: the model cannot count"/>' in report


def test_a_pass_fails_where_it_is_strict(lab: Lab) -> None:
    cases(lab, {"reason": "the model cannot count", "strict": True})
    found = lab.one()
    assert (found.verdict, found.reason) == ("failed", "1 case that `xfail` expects to fail passed: known")
    with lab.open() as workspace:
        assert 'failures="1"' in "".join(junit(workspace.context.log, [found]))


def test_an_error_is_no_failure(lab: Lab) -> None:
    cases(lab)
    lab.server.default = answering({"b": failure(400)})
    found = lab.one()
    assert (found.verdict, found.totals.errors, found.totals.xfailed) == ("incomplete", 1, ())


def test_a_dataset_of_nothing_else_passes_and_compares_nothing(lab: Lab) -> None:
    lab.cases({"id": "known", "inputs": {"ticket": "b"}, "expected": "b", "xfail": "the model cannot count"})
    lab.server.default = answering({"b": "wrong"})
    found, again = lab.one(), lab.one()
    assert (found.verdict, found.reason) == ("passed", "every case is expected to fail")
    with lab.open() as workspace:
        decided = workspace.compare(found.row.id, again.row.id).verdict
    assert (decided.kind, decided.reason) == (
        "inconclusive",
        "Inconclusive: every case on both sides is expected to fail, so that nothing is compared.",
    )


def test_a_dataset_with_it_is_another(lab: Lab) -> None:
    cases(lab)
    before = lab.one()
    lab.cases(
        {"id": "sound", "inputs": {"ticket": "a"}, "expected": "a"},
        {"id": "known", "inputs": {"ticket": "b"}, "expected": "b"},
    )
    assert lab.one().row.spec.dataset_digest != before.row.spec.dataset_digest


def test_it_is_in_no_comparison_and_said_besides() -> None:
    base = [CaseOutcome(case_id=str(n), content_hash="h", status="passed") for n in range(3)]
    head = [
        CaseOutcome(case_id="0", content_hash="h", status="passed"),
        CaseOutcome(case_id="1", content_hash="h", status="failed", is_xfail=True),
        CaseOutcome(case_id="2", content_hash="h", status="passed", is_xfail=True),
    ]
    comparison = compare_outcomes(base, head)
    assert (comparison.n, comparison.regressed) == (1, ())
    assert counts_line(comparison).endswith("1 unchanged, 2 expected to fail (2 passes).")
