"""An evaluation that ends as soon as its verdict is sure: the same verdict, fewer requests."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptctl.datasets.cases import Case
from promptctl.datasets.selection import Selection
from promptctl.errors import Place, UsageError
from promptctl.evaluations.evaluation import Summary
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.request import Limits
from promptctl.evaluations.until import Gathering, UntilJudged
from promptctl.log.results import EvaluationSpec, ResultDetail, ResultRow, ResultStatus
from tests.evaluation_lab import Lab, answering
from tests.openai_server import failure

ONE = Limits(concurrency=1)


def wrong(*cases: str) -> dict[str, str]:
    return dict.fromkeys(cases, "no")


class TestByItself:
    def test_a_failure_that_cannot_be_made_up_for_ends_it(self, lab: Lab) -> None:
        lab.many(20)
        lab.server.default = answering(wrong(*(f"c{n}" for n in range(10))))
        found = lab.one(until="decided", min_pass=0.9, limits=ONE)
        assert (found.verdict, found.stopped, found.summary.counts.failed) == ("failed", "decided", 3)
        assert found.reason == "17 of 20 cases (85.0%) at most could pass, below the 90% asked for"
        assert found.totals.requests_saved == 20 - len(lab.asked) == found.summary.never_run

    def test_what_it_left_out_can_be_asked(self, lab: Lab) -> None:
        lab.many(20)
        lab.server.default = answering(wrong(*(f"c{n}" for n in range(12))))
        found = lab.one(until="decided", min_pass=0.5, limits=ONE)
        assert (found.verdict, found.stopped) == ("failed", "decided")
        assert 11 <= len(lab.asked) < 20
        assert (found.row.status, found.row.is_conclusive, found.row.spec.until) == ("incomplete", True, "decided")
        with lab.open() as workspace, pytest.raises(UsageError, match="left unfinished"):
            workspace.resume()
        whole = lab.resume(found, limits=ONE)
        assert (whole.verdict, whole.stopped, whole.row.status, len(lab.asked)) == ("failed", None, "finished", 20)
        assert sorted(lab.asked) == sorted({*lab.asked}), "no case is asked twice"

    def test_the_order_is_drawn_by_the_seed_and_goes_on_where_it_was(self, lab: Lab) -> None:
        lab.many(20)
        lab.one(until="decided", limits=ONE)
        order = list(lab.asked)
        assert order != sorted(order, key=lambda case: int(case[1:]))
        lab.server.reset()
        lab.server.default = answering(wrong(order[7], order[12]))
        stopped = lab.one(until="decided", min_pass=0.94, replies="ask", limits=Limits(concurrency=1, fails_fast=True))
        assert (stopped.stopped, stopped.verdict, lab.asked) == ("fail-fast", "incomplete", order[:8])
        resumed = lab.resume(stopped, limits=ONE)
        assert (resumed.stopped, resumed.verdict, lab.asked) == ("decided", "failed", order[:13])
        lab.server.reset()
        lab.one(until="decided", replies="ask", limits=ONE, min_pass=1.0, selection=Selection(seed=7))
        assert lab.asked != order

    def test_what_must_pass_is_asked_first(self, lab: Lab) -> None:
        lab.cases(
            *(
                {"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}", "must_pass": n > 17}
                for n in range(20)
            )
        )
        lab.server.default = answering(wrong("c18", "c19"))
        found = lab.one(until="decided", min_pass=0.1, limits=ONE)
        assert (found.verdict, len(lab.asked), {*lab.asked} <= {"c18", "c19"}) == ("failed", 1, True)

    def test_it_never_passes_early_as_a_case_not_asked_yet_may_err(self, lab: Lab) -> None:
        lab.many(6)
        last = lab.one(until="decided", min_pass=0.5, limits=ONE)
        assert (last.verdict, last.stopped, len(lab.asked)) == ("passed", None, 6)
        lab.server.default = answering({lab.asked[-1]: failure(400)})
        found = lab.one(until="decided", min_pass=0.5, replies="ask", limits=ONE)
        assert (found.verdict, found.stopped, len(lab.asked)) == ("incomplete", None, 12)

    def test_a_comparison_alone_is_looked_at_case_by_case(self, lab: Lab) -> None:
        lab.many(3)
        with pytest.raises(UsageError, match="two versions"):
            lab.one(until="sequential")


def result(case: str, status: ResultStatus, repeat: int = 1, **detail: Any) -> ResultRow:
    return ResultRow(
        evaluation_id="e", case_id=case, status=status, repeat=repeat, position=int(case), detail=ResultDetail(**detail)
    )


def test_it_never_ends_with_another_verdict_than_the_whole_would() -> None:
    rng, early = random.Random("until judged"), 0
    for _ in range(400):
        n, repeats = rng.randint(1, 12), rng.choice((1, 1, 3))
        spec = EvaluationSpec(
            cases=n, repeats=repeats, at_least=rng.choice((None, 1)), min_pass=rng.choice((0.0, 0.5, 0.8, 0.9, 1.0))
        )
        rate, hard, errors = rng.random(), rng.choice((0.0, 0.2)), rng.choice((0.0, 0.1))
        cases = [Case(str(at), {}, None, (), (), "", Place("cases"), must_pass=rng.random() < hard) for at in range(n)]
        rows = {
            case.id: [
                result(
                    case.id,
                    "error" if rng.random() < errors else "passed" if rng.random() < rate else "failed",
                    repeat,
                    must_pass=case.must_pass,
                )
                for repeat in range(1, repeats + 1)
            ]
            for case in cases
        }
        whole, gathering = Summary(n, repeats, spec.at_least), Gathering(spec)
        for row in (row for each in rows.values() for row in each):
            if case_of := gathering.add(row):
                whole.add(case_of)
        until, plan = UntilJudged(spec), cast(Plan, SimpleNamespace(spec=spec))
        so_far, gathering = Summary(n, repeats, spec.at_least, is_decided=True), Gathering(spec)
        for row in (row for _, case in until.order(plan, cases) for row in rows[case.id]):
            if case_of := gathering.add(row):
                so_far.add(case_of)
                if until.heed(plan, case_of):
                    break
        early += so_far.never_run > 0
        assert so_far.verdict(spec.min_pass)[0] == whole.verdict(spec.min_pass)[0]
    assert early > 150
