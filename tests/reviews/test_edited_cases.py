"""Cases that HEAD edits together with the prompt they test: shown, counted, and no evidence of a gain."""

from __future__ import annotations

from typing import Any

import pytest

from promptctl.comparisons.rule import GateKind, GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.reports.review_files import _page_part
from tests.openai_server import Exchange, failure
from tests.reviews.conftest import Cli, Pull, case, evaluation_of, obedient

STRICT = GateRule(gate="strict")
PATH = "prompts/triage.prompt.yaml"


def worsen(pull: Pull) -> None:
    pull.write(PATH, pull.read(PATH).replace("Say one word.", "Say one word. WORSE"))


def compared(data: dict[str, Any]) -> dict[str, Any]:
    (found,) = evaluation_of(data, "triage")["comparisons"]
    return dict(found)


class TestVerdict:
    def test_it_is_not_better_for_what_edited_cases_gained(self, pull: Pull) -> None:
        worsen(pull)
        pull.dataset(*(case(n) | {"expected": "wrong"} for n in range(8)))
        pull.commit("Expect what comes")
        data = pull.data()
        found = compared(data)
        assert found["edited"] == [f"case-{n}" for n in range(8)]
        assert (found["verdict"], data["exit_code"]) == ("inconclusive", OK)
        assert found["reason"] == "Inconclusive: HEAD edited 8 of 8 compared cases."
        markdown = pull.markdown()
        assert "8 of 8 compared cases were edited by this branch" in markdown
        assert "Better" not in markdown

    def test_others_that_gained_make_it_better(self, pull: Pull) -> None:
        worsen(pull)
        base = pull.commit("Worse")
        pull.write(PATH, pull.read(PATH).replace(" WORSE", ""))
        pull.dataset(*(case(n) for n in range(7)), case(7) | {"inputs": {"ticket": "billing again"}})
        pull.commit("Mend it")
        found = compared(pull.data(base=base))
        assert (found["verdict"], found["edited"]) == ("better", ["case-7"])
        assert "1 of 8 compared cases was edited by this branch" in pull.markdown(base=base)

    def test_gains_of_edited_cases_hide_no_loss_of_the_others(self, pull: Pull) -> None:
        worsen(pull)
        cases = [case(n) | {"expected": "wrong"} for n in range(7)]
        pull.dataset(*cases, case(7))
        pull.commit("Expect what comes")
        data = pull.data()
        found = compared(data)
        assert (found["verdict"], data["exit_code"]) == ("worse", CHECK_FAILED)
        told = "Worse: of 1 case that HEAD did not edit 1 regressed every time: case-7."
        assert (found["reason"], data["decision"]) == (told, f"triage: {told}")

    def test_gains_of_added_cases_hide_no_loss_of_the_others(self, pull: Pull) -> None:
        worsen(pull)
        pull.dataset(*(case(n) for n in range(8)), *(case(n) | {"expected": "wrong"} for n in range(20, 50)))
        pull.commit("Add what it can do")
        data = pull.data()
        told = "Worse: of 8 cases that HEAD did not add 8 regressed every time: case-0, case-1, case-2 and 5 more."
        assert (compared(data)["reason"], data["exit_code"]) == (told, CHECK_FAILED)
        assert compared(data)["edited"] == []

    def test_cases_that_are_added_beside_edited_ones_leave_nothing_to_go_by(self, pull: Pull) -> None:
        worsen(pull)
        pull.dataset(*(case(n) | {"expected": "wrong"} for n in range(8)), case(20, "wrong"))
        pull.commit("Expect what comes, and more of it")
        data = pull.data(rule=STRICT)
        assert compared(data)["reason"] == "Inconclusive: HEAD edited or added 9 of 9 compared cases."
        assert (data["exit_code"], len(compared(data)["edited"])) == (INCOMPLETE, 8)
        assert "HEAD edited or added every compared case, which leaves" in data["decision"]

    def test_added_cases_show_that_it_is_better_and_moved_ones_are_not_added(self, pull: Pull) -> None:
        pull.dataset(*(case(n) | {"expected": "wrong"} for n in range(20, 26)), name="more")
        base = pull.commit("Cases that fail")
        worsen(pull)
        pull.dataset(case(0), *(case(n) | {"expected": "wrong"} for n in range(30, 40)))
        pull.git("rm", "--quiet", "datasets/more.yaml")
        pull.dataset(*(case(n) | {"id": f"moved-{n}", "expected": "wrong"} for n in range(20, 26)), name="moved")
        pull.commit("Mend and test it")
        found = {each["head"]["dataset"]: each for each in evaluation_of(pull.data(base=base), "triage")["comparisons"]}
        assert found["datasets/triage.yaml"]["verdict"] == "worse", "case-0 is lost"
        assert found["datasets/moved.yaml"]["verdict"] == "better"
        pull.dataset(*(case(n) | {"expected": "wrong"} for n in range(30, 40)))
        pull.commit("No loss")
        found = {each["head"]["dataset"]: each for each in evaluation_of(pull.data(base=base), "triage")["comparisons"]}
        assert found["datasets/triage.yaml"]["verdict"] == "better"

    def test_a_reply_that_the_dataset_brings_is_an_edit(self, pull: Pull) -> None:
        worsen(pull)
        pull.dataset(*(case(n, output="billing") for n in range(8)))
        pull.commit("Answer for the model")
        assert len(compared(pull.data())["edited"]) == 8

    def test_a_loss_of_an_edited_case_is_one(self, pull: Pull) -> None:
        worsen(pull)
        pull.dataset(*(case(n, "refund") for n in range(8)))
        pull.commit("Edit them")
        assert compared(pull.data())["verdict"] == "worse"

    @pytest.mark.parametrize("must_pass", [False, True])
    def test_one_that_an_edit_makes_an_error_hides_no_loss(self, pull: Pull, must_pass: bool) -> None:
        async def refusing(exchange: Exchange) -> None:
            too_long = "refused" in str(exchange.request.body["messages"][-1]["content"])
            await (failure(400) if too_long else obedient)(exchange)

        pull.server.default = refusing
        rows = [case(0, must_pass=must_pass), *(case(n, output="billing") for n in range(1, 10))]
        pull.dataset(*rows)
        base = pull.commit("Ten cases")
        worsen(pull)
        rows[0] |= {"inputs": {"ticket": "refused"}}
        pull.dataset(*rows)
        pull.commit("Edit")
        data = pull.data(base=base)
        found = compared(data)
        assert (found["verdict"], data["exit_code"]) == ("incomplete", INCOMPLETE)
        assert found["edited"] == ["case-0"]

    @pytest.mark.parametrize(
        ("edited", "gate", "exit_code"),
        [(70, "noninferior", CHECK_FAILED), (70, "strict", INCOMPLETE), (1, "noninferior", OK), (20, "worse", OK)],
    )
    def test_edited_cases_alone_rule_out_no_loss(self, pull: Pull, edited: int, gate: GateKind, exit_code: int) -> None:
        rows = [case(n, output="billing") for n in range(70)]
        pull.dataset(*rows)
        base = pull.commit("Many cases")
        pull.write(PATH, pull.read(PATH).replace("Say one word.", "Say one word only."))
        pull.dataset(*(each | {"inputs": {"ticket": "billing again"}} for each in rows[:edited]), *rows[edited:])
        pull.commit("Edit")
        data = pull.data(base=base, rule=GateRule(gate=gate))
        found = compared(data)
        assert (found["verdict"], data["exit_code"]) == ("not-worse" if edited == 1 else "inconclusive", exit_code)


class TestShown:
    def test_every_report_shows_what_became_of_a_case(self, pull: Pull, cli: Cli) -> None:
        pull.dataset(case(0) | {"expected": "refund"}, *(case(n) for n in range(1, 8)))
        pull.commit("Edit")
        review = pull.review()
        lines = ["-expected: billing", "+expected: refund"]
        (edit,) = pull.data()["datasets"][0]["edits"]
        assert edit["cases"] == ["case-0"]
        assert [line for line in edit["diff"] if line[0] in "+-"] == lines
        (page,) = _page_part(review)["diffs"]
        assert (page["title"], page["lines"]) == ("datasets/triage.yaml: case-0", edit["diff"])
        out = cli("review").out
        assert "datasets/triage.yaml: case-0" in out
        assert all(line in pull.markdown() and line in out for line in lines)

    def test_a_matrix_is_one_row(self, pull: Pull) -> None:
        matrix = {"id": "m", "matrix": {"ticket": ["billing a", "billing b"]}, "expected": "billing"}
        pull.dataset(matrix)
        base = pull.commit("Matrix")
        pull.dataset(matrix | {"expected": "refund"})
        pull.commit("Edit")
        (edit,) = pull.data(base=base)["datasets"][0]["edits"]
        assert len(edit["cases"]) == 2

    def test_rows_of_another_file_are_shown_as_yaml(self, pull: Pull) -> None:
        row = '{"id": "a", "inputs": {"ticket": "billing"}, "expected": "%s"}\n'
        pull.write("datasets/triage.yaml", "prompts: [triage]\ncases: rows.jsonl\n")
        pull.write("datasets/rows.jsonl", row % "billing")
        base = pull.commit("Rows")
        pull.write("datasets/rows.jsonl", row % "refund")
        pull.commit("Edit")
        (edit,) = pull.data(base=base)["datasets"][0]["edits"]
        assert "+expected: refund" in edit["diff"]


class TestTooMuchToShow:
    def test_an_edit_below_hundreds_of_lines_is_shown(self, pull: Pull) -> None:
        long = case(0) | {"inputs": {"ticket": "billing\n" + "padding\n" * 450}}
        pull.dataset(long | {"expected": "billing"})
        base = pull.commit("Long")
        pull.dataset(long | {"expected": "refund"})
        pull.commit("Edit")
        (edit,) = pull.data(base=base)["datasets"][0]["edits"]
        assert edit["diff"][0] == "@@ line 452 @@"
        assert [line for line in edit["diff"] if line[0] in "+-"] == ["-expected: billing", "+expected: refund"]

    def test_what_is_cut_is_said(self, pull: Pull, cli: Cli) -> None:
        long = case(0) | {"inputs": {"ticket": "".join(f"billing {n}\n" for n in range(300))}}
        pull.dataset(long)
        base = pull.commit("Long")
        pull.dataset(case(0) | {"inputs": {"ticket": "".join(f"refund {n}\n" for n in range(300))}})
        pull.commit("Edit")
        (edit,) = pull.data(base=base)["datasets"][0]["edits"]
        assert (len(edit["diff"]), edit["diff"][-1][0], edit["diff"][-1][-11:]) == (401, "…", " more lines")
        assert edit["diff"][-1] in cli("review", base).out
        assert _page_part(pull.review(base=base))["diffs"][0]["lines"] == edit["diff"]

    def test_every_edited_row_counts_and_is_named(self, pull: Pull, cli: Cli) -> None:
        pull.dataset(*(case(n) for n in range(130)))
        base = pull.commit("Many")
        pull.dataset(*(case(n, "refund") for n in range(130)))
        pull.commit("Edit")
        request: dict[str, Any] = {"base": base, "is_evaluated": False}
        edits = pull.data(**request)["datasets"][0]["edits"]
        assert [each["cases"] for each in edits] == [[f"case-{n}"] for n in range(130)]
        assert [bool(each["diff"]) for each in edits] == [True] * 100 + [False] * 30
        assert "… and 100 more edited cases." in pull.markdown(**request)
        assert "… and 120 more edited cases of datasets/triage.yaml" in cli("review", base, "--no-eval").out
        page = _page_part(pull.review(**request))["diffs"]
        assert (len(page), page[-1]["title"]) == (101, "datasets/triage.yaml: 30 more edited cases, too much to show")
        assert page[-1]["lines"] == [f"case-{n}" for n in range(100, 130)]

    def test_a_row_that_is_too_long_to_compare_is_named(self, pull: Pull, cli: Cli) -> None:
        def long(word: str) -> dict[str, Any]:
            return case(0) | {"inputs": {"ticket": f"{word}\n" * 26_000}}

        pull.dataset(long("billing"), case(1))
        base = pull.commit("Long")
        pull.dataset(long("refund"), case(1, "refund"))
        pull.commit("Edit")
        request: dict[str, Any] = {"base": base, "is_evaluated": False}
        first, second = pull.data(**request)["datasets"][0]["edits"]
        assert (first, second["cases"]) == ({"cases": ["case-0"], "diff": []}, ["case-1"])
        assert "+expected: refund" in second["diff"]
        told = "datasets/triage.yaml: case-0 (edited, and too much to show)"
        assert told in pull.markdown(**request)
        assert told in cli("review", base, "--no-eval").out


class TestMustPass:
    @pytest.mark.parametrize(
        ("new", "is_taken"),
        [
            ({"expected": "wrong"}, True),
            ({"inputs": {"ticket": "billing easier"}}, True),
            ({"assert": [{"type": "equals"}, {"type": "not-contains", "value": "x"}]}, False),
            ({"tags": ["other"]}, False),
        ],
    )
    def test_one_that_is_edited_is_taken_away_unless_it_asks_for_more(
        self, pull: Pull, new: dict[str, Any], is_taken: bool
    ) -> None:
        before = case(0) | {"must_pass": True, "assert": [{"type": "equals"}]}
        pull.dataset(before)
        base = pull.commit("Must pass")
        pull.dataset(before | new)
        pull.commit("Edit")
        told = ["datasets/triage.yaml: 1 case edited that must pass (case-0)"]
        assert pull.data(base=base, rule=STRICT)["taken_away"] == (told if is_taken else [])

    @pytest.mark.parametrize("is_new", [True, False])
    def test_one_that_is_new_or_edited_fails_though_base_fails_it_too(self, pull: Pull, is_new: bool) -> None:
        before = case(0) | {"must_pass": True}
        pull.dataset(*([] if is_new else [before]), case(1))
        base = pull.commit("Must pass")
        worsen(pull)
        pull.dataset(before | {"expected": "nobody says this"}, case(1, output="billing"))
        pull.commit("Edit")
        data = pull.data(base=base)
        assert data["exit_code"] == CHECK_FAILED
        assert "1 case that must pass failed: case-0" in data["decision"]


def test_no_case_is_kept_from_base_unseen(pull: Pull) -> None:
    template = pull.read(PATH).replace("ticket: {type: string}", "ticket: {type: string, required: false}")
    template = template.replace("inputs:\n", "inputs:\n  text: {type: string, required: false}\n")
    template = template.replace("Say one word.", "Say one word.{% if text is defined %} WORSE{% endif %}")
    pull.write(PATH, template.replace("{{ ticket }}", "{{ ticket if ticket is defined else text }}"))
    pull.dataset(case(0), *(case(n) | {"inputs": {"text": f"billing {n}"}} for n in range(1, 8)))
    pull.commit("Move cases that get worse to an input of this branch")
    told = (
        "datasets/triage.yaml: 7 cases with inputs that triage of BASE cannot take (case-1, case-2, case-3 and 4 more)"
    )
    assert told in pull.data()["taken_away"]
    strict = pull.data(rule=STRICT)
    assert (strict["exit_code"], told in strict["decision"]) == (CHECK_FAILED, True)
