"""What a review finds of the results: against base, on head alone, with recordings, or not at all and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, MODEL, OK, USAGE, WORKSPACE
from promptctl.evaluations.request import Limits
from promptctl.reports.markdown import inline
from promptctl.reports.review import outcomes
from promptctl.reports.review_files import write_review
from promptctl.reports.review_json import review_as_dict
from promptctl.workspace import open_workspace
from tests.openai_server import Exchange, OpenAIServer, reply
from tests.reports.test_html import data_of
from tests.reviews.conftest import KEY, SETTINGS, Cli, Pull, case, evaluation_of, obedient, prompt_of

PATH = "prompts/triage.prompt.yaml"


def worsen(pull: Pull) -> str:
    return pull.edit(PATH, "Say one word.", "Say one word. WORSE")


class TestAgainstBase:
    def test_a_prompt_that_got_worse_fails_with_its_verdict(self, pull: Pull) -> None:
        worsen(pull)
        data = pull.data()
        (found,) = evaluation_of(data, "triage")["comparisons"]
        assert (found["verdict"], data["exit_code"]) == ("worse", CHECK_FAILED)
        # First answers have decided, so that no flipped case is asked again.
        assert (len(found["regressed"]), found["confirmed_regressions"]) == (8, [])
        assert {usage["name"] for usage in found["usage"]} == {"cost_nano_usd", "tokens", "latency_ms"}
        assert "❌ Prompt review: failed" in pull.markdown()

    def test_a_prompt_that_is_as_good_passes(self, pull: Pull) -> None:
        pull.edit(PATH, "Say one word.", "Say one word only.")
        data = pull.data()
        assert data["exit_code"] == OK
        assert evaluation_of(data, "triage")["comparisons"][0]["n"] == 8

    def test_the_strict_gate_fails_on_one_confirmed_regression(self, pull: Pull) -> None:
        pull.edit(PATH, "Say one word.", "Say one word. {% if 'number 3' in ticket %}WORSE{% endif %}")
        assert pull.data(rule=GateRule(gate="strict"))["exit_code"] == CHECK_FAILED

    def test_regressions_that_the_default_gate_lets_pass_are_told_in_every_output(self, pull: Pull, cli: Cli) -> None:
        wrong = "Say one word. {{% if ticket[-1] in '{}' %}}WORSE{{% endif %}}"
        base = pull.edit(PATH, "Say one word.", wrong.format("567"))
        pull.edit(PATH, "'567'", "'34'")
        review = pull.review(base=base)
        told = "triage: 2 confirmed regressions; --gate strict would fail"
        assert review.decision.exit_code == OK
        assert pull.data(base=base)["warnings"] == [told]
        comment = pull.markdown(base=base)
        assert f"**⚠️ {inline(told)}**" in comment
        assert f"**⚠️ {inline(told.partition(' ')[2])}**" in comment
        with open_workspace(pull.root, pull.environ, on_warning=lambda _: None) as workspace:
            for suffix in (".html", ".xml"):
                write_review(pull.root / f"review{suffix}", workspace.context.log, review, workspace.context.redactor)
                assert told in (pull.root / f"review{suffix}").read_text()

    def test_both_sides_are_asked_over_the_datasets_of_head(self, pull: Pull) -> None:
        pull.edit(PATH, "Say one word.", "Say one word only.")
        pull.dataset(*(case(n, "refund") for n in range(3)))
        pull.commit()
        (found,) = evaluation_of(pull.data(), "triage")["comparisons"]
        assert found["n"] == 3
        assert (found["changed"], found["added"], found["removed"]) == ([], [], [])

    def test_a_partial_is_evaluated_for_the_prompts_that_have_a_dataset(self, pull: Pull) -> None:
        pull.edit("prompts/shared/tone.j2", "Be kind.", "Be kind. WORSE")
        data = pull.data()
        assert evaluation_of(data, "triage")["comparisons"][0]["verdict"] == "worse"
        assert evaluation_of(data, "greet")["why_not"] == "no dataset tests it"

    def test_a_renamed_prompt_is_compared_with_what_it_was(self, pull: Pull) -> None:
        pull.git("mv", PATH, "prompts/sort.prompt.yaml")
        pull.dataset(*(case(n) for n in range(8)), prompt="sort")
        pull.commit()
        pull.edit("prompts/sort.prompt.yaml", "Say one word.", "Say one word. WORSE")
        data = pull.data()
        assert prompt_of(data, "sort")["formerly"] == "triage"
        (found,) = evaluation_of(data, "sort")["comparisons"]
        assert (found["base"]["prompt"], found["verdict"]) == ("triage", "worse")

    def test_an_input_that_base_does_not_know_is_left_out_for_it(self, pull: Pull) -> None:
        pull.edit(PATH, "  ticket: {type: string}", "  ticket: {type: string}\n  area: {type: string, default: here}")
        pull.dataset(*(case(n) | {"inputs": {"ticket": "billing", "area": "there"}} for n in range(3)))
        pull.commit()
        (found,) = evaluation_of(pull.data(), "triage")["comparisons"]
        assert (found["n"], found["errors"]) == (3, 0)

    def test_cases_that_base_cannot_take_are_not_compared(self, pull: Pull) -> None:
        text = pull.read(PATH)
        pull.write(PATH, text.replace("  ticket: {type: string}", "  ticket: {type: string}\n  area: {type: string}"))
        pull.dataset(*(case(n) | {"inputs": {"ticket": f"billing {n}", "area": "here"}} for n in range(8)))
        base = pull.commit("Ask for the area")
        pull.write(PATH, text)
        pull.dataset(*(case(n) for n in range(8)))
        pull.commit("Ask no more")
        data = pull.data(base=base)
        (found,) = evaluation_of(data, "triage")["evaluations"]
        assert found["passed"] == 8
        assert "base was not evaluated" in evaluation_of(data, "triage")["notes"][0]

    def test_some_cases_that_base_cannot_take_are_left_out(self, pull: Pull) -> None:
        text = pull.read(PATH)
        declared = "  ticket: {type: string}"
        pull.write(PATH, text.replace(declared, f"{declared}\n  area: {{type: string}}"))
        with_area = [case(n) | {"inputs": {"ticket": f"billing {n}", "area": "here"}} for n in range(4)]
        pull.dataset(*with_area)
        base = pull.commit("Ask for the area")
        pull.write(PATH, text.replace(declared, f"{declared}\n  area: {{type: string, required: false}}"))
        pull.dataset(*with_area, *(case(n) for n in range(4, 8)))
        pull.commit("Ask where it is known")
        (found,) = evaluation_of(pull.data(base=base), "triage")["comparisons"]
        assert (found["n"], found["added"], found["errored"]) == (4, [f"case-{n}" for n in range(4, 8)], [])
        assert found["note"] == "the version before cannot take the inputs of 4 of the cases, which are not compared"

    def test_one_bound_on_the_cost_holds_for_the_whole_review(self, pull: Pull) -> None:
        base = pull.edit(PATH, "messages:", "parameters: {max_tokens: 3}\nmessages:")
        pull.edit(PATH, "Say one word.", "Say just one word.")
        limits, asked = Limits(concurrency=1, max_cost_nano_usd=300_000), pull.server.requests
        # Whatever share of errors the rule allows.
        for rule in ({}, {"max_errors": 1.0}):
            del asked[:]
            review = pull.review(base=base, limits=limits, rule=rule, replies="ask")
            assert review.decision.exit_code == INCOMPLETE
            assert 0 < len(asked) < 12

    def test_the_budgets_of_base_hold_whatever_head_says(self, pull: Pull) -> None:
        rule = "budgets:\n  - {{name: reviews, sources: [eval], limit: {{calls: {}}}}}\n"
        settings = pull.read("promptctl.yaml")
        pull.write("promptctl.yaml", settings + rule.format(3))
        base = pull.commit("Spend little")
        pull.write("promptctl.yaml", settings + rule.format(1_000))
        pull.edit(PATH, "Say one word.", "Say just one word.")
        review = pull.review(base=base, limits=Limits(concurrency=1), replies="ask")
        assert (review.decision.exit_code, len(pull.server.requests)) == (INCOMPLETE, 3)

    def test_an_error_of_the_model_leaves_it_incomplete(self, pull: Pull, server: OpenAIServer) -> None:
        from tests.openai_server import failure

        worsen(pull)
        server.default = failure(500)
        assert pull.data()["exit_code"] == INCOMPLETE


class TestOnHeadAlone:
    def test_a_new_prompt_must_pass_its_dataset(self, pull: Pull) -> None:
        pull.write("prompts/new.prompt.yaml", pull.read(PATH).replace("Say one word.", "Say it. WORSE"))
        pull.dataset(case(1), name="new", prompt="new")
        pull.commit()
        data = pull.data()
        assert evaluation_of(data, "new")["evaluations"][0]["verdict"] == "failed"
        assert data["exit_code"] == CHECK_FAILED

    def test_a_prompt_whose_dataset_alone_changed_is_evaluated_over_it(self, pull: Pull) -> None:
        pull.dataset(*(case(n) for n in range(9)))
        pull.commit()
        data = pull.data()
        (found,) = evaluation_of(data, "triage")["evaluations"]
        assert (found["cases"], found["verdict"], data["prompts"]) == (9, "passed", [])
        assert len(pull.server.requests) == 9

    def test_a_base_that_could_not_be_loaded_is_no_base(self, pull: Pull) -> None:
        good = pull.read(PATH)
        pull.write(PATH, good.replace("shared/tone.j2", "shared/lost.j2"))
        base = pull.commit("Break it")
        pull.write(PATH, good)
        pull.commit("Mend it")
        data = pull.data(base=base)
        assert evaluation_of(data, "triage")["evaluations"][0]["verdict"] == "passed"
        assert prompt_of(data, "triage")["base_problems"]


class TestNotEvaluated:
    def test_without_a_key_or_recordings_it_is_said_and_passes(self, pull: Pull) -> None:
        worsen(pull)
        pull.environ = {}
        data = pull.data()
        assert data["exit_code"] == OK
        assert "LOCAL_KEY is not set" in evaluation_of(data, "triage")["why_not"]
        assert "➖ Prompt review: not evaluated" in pull.markdown()
        assert pull.server.requests == []

    def test_a_pull_request_cannot_send_the_key_to_an_endpoint_of_its_own(self, pull: Pull) -> None:
        with OpenAIServer() as stranger:
            pull.write("promptctl.yaml", SETTINGS.format(url=stranger.url))
            worsen(pull)
            data = pull.data()
            assert stranger.requests == []
        assert data["settings_changed"]
        assert any("the settings of BASE were used" in note for note in data["notes"])
        assert {request.headers["authorization"] for request in pull.server.requests} == {"Bearer sk-local-0123456789"}

    def test_settings_that_are_broken_in_head_do_not_matter(self, pull: Pull) -> None:
        pull.write("promptctl.yaml", "modle: [")
        worsen(pull)
        assert pull.data()["exit_code"] == CHECK_FAILED

    def test_a_report_is_written_though_settings_are_broken_and_one_that_fails_is_reported_last(
        self, pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
        worsen(pull)
        pull.write("promptctl.yaml", "modle: [")
        reports = ("-o", "a.xml", "-o", "promptctl.yaml/b.html", "-o", "c.html")
        refused = cli("review", *reports)
        assert (refused.exit_code, "promptctl.yaml/b.html cannot be written" in refused.err) == (USAGE, True)
        monkeypatch.setattr("promptctl.reports.review_files.check_place", lambda _: None)  # it goes bad meanwhile
        ran = cli("review", *reports)
        assert "got: wrong" in (pull.root / "a.xml").read_text()
        assert (pull.root / "c.html").exists()
        assert (ran.exit_code, "worse" in ran.out, "give the command again" in ran.err) == (CHECK_FAILED, True, True)

    def test_the_branch_that_head_says_is_the_default_is_not_believed(self, pull: Pull) -> None:
        pull.write("promptctl.yaml", SETTINGS.format(url=pull.server.url) + "branch: feature\n")
        worsen(pull)
        pull.git("push", "--quiet", "origin", "feature")
        assert [each["prompt"] for each in pull.data(is_evaluated=False)["prompts"]] == ["triage"]

    def test_state_that_head_commits_is_refused(self, pull: Pull, cli: Cli) -> None:
        worsen(pull)
        pull.write(".promptctl/cache.db", "replies of my own")
        pull.git("add", "--force", ".promptctl/cache.db")
        pull.git("commit", "--quiet", "-m", "Bring replies")
        ran = cli("review")
        assert ran.exit_code == WORKSPACE
        assert ".promptctl/cache.db is committed" in ran.err

    def test_a_link_that_head_commits_in_its_place_is_not_written_through(
        self, pull: Pull, cli: Cli, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for link in (".promptctl", ".promptctl/.gitignore"):
            place = pull.root / link
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(elsewhere if link == ".promptctl" else elsewhere / "file")
            pull.git("add", "--force", link)
            pull.git("commit", "--quiet", "--message", "Link")
            ran = cli("review", "origin/main", "HEAD", "--no-eval", "-o", "review.html")
            assert ran.exit_code == 3, ran.err
            pull.git("reset", "--quiet", "--hard", "HEAD~1")
            assert list(elsewhere.iterdir()) == []

    def test_code_of_head_does_not_run(self, pull: Pull) -> None:
        worsen(pull)
        pull.write("datasets/checks.py", "raise SystemExit('it ran')\n")
        pull.dataset(case(1) | {"assert": [{"type": "python", "value": "checks.py:short"}]})
        pull.commit()
        found = evaluation_of(pull.data(), "triage")
        assert found["comparisons"]
        (note,) = found["notes"]
        assert note.startswith("datasets/triage.yaml: 1 assertion that runs code was not checked (first at datasets/")

    def test_a_dataset_that_code_alone_checks_leaves_the_review_incomplete(self, pull: Pull) -> None:
        worsen(pull)
        pull.write("datasets/checks.py", "raise SystemExit('it ran')\n")
        only = {key: value for key, value in case(1).items() if key not in ("expected", "assert")}
        pull.dataset(only | {"assert": [{"type": "python", "value": "checks.py:short"}]})
        pull.commit()
        data = pull.data()
        assert "--allow-code" in evaluation_of(data, "triage")["why_not"]
        assert data["exit_code"] == INCOMPLETE

    def test_a_file_that_is_wrong_in_head_is_told_with_its_place(self, pull: Pull) -> None:
        pull.edit(PATH, "shared/tone.j2", "shared/lost.j2")
        data = pull.data()
        assert data["exit_code"] == WORKSPACE
        assert evaluation_of(data, "triage")["problems"][0]["path"] == PATH

    def test_a_model_that_cannot_be_asked_fails(self, pull: Pull) -> None:
        pull.write(PATH, "model: opnai/gpt\n" + pull.read(PATH))
        pull.commit()
        data = pull.data()
        assert (data["exit_code"], evaluation_of(data, "triage")["evaluated"]) == (MODEL, False)

    def test_no_eval_asks_nothing(self, pull: Pull) -> None:
        worsen(pull)
        data = pull.data(is_evaluated=False)
        assert evaluation_of(data, "triage")["why_not"] == "--no-eval was given"
        assert (data["exit_code"], pull.server.requests) == (OK, [])

    def test_breaking_changes_fail_where_that_is_asked_for(self, pull: Pull) -> None:
        pull.git("rm", "--quiet", "prompts/other.prompt.yaml")
        pull.commit()
        assert pull.data(is_evaluated=False)["exit_code"] == OK
        assert pull.data(is_evaluated=False, fails_on_breaking=True)["exit_code"] == CHECK_FAILED


class TestRecordings:
    @pytest.fixture
    def recorded(self, pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Pull:
        """Replies to the prompt as it was and as it is are in the repository; there is no key any more."""
        monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
        assert cli("eval", "triage", "--replies", "record").exit_code == OK
        pull.commit("Record base")
        pull.git("push", "--quiet", "origin", "HEAD:main")
        pull.git("fetch", "--quiet")
        worsen(pull)
        assert cli("eval", "triage", "--replies", "record").exit_code == CHECK_FAILED
        pull.commit("Record head")
        monkeypatch.delenv("LOCAL_KEY")
        pull.environ = {}
        pull.server.reset()
        return pull

    def test_they_stand_in_for_a_key_where_they_are_whole(self, recorded: Pull) -> None:
        data = recorded.data()
        assert evaluation_of(data, "triage")["comparisons"][0]["verdict"] == "worse"
        assert (data["exit_code"], data["recorded"]) == (CHECK_FAILED, True)
        assert recorded.server.requests == []

    def test_that_head_changed_them_is_said(self, recorded: Pull) -> None:
        assert "whoever wrote HEAD chose what the model is taken to have said" in recorded.markdown()

    def test_those_of_head_are_used_whatever_is_checked_out(self, recorded: Pull) -> None:
        recorded.git("checkout", "--quiet", "main")
        assert not (recorded.root / "datasets/recordings").exists()
        data = recorded.data(base="origin/main", head="feature")
        assert evaluation_of(data, "triage")["comparisons"][0]["verdict"] == "worse"

    def test_a_reply_that_is_missing_leaves_it_unevaluated(self, recorded: Pull) -> None:
        recorded.edit(PATH, "WORSE", "WORSE THAN EVER")
        assert "none has a recorded reply" in evaluation_of(recorded.data(), "triage")["why_not"]
        assert "are recorded" in evaluation_of(recorded.data(replies="replay"), "triage")["why_not"]
        assert recorded.data(replies="replay")["exit_code"] == OK

    def test_a_review_records_what_a_later_one_replays(
        self, pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
        worsen(pull)
        assert cli("review", "--replies", "record").exit_code == CHECK_FAILED
        pull.commit("Record both sides")
        pull.server.reset()
        again = cli("review", "origin/main", "HEAD", "--replies", "replay", "--json")
        assert evaluation_of(again.json, "triage")["comparisons"][0]["verdict"] == "worse"
        assert (again.exit_code, pull.server.requests) == (CHECK_FAILED, [])

    @pytest.mark.parametrize("own", [True, False])
    def test_recordings_that_alone_changed_are_evaluated_where_they_answer(self, recorded: Pull, *, own: bool) -> None:
        recorded.dataset({"id": "unrecorded", "expected": "x"}, name="other", prompt="other")
        recorded.commit("Test a prompt without recordings")
        recorded.git("push", "--quiet", "origin", "HEAD:main")
        recorded.git("fetch", "--quiet")
        path = "datasets/recordings/triage.jsonl"
        if own:
            recorded.edit(path, '"reply":"wrong"', '"reply":"billing"')
        else:
            recorded.git("mv", path, "datasets/recordings/all.jsonl")
            recorded.edit("datasets/recordings/all.jsonl", '"reply":"wrong"', '"reply":"billing"')
        review = recorded.review(replies="replay")
        assert [each.change for each in outcomes(review)] == ["recordings alone"]
        [found] = review_as_dict(review)["evaluations"]
        assert (found["prompt"], found["evaluations"][0]["passed"]) == ("triage", 8)
        recorded.edit("prompts/other.prompt.yaml", "name: Other", "name: Another")
        data = recorded.data(replies="replay", rule={"gate": "strict"})
        assert [each["prompt"] for each in data["evaluations"]] == ["triage"], "another's recordings, and a new title"
        recorded.environ = dict(KEY)
        assert recorded.data()["evaluations"] == [], "a model answers, not they"

    def test_a_prompt_that_stays_inactive_is_not_evaluated_whatever_became_of_its_tests(self, recorded: Pull) -> None:
        file = recorded.root / PATH
        file.write_text(f"status: inactive\n{file.read_text()}")
        recorded.commit("Switch it off")
        recorded.git("push", "--quiet", "origin", "HEAD:main")
        recorded.git("fetch", "--quiet")
        recorded.edit("datasets/recordings/triage.jsonl", '"reply":"wrong"', '"reply":"billing"')
        data = recorded.data(replies="replay", rule={"gate": "strict"})
        assert (data["evaluations"], data["exit_code"]) == ([], OK)
        recorded.dataset({"id": "new", "expected": "x"}, name="other")
        data = recorded.data(replies="replay")
        assert (evaluation_of(data, "triage")["why_not"], data["exit_code"]) == ("it is inactive", OK)

    def test_two_fresh_clones_give_the_same_bytes(
        self, recorded: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = []
        recorded.git("push", "--quiet", "origin", "feature")
        for number in range(2):
            folder = recorded.root.parent / f"clone-{number}"
            recorded.git("clone", "--quiet", str(recorded.bare), str(folder), "--branch", "feature")
            monkeypatch.chdir(folder)
            names = [f"review.{suffix}" for suffix in ("md", "json", "html", "xml")]
            outputs = [part for name in names for part in ("-o", name)]
            ran = cli("review", "--replies", "replay", "--json", *outputs)
            assert ran.exit_code == CHECK_FAILED
            written.append([ran.out, *((folder / name).read_bytes() for name in names)])
        assert written[0] == written[1]


def test_what_no_comparison_can_tell_is_undecided_in_every_output(
    pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    pull.edit(PATH, "Say one word.", "Say one word only.")
    ran = cli("review", "-o", "../r.md", "-o", "../r.json", "-o", "../r.html")
    files = {file.suffix: file.read_text() for file in pull.root.parent.glob("r.*")}
    assert (ran.exit_code, ran.out.splitlines()[-1]) == (OK, "undecided: No check failed.")
    assert "### ➖ Prompt review: undecided\n" in files[".md"]
    assert "\n| ➖ | `triage` | changed | inconclusive |" in files[".md"]
    assert json.loads(files[".json"])["state"] == "undecided"
    page = data_of(files[".html"])
    assert (page["state"], page["review"]["rows"][0]["mark"]) == ("undecided", "➖")


def test_a_second_review_says_the_same_for_nothing(pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    pull.edit(PATH, "Say one word.", "Say one word only.")
    outputs = ["-o", "../review.md", "-o", "../review.json", "-o", "../review.html", "-o", "../review.xml"]
    first = cli("review", *outputs)
    assert first.exit_code == OK, first.err
    before = {file.name: file.read_bytes() for file in pull.root.parent.glob("review.*")}
    asked = len(pull.server.requests)
    second = cli("review", *outputs)
    assert second.out == first.out
    assert before == {file.name: file.read_bytes() for file in pull.root.parent.glob("review.*")}
    assert len(pull.server.requests) == asked == 16


def test_the_command_in_the_report_makes_the_same_review(pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    worsen(pull)
    data = cli("review", "--gate", "noninferior", "--margin", "0.1", "--json").json
    again = data["reproduce"].split()
    same = cli(*again[1:], "--json").json
    (comparison,) = evaluation_of(same, "triage")["comparisons"]
    assert comparison.pop("note") == "the same was compared 2 times, and all answers to flipped cases count"
    assert evaluation_of(data, "triage")["comparisons"][0].pop("note") is None
    assert same | {"head": None, "base": None} == data | {"head": None, "base": None}


def test_an_output_without_a_format_is_refused_before_anything_is_spent(pull: Pull, cli: Cli) -> None:
    ran = cli("review", "-o", "review.pdf")
    assert (ran.exit_code, pull.server.requests) == (2, [])


class TestJudges:
    @pytest.fixture
    def judged(self, pull: Pull, server: OpenAIServer) -> Pull:
        async def answer(exchange: Exchange) -> None:
            is_judge = exchange.request.body["model"] == "judge"
            verdict = '{"pass": true, "score": 1, "reason": "It is."}'
            await (reply(verdict) if is_judge else obedient)(exchange)

        server.default = answer
        rubric = {"assert": [{"type": "llm-rubric", "value": "is kind"}]}
        pull.dataset(*({**case(n), **rubric} for n in range(8)))
        pull.edit(PATH, "Say one word.", "Say one word only.")
        return pull

    def test_the_judge_that_is_named_judges_both_sides_and_is_told(
        self, judged: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCAL_KEY", judged.environ["LOCAL_KEY"])
        ran = cli("review", "--judge", "local/judge", "--judge-param", "seed=7", "-o", "r.md")
        assert ran.exit_code == OK
        asked = [request.body for request in judged.server.requests if request.body["model"] == "judge"]
        assert {body["seed"] for body in asked} == {7}
        assert "--judge local/judge --judge-param seed=7" in (judged.root / "r.md").read_text()

    def test_echo_as_the_workspaces_model_is_no_judge(self, judged: Pull) -> None:
        judged.git("checkout", "--quiet", "main")
        judged.write("promptctl.yaml", judged.read("promptctl.yaml").replace("model: local/small", "model: echo/echo"))
        base = judged.commit()
        judged.git("checkout", "--quiet", "feature")
        data = judged.data(base=base, models=("local/small",))
        assert (data["exit_code"], judged.server.requests) == (MODEL, [])
        assert "echo/echo cannot judge" in str(evaluation_of(data, "triage")["why_not"])
        assert judged.data(base=base, models=("local/small",), judge="local/judge")["exit_code"] == OK


@pytest.mark.parametrize("is_base", [True, False])
def test_a_schema_that_is_none_on_one_side_is_told_of_that_side(pull: Pull, *, is_base: bool) -> None:
    sound = pull.read(PATH) + "output: {schema: {type: string}}\n"
    unsound = sound.replace("{type: string}}\n", "{type: strng}}\n")
    pull.write(PATH, unsound if is_base else sound)
    base = pull.commit("Before")
    pull.write(PATH, sound if is_base else unsound)
    pull.commit("After")
    data = pull.data(base=base)
    found = evaluation_of(data, "triage")
    if is_base:
        assert (data["exit_code"], len(found["evaluations"])) == (CHECK_FAILED, 1), "no reply is JSON"
        assert found["notes"][0].startswith(f"base was not evaluated: {PATH}:10:18: not a JSON Schema")
    else:
        assert (data["exit_code"], found["evaluations"], found["problems"][0]["path"]) == (WORKSPACE, [], PATH)
