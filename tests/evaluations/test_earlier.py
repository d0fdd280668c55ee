"""What a command takes up from the log does not depend on how much the log holds."""

from __future__ import annotations

from pathlib import Path

from promptctl.evaluations.earlier import FailedCases, last_command
from promptctl.evaluations.request import ResumeRequest
from promptctl.evaluations.resuming import unfinished
from promptctl.log.results import EvaluationRow, EvaluationSpec, Totals
from promptctl.log.sqlite.store import SqliteStore


def test_a_command_of_many_evaluations_is_taken_up_whole(tmp_path: Path) -> None:
    log = SqliteStore(tmp_path / "log.db")

    def begin(id_: str, prompt: str, **spec: str) -> None:
        made = EvaluationSpec(dataset="d", **spec)  # type: ignore[arg-type]
        started = f"2026-01-01T00:00:00.{id_}Z"
        log.begin_evaluation(
            EvaluationRow(id=id_, started_at=started, prompt=prompt, digest="1:a", model="m", spec=made)
        )

    count = 1050
    begin("0000", "before", group="before")
    log.update_evaluation("0000", status="finished", totals=Totals())
    for number in range(1, count + 1):
        begin(f"{number:04}", "p", group="all")
    for number in range(count + 1, count + 102):
        begin(f"{number:04}", "before", group="all", side="rerun")
    expected = [f"{number:04}" for number in range(1, count + 1)]
    assert [row.id for row in last_command(log)] == expected
    assert [row.id for row in unfinished(log, ResumeRequest(), lambda _group: False)] == expected
    assert FailedCases(log, None).of("before", "d", None) == ("m", frozenset())
    assert FailedCases(log, None).of("before", "other", None) is None
    assert FailedCases(log, None).of("before", "d", "other") is None
    assert FailedCases(log, "0000").of("p", "d", None) is None
    log.close()
