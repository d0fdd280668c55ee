"""The contract of every `Store`: what all above the log relies on, written without a word of any database."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import LogError, UsageError
from promptctl.log.call_cells import CellSteps
from promptctl.log.call_totals import SUMS, Dimension
from promptctl.log.evidence import Erasure, Note
from promptctl.log.feedback import Feedback
from promptctl.log.filter import Filter
from promptctl.log.records import Content, CostCorrection, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultDetail, ResultRow, Totals
from promptctl.log.retention import Pruned, Retention
from promptctl.log.search import parse_query
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now
from promptctl.log.store import Store
from tests.log.conftest import make, make_some

SECRET = "correct-horse"
OLD = "2026-01-01T00:00:00.000Z"
CUT = "2026-03-01T00:00:00.000Z"
NEW = "2026-05-01T00:00:00.000Z"

CELL_SUMS = ("attempts", "input_tokens", "output_tokens", "cached_tokens", "priced", "unpriced")

OpenStore = Callable[[Path], AbstractContextManager[Store]]


def open_sqlite(folder: Path) -> AbstractContextManager[Store]:
    return SqliteStore(folder / "log.db", redactor=Redactor([SECRET]), spare_folder=folder / "spare")


STORES: dict[str, OpenStore] = {"sqlite": open_sqlite}


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with STORES[request.param](tmp_path / "store") as store:
        yield store


def calls_counted(log: Store) -> int:
    return sum(row.calls for row in log.totals())


def test_a_new_store_is_empty_and_stays_so_when_it_is_read(log: Store) -> None:
    assert list(log.executions()) == []
    assert log.totals() == []
    assert log.latest_call("support/triage") is None
    assert log.evaluations() == []
    assert list(log.results("e")) == []
    assert log.prune(Retention(rows_before=CUT)) == Pruned(0, 0, 0, 0, 0)
    assert log.verify().problems == []
    assert log.is_new

    log.append([Entry(make())])
    assert not log.is_new


def test_messages_are_read_by_id_in_any_order(log: Store) -> None:
    said = [make(messages=[{"role": "user", "content": str(number)}]) for number in range(3)]
    log.append([Entry(said[0], "full"), Entry(said[1], "metadata"), Entry(said[2], "full")])
    ids = [said[2].id, said[1].id, new_id(), said[0].id]
    assert list(log.messages(ids)) == [said[2].messages, None, None, said[0].messages]


class _Evil:
    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")


def test_values_of_any_type_are_recorded(log: Store) -> None:
    odd: Any = {"user": 17, "session": [1], "content_type": b"x", "label": _Evil(), "reply": 5}
    metadata = {"big": 10**6000, "evil": _Evil(), 1: {2}, "nan": float("nan")}
    assert log.append([Entry(make(**odd, call_metadata=metadata, inputs="x"), "full")]) is None
    (row,) = log.executions(with_content=True)
    assert (row.user, row.session, row.content_type, row.label) == ("17", "[1]", "b'x'", "(_Evil)")
    assert (row.reply, str(row.inputs)) == ("5", "x")
    assert row.call_metadata == {"big": "(int)", "evil": "(_Evil)", "1": [2], "nan": "nan"}
    assert (calls_counted(log), log.verify().problems) == (1, [])


def test_a_closed_store_opens_again_on_the_next_use(log: Store) -> None:
    log.append([Entry(make())])
    log.close()
    assert len(list(log.executions())) == 1
    log.close()
    log.append([Entry(make())])
    assert len(list(log.executions())) == 2


@pytest.mark.parametrize(("content", "kept"), [("full", "full"), ("metadata", "metadata"), ("off", None)])
def test_a_rule_decides_what_is_kept_of_a_call_but_never_its_totals_and_latest_call(
    log: Store, content: Content, kept: str | None
) -> None:
    written = make(reasoning="Hm.")
    log.append([Entry(written, content)])

    rows = list(log.executions(with_content=True))
    assert [row.kept_content for row in rows] == ([kept] if kept else [])
    assert [row.reasoning for row in rows if content == "metadata"] in ([], [None])
    assert [row.reply for row in rows if content == "metadata"] in ([], [None])
    assert [(row.calls, row.cost_nano_usd, row.average_cost_nano_usd) for row in log.totals()] == [(1, 27_000, 27_000)]
    latest = log.latest_call("support/triage")
    assert latest
    assert (latest.messages, latest.reply, latest.reasoning) == (written.messages, written.reply, "Hm.")
    assert (latest.input_tokens, latest.cost_nano_usd, latest.user, latest.latency_ms) == (100, 27_000, "ada", 420.5)


def test_appending_at_once_writes_all_or_says_that_it_did_not(log: Store) -> None:
    assert log.append([]) is None
    is_written = log.append_at_once([Entry(make(), "full")], [a_result(output="graded")])

    assert len(list(log.executions())) == len(list(log.results("e"))) == calls_counted(log) == is_written


def test_an_execution_is_read_back_whole(log: Store) -> None:
    written = make(tool_calls=[{"id": "1"}], reasoning="Hm.", is_dirty=True, evaluation_id="e", case_id="c", repeat=2)
    log.append([Entry(written, "full")])

    read = log.execution(written.id)

    assert (read.inputs, read.messages, read.reply) == (written.inputs, written.messages, written.reply)
    assert (read.tool_calls, read.reasoning) == (written.tool_calls, "Hm.")
    assert read.metadata == written.metadata
    assert read.kept_content == "full"
    assert [getattr(read, name) for name in ("is_dirty", "evaluation_id", "case_id", "repeat")] == [True, "e", "c", 2]


def test_the_latest_call_is_the_one_that_began_last_whatever_order_they_are_written_in(log: Store) -> None:
    log.append([Entry(make(started_at="2026-05-03T10:00:00.000Z", reply="second"), "off")])
    log.append([Entry(make(started_at="2026-05-03T09:00:00.000Z", reply="first"), "off")])
    log.append(
        [Entry(make(started_at="2026-05-03T11:00:00.000Z", status="error", reply=None, error_message="no"), "off")]
    )

    latest = log.latest_call("support/triage")

    assert latest
    assert (latest.status, latest.error_message) == ("error", "no")


@pytest.mark.parametrize("fields", [{"source": "eval"}, {"reply_source": "cache"}, {"reply_source": "recorded"}])
def test_evaluations_and_reused_replies_are_counted_and_never_become_the_latest_call(
    log: Store, fields: dict[str, str]
) -> None:
    log.append([Entry(make(reply="a person's call"), "metadata")])
    log.append([Entry(make(**fields, reply="not a person's call"), "metadata")])

    latest = log.latest_call("support/triage")

    assert latest
    assert latest.reply == "a person's call"
    assert calls_counted(log) == 2


def test_a_record_that_is_there_already_is_neither_added_nor_counted_again(log: Store) -> None:
    entries = [Entry(make(), "full") for _ in range(3)]
    log.append(entries[:2])
    log.append(entries)

    assert len(list(log.executions())) == 3
    assert calls_counted(log) == 3


def test_a_batch_is_written_whole_or_not_at_all(log: Store) -> None:
    assert "INTEGER" in str(log.append([Entry(make(), "full"), Entry(make(attempt="first"), "full")]))

    assert list(log.executions()) == []
    assert log.totals() == []


def test_threads_share_one_log(log: Store) -> None:
    def append() -> None:
        for _ in range(50):
            log.append([Entry(make(), "full")])

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(list(log.executions())) == calls_counted(log) == 200


def test_a_stream_of_rows_shows_one_moment_while_others_write(log: Store) -> None:
    log.append([Entry(make()) for _ in range(3)])

    stream = log.executions()
    next(stream)
    log.append([Entry(make())])

    assert len(list(stream)) == 2
    assert len(list(log.executions())) == 4


def test_an_old_start_time_in_another_form_is_stored_in_ours(log: Store) -> None:
    identifier = new_id()
    log.append([Entry(make(id=identifier, started_at="2026-05-03T09:30:00+02:00"))])

    assert log.execution(identifier).started_at == "2026-05-03T07:30:00.000Z"
    assert len(list(log.executions(Filter(since="2026-05-03T07:30:00.000Z", until="2026-05-03T07:30:00.001Z")))) == 1


def at(hour: int) -> str:
    return f"2026-05-03T{hour:02}:00:00.000Z"


def found(log: Store, **wanted: Any) -> list[str | None]:
    return [each.case_id for each in log.executions(Filter(**wanted))]


@pytest.fixture
def filled(log: Store) -> Store:
    tone: dict[str, Any] = {"experiment": "tone", "arm": "control"}
    failed: dict[str, Any] = {"status": "error", "error_type": "RateLimited"}
    kind, bo = {**tone, "arm": "kind"}, {"user": "bo", "experiment": "other", "arm": "kind"}
    log.append(
        [
            Entry(make(case_id="a", started_at=at(1), prompt="support/triage", user="ada")),
            Entry(make(case_id="b", started_at=at(2), prompt="support/reply", session="s-2", **failed, **tone)),
            Entry(
                make(case_id="c", started_at=at(3), prompt="chat", version=2, label=None, model="local/llama", **kind)
            ),
            Entry(make(case_id="d", started_at=at(4), prompt="chat", version=2, is_dirty=True, source="api", **bo)),
            Entry(make(case_id="e", started_at=at(5), prompt="old/chat", source="eval", evaluation_id="e-1")),
        ]
    )
    return log


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, "edcba"),
        ({"limit": 2}, "ed"),
        ({"prompt": "chat"}, "dc"),
        ({"prompt": "support/*"}, "ba"),
        ({"prompt": "*a[!x]*"}, "edca"),
        ({"prompt": "chat", "renames": {"old/chat": "chat"}}, "edc"),
        ({"prompt": "ch?t", "renames": {"old/chat": "older", "older": "chat"}}, "edc"),
        ({"prompt": "nothing"}, ""),
        ({"version": 2}, "c"),
        ({"label": "production"}, "edba"),
        ({"status": "error"}, "b"),
        ({"error_type": "RateLimited"}, "b"),
        ({"status": "ok", "limit": 1}, "e"),
        ({"since": at(2), "until": at(4)}, "cb"),
        ({"user": "ada", "session": "s-1"}, "eca"),
        ({"session": "s-2"}, "b"),
        ({"source": "api"}, "d"),
        ({"source": "app"}, "dcba"),
        ({"source": "app", "prompt": "chat", "renames": {"old/chat": "chat"}}, "dc"),
        ({"model": "local/*"}, "c"),
        ({"evaluation_id": "e-1"}, "e"),
        ({"experiment": "tone"}, "cb"),
        ({"experiment": "tone", "arm": "kind"}, "c"),
        ({"experiment": "*"}, "dcb"),
        ({"arm": "kind"}, "dc"),
    ],
)
def test_a_filter_finds_what_it_says_newest_first(filled: Store, wanted: dict[str, Any], ids: str) -> None:
    assert found(filled, **wanted) == list(ids)


def pages(log: Store, **wanted: Any) -> list[str]:
    """The case ids of each page, from the first to the last."""
    found = [log.page(Filter(**wanted))]
    while found[-1].older is not None:
        found.append(log.page(Filter(**{**wanted, "before": found[-1].older})))
    return ["".join(str(each.case_id) for each in page.executions) for page in found]


def test_a_list_is_read_page_by_page(filled: Store) -> None:
    assert pages(filled) == ["edcba"]
    assert pages(filled, limit=2) == ["ed", "cb", "a"]
    assert pages(filled, limit=2, source="app", prompt="*") == ["dc", "ba"]
    assert pages(filled, limit=1, version=2) == ["c"]
    assert pages(filled, limit=1, user="nobody") == [""]
    filled.append([Entry(make(case_id=id_, started_at=at(2))) for id_ in "xy"])  # of one moment
    assert pages(filled, limit=1, until=at(3)) == ["y", "x", "b", "a"]
    assert filled.page(Filter(before="no such id")).executions == ()


def test_a_page_says_how_many_there_are(filled: Store) -> None:
    filled.append([Entry(make(prompt="chat"), "off")])  # counted, but in no row
    all_, chat, live, ada = Filter(), Filter(prompt="chat"), Filter(label="production"), Filter(user="ada")
    for wanted, attempts in ((all_, 5), (chat, 2), (live, 4), (ada, 4)):
        page = filled.page(replace(wanted, limit=1))
        assert (page.attempts, len(page.executions), page.is_cut) == (attempts, 1, False)
        assert filled.page(replace(wanted, limit=1, before=page.older)).attempts == attempts


def test_a_page_of_a_search_ends_where_the_next_begins(filled: Store) -> None:
    filled.append([Entry(make(case_id=id_, started_at=at(6), reply="so sorry"), "full") for id_ in "stu"])
    query, seen, wanted = parse_query("sorry"), "", Filter(limit=1)
    while found := filled.search(query, wanted, is_bounded=True).executions:
        seen, wanted = seen + str(found[0].case_id), Filter(limit=1, before=found[0].id)
    assert seen == "uts"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("charged TWICE", "cba"),
        ("straße", "b"),
        ('say "no"\n', "b"),
        ("timed out", "d"),
        ("lookup", "c"),
        ("gold", "c"),
        ("%", ""),
        ("hidden", ""),
    ],
)
def test_a_text_is_found_in_contents_and_errors(log: Store, text: str, ids: str) -> None:
    long = [{"role": "user", "content": "Gold " + "x" * 20_000}]
    tool_calls = [{"function": {"name": "lookup"}}]
    log.append(
        [
            Entry(make(case_id="a"), "full"),
            Entry(make(case_id="b", inputs={"ticket": 'Say "no"\n'}, reply="STRASSE straße"), "full"),
            Entry(make(case_id="c", messages=long, tool_calls=tool_calls), "full"),
            Entry(make(case_id="d", messages=long, status="error", error_message="It timed out."), "metadata"),
            Entry(make(case_id="e", messages=long, reply="hidden"), "metadata"),
        ]
    )
    assert found(log, search=text) == list(ids)
    assert sum(row.calls for row in log.totals(Filter(search=text))) == len(ids)


def test_the_attempts_of_one_call_are_found_together(log: Store) -> None:
    first = make(case_id="1", status="error")
    log.append([Entry(first), Entry(make(case_id="2", call_id=first.call_id, attempt=2)), Entry(make(case_id="3"))])

    assert found(log, call_id=first.call_id) == ["2", "1"]


def test_a_version_never_means_uncommitted_changes(filled: Store) -> None:
    assert found(filled, prompt="chat", version=2) == ["c"]


def test_contents_are_read_only_when_asked_for(log: Store) -> None:
    log.append([Entry(make(), "full")])

    [without] = log.executions()
    [whole] = log.executions(with_content=True)

    assert (without.messages, without.kept_content) == (None, "full")
    assert whole.messages == [{"role": "user", "content": "I was charged twice."}]


def test_an_execution_is_found_by_its_id_its_beginning_or_its_end(log: Store) -> None:
    written = make(id="0197e5c2-91ab-7cde-8f01-23456789abcd")
    log.append([Entry(written, "full"), Entry(make(id="0198ffff-0000-7000-8000-000000000000"))])

    for wanted in (written.id, "0197", "0197e5c2-91ab", "abcd", "23456789abcd", " 6789abcd\n"):
        assert log.execution(wanted).id == written.id


def test_an_ambiguous_id_names_those_it_could_be(log: Store) -> None:
    log.append([Entry(make(id=f"0197e5c2-91ab-7cde-8f01-00000000{n}bcd")) for n in (1, 2)])

    with pytest.raises(LogError, match="several executions match `0197`: 0197e5c2-91ab-7cde-8f01-000000001bcd, 0197"):
        log.execution("0197")


def test_an_unknown_or_too_short_id_says_what_to_do(log: Store) -> None:
    with pytest.raises(LogError, match="no execution `abcdef`") as unknown:
        log.execution("abcdef")
    with pytest.raises(UsageError, match="too short") as short:
        log.execution("abc")

    assert "promptctl log list" in str(unknown.value.hint)
    assert "4 characters" in str(short.value.hint)


def test_an_id_with_one_character_wrong_is_told_with_the_one_meant(log: Store) -> None:
    log.append([Entry(make(id=f"0197e5c2-91ab-7cde-8f01-0000{n}00abcd")) for n in (1, 2)])

    for wrong, meant in (
        ("0197e5c3-91ab-7cde-8f01-0000100abcd", "0197e5c2-91ab-7cde-8f01-0000100abcd"),
        ("0187e5c2", "0197e5c2"),
        ("200abce", "200abcd"),
        ("20aabcd", "200abcd"),
        ("2010abcd", ""),
    ):
        with pytest.raises(LogError) as unknown:
            log.execution(wrong)
        expected = f"did you mean `{meant}`?" if meant else "see the ids with: promptctl log list"
        assert unknown.value.hint == expected


def test_an_id_is_text_and_never_a_pattern(filled: Store) -> None:
    for wanted in ("%%%%", "____", "' OR 1=1 --", "*****"):
        with pytest.raises(LogError, match="no execution"):
            filled.execution(wanted)


def test_the_latest_call_of_a_renamed_prompt_is_the_latest_under_any_of_its_names(log: Store) -> None:
    log.append([Entry(make(prompt="old", started_at=at(2), reply="later"))])
    log.append([Entry(make(prompt="new", started_at=at(1), reply="earlier"))])

    latest = log.latest_call("new", formerly=("old", "older"))

    assert latest
    assert latest.reply == "later"
    assert log.latest_call("other") is None


def test_a_record_read_back_is_a_dict_of_the_same_keys_as_a_fresh_one(log: Store) -> None:
    fresh = make()
    log.append([Entry(fresh, "full")])

    stored = log.execution(fresh.id).as_dict()

    assert stored == {**fresh.as_dict(), "content": "full"}


BY: list[tuple[Dimension, ...]] = [
    (),
    ("prompt",),
    ("source",),
    ("version",),
    ("prompt", "version"),
    ("digest", "source", "version", "prompt"),
]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(
    "wanted", [{}, {"prompt": "a"}, {"prompt": "b*", "source": "eval"}, {"version": 2}, {"prompt": "none"}]
)
def test_running_totals_are_what_the_rows_add_up_to(
    log: Store, by: tuple[Dimension, ...], wanted: dict[str, Any]
) -> None:
    entries = [Entry(each) for each in make_some(300)]
    for start in range(0, 300, 7):
        log.append(entries[start : start + 7])

    from_totals = log.totals(Filter(**wanted), by)
    from_rows = log.totals(Filter(**wanted, since="2000"), by)

    assert [row.as_dict() for row in from_totals] == [row.as_dict() for row in from_rows]
    assert [row.histogram for row in from_totals] == [row.histogram for row in from_rows]
    for name in SUMS:
        expected = [getattr(row, name) for row in from_rows]
        assert [getattr(row, name) for row in from_totals] == pytest.approx(expected)


def test_a_call_is_counted_once_and_every_attempt_is_paid_for(log: Store) -> None:
    first = make(status="error", cost_nano_usd=None, output_tokens=None, latency_ms=50.0)
    second = make(status="invalid_output", call_id=first.call_id, attempt=2, cost_nano_usd=5, latency_ms=60.0)
    third = make(call_id=first.call_id, attempt=3, cost_nano_usd=6, latency_ms=100.0)
    for each in (first, second, third):
        log.append([Entry(each)])

    [row] = log.totals()

    assert row.as_dict() == {
        "prompt": "support/triage",
        "version": 7,
        "version_display": "v7 (3f2a9c1)",
        "calls": 1,
        "failed": 0,
        "attempts": 3,
        "ok": 1,
        "errors": 1,
        "invalid_outputs": 1,
        "blocked": 0,
        "cancelled": 0,
        "reused": 0,
        "input_tokens": 300,
        "output_tokens": 40,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "cost_nano_usd": 11,
        "average_cost_nano_usd": 11.0,
        "unpriced": 0,
        "untold": 1,
        "average_latency_ms": 80.0,
        "p50_latency_ms": row.p50_latency_ms,
        "p95_latency_ms": row.p95_latency_ms,
        "first_call_at": first.started_at,
        "last_call_at": third.started_at,
    }
    assert row.p50_latency_ms == pytest.approx(60, rel=0.05)
    assert row.p95_latency_ms == pytest.approx(100, rel=0.05)


def test_an_unknown_price_is_said_and_never_counted_as_nothing(log: Store) -> None:
    log.append([Entry(make(prompt="all unknown", cost_nano_usd=None))])
    log.append([Entry(make(prompt="failed and unknown", cost_nano_usd=None))])
    no_reply = {"status": "error", "cost_nano_usd": None, "output_tokens": None}
    log.append([Entry(make(prompt=prompt, **no_reply)) for prompt in ("failed", "failed and unknown")])
    log.append([Entry(make(prompt="reused and unknown", cost_nano_usd=None))])
    log.append([Entry(make(prompt="reused and unknown", reply_source="cache", cost_nano_usd=0))])
    log.append([Entry(make(prompt="one unknown", cost_nano_usd=cost)) for cost in (None, 10, 20)])
    log.append([Entry(make(prompt="free", cost_nano_usd=0))])
    log.append([Entry(make(prompt="refused", cost_nano_usd=None, status="blocked", output_tokens=None))])

    rows = {row.group["prompt"]: (row.cost_nano_usd, row.average_cost_nano_usd, row.unpriced) for row in log.totals()}

    assert rows == {
        "all unknown": (None, None, 1),
        "failed": (None, None, 0),
        "failed and unknown": (None, None, 1),
        "reused and unknown": (0, None, 1),
        "one unknown": (30, 15.0, 1),
        "free": (0, 0.0, 0),
        "refused": (0, None, 0),
    }


def test_calls_that_cost_nothing_or_never_told_it_do_not_lower_the_average(log: Store) -> None:
    log.append([Entry(make(cost_nano_usd=cost)) for cost in (10, 20)])
    log.append([Entry(make(cost_nano_usd=None, status="blocked", output_tokens=None)) for _ in range(3)])
    failed = make(status="error", cost_nano_usd=None, output_tokens=None)
    refused = make(call_id=failed.call_id, attempt=2, status="blocked", cost_nano_usd=None, output_tokens=None)
    log.append([Entry(failed), Entry(refused)])

    for by in (("prompt",), ("day",), ("user",), ("session",)):
        for costs_only in (False, True):
            [row] = log.totals(Filter(source="run"), by, costs_only=costs_only)
            assert (row.calls, row.blocked, row.attempts, row.average_cost_nano_usd) == (6, 3, 7, 15)


def test_a_repaired_call_counts_once_in_the_average_beside_one_that_never_told_its_cost(log: Store) -> None:
    first = make(cost_nano_usd=10, status="invalid_output")
    log.append([Entry(first), Entry(make(call_id=first.call_id, attempt=2, cost_nano_usd=20))])
    refused = make(cost_nano_usd=0, status="error", output_tokens=None)
    log.append([Entry(refused), Entry(make(call_id=refused.call_id, attempt=2, cost_nano_usd=30))])
    log.append([Entry(make(cost_nano_usd=None, status="cancelled", output_tokens=None)) for _ in range(2)])

    for by in ((), ("prompt",), ("prompt", "version", "source"), ("session",), ("day",), ("user", "model")):
        for costs_only in (False, True):
            [row] = log.totals(Filter(source="run"), by, costs_only=costs_only)
            assert (row.calls, row.attempts, row.untold, row.average_cost_nano_usd) == (4, 6, 2, 30)


@pytest.mark.parametrize(("last", "cost"), [("error", None), ("blocked", None), ("ok", 0)])
def test_a_refusal_does_not_make_those_free_that_never_told_their_cost(log: Store, last: str, cost: int | None) -> None:
    nothing: dict[str, Any] = {"output_tokens": None, "input_tokens": None}
    for _ in range(2):
        broken = make(cost_nano_usd=None, status="error", **nothing)
        tokens = {} if last == "ok" else nothing
        log.append(
            [Entry(broken), Entry(make(call_id=broken.call_id, attempt=2, status=last, cost_nano_usd=0, **tokens))]
        )

    for by in ((), ("prompt",), ("prompt", "version", "source"), ("session",), ("day",), ("user", "model")):
        for costs_only in (False, True):
            [row] = log.totals(Filter(source="run"), by, costs_only=costs_only)
            assert (row.calls, row.untold, row.cost_nano_usd, row.average_cost_nano_usd) == (2, 2, cost, cost), by


def test_reused_replies_are_counted_and_leave_the_latency_alone(log: Store) -> None:
    log.append([Entry(make(latency_ms=500.0)), Entry(make(reply_source="cache", latency_ms=0.1, cost_nano_usd=0))])

    [row] = log.totals()

    assert (row.calls, row.reused, row.average_latency_ms) == (2, 1, 500.0)


def test_percentiles_are_within_five_percent(log: Store) -> None:
    chance = random.Random(3)
    latencies = [chance.lognormvariate(6, 1) for _ in range(2_000)]
    log.append([Entry(make(latency_ms=latency), "off") for latency in latencies])

    [row] = log.totals(by=("prompt",))
    exact = sorted(latencies)

    assert row.p50_latency_ms == pytest.approx(exact[999], rel=0.05)
    assert row.p95_latency_ms == pytest.approx(exact[1899], rel=0.05)


def test_totals_follow_a_rename(log: Store) -> None:
    log.append(
        [Entry(make(prompt="old")), Entry(make(prompt="older")), Entry(make(prompt="new")), Entry(make(prompt="z"))]
    )
    renames = {"older": "old", "old": "new"}

    for since in (None, "2000"):
        rows = log.totals(Filter(renames=renames, since=since), by=("prompt",))
        assert [(row.group["prompt"], row.calls) for row in rows] == [("new", 3), ("z", 1)]
        [row] = log.totals(Filter(prompt="new", renames=renames, since=since), by=("version",))
        assert row.calls == 3


def test_renames_that_run_in_a_circle_end(log: Store) -> None:
    log.append([Entry(make(prompt="a")), Entry(make(prompt="b"))])

    assert sum(row.calls for row in log.totals(Filter(renames={"a": "b", "b": "a"}), by=("prompt",))) == 2


def test_uncommitted_changes_stand_apart_from_the_version_they_began_from(log: Store) -> None:
    log.append([Entry(make()), Entry(make(is_dirty=True, version_display="v7+dirty", digest="1:cd"))])

    for wanted in (Filter(), Filter(since="2000")):
        rows = log.totals(wanted)
        named = [(row.group["version"], row.group["version_display"], row.calls) for row in rows]
        assert named == [(7, "v7 (3f2a9c1)", 1), (None, "v7+dirty", 1)]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (("model",), [("local/llama", 1), ("openai/gpt-4o-mini", 2)]),
        (("label",), [("production", 2), (None, 1)]),
        (("day",), [("2026-05-03", 1), ("2026-05-04", 2)]),
        (("local_day",), [("2026-05-03", 1), ("2026-05-04", 2)]),
        (("status",), [("error", 1), ("ok", 2)]),
    ],
)
def test_other_groups_are_counted_from_the_rows(
    log: Store, by: tuple[Dimension], groups: list[tuple[str, int]]
) -> None:
    log.append(
        [
            Entry(make(started_at="2026-05-03T23:59:59.999Z", model="local/llama", label=None)),
            Entry(make(started_at="2026-05-04T00:00:00.000Z", status="error")),
            Entry(make(started_at="2026-05-04T10:00:00.000Z")),
        ]
    )

    name = by[0].removeprefix("local_")
    assert [(row.group[name], row.attempts) for row in log.totals(by=by)] == groups


def test_a_local_day_is_one_of_this_machine(log: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append([Entry(make(started_at="2026-05-03T23:30:00.000Z"))])
    monkeypatch.setenv("TZ", "XYZ-2")  # two hours ahead of UTC
    time.tzset()
    days = [log.totals(by=(by,))[0].group["day"] for by in ("day", "local_day")]
    monkeypatch.undo()
    time.tzset()
    assert days == ["2026-05-03", "2026-05-04"]


def test_calls_of_one_status_are_counted_though_their_first_attempt_had_another(log: Store) -> None:
    first = make(status="error")
    log.append([Entry(first), Entry(make(call_id=first.call_id, attempt=2))])

    [row] = log.totals(Filter(status="ok"))

    assert (row.calls, row.attempts) == (1, 1)


def test_totals_and_the_last_call_are_known_with_logging_off(log: Store) -> None:
    for content in ("full", "metadata", "off", "off"):
        log.append([Entry(make(cost_nano_usd=1_000), content)])
        log.append([Entry(make(cost_nano_usd=3_000, status="error", error_message="late"), content)])

    [row] = log.totals(by=("prompt",))
    last = log.latest_call("support/triage")

    assert (row.calls, row.cost_nano_usd, row.average_cost_nano_usd) == (8, 16_000, 2_000)
    assert last
    assert last.started_at == row.last_at
    told = (last.messages, last.reply, last.input_tokens, last.output_tokens, last.cost_nano_usd, last.user)
    assert None not in told
    assert (last.call_metadata, last.latency_ms, last.error_message) == ({"owner": "support"}, 420.5, "late")


def an_evaluation(**fields: Any) -> EvaluationRow:
    usual = {
        "id": new_id(),
        "started_at": utc_now(),
        "prompt": "support/triage",
        "digest": "1:ab",
        "model": "openai/gpt-4o-mini",
        "version": 7,
        "spec": EvaluationSpec(dataset="support", repeats=2),
    }
    return EvaluationRow(**{**usual, **fields})


def a_result(evaluation_id: str = "e", case_id: str = "c", **fields: Any) -> ResultRow:
    return ResultRow(**{"evaluation_id": evaluation_id, "case_id": case_id, "status": "passed", **fields})


def test_an_evaluation_is_begun_finished_and_read_back(log: Store) -> None:
    begun = an_evaluation(is_dirty=True, label="staging")
    log.begin_evaluation(begun)
    assert log.evaluation(begun.id) == begun

    log.update_evaluation(begun.id, status="passed", totals=Totals(passed=3))

    finished = log.evaluation(begun.id[-6:])
    assert finished.finished_at
    assert finished.finished_at >= begun.started_at
    assert finished == replace(begun, status="passed", totals=Totals(passed=3), finished_at=finished.finished_at)

    log.update_evaluation(begun.id, status="running", totals=Totals())
    assert log.evaluation(begun.id).finished_at is None


def test_evaluations_that_begin_together_are_added_together_or_not_at_all(log: Store) -> None:
    log.begin_evaluation(an_evaluation(id="id-1"), an_evaluation(id="id-2"))
    with pytest.raises(LogError):
        log.begin_evaluation(an_evaluation(id="id-3"), an_evaluation(id="id-1"))
    assert {each.id for each in log.evaluations()} == {"id-1", "id-2"}


def test_evaluations_are_listed_newest_first_and_filtered(log: Store) -> None:
    for number, (prompt, digest) in enumerate([("a", "1"), ("b/c", "2"), ("a", "2")]):
        log.begin_evaluation(an_evaluation(id=f"id-{number}", prompt=prompt, digest=digest))
    log.update_evaluation("id-0", status="passed", totals=Totals())
    log.begin_evaluation(an_evaluation(id="id-3", prompt="d", digest="3", spec=EvaluationSpec(group="id-2")))
    log.begin_evaluation(an_evaluation(id="id-4", prompt="d", digest="3"))
    log.update_evaluation("id-3", status="finished", totals=Totals(errors=1))
    log.update_evaluation("id-4", status="finished", totals=Totals(verdict="failed"))

    def ids(**wanted: Any) -> list[str]:
        return [each.id for each in log.evaluations(**wanted)]

    assert ids() == ["id-4", "id-3", "id-2", "id-1", "id-0"]
    assert ids(limit=1) == ["id-4"]
    assert ids(prompt="a") == ["id-2", "id-0"]
    assert ids(prompt="b/*") == ["id-1"]
    assert ids(digest="2") == ["id-2", "id-1"]
    assert ids(status="passed") == ["id-0"]
    assert ids(verdict="failed") == ["id-4"]
    assert ids(group="id-2") == ["id-3", "id-2"]
    assert ids(has_gaps=True) == ["id-3", "id-2", "id-1", "id-0"]
    assert ids(before="id-3", limit=2) == ["id-2", "id-1"]
    assert ids(before="id-1", prompt="a") == ["id-0"]
    log.begin_evaluation(an_evaluation(id="id-5", spec=EvaluationSpec(dataset="datasets/a.yaml")))
    assert ids(dataset="datasets/a.yaml") == ["id-5"]


def test_an_unknown_ambiguous_or_short_id_is_refused(log: Store) -> None:
    for number in (1, 2):
        log.begin_evaluation(an_evaluation(id=f"id-one-{number}"))

    for wanted, error, words in [("nothing", LogError, "no evaluation"), ("id-one", LogError, "several")]:
        with pytest.raises(error, match=words):
            log.evaluation(wanted)
    with pytest.raises(UsageError, match="too short"):
        log.evaluation("id")


def test_results_are_read_back_whole_in_the_order_of_the_dataset(log: Store) -> None:
    written = [
        a_result(case_id="later", position=2, status="failed", output="no", error_message="expected yes"),
        a_result(case_id="first", position=1, repeat=2, output="yes"),
        a_result(
            case_id="first",
            position=1,
            repeat=1,
            output="yes",
            score=0.5,
            detail=ResultDetail(assertions=({"type": "equals"},)),
        ),
    ]
    log.append([], [replace(each, finished_at="2026-05-03T00:00:00.000Z", latency_ms=1.5) for each in written])

    read = list(log.results("e"))

    assert [(each.case_id, each.repeat) for each in read] == [("first", 1), ("first", 2), ("later", 1)]
    assert read[0] == replace(written[2], finished_at="2026-05-03T00:00:00.000Z", latency_ms=1.5)
    assert [each.case_id for each in log.results("e", statuses=["failed", "error"])] == ["later"]
    assert [each.case_id for each in log.results("e", first=2)] == ["later"]
    assert list(log.results("other")) == []


def test_each_case_and_repeat_stands_once_and_only_an_error_gives_way(log: Store) -> None:
    log.append([], [a_result(case_id=case, status=status) for case, status in [("p", "passed"), ("f", "failed")]])
    log.append([], [a_result(case_id="e", status="error", error_message="first")])
    log.append([], [a_result(case_id="e", status="error", error_message="second")])
    assert [each.error_message for each in log.results("e", statuses=["error"])] == ["second"]
    assert [each.case_id for each in log.results("e", statuses=["passed", "failed"])] == ["f", "p"]

    log.append([], [a_result(case_id=case, status="passed", output="again") for case in "pfe"])

    ended = {each.case_id: (each.status, each.output) for each in log.results("e")}
    assert ended == {"p": ("passed", None), "f": ("failed", None), "e": ("passed", "again")}


def test_results_and_the_executions_they_grade_are_written_together_or_not_at_all(log: Store) -> None:
    entry = Entry(make(source="eval", evaluation_id="e", case_id="c", repeat=1))
    warning = log.append([entry], [a_result(status="splendid")])
    assert warning
    assert warning.reason == "refused"
    assert list(log.executions()) == []

    log.append([entry], [a_result(execution_id=entry.execution.id)])
    assert [each.execution_id for each in log.results("e")] == [entry.execution.id]


def test_outputs_are_kept_whatever_the_rule_and_redacted(log: Store) -> None:
    detail = ResultDetail(assertions=({"got": SECRET},))
    result = a_result(output=f"say {SECRET}", detail=detail, status="failed")
    log.append([Entry(make(source="eval"), "off")], [result])

    [read] = log.results("e")

    assert (read.output, read.detail.assertions) == ("say [redacted]", ({"got": "[redacted]"},))


def test_deleting_an_evaluation_takes_its_results_and_outputs_alone(
    log: Store,
) -> None:
    log.begin_evaluation(an_evaluation(id="evaluation-1"))
    shared = make(source="eval", evaluation_id="evaluation-1", reply="shared")
    log.append(
        [Entry(shared, "full")],
        [a_result("evaluation-1", "a", output="shared"), a_result("evaluation-1", "b", output="its own")],
    )

    assert log.delete_evaluation("evaluation-1") == 2

    assert log.evaluations() == []
    assert list(log.results("evaluation-1")) == []
    assert [each.reply for each in log.executions(with_content=True)] == ["shared"]
    assert sum(row.calls for row in log.totals()) == 1


@pytest.fixture
def aged(log: Store) -> Store:
    log.append(
        [
            Entry(make(started_at=OLD, reply="of old", prompt="a", inputs={"shared": 1}), "full"),
            Entry(make(started_at=OLD, reply="of b", prompt="b", inputs={"shared": 1}), "full"),
            Entry(make(started_at=OLD, prompt="b"), "metadata"),
            Entry(make(started_at=NEW, reply="of today", prompt="a", inputs={"shared": 1}), "full"),
        ]
    )
    return log


def test_pruning_contents_keeps_rows_totals_and_what_newer_rows_share(aged: Store) -> None:
    before = [row.as_dict() for row in aged.totals()]

    pruned = aged.prune(Retention(content_before=CUT))

    assert (pruned.contents, pruned.latest_calls, pruned.rows, pruned.payloads) == (2, 1, 0, 2)
    kept = [(each.kept_content, each.reply, each.inputs) for each in aged.executions(with_content=True)]
    assert kept == [
        ("full", "of today", {"shared": 1}),
        ("metadata", None, None),
        ("pruned", None, None),
        ("pruned", None, None),
    ]
    assert [row.as_dict() for row in aged.totals()] == before
    assert aged.verify().problems == []


def test_outputs_of_evaluations_outlive_the_contents_of_executions(log: Store) -> None:
    log.append([Entry(make(started_at=OLD, reply="graded", source="eval"), "full")], [a_result(output="graded")])

    log.prune(Retention(content_before=CUT))

    assert [each.output for each in log.results("e")] == ["graded"]


def test_the_latest_call_loses_its_contents_when_it_is_old_and_nothing_else(aged: Store) -> None:
    aged.prune(Retention(content_before=CUT))

    old, new = aged.latest_call("b"), aged.latest_call("a")

    assert old
    assert (old.reply, old.messages, old.cost_nano_usd, old.user) == (None, None, 27_000, "ada")
    assert new
    assert new.reply == "of today"


def test_pruning_rows_keeps_the_totals(aged: Store) -> None:
    pruned = aged.prune(Retention(rows_before=CUT))

    assert (pruned.rows, pruned.payloads) == (3, 2)
    assert [each.started_at for each in aged.executions()] == [NEW]
    assert sum(row.calls for row in aged.totals()) == 4


def test_pruning_may_be_limited_to_some_prompts(aged: Store) -> None:
    assert aged.prune(Retention(rows_before=CUT, prompt="b")).rows == 2
    assert aged.prune(Retention(rows_before=CUT, prompt="[!a]*")).rows == 0


def test_a_dry_run_tells_the_same_and_changes_nothing(aged: Store) -> None:
    retention = Retention(content_before=CUT, rows_before=CUT, prompt="b")
    before = list(aged.executions(with_content=True))

    would = aged.prune(retention, is_dry_run=True)

    assert list(aged.executions(with_content=True)) == before
    assert aged.prune(retention) == would


def test_what_was_pruned_is_on_record_and_its_space_is_given_back(aged: Store) -> None:
    pruned = aged.prune(Retention(rows_before=CUT), note=Note(by="me", reason="old"))
    (event,) = aged.events()
    assert (event.kind, event.by, event.reason, event.detail["rows"]) == ("prune", "me", "old", pruned.rows)
    assert aged.vacuum() >= 0
    assert (len(list(aged.executions())), aged.verify().problems) == (1, [])


def test_the_contract_has_every_verb() -> None:
    texts = [Path(__file__).with_name(f"test_store_{each}.py").read_text("utf-8") for each in ("contract", "budgets")]
    verbs = {name for name in vars(Store) if not name.startswith("_")}
    assert {each for each in verbs if not any(f".{each}" in text for text in texts)} == set()


def a_score(execution: Execution, score: float | None = None, **fields: Any) -> Feedback:
    return Feedback(id=new_id(), execution_id=execution.id, call_id="", score=score, created_at=utc_now(), **fields)


def scores(log: Store, **wanted: Any) -> dict[str, dict[str, float]]:
    return {each.id: each.scores for each in log.executions(Filter(**wanted))}


def test_the_newest_score_of_each_person_counts_and_a_call_has_their_mean(log: Store) -> None:
    first, second = make(), make(attempt=2)
    second = replace(second, call_id=first.call_id)
    log.append([Entry(first, "full"), Entry(second, "full")])
    for given in (
        a_score(first, 1, by="ada"),
        a_score(second, 0, by="grace", comment="no"),
        a_score(first, 0.5, by="ada"),
        a_score(first, None, by="ada", comment="half of it", expected="all of it"),
        a_score(second, 1, name="polite"),
    ):
        log.add_feedback(given)

    assert scores(log) == {key: {"feedback": 0.25, "polite": 1.0} for key in (first.id, second.id)}
    kept = log.execution(first.id).feedback
    assert [each.call_id for each in kept] == [first.call_id] * 5
    assert [(each.score, each.comment, each.expected) for each in kept][2:4] == [
        (0.5, None, None), (None, "half of it", "all of it")
    ]  # fmt: skip
    assert log.verify().is_sound


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("<0.5", "ac"), ("<=.5", "abc"), (">0.5", "c"), (">=0.5", "bc"), ("= 0.5", "b"), ("==0", "ac"), ("!=0", "bc"),
        ("feedback<0.5", "a"), ("polite > 0.9", "c"), ("polite", "cd"), ("nothing", ""), ("nothing<1", ""),
    ],
)  # fmt: skip
def test_calls_are_found_by_their_scores(log: Store, condition: str, found: str) -> None:
    calls = {letter: make() for letter in "abcde"}
    log.append([Entry(each) for each in calls.values()])
    log.add_feedback(a_score(calls["a"], 0))
    log.add_feedback(a_score(calls["b"], 0.5))
    log.add_feedback(a_score(calls["c"], 1, name="polite"))
    log.add_feedback(a_score(calls["c"], 0, name="rude"))
    log.add_feedback(a_score(calls["d"], name="polite", by="ada"))
    ids = {each.id: letter for letter, each in calls.items()}

    assert sorted(ids[id_] for id_ in scores(log, feedback=condition)) == sorted(found)
    assert sum(row.calls for row in log.totals(Filter(feedback=condition))) == len(found)


@pytest.mark.parametrize("condition", ["", "<", "0.5", "<1.5", "<-1", "<nan", "Helpful<0.5", "a b<1", "<0.5x", "a<>1"])
def test_a_condition_on_scores_that_makes_no_sense_is_refused(log: Store, condition: str) -> None:
    log.append([Entry(make())])
    with pytest.raises(UsageError) as refused:
        list(log.executions(Filter(feedback=condition)))
    assert refused.value.hint


def test_totals_have_the_scores_of_their_calls(log: Store) -> None:
    calls = [make(version=1 + number // 2, user=f"u{number}", prompt="old") for number in range(4)]
    retried = replace(make(attempt=2, version=1, prompt="old", user="u0"), call_id=calls[0].call_id)
    log.append([Entry(each) for each in (*calls, retried)])
    for each, score in zip(calls, (0, 0.5, 1, 1), strict=True):
        log.add_feedback(a_score(each, score))
    log.add_feedback(a_score(calls[3], 0, name="polite"))

    renamed = Filter(renames={"old": "new"})
    by_version = log.totals(renamed)
    assert [row.group["prompt"] for row in by_version] == ["new", "new"]
    assert [row.as_dict().get("feedback") for row in by_version] == [
        {"feedback": {"score": 0.25, "calls": 2}},
        {"feedback": {"score": 1.0, "calls": 2}, "polite": {"score": 0.0, "calls": 1}},
    ]
    assert [row.feedback["feedback"].mean for row in log.totals(Filter(), ("user",))] == [0, 0.5, 1, 1]
    assert log.totals(Filter(user="u0"), ())[0].feedback["feedback"].calls == 1
    assert log.totals(Filter(), (), costs_only=True)[0].feedback == {}
    log.append([Entry(make(), "off")])
    assert log.without_row(Filter(), ("user",))
    assert log.without_row(Filter(feedback="<1"), ("user",)) is None


def test_words_are_kept_as_long_as_the_contents_of_their_row_and_never_a_secret(log: Store) -> None:
    whole, bare = make(started_at=OLD), make(started_at=OLD)
    log.append([Entry(whole, "full"), Entry(bare, "metadata")])
    for each in (whole, bare):
        log.add_feedback(a_score(each, 0.5, comment=f"{SECRET}\ud800", expected=f'"{SECRET}"', by=SECRET))
    log.add_feedback(a_score(whole, comment="only words"))
    assert [(each.comment, each.expected, each.by) for each in log.execution(whole.id).feedback] == [
        ("[redacted]?", '"[redacted]"', "[redacted]"), ("only words", None, None)
    ]  # fmt: skip
    assert [(each.comment, each.expected) for each in log.execution(bare.id).feedback] == [(None, None)]

    retention = Retention(content_before=CUT)
    assert log.prune(retention, is_dry_run=True).feedback == log.prune(retention).feedback == 2
    assert [(each.score, each.comment) for each in log.execution(whole.id).feedback] == [(0.5, None)]
    log.add_feedback(a_score(whole, 1, comment="too late for words"))
    assert [each.comment for each in log.execution(whole.id).feedback] == [None, None]
    assert log.prune(Retention(rows_before=CUT)).feedback == 3
    assert log.verify().is_sound


def test_feedback_on_what_the_log_does_not_have_is_refused(log: Store) -> None:
    with pytest.raises(LogError, match="no execution"):
        log.add_feedback(a_score(make(), 1))
    assert log.is_new
    log.append([Entry(make())])
    with pytest.raises(LogError, match="no execution") as refused:
        log.add_feedback(a_score(make(), 1))
    assert refused.value.hint


def test_feedback_is_erased_with_the_words_and_the_names_of_people(log: Store) -> None:
    calls = [make(user="ada"), make(user="grace", session="s-2"), make(user=None, session="s-3")]
    log.append([Entry(each, "full") for each in calls])
    log.add_feedback(a_score(calls[0], 0, comment="on hers"))
    log.add_feedback(a_score(calls[1], 0, comment="by her", by="ada"))
    log.add_feedback(a_score(calls[2], 0, comment="Mr Turing said so", expected="no", by="alan"))

    def erase(**meant: Any) -> None:
        expected = log.redact(Erasure(**meant), Note(by="me"), is_dry_run=True).feedback
        assert log.redact(Erasure(**meant), Note(by="me")).feedback == expected > 0

    erase(user="ada")
    words = [(each.comment, each.by) for call in calls for each in log.execution(call.id).feedback]
    assert words[0] == (None, None)
    assert words[1][0] is None
    assert str(words[1][1]).startswith("erased-")
    assert words[2] == ("Mr Turing said so", "alan")
    erase(text="turing")
    (left,) = log.execution(calls[2].id).feedback
    assert (left.score, left.comment, left.expected, left.by) == (0, None, "no", "alan")
    erase(user="alan")
    assert log.verify().is_sound


def test_feedback_of_a_merged_log_comes_along_once_and_what_was_erased_stays_so(log: Store, tmp_path: Path) -> None:
    shared, theirs, gone = make(started_at=NEW), make(started_at=NEW), make(started_at=OLD)
    log.append([Entry(shared, "full"), Entry(gone, "full")])
    with STORES["sqlite"](tmp_path / "other") as other:
        other.append([Entry(each, "full") for each in (shared, theirs, gone)])
        for each in (shared, theirs, gone):
            other.add_feedback(a_score(each, 0, comment=SECRET, by="ada"))
        file = tmp_path / "other.db"
        other.back_up(file)
    log.prune(Retention(rows_before=CUT))
    log.redact(Erasure(execution=shared.id), Note())

    dry = log.merge(file, Note(), is_dry_run=True)
    assert (dry.rows, dry.feedback) == (1, 2)
    assert log.merge(file, Note()) == dry
    assert log.merge(file, Note()).feedback == 0
    assert [each.comment for each in log.execution(shared.id).feedback] == [None]
    assert [(each.comment, each.by) for each in log.execution(theirs.id).feedback] == [("[redacted]", "ada")]
    assert log.verify().is_sound


def test_many_people_score_at_once(log: Store) -> None:
    call = make()
    log.append([Entry(call)])

    def give(number: int) -> None:
        for score in (0, 1):
            log.add_feedback(a_score(call, score, by=f"p{number}"))

    threads = [threading.Thread(target=give, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(log.execution(call.id).feedback), scores(log)[call.id]) == (16, {"feedback": 1.0})
    assert log.execution(call.id, with_feedback=False) == replace(log.execution(call.id), feedback=())


def test_the_calls_of_an_experiment_come_whole_and_in_order_with_their_scores(log: Store) -> None:
    def call(minute: int, **fields: Any) -> Execution:
        return make(started_at=f"2026-05-01T10:{minute:02d}:00.000Z", experiment="tone", arm_key="k", **fields)

    late = call(9, arm="kind", cost_nano_usd=None, version=8)
    first = call(1, arm="control", status="error", cost_nano_usd=None, output_tokens=None, latency_ms=10.4)
    second = call(2, arm="control", status="invalid_output", cost_nano_usd=5, latency_ms=20.4)
    third = call(3, arm="control", cost_nano_usd=7, latency_ms=None)
    fallen = call(4, arm=None, is_dirty=True)
    reused = call(5, arm="kind", reply_source="cache")
    retried = [replace(each, call_id=first.id, attempt=n) for n, each in ((2, second), (3, third))]
    log.append([Entry(each) for each in (late, retried[1], first, make(), fallen, retried[0], reused)])
    failed = call(6, arm="kind", status="error")
    log.append([Entry(failed), Entry(replace(call(7, arm="kind", reply_source="cache"), call_id=failed.id, attempt=2))])
    assert [each.scores for each in log.outcomes("tone", ["resolved"])] == [{}, {}, {}]
    log.append([Entry(replace(call(minute, arm="kind"), experiment="more")) for minute in (12, 10, 11)])
    assert {tuple(each) for each in log.calls_by_key("tone")} == {
        (each.arm, "k", 1, each.started_at, each.started_at) for each in (first, fallen, late)
    }
    assert log.calls_by_key("more") == [("kind", "k", 3, "2026-05-01T10:10:00.000Z", "2026-05-01T10:12:00.000Z")]
    assert log.calls_by_key("other") == []
    for given in (
        a_score(third, 0, name="resolved", by="ada"),
        a_score(first, 1, name="resolved", by="ada"),
        a_score(first, 0.5, name="resolved"),
        a_score(late, 1, name="polite"),
    ):
        log.add_feedback(given)

    found = list(log.outcomes("tone", ["resolved", "resolved", "unknown"]))
    assert [(each.arm, each.arm_key, each.version, each.status) for each in found] == [
        ("control", "k", 7, "ok"), (None, "k", None, "ok"), ("kind", "k", 8, "ok")
    ]  # fmt: skip
    assert [(each.started_at, each.cost_nano_usd, each.latency_ms) for each in found] == [
        (first.started_at, 12, 30.8), (fallen.started_at, 27_000, 420.5), (late.started_at, None, 420.5)
    ]  # fmt: skip
    assert [each.scores for each in found] == [{"resolved": 0.75}, {}, {}]
    by_arm = log.totals(Filter(), ("experiment", "arm"))
    assert [(*row.group.values(), row.calls) for row in by_arm] == [
        ("more", "kind", 3), ("tone", "control", 1), ("tone", "kind", 3), ("tone", None, 1), (None, None, 1)
    ]  # fmt: skip
    assert by_arm[1].feedback["resolved"].mean == 0.75
    kept = log.execution(first.id).feedback
    assert found[0].scored_at == {"resolved": kept[0].created_at}
    log.add_feedback(replace(a_score(late, 0, name="resolved"), created_at="2099-01-01T00:00:00.000Z"))
    earlier = log.outcomes("tone", ["resolved"], until="2098-01-01T00:00:00.000Z")
    assert [each.scores for each in earlier] == [each.scores for each in found]
    assert [each.scores for each in log.outcomes("tone", ["resolved"])][2] == {"resolved": 0.0}
    assert [each.arm for each in log.outcomes("tone", ["resolved"], until=late.started_at)] == ["control", None]
    assert list(log.outcomes("other")) == []


@pytest.mark.parametrize("wanted", [{}, {"source": "app"}, {"prompt": "b/*", "status": "error"}, {"version": 1}])
def test_cells_add_up_to_the_totals_of_the_rows(log: Store, wanted: dict[str, Any]) -> None:
    log.append([Entry(each) for each in make_some(400)])

    found = log.call_cells(Filter(**wanted), lambda _first, _last: CellSteps("day", OLD))

    by_day = {row.group["day"]: row for row in log.totals(Filter(**wanted), ("day",))}
    assert found.cells.keys() == by_day.keys()
    for day, cells in found.cells.items():
        row, histogram = by_day[day], Counter[int]()
        for sums in cells.values():
            histogram.update(sums.latencies)
        assert histogram == row.histogram
        for theirs, ours in (("known_cost_nano_usd", "cost_nano_usd"), *((name, name) for name in CELL_SUMS)):
            assert sum(getattr(sums, ours) for sums in cells.values()) == getattr(row, theirs), theirs


def test_a_cell_says_what_its_attempts_have_in_common(log: Store) -> None:
    log.append([
        Entry(make(id="018f-1", call_id="c", status="error", error_type="timeout", started_at=NEW, user="ada")),
        Entry(make(id="018f-2", call_id="c", attempt=2, started_at=NEW, user="ada", cost_nano_usd=5)),
        Entry(make(reply_source="cache", started_at=NEW, user=None, label=None, cost_nano_usd=0)),
    ])  # fmt: skip

    [cells] = log.call_cells(Filter(), lambda _first, _last: CellSteps("hour", OLD)).cells.values()

    assert sorted(
        (key.status, key.is_later, key.error or "", key.user or "", sums.attempts) for key, sums in cells.items()
    ) == [
        ("error", False, "timeout", "ada", 1),
        ("ok", False, "", "", 1),
        ("ok", True, "", "ada", 1),
    ]
    [later] = [sums for key, sums in cells.items() if key.is_later]
    assert sum(later.costs.values()) == sum(later.latencies.values()) == 1
    [reused] = [sums for key, sums in cells.items() if key.reply_source == "cache"]
    assert not reused.costs
    assert not reused.latencies


def test_cells_have_corrected_costs_todays_ids_and_the_users_with_most_calls_by_name(log: Store) -> None:
    calls = [make(user=f"user-{number % 20}", started_at=NEW, prompt="old") for number in range(60)]
    calls += [make(user=f"user-{number}", started_at=NEW, prompt="new") for number in range(6)]
    log.append([Entry(each) for each in calls])
    log.correct_costs({calls[0].id: CostCorrection(NEW, 27_000, 1_000_000, "file")})

    found = log.call_cells(Filter(renames={"old": "new"}), lambda _first, _last: CellSteps("day", OLD))

    [cells] = found.cells.values()
    assert {key.prompt for key in cells} == {"new"}
    assert {key.user for key in cells} == {*(f"user-{number}" for number in range(6)), ""}
    assert found.users == 20
    assert sum(sums.cost_nano_usd for sums in cells.values()) == 65 * 27_000 + 1_000_000


@pytest.mark.parametrize("name", ["prompt", "label", "model", "user", "session", "status", "arm"])
def test_a_filter_of_an_empty_text_means_what_has_one(log: Store, name: str) -> None:
    log.append([Entry(make(), "metadata")])
    given: dict[str, Any] = {name: ""}
    wanted = Filter(source="app", **given)

    for by in ((), ("day",), ("user",), ("prompt",)):
        assert log.totals(wanted, by, costs_only=True) == log.totals(wanted, by) == []
    assert list(log.executions(wanted)) == []
