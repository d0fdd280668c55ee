"""Takes in the log of another machine: what is new by its id, once, however often it is merged."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, cast

from promptctl.errors import LogError, LogFailure
from promptctl.log.encoding import from_document
from promptctl.log.evidence import Merged, Note
from promptctl.log.filter import Filter
from promptctl.log.records import Content, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.results import EvaluationRow, ResultRow
from promptctl.log.sqlite import chain
from promptctl.log.sqlite.batch import Batch, last_link
from promptctl.log.sqlite.database import Database, translated
from promptctl.log.sqlite.evaluations import begin, evaluations, results
from promptctl.log.sqlite.opening import FILE_MODE, connect, identity_of
from promptctl.log.sqlite.queries import executions
from promptctl.log.sqlite.schema import migrate
from promptctl.log.stamps import new_id

_BATCH = 2_000


def merge(database: Database, redactor: Redactor, file: Path, note: Note, *, is_dry_run: bool) -> Merged:
    """Add the records of a log that this one does not have; the file itself is only read.

    They come in batches, each one transaction: a merge that is stopped is finished by doing it again. Rows that were
    pruned or erased here do not come back. Raises `LogError` for a file that is not a sound log of this version of the
    program or an older one.
    """
    with _copy(database, file) as source:
        gone, known = _ids(database)
        theirs = [row[0] for row in source.execute("SELECT id FROM executions")]
        new = {id_ for id_ in theirs if id_ not in known and id_ not in gone}
        kept = _ids_of_results(database)
        rows = evaluations(source, {}, None)
        begun = [row for row in rows if (row.id,) not in kept]
        graded = [each for row in rows for each in results(source, row.id, ()) if _key(each) not in kept]
        latest = [each for each in _latest_calls(source) if each.id not in gone and each.id not in known]
        head = last_link(source)[1].hex()
        merged = Merged(
            file=str(file),
            head=head if head.strip("0") else None,
            rows=len(new),
            known=sum(id_ in known for id_ in theirs),
            kept_out=sum(id_ in gone for id_ in theirs),
            evaluations=len(begun),
            results=len(graded),
        )
        if is_dry_run:
            return merged
        _add(database, redactor, begun, latest)
        entries = (_entry(each) for each in executions(source, Filter(), with_content=True) if each.id in new)
        while some := list(islice(entries, _BATCH)):
            database.write(Batch(some, (), redactor).write)
        graded_left: Iterator[ResultRow] = iter(graded)
        while more := list(islice(graded_left, _BATCH)):
            database.write(Batch((), more, redactor).write)
        if merged.rows or merged.evaluations or merged.results:
            detail = asdict(merged) | {"file": file.name}
            database.write(lambda connection: chain.add_event(connection, "merge", note, detail))
    return merged


@contextmanager
def _copy(database: Database, file: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of the log, brought up to date, for as long as it is read."""
    identity = identity_of(file)
    if identity is None or not file.is_file():
        raise LogError(f"there is no log {file}", hint="name a file that promptctl log backup made, or a log.db")
    if identity == identity_of(database.path):
        raise LogError(f"{file} is this log itself", hint="name the log of another machine or workspace")
    database.path.parent.mkdir(parents=True, exist_ok=True)
    draft = database.path.with_name(f"{database.path.name}.{new_id()}.new")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    try:
        with closing(connect(draft, database.busy_timeout_s)) as copy:
            try:
                with translated(file), closing(_opened(file, database.busy_timeout_s)) as theirs:
                    theirs.backup(copy)
                with translated(file):
                    if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                        raise LogFailure(f"the log {file} is damaged", reason="corrupt")
                    if copy.execute("PRAGMA user_version").fetchone()[0] == 0:
                        raise LogError(f"{file} is not a log", hint="name a log.db, or a copy by promptctl log backup")
                    migrate(copy, file)
            except LogFailure as failure:
                hint = failure.hint if failure.reason in ("newer", "foreign") else "merge a backup of it instead"
                raise LogError(f"{failure.message}: nothing was merged", hint=hint) from failure
            yield copy
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _opened(file: Path, timeout_s: float) -> sqlite3.Connection:
    """Connect to read; in a folder that cannot be written SQLite asks for the promise that nobody changes the file."""
    is_written = Path(f"{file}-wal").exists()
    return connect(file, timeout_s, "mode=ro" if is_written else "mode=ro&immutable=1")


def _ids(database: Database) -> tuple[set[str], set[str]]:
    """Return the ids of rows that were deleted here, and of those that are here."""
    with database.reading() as connection:
        gone = {row[0] for row in connection.execute("SELECT id FROM gone")}
        return gone, {row[0] for row in connection.execute("SELECT id FROM executions")}


def _ids_of_results(database: Database) -> set[tuple[Any, ...]]:
    with database.reading() as connection:
        keys: set[tuple[Any, ...]] = set(connection.execute("SELECT id FROM evaluations"))
        return keys | set(connection.execute("SELECT evaluation_id, case_id, repeat FROM results"))


def _key(result: ResultRow) -> tuple[str, str, int]:
    return result.evaluation_id, result.case_id, result.repeat


def _latest_calls(source: sqlite3.Connection) -> list[Execution]:
    return [from_document(json.loads(row[0])) for row in source.execute("SELECT execution FROM latest_calls")]


def _entry(execution: Execution) -> Entry:
    """Return the row as it was kept there: pruned contents stay pruned."""
    return Entry(execution, cast("Content", execution.kept_content or "metadata"))


def _add(database: Database, redactor: Redactor, begun: Sequence[EvaluationRow], latest: Iterable[Execution]) -> None:
    """Add evaluations, and latest calls that are later than those here: before their rows, which have less of them."""
    calls = Batch([Entry(each, "off") for each in latest], (), redactor)

    def write(connection: sqlite3.Connection) -> None:
        begin(connection, begun, redactor)
        calls.keep_latest(connection)

    database.write(write)
