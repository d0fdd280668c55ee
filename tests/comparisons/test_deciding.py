"""Comparisons that end early: which claims may, that the whole run never says another thing, and what is said."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import compare_outcomes
from promptctl.comparisons.deciding import Foregone, InSequence
from promptctl.comparisons.flips import CaseSequence, sequence_of, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import flips_of, judge, steps_of
from promptctl.datasets.selection import Selection, drawn_rank
from promptctl.errors import UsageError
from promptctl.evaluations.outcomes import CaseOutcome, CaseStatus
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.log.results import UntilKind
from promptctl.reports.comparison import counts_line, number_rows
from promptctl.reports.comparison_json import comparison_as_dict
from promptctl.reports.verdict import headline
from promptctl.statistics.metric import Procedure
from promptctl.statistics.paired import discordant_e_value
from tests.cli.conftest import commit, git
from tests.evaluation_lab import PROMPT, Lab, lab, running_model_server
from tests.openai_server import Answer, Exchange, reply

__all__ = ["lab", "running_model_server"]

Statuses = dict[str, CaseStatus]


def outcomes(statuses: Mapping[str, CaseStatus]) -> list[CaseOutcome]:
    return [CaseOutcome(case_id=id_, content_hash="", status=status) for id_, status in statuses.items()]


def made_up(rng: random.Random, n: int, before: float, after: float, errors: float = 0.0) -> tuple[Statuses, Statuses]:
    def side(share: float) -> Statuses:
        return {
            f"c{at}": "error" if rng.random() < errors else "passed" if rng.random() < share else "failed"
            for at in range(n)
        }

    return side(before), side(after)


class TestForegone:
    @pytest.mark.parametrize(
        "rule", [GateRule(), GateRule(reruns=0), GateRule(min_effect=0.1), GateRule(max_errors=0.1)], ids=str
    )
    @pytest.mark.parametrize("can_differ", [True, False])
    def test_the_whole_run_says_the_same(self, rule: GateRule, can_differ: bool) -> None:
        rng, early = random.Random(f"foregone:{rule}:{can_differ}"), 0
        steps = steps_of(Procedure(), rule, can_differ=can_differ)
        for trial in range(60):
            bases, heads = made_up(rng, rng.choice((20, 60)), rng.random(), rng.random(), errors=rng.choice((0, 0.02)))
            foregone, asked = Foregone(steps), Statuses()
            foregone.begin([*bases], bases)
            way = 0
            for id_ in rng.sample([*bases], len(bases)):
                asked[id_] = heads[id_]
                if way := foregone.after(id_, bases, asked):
                    break
            if not way or asked.keys() == bases.keys():
                continue
            early += 1
            part = compare_outcomes(
                outcomes(bases), outcomes(asked), planned=bases.keys() - asked.keys(), is_decided=True
            )
            whole = compare_outcomes(outcomes(bases), outcomes(heads))
            # As bad for what was decided as replies asked again can be.
            again = dict.fromkeys((*flips_of(whole).lost, *flips_of(whole).gained), [-way] * 9) if can_differ else {}
            found = [judge(each, rule, weigh(flips_of(each), again, steps)) for each in (part, whole)]
            assert [each.kind for each in found] == ["worse", "worse"], trial
            assert (found[0].interval, found[0].difference) == (None, None)
        assert early >= 10

    def test_an_error_of_head_may_still_have_been_a_gain(self) -> None:
        steps = steps_of(Procedure(), GateRule(reruns=0))
        bases: Statuses = {f"c{at}": "passed" if at < 6 else "failed" for at in range(8)}
        heads: Statuses = {f"c{at}": "failed" if at < 6 else "error" for at in range(8)}
        foregone, asked = Foregone(steps), Statuses()
        foregone.begin([*bases], bases)
        ways = []
        for id_ in bases:
            asked[id_] = heads[id_]
            ways.append(foregone.after(id_, bases, asked))
        assert ways == [0] * 8, "six lost, and two that may have gained"

    def test_better_is_never_sure_as_a_case_not_asked_yet_may_err(self) -> None:
        bases: Statuses = dict.fromkeys([f"c{at}" for at in range(40)], "failed")
        for can_differ in (True, False):
            foregone, asked = Foregone(steps_of(Procedure(), GateRule(), can_differ=can_differ)), Statuses()
            foregone.begin([*bases], bases)
            for id_ in bases:
                asked[id_] = "passed"
                assert foregone.after(id_, bases, asked) == 0


class TestInSequence:
    def test_it_is_not_better_once_more_cases_erred_than_the_rule_allows(self) -> None:
        steps = steps_of(Procedure(), GateRule(), is_sequential=True)
        ids = [f"c{at}" for at in range(40)]
        for max_errors, way in ((0.0, 0), (0.1, 1)):
            decided, bases, heads = InSequence(steps, max_errors), Statuses(), Statuses()
            decided.begin(ids, bases)
            ways = set()
            for at, id_ in enumerate(ids):
                bases[id_], heads[id_] = "failed", "error" if at == 0 else "passed"
                ways.add(decided.after(id_, bases, heads))
            assert max(ways) == way
            part = compare_outcomes(outcomes(bases), outcomes(heads), planned={"more"}, never_run=3, is_decided=True)
            flips = replace(flips_of(part), sequence=sequence_of(part.improved, 0, steps.first_level, 0.0))
            found = judge(part, GateRule(max_errors=max_errors), weigh(flips, {}, steps))
            assert found.kind == ("better" if way else "incomplete")

    def test_answers_count_in_the_order_of_the_cases_not_of_their_arrival(self) -> None:
        steps = steps_of(Procedure(), GateRule())
        ids = [f"c{at}" for at in range(30)]
        bases: Statuses = dict.fromkeys(ids, "passed")
        decided, heads = InSequence(steps), Statuses()
        decided.begin(ids, bases)
        for id_ in ids[1:]:
            heads[id_] = "failed"
            assert decided.after(id_, bases, heads) == 0
        heads["c0"] = "failed"
        assert decided.after("c0", bases, heads) == -1

    def test_unchanged_prompts_alarm_at_most_as_often_as_the_level_allows(self) -> None:
        rng, alarms = random.Random("in sequence"), 0
        for _ in range(1_000):
            sequence = CaseSequence(0.05)
            for _ in range(60):
                sequence.add(*(rng.choice(("passed", "failed")) for _ in range(2)))
            alarms += sequence.direction < 0
        assert 0 < alarms <= 50

    def test_a_case_without_a_grade_speaks_against_either_claim(self) -> None:
        plain, hidden = CaseSequence(0.0125), CaseSequence(0.0125)
        for at in range(30):
            plain.add("passed", "failed")
            hidden.add("passed", "failed")
            if at % 10 == 0:
                hidden.add("error", "passed")
        assert plain.direction == hidden.direction == -1
        assert plain.decided_at < hidden.decided_at
        assert plain.p_worse < hidden.p_worse

    def test_a_small_difference_decides_nothing(self) -> None:
        sequence = CaseSequence(0.05, min_effect=0.5)
        for _ in range(30):
            sequence.add("passed", "failed")
            sequence.add("passed", "passed")
            sequence.add("failed", "failed")
        assert (sequence.direction, sequence.p_worse < 0.001) == (0, True)


@pytest.fixture
def worse(lab: Lab) -> Lab:
    """A hundred cases of which every tenth fails on `main`; the work tree breaks every fourth besides."""
    lab.many(100)
    lab.write("prompts/triage.prompt.yaml", PROMPT.replace('"{{ ticket }}"', '"good {{ ticket }}"'))
    git(lab.root, "init", "-q", "-b", "main")
    commit(lab.root, "Begin")
    lab.write("prompts/triage.prompt.yaml", PROMPT.replace('"{{ ticket }}"', '"bad {{ ticket }}"'))

    async def answer(exchange: Exchange) -> None:
        said, _, case = exchange.request.body["messages"][-1]["content"].partition(" ")
        number = int(case[1:])
        await reply("no" if number % 10 == 1 or (said == "bad" and number % 4 == 0) else case)(exchange)

    lab.server.default = answer
    return lab


def compared(lab: Lab, until: UntilKind | None, rule: GateRule | None = None, **request: object) -> Compared:
    asked = EvaluationRequest(refs=("triage",), until=until, limits=Limits(concurrency=4), **request)  # type: ignore[arg-type]
    with lab.open() as workspace:
        (found,) = workspace.evaluate_against(asked, "@main", rule or GateRule()).compared
    return found


def test_head_ends_once_the_rest_can_change_nothing(worse: Lab, tmp_path: Path) -> None:
    found = compared(worse, "decided")
    asked = len(worse.asked)
    assert (found.verdict.kind, found.decision.exit_code, found.head.stopped, found.base.stopped) == (
        *("worse", 1, "decided"),
        None,
    )
    assert asked == 200 - found.head.totals.requests_saved < 160
    data = comparison_as_dict(found)
    left_out = 200 - asked
    assert (data["decided_early"], data["not_asked"], data["errors"], data["errored"]) == (True, left_out, 0, [])
    assert [each["interval"] for each in data["usage"]] == [None] * len(data["usage"])
    assert (data["difference"], data["interval"], data["metrics"][0]["interval"]) == (None, None, None)
    assert f"{left_out} not asked" in counts_line(found.comparison)
    assert next(number_rows(found.comparison))[-1] == "-"
    assert f"decided after {asked - 100} of 100 cases" in headline(found)
    assert f"{left_out} of 200 requests saved" in (found.note or "")
    # The report of a pull request's checks: neither a failure nor an error.
    file = tmp_path / "report.xml"
    with worse.open() as workspace:
        workspace.results.export([found.head], file)
        assert workspace.compare(found.base.row.id, found.head.row.id, GateRule()).verdict.kind == "worse"
    assert re.search(r'errors="0" skipped="1"', file.read_text())
    assert f"{left_out} of 100 cases were not asked" in file.read_text()
    # The same again asks nothing; the whole run comes to the same, and only then has numbers of all cases.
    assert compared(worse, "decided").verdict.kind == "worse"
    assert len(worse.asked) == asked
    whole = compared(worse, None)
    assert (whole.verdict.kind, len(worse.asked), whole.verdict.n) == ("worse", 200, 100)


def test_both_sides_end_once_the_cases_in_sequence_have_decided(worse: Lab) -> None:
    found = compared(worse, "sequential")
    asked = len(worse.asked)
    assert (found.verdict.kind, found.head.stopped, found.base.stopped) == ("worse", "decided", "decided")
    assert asked <= 80
    assert "looked at one after another" in found.verdict.reason
    with worse.open() as workspace:
        again = workspace.compare(found.base.row.id, found.head.row.id, GateRule())
    assert (again.verdict.kind, again.verdict.reason) == ("worse", found.verdict.reason)
    # What it decided stays decided, whatever the seed and whatever comes then; with the option and without.
    worse.server.default = mended(worse)
    later = compared(worse, "sequential", replies="ask", selection=Selection(seed=5))
    # It is never taken for a whole evaluation: nothing is kept of it but its answers.
    whole = compared(worse, None)
    assert (len({*worse.asked}), whole.base.row.id != found.base.row.id) == (200, True)
    for each in (later, whole):
        assert (each.verdict.kind, each.decision.exit_code) == ("worse", 1)
        assert found.verdict.reason.removesuffix(".") in each.verdict.reason
        assert "what the first comparison of the same decided case by case stays decided" in (each.note or "")


def mended(lab: Lab) -> Answer:
    """Answer head well in every case, and base as before."""
    before = lab.server.default

    async def answer(exchange: Exchange) -> None:
        said, _, case = exchange.request.body["messages"][-1]["content"].partition(" ")
        await (reply(case) if said == "bad" else before)(exchange)

    return answer


def test_nothing_is_looked_at_one_by_one_where_nothing_is_chance(worse: Lab) -> None:
    """Eight of thirty cases are lost, which come first in the drawn order, and more are gained."""
    ids = sorted((f"c{at}" for at in range(30)), key=lambda id_: drawn_rank(0, id_))
    cases = [
        {
            "id": id_,
            "inputs": {"ticket": f"{id_}."},
            "assert": [{"type": "contains", "value": "old" if at < 8 else "new"}],
        }
        for at, id_ in enumerate(ids)
    ]
    worse.cases(*cases)
    worse.write("prompts/triage.prompt.yaml", PROMPT.replace('"{{ ticket }}"', '"old {{ ticket }}"'))
    commit(worse.root, "Say old")
    worse.write("prompts/triage.prompt.yaml", PROMPT.replace('"{{ ticket }}"', '"new {{ ticket }}"'))
    for seed in (0, 5):
        found = compared(worse, "sequential", models=("echo/echo",), selection=Selection(seed=seed))
        whole = compared(worse, None, models=("echo/echo",), selection=Selection(seed=seed))
        assert (found.verdict.kind, found.head.row.spec.until) == ("better", "decided")
        assert (whole.verdict.kind, found.decision.exit_code) == ("better", 0)


def test_one_side_is_not_taken_up_again_alone(worse: Lab) -> None:
    found = compared(worse, "decided")
    with pytest.raises(UsageError, match="left unfinished"), worse.open() as workspace:
        workspace.resume()
    with pytest.raises(Exception, match="one side of a comparison"):
        worse.resume(found.head)


def test_what_only_a_score_judges_is_refused(worse: Lab) -> None:
    with pytest.raises(UsageError, match="not judged here"):
        compared(worse, "decided", GateRule(metrics=("score",)))
    assert worse.asked == []


def test_better_does_not_end_a_gate_that_asks_for_more(worse: Lab) -> None:
    text = (worse.root / "prompts/triage.prompt.yaml").read_text()
    commit(worse.root, "Break")
    worse.write("prompts/triage.prompt.yaml", text.replace("bad", "good"))
    early = compared(worse, "sequential")
    assert (early.verdict.kind, early.head.stopped, early.decision.exit_code) == ("better", "decided", 0)
    with worse.open() as workspace:
        again = workspace.compare(early.base.row.id, early.head.row.id, GateRule(gate="strict"))
    assert (again.verdict.kind, again.decision.exit_code) == ("better", 5)
    found = compared(worse, "sequential", GateRule(gate="strict"))
    assert (found.verdict.kind, found.head.stopped, len(worse.asked)) == ("better", None, 200)
    assert found.decision.is_passed


def test_a_sequence_tells_the_p_of_the_moment_at_which_it_decided() -> None:
    sequence = CaseSequence(level=0.01)
    for _ in range(12):
        sequence.add("passed", "failed")
    seen, lost, gained = sequence.decided_at
    assert (seen, lost, gained) == (8, 8, 0)
    assert sequence.decided_p == 1 / discordant_e_value(8, 0, "losses") > sequence.p_worse
