"""Refuses a log of elsewhere that holds what no promptctl writes, before anything of it is taken in."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from promptctl.errors import LogError, printable
from promptctl.log.feedback import Feedback, fault_of
from promptctl.log.results import EvaluationRow, ResultRow
from promptctl.log.sqlite.payloads import text_of
from promptctl.log.sqlite.schema import schema_sql
from promptctl.log.stamps import is_stored, utc_text

_HINT = "somebody else wrote it: ask where the file comes from"
_TABLES = ("evaluations", "events", "executions", "feedback", "gone", "latest_calls", "payloads", "results")
_DDL = f"SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name IN {_TABLES}"  # noqa: S608 - our own
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


def check_tables(copy: sqlite3.Connection, file: Path) -> None:
    """Raise `LogError` unless the tables are those that promptctl makes: what they hold has then sound types."""
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(schema_sql())
        if dict(ours.execute(_DDL)) != dict(copy.execute(_DDL)):
            raise LogError(f"the log {file} has tables that promptctl did not make: nothing was merged", hint=_HINT)


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
