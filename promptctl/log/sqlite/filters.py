"""Filters as SQL conditions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from promptctl.log.filter import Filter, is_glob
from promptctl.log.sqlite.payloads import text_of

Condition = tuple[str, list[Any]]
"""SQL that begins with WHERE, or is empty, and its parameters."""

_COLUMNS = ("digest", "label", "user", "session", "evaluation_id", "call_id", "arm")
_OF_STATS = frozenset({"prompt", "prompts", "renames", "hashes", "version", "digest", "source", "live_at", "limit"})
_LIVE = "(prompt, digest) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
_CONTENTS = ("inputs_hash", "messages_hash", "reply_hash", "tool_calls_hash")
# What is not there costs no look into `payloads` and no call of a function.
_SEARCH = " OR ".join(
    ["error_message IS NOT NULL AND has_text(error_message, ?)"]
    + [f"{each} IS NOT NULL AND has_text((SELECT content FROM payloads WHERE hash = {each}), ?)" for each in _CONTENTS]  # noqa: S608
)


_BEFORE = """(started_at, executions.rowid) < (
  SELECT mark.started_at, mark.rowid FROM executions AS mark WHERE mark.id = ?
)"""


def where(conditions: Mapping[str, Any]) -> Condition:
    """Join conditions, each with its value: one of None is left out, that of a list has a mark for each item."""
    given = {sql: value for sql, value in conditions.items() if value is not None}
    parameters = [each for value in given.values() for each in (value if isinstance(value, list) else [value])]
    return ("WHERE " + " AND ".join(given) if given else ""), parameters


def matching(column: str, wanted: str | None) -> dict[str, Any]:
    """Return the condition that a column is a name or, for a glob, matches it."""
    if wanted is None:
        return {}
    # SQLite spells the negation of a set differently
    return {f"{column} GLOB ?": wanted.replace("[!", "[^")} if is_glob(wanted) else {f"{column} = ?": wanted}


def rows_where(wanted: Filter) -> Condition:
    """Return the filter's condition on `executions`."""
    # the second half is what lets SQLite use the small index of all that is not ok
    status = "status = ?" if wanted.status == "ok" else "status = ? AND status <> 'ok'"
    return where(
        {
            **prompts(wanted),
            "version = ? AND is_dirty = 0": wanted.version,
            **matching("model", wanted.model),
            **_experiments(wanted.experiment),
            status: wanted.status,
            "error_type = ? AND status <> 'ok'": wanted.error_type,
            "started_at >= ?": wanted.since,
            "started_at < ?": wanted.until,
            _BEFORE: wanted.before,
            **_sources(wanted),
            **_feedback(wanted.feedback),
            _LIVE: None if wanted.live is None else json.dumps(wanted.live),
            f"({_SEARCH})": None if wanted.search is None else [wanted.search] * (1 + len(_CONTENTS)),
            **_equal(wanted, _COLUMNS),
        }
    )


def stats_where(wanted: Filter) -> Condition | None:
    """Return the filter's condition on `prompt_stats`; None if that table cannot answer it."""
    if wanted.given - _OF_STATS:
        return None
    return _sums_where(wanted, "version", "digest")


def of_stats(wanted: Filter) -> Filter:
    """Return the part of the filter that `prompt_stats` can answer."""
    beyond: dict[str, Any] = dict.fromkeys(wanted.given - _OF_STATS)
    return replace(wanted, **beyond)


def unlisted_where(wanted: Filter) -> Condition:
    """Return the condition on `prompt_stats` of groups whose calls without a row the filter may mean."""
    return _sums_where(wanted, "version", "digest", also={"last_at >= ?": wanted.since, "first_at < ?": wanted.until})


def rollup_where(wanted: Filter, moment: str | None, first: str | None, last: str | None) -> Condition:
    """Return the filter's condition on a table of rollups, of whole steps of the column `moment` from first to last."""
    also = {**matching("model", wanted.model), f"{moment} >= ?": first, f"{moment} < ?": last}
    return _sums_where(wanted, "version", "label", "user", also=also)


def _sums_where(wanted: Filter, *columns: str, also: Mapping[str, Any] | None = None) -> Condition:
    """Return the filter's condition on a table of sums that has these columns."""
    return where({**prompts(wanted), **_equal(wanted, columns), **(also or {}), **_sources(wanted)})


def _equal(wanted: Filter, columns: Iterable[str]) -> dict[str, Any]:
    """Return the conditions on columns; a user and a session may be there by their hashes too."""
    found: dict[str, Any] = {}
    for column in columns:
        value = getattr(wanted, column)
        hashed = wanted.hashes.get(value) if column in ("user", "session") else None
        found |= {f"{column} = ?": value} if hashed is None else {f"{column} IN (?, ?)": [value, hashed]}
    return found


def add_search(connection: sqlite3.Connection) -> None:
    """Let the connection answer the filter's `search`."""
    connection.create_function("has_text", 2, _has_text, deterministic=True)


def _has_text(content: str | bytes | None, wanted: str) -> bool:
    """Return True if a content has the text, in any case; within JSON it may be written with escapes."""
    text = (text_of(content) or "").casefold()
    return any(each in text for each in _spellings(wanted))


@lru_cache(maxsize=1)
def _spellings(wanted: str) -> set[str]:
    return {wanted.casefold(), json.dumps(wanted, ensure_ascii=False)[1:-1].casefold()}


def _feedback(condition: str | None) -> dict[str, Any]:
    if condition is None:
        return {}
    from promptctl.log.feedback import parse_condition

    name, comparison, score = parse_condition(condition)
    if comparison is None:
        return {"call_id IN (SELECT call_id FROM feedback WHERE name = ?)": name}
    scores = f"SELECT call_id FROM feedback_scores WHERE score {comparison} ?"  # noqa: S608 - one of ours
    return {f"call_id IN ({scores} AND name = ?)": [score, name]} if name else {f"call_id IN ({scores})": score}


def _experiments(wanted: str | None) -> dict[str, Any]:
    # of a glob alone SQLite does not conclude that the index of the calls with an experiment is enough
    return {f"{sql} AND experiment > ''": value for sql, value in matching("experiment", wanted).items()}


def _sources(wanted: Filter) -> dict[str, Any]:
    return {"source <> ?": "eval"} if wanted.source == "app" else {"source = ?": wanted.source}


def prompts(wanted: Filter) -> dict[str, Any]:
    """Return the conditions on the prompt's id, or one of its earlier ids."""
    several = [_prompt(wanted, pattern) for pattern in wanted.prompts]
    either = " OR ".join(sql for sql, _ in several)
    return {
        **dict([_prompt(wanted, wanted.prompt)] if wanted.prompt is not None else []),
        **({f"({either})": [value for _, values in several for value in values]} if several else {}),
    }


def _prompt(wanted: Filter, pattern: str) -> tuple[str, list[Any]]:
    [(current, name)] = matching("prompt", pattern).items()
    earlier = wanted.earlier_ids(pattern)
    if not earlier:
        return current, [name]
    return f"({current} OR prompt IN ({', '.join('?' * len(earlier))}))", [name, *earlier]
