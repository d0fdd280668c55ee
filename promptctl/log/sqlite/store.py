"""The log in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from promptctl.errors import LogError, LogFailure
from promptctl.log.records import Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.batch import Batch
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.opening import show_at
from promptctl.log.sqlite.unsaved import Unsaved

if TYPE_CHECKING:
    from promptctl.log.budgets import Admission, BudgetEvent, Reservation
    from promptctl.log.results import EvaluationRow, ResultRow
    from promptctl.log.sqlite.forks import ConnectionUse
    from promptctl.log.store import LogWarning, Store
else:
    Store = object

T = TypeVar("T")
_Work = Callable[[Any], Any]


def _method(do: Callable[[SqliteStore, _Work], Any], module: str, name: str) -> Any:
    """Return a method whose work is a function of a module beside this one, which is loaded when it is first called."""

    def method(store: SqliteStore, *given: Any, **named: Any) -> Any:
        function = getattr(import_module(f"promptctl.log.sqlite.{module}"), name)
        return do(store, lambda connection: function(connection, *given, **named))

    return method


class SqliteStore(Store):
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
        self.database = Database(path, busy_timeout_s, self.redactor, on_opened=self._after_opening)
        self._link = link

    @property
    def is_new(self) -> bool:
        return not self.path.exists() and not self.unsaved.files()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read everything as of one moment, however many queries that takes."""
        with self._use() as use:
            return work(use.connection)

    def _stream(self, work: Callable[[sqlite3.Connection], Generator[T, None, None]]) -> Iterator[T]:
        """Yield rows as they are read, as of one moment. In a forked child they raise `LogFailure`."""
        with self._use() as use:
            yield from use.stream(work(use.connection))

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Write in one transaction."""
        return self.database.write(work)

    def _look_after(self, work: Callable[[Database], T]) -> T:
        """Do something with the whole file, once it has what waits for it."""
        self._take_in_before_reading()
        return work(self.database)

    def _take_out(self, work: Callable[[Database], T]) -> T:
        """Delete something from the file, once it has what waits for it, or that would come back."""
        self._take_in_unsaved()
        return work(self.database)

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

    executions = _method(_stream, "queries", "executions")
    page = _method(_read, "queries", "page")

    def execution(self, wanted: str, *, with_feedback: bool = True) -> Execution:
        from promptctl.log.sqlite.queries import execution

        try:
            return self._read(lambda connection: execution(connection, wanted, with_feedback=with_feedback))
        except LogError as error:
            if (error.hint or "").startswith("see the ids") and (waiting := self.unsaved.files()):
                error.hint = (
                    f"its record may be one of those that wait in {waiting[0].parent} for the log to be writable"
                )
            raise

    attempts = _method(_read, "queries", "attempts")
    messages = _method(_stream, "queries", "messages")
    latest_call = _method(_read, "queries", "latest_call")

    search = _method(_look_after, "search_index", "search")
    totals = _method(_read, "totals", "totals")
    without_row = _method(_read, "totals", "without_row")
    call_cells = _method(_read, "call_cells", "call_cells")
    correct_costs = _method(_look_after, "maintenance", "correct")
    add_feedback = _method(_look_after, "feedback", "give")
    outcomes = _method(_stream, "arm_calls", "arm_calls")
    calls_by_key = _method(_read, "arm_calls", "calls_by_key")

    def begin_evaluation(self, *evaluations: EvaluationRow) -> None:
        from promptctl.log.sqlite.evaluations import begin

        self.database.write(lambda connection: begin(connection, evaluations, self.redactor))

    update_evaluation = _method(_write, "evaluations", "update")
    delete_evaluation = _method(_write, "evaluations", "delete")
    evaluations = _method(_read, "evaluations", "evaluations")
    evaluation = _method(_read, "evaluations", "evaluation")
    results = _method(_stream, "evaluations", "results")

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

    settle = _method(_write, "budgets", "settle")
    budget_accounts = _method(_read, "budget_accounts", "accounts")
    budget_events = _method(_read, "budgets", "events")

    def enable_budget(self, budget: str, reason: str, key: str | None = None) -> list[BudgetEvent]:
        from promptctl.log.sqlite.budgets import enable, with_plain_names

        reason = self.redactor.redact(reason)
        found = self.database.write(lambda connection: enable(connection, budget, reason, key))
        return self._read(lambda connection: with_plain_names(connection, found))

    def claim_webhook(self, now: str, until: str) -> BudgetEvent | None:
        from promptctl.log.sqlite.budgets import claim_webhook, with_plain_names

        found = self.database.write(lambda connection: claim_webhook(connection, now, until))
        return self._read(lambda connection: with_plain_names(connection, found))[0] if found else None

    mark_webhook = _method(_write, "budgets", "mark_webhook")

    prune = _method(_take_out, "maintenance", "prune")
    vacuum = _method(_look_after, "maintenance", "vacuum")
    verify = _method(_look_after, "verifying", "verify")
    redact = _method(_take_out, "erasing", "redact")
    merge = _method(_look_after, "merging", "merge")
    events = _method(_read, "chain", "events")
    back_up = _method(_look_after, "maintenance", "back_up")

    def close(self) -> None:
        """Close the connection. The last process to do so merges SQLite's side file, so that one file holds it all."""
        self.database.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

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
