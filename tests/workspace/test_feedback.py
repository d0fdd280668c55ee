"""Feedback on calls from Python: what is kept of it, and what is refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl import Filter, LogError, UsageError, Workspace
from promptctl.prompts.prompt import HASHED

SECRET = "correct-horse-battery"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace outside Git, whose prompt `intake` has a sensitive input."""
    files = {
        "promptctl.yaml": "model: echo/echo\nlog: [{prompts: '*', content: full}]\n",
        "prompts/greet.prompt.yaml": "inputs: {name: {type: string}}\n"
        "messages: [{role: user, content: 'Hi {{ name }}'}]\n",
        "prompts/intake.prompt.yaml": "inputs: {who: {type: string, sensitive: true}}\n"
        "messages: [{role: user, content: 'For {{ who }}'}]\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    warnings: list[str] = []
    environ = {"DESK_API_KEY": SECRET}
    with promptctl.open_workspace(tmp_path, environ, on_warning=warnings.append) as workspace:
        workspace.__dict__["warnings"] = warnings
        yield workspace


def ask(desk: Workspace, prompt: str = "greet", **options: Any) -> str:
    """The id that a chat message stores of a call."""
    inputs = {"name": "Ada"} if prompt == "greet" else {"who": "Joan Clarke"}
    return str(desk.run(prompt, inputs, **options).metadata["execution_id"])


def warnings(desk: Workspace) -> list[str]:
    found: list[str] = desk.__dict__["warnings"]
    return found


def test_a_call_is_scored_by_the_id_of_its_message_also_after_its_contents_were_pruned(desk: Workspace) -> None:
    id_ = ask(desk)
    given = desk.feedback(id_, thumb="up", name="helpful", by="u1")
    assert (given.score, given.name, given.by, given.execution_id) == (1.0, "helpful", "u1", id_)
    desk.feedback(id_, score=0.25, name="helpful", by="u1", comment=" no ", expected={"label": "billing"})
    found = desk.log.execution(id_)
    assert found.scores == {"helpful": 0.25}
    assert (found.feedback[1].comment, found.feedback[1].expected) == ("no", '{"label": "billing"}')
    assert [each["score"] for each in found.as_dict()["feedback"]] == [1.0, 0.25]
    assert [each["comment"] for each in found.as_row()["feedback"]] == [None, None]

    desk.log.prune(promptctl.Retention(content_before="0s"))
    desk.feedback(id_, score=0, name="helpful", by="u1", comment="too late")
    assert warnings(desk) == ["only the score is kept: the contents of the call were pruned or erased"]
    kept = desk.log.execution(id_)
    assert (kept.scores, [each.comment for each in kept.feedback]) == ({"helpful": 0.0}, [None, None, None])
    assert desk.log.verify().is_sound


def test_many_scores_of_many_loops_arrive_and_none_blocks_a_loop(desk: Workspace) -> None:
    id_ = ask(desk)

    async def give() -> None:
        await asyncio.gather(*(desk.afeedback(id_, score=number % 2, by=f"u{number}") for number in range(20)))

    asyncio.run(give())
    asyncio.run(give())
    found = desk.log.execution(id_)
    assert (len(found.feedback), found.scores) == (40, {"feedback": 0.5})


def test_a_score_that_is_none_is_refused(desk: Workspace) -> None:
    id_ = ask(desk)
    wrong: list[Any] = [-0.1, 1.5, math.nan, math.inf, True, "0.5", [], 10**400]
    for score in wrong:
        with pytest.raises(UsageError, match="0 to 1"):
            desk.feedback(id_, score=score)
    assert desk.log.execution(id_).feedback == ()


def test_feedback_that_makes_no_sense_is_refused(desk: Workspace) -> None:
    id_ = ask(desk)
    wrong: list[Any] = [
        {},
        {"comment": "  "},
        {"score": 1, "thumb": "up"},
        {"thumb": "sideways"},
        {"score": 1, "name": "Helpful"},
        {"score": 1, "name": ""},
        {"score": 1, "comment": 5},
        {"score": 1, "by": ["u1"]},
        {"score": 1, "by": ["u" * 100_000]},
        {"thumb": "u" * 100_000},
        {"expected": {1, 2}},
        {"expected": math.nan},
        {"comment": "x" * 65_537},
        {"expected": "é" * 32_769},
        {"expected": {"a": "x" * 65_536}},
        {"score": 1, "by": "u" * 201},
        {"score": 1, "name": "n" * 201},
    ]
    for given in wrong:
        with pytest.raises(UsageError) as refused:
            desk.feedback(id_, **given)
        assert len(refused.value.message) < 400, "what a browser sent is not repeated at length"
    assert desk.log.execution(id_).feedback == ()


def test_what_is_no_id_is_refused(desk: Workspace) -> None:
    whole = ask(desk)
    wrong: list[Any] = [None, "", "   ", {"execution_id": 1}, "abc", whole[-8:], whole[:-1], whole + "0", whole * 9_999]
    for id_ in wrong:
        with pytest.raises(UsageError) as refused:
            desk.feedback(id_, score=1)
        assert refused.value.hint
        assert len(refused.value.message) < 100


def test_an_unknown_call_is_refused_with_what_to_do(desk: Workspace) -> None:
    unknown = "01a1fcf8-9640-7aa0-892b-811e42fee0d7"
    for before in (lambda: None, lambda: ask(desk), lambda: ask(desk, log="off")):
        before()
        with pytest.raises(LogError, match="no execution") as refused:
            desk.feedback(unknown, score=1)
        assert "log merge" in str(refused.value.hint)


def test_of_a_call_whose_rule_keeps_no_contents_only_scores_are_kept(desk: Workspace) -> None:
    id_ = ask(desk, log="metadata")
    with pytest.raises(LogError, match="log rule"):
        desk.feedback(id_, comment="words alone")
    kept = desk.feedback(id_, score=0.5, comment="words", expected="more", by="u1")
    assert (kept.score, kept.comment, kept.expected, kept.by) == (0.5, None, None, "u1")
    assert len(warnings(desk)) == 1


def test_nothing_of_sensitive_inputs_gets_into_the_log_by_feedback(desk: Workspace) -> None:
    id_ = ask(desk, "intake", user="Joan Clarke")
    for _ in range(2):
        desk.feedback(id_, score=0, comment="I am Joan Clarke", expected="Dear Joan Clarke", by="Joan Clarke")
    desk.feedback(id_, score=1, by="Alan")
    found = desk.log.execution(id_)
    assert found.scores == {"feedback": 0.5}
    assert {each.by == found.user for each in found.feedback[:2]} == {True}
    assert all(str(each.by).startswith(HASHED) and each.comment is each.expected is None for each in found.feedback)

    bare = ask(desk, "intake", user="Joan Clarke", log="metadata")
    assert str(desk.feedback(bare, score=1, by="Joan Clarke").by).startswith(HASHED)
    files = [path for path in desk.root.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert not [path for path in files if b"Joan" in path.read_bytes()]


def test_secrets_in_words_are_hidden(desk: Workspace) -> None:
    id_ = ask(desk)
    kept = desk.feedback(id_, score=0, comment=f"it said {SECRET}", expected=f"not {SECRET}", by=SECRET)
    assert (kept.comment, kept.expected, kept.by) == ("it said [redacted]", "not [redacted]", "[redacted]")
    assert desk.log.execution(id_).feedback == (kept,)
    assert "3 texts" in "".join(desk.notices)


def test_calls_are_chosen_and_added_up_by_their_scores(desk: Workspace) -> None:
    good, bad = ask(desk), ask(desk)
    desk.feedback(good, score=0.9, name="helpful")
    desk.feedback(bad, score=0.2, name="helpful")
    assert [each.id for each in desk.log.executions(Filter(feedback="helpful<0.5"))] == [bad]
    (row,) = desk.log.totals(Filter())
    assert row.as_dict()["feedback"] == {"helpful": {"score": 0.55, "calls": 2}}
    latest = desk.log.latest_call("greet")
    assert latest
    assert latest.feedback == desk.log.execution(bad).feedback
    assert "helpful" in desk.log.hint_for_feedback("helpfull<0.5")
    assert desk.log.hint_for_feedback("<0.1") == ""
