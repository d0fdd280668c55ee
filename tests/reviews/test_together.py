"""A change of what many prompts share, which makes each a little worse: none shows it by itself, together they do."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from promptctl.comparisons.compared import Against
from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.reports.annotations import annotation_lines
from promptctl.reports.markdown import inline
from promptctl.reports.review_files import write_review
from promptctl.reports.review_json import review_as_dict
from promptctl.reports.review_markdown import review_markdown
from promptctl.workspace import open_workspace
from tests.openai_server import Exchange, reply
from tests.reports.test_html import data_of
from tests.reviews.conftest import Cli, Pull, case

TONE = "prompts/shared/tone.j2"
PROMPTS = [f"desk-{n}" for n in range(8)]
CASES = 20
SHARED = "8 prompts that share prompts/shared/tone.j2"
NUMBERS = (
    "12 cases regressed and 0 improved of 160; of 12 flipped cases asked again on both sides "
    "24 fresh pairs passed before alone and 0 after alone, p < 0.0001."
)


def prompt(says: str) -> str:
    return f"""\
inputs:
  ticket: {{type: string}}
messages:
  - {{role: system, content: "{says} {{% include 'shared/tone.j2' %}}"}}
  - {{role: user, content: "{{{{ ticket }}}}"}}
"""


def cases(id_: str) -> list[dict[str, Any]]:
    return [case(n, f"billing {id_}") | {"expected": "billing"} for n in range(CASES)]


@pytest.fixture
def desks(pull: Pull) -> Pull:
    """Eight prompts that share a partial. Told to be brisk, the model gets one case of four prompts wrong, and two of
    the others, every second time that it is asked."""
    asked: Counter[str] = Counter()

    async def answer(exchange: Exchange) -> None:
        body = exchange.request.body
        ticket = str(body["messages"][-1]["content"])
        _, id_, _, number = ticket.split()
        is_weak = "brisk" in str(body["messages"][0]["content"]) or body["model"] == "brisk"
        is_wrong = is_weak and int(number) <= int(id_[-1]) % 2
        asked[ticket] += is_wrong
        is_gain = is_weak and int(number) >= CASES
        await reply("wrong" if is_gain or (is_wrong and asked[ticket] % 2) else "billing")(exchange)

    pull.server.default = answer
    pull.git("rm", "-q", "datasets/triage.yaml")
    for id_ in PROMPTS:
        pull.write(f"prompts/{id_}.prompt.yaml", prompt(f"You are {id_}."))
        pull.dataset(*cases(id_), name=id_, prompt=id_)
    merge(pull)
    return pull


def merge(pull: Pull) -> None:
    """Make the branch as it is the base."""
    pull.commit("Merge")
    pull.git("push", "-q", "origin", "HEAD:main")
    pull.git("fetch", "-q")


def weaken(pull: Pull) -> None:
    pull.edit(TONE, "Be kind.", "Be brisk.")


def against(pull: Pull, *refs: str, rule: GateRule | None = None, **request: Any) -> Against:
    with open_workspace(pull.root, pull.environ, on_warning=lambda _: None) as workspace:
        return workspace.evaluate_against(EvaluationRequest(refs=refs or None, **request), "@origin/main", rule or {})


class TestReview:
    def test_it_fails_though_no_prompt_is_worse_by_itself(self, desks: Pull, tmp_path: Path) -> None:
        weaken(desks)
        review = desks.review()
        compared = [each for found in review.measurements for each in found.compared]
        assert {each.verdict.kind for each in compared} == {"inconclusive"}
        assert {each.decision.exit_code for each in compared} == {OK}
        # As many tests as comparisons share the level, and one more.
        assert {each.comparison.procedure.comparisons for each in compared} == {9}
        (found,) = review.together
        assert (found.kind, found.causes, found.prompts) == ("worse", (TONE,), tuple(PROMPTS))
        told = f"Worse over {SHARED}: {NUMBERS}"
        assert (review.decision.exit_code, review.decision.reason) == (CHECK_FAILED, told)
        data = review_as_dict(review)
        assert data["together"] == [
            {
                "causes": [TONE],
                "prompts": PROMPTS,
                "comparisons": 8,
                "verdict": "worse",
                "reason": told,
                "cases": 160,
                "lost": 12,
                "gained": 0,
                "p": 0.0,
                "fresh_pairs": {"cases": 12, "base_alone": 24, "head_alone": 0},
            }
        ]
        assert next(iter(annotation_lines(data))) == f"::error file={TONE},line=1::{told}"
        comment = review_markdown(review)
        assert "❌ Prompt review: failed" in comment
        assert f"**{inline(told)}**" in comment
        assert "Be brisk." in comment
        assert "partial shared/tone.j2 changed" not in comment  # of each prompt, as the file is shown once
        # What was lost comes first, and is not folded.
        assert [line.split("`")[1] for line in comment.splitlines() if line.startswith("| ➖")][:8] == PROMPTS
        assert "<summary>desk-1: inconclusive</summary>" not in comment
        assert comment.index("`desk-1` on `datasets/desk-1.yaml`") < comment.index("#### What changed")
        with open_workspace(desks.root, desks.environ, on_warning=lambda _: None) as workspace:
            for suffix in (".html", ".xml"):
                write_review(tmp_path / f"r{suffix}", workspace.context.log, review, workspace.context.redactor)
        page = data_of((tmp_path / "r.html").read_text())
        assert f"No result is shown to be worse by itself, but {SHARED} are worse together." in page["sentence"]
        assert page["review"]["decision"] == told
        assert escape(told) in (tmp_path / "r.xml").read_text()

    def test_the_default_model_is_a_cause(self, desks: Pull) -> None:
        desks.edit("promptctl.yaml", "model: local/small", "model: local/brisk")
        (found,) = desks.review().together
        assert (found.kind, found.causes) == ("worse", ("the default model",))
        assert re.search(r"\| before .+ local/small \| after .+ local/brisk \|", desks.markdown())
        assert found.reason == f"Worse over 8 prompts that share the default model: {NUMBERS}"

    @pytest.mark.parametrize("how", ["edits", "adds"])
    def test_a_branch_cannot_silence_it_by_its_cases(self, desks: Pull, how: str) -> None:
        """Its own cases can show a loss, and no gain."""
        weaken(desks)
        for id_ in PROMPTS:
            own = cases(id_)
            if how == "edits":
                own = [each | {"assert": [{"type": "contains", "value": "billing"}]} for each in own]
            else:  # BASE answers `billing`, and so fails them
                own += [case(n, f"brisk {id_}") | {"expected": "wrong"} for n in range(CASES, CASES + 2)]
            desks.dataset(*own, name=id_, prompt=id_)
        desks.commit()
        (found,) = desks.review().together
        assert (found.kind, len(found.findings.flips.lost), found.findings.flips.gained) == ("worse", 12, ())


class TestEval:
    def test_it_fails_in_every_output(self, desks: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        weaken(desks)
        monkeypatch.setenv("LOCAL_KEY", desks.environ["LOCAL_KEY"])
        files = [f"e{suffix}" for suffix in (".md", ".html", ".xml", ".json")]
        ran = cli("eval", "--all", "--against", "@origin/main", *(word for file in files for word in ("-o", file)))
        told = f"Worse over {SHARED}: {NUMBERS}"
        assert ran.exit_code == CHECK_FAILED
        assert " ".join(ran.out.split()).startswith(f"❌ {told} ➖ Inconclusive: ")
        comment, page, junit, document = (desks.read(file) for file in files)
        assert comment.startswith("**failed: No result is shown to be worse by itself, but 8 prompts that share ")
        assert f"\n**❌ {inline(told)}**\n" in comment
        assert told in data_of(page)["review"]["decision"]
        assert escape(told) in junit
        assert f"\nfailed: No result is shown to be worse by itself, but {SHARED} are worse together." in ran.out
        (joint,) = json.loads(document)["together"]
        assert (joint["verdict"], joint["reason"]) == ("worse", told)
        asked = len(desks.server.requests)
        again = cli("eval", "--all", "--against", "@origin/main", "--json")
        assert again.exit_code == CHECK_FAILED
        assert [each["together"] for each in again.json] == [[joint]] * 8
        assert len(desks.server.requests) == asked

    def test_what_did_not_change_takes_no_share_of_the_level(self, desks: Pull) -> None:
        desks.edit(f"prompts/{PROMPTS[0]}.prompt.yaml", "messages:", "parameters: {max_tokens: 9}\nmessages:")
        found = against(desks, replies="cache")
        assert len(found.compared) == len(PROMPTS)
        assert {each.comparison.procedure.comparisons for each in found.compared} == {1}
        assert found.together == ()
        same = [each.note == "both sides are the same version" for each in found.compared]
        assert same == [False, *[True] * (len(PROMPTS) - 1)]
        anew = against(desks, replies="ask")
        assert {each.comparison.procedure.comparisons for each in anew.compared} == {len(PROMPTS) + 1}
        early = against(desks, replies="cache", until="decided")
        assert {each.comparison.procedure.comparisons for each in early.compared} == {len(PROMPTS)}

    def test_what_flipped_though_it_did_not_change_takes_its_share(self, desks: Pull) -> None:
        """As many cases are lost as are gained, so that both sides pass as many."""
        asked: Counter[str] = Counter()

        async def answer(exchange: Exchange) -> None:
            _, id_, _, number = str(exchange.request.body["messages"][-1]["content"]).split()
            asked[f"{id_} {number}"] += 1
            is_wrong = id_ in PROMPTS[1:3] and number == ("0" if asked[f"{id_} {number}"] == 1 else "1")
            await reply("wrong" if is_wrong else "billing")(exchange)

        desks.server.default = answer
        desks.edit(f"prompts/{PROMPTS[0]}.prompt.yaml", "messages:", "parameters: {max_tokens: 9}\nmessages:")
        against(desks, replies="ask", rule=GateRule(reruns=0))
        found = against(desks, replies="cache", rule=GateRule(reruns=0)).compared
        assert [each.base.row.totals.passed - each.head.row.totals.passed for each in found] == [0] * len(PROMPTS)
        assert {each.comparison.procedure.comparisons for each in found} == {3}

    def test_prompts_that_get_the_same_first_answers_are_asked_apart(self, desks: Pull) -> None:
        """An answer out of the cache would count once for each of them."""
        for id_ in PROMPTS:
            desks.write(f"prompts/{id_}.prompt.yaml", prompt("You are a desk."))
        merge(desks)
        weaken(desks)
        (found,) = against(desks).together
        assert found.reason == f"Worse over {SHARED}: {NUMBERS}"
        # All have as many pairs, though each prompt by itself had given most of them up.
        assert found.findings.asked == 12

    def test_what_a_bound_on_the_cost_left_unasked_is_incomplete_and_the_next_command_goes_on(
        self, desks: Pull
    ) -> None:
        for id_ in PROMPTS:
            desks.write(f"prompts/{id_}.prompt.yaml", prompt("You are a desk."))
        merge(desks)
        weaken(desks)
        against(desks, rule=GateRule(reruns=0))
        asked = len(desks.server.requests)
        stopped = against(desks, limits=Limits(max_cost_nano_usd=20 * 15_000))
        assert len(desks.server.requests) - asked < 48
        (found,) = stopped.together
        assert (found.kind, found.p, stopped.decision.exit_code) == ("incomplete", None, INCOMPLETE)
        assert "not asked again to the end: stopped at the limit on the cost; give the command again." in found.reason
        whole = against(desks)
        assert (whole.together[0].kind, whole.decision.exit_code) == ("worse", CHECK_FAILED)
        assert whole.together[0].findings.base_alone == 24

    def test_without_a_shared_cause_all_of_a_command_are_tested_together(self, desks: Pull) -> None:
        for id_ in PROMPTS:
            desks.write(f"prompts/{id_}.prompt.yaml", prompt(f"You are {id_}, and brisk."))
        desks.commit()
        (found,) = against(desks).together
        assert (found.kind, found.causes, found.name) == ("worse", (), "8 prompts")

    def test_a_prompt_that_is_not_compared_takes_no_share_of_the_level(self, desks: Pull) -> None:
        desks.write("prompts/new.prompt.yaml", prompt("You are new."))
        desks.dataset(*cases("desk-0"), name="new", prompt="new")
        weaken(desks)
        found = against(desks)
        assert len(found.alone) == 1
        assert {each.comparison.procedure.comparisons for each in found.compared} == {9}

    def test_nothing_is_said_of_prompts_that_are_as_good(self, desks: Pull, cli: Cli) -> None:
        desks.edit(TONE, "Be kind.", "Be kind!")
        found = against(desks)
        assert [each.kind for each in found.together] == ["inconclusive"]
        assert found.decision.exit_code == OK
        assert found.decision.reasons == tuple(each.verdict.reason for each in found.compared[:1])

    def test_one_prompt_by_itself_has_no_group_and_the_whole_level(self, desks: Pull) -> None:
        weaken(desks)
        found = against(desks, "desk-1")
        assert found.together == ()
        assert found.compared[0].comparison.procedure.comparisons == 1
        assert found.decision.exit_code == OK
