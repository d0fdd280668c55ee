"""What the file itself refuses of feedback, and what `verify` names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptctl.errors import LogError
from promptctl.log.evidence import Note
from promptctl.log.feedback import Feedback
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now
from tests.log.conftest import make


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A log with one call and its score."""
    path = tmp_path / "log.db"
    with SqliteStore(path) as log:
        call = make()
        log.append([Entry(call, "full")])
        log.add_feedback(Feedback(id=new_id(), execution_id=call.id, call_id="", score=0.5, created_at=utc_now()))
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE feedback SET score = 1",
        "DELETE FROM feedback",
        "INSERT INTO feedback SELECT 'x', execution_id, call_id, name, 2, NULL, NULL, NULL, created_at FROM feedback",
    ],
)
def test_any_client_can_only_add_scores_from_0_to_1(scored: Path, sql: str) -> None:
    with closing(sqlite3.connect(scored)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute(sql)


def test_feedback_on_no_call_is_named(scored: Path) -> None:
    with SqliteStore(scored) as log:
        assert log.verify().is_sound
        with closing(sqlite3.connect(scored)) as raw:
            sql = (
                "INSERT INTO feedback SELECT ?, ?, call_id, name, 1, NULL, NULL, NULL, created_at FROM feedback LIMIT 1"
            )
            raw.execute(sql, (stray := new_id(), "nowhere"))
            raw.commit()
        (problem,) = log.verify().problems
        assert (problem.kind, problem.subject) == ("feedback", stray)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"id": "zz0"}, "its id is none"),
        ({"name": "=cmd()\x1b[31m"}, "cannot name feedback"),
        ({"created_at": "not a date"}, "'not a date' is no time"),
    ],
)
def test_feedback_that_no_promptctl_wrote_is_named_and_refused_by_a_merge(
    scored: Path, tmp_path: Path, changed: dict[str, str], why: str
) -> None:
    with SqliteStore(scored) as log, SqliteStore(tmp_path / "here.db") as here:
        with closing(sqlite3.connect(scored)) as raw:
            given = {"id": new_id(), "name": "helpful", "created_at": utc_now()} | changed
            sql = "INSERT INTO feedback SELECT :id, execution_id, call_id, :name, 1, NULL, NULL, NULL, :created_at "
            raw.execute(f"{sql} FROM feedback", given)
            raw.commit()
        (problem,) = log.verify().problems
        assert (problem.kind, problem.subject) == ("feedback", given["id"])
        assert why in problem.message
        with pytest.raises(LogError, match=r"nothing was merged") as refused:
            here.merge(scored, Note())
        assert str(scored) in refused.value.message
        assert why in refused.value.message
        assert (list(here.executions()), here.events()) == ([], [])


def test_the_newest_by_its_time_counts_and_one_that_is_still_to_come_is_refused(scored: Path, tmp_path: Path) -> None:
    with SqliteStore(scored) as log:
        (call,) = log.executions()
        later = Feedback(id=new_id(), execution_id=call.id, call_id="", score=0, created_at=utc_now())
        high = Feedback(
            id="ffffffff-ffff-7fff-bfff-ffffffffffff",
            execution_id=call.id,
            call_id="",
            score=1,
            created_at="2026-01-01T00:00:00.000Z",
        )
        log.add_feedback(later)
        log.add_feedback(high)
        assert log.execution(call.id).scores == {"feedback": 0}
        assert [each.id for each in log.executions(Filter(feedback="<0.1"))] == [call.id]
        assert log.verify().is_sound
        log.add_feedback(replace(later, id=new_id(), created_at="9026-01-01T00:00:00.000Z"))
        with SqliteStore(tmp_path / "here.db") as here, pytest.raises(LogError, match="still to come"):
            here.merge(scored, Note())
