"""Takes in the log of another machine: what is new by its id, once, however often it is merged.

A log of elsewhere that holds what no promptctl writes is refused before anything of it is taken in.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

from promptctl.counting import counting
from promptctl.errors import LogError, LogFailure, printable
from promptctl.log.encoding import from_document
from promptctl.log.evidence import Merged, Note
from promptctl.log.feedback import Feedback, fault_of
from promptctl.log.records import Content, Entry, Execution
from promptctl.log.results import EvaluationRow, ResultRow
from promptctl.log.sqlite import chain
from promptctl.log.sqlite.batch import Batch, last_link
from promptctl.log.sqlite.database import Database, translated
from promptctl.log.sqlite.evaluations import begin, evaluations, finish, results
from promptctl.log.sqlite.feedback import add, new_in, redacted
from promptctl.log.sqlite.opening import connect, draft_of, identity_of
from promptctl.log.sqlite.payloads import text_of
from promptctl.log.sqlite.queries import executions
from promptctl.log.sqlite.schema import empty_log, migrate, refuse_foreign, schema_version
from promptctl.log.stamps import is_stored, utc_text

T = TypeVar("T")
_BATCH = 2_000
_HINT = "somebody else wrote it: ask where the file comes from"
_TABLES = ("evaluations", "events", "executions", "feedback", "gone", "latest_calls", "payloads", "results")
_DDL = f"SELECT name, sql FROM main.sqlite_schema WHERE name IN {_TABLES} OR type = 'trigger'"  # noqa: S608 - our own
_HEX = "[0-9a-f]"
_ID = f"{_HEX * 8}-{_HEX * 4}-7{_HEX * 3}-[89ab]{_HEX * 3}-{_HEX * 12}"
_MOST = "BETWEEN -1e15 AND 1e15"  # sums of more would not end in a number
_IS_NAME = "{0} IS NULL OR {0} GLOB '[a-z]*' AND {0} NOT GLOB '*[^a-z0-9._-]*'"
_IS_OBJECT = "iif(json_valid({0}), json_type({0}), '') = 'object'"
_NUMBERS = (
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost_nano_usd", "latency_ms", "first_token_ms"),
)
_SOUND = {
    "its id is none of promptctl's": f"id GLOB '{_ID}' AND call_id GLOB '{_ID}'",
    "it began at no time": "started_at > '0001' AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '0 days') = started_at",
    "its source is none": "source IN ('run', 'api', 'eval')",
    "its attempt is none": "attempt BETWEEN 1 AND 1e9",
    "its experiment or arm has no name": " AND ".join(f"({_IS_NAME.format(each)})" for each in ("experiment", "arm")),
    "a number is none": " AND ".join(f"ifnull({each}, 0) {_MOST}" for each in _NUMBERS),
    "its parameters or metadata are no JSON object": " AND ".join(
        f"({_IS_OBJECT.format(each)})" for each in ("parameters", "metadata", "ifnull(usage_details, '{}')")
    ),
}
_WHY = " ".join(
    f"WHEN ({sound}) IS NOT TRUE THEN '{why.replace(chr(39), chr(39) * 2)}'" for why, sound in _SOUND.items()
)
_ROWS = f"SELECT id, CASE {_WHY} END AS why FROM executions WHERE why IS NOT NULL LIMIT 1"  # noqa: S608 - our own names
_CONTENTS = """
SELECT id, payloads.content, hash IS inputs_hash, hash IS messages_hash OR hash IS tool_calls_hash
FROM executions JOIN payloads ON hash IN (inputs_hash, messages_hash, reply_hash, tool_calls_hash)
"""


def merge(database: Database, file: Path, note: Note, *, is_dry_run: bool = False) -> Merged:
    """Add the records of a log that this one does not have, in their order; the file itself is only read.

    They come in batches, each one transaction: a merge that is stopped is finished by doing it again. Rows that were
    pruned or erased here do not come back. Raises `LogError` for a file that is not a sound log of this version of the
    program or an older one.
    """
    with _copy(database, file) as source:
        gone, known = _ids(database)
        theirs = [row[0] for row in source.execute("SELECT id FROM executions")]
        new = {id_ for id_ in theirs if id_ not in known and id_ not in gone}
        here, kept = _evaluated(database)
        with reading(file):
            rows = [row for row in reversed(evaluations(source)) if row.id not in gone]
            graded = [each for row in rows for each in results(source, row.id) if _is_new(each, kept)]
            latest = [each for each in _latest_calls(source) if each.id not in gone and each.id not in known]
        begun = [row for row in rows if row.id not in here]
        finished = [row for row in rows if row.id in here and (row.finished_at or "") > (here[row.id] or "")]
        with database.reading() as ours:
            feedback = new_in(source, ours, new)
        _leave_only(source, new)
        check_executions(source, file)
        check_evaluations(rows, graded, file)
        check_feedback(feedback, file)
        head = last_link(source)[1].hex()
        merged = Merged(
            file=str(file),
            head=head if head.strip("0") else None,
            rows=len(new),
            known=sum(id_ in known for id_ in theirs),
            kept_out=sum(id_ in gone for id_ in theirs),
            evaluations=len(begun) + len(finished),
            results=len(graded),
            feedback=len(feedback),
        )
        if is_dry_run:
            return merged
        redactor = database.redactor
        _add(database, begun, latest)
        entries = map(_entry, executions(source, with_content=True, is_oldest_first=True))
        with counting(f"merging {file.name}", len(new)) as count:
            for some in _batches(entries):
                database.write(Batch(some, (), redactor).write)
                count.done += len(some)
        for more in _batches(graded):
            database.write(Batch((), more, redactor).write)
        for said in _batches(redacted(each, redactor) for each in feedback):
            database.write(partial(add, given=said))
        if finished:  # after their results: a merge that is stopped leaves them running
            database.write(lambda connection: finish(connection, finished))
        if merged.rows or merged.evaluations or merged.results or merged.feedback:
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
    with draft_of(database.path) as draft, closing(connect(draft, database.busy_timeout_s)) as copy:
        try:
            reading_it = counting(f"reading {file.name}")
            with translated(file), reading_it, closing(_opened(file, database.busy_timeout_s)) as theirs:
                theirs.backup(copy)
            with translated(file):
                if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                    raise LogFailure(f"the log {file} is damaged", reason="corrupt")
                if (version := schema_version(copy)) == 0:
                    raise LogError(f"{file} is not a log", hint="name a log.db, or a copy by promptctl log backup")
                refuse_foreign(copy, file, version)
                check_tables(copy, file, version)
                migrate(copy, file)
        except LogFailure as failure:
            hint = failure.hint if failure.reason in ("newer", "foreign") else "merge a backup of it instead"
            raise LogError(f"{failure.message}: nothing was merged", hint=hint) from failure
        yield copy


def _opened(file: Path, timeout_s: float) -> sqlite3.Connection:
    """Connect to read; in a folder that cannot be written SQLite asks for the promise that nobody changes the file."""
    is_written = Path(f"{file}-wal").exists()
    return connect(file, timeout_s, "mode=ro" if is_written else "mode=ro&immutable=1")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Return the items in lists, each for a transaction."""
    left = iter(items)
    return iter(lambda: list(islice(left, _BATCH)), [])


def _ids(database: Database) -> tuple[set[str], set[str]]:
    """Return the ids of what was deleted here, and of the executions that are here."""
    with database.reading() as connection:
        gone = {row[0] for row in connection.execute("SELECT id FROM gone UNION ALL SELECT id FROM kept_out")}
        return gone, {row[0] for row in connection.execute("SELECT id FROM executions")}


def _leave_only(source: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Hide the other executions from those who read the copy: their contents are not worth reading."""
    source.execute("CREATE TEMP TABLE wanted (id TEXT PRIMARY KEY)")
    source.executemany("INSERT INTO temp.wanted VALUES (?)", ((id_,) for id_ in ids))
    shown = "SELECT rowid, * FROM main.executions WHERE id IN (SELECT id FROM temp.wanted)"
    source.execute(f"CREATE TEMP VIEW executions AS {shown}")


def _evaluated(database: Database) -> tuple[dict[str, str | None], set[tuple[Any, ...]]]:
    """Return when each evaluation here was finished, and the keys of results, with 1 for those that are errors."""
    with database.reading() as connection:
        here = dict(connection.execute("SELECT id, finished_at FROM evaluations"))
        keys = connection.execute("SELECT evaluation_id, case_id, repeat, status = 'error' FROM results")
        return here, set(keys)


def _is_new(result: ResultRow, kept: set[tuple[Any, ...]]) -> bool:
    """Return True for a result that is not here, or only as an error."""
    key = result.evaluation_id, result.case_id, result.repeat
    return (*key, 0) not in kept and (result.status != "error" or (*key, 1) not in kept)


def _latest_calls(source: sqlite3.Connection) -> list[Execution]:
    return [from_document(json.loads(row[0])) for row in source.execute("SELECT execution FROM latest_calls")]


def _entry(execution: Execution) -> Entry:
    """Return the row as it was kept there: pruned contents stay pruned."""
    return Entry(execution, cast("Content", execution.kept_content or "metadata"))


def _add(database: Database, begun: Sequence[EvaluationRow], latest: Iterable[Execution]) -> None:
    """Add evaluations, and latest calls that are later than those here: before their rows, which have less of them."""
    calls = Batch([Entry(each, "off") for each in latest], (), database.redactor)

    def write(connection: sqlite3.Connection) -> None:
        begin(connection, begun, database.redactor)
        calls.keep_latest(connection)

    database.write(write)


def check_tables(copy: sqlite3.Connection, file: Path, version: int) -> None:
    """Raise `LogError` unless tables and triggers are those that promptctl makes in a log of this schema's version.

    What they hold has then sound types, and nothing of the file's own runs when its rows are written to.
    """
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.deserialize(empty_log(version))
        if dict(ours.execute(_DDL)) != dict(copy.execute(_DDL)):
            raise LogError(
                f"the log {file} has tables or triggers that promptctl did not make: nothing was merged", hint=_HINT
            )


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Raise a `LogError` that names the file if what is read of it is not of its shape."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        message = f"the log {file} is not what promptctl writes ({printable(str(error))}): nothing was merged"
        raise LogError(message, hint=_HINT) from error


def check_executions(source: sqlite3.Connection, file: Path) -> None:
    """Raise `LogError` for the first of the executions that are to be merged that no promptctl wrote."""
    for id_, why in source.execute(_ROWS):
        raise _refused(file, f"execution {id_}", why)
    for id_, content, is_mapping, is_list in source.execute(_CONTENTS):
        try:
            text = text_of(content)
            data = json.loads(text or "") if is_mapping or is_list else None
        except (TypeError, ValueError, RecursionError, zlib.error):
            raise _refused(file, f"execution {id_}", "a content cannot be read") from None
        is_sound = isinstance(text, str) and (not is_mapping or isinstance(data, dict))
        if not is_sound or (is_list and not _is_of_objects(data)):
            raise _refused(file, f"execution {id_}", "a content is of another kind")


def _is_of_objects(data: object) -> bool:
    return isinstance(data, list) and all(isinstance(each, dict) for each in data)


def check_evaluations(rows: Iterable[EvaluationRow], graded: Iterable[ResultRow], file: Path) -> None:
    """Raise `LogError` for the first evaluation or result whose times are none."""
    times = [(each.id, moment) for each in rows for moment in (each.started_at, each.finished_at)]
    times += [(each.evaluation_id, each.finished_at) for each in graded]
    for id_, moment in times:
        if moment is not None and not is_stored(moment):
            raise _refused(file, f"evaluation {id_}", f"{printable(repr(moment))} is no time")


def check_feedback(given: Iterable[Feedback], file: Path) -> None:
    """Raise `LogError` for the first feedback that no promptctl wrote, or that would be the newest for days to come."""
    tomorrow = utc_text(datetime.now(UTC) + timedelta(days=1))
    for each in given:
        why = fault_of(each)
        if why is None and each.created_at > tomorrow:
            why = f"it is of {each.created_at}, which is still to come"
        if why is not None:
            raise _refused(file, f"feedback {each.id}", why)


def _refused(file: Path, what: str, why: str) -> LogError:
    message = f"{printable(what)} of the log {file} is not what promptctl writes ({why}): nothing was merged"
    return LogError(message, hint=_HINT)
