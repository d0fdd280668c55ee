"""The log in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from promptctl.errors import LogError, LogFailure
from promptctl.log.records import CostCorrection, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.batch import Batch
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.opening import show_at
from promptctl.log.sqlite.unsaved import Unsaved

if TYPE_CHECKING:
    from promptctl.log.arm_calls import ArmCall
    from promptctl.log.attempts import Attempt
    from promptctl.log.budgets import Admission, BudgetAccount, BudgetEvent, Reservation, Settlement, WebhookState
    from promptctl.log.call_cells import CallCells, ChooseStep
    from promptctl.log.call_totals import CallTotals, Dimension
    from promptctl.log.evidence import Erased, Erasure, Event, Merged, Note, Verification
    from promptctl.log.feedback import Feedback
    from promptctl.log.filter import ExecutionPage, Filter
    from promptctl.log.results import EvaluationQuery, EvaluationRow, ResultRow, ResultStatus, Totals
    from promptctl.log.retention import Pruned, Retention
    from promptctl.log.search import Searched, TextQuery
    from promptctl.log.sqlite.forks import ConnectionUse
    from promptctl.log.store import LogWarning

T = TypeVar("T")


class SqliteStore:
    """A `Store` in the file `path`; records that it does not take go to files beside it, or in `spare_folder`.

    A record survives the death of every process, but the last ones before a power failure may be lost
    (`synchronous = NORMAL`; `FULL` is some ten times slower). What `redactor` knows as secret is never written. Records
    that were kept for the log at `other_paths` are taken in too, and at `link` people find the log.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_s: float = 30.0,
        redactor: Redactor | None = None,
        spare_folder: Path | None = None,
        other_paths: Sequence[Path] = (),
        link: Path | None = None,
    ) -> None:
        self.path = path
        self.redactor = redactor or Redactor()
        self.unsaved = Unsaved(path, spare_folder, other_paths)
        self.database = Database(path, busy_timeout_s, on_opened=self._after_opening)
        self._link = link

    @property
    def is_new(self) -> bool:
        return not self.path.exists() and not self.unsaved.files()

    def append(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> LogWarning | None:
        batch = Batch(entries, results, self.redactor)
        try:
            self.database.write(batch.write)
        except LogFailure as failure:
            from promptctl.log.sqlite.recovery import recover

            return recover(self.database, self.unsaved, batch, failure)
        return None

    def append_at_once(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> bool:
        return self.database.write_at_once(Batch(entries, results, self.redactor).write)

    def executions(self, wanted: Filter | None = None, *, with_content: bool = False) -> Iterator[Execution]:
        from promptctl.log.filter import Filter
        from promptctl.log.sqlite.queries import executions

        return self._streaming(partial(executions, wanted=wanted or Filter(), with_content=with_content))

    def page(self, wanted: Filter, *, is_patient: bool = False) -> ExecutionPage:
        from promptctl.log.sqlite.queries import page

        with self._reading() as connection:
            return page(connection, wanted, is_patient=is_patient)

    def execution(self, wanted: str, *, with_feedback: bool = True) -> Execution:
        from promptctl.log.sqlite.queries import execution

        try:
            with self._reading() as connection:
                return execution(connection, wanted, with_feedback=with_feedback)
        except LogError as error:
            if (error.hint or "").startswith("see the ids") and (waiting := self.unsaved.files()):
                error.hint = (
                    f"its record may be one of those that wait in {waiting[0].parent} for the log to be writable"
                )
            raise

    def attempts(self, *wanted: Filter) -> list[Attempt]:
        from promptctl.log.sqlite.queries import attempts

        with self._reading() as connection:
            return [each for one in wanted for each in attempts(connection, one)]

    def messages(self, ids: Iterable[str]) -> Iterator[Sequence[Mapping[str, Any]] | None]:
        from promptctl.log.sqlite.queries import messages

        return self._streaming(partial(messages, ids=ids))

    def latest_call(self, prompt: str, formerly: Sequence[str] = ()) -> Execution | None:
        from promptctl.log.sqlite.queries import latest_call

        with self._reading() as connection:
            return latest_call(connection, (prompt, *formerly))

    def search(
        self, query: TextQuery, wanted: Filter | None = None, *, is_scan: bool = False, is_bounded: bool = False
    ) -> Searched:
        from promptctl.log.filter import Filter
        from promptctl.log.search import Searched
        from promptctl.log.sqlite.search_index import search

        self._take_in_before_reading()
        if self.is_new:
            return Searched(())
        return search(self.database, query, wanted or Filter(), is_scan=is_scan, is_bounded=is_bounded)

    def totals(
        self,
        wanted: Filter | None = None,
        by: Sequence[Dimension] = ("prompt", "version"),
        *,
        costs_only: bool = False,
    ) -> list[CallTotals]:
        from promptctl.log.filter import Filter
        from promptctl.log.sqlite.totals import totals

        with self._reading() as connection:
            return totals(connection, wanted or Filter(), by, costs_only=costs_only)

    def without_row(self, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool = False) -> CallTotals | None:
        from promptctl.log.sqlite.totals import without_row

        with self._reading() as connection:
            return without_row(connection, wanted, by, costs_only=costs_only)

    def call_cells(self, wanted: Filter, choose_step: ChooseStep) -> CallCells:
        from promptctl.log.sqlite.call_cells import call_cells

        with self._reading() as connection:
            return call_cells(connection, wanted, choose_step)

    def correct_costs(self, corrections: Mapping[str, CostCorrection], note: Note | None = None) -> int:
        from promptctl.log.evidence import Note
        from promptctl.log.sqlite.maintenance import correct

        return correct(self.database, corrections, note or Note())

    def add_feedback(self, given: Feedback) -> Feedback:
        from promptctl.log.sqlite.feedback import add, redacted

        safe = redacted(given, self.redactor)
        self._take_in_before_reading()
        if self.is_new or not self.database.write(lambda connection: add(connection, [safe])):
            hint = "see the ids with: promptctl log list"
            raise LogError(f"no execution `{given.execution_id}` in the log", hint=hint)
        return safe

    def outcomes(self, experiment: str, names: Sequence[str] = (), *, until: str | None = None) -> Iterator[ArmCall]:
        from promptctl.log.sqlite.arm_calls import arm_calls

        return self._streaming(partial(arm_calls, experiment=experiment, names=names, until=until))

    def begin_evaluation(self, *evaluations: EvaluationRow) -> None:
        from promptctl.log.sqlite.evaluations import begin

        self.database.write(lambda connection: begin(connection, evaluations, self.redactor))

    def update_evaluation(self, evaluation_id: str, *, status: str, totals: Totals) -> None:
        from promptctl.log.sqlite.evaluations import update

        self.database.write(lambda connection: update(connection, evaluation_id, status, totals))

    def delete_evaluation(self, evaluation_id: str) -> int:
        from promptctl.log.sqlite.evaluations import delete

        return self.database.write(lambda connection: delete(connection, evaluation_id))

    def evaluations(self, **wanted: Unpack[EvaluationQuery]) -> list[EvaluationRow]:
        from promptctl.log.sqlite.evaluations import evaluations

        with self._reading() as connection:
            return evaluations(connection, wanted)

    def evaluation(self, wanted: str) -> EvaluationRow:
        from promptctl.log.sqlite.evaluations import evaluation

        with self._reading() as connection:
            return evaluation(connection, wanted)

    def results(
        self, evaluation_id: str, *, statuses: Collection[ResultStatus] = (), first: int = 0
    ) -> Iterator[ResultRow]:
        from promptctl.log.sqlite.evaluations import results

        return self._streaming(partial(results, evaluation_id=evaluation_id, statuses=statuses, first=first))

    def reserve(self, wanted: Reservation, *, is_dry_run: bool = False) -> Admission:
        from promptctl.log.sqlite.budgets import reserve

        def work(connection: sqlite3.Connection) -> Admission:
            return reserve(connection, wanted)

        if wanted.is_alive is not None:  # what waits in files is settled before it is taken for a dead process's
            self._take_in_before_reading()
        if is_dry_run:
            return self.database.dry_run(work, "budget_*")
        try:
            return self.database.write(work)
        except LogFailure as failure:
            if failure.reason != "corrupt":
                raise
            from promptctl.log.sqlite.recovery import begin_anew

            found, warning = begin_anew(self.database, work)
            begun = self.budget_events("", limit=1) if warning else []
            return replace(found, events=(*begun, *found.events))

    def reserve_at_once(self, wanted: Reservation) -> Admission | None:
        from promptctl.log.sqlite.budgets import reserve

        found: list[Admission] = []
        is_done = self.database.write_at_once(lambda connection: found.append(reserve(connection, wanted)))
        return found[0] if is_done else None

    def settle(self, *settlements: Settlement) -> None:
        from promptctl.log.sqlite.budgets import settle

        self.database.write(lambda connection: settle(connection, settlements))

    def budget_accounts(self, budget: str | None = None, window_start: str | None = None) -> list[BudgetAccount]:
        from promptctl.log.sqlite.budget_accounts import accounts

        with self._reading() as connection:
            return accounts(connection, budget, window_start)

    def budget_events(self, budget: str | None = None, *, limit: int | None = None) -> list[BudgetEvent]:
        from promptctl.log.sqlite.budgets import events

        with self._reading() as connection:
            return events(connection, budget, limit)

    def enable_budget(self, budget: str, reason: str, key: str | None = None) -> list[BudgetEvent]:
        from promptctl.log.sqlite.budgets import enable, with_plain_names

        reason = self.redactor.redact(reason)
        found = self.database.write(lambda connection: enable(connection, budget, reason, key))
        with self._reading() as connection:
            return with_plain_names(connection, found)

    def claim_webhook(self, now: str, until: str) -> BudgetEvent | None:
        from promptctl.log.sqlite.budgets import claim_webhook, with_plain_names

        found = self.database.write(lambda connection: claim_webhook(connection, now, until))
        if not found:
            return None
        with self._reading() as connection:
            return with_plain_names(connection, found)[0]

    def mark_webhook(self, event_id: int, state: WebhookState, not_before: str) -> None:
        from promptctl.log.sqlite.budgets import mark_webhook

        self.database.write(lambda connection: mark_webhook(connection, event_id, state, not_before))

    def prune(self, retention: Retention, *, is_dry_run: bool = False, note: Note | None = None) -> Pruned:
        from promptctl.log.evidence import Note
        from promptctl.log.retention import Pruned
        from promptctl.log.sqlite.maintenance import prune
        from promptctl.log.sqlite.search_index import clear

        if self.is_new:
            return Pruned(0, 0, 0, 0, 0)
        self._take_in_unsaved()  # or their contents would outlive the pruning
        pruned = prune(self.database, retention, note or Note(), is_dry_run=is_dry_run)
        if not is_dry_run:
            clear(self.path)
        return pruned

    def vacuum(self) -> int:
        from promptctl.log.sqlite.maintenance import vacuum

        return 0 if self.is_new else vacuum(self.database)

    def verify(self, head: str | None = None) -> Verification:
        from promptctl.log.sqlite.verifying import verify

        self._take_in_before_reading()
        return verify(self.database, head)

    def redact(self, meant: Erasure, note: Note, *, is_dry_run: bool = False) -> Erased:
        from promptctl.log.evidence import Erased
        from promptctl.log.sqlite.erasing import redact
        from promptctl.log.sqlite.search_index import clear

        if self.is_new:
            return Erased()
        self._take_in_unsaved()  # or it would come back with them
        erased = redact(self.database, meant, note, is_dry_run=is_dry_run)
        if not (is_dry_run or erased.is_nothing):
            clear(self.path)
            self.vacuum()
        return erased

    def merge(self, file: Path, note: Note, *, is_dry_run: bool = False) -> Merged:
        from promptctl.log.sqlite.merging import merge

        self._take_in_before_reading()
        return merge(self.database, self.redactor, file, note, is_dry_run=is_dry_run)

    def events(self) -> list[Event]:
        from promptctl.log.sqlite.chain import events

        with self._reading() as connection:
            return events(connection)

    def back_up(self, target: Path, note: Note | None = None) -> None:
        from promptctl.log.evidence import Note
        from promptctl.log.sqlite.maintenance import back_up

        self._take_in_before_reading()
        back_up(self.database, target, note or Note())

    def close(self) -> None:
        """Close the connection. The last process to do so merges SQLite's side file, so that one file holds it all."""
        self.database.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Read everything as of one moment, however many queries that takes."""
        with self._use() as use:
            yield use.connection

    def _streaming(self, read: Callable[[sqlite3.Connection], Generator[T, None, None]]) -> Iterator[T]:
        """Yield rows as they are read, as of one moment. In a forked child they raise `LogFailure`."""
        with self._use() as use:
            yield from use.stream(read(use.connection))

    def _use(self) -> AbstractContextManager[ConnectionUse]:
        self._take_in_before_reading()
        return self.database.reading_again()

    def _after_opening(self) -> None:
        if self._link is not None and not os.path.lexists(self._link):
            show_at(self._link, self.path)
        self._take_in_unsaved()

    def _take_in_unsaved(self) -> None:
        """Take in records that were kept in files, after the first write: new records never wait for old ones."""
        if self.unsaved.files():
            from promptctl.log.sqlite.recovery import take_in

            take_in(self.database, self.unsaved, self.redactor)

    def _take_in_before_reading(self) -> None:
        if self.unsaved.files():
            self.database.reopen()  # a log that can only be read is read without them
