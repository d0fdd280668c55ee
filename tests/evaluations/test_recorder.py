from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.errors import LogError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.recorder import BatchRecorder
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.log.records import Entry
from promptctl.log.results import EvaluationRow, ResultRow
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.store import LogWarning
from promptctl.workspace import Workspace
from tests.evaluation_lab import Lab, answering, slowly
from tests.log.conftest import make
from tests.openai_server import failure

ROW = EvaluationRow(id="e", started_at="2026-05-03T09:30:00.000Z", prompt="p", digest="1:d", model="m")


def result(number: int) -> ResultRow:
    return ResultRow(evaluation_id="e", case_id=f"c{number}", status="passed", position=number)


def database_of(workspace: Workspace) -> Database:
    assert isinstance(workspace.context.log, SqliteStore)
    return workspace.context.log.database


class TestBatches:
    def test_a_result_is_on_disk_when_finish_returns(self, tmp_path: Path) -> None:
        async def scene() -> None:
            with SqliteStore(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                async with BatchRecorder(log, "full", lambda warning: pytest.fail(str(warning))) as recorder:
                    await recorder.finish(result(0))
                    with closing(sqlite3.connect(tmp_path / "log.db")) as other, other:
                        assert other.execute("SELECT case_id FROM results").fetchall() == [("c0",)]
                    other.close()

        asyncio.run(scene())

    @pytest.mark.parametrize("is_quick", [True, False])
    def test_what_gathers_goes_into_one_batch(self, tmp_path: Path, is_quick: bool) -> None:
        written = 0

        class Counted(SqliteStore):
            def append(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> LogWarning | None:
                nonlocal written
                written += 1
                return super().append(entries, results)

            def append_at_once(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> bool:
                nonlocal written
                is_written = is_quick and super().append_at_once(entries, results)
                written += is_written
                return is_written

        async def scene() -> None:
            with Counted(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                async with BatchRecorder(log, "full", lambda warning: pytest.fail(str(warning))) as recorder:
                    await asyncio.gather(*(recorder.finish(result(number)) for number in range(100)))
                assert written <= 3  # and one to begin it
                assert len(list(log.results("e"))) == 100

        asyncio.run(scene())

    def test_a_lock_that_somebody_holds_does_not_hold_up_the_loop(self, tmp_path: Path) -> None:
        async def scene() -> None:
            with SqliteStore(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                async with BatchRecorder(log, "full", lambda warning: pytest.fail(str(warning))) as recorder:
                    finishing = asyncio.create_task(recorder.finish(result(0)))
                    for _ in range(20):
                        await asyncio.sleep(0.01)
                    assert not finishing.done()
                    other.execute("ROLLBACK")
                    await finishing
                other.close()
                assert len(list(log.results("e"))) == 1

        asyncio.run(scene())

    def test_one_that_gave_up_waiting_takes_nothing_from_the_others(self, tmp_path: Path) -> None:
        async def scene() -> None:
            with SqliteStore(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                async with BatchRecorder(log, "full", lambda warning: pytest.fail(str(warning))) as recorder:
                    tasks = [asyncio.create_task(recorder.finish(result(number))) for number in range(3)]
                    await asyncio.sleep(0)
                    tasks[0].cancel()
                    await asyncio.gather(*tasks[1:])
                assert len(list(log.results("e"))) == 3

        asyncio.run(scene())

    def test_what_goes_wrong_in_writing_is_raised(self, tmp_path: Path) -> None:
        async def scene() -> None:
            with SqliteStore(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                async with BatchRecorder(log, "full", lambda warning: pytest.fail(str(warning))) as recorder:
                    with pytest.raises(AttributeError):
                        await recorder.finish("no result")  # type: ignore[arg-type]
                    await recorder.finish(result(0))
                assert len(list(log.results("e"))) == 1

        asyncio.run(scene())

    def test_a_batch_that_fails_leaves_nobody_waiting(self, tmp_path: Path) -> None:
        """An attempt that nobody waits for fails while a case waits for the batch after it."""

        class Slow(SqliteStore):
            def append_at_once(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> bool:
                return False

        class Failing(BatchRecorder):
            def _write(self, entries: list, rows: list) -> None:  # type: ignore[type-arg]
                if entries:
                    time.sleep(0.05)
                    raise MemoryError
                super()._write(entries, rows)

        async def scene() -> None:
            with Slow(tmp_path / "log.db") as log:
                log.begin_evaluation(ROW)
                recorder = Failing(log, "full", lambda warning: pytest.fail(str(warning)))
                await recorder.save(make(), None)
                await asyncio.sleep(0.01)
                await asyncio.wait_for(recorder.finish(result(0)), 5)
                with pytest.raises(MemoryError):
                    await recorder.finish(result(1))
                await recorder.close()
                assert len(list(log.results("e"))) == 1

        asyncio.run(scene())


class TestALogThatTakesNothing:
    """Whatever the log does, the evaluation can be resumed and says what happened."""

    def evaluate(self, workspace: Workspace, lab: Lab, after: int, break_it: object) -> Evaluation:
        """Evaluate, with something happening to the log after so many results."""

        def happens(_: object, progress: object) -> None:
            if progress.done == after:  # type: ignore[attr-defined]
                break_it()  # type: ignore[operator]

        request = EvaluationRequest(refs=("triage",), limits=Limits(concurrency=2), replies="ask")
        (found,) = workspace.evaluate(request, happens)
        return found

    def test_nothing_is_spent_where_it_cannot_even_be_begun(self, lab: Lab) -> None:
        lab.many(5)
        (lab.root / ".promptctl").mkdir()
        (lab.root / ".promptctl/log.db").mkdir()
        with pytest.raises(LogError):
            lab.evaluate()
        assert lab.asked == []

    def test_a_full_disk_stops_it_and_keeps_what_was_answered(self, lab: Lab) -> None:
        lab.many(40)
        with lab.open() as workspace:

            def fill() -> None:
                database_of(workspace).write(lambda connection: connection.execute("PRAGMA max_page_count = 1"))

            found = self.evaluate(workspace, lab, 3, fill)
        asked = len(lab.asked)
        assert (found.verdict, found.stopped) == ("incomplete", "log")
        assert asked < 40
        assert len([warning for warning in lab.warnings if "disk is full" in warning]) >= 1
        whole = lab.resume(found)
        assert (whole.verdict, whole.stopped, whole.summary.counts.passed) == ("passed", None, 40)
        assert len(lab.asked) == 40, "what waited in files was not asked for again"

    def test_a_lock_that_is_let_go_again_costs_nothing(self, lab: Lab) -> None:
        lab.many(12)
        lab.server.default = slowly(0.15)
        with lab.open() as workspace:
            database = database_of(workspace)
            database.busy_timeout_s = database.patience_s = 0.1
            holder = sqlite3.connect(lab.root / ".promptctl/log.db", isolation_level=None, check_same_thread=False)

            def hold() -> None:
                holder.execute("BEGIN IMMEDIATE")
                let_go_once_told()

            def let_go_once_told() -> None:
                if lab.warnings:
                    holder.execute("COMMIT")
                else:
                    asyncio.get_running_loop().call_later(0.05, let_go_once_told)

            found = self.evaluate(workspace, lab, 3, hold)
            holder.close()
        assert (found.verdict, found.summary.counts.passed) == ("passed", 12)
        assert len(lab.asked) == 12
        assert len(lab.warnings) == 1, "a failure is told once, however many batches it meets"

    def test_a_lock_that_is_never_let_go_leaves_it_to_be_resumed(self, lab: Lab) -> None:
        lab.many(6)
        with lab.open() as workspace:
            database = database_of(workspace)
            database.busy_timeout_s = database.patience_s = 0.1
            holder = sqlite3.connect(lab.root / ".promptctl/log.db", isolation_level=None, check_same_thread=False)
            found = self.evaluate(workspace, lab, 2, lambda: holder.execute("BEGIN EXCLUSIVE"))
        assert (found.verdict, found.stopped) == ("incomplete", "log")
        assert "resumed once the log can be written" in lab.warnings[-1]
        holder.execute("ROLLBACK")
        holder.close()
        assert lab.resume(found).summary.counts.passed == 6
        assert len(lab.asked) == 6

    def test_a_log_that_is_damaged_meanwhile_is_begun_anew(self, lab: Lab) -> None:
        lab.many(12)
        with lab.open() as workspace:

            def damage() -> None:
                workspace.context.log.close()
                (lab.root / ".promptctl/log.db").write_bytes(b"no database at all, but long enough" * 100)

            found = self.evaluate(workspace, lab, 4, damage)
        assert found.verdict == "incomplete"
        assert any("was damaged" in warning for warning in lab.warnings)
        assert lab.resume(found).summary.counts.passed == 12


class TestResuming:
    def test_only_what_has_no_result_is_asked_and_errors_are_asked_again(self, lab: Lab) -> None:
        lab.many(10)
        lab.server.default = answering({"c2": failure(400), "c5": "wrong"})
        first = lab.one()
        assert first.summary.counts.errors == 1
        lab.server.requests.clear()
        lab.server.default = answering({})
        again = lab.resume(first)
        assert lab.asked == ["c2"]
        assert (again.row.id, again.summary.counts.passed, again.summary.counts.failed) == (first.row.id, 9, 1)
        assert len(lab.rows(again)) == 10

    def test_what_changed_meanwhile_is_not_mixed_with_what_was(self, lab: Lab) -> None:
        lab.many(4)
        first = lab.one(limits=Limits(concurrency=1, fails_fast=True))
        lab.many(5)
        with pytest.raises(Exception, match=r"datasets/triage.yaml has changed since evaluation"):
            lab.resume(first)
        lab.many(4)
        text = (lab.root / "prompts/triage.prompt.yaml").read_text()
        lab.write("prompts/triage.prompt.yaml", text.replace("{{ ticket }}", "Hi: {{ ticket }}"))
        with pytest.raises(Exception, match="triage has changed since evaluation"):
            lab.resume(first)

    def test_it_goes_on_as_it_was_begun(self, lab: Lab) -> None:
        lab.many(6)
        lab.server.default = answering({"c3": failure(400)})
        first = lab.one(replies="ask", parameters={"temperature": 0.5}, judge="local/judge")
        lab.server.default = answering({})
        lab.resume(first)
        assert lab.server.requests[-1].body["temperature"] == 0.5
        assert not (lab.root / ".promptctl/cache.db").exists()

        lab.server.default = answering({"c3": failure(400)})
        first = lab.one(replies="record")
        lab.server.default = answering({})
        lab.resume(first)
        recorded = (lab.root / "datasets/recordings/triage.jsonl").read_text()
        assert len(recorded.splitlines()) == 6
