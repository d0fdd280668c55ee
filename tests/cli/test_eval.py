"""`promptctl eval`: what it selects, prints, writes and ends with."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl.errors import WorkspaceError
from promptctl.reports import files
from tests.cli.conftest import Cli, commit, git
from tests.evaluation_lab import PROMPT, Lab, answering
from tests.openai_server import failure, reply

SECOND = "Second: {{ ticket }}"


class TestExitCodes:
    def test_all_passed(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        assert cli("eval", "triage").exit_code == 0

    def test_too_few_passed(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        lab.server.default = answering({"c1": "wrong"})
        assert cli("eval", "triage").exit_code == 1
        assert cli("eval", "triage", "--min-pass", "0.5").exit_code == 0

    def test_the_datasets_own_bar_holds_unless_another_is_given(self, lab: Lab, cli: Cli) -> None:
        cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(4)]
        lab.cases(*cases, min_pass=0.75)
        lab.server.default = answering({"c1": "wrong"})
        assert cli("eval", "triage").exit_code == 0
        assert cli("eval", "triage", "--min-pass", "1").exit_code == 1

    def test_one_that_must_pass_failed(self, lab: Lab, cli: Cli) -> None:
        cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(4)]
        lab.cases({**cases[0], "must_pass": True}, *cases[1:], min_pass=0.1)
        lab.server.default = answering({"c1": "wrong"})
        assert cli("eval", "triage").exit_code == 0
        lab.server.default = answering({"c0": "wrong"})
        ran = cli("eval", "triage", "--replies", "ask")
        assert (ran.exit_code, "1 case that must pass failed: c0" in ran.err) == (1, True)

    def test_an_error_leaves_it_open_and_a_failure_decides(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        lab.server.default = answering({"c1": failure(400)})
        assert cli("eval", "triage").exit_code == 5
        lab.server.default = answering({"c0": "wrong", "c1": failure(400)})
        assert cli("eval", "triage", "--replies", "ask").exit_code == 1

    def test_what_cannot_be_graded_is_to_be_mended_first(self, lab: Lab, cli: Cli) -> None:
        lab.cases({"id": "c0", "inputs": {"ticket": "c0"}, "assert": [{"type": "regex", "value": "x"}]})
        (lab.root / "promptctl.yaml").write_text(
            (lab.root / "promptctl.yaml").read_text() + "limits: {grading_s: 1e-9}\n"
        )
        ran = cli("eval", "triage")
        assert ran.exit_code == 5
        assert "  1 Ungraded; mend what each says, then: promptctl eval resume " in ran.err

    def test_a_refused_key_is_to_be_mended_first(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        lab.server.default = answering({"c0": failure(401, "Incorrect API key")})
        assert "  1 AuthenticationFailed; mend what each says, then: " in cli("eval", "triage").err
        git(lab.root, "init", "--quiet")
        commit(lab.root, "Triage")
        assert "evaluated  datasets/triage.yaml: incomplete, 0 of 1 case passed, " in cli("blame", "triage").out

    def test_a_faulty_prompt_is_to_be_mended_and_evaluated_anew(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        prompt = lab.root / "prompts/triage.prompt.yaml"
        right = prompt.read_text()
        prompt.write_text(right.replace("{{ ticket }}", "{{ tickt }}"))
        ran = cli("eval", "triage")
        assert (ran.exit_code, ran.err.splitlines()[-1]) == (
            5,
            "  1 RenderError; mend what each says, then: promptctl eval triage",
        )
        prompt.write_text(right)
        assert cli("eval", "triage").exit_code == 0

    def test_a_check_that_expects_no_text_shows_what_the_reply_was(self, lab: Lab, cli: Cli) -> None:
        lab.cases({"id": "c0", "inputs": {"ticket": "c0"}, "assert": [{"type": "is-json"}]})
        lab.server.default = answering({"c0": "I cannot help with that."})
        ran = cli("eval", "triage")
        assert "\n      reply     I cannot help with that.\n" in ran.out + ran.err

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["triage", "--all"],
            ["triage", "--replies", "sometimes"],
            ["triage", "--min-pass", "nan"],
            ["triage", "--max-cost", "nan"],
            ["triage", "--max-cost", "inf"],
            ["triage", "--case-timeout", "nan"],
            ["triage", "--repeat", "2", "--at-least", "3"],
            ["triage", "-o", "report.pdf"],
            ["resume", "--dry-run"],
            ["triage", "--dry-run", "-o", "r.json"],
            ["resume", "--min-pass", "0"],
            ["resume", "--retry-errors", "--tag", "smoke"],
            ["triage", "--failed"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage_asks_nothing(self, lab: Lab, cli: Cli, arguments: list[str]) -> None:
        lab.many(2)
        ran = cli("eval", *arguments)
        assert (ran.exit_code, lab.asked) == (2, [])
        assert ran.err.startswith("error: ")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nobody"],
            ["triage", "-d", "broken"],
            ["triage@v9"],
            ["triage", "-d", "nowhere"],
            ["triage", "-d", "triage", "--case", "c9"],
            ["triage", "-d", "triage", "--tag", "none"],
        ],
        ids=" ".join,
    )
    def test_the_users_files(self, lab: Lab, cli: Cli, arguments: list[str]) -> None:
        git(lab.root, "init", "--quiet")
        lab.many(2)
        commit(lab.root, "Begin")
        lab.write("datasets/broken.yaml", "prompts: [triage]\ncases: [{id: a, input: {ticket: x}}]\n")
        ran = cli("eval", *arguments)
        assert (ran.exit_code, lab.asked) == (3, [])

    def test_a_model_without_a_key(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        ran = cli("eval", "triage", "-m", "openai/gpt-4o-mini")
        assert (ran.exit_code, "OPENAI_API_KEY" in ran.err) == (4, True)


class TestOutput:
    def test_a_pipe_gets_a_table_of_totals_and_words_go_elsewhere(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        lab.server.default = answering({"c1": "wrong"})
        ran = cli("eval", "triage")
        header, row = (line.split("\t") for line in ran.out.splitlines())
        found = dict(zip(header, row, strict=True))
        assert (found["prompt"], found["passed"], found["failed"], found["rate"]) == ("triage", "2", "1", "66.7%")
        assert "✗ failed  c1" in ran.err
        assert 'expected "c1", got "wrong"' in ran.err
        assert "triage: failed: 2 of 3 cases (66.7%) passed, below the 100% asked for" in ran.err

    def test_json_has_the_verdict_and_every_total(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        (found,) = cli("eval", "triage", "--json").json
        wanted = {"prompt": "triage", "verdict": "passed", "cases": 3, "passed": 3, "never_run": 0, "stopped": None}
        assert wanted.items() <= found.items()

    def test_every_format_is_written(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        names = [f"out/r.{suffix}" for suffix in ("json", "jsonl", "csv", "md", "xml", "html")]
        ran = cli("eval", "triage", *(part for name in names for part in ("-o", name)))
        assert ran.exit_code == 0
        assert all((lab.root / name).stat().st_size for name in names)
        results = json.loads((lab.root / "out/r.json").read_text())["evaluations"][0]["results"]
        lines = [json.loads(line) for line in (lab.root / "out/r.jsonl").read_text().splitlines()]
        with (lab.root / "out/r.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [each["case"] for each in results] == [each["case"] for each in lines] == [each["case"] for each in rows]

    def test_a_report_that_cannot_be_written_is_refused_before_anything_is_asked(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        (lab.root / "report.html").mkdir()
        (lab.root / "file").touch()
        for path in ("report.html", "file/report.html", "/proc/none/report.html"):
            assert cli("eval", "triage", "-o", path).exit_code == 2
        assert lab.asked == []

    def test_a_report_that_could_not_be_written_in_the_end_takes_nothing_else_along(
        self, lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lab.many(1)

        def full(path: Path, *_: object) -> None:
            if path.suffix == ".md":
                raise WorkspaceError(f"cannot write {path}: No space left on device")
            path.touch()

        monkeypatch.setattr(files, "write_report", full)
        ran = cli("eval", "triage", "-o", "r.md", "-o", "r.json")
        assert (ran.exit_code, (lab.root / "r.json").exists()) == (3, True)
        assert "triage: passed: 1 of 1 case" in ran.err.partition("cannot write r.md")[0]
        assert "promptctl results export" in ran.err
        lab.server.default = reply("wrong")
        assert cli("eval", "triage", "--replies", "ask", "-o", "r.md").exit_code == 1

    def test_of_repeats_it_is_said_how_many_passed(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        answers = iter(["c0", "wrong", "c0"])
        lab.server.default = answering({"c0": lambda exchange: reply(next(answers))(exchange)})
        ran = cli("eval", "triage", "--repeat", "3", "-j", "1")
        assert len(ran.out.splitlines()) == 2, "a pipe gets the table alone"
        assert "✗ failed  c0  2 of 3 passed" in ran.err
        assert "pass@3 100.0% · pass^3 50.0%\nflaky: c0 2 of 3\n" in ran.err

    def test_what_has_no_price_is_not_free(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        assert "\tunpriced\t" in cli("eval", "triage", "-m", "local/unpriced").out
        assert "\tunpriced\t" in cli("results", "list").out

    def test_no_line_of_a_reply_begins_a_line(self, lab: Lab, cli: Cli) -> None:
        """A CI reads commands from its log, at the beginning of a line or behind spaces."""
        lab.cases({"id": "a", "inputs": {"ticket": "::error::x\n::stop::y\nb"}, "expected": "a\n::stop::y\nc"})
        ran = cli("eval", "triage")
        assert [line for line in ran.err.splitlines() if line.strip().startswith("::")] == []

    def test_failures_of_several_are_told_apart(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        lab.server.default = answering({"c0": "wrong"})
        ran = cli("eval", "triage", "-m", "local/a", "-m", "local/b")
        assert re.findall("── (.*)", ran.err) == ["triage · local/a", "triage · local/b"]


def test_a_refusal_at_last_does_not_say_that_a_case_was_free(lab: Lab, cli: Cli) -> None:
    lab.many(1)
    lab.server.script(failure(500), failure(400))
    (found,) = cli("eval", "triage", "--json").json

    assert (found["unpriced"], found["error_types"]) == (1, {"RequestRejected": 1})
    [total] = cli("log", "stats", "--source", "all", "--json").json
    assert (total["untold"], total["cost_nano_usd"], total["average_cost_nano_usd"]) == (1, None, None)


class TestDryRun:
    def test_no_key_is_needed(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        ran = cli("eval", "triage", "-m", "openai/gpt-4o-mini", "-p", "max_tokens=9", "--dry-run", "--json")
        (found,) = ran.json
        assert (ran.exit_code, found["calls"], found["priced"]) == (0, 2, True)

    def test_both_sides_of_a_comparison_are_estimated(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        git(lab.root, "init", "--quiet")
        commit(lab.root, "Begin")
        lab.write("prompts/triage.prompt.yaml", PROMPT.replace("{{ ticket }}", "Say {{ ticket }}"))
        rows = cli("eval", "triage", "--against", "--dry-run", "--json").json
        assert [(row["version_display"][:2], row["calls"]) for row in rows] == [("v1", 2), ("v1", 2)]
        ran = cli("eval", "triage", "--against", "@HEAD", "--dry-run")
        assert [row.split("\t")[0].partition(" (")[0] for row in ran.out.splitlines()[1:]] == [
            "triage v1",
            "triage v1+dirty",
        ]
        assert "come on top" in ran.err
        refused = cli("eval", "triage", "--against", "@v9", "--dry-run")
        assert (refused.exit_code, lab.asked) == (3, [])

    def test_recordings_are_free(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        (found,) = cli("eval", "triage", "--replies", "replay", "--dry-run", "--json").json
        assert found["cost_nano_usd"] == 0

    def test_judges_are_said_to_come_on_top_with_what_they_take_where_that_is_known(self, lab: Lab, cli: Cli) -> None:
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "llm-rubric", "value": "kind"}]})
        unknown = "what the judges of triage take comes on top and is unknown"
        assert unknown in cli("eval", "triage", "--dry-run").err
        lab.server.default = reply('{"pass": true, "score": 1, "reason": "ok"}')
        cli("eval", "triage")
        told = cli("eval", "triage", "--dry-run").err
        assert "judges come on top: about 12 tokens in, 3 out, about $0.000015" in told
        assert re.search(r"all of these at their worst: \$0\.\d+; judges and retries come on top\n", told)
        assert unknown not in told

    def test_nothing_is_asked(self, lab: Lab, cli: Cli) -> None:
        lab.many(4)
        ran = cli("eval", "triage", "-m", "local/a", "-m", "local/gpt-4o-mini", "-p", "max_tokens=9", "--dry-run")
        assert (ran.exit_code, lab.asked) == (0, [])
        rows = [line.split("\t") for line in ran.out.splitlines()]
        assert [(row[1], row[3], row[6]) for row in rows[1:]] == [
            ("local/a", "4", "unpriced"),
            ("local/gpt-4o-mini", "4", rows[2][6]),
        ]
        assert rows[2][6].startswith("about $")
        assert "not priced: local/a" in ran.err


class TestRecordings:
    def test_what_was_recorded_answers_offline_and_for_free(self, lab: Lab, cli: Cli) -> None:
        lab.many(5)
        assert cli("eval", "triage", "--replies", "record", "--repeat", "2").exit_code == 0
        assert len(lab.asked) == 10
        (found,) = cli("eval", "triage", "--replies", "replay", "--repeat", "2", "--json").json
        assert len(lab.asked) == 10
        assert (found["passed"], found["cost_nano_usd"], found["reply_sources"]) == (5, 0, {"replay": 10})

    def test_what_was_not_recorded_is_an_error_and_names_the_way(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        cli("eval", "triage", "--replies", "record")
        lab.many(3)
        ran = cli("eval", "triage", "--replies", "replay")
        assert (ran.exit_code, len(lab.asked)) == (5, 2)
        assert "ReplyNotRecorded" in ran.err
        assert re.search(
            r"the nearest, datasets/recordings/triage.jsonl:\d, differs: `messages\[0\].content` “c\d” → “c2”", ran.err
        )

    def test_a_recording_holds_no_secrets(self, lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHOP_API_KEY", "correct-horse")
        lab.cases(
            {"id": "a", "inputs": {"ticket": "Take correct-horse"}, "assert": [{"type": "not-equals", "value": "x"}]}
        )
        cli("eval", "triage", "--replies", "record")
        recorded = (lab.root / "datasets/recordings/triage.jsonl").read_text()
        assert ("Take [redacted]" in recorded, "correct-horse" in recorded) == (True, False)

    def test_replies_that_cannot_be_recorded_are_graded_all_the_same_and_it_is_told_once(
        self, lab: Lab, cli: Cli
    ) -> None:
        lab.many(4)
        lab.write("datasets/recordings", "a file in the place of the folder")
        ran = cli("eval", "triage", "--replies", "record", "--json")
        assert (ran.exit_code, ran.json[0]["passed"]) == (0, 4)
        assert ran.err.count("the reply was not recorded: datasets/recordings/triage.jsonl") == 1

    def test_replies_out_of_the_cache_are_recorded_with_what_they_cost(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        cli("eval", "triage")
        cli("eval", "triage", "--replies", "record")
        assert len(lab.asked) == 2
        lines = (lab.root / "datasets/recordings/triage.jsonl").read_text().splitlines()
        assert [json.loads(line)["cost_nano_usd"] for line in lines] == [15_000, 15_000]

    def test_recordings_are_refreshed(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        cli("eval", "triage", "--replies", "record")
        lab.server.default = answering({"c0": "wrong"})
        assert cli("eval", "triage", "--replies", "record").exit_code == 0
        assert cli("eval", "triage", "--replies", "refresh").exit_code == 1
        assert cli("eval", "triage", "--replies", "replay", "--json").json[0]["passed"] == 1


class TestChangedSince:
    @pytest.fixture
    def history(self, lab: Lab) -> Lab:
        """Two tested prompts, committed; `big` has its cases in a file beside."""
        git(lab.root, "init", "--quiet")
        lab.many(2)
        lab.write("prompts/big.prompt.yaml", PROMPT)
        lab.write("datasets/big.yaml", "prompts: [big]\ncases: ./big.jsonl\n")
        self.rows(lab, "one")
        commit(lab.root, "Begin")
        return lab

    def rows(self, lab: Lab, *ids: str) -> None:
        lines = [json.dumps({"id": each, "inputs": {"ticket": each}, "expected": each}) for each in ids]
        lab.write("datasets/big.jsonl", "\n".join(lines) + "\n")

    def evaluated(self, cli: Cli, *more: str) -> list[str]:
        ran = cli("eval", "--changed-since", "HEAD", "--json", *more)
        assert ran.exit_code == 0, ran.err
        return [each["prompt"] for each in json.loads(ran.out)] if ran.out else []

    def test_nothing_changed_is_nothing_to_do(self, history: Lab, cli: Cli) -> None:
        ran = cli("eval", "--changed-since", "HEAD")
        assert (ran.exit_code, ran.out) == (0, "")
        assert "nothing to evaluate" in ran.err

    def test_nothing_is_still_a_report(self, history: Lab, cli: Cli) -> None:
        ran = cli("eval", "--changed-since", "HEAD", "--json", *(f"-or.{suffix}" for suffix in ("json", "xml", "html")))
        assert (ran.exit_code, ran.json) == (0, [])
        assert json.loads((history.root / "r.json").read_text()) == {"evaluations": []}
        assert list(ET.parse(history.root / "r.xml").getroot()) == []
        assert (history.root / "r.html").exists()

    def test_only_what_the_model_is_asked_or_what_it_is_asked_for_counts(self, history: Lab, cli: Cli) -> None:
        history.write("prompts/triage.prompt.yaml", "description: Another text for people.\n" + PROMPT)
        history.write("datasets/triage.yaml", (history.root / "datasets/triage.yaml").read_text() + "\n# a comment\n")
        assert self.evaluated(cli) == []
        history.write("prompts/triage.prompt.yaml", PROMPT.replace("role: user", "role: system"))
        assert self.evaluated(cli) == ["triage"]

    def test_cases_in_a_file_of_their_own_count(self, history: Lab, cli: Cli) -> None:
        self.rows(history, "one", "two")
        assert self.evaluated(cli) == ["big"]

    @pytest.mark.parametrize(
        "options",
        [["--replies", "replay"], ["-m", "replay/local/gpt-4o-mini"], ["--judge", "replay/local/gpt-4o-mini"]],
    )
    def test_recordings_count_where_they_answer(self, history: Lab, cli: Cli, options: list[str]) -> None:
        assert cli("eval", "triage", "--replies", "record").exit_code == 0
        assert self.evaluated(cli) == []
        rows = cli("eval", "--changed-since", "HEAD", "--dry-run", "--json", *options).json
        assert [row["prompt"] for row in rows] == ["triage"]

    def test_a_dataset_that_tests_nothing_that_changed_is_nothing_to_do(self, history: Lab, cli: Cli) -> None:
        history.write("prompts/triage.prompt.yaml", PROMPT.replace("role: user", "role: system"))
        assert self.evaluated(cli, "-d", "triage") == ["triage"]
        ran = cli("eval", "--changed-since", "HEAD", "-d", "big", "--json", "-o", "r.json")
        assert (ran.exit_code, ran.json) == (0, [])
        assert "nothing to evaluate: nothing that big tests has changed since HEAD" in ran.err
        assert json.loads((history.root / "r.json").read_text()) == {"evaluations": []}
        assert cli("eval", "--changed-since", "HEAD", "-d", "nowhere").exit_code == 3

    @pytest.mark.parametrize("type_", ["llm-rubric", "github"])
    def test_another_prompt_of_a_judge_counts(self, history: Lab, cli: Cli, type_: str) -> None:
        judge = "inputs: {output: {type: string}}\nmessages: [{role: user, content: '%s {{ output }}'}]\n"
        name = "github-fluency" if type_ == "github" else type_
        if type_ == "github":
            evaluator = "testData: [{ticket: x}]\nevaluators: [{name: it, uses: github/fluency}]\n"
            history.write("prompts/gh.prompt.yml", "messages: [{role: user, content: '{{ticket}}'}]\n" + evaluator)
        else:
            check = {"type": "llm-rubric", "value": "is polite"}
            history.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [check]})
        history.write(f"prompts/judges/{name}.prompt.yaml", judge % "Kind?")
        commit(history.root, "Judge")
        assert cli("eval", "--changed-since", "HEAD", "--dry-run").out == ""
        history.write(f"prompts/judges/{name}.prompt.yaml", judge % "Rude?")
        rows = cli("eval", "--changed-since", "HEAD", "--dry-run", "--json").json
        assert [row["prompt"] for row in rows] == ["gh" if type_ == "github" else "triage"]

    def test_what_is_new_counts_and_an_unknown_revision_is_an_error(self, history: Lab, cli: Cli) -> None:
        history.write("prompts/new.prompt.yaml", PROMPT)
        history.cases({"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}, name="new", prompts=["new"])
        assert self.evaluated(cli) == ["new"]
        assert cli("eval", "--changed-since", "nowhere").exit_code == 3


class TestVersionsAndModels:
    def test_an_older_version_is_asked_the_cases_of_today(self, lab: Lab, cli: Cli) -> None:
        git(lab.root, "init", "--quiet")
        lab.many(1)
        commit(lab.root, "Begin")
        lab.write("prompts/triage.prompt.yaml", PROMPT.replace("{{ ticket }}", SECOND))
        commit(lab.root, "Say more")
        lab.many(3)
        (old,) = cli("eval", "triage@v1", "--json").json
        assert (old["cases"], old["passed"], old["version"]) == (3, 3, 1)
        (new,) = cli("eval", "triage", "--json", "--min-pass", "0").json
        assert (new["cases"], new["passed"], new["version"]) == (3, 0, 2)

    def test_all_and_several_models(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        lab.write("prompts/other.prompt.yaml", PROMPT)
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}, name="other", prompts=["other"])
        found = cli("eval", "--all", "-m", "local/a", "-m", "echo/echo", "--json").json
        assert [(each["prompt"], each["model"]) for each in found] == [
            ("other", "local/a"),
            ("other", "echo/echo"),
            ("triage", "local/a"),
            ("triage", "echo/echo"),
        ]

    def test_all_on_one_dataset_are_those_that_it_tests(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        lab.write("prompts/other.prompt.yaml", PROMPT.replace("ticket", "mail"))
        lab.cases({"id": "a", "inputs": {"mail": "x"}, "expected": "x"}, name="other", prompts=["other"])
        found = cli("eval", "--all", "-d", "other", "--json").json
        assert [(each["prompt"], each["dataset"]) for each in found] == [("other", "datasets/other.yaml")]

    def test_of_several_prompts_each_gets_the_datasets_that_are_meant_for_it(self, lab: Lab, cli: Cli) -> None:
        def pairs(*arguments: str) -> list[tuple[str, str]]:
            found = cli("eval", *arguments, "--json").json
            return [(each["prompt"], each["dataset"].removeprefix("datasets/")) for each in found]

        case = {"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}
        lab.many(1)
        lab.write("prompts/other.prompt.yaml", PROMPT)
        lab.cases(case, name="other", prompts=["other"])
        lab.write("datasets/any.yaml", json.dumps({"cases": [case]}))
        assert pairs("triage", "other", "-d", "triage", "-d", "other", "-d", "any") == [
            ("triage", "triage.yaml"),
            ("triage", "any.yaml"),
            ("other", "other.yaml"),
            ("other", "any.yaml"),
        ]
        for names in (["other"], ["other", "triage"]):
            assert cli("eval", *names, "-d", "prompts/other.prompt.yaml").exit_code == 3, "it holds no tests"
        assert pairs("other", "-d", "triage") == [("other", "triage.yaml")], "alone, what is named holds"
        ran = cli("eval", "triage", "other", "-d", "other")
        assert (ran.exit_code, "none of the datasets that are named is for triage" in ran.err) == (2, True)

    def test_parameters_go_to_the_model(self, lab: Lab, cli: Cli) -> None:
        lab.many(1)
        cli("eval", "triage", "-p", "temperature=0.3", "-p", 'stop=["x"]')
        body = lab.server.requests[0].body
        assert (body["temperature"], body["stop"]) == (0.3, ["x"])

    def test_github_tests_inside_a_prompt_are_evaluated(self, lab: Lab, cli: Cli) -> None:
        lab.write(
            "prompts/gh.prompt.yml",
            "name: GitHub\nmodel: local/gpt-4o-mini\nmessages:\n  - {role: user, content: 'Say {{word}}'}\n"
            "testData:\n  - {word: apple, expected: apple}\n  - {word: pear, expected: plum}\n"
            "evaluators:\n  - {name: has it, string: {contains: '{{expected}}'}}\n",
        )
        ran = cli("eval", "gh", "--json")
        (found,) = ran.json
        assert (ran.exit_code, found["passed"], found["failed"]) == (1, 1, 1)

    def test_an_evaluator_of_github_that_cannot_be_used_is_never_passed_over(self, lab: Lab, cli: Cli) -> None:
        lab.write(
            "prompts/gh.prompt.yml",
            "model: local/gpt-4o-mini\nmessages:\n  - {role: user, content: 'Say {{word}}'}\n"
            "testData: [{word: apple}]\n"
            "evaluators:\n  - {name: ok, string: {contains: apple}}\n  - {name: typo, uses: github/similar}\n",
        )
        ran = cli("eval", "gh")
        assert (ran.exit_code, lab.server.requests) == (3, [])
        assert "prompts/gh.prompt.yml:7:24: evaluator 2 cannot be used" in ran.err


class TestFailed:
    def test_by_prompt_by_id_and_of_the_last_command(self, lab: Lab, cli: Cli) -> None:
        lab.many(6)
        lab.server.default = answering({"c1": "wrong", "c4": failure(400)})
        (first,) = cli("eval", "triage", "--json").json

        def asked(*arguments: str) -> list[str]:
            lab.server.requests.clear()
            cli("eval", "--replies", "ask", *arguments)
            return sorted(lab.asked)

        assert asked("triage", "--failed") == ["c1", "c4"]
        assert asked("--failed", first["evaluation"][-8:]) == ["c1", "c4"]
        assert asked("--failed") == ["c1", "c4"]
        assert asked("triage", "--failed", "--case", "c4") == ["c4"]

    def test_what_was_never_evaluated_is_left_out_and_said(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        lab.write("prompts/other.prompt.yaml", PROMPT)
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}, name="other", prompts=["other"])
        ran = cli("eval", "--all", "--failed")
        assert (ran.exit_code, "other has not been evaluated on datasets/other.yaml yet" in ran.err) == (2, True)
        lab.server.default = answering({"c1": "wrong"})
        cli("eval", "triage")
        ran = cli("eval", "--all", "--failed", "--json")
        assert [(each["prompt"], each["cases"]) for each in ran.json] == [("triage", 1)]
        assert "other has not been evaluated on datasets/other.yaml yet, and is left out" in ran.err
        lab.server.default = answering({})
        cli("eval", "triage", "--replies", "ask")
        ran = cli("eval", "--all", "--failed", "--json", "-o", "r.json")
        assert (ran.exit_code, ran.json, "every case passed the last time" in ran.err) == (0, [], True)
        assert json.loads((lab.root / "r.json").read_text()) == {"evaluations": []}

    def test_on_another_model_than_the_prompts_own(self, lab: Lab, cli: Cli) -> None:
        lab.many(3)
        lab.server.default = answering({"c1": "wrong"})
        cli("eval", "triage", "-m", "local/other")
        (found,) = cli("eval", "--failed", "--json").json
        assert (found["model"], found["cases"]) == ("local/other", 1)


def test_code_runs_only_where_the_user_says_so(lab: Lab, cli: Cli) -> None:
    lab.write(
        "datasets/check.py", "from pathlib import Path\nPath('ran').touch()\ndef ok(output, context): return True\n"
    )
    lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "python", "value": "./check.py:ok"}]})
    assert cli("eval", "triage").exit_code == 3
    assert cli("eval", "triage", "--dry-run").exit_code == 3
    assert not Path("ran").exists()
    assert cli("eval", "triage", "--allow-code").exit_code == 0
    assert Path("ran").exists()


def test_an_evaluation_without_code_is_resumed_without_it(lab: Lab, cli: Cli) -> None:
    lab.write("datasets/check.py", "from pathlib import Path\nPath('ran').touch()\n")
    code = {"type": "python", "value": "./check.py:ok"}
    lab.cases(
        *({"id": id_, "inputs": {"ticket": id_}, "assert": [code, {"type": "regex", "value": "z"}]} for id_ in "ab")
    )
    assert cli("eval", "triage", "--leave-out-code", "--fail-fast", "-j", "1").exit_code == 1
    ran = cli("eval", "resume")
    assert ran.exit_code == 1
    assert "2 assertions that run code were not checked" in ran.err
    assert not Path("ran").exists()


def test_a_reply_cannot_forge_the_terminal(lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.many(1)
    lab.server.default = answering({"c0": "\x1b[2J\x1b]0;pwned\x07 wrong"})
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    shown: Any = cli("eval", "triage").err
    assert "\x1b[2J" not in shown
    assert "\x1b]0;" not in shown


def test_a_failure_that_is_expected_is_not_shown_and_a_pass_is(
    lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"id": "known", "inputs": {"ticket": "b"}, "expected": "b", "xfail": "the model cannot count"}
    lab.cases({"id": "sound", "inputs": {"ticket": "a"}, "expected": "a"}, known)
    monkeypatch.chdir(lab.root)
    ran = cli("eval", "triage")
    assert ran.exit_code == 0
    assert "expected to fail, and passed: known; remove `xfail`" in ran.err
    lab.server.default = answering({"b": "wrong"})
    ran = cli("eval", "triage", "--replies", "ask")
    assert "1 case failed as expected, and is not counted" in ran.err
    assert "✗" not in ran.err


BROKEN = {
    "a dataset that is no YAML": ({"datasets/bad.yaml": "prompts: [triage\n"}, "datasets/bad.yaml:1:10"),
    "a dataset of a wrong shape": (
        {"datasets/bad.yaml": "prompts: [triage]\ncases: [{id: a, inptus: {}}]\n"},
        "unknown key `inptus`",
    ),
    "a case that lacks an input": (
        {"datasets/bad.yaml": "prompts: [triage]\ncases: [{id: a, expected: x}]\n"},
        "does not give `ticket`",
    ),
    "a prompt of a wrong shape": (
        {
            "prompts/bad.prompt.yaml": "messages: [{role: user, contnt: x}]\n",
            "datasets/bad.yaml": "prompts: [bad]\ncases: [{id: a, expected: x}]\n",
        },
        "unknown key `contnt`",
    ),
    "a prompt that is not there": (
        {"datasets/bad.yaml": "prompts: [triag]\ncases: [{id: a, expected: x}]\n"},
        "there is no such prompt",
    ),
    "an evaluator that cannot be used": (
        {
            "prompts/bad.prompt.yml": "testData: [{a: b}]\nevaluators: [{name: e, string: {isJSON: true}}]\n"
            "messages: [{role: user, content: Hi}]\n"
        },
        "has no `isJSON`",
    ),
    "a prompt that holds its tests and is no YAML": (
        {
            "prompts/bad.prompt.yml": "messages: [{role: user, content: Hi}]\ntestData: [{a: b}]\n"
            "evaluators: [{name: e, string: {contains: x}]\n"
        },
        "bad.prompt.yml:3",
    ),
}


def test_a_seed_draws_a_sample_or_an_order(lab: Lab, cli: Cli) -> None:
    lab.many(2)
    assert cli("eval", "triage", "--seed", "1").exit_code == 2
    for option in (["--sample", "1"], ["--until-decided"]):
        assert cli("eval", "triage", "--seed", "1", *option).exit_code == 0


def test_what_is_named_twice_is_evaluated_once(lab: Lab, cli: Cli) -> None:
    lab.many(2)
    models = ["-m", "local/a", "-m", "local/a"]
    ran = cli("eval", "triage", "triage", "-d", "triage", "-d", "datasets/triage.yaml", *models, "--json")
    assert (ran.exit_code, len(ran.json), len(lab.asked)) == (0, 1, 2)


class TestOneBadFile:
    """Of prompts that nobody named, the sound ones are evaluated, and the worst decides the exit code."""

    @pytest.mark.parametrize("kind", BROKEN)
    @pytest.mark.parametrize("options", [["--all"], ["--changed-since", "HEAD"], ["--all", "--against", "@main"]])
    def test_never_stops_the_others(self, lab: Lab, cli: Cli, kind: str, options: list[str]) -> None:
        files, said = BROKEN[kind]
        lab.many(2)
        git(lab.root, "init", "-q", "-b", "main")
        commit(lab.root, "Begin")
        lab.write("prompts/triage.prompt.yaml", PROMPT.replace("{{ ticket }}", "{{ ticket }} "))
        for path, text in files.items():
            lab.write(path, text)
        ran = cli("eval", *options)
        assert ran.exit_code == 3
        assert ran.err.count(said) == 1
        assert "triage" in ran.out

    def test_comes_after_a_failed_check(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        lab.server.default = answering({"c0": "wrong"})
        lab.write("datasets/bad.yaml", "prompts: [triage\n")
        assert cli("eval", "--all").exit_code == 1

    def test_is_said_by_an_estimate_too(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        lab.write("datasets/bad.yaml", "prompts: [triage\n")
        ran = cli("eval", "--all", "--dry-run")
        assert (ran.exit_code, "triage" in ran.out, "bad.yaml" in ran.err) == (3, True, True)

    def test_alone_is_the_error(self, lab: Lab, cli: Cli) -> None:
        lab.write("datasets/bad.yaml", "prompts: [triage\n")
        ran = cli("eval", "--all")
        assert (ran.exit_code, ran.out, ran.err.count("datasets/bad.yaml:1:10")) == (3, "", 1)
        ran = cli("eval", "--all", "--json")
        assert (ran.exit_code, [each["path"] for each in ran.json["problems"]]) == (3, ["datasets/bad.yaml"])
        assert ran.err.count("datasets/bad.yaml:1:10") == 1

    def test_is_raised_to_a_program_that_does_not_ask_for_the_others(self, lab: Lab) -> None:
        lab.many(2)
        lab.write("datasets/bad.yaml", "prompts: [triage\n")
        with lab.open() as workspace, pytest.raises(WorkspaceError, match=r"datasets/bad\.yaml"):
            workspace.evaluate(promptctl.EvaluationRequest(refs=None))

    def test_of_github_without_an_evaluator_is_passed_over(self, lab: Lab, cli: Cli) -> None:
        lab.many(2)
        text = "testData: [{a: b}]\nevaluators: []\nmessages: [{role: user, content: 'Hi {{a}}'}]\n"
        lab.write("prompts/playground.prompt.yml", text)
        ran = cli("eval", "--all", "--json")
        assert (ran.exit_code, [each["prompt"] for each in ran.json]) == (0, ["triage"])
