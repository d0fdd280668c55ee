"""Judges are settings: a branch is graded by those of its base, and what it does to a judge is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judging import JudgeTerms
from promptctl.assertions.licences import identify
from promptctl.comparisons.rule import GateRule
from promptctl.datasets.index import dataset_index
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.formats.calibration_file import Calibration, calibration_bytes, calibration_path
from promptctl.log.stamps import utc_now
from promptctl.statistics.agreement import VerdictCounts
from promptctl.workspace import open_workspace
from tests.openai_server import Exchange, OpenAIServer, reply
from tests.reviews.conftest import SETTINGS, Pull, case, evaluation_of

STRICT = GateRule(gate="strict")
RUBRIC = {"type": "llm-rubric", "value": "is polite"}
OWN = "prompts/judges/llm-rubric.prompt.yaml"
JUDGE = (
    "inputs: {rubric: {type: string}, output: {type: string}}\n"
    "messages: [{role: user, content: '{% include \"shared/how.j2\" %} OURS {{ rubric }} {{ output }}'}]\n"
)
LENIENT = "messages: [{role: user, content: LENIENT}]\n"


def judged(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"case-{number}", "inputs": {"ticket": f"billing {number}"}, "assert": [RUBRIC | more]}


@pytest.fixture
def graded(pull: Pull, server: OpenAIServer) -> Pull:
    """A pull request whose dataset `local/judge` grades: it lets pass whom it is asked LENIENTly, and nobody else."""

    async def answer(exchange: Exchange) -> None:
        body = exchange.request.body
        if body["model"] == "small":
            await reply("billing")(exchange)
            return
        is_lenient = any("LENIENT" in str(message["content"]) for message in body["messages"])
        verdict = {"reason": "", "score": 1 if is_lenient else 0, "pass": is_lenient}
        await reply(json.dumps(verdict))(exchange)

    server.default = answer
    settings = SETTINGS.format(url=server.url).replace("prices:\n", "prices:\n  local/judge: {input: 1, output: 1}\n")
    pull.write("promptctl.yaml", settings + "gate: {judge: local/judge}\n")
    pull.dataset(*(judged(n) for n in range(3)), min_pass=0)
    pull.commit("Grade")
    pull.git("push", "--quiet", "origin", "feature:main")
    pull.git("fetch", "--quiet", "origin")
    return pull


def calibrate(pull: Pull) -> None:
    """Write the calibration of the judge of the only rubric, as a review asks it."""
    with open_workspace(pull.root, pull.environ) as workspace:
        context, asked = workspace.context, AskedJudge("judges/llm-rubric", None)
        known = identify(JudgeTerms(context, "local/judge"), asked)
        dataset = dataset_index(context, "refuse").open("datasets/triage.yaml")
        (rubric,) = {each.rubric for case in dataset.cases() for each in case.assertions if each.rubric}
    made = Calibration(
        judge="judges/llm-rubric",
        judge_digest=known.digest,
        model=known.model,
        parameters=known.parameters,
        server=known.server,
        rubric=rubric,
        rubric_type="llm-rubric",
        measured_at=utc_now()[:10],
        verdicts=VerdictCounts(20, 0, 0, 20),
    )
    pull.write(calibration_path(made.judge), calibration_bytes(made.judge, [made]).decode())


def grades(pull: Pull, **request: Any) -> tuple[int, int, list[str]]:
    """The exit code, how many cases pass on head, and what is told as taken away."""
    data = pull.data(**request)
    found = evaluation_of(data, "triage")
    alone, compared = found["evaluations"], found["comparisons"]
    passed = alone[0]["passed"] if alone else compared[0]["head"]["passed"]
    return data["exit_code"], passed, data["taken_away"]


def test_the_judge_that_ships_grades_though_head_puts_its_own_in_its_place(graded: Pull) -> None:
    graded.write(OWN, LENIENT)
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    told = "the judge judges/llm-rubric was added (BASE's graded)"
    assert grades(graded) == (OK, 0, [told])
    assert grades(graded, rule=STRICT) == (CHECK_FAILED, 0, [told])


def test_a_judge_of_base_grades_with_its_partials_though_head_changes_them(graded: Pull) -> None:
    graded.write(OWN, JUDGE)
    graded.write("prompts/shared/how.j2", "Be hard.")
    base = graded.commit("A judge")
    graded.write("prompts/shared/how.j2", "LENIENT")
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    told = ["the judge judges/llm-rubric was changed (BASE's graded)"]
    assert grades(graded, base=base) == (OK, 0, told)
    graded.git("rm", "--quiet", OWN)
    graded.commit("Back to the one that ships")
    told = ["the judge judges/llm-rubric was removed (BASE's graded)"]
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == told
    graded.git("checkout", "--quiet", "HEAD~", "--", OWN)
    graded.git("mv", OWN, "prompts/judges/mine.prompt.yaml")
    graded.commit("Under a different name")
    told = ["the judge judges/llm-rubric was renamed (BASE's graded)"]
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == told


def test_a_judge_under_an_id_of_its_own_is_found_by_the_datasets_that_name_it(graded: Pull) -> None:
    graded.write("prompts/mine.prompt.yaml", JUDGE.replace('{% include "shared/how.j2" %}', "Hard:"))
    graded.write("datasets/rows.jsonl", json.dumps(judged(1, prompt="mine")) + "\n")
    graded.write("datasets/triage.yaml", "prompts: [triage]\nmin_pass: 0\ncases: rows.jsonl\n")
    base = graded.commit("A judge")
    graded.edit("prompts/mine.prompt.yaml", "Hard:", "LENIENT")
    told = ["the judge mine was changed (BASE's graded)"]
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == told
    graded.edit("prompts/mine.prompt.yaml", "LENIENT", "Hard:")
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == []


def test_a_judge_that_head_brings_or_names_is_told(graded: Pull) -> None:
    graded.write("prompts/mine.prompt.yaml", LENIENT)
    graded.dataset(
        *(judged(n) for n in range(3)), judged(3, prompt="mine"), judged(4, model="local/lenient"), min_pass=0
    )
    graded.commit("A judge")
    code, passed, told = grades(graded, rule=STRICT)
    assert (code, passed) == (CHECK_FAILED, 1)
    assert told == [
        "the judge mine is HEAD's own",
        "datasets/triage.yaml names a judge of HEAD's own, local/lenient",
    ]
    graded.dataset(*(judged(n) for n in range(3)), judged(3, model="local/judge"), case(4), min_pass=0)
    graded.git("rm", "--quiet", "--force", "prompts/mine.prompt.yaml")
    graded.commit("The one that the settings name")
    assert graded.data(is_evaluated=False, rule=STRICT)["taken_away"] == []


def test_a_prompt_of_base_that_head_makes_a_judge_is_told_unless_it_was_one(graded: Pull) -> None:
    graded.dataset(judged(9, prompt="other", model="local/third"), name="more", prompt="greet", min_pass=0)
    base = graded.commit("More")
    graded.dataset(*(judged(n, prompt="other", model="local/third") for n in range(3)), min_pass=0)
    graded.commit("The same judges")
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == []
    graded.dataset(*(judged(n, prompt="greet") for n in range(3)), min_pass=0)
    graded.commit("A prompt that judges nowhere")
    told = ["datasets/triage.yaml names a judge of HEAD's own, greet"]
    assert graded.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == told


def test_recordings_of_head_that_answer_for_a_judge_are_told(graded: Pull) -> None:
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    graded.review(replies="record")
    graded.commit("Recordings")
    code, passed, told = grades(graded, replies="replay", rule=STRICT)
    assert (code, passed, told) == (CHECK_FAILED, 0, ["recordings that HEAD changed answered for the judges of triage"])
    graded.git("push", "--quiet", "origin", "feature:main")
    graded.git("fetch", "--quiet", "origin")
    graded.dataset(*(judged(n) for n in range(2)), min_pass=0)
    graded.commit("One less")
    assert grades(graded, replies="replay")[2] == ["datasets/triage.yaml lost 1 case (case-2)"]


def test_what_base_asks_of_judges_holds_whatever_head_makes_of_it(graded: Pull) -> None:
    graded.dataset(*(judged(n) for n in range(3)), min_pass=0, judge="calibrated")
    base = graded.commit("Ask for agreement")
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")

    def found(**request: Any) -> tuple[int, int, str, list[str]]:
        data = graded.data(base=base, **request)
        compared = evaluation_of(data, "triage")
        sides = [each["head"] for each in compared["comparisons"]] or compared["evaluations"]
        return data["exit_code"], sides[0]["errors"], sides[0]["reason"], data["taken_away"]

    code, errors, reason, told = found()
    assert (code, errors, told) == (INCOMPLETE, 3, [])
    assert "decided nothing: judges/llm-rubric with local/judge is not calibrated: nobody measured" in reason
    graded.dataset(*(judged(n) for n in range(3)), min_pass=0)
    graded.commit("Ask for nothing")
    weaker = "datasets/triage.yaml: of its judges is asked κ 0.6 on 30 labels, 5 of each, within 180 days → nothing"
    assert found()[:2] == (INCOMPLETE, 3)
    assert found(rule=STRICT)[3] == [weaker]
    graded.git("mv", "datasets/triage.yaml", "datasets/other.yaml")
    graded.commit("Under a different name")
    assert found(rule=STRICT)[:2] == (CHECK_FAILED, 3)
    assert found()[3] == [f"{weaker} in datasets/other.yaml"]


def test_a_calibration_of_head_licenses_nobody_and_that_of_base_does(graded: Pull) -> None:
    graded.dataset(*(judged(n) for n in range(3)), min_pass=0, judge="calibrated")
    base = graded.commit("Ask for agreement")
    calibrate(graded)
    own = graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    assert graded.data(base=base)["exit_code"] == INCOMPLETE
    graded.edit("prompts/triage.prompt.yaml", "Say a word.", "Say some word.")
    assert graded.data(base=own)["exit_code"] == OK


EASY = {"type": "contains", "value": "i"}
FEWER = "datasets/triage.yaml: 3 cases decided by fewer judges (case-0, case-1, case-2)"


def beside(rubric: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**judged(n), "assert": [rubric, EASY]} for n in range(3)]


@pytest.mark.parametrize(
    ("rubric", "header"),
    [
        ({**RUBRIC, "value": "is polite."}, {"judge": "calibrated"}),
        ({"type": "assert-set", "assert": [{**RUBRIC, "model": "local/big"}]}, {"judge": "calibrated"}),
        ({"type": "contains", "value": "b"}, {"judge": "calibrated"}),
        (RUBRIC, {"judge": {"calibrated": {"labels": 1000}}}),
    ],
)
def test_a_judge_that_decided_and_decides_no_longer_is_taken_away(
    graded: Pull, rubric: dict[str, Any], header: dict[str, Any]
) -> None:
    graded.dataset(*beside(RUBRIC), min_pass=0, judge="calibrated")
    calibrate(graded)
    base = graded.commit("Ask for agreement")
    graded.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    same = graded.data(base=base, is_evaluated=False, rule=STRICT)
    assert (same["exit_code"], same["taken_away"]) == (OK, [])
    graded.dataset(*beside(rubric), min_pass=0, **header)
    graded.commit("A judge that nobody measured")
    strict = graded.data(base=base, is_evaluated=False, rule=STRICT)
    assert (strict["exit_code"], FEWER in strict["taken_away"]) == (CHECK_FAILED, True)
    other = graded.data(base=base, is_evaluated=False)
    assert (other["exit_code"], FEWER in other["taken_away"]) == (INCOMPLETE, True)


@pytest.mark.parametrize("what", ["broken", "settings", "judge"])
def test_what_head_does_to_calibrations_settings_and_judges_counts_as_of_the_merge(graded: Pull, what: str) -> None:
    graded.dataset(*beside(RUBRIC), min_pass=0, judge="calibrated")
    calibrate(graded)
    base = graded.commit("Ask for agreement")
    if what == "broken":
        graded.write("datasets/calibrations/zz.json", "{}")
    elif what == "settings":
        settings = (graded.root / "promptctl.yaml").read_text()
        graded.write("promptctl.yaml", settings.replace("judge: local/judge", "judge: local/big"))
    else:
        graded.write(OWN, JUDGE.replace('{% include "shared/how.j2" %}', "Hard:"))
    graded.commit("Change what licenses")
    told = (
        "with HEAD's own settings, judges and calibrations fewer judges decide in 3 cases of datasets/triage.yaml "
        "(case-0, case-1, case-2)"
    )
    strict = graded.data(base=base, is_evaluated=False, rule=STRICT)
    assert (strict["exit_code"], told in strict["taken_away"]) == (CHECK_FAILED, True)
    assert graded.data(base=base, is_evaluated=False)["exit_code"] == INCOMPLETE


def test_a_rule_that_takes_the_judges_of_base_out_is_told_and_removing_one_without_a_rule_is_not(graded: Pull) -> None:
    graded.dataset(*beside(RUBRIC), min_pass=0)
    base = graded.commit("No rule")
    graded.dataset(*beside(RUBRIC), min_pass=0, judge="calibrated")
    graded.commit("A rule that nobody meets")
    assert graded.data(base=base, is_evaluated=False)["taken_away"] == [FEWER]
    graded.dataset(*beside({"type": "contains", "value": "b"}), min_pass=0)
    graded.commit("A different test")
    assert graded.data(base=base, is_evaluated=False)["taken_away"] == []


@pytest.mark.parametrize("formerly", ["", "formerly: [triage]\n"])
def test_a_rule_of_base_holds_though_prompt_and_dataset_are_renamed_together(graded: Pull, formerly: str) -> None:
    graded.dataset(*(judged(n) for n in range(3)), min_pass=0, judge="calibrated")
    base = graded.commit("Ask for agreement")
    own = (graded.root / "prompts/triage.prompt.yaml").read_text()
    graded.git("rm", "--quiet", "prompts/triage.prompt.yaml", "datasets/triage.yaml")
    graded.write("prompts/sorting.prompt.yaml", formerly + own.replace("Say one word.", "Write a single word, please."))
    graded.dataset(*(judged(n) for n in range(3)), name="sorting", prompt="sorting", min_pass=0)
    graded.commit("Under a different name")
    data = graded.data(base=base)
    found = evaluation_of(data, "sorting")
    sides = [each["head"] for each in found["comparisons"]] or found["evaluations"]
    assert (data["exit_code"], sides[0]["errors"]) == (INCOMPLETE, 3)
    assert "decided nothing" in sides[0]["reason"]


class TestSettingsOfJudges:
    """What HEAD's `promptctl.yaml` does to a model that only judges is in doubt, as of one that answers."""

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (
                "prices:",
                '  "local/judge": {api_base: "http://127.0.0.1:9/v1"}\nprices:',
                "HEAD changes how local/judge is asked, which judges 1 tested prompt (triage): api_base",
            ),
            (
                "prices:",
                '  "local/judge": {judge_parameters: {temperature: 1}}\nprices:',
                (
                    "HEAD changes how local/judge is asked, which judges 1 tested prompt (triage): "
                    "judge_parameters.temperature"
                ),
            ),
            (
                "{judge: local/judge}",
                "{judge: local/other}",
                "HEAD has local/other judge 1 tested prompt (triage), which local/judge judges for BASE",
            ),
        ],
    )
    def test_they_are_in_doubt(self, graded: Pull, old: str, new: str, told: str) -> None:
        graded.write("promptctl.yaml", graded.read("promptctl.yaml").replace(old, new))
        graded.commit("Settings")
        data = graded.data()
        assert (data["exit_code"], data["state"], data["warnings"]) == (OK, "not evaluated", [f"Not evaluated: {told}"])
        assert "➖ Prompt review: not evaluated" in graded.markdown()
        strict = graded.data(rule=STRICT)
        assert (strict["exit_code"], strict["decision"]) == (INCOMPLETE, f"{told}.")

    def test_a_judge_that_the_reviewer_names_is_in_none(self, graded: Pull) -> None:
        graded.edit("promptctl.yaml", "{judge: local/judge}", "{judge: local/other}")
        assert graded.data(rule=STRICT, judge="local/judge")["state"] == "nothing to evaluate"

    def test_a_model_that_judges_nothing_is_in_none(self, graded: Pull) -> None:
        graded.write(
            "promptctl.yaml",
            graded.read("promptctl.yaml").replace(
                "prices:", '  "local/x": {api_base: "http://127.0.0.1:9/v1"}\nprices:'
            ),
        )
        graded.commit("Settings")
        assert graded.data(rule=STRICT)["state"] == "nothing to evaluate"
