"""A judge grades the replies that people labelled, and the agreement is measured, kept and redone when it must be."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judging import JudgeTerms
from promptctl.assertions.licences import Licences
from promptctl.calibrations.agreement import open_questions
from promptctl.calibrations.calibrating import Calibrated, CalibrationRequest
from promptctl.calls.shipped import ShippedFiles
from promptctl.cli.judges import _facts
from promptctl.datasets.human_labels import labels_path
from promptctl.errors import Incomplete, PromptNotFound, WorkspaceError
from promptctl.formats.calibration_file import calibration_path
from promptctl.formats.settings_file import CalibrationRule
from tests.evaluation_lab import Lab
from tests.evaluation_lab import lab as lab
from tests.evaluation_lab import running_model_server as running_model_server
from tests.json_schemas import fits
from tests.openai_server import Exchange, failure, reply

RUBRIC = {"type": "llm-rubric", "value": "Says sorry."}
CASES = [
    {"id": f"c{n}" if n else "one", "inputs": {"ticket": str(n) if n else "A"}, "assert": [RUBRIC]} for n in range(40)
]
# Verdict of the judge by the reply; what people say is in its first word: a judge that errs is told to by the second.
WORDS = [(people, judge) for people in ("yes", "no") for judge in ("right",) * 18 + ("wrong",) * 2]
REPLIES = [f"{people} {judge} {n}" for n, (people, judge) in enumerate(WORDS)]


def verdict(text: str) -> bool:
    words = text.split()
    return (words[0] == "yes") == (words[1] != "wrong")


class Judge:
    """Answers as the judge: by the words of the reply, unless a test says otherwise."""

    def __init__(self, said: Callable[[str, Mapping[str, Any]], str] | None = None) -> None:
        self.said = said

    async def __call__(self, exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        if len(messages) == 1:  # the prompt itself
            await reply("yes right")(exchange)
            return
        text = messages[1]["content"]  # a bad verdict is asked for again below it
        judged = text.rpartition("<reply")[2].partition(">")[2].partition("</reply")[0].strip()
        if self.said is not None:
            await reply(self.said(judged, exchange.request.body))(exchange)
            return
        is_met = verdict(judged)
        await reply(json.dumps({"reason": "r", "score": float(is_met), "pass": is_met}))(exchange)


def label(
    lab: Lab,
    replies: Sequence[str] = REPLIES,
    by: str = "ada",
    answer: Callable[[str], str] = lambda text: "pass" if text.startswith("yes") else "fail",
    dataset: str = "triage",
) -> None:
    """Write a person's labels of replies to the cases of the dataset, one case after another."""
    with lab.open() as workspace:
        path, questions, digest = open_questions(workspace.context, dataset)
        cases = list(questions.cases.values())
        lines = []
        for number, text in enumerate(replies):
            (question,) = questions.of(cases[number % len(cases)], text)
            about = {"dataset": path, "dataset_digest": digest, "by": by, "at": "2026-11-29T13:00:00Z"}
            lines.append(questions.label(question, answer(text), **about).as_line())
    lab.write(labels_path(path, by), "".join(lines))


def calibrate(lab: Lab, judge: str = "llm-rubric", **request: Any) -> Calibrated:
    with lab.open() as workspace:
        found = workspace.judges.calibrate(CalibrationRequest(judge=judge, **request))
        workspace.write(found.proposal)
    return found


@pytest.fixture
def desk(lab: Lab) -> Lab:
    lab.server.default = Judge()
    lab.cases(*CASES)
    return lab


def test_a_judge_is_held_against_people_and_the_file_says_it(desk: Lab) -> None:
    label(desk)
    found = calibrate(desk)
    (made,) = found.calibrations
    counts = made.verdicts
    assert (counts.true_pass, counts.false_fail, counts.false_pass, counts.true_fail, counts.errors) == (
        18,
        2,
        2,
        18,
        0,
    )
    assert (made.kappa.value, made.rates["accuracy"].value, made.rates["sensitivity"].value) == (0.8, 0.9, 0.9)
    assert made.kappa.low is not None
    assert made.kappa.low < 0.7
    assert (made.people, made.datasets, made.rubric_text) == (("ada",), ("datasets/triage.yaml",), "Says sorry.")
    assert made.cost_nano_usd == 15_000
    assert found.lacks == (None,)
    proposal = {"changes": [], "diff": found.proposal.diff(), "written": True}
    fits("judge calibrate", found.as_dict() | proposal)
    assert "no position" in made.position.note or made.position.note.startswith("none")
    assert "--repeats" in made.consistency.note
    assert len(desk.server.requests) == 40
    data = json.loads((desk.root / calibration_path("judges/llm-rubric")).read_text())
    assert data["calibrations"][0]["labels"]["replies"] == 40
    with desk.open() as workspace:
        assert workspace.validate().problems == ()
        (status,) = workspace.judges.list()
        assert (status.calibration, status.lack, status.datasets) == (made, None, ("datasets/triage.yaml",))
        fits("judge list", [status.as_dict()])
    assert desk.one(min_pass=0).totals.judged[0]["corrected_rate"] is not None


def test_a_judge_that_decides_nothing_in_its_dataset_decides_in_its_calibration(desk: Lab) -> None:
    desk.cases(*({**case, "expected": "x", "assert": [{**RUBRIC, "weight": 0}, {"type": "equals"}]} for case in CASES))
    label(desk)
    calibrate(desk)
    with desk.open() as workspace:
        (row,) = workspace.results.evaluations()
        totals = workspace.results.evaluation(row.id).totals
    assert (totals.passed, totals.failed, totals.errors) == (20, 20, 0)


def test_an_estimate_asks_nothing_and_bounds_what_is_spent(desk: Lab) -> None:
    label(desk)
    with desk.open() as workspace:
        (found,) = workspace.judges.estimate(CalibrationRequest(judge="llm-rubric", repeats=2))
    assert desk.server.requests == []
    assert (found.prompt, found.calls, found.judge_calls) == ("judges/llm-rubric", 80, 0)
    fits("judge calibrate --dry-run", [found.as_dict()])
    made = calibrate(desk, repeats=2)
    assert made.cost_nano_usd is not None
    assert found.cost_nano_usd is not None
    assert made.cost_nano_usd <= found.cost_nano_usd


def test_measuring_again_asks_nothing_and_keeps_the_day_and_a_changed_rubric_is_measured_anew(desk: Lab) -> None:
    label(desk)
    calibrate(desk)
    path = desk.root / calibration_path("judges/llm-rubric")
    path.write_text(path.read_text().replace(calibrate(desk).calibrations[0].since, "2026-01-01"))
    asked = len(desk.server.requests)
    again = calibrate(desk)
    assert (len(desk.server.requests), again.proposal.is_empty, again.cost_nano_usd) == (asked, True, 0)
    assert again.calibrations[0].measured_at == "2026-01-01"
    assert again.calibrations[0].cost_nano_usd == 15_000
    assert again.lacks[0] is not None
    assert "--replies ask" in again.lacks[0]
    assert calibrate(desk, replies="ask").calibrations[0].since > "2026-01-01"
    desk.cases({"id": "one", "inputs": {"ticket": "A"}, "assert": [{**RUBRIC, "value": "Says it twice."}]})
    with pytest.raises(WorkspaceError, match="the case asks something different now") as refused:
        calibrate(desk)
    assert refused.value.hint == "promptctl judge label datasets/triage.yaml"


def test_nonsense_counts_as_errors_and_a_provider_that_fails_as_no_verdict(desk: Lab) -> None:
    label(desk)
    desk.server.default = Judge(
        lambda text, _: (
            "ten out of ten!"
            if "wrong" in text
            else json.dumps({"reason": "", "score": float(verdict(text)), "pass": verdict(text)})
        )
    )
    (made,) = calibrate(desk).calibrations
    assert (made.verdicts.errors, made.rates["accuracy"].value, made.rates["sensitivity"].value) == (4, 0.9, 1.0)
    assert made.kappa.value is not None
    assert made.kappa.value < 1
    desk.server.default = failure(400, "no such model")
    with pytest.raises(Incomplete, match="of 40 labelled replies got no verdict"):
        calibrate(desk, replies="ask")


def test_repeats_tell_consistency_and_length_is_held_against_the_label(desk: Lab) -> None:
    replies = [f"{text} {'word ' * (20 * (n % 2))}" for n, text in enumerate(REPLIES)]
    label(desk, replies)
    seen: dict[str, int] = {}

    def said(text: str, _: Mapping[str, Any]) -> str:
        seen[text] = seen.get(text, 0) + 1
        is_met = len(text) > 60 or (text.startswith("yes right 1") and seen[text] == 2)
        return json.dumps({"reason": "", "score": float(is_met), "pass": is_met})

    desk.server.default = Judge(said)
    (made,) = calibrate(desk, repeats=3).calibrations
    assert (made.consistency.n, made.consistency.value) == (40, 0.9)  # 10, 12, 14 and 16 are short and begin so
    assert (made.length.value, made.length.n) == (1.0, 40)  # what is long passes, whatever people say
    assert made.length.low is not None
    assert made.length.low > 0.7


def test_a_judge_with_choices_is_asked_in_the_other_order_too(desk: Lab) -> None:
    classes = {"type": "classify", "value": "kind", "choices": ["kind", "rude"]}
    desk.cases({"id": "one", "inputs": {"ticket": "A"}, "assert": [classes]})
    label(desk, REPLIES, answer=lambda text: "kind" if text.startswith("yes") else "rude")

    def first(text: str, body: Mapping[str, Any]) -> str:
        listed = body["messages"][-1]["content"]
        return json.dumps(
            {"reason": "", "choice": "kind" if listed.index("- kind") < listed.index("- rude") else "rude"}
        )

    desk.server.default = Judge(first)
    (made,) = calibrate(desk, "classify").calibrations
    assert (made.position.value, made.position.n) == (1.0, 40)
    assert "40 of 40 times for what stood earlier" in made.position.note
    assert (made.verdicts.true_pass, made.verdicts.false_pass) == (20, 20)
    assert made.kappa.value == 0


def test_several_people_are_one_label_by_the_majority_and_a_tie_is_set_aside(desk: Lab) -> None:
    label(desk, REPLIES[:30])
    label(
        desk,
        REPLIES[:30],
        by="bob",
        answer=lambda text: "pass" if "no right 2" in text or text.startswith("yes") else "fail",
    )
    found = calibrate(desk)
    (made,) = found.calibrations
    assert made.people == ("ada", "bob")
    assert made.verdicts.n < 30
    assert any("as many people let it pass as not" in note for note in found.notes)
    assert made.ties == 30 - made.verdicts.n > 0
    assert made.as_dict()["labels"]["ties"] == made.ties
    assert dict(_facts(made, None))["κ"].endswith("on which people are split: the hard ones, so it flatters")
    only = calibrate(desk, labels=[labels_path("datasets/triage.yaml", "ada")])
    assert (only.calibrations[0].verdicts.n, only.calibrations[0].people) == (30, ("ada",))


def test_what_is_not_there_is_said(desk: Lab) -> None:
    with pytest.raises(PromptNotFound, match="there is no judge `llm-rubrik`") as unknown:
        calibrate(desk, "llm-rubrik")
    assert unknown.value.hint is not None
    assert "llm-rubric" in unknown.value.hint
    with pytest.raises(WorkspaceError, match="no reply that judges/llm-rubric grades is labelled") as refused:
        calibrate(desk)
    assert refused.value.hint == "promptctl judge label datasets/triage.yaml"
    with pytest.raises(WorkspaceError) as none:
        calibrate(desk, "factuality")
    assert "no dataset has an assertion of judges/factuality" in (none.value.hint or "")


def test_what_a_dataset_asks_of_its_judges_counts_for_the_list_and_the_measure_too(desk: Lab) -> None:
    label(desk)
    assert calibrate(desk).lacks == (None,)
    desk.cases(*CASES, judge={"calibrated": {"labels": 200}})
    said = "was measured on 40 labelled replies, fewer than the 200 asked for"
    (lack,) = calibrate(desk).lacks
    assert said in (lack or "")
    desk.cases({"id": "other", "inputs": {"ticket": "A"}, "assert": [RUBRIC]}, name="lax")
    with desk.open() as workspace:
        (status,) = workspace.judges.list()
    assert (status.datasets, said in (status.lack or "")) == (("datasets/lax.yaml", "datasets/triage.yaml"), True)


def test_a_calibration_that_no_dataset_asks_for_is_named(desk: Lab) -> None:
    label(desk)
    calibrate(desk)
    desk.cases({"id": "one", "inputs": {"ticket": "A"}, "expected": "A"})
    with desk.open() as workspace:
        (status,) = workspace.judges.list()
    assert status.lack == "no dataset asks judges/llm-rubric with local/gpt-4o-mini what it was measured for"


def stale(lab: Lab) -> list[str]:
    with lab.open() as workspace:
        (status,) = workspace.judges.list()
        problems = [each.message for each in workspace.validate().problems if each.code == "stale-calibration"]
        assert status.labels_changed == bool(problems)
    return problems


def test_labels_that_have_changed_since_are_told(desk: Lab) -> None:
    label(desk)
    calibrate(desk)
    assert stale(desk) == []
    label(desk, by="bob")
    assert stale(desk) == []  # what others say besides is no change of what was measured
    label(desk, answer=lambda text: "fail" if text.startswith("yes") else "pass")
    (told,) = stale(desk)
    assert told == "the labels that judges/llm-rubric was measured on (local/gpt-4o-mini, llm-rubric) have changed"
    (desk.root / labels_path("datasets/triage.yaml", "ada")).unlink()
    assert len(stale(desk)) == 1


def test_what_a_judge_says_when_it_is_asked_anew_is_what_counts_from_then_on(
    desk: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(desk)
    monkeypatch.setattr("promptctl.evaluations.cache.utc_now", lambda: "2025-01-01T00:00:00.000Z")
    assert calibrate(desk).calibrations[0].kappa.value == 0.8
    monkeypatch.undo()
    is_met: Callable[[str], bool] = lambda text: text.startswith("yes")  # noqa: E731
    desk.server.default = Judge(
        lambda text, _: json.dumps({"reason": "r", "score": float(is_met(text)), "pass": is_met(text)})
    )
    anew = calibrate(desk, replies="ask").calibrations[0]
    asked = len(desk.server.requests)
    again = calibrate(desk)
    assert again.calibrations == (anew,)
    assert (anew.kappa.value, anew.since > "2025-01-01") == (1.0, True)
    assert (len(desk.server.requests), again.proposal.is_empty) == (asked, True)


def test_a_calibration_is_as_old_as_its_oldest_verdict(desk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    label(desk)
    monkeypatch.setattr("promptctl.evaluations.cache.utc_now", lambda: "2025-01-01T00:00:00.000Z")
    calibrate(desk)
    monkeypatch.undo()
    path = desk.root / calibration_path("judges/llm-rubric")
    path.unlink()
    asked = len(desk.server.requests)
    again = calibrate(desk)
    assert (again.calibrations[0].measured_at, len(desk.server.requests)) == ("2025-01-01", asked)
    assert "more than 180 days ago" in (again.lacks[0] or "")
    path.unlink()
    with closing(sqlite3.connect(next(desk.root.rglob("cache.db")))) as cache, cache:  # of an earlier version
        cache.execute("UPDATE replies SET reply = replace(reply, ',\"made_on\":\"2025-01-01\"', '')")
    unknown = calibrate(desk)
    assert unknown.calibrations[0].measured_at is None
    assert "whose day is not known (anew: --replies ask)" in (unknown.lacks[0] or "")
    assert calibrate(desk, replies="ask").lacks == (None,)


def test_recordings_have_their_own_day_and_say_nothing_of_a_server(desk: Lab) -> None:
    label(desk)
    calibrate(desk, replies="record")
    path = desk.root / calibration_path("judges/llm-rubric")
    path.unlink()
    for file in (desk.root / "datasets/recordings").iterdir():
        file.write_text(re.sub(r'"recorded_at":"[^"]*"', '"recorded_at":"2025-02-03T00:00:00Z"', file.read_text()))
    (made,) = calibrate(desk, replies="replay").calibrations
    assert (made.measured_at, made.replies) == ("2025-02-03", "replay")
    with desk.open() as workspace:
        rule = CalibrationRule(max_age_days=10_000)
        asked = AskedJudge("judges/llm-rubric", None)
        lacks = [
            Licences(JudgeTerms(workspace.context, needs_key=needs), rule).of(asked, made.rubric).lack
            for needs in (True, False)
        ]
    assert "it was measured on recordings, which say nothing of the server" in (lacks[0] or "")
    assert lacks[1] is None


def test_two_judges_of_one_rubric_are_measured_on_the_same_labels(desk: Lab) -> None:
    shipped = ShippedFiles()
    desk.write("prompts/judges/strict.prompt.yaml", shipped.read("prompts/judges/llm-rubric.prompt.yaml").decode())
    own = {**RUBRIC, "prompt": "judges/strict"}
    desk.cases(
        *({"id": f"c{n}", "inputs": {"ticket": str(n)}, "assert": [RUBRIC, own, {**RUBRIC, "type": "not-llm-rubric"}]}
          for n in range(40))
    )  # fmt: skip
    label(desk)
    (strict,) = calibrate(desk, "judges/strict").calibrations
    assert (strict.verdicts.n, strict.kappa.value) == (40, 0.8)
    plain = calibrate(desk).calibrations
    assert {each.rubric_type: (each.verdicts.on_pass, each.verdicts.n) for each in plain} == {
        "llm-rubric": (20, 40),
        "not-llm-rubric": (20, 40),
    }
    with desk.open() as workspace:
        assert {(each.judge, each.type): each.labels for each in workspace.judges.list()} == {
            ("judges/llm-rubric", "llm-rubric"): 40,
            ("judges/llm-rubric", "not-llm-rubric"): 40,
            ("judges/strict", "llm-rubric"): 40,
        }
        assert workspace.validate().problems == ()


def test_replies_to_one_case_count_as_one_case(desk: Lab) -> None:
    desk.cases(*({"id": f"c{n}", "inputs": {"ticket": str(n)}, "assert": [RUBRIC]} for n in range(20)))
    label(desk)
    found = calibrate(desk)
    (made,) = found.calibrations
    assert (made.verdicts.n, made.judged.n, made.kappa.value) == (40, 20, 0.8)
    assert "was measured on labelled replies to 20 cases, fewer than the 30 asked for" in (found.lacks[0] or "")
    assert made.judged.kappa.interval != made.verdicts.kappa.interval
    with desk.open() as workspace:
        assert workspace.validate().problems == ()
        (status,) = workspace.judges.list()
    assert status.calibration == made
    fits("judge calibrate", found.as_dict() | {"changes": [], "diff": found.proposal.diff(), "written": True})
    path = desk.root / calibration_path("judges/llm-rubric")
    path.write_text(path.read_text().replace('"cases": ', '"cases": 1'))
    with desk.open() as workspace:
        assert any("`by_case` does not follow" in each.message for each in workspace.validate().problems)
