"""One session asks for everything that a command asks for."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from typing import Any

import pytest

from promptctl import ImprovementRequest, ShorteningRequest
from promptctl.calls.call import Call
from promptctl.calls.prepare import prepare_all
from promptctl.comparisons.rule import GateRule
from promptctl.errors import InvalidFiles, UsageError
from promptctl.evaluations.plan import Pair, Plan, comparison_keys
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.evaluations.session import Session
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultDetail, Totals
from promptctl.models.router import Router
from promptctl.reviews.request import ReviewRequest
from tests.authoring import test_improving, test_shortening
from tests.calibrations import test_calibrating
from tests.cli.conftest import commit, git
from tests.evaluation_lab import PROMPT, Lab, answering, slowly
from tests.openai_server import Exchange, failure

WORK: dict[str, dict[str, Any]] = {
    "dataset_digest": {"dataset_digest": "e"},
    "dataset_beside": {"dataset_beside": "b"},
    "ids": {"ids": ("a",)},
    "tags": {"tags": ("smoke",)},
    "sample": {"sample": 5},
    "seed": {"seed": 1},
    "first": {"first": 5},
    "split": {"split": {"part": "train"}},
    "shard": {"shard": (1, 2)},
    "repeats": {"repeats": 4, "at_least": 3},
    "passes_needed": {"at_least": 2},
    "parameters": {"parameters": {"temperature": 1}},
    "judge": {"judge": "openai/j"},
    "judge_model": {"judge_model": "openai/j"},
    "judge_parameters": {"judge_parameters": {"seed": 1}},
    "recordings": {"replies": "replay"},
    "left_out": {"left_out": ("a",)},
    "code_left_out": {"code_left_out": "1 assertion is left out"},
    "server": {"server": "s"},
    "judges": {"rules": {"judges": "j"}},
    "uncalibrated": {"rules": {"uncalibrated": "u"}},
    "rules": {"rules": {"reasoning_block": "drop"}},
}
"""A change of each field of a spec's work."""


def side(spec: EvaluationSpec) -> EvaluationRow:
    """A row of one side of a comparison."""
    digest = "1:b" if spec.side == "head" else "1:a"
    return EvaluationRow(id="e", started_at="", prompt="triage", digest=digest, model="openai/m", spec=spec)


class Made:
    """How many sessions and routers were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = {Session: 0, Router: 0}
        for kind in (Session, Router):
            self._watch(kind, monkeypatch)

    def _watch(self, kind: type[Session] | type[Router], monkeypatch: pytest.MonkeyPatch) -> None:
        real = kind.__init__

        def counted(*arguments: object, **named: object) -> None:
            self.count[kind] += 1
            real(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(kind, "__init__", counted)

    @property
    def numbers(self) -> tuple[int, int]:
        return self.count[Session], self.count[Router]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


improvable, shortening, calibrating = test_improving.desk, test_shortening.desk, test_calibrating.desk


@pytest.fixture
def improving(improvable: Lab) -> Lab:
    better = test_improving.edit("You greet people. Above all, be kind.\n")
    improvable.server.default = test_improving.answering(test_improving.is_kind, better)
    return improvable


@pytest.fixture
def three(lab: Lab) -> Lab:
    """Three prompts, each with a dataset of two cases, committed; then each prompt is changed."""
    for name in ("a", "b", "c"):
        lab.write(f"prompts/{name}.prompt.yaml", PROMPT)
        lab.cases(
            *({"id": f"{name}{n}", "inputs": {"ticket": f"{name}{n}"}, "expected": f"{name}{n}"} for n in (0, 1)),
            name=name,
            prompts=[name],
        )
    git(lab.root, "init", "-q", "-b", "main")
    commit(lab.root, "Begin")
    for name in ("a", "b", "c"):
        lab.write(f"prompts/{name}.prompt.yaml", PROMPT + "parameters: {temperature: 0.1}\n")
    # A flip in each of them, so that cases are asked for again.
    lab.server.default = answering({"a0": "x", "b1": "y"})
    return lab


def test_an_assertions_own_judge_that_refuses_stops_every_evaluation_that_asks_it(lab: Lab) -> None:
    rubric = {"type": "llm-rubric", "value": "is polite", "model": "local/judge"}
    for name in ("a", "b"):
        lab.write(f"prompts/{name}.prompt.yaml", PROMPT)
        cases = ({"id": f"{name}{n}", "inputs": {"ticket": f"{name}{n}"}, "assert": [rubric]} for n in range(12))
        lab.cases(*cases, name=name, prompts=[name])

    async def answer(exchange: Exchange) -> None:
        is_judged = exchange.request.body["model"] == "judge"
        await (failure(401, "refused") if is_judged else answering({}))(exchange)

    lab.server.default = answer
    found = lab.evaluate("a", "b", limits=Limits(concurrency=1))
    assert [each.stopped for each in found] == ["refused", "refused"]
    assert len(lab.asked) <= 4, "a reply of each prompt, and one verdict or two"


def test_recordings_behind_a_link_begin_no_evaluation(lab: Lab) -> None:
    lab.many(2)
    (lab.root / "elsewhere").mkdir()
    (lab.root / "datasets/recordings").symlink_to(lab.root / "elsewhere")
    with pytest.raises(InvalidFiles, match="symbolic link"):
        lab.one(replies="record")
    assert (lab.asked, list((lab.root / "elsewhere").iterdir())) == ([], [])
    with lab.open() as workspace:
        assert workspace.results.evaluations() == []


class TestOneForEachCommand:
    def test_of_an_evaluation(self, three: Lab, made: Made) -> None:
        found = three.evaluate("a", "b", "c")
        assert [each.row.prompt for each in found] == ["a", "b", "c"]
        assert made.numbers == (1, 1)

    def test_of_a_comparison(self, three: Lab, made: Made) -> None:
        request = EvaluationRequest(refs=("a", "b", "c"))
        with three.open() as workspace:
            found = workspace.evaluate_against(request, "@main", GateRule())
        assert len(found.compared) == 3
        assert made.numbers == (1, 1)

    def test_of_a_review(self, three: Lab, made: Made) -> None:
        with three.open() as workspace:
            found = workspace.review(ReviewRequest(base="main"))
        assert [each.prompt for each in found.measurements] == ["a", "b", "c"]
        assert made.numbers == (1, 1)

    def test_of_an_improvement(self, improving: Lab, made: Made) -> None:
        assert test_improving.improve(improving, rounds=1).verdict == "better"
        assert made.numbers == (1, 1)

    def test_of_shortening(self, shortening: Lab, made: Made) -> None:
        request = ShorteningRequest(ref="triage", dataset="triage", margin=0.25)
        with shortening.open() as workspace:
            assert workspace.authoring.shorten(request).calls
        assert made.numbers == (1, 1)

    def test_of_a_calibration(self, calibrating: Lab, made: Made) -> None:
        test_calibrating.label(calibrating)
        assert test_calibrating.calibrate(calibrating).calibrations
        assert made.numbers == (1, 1)

    def test_an_estimate_of_what_a_model_writes_makes_none(self, improving: Lab, made: Made) -> None:
        with improving.open() as workspace:
            workspace.authoring.estimate_improvement(ImprovementRequest(ref="greet", dataset="greet", rounds=1))
        assert made.numbers == (0, 0)

    def test_what_only_reads_makes_none(self, three: Lab, made: Made) -> None:
        (base,), (head,) = three.evaluate("a"), three.evaluate("a")
        made.count |= {Session: 0, Router: 0}
        with three.open() as workspace:
            workspace.compare(base.row.id, head.row.id, GateRule())
            workspace.estimate(EvaluationRequest(refs=("a",)))
            workspace.plan(EvaluationRequest(refs=("a", "b")))
        assert made.numbers == (0, 0)


class TestOnePool:
    def test_small_evaluations_use_all_connections_together(self, lab: Lab) -> None:
        names = [f"p{n}" for n in range(12)]
        for name in names:
            lab.write(f"prompts/{name}.prompt.yaml", PROMPT)
            lab.cases({"id": name, "inputs": {"ticket": name}, "expected": name}, name=name, prompts=[name])
        under_way = most = 0

        async def watched(exchange: Exchange) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await slowly(0.1)(exchange)
            under_way -= 1

        lab.server.default = watched
        found = lab.evaluate(*names, limits=Limits(concurrency=12))
        assert [each.row.prompt for each in found] == names
        assert {each.verdict for each in found} == {"passed"}
        assert most >= 10

    def test_each_is_finished_in_the_log_as_soon_as_its_last_case_is(self, three: Lab) -> None:
        seen: list[list[str]] = []
        with three.open() as workspace:

            def look(plan: Plan, progress: object) -> None:
                seen.append(sorted(row.prompt for row in workspace.results.evaluations(status="finished")))

            request = EvaluationRequest(refs=("a", "b", "c"), limits=Limits(concurrency=1))
            workspace.evaluate(request, look)
        assert seen[2] == ["a"]
        assert seen[4] == ["a", "b"]

    def test_a_failure_stops_those_that_come_after_it(self, three: Lab) -> None:
        limits = Limits(concurrency=1, fails_fast=True)
        first, *others = three.evaluate("a", "b", "c", limits=limits)
        assert (first.stopped, first.summary.counts.failed) == ("fail-fast", 1)
        assert [(each.stopped, each.verdict) for each in others] == [("fail-fast", "incomplete")] * 2
        assert three.asked == ["a0"]

    def test_what_was_left_is_taken_up_again_together(self, three: Lab) -> None:
        stopped = three.evaluate("a", "b", "c", limits=Limits(concurrency=1, fails_fast=True))
        three.server.default = answering({})
        three.server.requests.clear()
        with three.open() as workspace:
            found = workspace.resume()
        assert [each.row.id for each in found] == [each.row.id for each in stopped]
        assert sorted(three.asked) == ["a1", "b0", "b1", "c0", "c1"]
        assert [each.row.status for each in found] == ["finished"] * 3


class TestPlans:
    def test_a_plan_is_data(self, lab: Lab) -> None:
        lab.many(3)
        (plan,) = lab.plans(parameters={"temperature": 0.5}, repeats=2)
        assert pickle.loads(pickle.dumps(plan)) == plan
        assert (plan.results, plan.spec.cases, plan.spec.replies, plan.spec.side) == (6, 3, "cache", "alone")
        assert lab.asked == []

    def test_what_came_from_another_process_is_done_all_the_same(self, lab: Lab) -> None:
        lab.many(2)
        sent = pickle.dumps(lab.plans())
        with lab.open() as workspace:

            async def do() -> list[str]:
                async with Session(workspace.context, Limits()) as session:
                    return [each.verdict for each in await session.run(pickle.loads(sent))]

            assert asyncio.run(do()) == ["passed"]

    def test_a_rerun_asks_both_sides_for_some_cases_anew(self, lab: Lab) -> None:
        lab.many(3)
        (plan,) = lab.plans(repeats=5, at_least=4)
        again = Pair(plan, plan).again(["c2", "c0"], repeats=2)
        for side in again.sides:
            assert (side.results, side.spec.side, side.spec.replies, side.spec.at_least) == (4, "rerun", "ask", None)
            assert (side.spec.ids, side.spec.cases, side.spec.is_whole) == (("c0", "c2"), 2, False)
        with lab.open() as workspace:

            async def do() -> list[int]:
                async with Session(workspace.context) as session:
                    return [each.summary.counts.passed for each in await session.run(again.sides)]

            assert asyncio.run(do()) == [2, 2]
        assert sorted(lab.asked) == ["c0"] * 4 + ["c2"] * 4


class TestSpec:
    def test_it_is_read_as_it_was_written(self) -> None:
        spec = EvaluationSpec(
            ref="triage@v2", group="g", dataset="datasets/triage.yaml", dataset_digest="d", cases=3, ids=("a",),
            tags=("smoke",), sample=2, seed=7, first=1, repeats=3, at_least=2, min_pass=0.9,
            parameters={"temperature": 0}, judge="local/judge", replies="record", side="base",
            drops_unknown_inputs=True, left_out=("b",), shard=(1, 4), rules={"reasoning_block": "drop"},
        )  # fmt: skip
        assert EvaluationSpec.from_json(spec.as_json()) == spec

    @pytest.mark.parametrize(
        ("earlier", "replies", "side"),
        [
            ({"is_cached": True}, "cache", "alone"),
            ({"is_cached": False}, "ask", "alone"),
            ({"is_cached": False, "is_recorded": True}, "refresh", "alone"),
            ({"is_cached": True, "is_recorded": True}, "record", "alone"),
            ({"is_replayed": True, "is_cached": True}, "replay", "alone"),
            ({"drops_unknown_inputs": True}, "cache", "base"),
            ({"drops_unknown_inputs": True, "rerun_of": "flipped cases"}, "cache", "rerun"),
        ],
    )
    def test_what_earlier_versions_wrote_is_understood(
        self, earlier: dict[str, object], replies: str, side: str
    ) -> None:
        spec = EvaluationSpec.from_json({**earlier, "left_out": 2, "left_out_ids": ["x", "y"], "unknown": 1})
        assert (spec.replies, spec.side, spec.left_out) == (replies, side, ("x", "y"))

    @pytest.mark.parametrize(
        "part",
        [{"ids": ("a",)}, {"tags": ("x",)}, {"sample": 1}, {"first": 1}, {"left_out": ("a",)}, {"side": "rerun"}],
    )
    def test_a_part_of_a_dataset_is_not_the_whole(self, part: dict[str, object]) -> None:
        assert EvaluationSpec(side="base").is_whole
        assert not EvaluationSpec(**part).is_whole  # type: ignore[arg-type]

    def test_the_same_work_is_what_asks_the_same(self) -> None:
        spec = EvaluationSpec(dataset="a", dataset_digest="d", repeats=2, parameters={"t": 1})
        alike = EvaluationSpec(
            ref="other@v1", group="g", dataset="b", dataset_digest="d", repeats=2, at_least=2, parameters={"t": 1.0},
            side="base", replies="record", min_pass=0.5,
        )  # fmt: skip
        assert spec.is_same_work(alike)
        for change in (
            {"dataset_digest": "e"},
            {"judge": "m"},
            {"replies": "replay"},
            {"side": "rerun"},
            {"seed": 1},
            {"rules": {"a": 1}},
        ):
            assert not spec.is_same_work(EvaluationSpec(**{**alike.as_json(), **change}))

    @pytest.mark.parametrize(("name", "change"), WORK.items())
    def test_each_field_of_the_work_makes_it_different_work_and_a_different_comparison(
        self, name: str, change: dict[str, Any]
    ) -> None:
        assert {*WORK} == {*EvaluationSpec().work}
        head = EvaluationSpec(side="head", repeats=3, sample=5 if name == "seed" else None)
        changed = replace(head, **change)
        assert head.unlike(changed) == {name}
        assert not head.is_same_work(changed)
        keys = {comparison_keys(side(each), side(replace(each, side="base")))[0] for each in (head, changed)}
        assert len(keys) == 2

    def test_the_keys_of_earlier_comparisons_stay(self) -> None:
        kept: dict[str, Any] = {"dataset_digest": "d", "repeats": 3, "at_least": 2, "parameters": {"temperature": 0}}
        more: dict[str, Any] = {"tags": ("smoke",), "sample": 5, "seed": 7, "judge_parameters": {"seed": 1}}
        more |= {"split": {"part": "train"}, "rules": {"reasoning_block": "drop"}}
        for given, key in (({}, "6338d648d9c00856b73bd546e66683bf"), (more, "fe6980e937e940a2ddd95d0a2e8937d0")):
            head = EvaluationSpec(side="head", judge_model="openai/j", **kept, **given)
            assert comparison_keys(side(head), side(replace(head, side="base"))) == (key, key)
            head = replace(head, server="s")
            assert comparison_keys(side(head), side(replace(head, side="base")))[1] == key

    def test_what_an_earlier_program_did_not_record_is_not_known_to_differ(self) -> None:
        earlier = EvaluationSpec.from_json({"repeats": 2})
        now = EvaluationSpec(server="s", rules={"judges": "j"}, judge_model="m")
        assert (earlier.unlike(now), now.unlike(earlier)) == ({"repeats", "passes_needed"},) * 2

    def test_what_cases_asked_beside_their_content_is_not_known_of_an_earlier_program(self) -> None:
        kept = EvaluationSpec(dataset_digest="d").as_json()
        del kept["dataset_beside"]
        earlier, now = EvaluationSpec.from_json(kept), EvaluationSpec(dataset_digest="d", dataset_beside="b")
        assert earlier.dataset_beside is None
        for one, other in ((earlier, now), (now, earlier)):
            assert one.unlike(other) == set()
            assert one.is_same_work(other)

    def test_totals_and_details_are_read_as_they_were_written(self) -> None:
        totals = Totals(cases=2, passed=1, failed=1, failing=("a",), verdict="failed", reason="no")
        detail = ResultDetail(assertions=({"type": "equals"},), tags=("x",), tokens=(1, None), has_call=True)
        assert Totals.from_json(totals.as_json()) == totals
        assert ResultDetail.from_json(detail.as_json()) == detail
        assert "full_cost_nano_usd" not in ResultDetail().as_json()


def test_one_call_beside_the_plans_is_kept_logged_and_bounded(lab: Lab) -> None:
    async def asked(session: Session, call: Call) -> list[str | None]:
        async with session:
            found = [await session.ask(call) for _ in range(2)]
        return [None if each is None else each.reply for each in found]

    with lab.open() as workspace:
        (call,) = prepare_all(workspace.context, "triage", {"ticket": "what now"}, {})
        found = asyncio.run(asked(Session(workspace.context), call))
        assert (found, lab.asked) == (["what now"] * 2, ["what now"])
        assert [each.reply_source for each in workspace.log.executions()] == ["cache", "model"]
        (other,) = prepare_all(workspace.context, "triage", {"ticket": "and now"}, {})
        poor = Session(workspace.context, Limits(max_cost_nano_usd=1))
        assert asyncio.run(asked(poor, other)) == [None, None]
    assert (poor.stopped, len(lab.asked)) == ("max-cost", 1)
    assert len([each for each in lab.warnings if "too little is left" in each]) == 1


def test_a_trial_is_taken_up_by_no_other_command(lab: Lab) -> None:
    lab.many(2)
    (plan,) = lab.plans()
    trial = replace(plan, spec=replace(plan.spec, side="trial"))

    async def run(session: Session) -> None:
        async with session:
            session.stop()
            await session.run([trial])

    with lab.open() as workspace:
        asyncio.run(run(Session(workspace.context)))
        with pytest.raises(UsageError, match="no evaluation is left unfinished"):
            workspace.resume()
        with pytest.raises(UsageError, match="nothing has been evaluated yet"):
            workspace.results.last_command()
