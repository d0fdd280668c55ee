"""A judge decides only where its agreement with people is known, if that is asked for; its rates are corrected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judging import JudgeTerms
from promptctl.assertions.licences import Licences, identify
from promptctl.datasets.index import dataset_index
from promptctl.errors import InvalidFiles, LabelRefused, WorkspaceError
from promptctl.evaluations.counts import JudgedRates
from promptctl.evaluations.request import Limits
from promptctl.formats.calibration_file import Calibration, calibration_bytes, calibration_path
from promptctl.formats.settings_file import CalibrationRule, read_settings
from promptctl.log.stamps import utc_now
from promptctl.reports.comparison import comparison_markdown, judged_rows
from promptctl.reports.comparison_json import comparison_as_dict
from promptctl.reports.markdown import markdown
from promptctl.reports.wording import judged_rates
from promptctl.statistics.agreement import VerdictCounts
from tests.cli.conftest import commit, git
from tests.evaluation_lab import Lab
from tests.openai_server import Exchange, reply

RUBRIC = {"type": "llm-rubric", "value": "Says sorry."}
GOOD = VerdictCounts(true_pass=18, false_fail=2, false_pass=1, true_fail=19)


async def answer(exchange: Exchange) -> None:
    """Answer as the ticket says; as a judge let pass what says sorry."""
    messages = exchange.request.body["messages"]
    text = messages[-1]["content"]
    if messages[0]["role"] != "system":
        await reply(text)(exchange)
        return
    is_met = "sorry" in text.rpartition("<reply")[2]
    await reply(json.dumps({"reason": "r", "score": float(is_met), "pass": is_met}))(exchange)


def cases(*tickets: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"c{n}", "inputs": {"ticket": text}, **more} for n, text in enumerate(tickets)]


@pytest.fixture
def desk(lab: Lab) -> Lab:
    lab.server.default = answer
    return lab


def calibrate(lab: Lab, counts: VerdictCounts = GOOD, **other: Any) -> Calibration:
    """Write the calibration of the judge of the only rubric, as it is asked now."""
    with lab.open() as workspace:
        context = workspace.context
        identity = identify(JudgeTerms(context), AskedJudge("judges/llm-rubric", None))
        dataset = dataset_index(context, "refuse").checked("datasets/triage.yaml", workspace.prompt("triage").prompt)
        (rubric,) = {each.rubric for case in dataset.cases() for each in case.assertions if each.rubric}
    made = replace(
        Calibration(
            judge="judges/llm-rubric",
            judge_digest=identity.digest,
            model=identity.model,
            parameters=identity.parameters,
            server=identity.server,
            rubric=rubric,
            rubric_type="llm-rubric",
            rubric_text="Says sorry.",
            measured_at=utc_now()[:10],
            people=("ada",),
            verdicts=counts,
        ),
        **other,
    )
    lab.write(calibration_path(made.judge), calibration_bytes(made.judge, [made]).decode())
    return made


def judged(lab: Lab, **request: Any) -> Mapping[str, Any]:
    (found,) = lab.one(**request).totals.judged
    return found


def test_rates_of_a_judge_are_raw_and_corrected_where_its_agreement_is_known(desk: Lab) -> None:
    desk.cases(*cases("sorry", "sorry, yes", "so sorry", "no", **{"assert": [RUBRIC]}), min_pass=0.5)
    raw = judged(desk)
    assert (raw["pass_rate"], raw["corrected_rate"], raw["calibration"], raw["undecided"]) == (0.75, None, None, None)
    made = calibrate(desk)
    found = judged(desk)
    assert found["calibration"] == made.key
    assert found["pass_rate"] == 0.75
    assert found["corrected_rate"] == pytest.approx((0.75 + 0.95 - 1) / (0.9 + 0.95 - 1), abs=1e-6)
    assert found["corrected_high"] - found["corrected_low"] > found["high"] - found["low"]
    assert (found["labels"], found["kappa"]) == (40, 0.85)
    with desk.open() as workspace:
        (again,) = workspace.results.evaluation(desk.one().row.id).totals.judged
    assert again == found


@pytest.mark.parametrize("where", ["settings", "dataset"])
def test_an_uncalibrated_judge_decides_nothing_and_says_so(desk: Lab, where: str) -> None:
    asked: dict[str, Any] = {"judge": "calibrated"} if where == "dataset" else {}
    if where == "settings":
        settings = (desk.root / "promptctl.yaml").read_text()
        desk.write("promptctl.yaml", settings + "gate: {judge: calibrated}\n")
    desk.cases(*cases("sorry", "no", **{"assert": [RUBRIC]}), **asked)
    found = desk.one()
    assert (found.verdict, found.totals.errors, found.totals.error_types) == ("incomplete", 2, {"Uncalibrated": 2})
    assert "judges/llm-rubric with local/gpt-4o-mini is not calibrated: nobody measured" in found.reason
    assert "promptctl judge calibrate judges/llm-rubric" in (found.totals.reason or "")
    shown = [each.detail.assertions[0] for each in desk.rows(found)]
    assert [each["passed"] for each in shown] == [True, False]
    assert all(each["undecided"] for each in shown)
    calibrate(desk)
    assert (desk.one().verdict, desk.one(min_pass=0.5).verdict) == ("failed", "passed")


def test_beside_other_assertions_only_those_decide_also_in_sets_and_metrics(desk: Lab) -> None:
    rubric = {**RUBRIC, "metric": "kind", "weight": 9}
    within = {"type": "assert-set", "threshold": 0.9, "assert": [{"type": "contains", "value": "o"}, rubric]}
    alone = {"type": "assert-set", "assert": [rubric]}
    contains = {"type": "contains", "value": "no"}
    desk.cases(*cases("no", must_pass=True, **{"assert": [contains, rubric, within, alone]}), judge="calibrated")
    found = desk.one()
    assert (found.verdict, found.totals.metrics, found.totals.score) == ("passed", {}, 1.0)
    assert "decided nothing" in found.reason
    desk.cases(
        *cases("sorry", must_pass=True, **{"assert": [contains, {**rubric, "type": "llm-rubric"}]}), judge="calibrated"
    )
    assert desk.one().verdict == "failed"  # the judge lets it pass, and cannot make up for the other
    desk.cases(*cases("sorry", **{"assert": [contains, rubric], "threshold": 0.5}), judge="calibrated")
    assert desk.one().verdict == "failed"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"judge_digest": "1:0"}, "its prompt has changed since"),
        ({"model": "local/other"}, "it was measured with local/other alone"),
        ({"rubric": "0"}, "nobody measured it on this rubric as it stands"),
        ({"parameters": {"temperature": 1}}, "its parameters have changed since"),
        ({"server": "0"}, "its server has changed since"),
        ({"measured_at": "2020-01-01"}, "was measured on 2020-01-01, more than 180 days ago"),
        ({"measured_at": "2999-01-01"}, "a day to come"),
        ({"verdicts": VerdictCounts(5, 0, 0, 5)}, "was measured on 10 labelled replies, fewer than the 30 asked for"),
        ({"verdicts": VerdictCounts(20, 10, 10, 10)}, "agrees too little with people: κ is 0.17, and 0.6 is asked for"),
        ({"verdicts": VerdictCounts(40, 0, 0, 0)}, "on no reply that people let fail, and 5 are needed (label more)"),
        (
            {"verdicts": VerdictCounts(29, 0, 0, 1), "datasets": ("datasets/triage.yaml",)},
            "1 reply that people let fail, and 5 are needed (label more: promptctl judge label datasets/triage.yaml)",
        ),
        ({"verdicts": VerdictCounts(3, 1, 0, 30)}, "was measured on 4 replies that people let pass, and 5 are needed"),
        ({"verdicts": VerdictCounts(10, 0, 0, 10, 10, 10)}, "agrees too little with people"),
    ],
)
def test_a_calibration_that_does_not_hold_says_why(desk: Lab, other: dict[str, Any], said: str) -> None:
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}), judge="calibrated")
    made = calibrate(desk, **{**other, "counts": other.pop("verdicts", GOOD)})
    rubric = calibrate(desk).rubric
    desk.write(calibration_path(made.judge), calibration_bytes(made.judge, [made]).decode())
    with desk.open() as workspace:
        licence = Licences(JudgeTerms(workspace.context), CalibrationRule()).of(
            AskedJudge("judges/llm-rubric", None), rubric
        )
    assert said in (licence.lack or "")


def test_the_stricter_of_settings_and_dataset_holds(desk: Lab) -> None:
    settings = (desk.root / "promptctl.yaml").read_text()
    desk.write("promptctl.yaml", settings + "gate: {judge: {calibrated: {kappa: 0.9, labels: 10}}}\n")
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}), judge={"calibrated": {"kappa": 0.1, "labels": 41}})
    calibrate(desk)
    assert "fewer than the 41 asked for" in desk.one().reason
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}), judge={"calibrated": {"kappa": 0.1}})
    assert "κ is 0.85, and 0.9 is asked for" in desk.one().reason


def test_a_model_beside_calibrated_is_the_judge_and_a_different_one_is_not_licensed(desk: Lab) -> None:
    settings = (desk.root / "promptctl.yaml").read_text()
    desk.write("promptctl.yaml", settings + "gate: {judge: {model: local/big, calibrated: true}}\n")
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    with desk.open() as workspace:
        gate = workspace.context.settings.gate
        assert (gate.judge, gate.calibrated is not None) == ("local/big", True)
    calibrate(desk)
    found = desk.one()
    assert (found.verdict, found.row.spec.judge, found.row.spec.judge_model) == ("passed", None, "local/big")
    assert {each.body["model"] for each in desk.server.requests} == {"gpt-4o-mini", "big"}
    assert "it was measured with local/big alone" in desk.one(judge="local/gpt-4o-mini").reason
    assert "its parameters have changed" in desk.one(judge_parameters={"temperature": 1}).reason


def test_a_broken_file_of_calibrations_stops_what_asks_for_a_licence_and_nothing_else(desk: Lab) -> None:
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    made = calibrate(desk)
    text = calibration_bytes(made.judge, [made]).decode()
    desk.write(calibration_path(made.judge), text.replace('"value": 0.85', '"value": 0.95'))
    assert desk.one().verdict == "passed"
    with desk.open() as workspace:
        (problem,) = workspace.validate().problems
        assert "`kappa` does not follow from the verdicts" in problem.message
        assert problem.hint == "measure it again: promptctl judge calibrate judges/llm-rubric"
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}), judge="calibrated")
    with pytest.raises(InvalidFiles, match="does not follow from the verdicts"):  # and nobody passes on the rest
        desk.one()


@pytest.mark.parametrize("number", ["100000000", "1e30", "-1", "0.5"])
def test_counts_in_a_calibration_are_bounded(desk: Lab, number: str) -> None:
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    made = calibrate(desk)
    text = calibration_bytes(made.judge, [made]).decode()
    desk.write(calibration_path(made.judge), text.replace('"true_pass": 18', f'"true_pass": {number}'))
    with desk.open() as workspace:
        (problem, *_) = workspace.validate().problems
    assert problem.place is not None
    assert problem.place.path == calibration_path(made.judge)
    assert problem.severity == "error"


def test_validate_warns_of_a_judge_that_has_changed_since(desk: Lab) -> None:
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    calibrate(desk, judge_digest="1:0")
    with desk.open() as workspace:
        (problem,) = workspace.validate().problems
    assert (problem.code, problem.severity) == ("stale-calibration", "warning")


def test_without_a_rule_nothing_is_told_apart(desk: Lab) -> None:
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    with desk.open() as workspace:
        licences = Licences(JudgeTerms(workspace.context), None)
        assert licences.is_idle
        assert licences.of(AskedJudge("judges/llm-rubric", None), "r").lack is None
    assert dict(desk.one().row.spec.rules).keys() == {"judges"}


def test_a_comparison_shows_the_rates_raw_and_corrected_and_says_who_decided_nothing(desk: Lab) -> None:
    desk.cases(*cases("sorry", "sorry, yes", "so sorry", "no", **{"assert": [RUBRIC]}), min_pass=0.5)
    calibrate(desk)
    first, second = desk.one(), desk.one(replies="ask")
    with desk.open() as workspace:
        compared = workspace.compare(first.row.id, second.row.id)
        rows = {name: cells for name, *cells in judged_rows(compared)}
        assert rows["llm-rubric by local/gpt-4o-mini (Says sorry.)"][:2] == ["75.0%", "75.0%"]
        assert rows["corrected for its errors"][0].startswith("82.4% (")
        assert comparison_as_dict(compared)["head"]["judged"][0]["corrected_rate"] == 0.823529
        assert "82.4%" in "".join(comparison_markdown(compared))
        (line,) = judged_rates(second.totals.judged)
        assert line.startswith(
            "llm-rubric by local/gpt-4o-mini (Says sorry.): 75.0% (30%–95%) of its verdicts pass; corrected 82.4% ("
        )
        assert "κ 0.85, 40 labels" in line
        told = "".join(markdown(workspace.context.log, [second]))
    assert "corrected 82.4%" in told
    calibrate(desk, VerdictCounts(true_pass=12, false_fail=8, false_pass=8, true_fail=12))
    third = desk.one()
    with desk.open() as workspace:
        rows = {name: cells for name, *cells in judged_rows(workspace.compare(first.row.id, third.row.id))}
    assert rows["corrected for its errors, as measured for each side"][0].startswith("82.4% (")
    calibrate(desk, rubric="other")
    desk.cases(*cases("sorry", "no", **{"assert": [RUBRIC]}), judge="calibrated")
    first, second = desk.one(), desk.one(replies="ask")
    with desk.open() as workspace:
        compared = workspace.compare(first.row.id, second.row.id)
    assert (compared.verdict.kind, compared.decision.exit_code) == ("incomplete", 5)
    assert "decided nothing: judges/llm-rubric" in (compared.note or "")


def test_no_label_moves_on_the_word_of_an_uncalibrated_judge(desk: Lab) -> None:
    settings = (desk.root / "promptctl.yaml").read_text() + "labels: {production: {evaluation: passed}}\n"
    desk.write("promptctl.yaml", settings)
    desk.cases(*cases("sorry", **{"assert": [RUBRIC]}))
    git(desk.root, "init", "-q", "-b", "main")
    commit(desk.root, "Begin")
    assert desk.one().verdict == "passed"
    desk.write("promptctl.yaml", settings + "gate: {judge: calibrated}\n")
    commit(desk.root, "Ask for agreement")

    def promote() -> str:
        with desk.open() as workspace:
            try:
                workspace.labels.set("triage@production", "main", reason="")
            except LabelRefused as refused:
                return refused.message
        return "moved"

    assert "was graded by other rules or judges" in promote()  # what passed by the judge alone counts no longer
    assert desk.one().verdict == "incomplete"
    assert "decided nothing: judges/llm-rubric" in promote()
    calibrate(desk)
    commit(desk.root, "Measure it")
    assert desk.one().verdict == "passed"
    assert promote() == "moved"
    edited = {**RUBRIC, "value": "Says sorry"}
    desk.cases(*cases("sorry", **{"assert": [edited, {"type": "contains", "value": "o"}]}))
    prompt = desk.root / "prompts/triage.prompt.yaml"
    prompt.write_text(prompt.read_text().replace("{{ ticket }}", "{{ ticket }}!"))
    commit(desk.root, "Ask a little differently, of a judge that nobody measured on it")
    for _ in range(2):
        assert desk.one(replies="ask").verdict == "passed"
        assert "judges decided nothing that did in an earlier" in promote()


@pytest.mark.parametrize("written", ["calibrate", "Calibrated", "calibratd"])
def test_a_misspelt_calibrated_is_no_model(written: str) -> None:
    with pytest.raises(InvalidFiles) as wrong:
        read_settings(f"gate: {{judge: {written}}}\n".encode())
    assert wrong.value.problems[0].hint == "did you mean `calibrated`?"
    assert read_settings(b"gate: {judge: gpt-4o}\n").gate.judge == "gpt-4o"


def test_a_judge_that_decided_on_one_side_alone_leaves_a_comparison_incomplete(desk: Lab) -> None:
    (desk.root / "promptctl.yaml").write_text(
        (desk.root / "promptctl.yaml").read_text() + "gate: {judge: calibrated}\n"
    )
    nested = {"type": "assert-set", "assert": [{"type": "contains", "value": "no"}, RUBRIC]}
    desk.cases(*cases("no", "no, sorry", **{"assert": [nested, RUBRIC]}))
    calibrate(desk)
    licensed = desk.one()
    calibrate(desk, measured_at="2025-01-01")
    expired = desk.one()
    assert (licensed.totals.passed, expired.totals.passed) == (1, 2)
    with desk.open() as workspace:
        for before, after, side in ((licensed, expired, "after"), (expired, licensed, "before")):
            found = workspace.compare(before.row.id, after.row.id)
            assert (found.verdict.kind, found.decision.exit_code) == ("incomplete", 5)
            assert (
                f"in 2 of 2 cases a judge decided on one side alone ({side}, judges/llm-rubric with local/gpt-4o-mini "
                "was measured on 2025-01-01, more than 180 days ago"
            ) in found.verdict.reason
            assert "Evaluate both sides anew: promptctl eval triage." in found.decision.reason
            assert found.note == "they differ in more than the prompt: the judges that may decide"
            assert "2 judged on one side alone" in "".join(comparison_markdown(found))
        again = workspace.compare(expired.row.id, expired.row.id)
    assert (again.verdict.kind != "incomplete", again.decision.exit_code) == (True, 0)
    assert not licensed.row.spec.is_same_work(expired.row.spec)  # nor does --against take the one for the other


def _rates(*graded: Mapping[str, Any], **known: VerdictCounts) -> tuple[dict[str, Any], ...]:
    """Return the rates of verdicts whose rubrics were measured so, by name."""
    made = {
        name: Calibration(judge="j", judge_digest="d", model="m", rubric=name, rubric_text=name, verdicts=counts)
        for name, counts in known.items()
    }
    rates = JudgedRates({name: each.summary for name, each in made.items()})
    for each in graded:
        rates.add({"type": "llm-rubric", "judge": "m", "passed": True, **each}, None)
    return rates.as_data()


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (VerdictCounts(true_pass=40), "the judge was tried on no reply that people let fail"),
        (VerdictCounts(true_fail=40), "the judge was tried on no reply that people let pass"),
        (VerdictCounts(10, 10, 10, 10), "the judge did no better than chance"),
    ],
)
def test_a_rate_that_cannot_be_corrected_says_why(counts: VerdictCounts, why: str) -> None:
    rates = _rates({"calibration": "kind"}, kind=counts)
    assert rates[0]["uncorrected"] == why
    assert f"(kind): 100.0% (21%–100%) of its verdicts pass; cannot be corrected, as {why} (" in next(
        judged_rates(rates)
    )


def test_rates_of_different_rubrics_and_judges_are_told_apart() -> None:
    found = _rates({"calibration": "kind"}, {"calibration": "short", "passed": False}, kind=GOOD, short=GOOD)
    assert [(each["rubric"]["text"], each["pass_rate"]) for each in found] == [("kind", 1.0), ("short", 0.0)]
    first, second = judged_rates(found)
    assert (first.startswith("llm-rubric by m (kind): 100.0%"), second.startswith("llm-rubric by m (short): 0.0%")) == (
        True,
        True,
    )
    found = _rates({}, {"judge_prompt": "judges/strict", "passed": False})
    assert [(each["judge_prompt"], each["pass_rate"]) for each in found] == [(None, 1.0), ("judges/strict", 0.0)]


def test_an_evaluation_is_not_taken_up_again_once_its_judge_is_calibrated(desk: Lab) -> None:
    desk.cases(*cases("sorry", "so sorry", "sorry!", **{"assert": [RUBRIC]}))
    stopped = desk.one(limits=Limits(max_cost_nano_usd=1))
    assert stopped.stopped == "max-cost"
    calibrate(desk)
    with pytest.raises(WorkspaceError, match="which judges are calibrated changed"):
        desk.resume(stopped, limits=Limits(max_cost_nano_usd=1))
