from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import LogError
from promptctl.log.arm_calls import arm_key
from promptctl.log.evidence import Erasure, Note
from promptctl.log.records import Entry
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

CANARY = "Ada Cänary"
NOTE = Note(by="Bob", reason=f"{CANARY} asked for it")


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    """Calls of two users, some of which mention a person, in every place that keeps words."""
    spoken = {"messages": [{"role": "user", "content": f"I am {CANARY.upper()}"}], "inputs": None}
    log.append(
        [
            Entry(make(user="ada", session="s-ada", prompt="a", call_metadata={"who": CANARY, "n": 420}), "full"),
            Entry(make(user="bob", session="s-bob", prompt="b", **spoken), "full"),
            Entry(make(user="bob", session="s-bob", prompt="c", reply=f"Dear {CANARY}" + "." * 20_000), "full"),
            Entry(
                make(user="bob", session="s-bob", prompt="d", status="error", error_message=f"no {CANARY}"), "metadata"
            ),
            Entry(make(user="bob", session="s-bob", prompt="e", reply=f"off, {CANARY}"), "off"),
            Entry(make(user=CANARY, session=CANARY, prompt="f", reply="Hello"), "metadata"),
            Entry(make(user="bob", session="s-bob", prompt="g", reply="nothing of the kind"), "full"),
        ],
        [ResultRow(evaluation_id="e", case_id="c", status="passed", output=f"graded {CANARY}")],
    )
    return log


def in_files(path: Path, *words: str) -> list[str]:
    """Return the words that stand in the log or a file beside it, plain, in any case or as JSON escapes them."""
    data = b"".join(each.read_bytes() for each in path.parent.rglob("*") if each.is_file())
    text = data.decode("utf-8", "replace").casefold()
    return [
        word for word in words if word.casefold() in text or word.encode("unicode_escape").decode().casefold() in text
    ]


def test_a_text_is_erased_from_every_place_and_the_chain_holds(filled: SqliteStore, path: Path) -> None:
    head, totals = filled.verify().head, [row.as_dict() for row in filled.totals()]
    would = filled.redact(Erasure(text=CANARY), NOTE, is_dry_run=True)
    assert filled.verify(head).events == []

    erased = filled.redact(Erasure(text=CANARY), NOTE)
    assert (erased.executions, erased.latest_calls, erased.results) == (5, 6, 1)
    assert (would.executions, would.latest_calls, would.contents) == (5, 6, erased.contents)
    filled.close()
    assert in_files(path, CANARY) == []

    found = filled.verify(head)
    assert (found.problems, found.expected_link) == ([], 6)
    (event,) = found.events
    assert (event.kind, event.by, event.reason, event.detail["executions"]) == (
        "redact",
        "Bob",
        "[erased] asked for it",
        5,
    )
    assert [row.as_dict() for row in filled.totals()] == totals
    kept = {each.prompt: each for each in filled.executions(with_content=True)}
    assert kept["g"].reply == "nothing of the kind"
    assert (kept["a"].call_metadata, kept["a"].reply) == ({"who": "[erased]", "n": 420}, '{"label": "billing"}')
    assert (kept["d"].error_message, kept["c"].reply, kept["c"].user) == ("no [erased]", None, "bob")
    latest = filled.latest_call("e")
    assert latest
    assert (latest.reply, latest.user) == (None, "bob")


def test_a_user_is_erased_with_what_the_user_said(filled: SqliteStore, path: Path) -> None:
    filled.append([Entry(make(user="adam", session="s-2", reply="of Adam", parameters={"seed": 7}), "full")])
    erased = filled.redact(Erasure(user="ada"), Note())
    filled.close()

    assert erased.executions == 1
    assert in_files(path, "s-ada", "Cänary asks") == []
    users = {each.prompt: each.user for each in filled.executions()}
    assert users["a"] == erased.marker
    assert users["support/triage"] == "adam"
    latest = filled.latest_call("a")
    assert latest
    assert (latest.user, latest.reply, latest.call_metadata) == (erased.marker, None, {"who": "[erased]", "n": 420})
    assert filled.verify().problems == []
    assert [row.calls for row in filled.totals(by=("user",)) if row.group["user"] == erased.marker] == [1]
    filled.redact(Erasure(user="bob"), Note())
    failed = filled.latest_call("d")
    assert failed
    assert failed.error_message == "[erased]"
    assert [each.error_message for each in filled.executions() if each.prompt == "d"] == ["[erased]"]


@pytest.mark.parametrize("meant", [Erasure(user="ada"), Erasure(text="Ada")])
def test_keys_of_an_experiment_that_are_the_person_are_erased_and_stay_one(log: SqliteStore, meant: Erasure) -> None:
    def drawn(key: str, **fields: str) -> Entry:
        return Entry(make(experiment="tone", arm="kind", arm_key=arm_key("tone", key), **fields), "full")

    usual = {"user": "bob", "session": "s-bob"}
    given = [{**usual, "user": "ada"}, usual, {"user": "ada", "session": "s-1"}, usual]
    log.append([drawn(key, **each) for key, each in zip(("ada", "ada", "s-1", "bob"), given, strict=True)])
    log.redact(meant, Note())
    rows = sorted(log.executions(with_content=True), key=lambda each: each.id)
    keys = [each.arm_key for each in rows]
    assert keys[0] == keys[1] != arm_key("tone", "ada")
    assert keys[3] == arm_key("tone", "bob")
    assert rows[3].reply is not None
    if meant.user:
        assert keys[2] != arm_key("tone", "s-1")
        assert [each.reply for each in rows[:3]] == [None] * 3
    assert log.redact(meant, Note()).is_nothing
    assert log.verify().problems == []


@pytest.mark.parametrize("meant", [Erasure(text=CANARY), Erasure(user="bob"), Erasure(session="s-bob")])
def test_erasing_again_finds_nothing_and_is_no_event(filled: SqliteStore, meant: Erasure) -> None:
    assert not filled.redact(meant, Note()).is_nothing
    again = filled.redact(meant, Note())
    assert (again.is_nothing, len(filled.events())) == (True, 1)
    assert filled.verify().problems == []


def test_one_execution_is_erased_by_the_end_of_its_id(filled: SqliteStore, path: Path) -> None:
    meant = next(each for each in filled.executions() if each.prompt == "c")
    result = {"status": "error", "execution_id": meant.id, "output": "Dear", "error_message": f"not {CANARY}"}
    detail = ResultDetail(reason=f"{CANARY} is named")
    filled.append([], [ResultRow(evaluation_id="e2", case_id="c", detail=detail, **result)])
    assert filled.redact(Erasure(execution=meant.id[-8:]), Note()).executions == 1
    (row,) = filled.results("e2")
    assert (row.output, row.error_message, row.detail) == (None, "[erased]", ResultDetail())
    assert filled.redact(Erasure(execution=meant.id), Note()).is_nothing
    assert filled.execution(meant.id).user == "bob"
    filled.close()
    assert in_files(path, f"Dear {CANARY}") == []
    with pytest.raises(LogError, match="no execution"):
        filled.redact(Erasure(execution="0000-nothing"), Note())


def test_a_text_of_digits_leaves_numbers_alone(log: SqliteStore) -> None:
    log.append([Entry(make(parameters={"max_tokens": 4001, "stop": ["4001"]}, reply="call 4001"), "full")])
    log.redact(Erasure(text="4001"), Note())
    (row,) = log.executions()
    assert row.parameters == {"max_tokens": 4001, "stop": ["[erased]"]}
    assert log.verify().problems == []


def test_an_erased_row_cannot_be_changed_back_unseen(filled: SqliteStore, path: Path) -> None:
    from tests.log.sqlite.test_chain import problems, tampered

    filled.redact(Erasure(user="ada"), Note())
    filled.close()
    found = problems(tampered(path, "UPDATE executions SET user = 'ada' WHERE user LIKE 'erased-%'").verify())
    assert [kind for kind, _ in found] == ["changed"]


def test_a_session_that_others_share_is_theirs_too(log: SqliteStore) -> None:
    log.append(
        [
            Entry(make(user="ada", session="team", prompt="a"), "full"),
            Entry(make(user="ada", session="of-ada", prompt="b"), "full"),
            Entry(make(user="ada", session="bob", prompt="c"), "full"),
            Entry(make(user="bob", session="team", prompt="d"), "full"),
            Entry(make(user=None, session="team", prompt="e"), "full"),
        ]
    )
    would = log.redact(Erasure(user="ada"), Note(), is_dry_run=True)
    erased = log.redact(Erasure(user="ada"), Note())

    assert (would.executions, would.shared_sessions) == (erased.executions, erased.shared_sessions) == (3, 2)
    kept = {each.prompt: each for each in log.executions(with_content=True)}
    assert [(kept[each].user, kept[each].session) for each in "de"] == [("bob", "team"), (None, "team")]
    assert kept["d"].reply is not None
    assert {kept[each].user for each in "abc"} == {erased.marker}
    sessions = [kept[each].session or "" for each in "abc"]
    assert len(set(sessions)) == 3
    assert all(each.startswith("erased-") for each in sessions)
    latest = [log.latest_call(each) for each in "abcde"]
    assert [each.session for each in latest if each] == [*sessions, "team", "team"]
    assert log.verify().problems == []
