"""`promptctl eval --against` and `promptctl compare`: two versions over the same cases, and what the gate makes of it.

The prompt says which cases come out wrong: the server answers with the case's own id, wrongly where the prompt's last
message names it before the bar.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptctl.comparisons.rule import GateRule
from promptctl.evaluations import plan
from promptctl.reports.comparison import comparison_markdown
from tests.browser import Browser
from tests.cli.conftest import Cli, commit, git
from tests.evaluation_lab import Lab
from tests.openai_server import Answer, Exchange, OpenAIServer, failure, reply

PROMPT = """\
inputs: {{ticket: {{type: string}}}}
parameters: {{max_tokens: 3}}
messages:
  - {{role: user, content: '{wrong} | {{{{ ticket }}}}'}}
"""


def answering(server: OpenAIServer) -> Answer:
    """Right but for the cases that the prompt names: wrong, wrong the first time, or refused."""

    async def answer(exchange: Exchange) -> None:
        said, _, ticket = exchange.request.body["messages"][-1]["content"].partition(" | ")
        named = said.split()
        is_first = [each.raw for each in server.requests].count(exchange.request.raw) == 1
        if f"broken:{ticket}" in named:
            await failure(400)(exchange)
        elif ticket in named or (f"once:{ticket}" in named and is_first):
            await reply("no")(exchange)
        else:
            await reply(ticket)(exchange)

    return answer


async def answering_rightly(exchange: Exchange) -> None:
    """Say the case's own id, whatever the prompt names."""
    await reply(exchange.request.body["messages"][-1]["content"].partition(" | ")[2])(exchange)


Change = Callable[..., None]


@pytest.fixture
def change(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Write the prompt so that the cases named come out wrong. Ten cases, c0 to c9; all are right on `main`."""

    def write(wrong: str = "", prompt: str = "triage") -> None:
        lab.write(f"prompts/{prompt}.prompt.yaml", PROMPT.format(wrong=wrong))

    monkeypatch.chdir(lab.root)
    lab.server.default = answering(lab.server)
    git(lab.root, "init", "--quiet", "--initial-branch", "main")
    lab.many(10)
    write("base")
    commit(lab.root, "Base")
    return write


def against(cli: Cli, *more: str, code: int = 0) -> dict[str, Any]:
    ran = cli("eval", "triage", "--against", "@main", "--json", *more)
    assert ran.exit_code == code, ran.out + ran.err
    found: dict[str, Any] = ran.json[0]
    return found


def data_of_page(path: str) -> dict[str, Any]:
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', Path(path).read_text(), re.DOTALL)
    assert data is not None
    found: dict[str, Any] = json.loads(data[1])
    return found


def cases_of_page(path: str) -> list[dict[str, Any]]:
    """The cases in the data of a page."""
    found: list[dict[str, Any]] = data_of_page(path)["cases"]
    return found


def newest(cli: Cli) -> list[str]:
    """The ids of the evaluations in the log, the newest first."""
    return [row["evaluation"] for row in cli("results", "list", "--json").json]


def test_flips_are_asked_again_five_times_a_side_and_never_once_more_for_the_same(
    lab: Lab, change: Change, cli: Cli
) -> None:
    change("c1 once:c2")
    found = against(cli, code=1)
    assert len(lab.asked) == 10 + 10 + 2 * (5 + 5)
    assert (found["verdict"], found["confirmed_regressions"], found["note"]) == ("worse", ["c1"], None)
    again = against(cli, code=1)
    assert len(lab.asked) == 40
    assert again["note"] == "the same was compared 2 times, and all answers to flipped cases count"
    assert again["reruns"] == found["reruns"]


def test_a_failing_gate_cannot_be_asked_until_it_passes(lab: Lab, change: Change, cli: Cli) -> None:
    """What broke is right by luck when all is asked anew: the first comparison counts."""
    change("c1 once:c2")
    against(cli, code=1)
    lab.server.default = answering_rightly
    found = against(cli, "--replies", "ask", code=1)
    assert (found["regressed"], found["verdict"], found["confirmed_regressions"]) == ([], "worse", ["c1"])


def test_a_comparison_at_a_different_server_is_a_different_one(lab: Lab, change: Change, cli: Cli) -> None:
    change("c1 once:c2")
    against(cli, code=1)
    settings = (lab.root / "promptctl.yaml").read_text()
    with OpenAIServer() as other:
        other.default = answering_rightly
        lab.write("promptctl.yaml", settings.replace(lab.server.url, other.url))
        found = against(cli)
        assert (found["regressed"], found["verdict"], found["note"]) == ([], "inconclusive", None)
        assert len(other.requests) == 20
    lab.write("promptctl.yaml", settings)
    assert against(cli, code=1)["note"] == "the same was compared 2 times, and all answers to flipped cases count"


def test_a_comparison_that_an_earlier_program_began_goes_on_at_its_own_server(
    lab: Lab, change: Change, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key does not say the server; its evaluations do."""
    change("c1 once:c2")
    with monkeypatch.context() as earlier:
        earlier.setattr(plan, "ADDED_TO_KEY", ())
        found = against(cli, code=1)
    assert found["reruns"]
    sides = [found[name]["evaluation"] for name in ("base", "head")]
    assert cli("compare", *sides, "--json").json[0]["reruns"] == found["reruns"]
    again = against(cli, code=1)
    assert again["note"] == "the same was compared 2 times, and all answers to flipped cases count"
    assert again["reruns"] == found["reruns"]
    with OpenAIServer() as other:
        other.default = answering_rightly
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace(lab.server.url, other.url))
        assert against(cli)["note"] is None


def test_a_flip_that_did_not_hold_says_how_it_fared(change: Change, cli: Cli) -> None:
    change("once:c2")
    ran = cli("eval", "triage", "--against", "@main")
    assert ran.exit_code == 0
    assert "regressed, noise: 1\n  c2: of fresh replies 2 of 2 passed before, 2 of 2 after\n" in ran.out


def test_cases_that_are_not_the_same_on_both_sides_are_named(lab: Lab, change: Change, cli: Cli) -> None:
    cli("eval", "triage")
    cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(1, 10)]
    lab.cases({**cases[0], "expected": "C1"}, *cases[1:], {**cases[0], "id": "new"})
    cli("eval", "triage")
    head, base = newest(cli)
    ran = cli("compare", base, head)
    assert (
        "Of 8 comparable cases: 0 regressed, 0 improved, 8 unchanged, 1 changed (c1), 1 added (new), 1 removed (c0)."
        in (ran.out)
    )


def test_no_id_of_a_case_begins_a_line(lab: Lab, change: Change, cli: Cli) -> None:
    """A CI reads commands from its log, at the beginning of a line or behind spaces."""
    cases = [{"id": f"{n}\n::error file=x::pwned\r::stop::", "inputs": {"ticket": f"c{n}"}} for n in range(3)]
    lab.cases(*(each | {"expected": f"c{n}"} for n, each in enumerate(cases)))
    change("c1")
    compared = cli("eval", "triage", "--against", "@main")
    assert "⏎::error file=x::pwned⏎::stop::" in compared.out
    evaluated = cli("eval", "triage")
    head = newest(cli)[0]
    for ran in (
        compared,
        evaluated,
        cli("results", "show", head),
        cli("results", "show", head, "--case", cases[1]["id"]),
    ):
        assert [line for line in (ran.out + ran.err).splitlines() if line.lstrip().startswith("::")] == []
    assert "pwned" in cli("results", "show", head).out


def test_long_ids_hide_no_number_of_a_report(lab: Lab, change: Change, cli: Cli) -> None:
    lab.many(10)
    cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(10)]
    long = [cases[0] | {"id": f"{'x' * 199}{n}"} for n in range(3)]
    lab.cases(*cases, *long)
    cli("eval", "triage")
    lab.cases(*cases, *({**each, "expected": "other"} for each in long), cases[0] | {"id": "new"})
    cli("eval", "triage")
    head, base = newest(cli)
    with lab.open() as workspace:
        told = "".join(comparison_markdown(workspace.compare(base, head, GateRule())))
    line = next(line for line in told.splitlines() if line.startswith("Of 10 comparable cases: 0 regressed"))
    assert "10 unchanged, 3 changed \\(xxx" in line
    assert line.endswith(", 1 added \\(new\\).")


def test_the_latency_of_a_base_out_of_the_log_is_in_no_headline(change: Change, cli: Cli) -> None:
    change("head")
    assert "\nmedian latency\t" in cli("eval", "triage", "--against", "@main").out
    change("anew")
    ran = cli("eval", "triage", "--against", "@main")
    assert "\nmedian latency, not asked together\t" in ran.out
    assert "latency" not in ran.out.splitlines()[1]


def test_comparisons_of_one_prompt_are_told_by_what_differs_and_the_failing_ones_come_first(
    lab: Lab, change: Change, cli: Cli
) -> None:
    lab.write("datasets/right.yaml", (lab.root / "datasets/triage.yaml").read_text().replace("c3", "right"))
    commit(lab.root, "Two datasets")
    change("c3")
    files = [word for suffix in ("xml", "md") for word in ("-o", f"a.{suffix}")]
    ran = cli("eval", "triage", "-d", "right", "-d", "triage", "--against", "@main", *files)
    assert ran.exit_code == 1
    assert ran.out.endswith("\nfailed: triage · triage.yaml is worse. 1 of 2 comparisons cannot be told from chance.\n")
    (gates, *_) = ET.parse("a.xml").getroot()
    assert [case.get("name") for case in gates] == ["triage · right.yaml", "triage · triage.yaml"]
    told = Path("a.md").read_text()
    assert told.startswith(
        "**failed: triage · triage.yaml is worse. 1 of 2 comparisons cannot be told from chance.**\n\n#### ❌ Worse: "
    )
    assert told.index("`datasets/triage.yaml`") < told.index("`datasets/right.yaml`")


def test_a_page_marks_what_fails_its_gate(lab: Lab, change: Change, cli: Cli) -> None:
    change("head")
    assert cli("eval", "triage", "--against", "@main", "--gate", "noninferior", "-o", "a.html").exit_code == 1
    (row,) = data_of_page("a.html")["review"]["rows"]
    assert (row["verdict"], row["mark"]) == ("inconclusive", "❌")
    lab.write("datasets/right.yaml", (lab.root / "datasets/triage.yaml").read_text().replace("c3", "right"))
    ran = cli("eval", "triage", "-d", "right", "-d", "triage", "--against", "@main", "--gate", "noninferior")
    told = "failed: No result is shown to be worse. triage · right.yaml and triage · triage.yaml did not pass the gate."
    assert (ran.exit_code, told in ran.out) == (1, True)


class TestMustPass:
    @pytest.fixture
    def hard(self, lab: Lab, change: Change) -> Change:
        """Ten cases that must pass, of which c3 fails on `main`."""
        lab.many(10, must_pass=True)
        change("c3 base")
        commit(lab.root, "Every case must pass")
        return change

    def test_a_flip_that_fresh_pairs_do_not_confirm_is_told_and_fails_nothing(self, hard: Change, cli: Cli) -> None:
        hard("c3 once:c2")
        found = against(cli)
        assert [pair["case"] for pair in found["regressed"]] == ["c2"]
        assert "1 case that must pass failed once, which fresh pairs did not confirm: c2" in found["warning"]
        assert against(cli, "--gate", "strict", code=1)["decision"] == "1 case that must pass failed: c3."

    def test_a_case_that_broke_fails_though_others_improve(self, hard: Change, cli: Cli) -> None:
        hard("c1 head")
        found = against(cli, code=1)
        assert (found["verdict"], found["confirmed_improvements"]) == ("inconclusive", ["c3"])
        assert found["decision"] == "1 case that must pass failed: c1."

    def test_a_case_that_failed_before_fails_the_strict_gate_alone(self, hard: Change, cli: Cli) -> None:
        hard("c3 head")
        assert against(cli)["warning"] == "1 case that must pass did not pass before either: c3"
        assert against(cli, "--gate", "strict", code=1)["decision"] == "1 case that must pass failed: c3."

    def test_without_fresh_pairs_the_first_answer_counts(self, hard: Change, cli: Cli) -> None:
        hard("c3 once:c2")
        assert against(cli, "--reruns", "0", code=1)["decision"] == "1 case that must pass failed: c2."

    def test_a_new_case_is_judged_by_itself(self, lab: Lab, hard: Change, cli: Cli) -> None:
        hard("c3 base")
        cli("eval", "triage")
        lab.many(11, must_pass=True)
        hard("c3 c10 head")
        cli("eval", "triage")
        ran = cli("compare", *reversed(newest(cli)), "--json")
        assert (ran.exit_code, ran.json[0]["added"]) == (1, ["c10"])
        assert ran.json[0]["decision"] == "1 case that must pass failed: c10."

    def test_an_error_of_head_alone_is_incomplete(self, hard: Change, cli: Cli) -> None:
        hard("c3 broken:c1")
        assert "1 case that must pass got no result: c1" in against(cli, code=5)["decision"]


class TestIncomplete:
    def test_what_a_side_never_came_to_is_missing_and_not_removed(self, change: Change, cli: Cli) -> None:
        cli("eval", "triage")
        change("head")
        cli("eval", "triage", "--max-cost", "0.00006", "-j", "1", "--replies", "ask")
        head, base = newest(cli)
        for sides, lacking in (((base, head), "after"), ((head, base), "before")):
            ran = cli("compare", *sides, "--json")
            assert (ran.exit_code, ran.json[0]["verdict"], ran.json[0]["removed"]) == (5, "incomplete", [])
            assert re.search(rf"of 10 cases have no result on one side or both \(\d {lacking}\)", ran.json[0]["reason"])

    def test_what_neither_side_came_to_is_missing(self, change: Change, cli: Cli) -> None:
        for text in ("base", "head"):
            change(text)
            cli("eval", "triage", "--max-cost", "0.00006", "-j", "1", "--replies", "ask")
        head, base = newest(cli)
        found = cli("compare", base, head, "--json")
        assert (found.exit_code, found.json[0]["verdict"]) == (5, "incomplete")
        assert found.json[0]["never_run"] == 10 - found.json[0]["n"] > 0

    @pytest.mark.parametrize("cost", ["0.00004", "0.0002"])
    def test_money_that_runs_out_leaves_no_verdict(self, change: Change, cli: Cli, cost: str) -> None:
        change("head")
        found = against(cli, "--max-cost", cost, "-j", "1", code=5)
        assert found["verdict"] == "incomplete"
        assert "stopped early; the same command goes on" in found["note"]

    @pytest.fixture
    def unfit(self, lab: Lab, change: Change) -> None:
        """Twelve cases of which base cannot take the last five: they lack an input that head can do without."""
        known = [{"product": "Acme"}] * 7 + [{}] * 5
        lab.cases(
            *(
                {"id": f"c{n}", "inputs": {"ticket": f"c{n}", **more}, "expected": f"c{n}"}
                for n, more in enumerate(known)
            )
        )
        base = PROMPT.format(wrong="base").replace("string}}", "string}, product: {type: string}}")
        lab.write("prompts/triage.prompt.yaml", base)
        commit(lab.root, "Two inputs, both required")
        head = PROMPT.format(wrong="head").replace("string}}", "string}, product: {type: string, required: false}}")
        lab.write("prompts/triage.prompt.yaml", head)

    def test_a_head_that_never_ran_what_base_cannot_take_is_incomplete(self, unfit: None, cli: Cli) -> None:
        assert against(cli, "--replies", "ask")["passed"]
        found = against(cli, "--max-cost", "0.00015", "-j", "1", "--min-pass", "1", code=5)
        unrun = found["head"]["never_run"]
        assert 0 < unrun <= 5
        assert (found["n"], found["never_run"], found["errored"]) == (7, 0, [])
        assert found["decision"] == f"After: {unrun} cases were not run: stopped at the limit on the cost."

    def test_a_base_that_was_not_finished_lacks_only_what_it_was_asked_for(self, unfit: None, cli: Cli) -> None:
        base = against(cli, "--max-cost", "0.00007", "-j", "1", code=5)["base"]
        lacking = base["never_run"]
        assert 0 < lacking < 7
        cli("eval", "triage")
        ran = cli("compare", base["evaluation"], newest(cli)[0], "--json")
        found = ran.json[0]
        assert (ran.exit_code, found["errored"]) == (5, [f"c{n}" for n in range(7 - lacking, 7)])
        assert f"of 7 cases have no result on one side or both ({lacking} before)" in found["reason"]

    def test_a_prompt_that_was_not_reached_fails_the_command(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("other", prompt="sort")
        lab.many(10)
        lab.cases({"id": "one", "inputs": {"ticket": "one"}, "expected": "one"}, name="sort", prompts=["sort"])
        commit(lab.root, "Two prompts")
        change("head")
        change("head", prompt="sort")
        ran = cli("eval", "triage", "sort", "--against", "@main", "--max-cost", "0.00033", "-j", "1", "--json")
        assert ran.exit_code == 5
        assert [each["verdict"] for each in ran.json] == ["inconclusive", "incomplete"]

    def test_an_end_at_the_first_failure_leaves_too_little_to_compare(self, change: Change, cli: Cli) -> None:
        ran = cli("eval", "triage", "--against", "@main", "--fail-fast")
        assert (ran.exit_code, "too little to compare" in ran.err) == (2, True)

    def test_every_case_an_error_is_no_verdict(self, change: Change, cli: Cli) -> None:
        change(" ".join(f"broken:c{n}" for n in range(10)))
        found = against(cli, code=5)
        assert found["reason"] == "Incomplete: 10 of 10 cases have no result on one side or both (10 after)."
        assert (found["n"], found["p"], found["difference"]) == (0, None, None)

    def test_what_is_without_a_result_says_why(self, change: Change, cli: Cli, tmp_path: Path) -> None:
        change("broken:c1 broken:c3")
        shown = cli("eval", "triage", "--against", "@main", "-o", str(tmp_path / "c.md")).out
        assert "\n  c1, c3: local/gpt-4o-mini " in shown
        assert "\n- c1, c3: local/gpt-4o-mini " in (tmp_path / "c.md").read_text()

    def test_a_lasting_error_of_both_sides_leaves_the_verdict_with_a_warning(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        lab.many(10, must_pass=True)
        change("broken:c4 base")
        commit(lab.root, "One that the server refuses")
        change("broken:c4 head")
        found = against(cli)
        assert (found["verdict"], found["errored"], found["worst_case"]) == ("inconclusive", ["c4"], None)
        assert found["warning"] == (
            "1 case that must pass did not pass before either: c4; "
            "1 case without a result on both sides alike, and not compared: c4"
        )
        change("broken:c4 c1")
        assert against(cli, code=1)["confirmed_regressions"] == ["c1"]
        change("broken:c4 broken:c1")
        assert against(cli, code=5)["verdict"] == "incomplete"

    def test_an_error_of_base_alone_leaves_the_verdict_if_head_passes(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("broken:c4 base")
        commit(lab.root, "One that the server refuses")
        change("head")
        found = against(cli)
        assert found["warning"] == "1 case without a result on one side, and not compared: c4"
        assert against(cli, "--gate", "noninferior", code=5)["verdict"] == "incomplete"

    def test_a_comparison_is_not_resumed_but_given_again(self, change: Change, cli: Cli) -> None:
        ran = cli("eval", "resume", "triage", "--against", "@main")
        assert (ran.exit_code, "--against cannot be given" in ran.err, "give its command again" in ran.err) == (
            2,
            True,
            True,
        )

    def test_one_side_does_not_go_on_without_the_other(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("broken:c1")
        against(cli, code=5)
        change("broken:c1 c2")  # another version, of which no side is left
        head = newest(cli)[0]
        for names in ([], [head[-8:], "--retry-errors"]):
            ran = cli("eval", "resume", *names)
            assert ran.exit_code in (2, 3)
            assert "is one side of a comparison" in ran.err
            assert "promptctl eval triage --against triage@main" in " ".join(ran.err.split())
        shown = " ".join(cli("results", "show", head).out.split())
        assert "ask again with: the same command, with --against" in shown


class TestGates:
    def test_a_share_asked_for_holds_beside_the_gate_and_that_of_the_dataset_does_not(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        change("c1 base")
        commit(lab.root, "As bad as head")
        change("c1 head")
        assert against(cli)["verdict"] == "inconclusive"
        found = against(cli, "--min-pass", "0.95", code=1)
        assert found["decision"] == "9 of 10 cases passed (90%), fewer than the 95% asked for."

    def test_a_case_that_must_pass_fails_and_the_verdict_is_said_once(self, lab: Lab, change: Change, cli: Cli) -> None:
        lab.many(10, must_pass=True)
        change("c1")
        ran = cli("eval", "triage", "--against", "@main")
        assert ran.exit_code == 1
        assert ran.out.count("c1, asked 5 times more on both sides, passed before and failed after every time") == 1
        assert "\n  1 case that must pass failed: c1.\n" in ran.out

    def test_confirmed_regressions_that_the_gate_lets_pass_are_told(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c5 c6 c7")
        commit(lab.root, "Three are wrong")
        change("c1 c2")
        found = against(cli)
        assert (found["confirmed_regressions"], found["passed"]) == (["c1", "c2"], True)
        assert found["warning"] == "2 confirmed regressions; --gate strict would fail"
        told = cli("eval", "triage", "--against", "@main").out
        assert "warning: 2 confirmed regressions; --gate strict would fail" in told
        assert against(cli, "--gate", "strict", code=1)["warning"] is None

    def test_a_margin_is_a_number(self, change: Change, cli: Cli) -> None:
        ran = cli("eval", "triage", "--against", "@main", "--margin", "nan")
        assert (ran.exit_code, "--margin" in ran.err, "nan" in ran.err) == (2, True, True)


class TestSides:
    def test_a_base_without_the_prompt_is_said_with_what_to_do(self, lab: Lab, change: Change, cli: Cli) -> None:
        git(lab.root, "mv", "prompts/triage.prompt.yaml", "prompts/sort.prompt.yaml")
        commit(lab.root, "Another")
        git(lab.root, "branch", "older")
        change("new")
        ran = cli("eval", "triage", "--against", "@older")
        assert ran.exit_code == 3
        assert "error: nothing to compare with: there is no prompt `triage` at `older`" in ran.err
        assert "to evaluate triage by itself: promptctl eval triage" in ran.err

    def test_of_all_prompts_those_that_base_lacks_are_judged_by_themselves(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        change("c1", prompt="sort")
        lab.cases({"id": "c1", "inputs": {"ticket": "c1"}, "expected": "c1"}, name="sort", prompts=["sort"])
        change("head")
        ran = cli("eval", "--all", "--against", "@main", "--json")
        assert ran.exit_code == 1
        compared, alone = ran.json
        assert (compared["head"]["prompt"], compared["passed"]) == ("triage", True)
        assert (alone["head"]["prompt"], alone["base"], alone["verdict"], alone["exit_code"]) == (
            *("sort", None, "failed", 1),
        )
        assert list(alone) == list(compared)
        assert (alone["n"], alone["metrics"], alone["usage"], alone["unchanged"]) == (None, [], [], None)
        assert all(isinstance(alone[name], list) for name, value in compared.items() if isinstance(value, list))
        told = cli("eval", "--all", "--against", "@main")
        assert "sort: failed: 0 of 1 case" in told.out
        assert "there is no sort at the base: it is judged by itself, 100% must pass" in told.out

    def test_of_all_prompts_those_that_never_had_the_label_are_judged_by_themselves(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        assert cli("label", "set", "triage@production").exit_code == 0
        change(prompt="sort")
        lab.cases({"id": "one", "inputs": {"ticket": "one"}, "expected": "one"}, name="sort", prompts=["sort"])
        change("second")
        commit(lab.root, "A prompt of one version and without a label")
        change("head")
        for base in ("@production", "@v2"):
            ran = cli("eval", "--all", "--against", base, "--json")
            assert ran.exit_code == 0, ran.err
            assert [each["head"]["prompt"] for each in ran.json if each["base"] is None] == ["sort"]
            assert [each["head"]["prompt"] for each in ran.json if each["base"]] == ["triage"]
            assert cli("eval", "sort", "--against", base).exit_code == 3

    def test_a_label_that_no_prompt_has_is_an_error_also_of_all(self, lab: Lab, change: Change, cli: Cli) -> None:
        ran = cli("eval", "--all", "--against", "@prodution")
        assert (ran.exit_code, "`prodution` is no label of `triage`" in ran.err) == (3, True)

    def test_two_prompts_are_named_where_they_are_compared(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c1 c2 c3 c4 c5", prompt="sort")
        commit(lab.root, "Another")
        ran = cli("eval", "triage", "--against", "sort@main")
        assert ran.exit_code == 0
        assert re.search(r"\tbefore sort v1 \(\w+\)\tafter triage v1 \(\w+\)\tdifference\n", ran.out)
        assert "Statistics: Better: 5 cases (c1, c2, c3 and 2 more), asked 5 times more on both sides, " in ran.out
        assert "Overall 0 cases regressed and 5 improved of 10" in ran.out

    def test_a_page_has_the_cases_of_each_comparison_side_by_side(self, lab: Lab, change: Change, cli: Cli) -> None:
        async def answer(exchange: Exchange) -> None:
            """One model gets c1 wrong after the change, the other before it."""
            body = exchange.request.body
            is_old, is_other = body["messages"][-1]["content"].startswith("base"), body["model"] == "other"
            await (reply("no") if is_old == is_other else answering_rightly)(exchange)

        change("head")
        lab.cases({"id": "c1", "inputs": {"ticket": "c1"}, "expected": "c1"})
        lab.server.default = answer
        cli("eval", "triage", "--against", "@main", "-m", "local/gpt-4o-mini", "-m", "local/other", "-o", "many.html")
        told = [(each["prompt"], each["flip"]["way"], len(each["results"])) for each in cases_of_page("many.html")]
        assert told == [("triage · local/gpt-4o-mini", "regressed", 2), ("triage · local/other", "improved", 2)]
        data = data_of_page("many.html")
        assert (data["sentence"], data["state"]) == ("triage is worse with local/gpt-4o-mini.", "failed")
        assert [column["name"] for column in data["columns"]] == ["before, v1", "after, v1+dirty"]

    def test_a_page_has_the_cases_of_two_prompts_side_by_side(
        self, lab: Lab, change: Change, cli: Cli, browser: Browser
    ) -> None:
        change("c1", prompt="sort")
        commit(lab.root, "Another")
        cli("eval", "triage", "--against", "sort@main", "-o", "two.html")
        cases = cases_of_page("two.html")
        assert {(each["prompt"], len(each["results"])) for each in cases} == {("triage", 2)}
        assert [each["id"] for each in cases if each["flip"]] == ["c1"]
        with browser.open(Path("two.html").absolute(), width=400, dark=True) as opened:
            page = opened.page
            told = "triage is better than sort: 1 of 1 case that failed now passes every time."
            assert page.inner_text("h1") == told
            assert page.locator(".opens").all_inner_texts() == ["c1"], "what failed on one side"
            assert page.locator(".chip").all_inner_texts() == ["1 improved", "1 failed before"]
            page.click(".chip.improved")
            assert page.url.endswith("#status=improved")
            page.click(".opens")
            assert page.locator(".opened .flip dd").all_inner_texts() == ["no", "c1"]
            assert opened.faults() == []

    def test_page_and_markdown_show_what_changed(
        self, lab: Lab, change: Change, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def shown(name: str) -> tuple[dict[str, list[str]], list[str], str]:
            review, text = data_of_page(f"{name}.html")["review"], Path(f"{name}.md").read_text()
            return {each["title"]: each["lines"] for each in review["diffs"]}, review["notes"], text

        monkeypatch.setenv("SHOP_API_KEY", "key-of-the-shop-0123")
        cases = [{"id": "c1", "inputs": {"ticket": "c1"}, "expected": "c1"}]
        lab.cases(*cases)
        lab.cases(*cases, name="fresh", prompts=["fresh"])
        change("key-of-the-shop-0123")
        change("new", prompt="fresh")
        models = ["-m", "local/gpt-4o-mini", "-m", "local/other"]
        ran = cli("eval", "--all", "--against", "@main", *models, "--json", "-o", "a.html", "-o", "a.md")
        diffs, notes, text = shown("a")
        assert (list(diffs), notes) == (["triage", "fresh (new)"], [])
        assert diffs["triage"][1:] == ["@@ line 1 @@", "-base | {{ ticket }}", "+[redacted] | {{ ticket }}"]
        assert "+  - {role: user, content: 'new | {{ ticket }}'}" in diffs["fresh (new)"]
        assert text.count("#### What changed") == text.count("<summary>triage</summary>") == 1
        assert "\n-base | {{ ticket }}\n+[redacted] | {{ ticket }}\n" in text

        compared = next(each for each in ran.json if each["head"]["prompt"] == "triage")
        base, head = (compared[side]["evaluation"] for side in ("base", "head"))
        change("later")
        cli("compare", base, head, "-o", "b.html", "-o", "b.md")
        lost = "triage: what changed is not shown, as the prompt after (v1+dirty) is no longer at hand: "
        diffs, notes, text = shown("b")
        assert (diffs, notes) == ({}, [f"{lost}its files were changed since"])
        assert "is no longer at hand: its files were changed since*\n" in text

        id_ = compared["base"]["commit"]
        (lab.root / ".git/objects" / id_[:2] / id_[2:]).unlink()
        ran = cli("compare", base, head, "-o", "c.html", "-o", "c.md")
        diffs, notes, text = shown("c")
        assert (ran.exit_code, diffs) == (0, {})
        lost = f"before ({compared['base']['version_display']}) is no longer at hand: this clone does not have it"
        assert notes == [f"triage: what changed is not shown, as the prompt {lost} at commit {id_[:7]}"]

    def test_a_kept_side_is_called_what_was_asked_for(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c1")
        cli("eval", "triage")
        kept = newest(cli)[0]
        now = commit(lab.root, "Break")
        change("head")
        (found,) = cli("eval", "triage", "--against", "@main", "--json").json
        assert found["base"]["evaluation"] == kept
        assert (found["base"]["version_display"], found["base"]["dirty"]) == (f"v2 ({now[:7]})", False)

    def test_both_sides_are_asked_the_tests_in_the_file_of_head(self, lab: Lab, change: Change, cli: Cli) -> None:
        text = "model: local/gpt-4o-mini\nmessages:\n  - {role: user, content: 'WRONG | {{word}}'}\n"
        evaluators = "evaluators:\n  - {name: has it, string: {contains: '{{word}}'}}\n"
        lab.write("prompts/gh.prompt.yml", f"{text}testData: [{{word: apple}}]\n{evaluators}")
        commit(lab.root, "One test")
        lab.write(
            "prompts/gh.prompt.yml", f"{text}testData: [{{word: pear}}, {{word: plum}}]\n{evaluators}".replace("W", "w")
        )
        ran = cli("eval", "gh", "--against", "@main", "--json")
        assert (ran.exit_code, ran.json[0]["n"], ran.json[0]["added"], ran.json[0]["removed"]) == (0, 2, [], [])
        assert sorted(lab.asked) == ["WRONG | pear", "WRONG | plum", "wRONG | pear", "wRONG | plum"]

    def test_what_differs_beside_the_prompt_is_said(self, change: Change, cli: Cli) -> None:
        cli("eval", "triage")
        cli("eval", "triage", "--repeat", "3", "--at-least", "2", "--judge", "local/other")
        head, base = newest(cli)
        note = cli("compare", base, head, "--json").json[0]["note"]
        assert note == (
            "they differ in more than the prompt: repeats (1 and 3), passes asked of the repeats (all and 2), "
            "judge (the default and local/other)"
        )

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--case", "c1", "--case", "c2"], "the selection of cases"),
            (["--sample", "5", "--seed", "1"], "the selection of cases"),
            (["--replies", "replay"], "replies (record and replay)"),
            (["-p", "max_tokens=4"], 'parameters ({"max_tokens": 3} and {"max_tokens": 4})'),
            (["--judge-param", "temperature=0"], 'judge parameters (none and {"temperature": 0})'),
            (["-m", "local/other"], "model (local/gpt-4o-mini and local/other)"),
        ],
    )
    def test_each_difference_beside_the_prompt_is_said(
        self, change: Change, cli: Cli, options: list[str], said: str
    ) -> None:
        base = cli("eval", "triage", "--replies", "record", "--json").json[0]["evaluation"]
        head = cli("eval", "triage", "--json", *options).json[0]["evaluation"]
        note = cli("compare", base, head, "--json").json[0]["note"]
        assert note == f"they differ in more than the prompt: {said}"

    def test_a_model_of_the_prompt_itself_is_no_other_difference(self, lab: Lab, change: Change, cli: Cli) -> None:
        base = cli("eval", "triage", "--json").json[0]["evaluation"]
        path = "prompts/triage.prompt.yaml"
        lab.write(path, f"model: local/other\n{(lab.root / path).read_text()}")
        head = cli("eval", "triage", "--json").json[0]["evaluation"]
        note = cli("compare", base, head, "--json").json[0]["note"]
        assert note == "different models answered: local/gpt-4o-mini and local/other"

    def test_different_cases_and_a_different_server_are_said(self, lab: Lab, change: Change, cli: Cli) -> None:
        base = cli("eval", "triage", "--json").json[0]["evaluation"]
        lab.many(9)
        lab.write(
            "promptctl.yaml", (lab.root / "promptctl.yaml").read_text().replace(lab.server.url, "http://127.0.0.1:1/v1")
        )
        head = cli("eval", "triage", "--json").json[0]["evaluation"]
        note = cli("compare", base, head, "--json").json[0]["note"]
        assert note == "they differ in more than the prompt: the dataset's cases, the server that answers"

    def test_cases_that_the_version_before_cannot_take_are_no_other_difference(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        prompt = (
            "model: local/gpt-4o-mini\ninputs: {{word: {{type: string}}{}}}\nmessages: [{{role: user, content: x}}]\n"
        )
        lab.write("prompts/taking.prompt.yaml", prompt.format(", more: {type: string}"))
        cases = [{"id": "a", "inputs": {"word": "w", "more": "m"}}, {"id": "b", "inputs": {"word": "w"}}]
        check = [{"type": "regex", "value": "."}]
        lab.write(
            "datasets/taking.yaml",
            json.dumps({"prompts": ["taking"], "cases": [each | {"assert": check} for each in cases]}),
        )
        commit(lab.root, "Ask for more")
        lab.write("prompts/taking.prompt.yaml", prompt.format(", more: {type: string, required: false}"))
        ran = cli("eval", "taking", "--against", "@main", "--json")
        (found,) = ran.json
        sides = [found[side]["evaluation"] for side in ("base", "head")]
        note = cli("compare", *sides, "--json").json[0]["note"]
        assert note == found["note"]
        assert note == "the version before cannot take the inputs of 1 of the cases, which are not compared"

    def test_what_a_reply_costs_is_compared_where_repeats_differ(self, change: Change, cli: Cli) -> None:
        cli("eval", "triage")
        cli("eval", "triage", "--repeat", "3", "--replies", "ask")
        head, base = newest(cli)
        ran = cli("compare", base, head)
        for name in ("cost", "tokens"):
            row = re.search(rf"\n{name}, one reply a case\t(\S+)\t(\S+)\t", ran.out)
            assert row is not None
            assert row[1] == row[2]

    def test_a_prompt_of_the_same_content_keeps_its_own_name(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("base", prompt="sort")
        lab.cases({"id": "one", "inputs": {"ticket": "one"}, "expected": "one"}, prompts=["triage", "sort"])
        commit(lab.root, "Two prompts of one content")
        change("head")
        change("head", prompt="sort")
        ran = cli("eval", "triage", "sort", "--against", "@main", "--json")
        assert [each["base"]["prompt"] for each in ran.json] == ["triage", "sort"]
        assert len(lab.asked) == 2


class TestRule:
    def settings(self, lab: Lab, text: str) -> None:
        file = lab.root / "promptctl.yaml"
        file.write_text(file.read_text() + text)

    def test_without_a_version_it_is_the_default_branch_or_production_or_what_the_settings_name(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        change("c1 head")
        ran = cli("eval", "triage", "--against", "--reruns", "0")
        assert "compared with @main" in ran.err
        assert cli("label", "set", "triage@production", "main").exit_code == 0
        assert "compared with @production" in cli("eval", "triage", "--against").err
        assert cli("label", "set", "triage@staging", "main").exit_code == 0
        self.settings(lab, "gate: {base: staging}\n")
        assert "compared with @staging" in cli("eval", "--against", "-j", "2", "triage").err

    def test_first_answers_alone_confirm_nothing_and_say_what_they_could_not_see(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        change("c1 head")
        found = against(cli, "--reruns", "0")
        assert (found["verdict"], found["fresh_pairs"], found["reruns"]) == ("inconclusive", None, [])
        assert "in first answers alone; asking flipped cases again, --reruns 5, sees single cases" in found["reason"]
        assert len(lab.asked) == 20

    def test_a_team_states_its_rule_once_and_options_win(self, lab: Lab, change: Change, cli: Cli) -> None:
        self.settings(lab, "gate: {rule: noninferior, margin: 10%, reruns: 0}\n")
        change("c1 head")
        found = against(cli, code=1)
        assert (found["gate"], found["margin"], found["fresh_pairs"]) == ("noninferior", 0.1, None)
        assert against(cli, "--gate", "worse")["gate"] == "worse"

    @pytest.mark.parametrize("wrong", ["{rule: best}", "{margin: -1}", "{max_cost_increase: ten}", "{rules: worse}"])
    def test_a_rule_that_cannot_be_is_refused(self, lab: Lab, change: Change, cli: Cli, wrong: str) -> None:
        self.settings(lab, f"gate: {wrong}\n")
        ran = cli("eval", "triage", "--against", "@main")
        assert (ran.exit_code, "promptctl.yaml:" in ran.err, lab.asked) == (3, True, [])

    def test_afresh_asks_all_anew_and_says_what_it_set_aside(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("once:c2")
        against(cli)
        asked = len(lab.asked)
        found = against(cli, "--afresh")
        assert len(lab.asked) == asked + 20
        assert (found["verdict"], found["reruns"]) == ("inconclusive", [])
        assert found["note"] == "begun afresh: 1 earlier comparison of the same set aside"
        ran = cli("eval", "triage", "--afresh")
        assert (ran.exit_code, "--against" in ran.err) == (2, True)

    def test_repeats_are_compared_by_what_the_evaluation_says_of_a_case(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        """Two of three replies must pass: the one that is wrong once passes on both sides."""
        change("c1 once:c2")
        found = against(cli, "--repeat", "3", "--at-least", "2", code=1)
        assert ([pair["case"] for pair in found["regressed"]], found["confirmed_regressions"]) == (["c1"], ["c1"])
        assert (found["flaky"], [each["name"] for each in found["metrics"]][:2]) == (["c2"], ["passed", "pass share"])
        assert [len(each["head"]) for each in found["reruns"]] == [5]
        assert len(lab.asked) == 60 + 2 * 5 * 3

    def test_several_comparisons_share_the_error_rate(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c1 head")
        ran = cli("eval", "triage", "--against", "@main", "-m", "local/gpt-4o-mini", "-m", "local/other")
        assert ran.exit_code == 1
        assert "2 comparisons and 1 test of them together share an error rate of 5%" in ran.err
        assert "both sides are the same version" not in ran.out
        # Of ten cases with a third of the level each, as both are tested together too, six pairs confirm one.
        assert "c1, asked 6 times more" in ran.out

    def test_a_version_beside_itself_is_told_and_shares_no_error_rate(self, change: Change, cli: Cli) -> None:
        ran = cli("eval", "triage", "--against", "@main", "-m", "local/gpt-4o-mini", "-m", "local/other")
        assert (ran.exit_code, ran.out.count("both sides are the same version")) == (0, 2)
        assert (ran.out.count("\n  no case flipped"), "cannot rule out" in ran.out) == (2, False)
        assert "share an error rate" not in ran.err


class TestEvidence:
    def test_a_command_that_could_not_ask_to_the_end_is_incomplete(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c1 head")
        # Twenty first answers, and a few of the fresh pairs.
        found = against(cli, "--max-cost", "0.00035", "-j", "1", code=5)
        assert found["verdict"] == "inconclusive"
        assert (
            "not asked again to the end: stopped at the limit on the cost; give the command again." in found["decision"]
        )
        assert against(cli, code=1)["verdict"] == "worse"

    def test_compare_takes_the_pairs_of_the_same_sides_alone(self, lab: Lab, change: Change, cli: Cli) -> None:
        change("c1 c2 head")
        found = against(cli, code=1)
        base, head = found["base"]["evaluation"], found["head"]["evaluation"]
        same = cli("compare", base, head, "--json").json[0]
        assert (same["verdict"], same["confirmed_regressions"]) == ("worse", ["c1", "c2"])
        reversed_ = cli("compare", head, base, "--json").json[0]
        assert (reversed_["passed"], reversed_["fresh_pairs"]) == (True, None)

    def test_every_time_of_asking_counts_again(self, lab: Lab, change: Change, cli: Cli) -> None:
        """With four pairs, first and second time ask for two of the same cases."""
        change("c1 head")
        found = against(cli, "--reruns", "4", code=1)
        asked = len(lab.asked)
        assert against(cli, "--reruns", "4", code=1)["reruns"] == found["reruns"]
        assert len(lab.asked) == asked

    def test_what_first_answers_decided_stays(self, lab: Lab, change: Change, cli: Cli) -> None:
        change(" ".join(f"c{n}" for n in range(8)))
        assert "8 cases regressed" in against(cli, code=1)["reason"]
        lab.server.default = answering_rightly
        found = against(cli, "--replies", "ask", code=1)
        assert "when this was first compared 8 cases regressed and 0 improved of 10" in found["reason"]

    def test_cases_that_are_expected_to_fail_are_no_flips_of_an_earlier_comparison(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        lab.many(8, xfail="they are hard")
        cases = json.loads(lab.root.joinpath("datasets/triage.yaml").read_text())["cases"]
        lab.cases(*cases, {"id": "other", "inputs": {"ticket": "other"}, "expected": "other"})
        change(" ".join(f"c{n}" for n in range(8)))
        found = [against(cli) for _ in range(2)]
        assert [each["verdict"] for each in found] == ["inconclusive", "inconclusive"]

    def test_cases_that_are_expected_to_fail_count_as_in_an_evaluation(
        self, lab: Lab, change: Change, cli: Cli
    ) -> None:
        known = {"id": "known", "inputs": {"ticket": "known"}, "expected": "k", "xfail": "known", "must_pass": True}
        cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(3)]
        lab.cases(*cases, known)
        change("head")
        assert against(cli, "--min-pass", "1")["expected_failures"] == ["known"]
        lab.cases(*cases, {**known, "expected": "known", "xfail": {"reason": "known", "strict": True}})
        found = against(cli, code=1)
        assert "1 case that `xfail` expects to fail passed: known." in found["decision"]
