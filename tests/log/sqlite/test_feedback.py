"""What the file itself refuses of feedback, and what `verify` names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.feedback import Feedback
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
            raw.execute(sql, ("stray", "nowhere"))
            raw.commit()
        (problem,) = log.verify().problems
        assert (problem.kind, problem.subject) == ("feedback", "stray")
