"""Prompts shortened: parts left out one at a time, by cases to choose by, and proven on held-out cases."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from promptctl import Shortened, ShorteningRequest, Workspace
from promptctl.authoring.cuts import Cuts
from promptctl.authoring.shortening import Shortening, seems_unneeded
from promptctl.errors import UsageError, WorkspaceError
from promptctl.evaluations.request import Limits
from promptctl.evaluations.session import Session
from promptctl.files.yaml_editing import edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.statistics.noninferiority import is_loss_ruled_out
from tests.evaluation_lab import Lab
from tests.openai_server import Answer, Exchange, failure, reply

PROMPT = """\
# Triage, by the support team.
name: Triage
inputs:
  ticket: {type: string}
messages:
  - role: system  # who it is
    content: |
      You sort tickets, and you do it well, with care and with love for the people who wrote them.

      Answer with the ticket itself.

      Remember that every ticket is a chance to shine, and that somebody is waiting for you on the other side of it.

      - Be thorough in whatever you do, since thoroughness is a virtue that is seldom seen these days.
      - Never hurry.
  - {role: user, content: An example of a ticket}
  - {role: assistant, content: An example of a ticket}
  - role: user
    content: "{{ ticket }}"
"""
NEEDED = "Answer with the ticket itself."
CASES = 26


def obedient(needed: str = NEEDED, flaky: Callable[[str], bool] = lambda _: False) -> Answer:
    """Answer with the ticket where the system message holds what is needed, else with something else."""

    async def answer(exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        ticket = messages[-1]["content"]
        is_told = any(needed in message["content"] for message in messages[:-1])
        await reply(ticket if is_told and not flaky(ticket) else "sorry")(exchange)

    return answer


def _cases(lab: Lab, count: int = CASES, **header: Any) -> None:
    split = {"seed": 1, "shares": {"train": 0.2, "choose": 0.2, "held_out": 0.6}}
    rows = [{"id": f"c{n}", "inputs": {"ticket": f"ticket {n}"}, "expected": f"ticket {n}"} for n in range(count)]
    lab.write("datasets/triage.yaml", json.dumps({"prompts": ["triage"], "split": split, **header, "cases": rows}))


@pytest.fixture
def desk(lab: Lab) -> Lab:
    lab.write("prompts/triage.prompt.yaml", PROMPT)
    lab.server.default = obedient()
    _cases(lab)
    return lab


def _shorten(lab: Lab, **request: Any) -> Shortened:
    given: dict[str, Any] = {"ref": "triage", "dataset": "triage", "margin": 0.25, **request}
    with lab.open() as workspace:
        return workspace.authoring.shorten(ShorteningRequest(**given))


def _after(found: Shortened) -> Mapping[str, Any]:
    (change,) = found.proposal.changes
    assert change.after is not None
    data: Mapping[str, Any] = read_yaml(change.after, change.path).data
    return data


def test_the_paragraph_that_matters_stays_and_the_others_go(desk: Lab) -> None:
    found = _shorten(desk)
    outcomes = {each.cut.words: each.outcome for each in found.tried}
    assert outcomes.pop(NEEDED) == "needed"
    assert set(outcomes.values()) == {"dropped"}
    assert len(outcomes) == 5
    assert _after(found)["messages"] == [
        {"role": "system", "content": NEEDED + "\n"},
        {"role": "user", "content": "{{ ticket }}"},
    ]
    (change,) = found.proposal.changes
    assert change.after is not None
    assert b"# Triage, by the support team." in change.after
    assert b"role: system  # who it is" in change.after
    assert found.loss is not None
    assert (found.loss.before, found.loss.after) == (found.held_out, found.held_out)
    assert found.loss.low <= 0 <= found.loss.high < 0.25
    assert found.saved_tokens == sum(each.cut.tokens for each in found.dropped) > 60
    assert found.exit_code == 0
    # The needed one lost every case that it was tried on, and nothing held out was asked without it.
    (needed,) = (each for each in found.tried if each.outcome == "needed")
    assert (needed.lost, needed.gained) == (found.choosing, 0)
    asked = [each.body["messages"] for each in desk.server.requests]
    held_out = {f"ticket {n}" for n in range(CASES)} - {
        m[-1]["content"] for m in asked if NEEDED not in m[0]["content"]
    }
    assert len(held_out) == found.held_out
    # Doing it again asks for nothing, and finds the same.
    again = _shorten(desk)
    assert again.calls == 0
    assert again.proposal == found.proposal


def test_a_part_that_only_the_held_out_cases_need_is_not_proven(desk: Lab) -> None:
    """Cases to choose by may flatter one part of many: the verdict is the held-out ones'."""
    with desk.open() as workspace:
        held = {case.id for case in _planned(workspace).held_out}
    tickets = {f"ticket {id_[1:]}" for id_ in held}

    async def answer(exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        is_told = NEEDED in str(messages) and (
            "chance to shine" in str(messages) or messages[-1]["content"] not in tickets
        )
        await reply(messages[-1]["content"] if is_told else "sorry")(exchange)

    desk.server.default = answer
    found = _shorten(desk)
    refused = next(each for each in found.tried if each.outcome == "not-proven")
    assert "chance to shine" in refused.cut.words
    assert "cannot be ruled out" in refused.note
    assert found.tried[-1] == refused  # the first that fails ends the sequence
    assert found.untried > 0
    assert not found.proposal.changes or "chance to shine" in str(_after(found))


def test_the_shorter_prompt_is_one_more_look_at_the_same_cases(desk: Lab) -> None:
    _cases(desk, 40)
    found = _shorten(desk, limits=Limits(max_cost_nano_usd=1_000_000, concurrency=1))
    with desk.open() as workspace:
        workspace.write(found.proposal)
        assert _planned(workspace).looks == 1  # nothing was put to the test yet
    found = _shorten(desk)
    assert found.loss is not None
    assert (found.loss.looks, round(found.loss.confidence, 4)) == (1, 0.9333)
    with desk.open() as workspace:
        assert _planned(workspace).looks == 1  # the same again
        workspace.write(found.proposal)
        assert _planned(workspace).looks == 2
    with pytest.raises(WorkspaceError, match=r"prompts were shortened by these cases so far, which is corrected for"):
        _shorten(desk, margin=0.15)


def _planned(workspace: Workspace) -> Shortening:
    return Shortening(workspace.context.fresh(), ShorteningRequest(ref="triage", dataset="triage", margin=0.25))


def test_a_prompt_that_fails_as_it_is_has_nothing_to_lose(desk: Lab) -> None:
    desk.server.default = obedient("what the prompt does not say")
    with pytest.raises(WorkspaceError, match="0 of 6 cases to choose by pass as it is"):
        _shorten(desk)


def test_a_case_that_must_pass_is_lost_by_no_part(desk: Lab) -> None:
    with desk.open() as workspace:
        first = _planned(workspace).choosing[0].id

    async def answer(exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        is_told = messages[-1]["content"] != f"ticket {first[1:]}" or "Never hurry" in str(messages)
        await reply(messages[-1]["content"] if is_told and NEEDED in str(messages) else "sorry")(exchange)

    desk.server.default = answer
    assert not any(
        "Never hurry" in each.cut.text and each.outcome == "needed" for each in _shorten(desk, margin=0.45).tried
    )
    data = json.loads((desk.root / "datasets/triage.yaml").read_text())
    next(case for case in data["cases"] if case["id"] == first)["must_pass"] = True
    desk.write("datasets/triage.yaml", json.dumps(data))
    assert any(
        "Never hurry" in each.cut.text and each.outcome == "needed" for each in _shorten(desk, margin=0.45).tried
    )


def test_a_dataset_too_small_to_prove_anything_names_the_number(desk: Lab) -> None:
    with pytest.raises(WorkspaceError) as raised:
        _shorten(desk, margin=0.05)
    assert "67 are needed to rule out a loss of 5 points even if none is lost" in raised.value.message
    assert raised.value.hint == "add cases, or allow a larger loss: --margin 0.2"
    assert not desk.server.requests


def test_a_limit_on_the_cost_keeps_what_is_proven(desk: Lab) -> None:
    desk.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {max_tokens: 20}\n")
    found = _shorten(desk, limits=Limits(max_cost_nano_usd=1_500_000, concurrency=1))
    assert found.stopped == "max-cost"
    assert found.exit_code == 5
    assert found.untried > 0
    assert found.cost_nano_usd <= 1_500_000
    dropped = [each.cut.words for each in found.dropped]
    assert dropped
    assert found.loss is not None
    assert NEEDED in _after(found)["messages"][0]["content"]
    rest = _shorten(desk)
    assert rest.stopped is None
    assert [each.cut.words for each in rest.dropped][: len(dropped)] == dropped


def test_an_interrupt_keeps_what_is_proven(desk: Lab) -> None:
    with desk.open() as workspace:
        request = ShorteningRequest(ref="triage", dataset="triage", margin=0.25)
        planned, session = Shortening(workspace.context, request), Session(workspace.context)

        async def interrupted() -> Shortened:
            async with session:
                return await planned.run(session, lambda step: session.stop() if step.startswith("part 3") else None)

        found = asyncio.run(interrupted())
    assert found.stopped == "interrupted"
    assert [each.outcome for each in found.tried] == ["dropped", "dropped"]
    assert found.untried == 4
    assert found.loss is not None
    assert _after(found)


def test_cases_that_could_not_be_graded_prove_nothing(desk: Lab) -> None:
    with desk.open() as workspace:
        held = {case.inputs["ticket"] for case in _planned(workspace).held_out}

    def failing(*, held_out: bool, original: bool = False) -> Answer:
        async def answer(exchange: Exchange) -> None:
            messages = exchange.request.body["messages"]
            is_short = "chance to shine" not in str(messages)
            is_hit = (messages[-1]["content"] in held) is held_out and (is_short or original)
            await (failure(400) if is_hit else obedient())(exchange)

        return answer

    for server, tried, words in (
        (failing(held_out=False, original=True), 1, "as it is, 6 cases to choose by were not graded"),
        (failing(held_out=False), 6, "6 cases to choose by were not graded"),
        (failing(held_out=True), 1, "held-out cases were not graded"),
    ):
        desk.server.default = server
        found = _shorten(desk)
        assert len(found.tried) >= tried
        unknown = [each.note for each in found.tried if each.outcome == "unknown"]
        assert words in unknown[0]
        assert found.exit_code == 5
    desk.server.default = obedient()
    assert _shorten(desk).exit_code == 0


def test_a_split_that_is_drawn_is_kept(desk: Lab) -> None:
    _cases(desk, 40)
    data = json.loads((desk.root / "datasets/triage.yaml").read_text())
    del data["split"]
    desk.write("datasets/triage.yaml", json.dumps(data))
    found = _shorten(desk, seed=3)
    assert {change.path for change in found.proposal.changes} == {"datasets/triage.yaml", "prompts/triage.prompt.yaml"}
    after = next(change.after for change in found.proposal.changes if change.path == "datasets/triage.yaml")
    assert read_yaml(after or b"", "d").data["split"] == {"seed": 3}


def test_bad_input_is_refused(desk: Lab) -> None:
    with pytest.raises(UsageError, match="no version is named"):
        _shorten(desk, ref="triage@production")
    with pytest.raises(UsageError, match="between 0 and 1"):
        _shorten(desk, margin=1.5)
    _cases(desk, prompts=["other"])
    with pytest.raises(WorkspaceError):
        _shorten(desk)


def test_an_estimate_asks_nothing(desk: Lab) -> None:
    with desk.open() as workspace:
        rows = workspace.authoring.estimate_shortening(ShorteningRequest(ref="triage", dataset="triage", margin=0.25))
    assert sum(row.calls for row in rows) == 7 * CASES  # six parts, and the prompt as it is
    assert not desk.server.requests


def _cuts(text: str) -> Cuts:
    return Cuts(read_yaml(text.encode(), "p"), is_template=True)


def _left(text: str, *wanted: str) -> Any:
    cuts = _cuts(text)
    dropped = [cut for cut in cuts.all if any(cut.words.startswith(each) for each in wanted)]
    assert len(dropped) == len(wanted)
    return read_yaml(edit_yaml(text.encode(), "p", cuts.edits(dropped)), "p").data


TEXT = """\
messages:
  - role: system
    content: |
      One.

      Two {{ x }}.

      {% if y %}
      Three.

      Four.
      {% endif %}

      List:
      - a
      - b
        more b
      - c

      End.
"""


def test_parts_are_paragraphs_items_and_blocks_that_print_nothing() -> None:
    assert {cut.words for cut in _cuts(TEXT).all} == {
        "One.",
        "{% if y %} Three. Four. {% endif %}",
        "List:",
        "- a",
        "- b more b",
        "- c",
        "End.",
    }
    assert next(cut.line for cut in _cuts(TEXT).all if cut.words == "End.") == 20


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["- b"], "List:\n- a\n- c\n\nEnd.\n"),
        (["- c"], "List:\n- a\n- b\n  more b\n\nEnd.\n"),
        (["End"], "List:\n- a\n- b\n  more b\n- c\n"),
        (["List"], "{% endif %}\n\n- a\n- b\n  more b\n- c\n\nEnd.\n"),
        (["List", "- a", "- b", "- c"], "{% endif %}\n\nEnd.\n"),
    ],
)
def test_what_stands_between_parts_stays(wanted: list[str], expected: str) -> None:
    assert _left(TEXT, *wanted)["messages"][0]["content"].endswith(expected)


def test_a_part_of_a_message_of_which_nothing_is_left_goes_too() -> None:
    text = (
        "messages:\n  - role: user\n    content:\n      - {type: text, text: Look.}\n"
        "      - {type: image_url, image_url: {url: '{{ u }}'}}\n      - {type: text, text: Look at all of it.}\n"
        "  - {role: user, content: [{type: text, text: Be quick.}]}\n"
    )
    image = {"type": "image_url", "image_url": {"url": "{{ u }}"}}
    left = _left(text, "Look.", "Look at", "Be quick")
    assert [each["content"] for each in left["messages"]] == [[image]]
    rest = {"type": "text", "text": "Look at all of it."}
    assert _left(text, "Look.")["messages"][0]["content"] == [image, rest]


def test_examples_and_descriptions_are_parts() -> None:
    text = """\
messages:
  - {role: system, content: Be kind.}
  - {role: user, content: Hi}
  - {role: assistant, content: Ho}
  - {role: user, content: "{{ x }}"}
  - {role: assistant, content: Not an example}
tools:
  - type: function
    function:
      name: find
      description: Finds what is asked for.
      parameters:
        type: object
        properties:
          description: {type: string, description: What to look for.}
output:
  schema:
    type: object
    properties:
      a: {type: array, items: {type: string, description: One of them.}}
"""
    assert {cut.about for cut in _cuts(text).all} == {
        "a paragraph of message 1 (system)",
        "the example in message 2",
        "a paragraph of message 5 (assistant)",
        "the description of the tool find",
        "the description of `description` of the tool find",
        "the description of `a` of the output's schema",
    }
    left = _left(text, "Be kind", "Hi Ho", "Finds", "What to", "One of")
    assert [message["content"] for message in left["messages"]] == ["{{ x }}", "Not an example"]
    assert left["tools"][0]["function"] == {
        "name": "find",
        "parameters": {"type": "object", "properties": {"description": {"type": "string"}}},
    }
    assert left["output"]["schema"]["properties"]["a"]["items"] == {"type": "string"}


def test_a_part_without_which_the_file_is_wrong_has_to_stay(desk: Lab) -> None:
    desk.write(
        "prompts/triage.prompt.yaml",
        PROMPT.replace("ticket: {type: string}", "ticket: {type: string}\n  y: {type: boolean, default: true}").replace(
            "Never hurry.", "{% if y %}Never hurry.{% endif %}"
        ),
    )
    found = _shorten(desk)
    (kept,) = (each for each in found.tried if each.outcome == "unfit")
    assert "Never hurry" in kept.cut.words
    assert kept.note == "the input `y` is used nowhere"


def test_what_is_saved_is_told_by_the_log_and_the_whole_request(desk: Lab) -> None:
    tool = {"type": "function", "function": {"name": "find", "description": "It finds whatever is asked for. " * 40}}
    desk.write("prompts/triage.prompt.yaml", PROMPT + f"tools: [{json.dumps(tool)}]\n")
    with desk.open() as workspace:
        for number in range(3):
            workspace.run("triage", {"ticket": f"live {number}"})
    found = _shorten(desk)
    assert found.tokens > found.saved_tokens > 280
    assert (found.recent_calls, found.recent_days) == (3, 1)
    assert found.saved_of_recent_nano_usd == 3 * 12 * 1000
    assert found.saved_nano_usd == 3 * 30 * 12 * 1000  # all 12 tokens that the server counts, a dollar for a million


def test_of_many_parts_that_matter_hardly_any_search_claims_one_does_not() -> None:
    """A quick look; `benchmarks/shorten_error_rate.py` takes a long one."""
    draw = random.Random(1)
    false_claims = 0
    for _ in range(200):
        for _part in range(20):
            lost, lost_held_out = (sum(draw.random() < 0.1 for _ in range(cases)) for cases in (40, 60))
            if seems_unneeded(lost, 0, 40, 0.1):
                false_claims += is_loss_ruled_out(0, lost_held_out, 60, 0.1, 0.05)
                break
    assert false_claims <= 10
