from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from promptctl.assertions.assertion import Subject
from promptctl.comparisons.rule import GateRule
from promptctl.datasets.selection import Selection
from promptctl.errors import (
    CaseNotFound,
    InvalidFiles,
    ModelConfigurationError,
    PromptInactive,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.evaluations.session import Session
from tests.cli.conftest import commit, git
from tests.evaluation_lab import PROMPT, REPLY_COST, Lab, answering, slowly
from tests.openai_server import (
    Answer,
    Exchange,
    OpenAIServer,
    close_early,
    failure,
    half_body,
    hang,
    html,
    malformed,
    raw,
    reply,
    usage,
)

ONCE = 'models:\n  "local/*": {{api_base: "{url}", timeout_s: 5, max_attempts: 1}}\n'
SCHEMA = "output: {schema: {type: object, required: [label], properties: {label: {enum: [bug, billing]}}}}\n"


def statuses(lab: Lab, evaluation: object) -> dict[str, str]:
    return {row.case_id: row.status for row in lab.rows(evaluation)}  # type: ignore[arg-type]


class TestOneBadCase:
    def test_a_refused_request_is_one_error_among_many_that_are_scored(self, lab: Lab) -> None:
        lab.many(40)
        lab.server.default = answering({"c7": failure(400, "no such thing")})
        found = lab.one()
        assert (found.summary.counts.passed, found.summary.counts.errors) == (39, 1)
        assert (found.verdict, found.row.status) == ("incomplete", "finished")
        row = lab.row(found, "c7")
        assert (row.error_type, row.cost_nano_usd, row.output) == ("RequestRejected", 0, None)
        assert "no such thing" in (row.error_message or "")

    @pytest.mark.parametrize(
        ("answer", "error_type"),
        [
            (close_early(), "ProviderUnreachable"),
            (half_body(), "ProviderUnreachable"),
            (html(), "ProviderFailed"),
            (html(502), "ProviderFailed"),
            (malformed(), "ProviderFailed"),
            (failure(401), "AuthenticationFailed"),
        ],
    )
    def test_whatever_a_provider_does_the_others_go_on(self, lab: Lab, answer: object, error_type: str) -> None:
        lab.write("promptctl.yaml", ONCE.format(url=lab.server.url) + "model: local/gpt-4o-mini\n")
        lab.many(5)
        lab.server.default = answering({"c2": answer})  # type: ignore[dict-item]
        found = lab.one()
        assert found.summary.counts.passed == 4
        assert lab.row(found, "c2").error_type == error_type

    def test_a_case_that_ends_at_its_deadline_says_what_the_provider_said_last(self, lab: Lab) -> None:
        lab.many(1)
        lab.server.default = failure(500)
        row = lab.row(lab.one(limits=Limits(case_timeout_s=0.2)), "c0")
        assert row.error_type == "ModelTimeout"
        assert "the case took longer than 0.2 s; the last attempt: local/gpt-4o-mini" in (row.error_message or "")
        assert "500" in (row.error_message or "")

    def test_a_case_that_hangs_ends_at_its_deadline(self, lab: Lab) -> None:
        lab.many(4)
        lab.server.default = answering({"c1": hang()})
        found = lab.one(limits=Limits(case_timeout_s=0.4))
        row = lab.row(found, "c1")
        assert (found.summary.counts.passed, row.status, row.error_type) == (3, "error", "ModelTimeout")
        assert row.cost_nano_usd is None
        assert found.summary.unpriced == 1

    def test_a_fault_of_our_own_is_the_cases_error(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        from promptctl.evaluations import evaluator

        def fails_for_one(text: str, **more: Any) -> Subject:
            if text == "c1":
                raise ZeroDivisionError("oh")
            return Subject(text, **more)

        monkeypatch.setattr(evaluator, "Subject", fails_for_one)
        lab.many(3)
        found = lab.one()
        assert found.summary.counts.passed == 2
        row = lab.row(found, "c1")
        assert row.error_type == "Crashed"
        assert "ZeroDivisionError: oh (in fails_for_one" in (row.error_message or "")

    def test_a_reply_that_does_not_fit_the_schema_is_a_failure_and_paid_for(self, lab: Lab) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + SCHEMA)
        lab.cases(
            {"id": "good", "inputs": {"ticket": "good"}, "assert": [{"type": "is-json"}]},
            {"id": "bad", "inputs": {"ticket": "bad"}, "assert": [{"type": "is-json"}]},
        )
        lab.server.default = answering({"good": '{"label": "bug"}', "bad": '{"label": "nonsense"}'})
        found = lab.one()
        assert statuses(lab, found) == {"good": "passed", "bad": "failed"}
        row = lab.row(found, "bad")
        assert (row.output, row.cost_nano_usd, row.score) == ('{"label": "nonsense"}', REPLY_COST, 0.0)
        assert found.verdict == "failed"

    def test_a_recorded_output_is_graded_without_a_call(self, lab: Lab) -> None:
        lab.cases({"id": "a", "inputs": {"ticket": "a"}, "output": "hello", "expected": "hello"})
        found = lab.one()
        assert (found.verdict, lab.asked, found.summary.cost_nano_usd) == ("passed", [], 0)
        assert lab.row(found, "a").reply_source == "dataset"


class TestRendering:
    def test_all_cases_of_a_command_share_its_time(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("promptctl.evaluations.asking._TOGETHER_S", 0.05)
        monkeypatch.setattr("promptctl.evaluations.asking._EACH_S", 0.0)
        numbers = "{% for a in range(99999) %}{{ a }}{% endfor %}"
        lab.write(
            "prompts/triage.prompt.yaml",
            f"{{inputs: {{ticket: {{}}}}, messages: [{{role: user, content: '{numbers}'}}]}}",
        )
        lab.many(20)
        found = lab.one()
        messages = [row.error_message or "" for row in lab.rows(found)]
        assert len(messages) == 20
        assert "RenderingTimeSpent" in {row.error_type for row in lab.rows(found)}
        assert (
            0 < sum("rendering the cases takes longer than 0.05 s of the processor" in each for each in messages) < 20
        )
        assert lab.one().stopped is None, "each command has a time of its own"


class TestBeforeAnythingIsSent:
    def test_a_mistake_in_the_last_case_costs_nothing(self, lab: Lab) -> None:
        good = [{"id": f"c{n}", "inputs": {"ticket": "x"}, "expected": "x"} for n in range(30)]
        lab.cases(*good, {"id": "last", "inputs": {"ticket": "x"}, "assert": [{"type": "equal", "value": "x"}]})
        with pytest.raises(InvalidFiles) as raised:
            lab.evaluate()
        assert lab.asked == []
        assert "did you mean `equals`" in str(raised.value.hint)

    def test_a_streamed_dataset_is_checked_to_its_last_line_too(self, lab: Lab) -> None:
        lab.write("datasets/triage.yaml", "prompts: [triage]\ncases: ./rows.jsonl\n")
        rows = [{"id": f"c{n}", "inputs": {"ticket": "x"}, "expected": "x"} for n in range(30)]
        rows.append({"id": "last", "inputs": {"tikcet": "x"}, "expected": "x"})
        lab.write("datasets/rows.jsonl", "\n".join(map(json.dumps, rows)))
        with pytest.raises(InvalidFiles) as raised:
            lab.evaluate()
        assert str(raised.value.place) == "datasets/rows.jsonl:31"
        assert lab.asked == []

    def test_a_mistake_in_the_second_dataset_stops_the_first(self, lab: Lab) -> None:
        lab.many(3)
        lab.cases({"id": "a", "inputs": {}, "expected": "x"}, name="other")
        with pytest.raises(InvalidFiles):
            lab.evaluate()
        assert lab.asked == []

    @pytest.mark.parametrize(
        "dataset",
        ["prompts: [triage]\ncases: []\n", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: x}}]\n"],
        ids=["no case", "no assertion"],
    )
    def test_a_dataset_that_proves_nothing_is_an_error(self, lab: Lab, dataset: str) -> None:
        lab.write("datasets/triage.yaml", dataset)
        with pytest.raises(InvalidFiles):
            lab.evaluate()

    def test_a_prompt_without_a_dataset_cannot_be_evaluated(self, lab: Lab) -> None:
        with pytest.raises(WorkspaceError, match="no dataset tests triage"):
            lab.evaluate()

    def test_a_judge_without_a_model_is_told_first(self, lab: Lab) -> None:
        lab.write("promptctl.yaml", "")
        lab.write("prompts/triage.prompt.yaml", PROMPT + "model: echo/echo\n")
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "llm-rubric", "value": "is polite"}]})
        with pytest.raises(ModelConfigurationError, match="no model is named to judge with"):
            lab.evaluate()

    def test_a_judge_without_a_key_is_told_first(self, lab: Lab) -> None:
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "llm-rubric", "value": "is polite"}]})
        with pytest.raises(ModelConfigurationError, match="OPENAI_API_KEY"):
            lab.evaluate(judge="openai/gpt-4o-mini")
        assert lab.asked == []

    def test_an_inactive_prompt_refuses_and_is_left_out_among_others(self, lab: Lab) -> None:
        lab.write("prompts/old.prompt.yaml", PROMPT + "status: inactive\n")
        lab.many(2)
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}, name="old", prompts=["old"])
        with pytest.raises(PromptInactive):
            lab.evaluate("old")
        (found,) = lab.evaluate("triage", "old")
        assert found.row.prompt == "triage"
        assert lab.warnings == ["old is inactive and left out"]


class TestRepeats:
    def test_n_stays_the_number_of_cases_and_what_flips_is_listed(self, lab: Lab) -> None:
        lab.many(2)
        # Of three answers to c1 one is wrong, whichever it is.
        answers = iter(["c1", "wrong", "c1"])

        async def changing(exchange: object) -> None:
            await reply(next(answers))(exchange)  # type: ignore[arg-type]

        lab.server.default = answering({"c1": changing})
        found = lab.one(repeats=3)
        data = found.totals.as_json()
        assert (data["cases"], data["passed"], data["failed"]) == (2, 1, 1)
        assert (data["flaky"], data["pass_at_k"], data["pass_hat_k"]) == (("c1",), 1.0, 0.5)
        assert len(lab.rows(found)) == 6

    def test_m_of_k_is_enough_where_that_was_asked_for(self, lab: Lab) -> None:
        lab.many(1)
        lab.server.script(reply("c0"), reply("wrong"), reply("c0"))
        found = lab.one(repeats=3, at_least=2)
        assert (found.verdict, list(found.summary.flaky)) == ("passed", ["c0"])


def two_prompts(lab: Lab, count: int) -> None:
    """Let two prompts be tested by the same cases."""
    lab.write("prompts/other.prompt.yaml", PROMPT)
    dataset = lab.many(count)
    dataset.write_text(dataset.read_text().replace('"triage"', '"triage", "other"', 1))


class TestMoney:
    # With this a request costs 33 tokens at worst, where its reply then costs 15.
    short: ClassVar = {"max_tokens": 3}
    worst = 33_000

    def test_no_more_is_spent_than_the_cap_and_what_is_given_back_is_used(self, lab: Lab) -> None:
        lab.many(60)
        cap = 20 * REPLY_COST
        found = lab.one(limits=Limits(concurrency=16, max_cost_nano_usd=cap), parameters=self.short)
        assert cap - self.worst < found.summary.cost_nano_usd <= cap
        assert (found.verdict, found.stopped) == ("incomplete", "max-cost")
        with pytest.raises(UsageError, match="stopped by --max-cost, and nothing bounds"):
            lab.resume(found)
        whole = lab.resume(found, limits=Limits(max_cost_nano_usd=60 * self.worst))
        assert (whole.verdict, whole.stopped) == ("passed", None)
        assert len(lab.asked) == 60

    @pytest.mark.parametrize(("first", "known", "unpriced"), [(hang(), 0, 1), (reply("no JSON"), REPLY_COST, 0)])
    def test_what_a_case_cost_counts_though_the_cap_leaves_it_open(
        self, lab: Lab, first: Answer, known: int, unpriced: int
    ) -> None:
        once = ONCE.replace("timeout_s: 5, max_attempts: 1", "timeout_s: 1, max_attempts: 2")
        more = "prices: {local/gpt-4o-mini: {input: 1, output: 1}}\nmodel: local/gpt-4o-mini\n"
        lab.write("promptctl.yaml", once.format(url=lab.server.url) + more)
        lab.write("prompts/triage.prompt.yaml", PROMPT + SCHEMA.replace("{schema", "{retries: 1, schema"))
        lab.many(1)
        lab.server.default = first
        lab.one(limits=Limits(max_cost_nano_usd=1), parameters=self.short)
        [dollars] = re.findall(r"could cost up to \$([\d.]+)", lab.warnings.pop())
        cap = round(float(dollars) * 1e9) + 50_000
        found = lab.one(limits=Limits(max_cost_nano_usd=cap), parameters=self.short)
        assert (found.stopped, len(lab.asked)) == ("max-cost", 1)
        assert (found.summary.cost_nano_usd, found.summary.unpriced) == (known, unpriced)
        with lab.open() as workspace:
            again = workspace.results.evaluation(found.row.id)
        assert (again.totals.cost_nano_usd, again.totals.unpriced) == (known, unpriced)
        lab.server.default = reply('{"label": "bug"}')
        whole = lab.resume(found, limits=Limits(max_cost_nano_usd=10 * cap))
        assert (whole.summary.cost_nano_usd, whole.summary.unpriced) == (known + REPLY_COST, unpriced)

    def test_the_cap_holds_for_what_is_taken_up_again(self, lab: Lab) -> None:
        lab.many(30)
        cap = 20 * REPLY_COST
        (plan,) = lab.plans(limits=Limits(concurrency=1, max_cost_nano_usd=cap), parameters=self.short)
        with lab.open() as workspace:
            session = Session(workspace.context, Limits(concurrency=1), lambda _, done: stop(done.done))

            def stop(done: int) -> None:
                if done == 5:
                    session.stop()

            async def run() -> list[Evaluation]:
                async with session:
                    return await session.run([plan])

            [begun] = asyncio.run(run())
        assert (begun.stopped, len(lab.asked)) == ("interrupted", 5)
        again = lab.resume(begun, limits=Limits(concurrency=1))
        assert again.stopped == "max-cost"
        assert cap - self.worst < len(lab.asked) * REPLY_COST <= cap
        with pytest.raises(UsageError, match="stopped by --max-cost, and nothing bounds"):
            lab.resume(again)
        assert lab.resume(again, limits=Limits(max_cost_nano_usd=60 * self.worst)).verdict == "passed"

    @pytest.mark.parametrize("begun_with", [None, 4, 1_000])
    def test_the_cap_of_the_latest_resume_holds(self, lab: Lab, begun_with: int | None) -> None:
        lab.many(30)
        lab.server.default = answering({"c2": "wrong", "c5": "wrong"})
        first = None if begun_with is None else 2 * REPLY_COST + self.worst + begun_with
        limits, cap = Limits(concurrency=1, fails_fast=True), 12 * REPLY_COST
        begun = lab.one(limits=replace(limits, max_cost_nano_usd=first), parameters=self.short)
        again = lab.resume(begun, limits=replace(limits, max_cost_nano_usd=cap))
        assert (begun.stopped, again.stopped, len(lab.asked)) == ("fail-fast", "fail-fast", 6)
        last = lab.resume(again, limits=Limits(concurrency=1))
        assert last.stopped == "max-cost"
        assert cap - self.worst < (len(lab.asked) - 3) * REPLY_COST <= cap

    def test_the_cap_is_one_for_all_evaluations_of_a_command(self, lab: Lab) -> None:
        two_prompts(lab, 30)
        cap = 40 * REPLY_COST
        limits = Limits(concurrency=2, max_cost_nano_usd=cap)
        found = lab.evaluate("triage", "other", limits=limits, replies="ask", parameters=self.short)
        assert sum(each.summary.cost_nano_usd for each in found) == len(lab.asked) * REPLY_COST <= cap
        assert [each.verdict for each in found] == ["passed", "incomplete"]

    def test_what_the_cap_keeps_from_running_is_there_and_can_be_resumed(self, lab: Lab) -> None:
        two_prompts(lab, 10)
        limits = Limits(concurrency=1, max_cost_nano_usd=4 * REPLY_COST)
        first, second = lab.evaluate("triage", "other", limits=limits, replies="ask", parameters=self.short)
        assert (first.stopped, second.stopped) == ("max-cost", "max-cost")
        assert (second.summary.counts.cases, second.verdict) == (0, "incomplete")
        assert lab.resume(second, limits=Limits(max_cost_nano_usd=10 * self.worst)).verdict == "passed"

    def test_replies_without_numbers_of_tokens_count_with_their_worst_case(self, lab: Lab) -> None:
        lab.many(20)
        lab.server.default = reply("c0", tokens={})
        limits = Limits(concurrency=8, max_cost_nano_usd=4 * self.worst)
        found = lab.one(limits=limits, parameters=self.short)
        assert (found.stopped, len(lab.asked)) == ("max-cost", 4)
        assert any("for replies whose cost nobody told" in warning for warning in lab.warnings)

    def test_nothing_is_asked_whose_worst_case_is_more_than_the_bound(self, lab: Lab) -> None:
        lab.many(20)
        found = lab.one(limits=Limits(concurrency=8, max_cost_nano_usd=self.worst - 1), parameters=self.short)
        assert (found.verdict, found.stopped, lab.asked) == ("incomplete", "max-cost", [])
        # Nothing says how long a reply may be.
        lab.one(limits=Limits(concurrency=8, max_cost_nano_usd=100 * self.worst))
        assert lab.asked == []
        assert any("set `max_tokens`" in warning for warning in lab.warnings)

    def test_a_server_that_counts_more_than_it_may_shows_with_its_first_reply(self, lab: Lab) -> None:
        lab.many(20)
        lab.server.default = slowly(0.1, reply("c0", tokens=usage(100_000, 25_000)))
        found = lab.one(limits=Limits(concurrency=16, max_cost_nano_usd=16 * self.worst), parameters=self.short)
        assert (found.stopped, lab.asked) == ("max-cost", ["c0"])

    def test_judges_are_paid_from_the_same_account(self, lab: Lab) -> None:
        rubric = [{"type": "llm-rubric", "value": "is polite"}]
        lab.cases(*({"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "assert": rubric} for n in range(4)))
        limits = Limits(concurrency=4, max_cost_nano_usd=10 * self.worst)
        found = lab.one(limits=limits, judge="local/gpt-4o-mini", parameters=self.short)
        # All four replies, but no judge, whose prompt is longer and whose reply may be of any length.
        assert (sorted(lab.asked), found.stopped) == (["c0", "c1", "c2", "c3"], "max-cost")
        assert (found.verdict, found.summary.counts.cases) == ("incomplete", 0)

    def test_what_comes_from_the_cache_takes_nothing(self, lab: Lab) -> None:
        lab.many(40)
        lab.one(selection=Selection(first=10), parameters=self.short)
        found = lab.one(limits=Limits(concurrency=30, max_cost_nano_usd=self.worst + 1_000), parameters=self.short)
        assert (found.stopped, found.summary.cost_nano_usd, len(lab.asked)) == ("max-cost", REPLY_COST, 11)

    def test_retries_are_paid_too_and_what_was_refused_costs_nothing(self, lab: Lab) -> None:
        lab.many(1)
        lab.server.default = failure(400, "no such thing")
        limits = Limits(max_cost_nano_usd=self.worst)
        assert lab.one(limits=limits, parameters=self.short).stopped is None
        lab.server.default = answering({})
        assert lab.one(limits=limits, parameters=self.short).verdict == "passed"

    def test_what_its_cases_ask_may_not_change_before_it_is_resumed(self, lab: Lab) -> None:
        cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(3)]
        lab.cases(*cases, min_pass=0.3)
        lab.server.default = answering({"c1": "no", "c2": failure(400)})
        found = lab.one()
        lab.server.default = answering({"c1": "no"})
        lab.cases(cases[0], {**cases[1], "must_pass": True}, cases[2], min_pass=0.3)
        with pytest.raises(WorkspaceError, match=r"what datasets/triage\.yaml asks of its cases .* changed"):
            lab.resume(found, retries_errors=True)
        assert lab.one().verdict == "failed"
        lab.cases(*cases, min_pass=0.3)
        assert lab.resume(found, retries_errors=True).verdict == "passed"

    def test_resuming_has_a_bound_of_its_own(self, lab: Lab) -> None:
        lab.many(4)
        begun = lab.one(limits=Limits(concurrency=1, max_cost_nano_usd=self.worst), parameters=self.short)
        again = lab.resume(begun, limits=Limits(concurrency=1, max_cost_nano_usd=self.worst))
        assert (again.stopped, len(lab.asked)) == ("max-cost", 2)

    def test_cached_cases_alone_are_all_done(self, lab: Lab) -> None:
        lab.many(20)
        lab.one()
        found = lab.one(limits=Limits(concurrency=8, max_cost_nano_usd=1), afresh=True)
        assert (found.verdict, found.stopped, len(lab.asked)) == ("passed", None, 20)

    def test_a_model_without_a_price_is_refused(self, lab: Lab) -> None:
        lab.many(2)
        with pytest.raises(ModelConfigurationError, match="not known what local/unpriced costs"):
            lab.evaluate(models=("local/unpriced",), limits=Limits(max_cost_nano_usd=1_000))
        assert lab.asked == []

    def test_so_is_a_judge(self, lab: Lab) -> None:
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "llm-rubric", "value": "is polite"}]})
        with pytest.raises(ModelConfigurationError, match="local/unpriced"):
            lab.evaluate(judge="local/unpriced", limits=Limits(max_cost_nano_usd=1_000))


class TestSameWork:
    @pytest.mark.parametrize(
        ("settings", "what"),
        [
            (("127.0.0.1", "localhost"), "the server of local/gpt-4o-mini"),
            (("timeout_s: 5", "reasoning_block: drop"), "the rule of local/gpt-4o-mini in promptctl.yaml"),
            (("model: local/gpt-4o-mini", "model: local/judge"), "the model that judges (now local/judge)"),
            (("timeout_s: 5", "judge_parameters: {temperature: 1}"), "the parameters of a judge"),
        ],
    )
    def test_what_answers_or_judges_must_be_what_it_was(self, lab: Lab, settings: tuple[str, str], what: str) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + "model: local/gpt-4o-mini\n")
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "llm-rubric", "value": "is polite"}]})
        lab.server.default = failure(401, "refused")
        begun = lab.one()
        kept = (lab.root / "promptctl.yaml").read_text()
        old, new = settings
        lab.write("promptctl.yaml", kept.replace(old, new, 1))
        with pytest.raises(WorkspaceError, match=re.escape(what)):
            lab.resume(begun)
        lab.write("promptctl.yaml", kept)
        assert lab.resume(begun).verdict == "incomplete"

    def test_a_bound_needs_prices_when_resuming_too(self, lab: Lab) -> None:
        lab.many(2)
        lab.server.default = failure(401, "refused")
        (begun,) = lab.evaluate(models=("local/unpriced",))
        with pytest.raises(ModelConfigurationError, match="not known what local/unpriced costs"):
            lab.resume(begun, limits=Limits(max_cost_nano_usd=1_000))


class TestStopping:
    def test_fail_fast_takes_no_further_case(self, lab: Lab) -> None:
        lab.many(50)
        lab.server.default = answering({"c3": "wrong"})
        found = lab.one(limits=Limits(concurrency=2, fails_fast=True))
        assert (found.verdict, found.stopped) == ("failed", "fail-fast")
        assert len(lab.asked) <= 6

    @pytest.mark.parametrize(
        ("refusal", "hint"),
        [
            (failure(401, "Incorrect API key"), "no key was sent"),
            (failure(402, "Insufficient Balance"), "add credit to the account"),
            (failure(429, "no credit", code="insufficient_quota"), "add credit to the account"),
            (failure(404, "no such model"), "check the model's name and the address"),
        ],
    )
    def test_a_refusal_that_every_case_would_meet_stops_the_rest(self, lab: Lab, refusal: Answer, hint: str) -> None:
        lab.many(50)
        lab.server.default = refusal
        found = lab.one(limits=Limits(concurrency=2))
        assert (found.verdict, found.stopped) == ("incomplete", "refused")
        assert len(lab.asked) <= 2
        (said,) = (each for each in lab.warnings if "no other request would fare better" in each)
        assert hint in said.partition("; ")[2], "what to do is said with it"
        lab.server.default = answering({})
        assert lab.resume(found).verdict == "passed"
        assert len(lab.asked) <= 52

    def test_a_judge_that_is_refused_stops_the_rest_too(self, lab: Lab) -> None:
        lab.many(50, **{"assert": [{"type": "llm-rubric", "value": "polite"}]})
        judged = {f"c{n}": f"c{n}" for n in range(50)}
        lab.server.default = answering(judged, otherwise=failure(401, "Incorrect API key"))
        found = lab.one(limits=Limits(concurrency=2), judge="local/judge")
        assert found.stopped == "refused"
        assert len(lab.asked) <= 8

    def test_a_model_that_is_refused_stops_no_other(self, lab: Lab) -> None:
        lab.many(20)
        settings = (lab.root / "promptctl.yaml").read_text()
        rule = '  "bad/*": {{api_base: "{url}", timeout_s: 5, parameters: {{seed: 1}}}}\nlog:'
        lab.write("promptctl.yaml", settings.replace("log:", rule.format(url=lab.server.url)))

        async def answer(exchange: Exchange) -> None:
            is_bad = "seed" in (exchange.request.body or {})
            await (failure(401, "Incorrect API key") if is_bad else answering({}))(exchange)

        lab.server.default = answer
        refused, sound = lab.evaluate(models=("bad/m", "local/m"), limits=Limits(concurrency=2))
        assert (refused.stopped, refused.verdict) == ("refused", "incomplete")
        assert (sound.stopped, sound.verdict) == (None, "passed")
        assert len(lab.asked) <= 22

    def test_a_judge_that_is_refused_stops_only_what_it_judges(self, lab: Lab) -> None:
        lab.many(20)
        lab.cases(
            *({"id": f"j{n}", "inputs": {"ticket": "c0"}, "assert": [{"type": "llm-rubric", "value": "polite"}]}
              for n in range(20)),
            name="judged", prompts=["triage"],
        )  # fmt: skip
        told = {f"c{n}": f"c{n}" for n in range(20)}
        lab.server.default = answering(told, otherwise=failure(401, "Incorrect API key"))
        judged, sound = lab.evaluate(judge="local/judge", limits=Limits(concurrency=2))
        assert (judged.row.spec.dataset, judged.stopped) == ("datasets/judged.yaml", "refused")
        assert (sound.stopped, sound.verdict) == (None, "passed")

    def test_no_more_requests_are_under_way_than_asked_for(self, lab: Lab) -> None:
        lab.many(12)
        lab.server.default = slowly(0.02)
        most = 0

        def watch(_: object, progress: object) -> None:
            nonlocal most
            most = max(most, progress.under_way)  # type: ignore[attr-defined]

        lab.one(limits=Limits(concurrency=3), on_progress=watch)
        assert most <= 3

    def test_progress_counts_to_the_end(self, lab: Lab) -> None:
        lab.many(5)
        lab.server.default = answering({"c1": "wrong", "c2": failure(400)})
        seen = []
        lab.one(on_progress=lambda _, progress: seen.append((progress.passed, progress.failed, progress.errors)))
        assert seen[-1] == (3, 1, 1)


class TestSelection:
    def test_cases_of_one_dataset_can_be_named_where_there_are_several(self, lab: Lab) -> None:
        lab.many(3)
        lab.cases({"id": "other", "inputs": {"ticket": "x"}, "expected": "x", "tags": ["smoke"]}, name="other")
        found = lab.evaluate(selection=Selection(ids=frozenset({"c1"})))
        assert [each.row.spec.dataset for each in found] == ["datasets/triage.yaml"]
        assert lab.asked == ["c1"]
        found = lab.evaluate(selection=Selection(tags=("smoke",)))
        assert [each.row.spec.dataset for each in found] == ["datasets/other.yaml"]

    def test_an_id_or_tag_that_no_dataset_has_is_an_error(self, lab: Lab) -> None:
        lab.many(3)
        for selection in (Selection(ids=frozenset({"c1", "c9"})), Selection(tags=("smoke",))):
            with pytest.raises(CaseNotFound):
                lab.evaluate(selection=selection)
        assert lab.asked == []

    def test_several_models_make_a_matrix(self, lab: Lab) -> None:
        lab.many(2)
        found = lab.evaluate(models=("local/a", "local/b", "echo/echo"))
        assert [each.row.model for each in found] == ["local/a", "local/b", "echo/echo"]
        assert sorted(request.body["model"] for request in lab.server.requests) == ["a", "a", "b", "b"]

    def test_only_what_failed_the_last_time_is_asked_again(self, lab: Lab) -> None:
        lab.many(6)
        lab.server.default = answering({"c1": "wrong", "c4": failure(400)})
        lab.one()
        lab.server.requests.clear()
        lab.server.default = answering({"c4": "wrong"})
        again = lab.one(only_failed=True, replies="ask")
        assert (sorted(lab.asked), again.summary.failing) == (["c1", "c4"], ["c4"])
        lab.server.requests.clear()
        lab.server.default = answering({})
        assert lab.one(only_failed=True, replies="ask").verdict == "passed"
        assert lab.asked == ["c4"]
        with pytest.raises(UsageError, match="every case passed the last time"):
            lab.evaluate(only_failed=True)

    def test_nothing_failed_where_nothing_was_evaluated(self, lab: Lab) -> None:
        lab.many(2)
        with pytest.raises(UsageError, match="has not been evaluated"):
            lab.evaluate(only_failed=True)


class TestReplies:
    def test_a_reply_that_was_cut_passes_nothing_by_what_it_lacks(self, lab: Lab) -> None:
        checks = [{"type": "not-contains", "value": "secret", "metric": "safe"}]
        lab.cases({"id": "a", "inputs": {"ticket": "a"}, "assert": checks})
        lab.server.default = reply("half", finish_reason="length")
        found = lab.one(parameters={"max_tokens": 5})
        row = lab.row(found, "a")
        assert (row.status, row.output, row.detail.metrics) == ("failed", "half", {"safe": 0.0})
        assert "cut at max_tokens=5" in row.detail.reason

    @pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', '<think>{"a": 2}?</think>\n\n{"a": 1}'])
    def test_a_reply_is_the_same_data_to_the_schema_and_to_every_assertion(self, lab: Lab, text: str) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + "output:\n  schema: {type: object, required: [a]}\n")
        checks: list[dict[str, object]] = [
            {"type": "is-json"},
            {"type": "json-schema"},
            {"type": "contains-json", "value": {"type": "object", "properties": {"a": {"const": 1}}}},
            {"type": "equals", "value": {"a": 1}},
            {"type": "equals", "path": "$.a", "value": 1},
            {"type": "equals", "path": "$.a", "value": "{{ output.a }}"},
        ]
        lab.cases(
            {"id": "asked", "inputs": {"ticket": "a"}, "assert": checks},
            {"id": "given", "inputs": {"ticket": "a"}, "output": text, "assert": checks},
        )
        lab.server.default = reply(text)
        found = lab.one()
        assert found.verdict == "passed", [row.detail.reason for row in lab.rows(found)]
        assert len(lab.asked) == 1

    @pytest.mark.parametrize("schema", ["", "output:\n  schema: {type: object}\n"])
    def test_a_filter_is_a_refusal_however_it_is_said(self, lab: Lab, schema: str) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + schema)
        refused = [{"type": "is-refusal"}]
        lab.cases(*({"id": name, "inputs": {"ticket": name}, "assert": refused} for name in "abc"))
        choice = {"index": 0, "message": {"role": "assistant", "refusal": "Je ne peux pas."}, "finish_reason": "stop"}
        lab.server.default = answering(
            {
                "a": failure(400, "The prompt was filtered", code="content_filter"),
                "b": reply("", finish_reason="content_filter"),
                "c": raw(json.dumps({"model": "m", "choices": [choice]}).encode()),
            }
        )
        found = lab.one()
        assert found.verdict == "passed", [row.detail.reason for row in lab.rows(found)]
        assert len(lab.asked) == 3

    def test_a_kept_reply_is_of_the_server_that_gave_it(self, lab: Lab) -> None:
        lab.many(2)
        with OpenAIServer() as other:
            other.default = reply("another's")
            settings = (lab.root / "promptctl.yaml").read_text()
            assert lab.one().verdict == "passed"
            lab.write("promptctl.yaml", settings.replace(lab.server.url, other.url))
            assert lab.one().verdict == lab.one().verdict == "failed"
            assert len(other.requests) == 2
            lab.write("promptctl.yaml", settings)
            assert lab.one().verdict == "passed"
        assert len(lab.asked) == 2

    def test_an_evaluation_of_another_server_does_not_stand_for_one(self, lab: Lab) -> None:
        lab.many(2)
        found = lab.one()
        (plan,) = lab.plans()
        assert plan.spec.is_same_work(found.row.spec)
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace(lab.server.url, "http://127.0.0.1:1/v1"))
        (moved,) = lab.plans()
        assert not moved.spec.is_same_work(found.row.spec)

    @pytest.mark.parametrize("recorded_with", ["true", "false"])
    def test_a_recording_is_found_however_its_schema_is_asked_for(self, lab: Lab, recorded_with: str) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + SCHEMA.replace("schema: {type", "retries: 1, schema: {type"))
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "contains", "value": "bug"}]})
        lab.server.script(reply("no data"), reply('{"label": "bug"}'))
        settings = (lab.root / "promptctl.yaml").read_text()
        for has_schema, replies in ((recorded_with, "record"), ("true", "replay"), ("false", "replay")):
            rule = f"timeout_s: 5, supports_schema: {has_schema}"
            lab.write("promptctl.yaml", settings.replace("timeout_s: 5", rule))
            assert lab.one(replies=replies).verdict == "passed"
        assert len(lab.server.requests) == 2

    def test_a_recording_of_the_request_as_it_was_sent_is_found_too(self, lab: Lab) -> None:
        lab.write("prompts/triage.prompt.yaml", PROMPT + SCHEMA)
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "contains", "value": "bug"}]})
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace("timeout_s: 5", "timeout_s: 5, supports_schema: false"))
        lab.server.default = reply('{"label": "bug"}')
        lab.one()
        (sent,) = [request.body for request in lab.server.requests]
        kept = {"model": "local/gpt-4o-mini", "messages": sent["messages"], "reply": '{"label": "bug"}'}
        lab.write("datasets/recordings/old.yaml", json.dumps([kept | {"recorded_at": "2026-01-01"}]))
        assert lab.one(replies="replay").verdict == "passed"

    @pytest.mark.parametrize("rule", ["reasoning_block: drop", "supports_schema: false"])
    def test_nor_does_one_of_other_rules(self, lab: Lab, rule: str) -> None:
        lab.many(2)
        found = lab.one()
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace("timeout_s: 5", f"timeout_s: 5, {rule}"))
        (ruled,) = lab.plans()
        assert not ruled.spec.is_same_work(found.row.spec)
        lab.write("promptctl.yaml", settings.replace("timeout_s: 5", "timeout_s: 6, reasoning_block: keep"))
        (alike,) = lab.plans()
        assert alike.spec.is_same_work(found.row.spec)

    @pytest.mark.parametrize(
        "rule",
        [
            "judge_parameters: {temperature: 0.5}",
            "parameters: {temperature: 0.5}",
            "reasoning_block: drop",
            "supports_schema: false",
            "api_base: http://127.0.0.1:1/v1",
        ],
    )
    def test_nor_does_one_whose_judge_had_other_rules(self, lab: Lab, rule: str) -> None:
        lab.many(2, **{"assert": [{"type": "llm-rubric", "value": "polite"}]})
        (before,) = lab.plans(judge="local/judge")
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace("log:", f'  "local/judge": {{{rule}}}\nlog:'))
        (after,) = lab.plans(judge="local/judge")
        assert not after.spec.is_same_work(before.spec)
        assert lab.asked == []

    def test_a_comparison_grades_its_base_again_after_a_rule_has_changed(self, lab: Lab) -> None:
        lab.cases(
            *(
                {"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "assert": [{"type": "not-contains", "value": "bad"}]}
                for n in range(8)
            ),
        )
        git(lab.root, "init", "-q", "-b", "main")
        commit(lab.root, "Begin")
        lab.server.default = reply("<think>bad</think>good")
        assert lab.one().summary.counts.failed == 8
        lab.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {temperature: 0.1}\n")
        settings = (lab.root / "promptctl.yaml").read_text()
        lab.write("promptctl.yaml", settings.replace("timeout_s: 5", "timeout_s: 5, reasoning_block: drop"))
        with lab.open() as workspace:
            (found,) = workspace.evaluate_against(EvaluationRequest(refs=("triage",)), "@main", GateRule()).compared
        assert (found.base.summary.counts.passed, found.head.summary.counts.passed) == (8, 8)
        assert found.verdict.kind != "better"
