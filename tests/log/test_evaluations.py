from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptctl.errors import LogError, UsageError
from promptctl.log.ids import new_id, utc_now
from promptctl.log.records import Entry
from promptctl.log.redaction import Redactor
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultDetail, ResultRow, Totals
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make


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


def test_an_evaluation_is_begun_finished_and_read_back(log: SqliteStore) -> None:
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


def test_evaluations_are_listed_newest_first_and_filtered(log: SqliteStore) -> None:
    for number, (prompt, digest) in enumerate([("a", "1"), ("b/c", "2"), ("a", "2")]):
        log.begin_evaluation(an_evaluation(id=f"id-{number}", prompt=prompt, digest=digest))
    log.update_evaluation("id-0", status="passed", totals=Totals())

    def ids(**wanted: Any) -> list[str]:
        return [each.id for each in log.evaluations(**wanted)]

    assert ids() == ["id-2", "id-1", "id-0"]
    assert ids(limit=1) == ["id-2"]
    assert ids(prompt="a") == ["id-2", "id-0"]
    assert ids(prompt="b/*") == ["id-1"]
    assert ids(digest="2") == ["id-2", "id-1"]
    assert ids(status="passed") == ["id-0"]


def test_an_unknown_ambiguous_or_short_id_is_refused(log: SqliteStore) -> None:
    for number in (1, 2):
        log.begin_evaluation(an_evaluation(id=f"id-one-{number}"))

    for wanted, error, words in [("nothing", LogError, "no evaluation"), ("id-one", LogError, "several")]:
        with pytest.raises(error, match=words):
            log.evaluation(wanted)
    with pytest.raises(UsageError, match="too short"):
        log.evaluation("id")


def test_results_are_read_back_whole_in_the_order_of_the_dataset(log: SqliteStore) -> None:
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
    assert list(log.results("other")) == []


def test_each_case_and_repeat_stands_once_and_only_an_error_gives_way(log: SqliteStore) -> None:
    log.append([], [a_result(case_id=case, status=status) for case, status in [("p", "passed"), ("f", "failed")]])
    log.append([], [a_result(case_id="e", status="error", error_message="first")])
    log.append([], [a_result(case_id="e", status="error", error_message="second")])
    assert [each.error_message for each in log.results("e", statuses=["error"])] == ["second"]
    assert [each.case_id for each in log.results("e", statuses=["passed", "failed"])] == ["f", "p"]

    log.append([], [a_result(case_id=case, status="passed", output="again") for case in "pfe"])

    ended = {each.case_id: (each.status, each.output) for each in log.results("e")}
    assert ended == {"p": ("passed", None), "f": ("failed", None), "e": ("passed", "again")}


def test_results_and_the_executions_they_grade_are_written_together_or_not_at_all(log: SqliteStore) -> None:
    entry = Entry(make(source="eval", evaluation_id="e", case_id="c", repeat=1))
    warning = log.append([entry], [a_result(status="splendid")])
    assert warning
    assert warning.reason == "refused"
    assert list(log.executions()) == []

    log.append([entry], [a_result(execution_id=entry.execution.id)])
    assert [each.execution_id for each in log.results("e")] == [entry.execution.id]


def test_outputs_are_kept_whatever_the_rule_and_redacted(log: SqliteStore) -> None:
    log.redactor = Redactor(["correct-horse"])
    result = a_result(
        output="say correct-horse", detail=ResultDetail(assertions=({"got": "correct-horse"},)), status="failed"
    )
    log.append([Entry(make(source="eval"), "off")], [result])

    [read] = log.results("e")

    assert (read.output, read.detail.assertions) == ("say [redacted]", ({"got": "[redacted]"},))


def test_deleting_an_evaluation_takes_its_results_and_outputs_alone(
    log: SqliteStore,
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
    with log.database.reading() as connection:
        contents = [row[0] for row in connection.execute("SELECT content FROM payloads")]
    assert "its own" not in contents
