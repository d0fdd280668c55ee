"""Changes of HEAD in `promptctl.yaml`: shown, evaluated if it is the default model, and else in doubt."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.reports.sentences import of_review
from promptctl.workspace import open_workspace
from tests.openai_server import Exchange, reply
from tests.reviews.conftest import Cli, Pull, case, evaluation_of, prompt_of

STRICT = GateRule(gate="strict")


async def worse_if_cheap(exchange: Exchange) -> None:
    body = exchange.request.body
    word = str(body["messages"][-1]["content"]).split()[0]
    await reply("wrong" if body["model"] == "cheap" else word)(exchange)


def set_(pull: Pull, old: str, new: str) -> None:
    pull.edit("promptctl.yaml", old, new)


class TestDefaultModel:
    def test_prompts_without_a_model_are_changed_and_compared(self, pull: Pull) -> None:
        pull.server.default = worse_if_cheap
        set_(pull, "model: local/small", "model: local/cheap")
        data = pull.data()
        assert {each["prompt"] for each in data["prompts"]} == {"triage", "greet", "other"}
        assert prompt_of(data, "triage")["diff"]["model"] == {
            "name": "model", "kind": "changed", "before": "local/small", "after": "local/cheap",
        }  # fmt: skip
        (compared,) = evaluation_of(data, "triage")["comparisons"]
        assert (compared["base"]["model"], compared["head"]["model"]) == ("local/small", "local/cheap")
        assert (compared["verdict"], data["exit_code"]) == ("worse", CHECK_FAILED)
        assert data["settings"] == {"model": {"before": "local/small", "after": "local/cheap"}}

    def test_a_prompt_with_a_model_of_its_own_is_as_it_was(self, pull: Pull) -> None:
        path = "prompts/triage.prompt.yaml"
        pull.write(path, f"model: local/small\n{pull.read(path)}")
        base = pull.commit("Pin")
        set_(pull, "model: local/small", "model: local/cheap")
        data = pull.data(base=base)
        assert {each["prompt"] for each in data["prompts"]} == {"greet", "other"}
        assert pull.server.requests == []

    def test_a_model_that_base_changed_since_is_none_of_heads(self, pull: Pull) -> None:
        set_(pull, "model: local/small", "model: local/cheap")
        tip = pull.git("rev-parse", "HEAD").strip()
        pull.git("checkout", "--quiet", "-b", "other", "origin/main")
        pull.dataset(*(case(n) for n in range(9)))
        pull.commit("One more case")
        data = pull.data(base=tip)
        assert (data["prompts"], data["settings"], data["settings_changed"]) == ([], {}, True)
        assert {each.body["model"] for each in pull.server.requests} == {"cheap"}

    def test_the_key_goes_to_no_endpoint_that_head_names_for_it(self, pull: Pull) -> None:
        set_(pull, "model: local/small", "model: elsewhere/m")
        set_(pull, "prices:", "prices:\n  elsewhere/m: {input: 1, output: 1}\n#")
        assert pull.data()["exit_code"] != OK
        assert {each.body["model"] for each in pull.server.requests} <= {"small"}

    def test_a_model_that_the_reviewer_names_is_asked_on_both_sides(self, pull: Pull) -> None:
        set_(pull, "model: local/small", "model: local/cheap")
        data = pull.data(models=["local/small"])
        assert (data["prompts"], data["evaluations"]) == ([], [])

    def test_since_finds_the_prompts_whose_default_or_rule_changed(self, pull: Pull, cli: Cli) -> None:
        set_(pull, "model: local/small", "model: local/cheap")
        with open_workspace(pull.root, pull.environ, on_warning=lambda _: None) as workspace:
            assert workspace.datasets.changed_since("origin/main") == ["triage"]
        ran = cli("eval", "--changed-since", "origin/main", "--dry-run")
        assert "model: local/small → local/cheap" in ran.err
        set_(pull, "model: local/cheap", "model: local/small")
        set_(pull, "timeout_s: 5", "timeout_s: 6")
        assert "nothing to evaluate" in cli("eval", "--changed-since", "origin/main").err
        set_(pull, "timeout_s: 6", "parameters: {temperature: 1}")
        with open_workspace(pull.root, pull.environ, on_warning=lambda _: None) as workspace:
            assert workspace.datasets.changed_since("origin/main") == ["triage"]


RULE = "HEAD changes how local/small is asked, which answers for 1 tested prompt (triage): "


class TestRulesOfModels:
    @pytest.mark.parametrize(
        ("new", "names"),
        [
            ('api_base: "http://127.0.0.1:9/v1", ', "api_base"),
            ('parameters: {temperature: 1}, api_base: "{url}", ', "parameters"),
        ],
    )
    def test_it_is_in_doubt(self, pull: Pull, new: str, names: str) -> None:
        url = pull.server.url
        set_(pull, f'api_base: "{url}", ', new.replace("{url}", url))
        data = pull.data()
        assert (data["exit_code"], data["state"], data["decision"]) == (OK, "not evaluated", f"{RULE}{names}.")
        assert data["warnings"] == [f"Not evaluated: {RULE}{names}"]
        assert "➖ Prompt review: not evaluated" in pull.markdown()
        opening = of_review(pull.review())
        assert (opening.state, opening.sentence) == ("not evaluated", "No prompt changed, and promptctl.yaml did.")
        strict = pull.data(rule=STRICT)
        assert (strict["exit_code"], strict["decision"]) == (INCOMPLETE, f"{RULE}{names}.")

    def test_how_long_a_reply_is_waited_for_changes_none(self, pull: Pull) -> None:
        set_(pull, "timeout_s: 5", "timeout_s: 6")
        data = pull.data(rule=STRICT)
        assert (data["exit_code"], data["state"]) == (OK, "nothing to evaluate")
        assert data["settings"] == {"models.local/*.timeout_s": {"before": 5, "after": 6}}

    def test_every_value_that_differs_is_told(self, pull: Pull, cli: Cli) -> None:
        set_(pull, "prices:", "gate: {reruns: 0}\nprices:")
        set_(pull, "{input: 1, output: 1}", "{input: 0.01, output: 1}")
        told = ['promptctl.yaml, gate: {"reruns": 0} (added)', "prices.local/small.input: 1 → 0.01"]
        out = cli("review").out
        assert all(each in out and each in pull.markdown().replace("\\", "") for each in told), out


class TestGate:
    @pytest.mark.parametrize(
        ("before", "after", "told"),
        [
            ("{rule: strict}", "{rule: worse}", "gate.rule strict → worse"),
            ("{margin: 0.02}", "{margin: 0.5}", "gate.margin 0.02 → 0.5"),
            ("{reruns: 5}", "{reruns: 0}", "gate.reruns 5 → 0"),
            ("{max_cost_increase: 10%}", "{max_cost_increase: 20%}", "gate.max_cost_increase 0.1 → 0.2"),
            ("{metrics: [passed, score]}", "{metrics: [passed]}", "gate.metrics passed, score → passed"),
        ],
    )
    def test_one_that_asks_for_less_is_taken_away(self, pull: Pull, before: str, after: str, told: str) -> None:
        set_(pull, "prices:", f"gate: {before}\nprices:")
        base = pull.git("rev-parse", "HEAD").strip()
        set_(pull, f"gate: {before}", f"gate: {after}")
        data = pull.data(base=base, rule=STRICT)
        assert (data["taken_away"], data["exit_code"]) == ([f"promptctl.yaml: {told}"], CHECK_FAILED)
        set_(pull, f"gate: {after}", f"gate: {before}")
        tip = pull.git("rev-parse", "HEAD").strip()
        assert pull.data(base=f"{tip}~1", rule=STRICT)["taken_away"] == []


class TestNotEvaluated:
    """One state in every report."""

    def test_it_is_the_same_word_everywhere(self, pull: Pull, cli: Cli, tmp_path: Path) -> None:
        pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word only.")
        pull.environ = {}
        ran = cli("review", "-o", str(tmp_path / "r.xml"))
        assert ran.exit_code == OK
        last = " ".join(ran.out.split("not evaluated: ")[-1].split())
        assert last.startswith("triage: there is no key for `local/small`"), ran.out
        data: dict[str, Any] = pull.data()
        assert (data["state"], data["decision"].startswith("triage: there is no key")) == ("not evaluated", True)
        suite = ET.parse(tmp_path / "r.xml").getroot()[0]
        assert (suite.get("tests"), suite.get("skipped")) == ("2", "2")
        messages = [test[0].get("message") or "" for test in suite.iter("testcase")]
        assert all(each.startswith("not evaluated: ") for each in messages)

    def test_a_changed_prompt_without_a_test_is_incomplete_for_the_strict_gate(self, pull: Pull) -> None:
        pull.edit("prompts/other.prompt.yaml", "Something else", "Something different")
        assert pull.data()["exit_code"] == OK
        data = pull.data(rule=STRICT)
        assert data["exit_code"] == INCOMPLETE
        assert data["decision"] == "other: it was not evaluated: no dataset tests it."
