"""Counts calls in cells, in one walk over the rows.

SQL could group them, but would sort every row for it: dictionaries take two thirds of the time (measured on 10^6 rows).
"""

from __future__ import annotations

import os
import pickle
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from math import ceil, log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from promptctl.counting import without_collector
from promptctl.files.wording import without_commit
from promptctl.log.call_cells import LETTERS, CallCells, CellKey, CellSums, ChooseSteps, ScoredCalls
from promptctl.log.call_totals import LOG_GROWTH, REUSED_SOURCES, SMALLEST, bucket
from promptctl.log.filter import Filter
from promptctl.log.records import WITH_REPLY
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import add_search, rows_where, where
from promptctl.log.sqlite.opening import open_for_reading
from promptctl.log.sqlite.persons import plain_names

if TYPE_CHECKING:
    import subprocess

_MOST_USERS = 6
_MANY = 300_000  # rows of which another process walks half
_BUSY_S = 30.0
# NULL for nearly every row, as each text takes time to make.
_NOT_PLAIN = (
    "CASE WHEN status <> 'ok' OR attempt > 1 OR reply_source <> 'model' THEN status || char(31) || (attempt > 1) || "
    "char(31) || reply_source || char(31) || ifnull(error_type, '') END"
)
_PLAIN = ("ok", False, "model", None)


def call_cells(connection: sqlite3.Connection, wanted: Filter, choose_steps: ChooseSteps) -> CallCells:
    """Count the calls that the filter means in cells."""
    add_search(connection)
    first_at, last_at = _end(connection, wanted, "ASC"), _end(connection, wanted, "DESC")
    if first_at is None or last_at is None:
        return CallCells()
    step, costs_from, counted_in = choose_steps(first_at, last_at)
    named, users, people = _users(connection, wanted)
    merged = {name.encode(): other.encode() for name, other in counted_in.items()}
    walk = _Stretch(wanted, LETTERS[step], costs_from[: LETTERS[step]].encode(), named, merged)
    first, last = connection.execute("SELECT min(rowid), max(rowid) FROM executions").fetchone()
    middle = (first + last) // 2
    is_shared = last - first >= _MANY and _is_of_time_alone(wanted) and (os.cpu_count() or 1) > 1
    with _half_by_another_process(connection, walk._replace(after=middle) if is_shared else None) as other:
        found = walk._replace(until=middle).of(connection) if is_shared else walk.of(connection)
        rest = other() if is_shared else {}
        if rest is None:
            rest = walk._replace(after=middle).of(connection)
    texts: dict[bytes | None, str | None] = {None: None, **{each.encode(): name for each, name in people.items()}}
    read: dict[str, dict[CellKey, CellSums]] = {}
    for name, cells in (*found.items(), *rest.items()):
        _read(cells, wanted, texts, read.setdefault(name.decode(), {}))
    return CallCells(
        step=step,
        first_at=first_at,
        last_at=last_at,
        cells=read,
        users=users,
        scores=tuple(_scores(connection, wanted)),
    )


_Cells = Mapping[Any, list[Any]]
"""The fields of `CellSums` by key."""


class _Stretch(NamedTuple):
    """The rows of a filter whose numbers come after one and up to another.

    A step is named by so many `letters`; single costs are counted from a step on, users by name if they are `named`.
    Steps that are `merged` are counted in another one.
    """

    wanted: Filter
    letters: int
    costs_from: bytes
    named: frozenset[bytes]
    merged: Mapping[bytes, bytes]
    after: int = -1
    until: int = 2**62

    def of(self, connection: sqlite3.Connection) -> Mapping[bytes, _Cells]:
        """Return the sums by step and key."""
        # Texts stay bytes until they are few, and nothing here holds a circle for the collector to look for.
        before, connection.text_factory = connection.text_factory, bytes
        try:
            with without_collector():
                return _walked(connection, self)
        finally:
            connection.text_factory = before


def answer_other_process() -> None:
    """Walk as another process asks on standard input, and answer on standard output."""
    with open(0, "rb") as asked, open(1, "wb") as told:
        path, walk = pickle.load(asked)  # noqa: S301 - the other process is ours
        with closing(open_for_reading(path, _BUSY_S)) as connection:
            pickle.dump({step: dict(cells) for step, cells in walk.of(connection).items()}, told)


@contextmanager
def _half_by_another_process(connection: sqlite3.Connection, walk: _Stretch | None) -> Iterator[Callable[[], Any]]:
    """Let another process walk; give a function that waits for what it found, None if it could not."""
    if walk is None:
        yield lambda: None
        return
    import subprocess

    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    code = f"from {__name__} import answer_other_process; answer_other_process()"
    try:
        # -P: no module of the current folder is imported.
        other = subprocess.Popen(  # noqa: S603 - this Python with our own code
            [sys.executable, "-P", "-c", code], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL
        )
    except OSError:
        yield lambda: None
        return
    assert other.stdin
    with other:
        try:
            with suppress(OSError):
                pickle.dump((path, walk), other.stdin)
                other.stdin.close()
            yield lambda: _answer_of(other)
        finally:
            other.kill()


def _answer_of(other: subprocess.Popen[bytes]) -> Any:
    assert other.stdout
    told = other.stdout.read()
    return pickle.loads(told) if other.wait() == 0 else None  # noqa: S301 - the other process is ours


def _new_cells() -> defaultdict[Any, list[Any]]:
    return defaultdict(lambda: [0, 0, 0, 0, 0, 0, 0, {}, {}])


def _walked(connection: sqlite3.Connection, walk: _Stretch) -> Mapping[bytes, _Cells]:
    wanted, letters, costs_from, named, merged = walk[:5]
    source = rows(connection)
    condition, parameters = rows_where(wanted)
    part = f"{condition} AND" if condition else "WHERE"
    read = connection.execute(
        f"SELECT substr(started_at, 1, {letters}), prompt, version_display, label, model, source, {_NOT_PLAIN}, user, "  # noqa: S608
        f"input_tokens, output_tokens, cached_tokens, {source.cost}, latency_ms FROM {source.table} "
        f"{part} executions.rowid > ? AND executions.rowid <= ?",
        [*parameters, walk.after, walk.until],
    )
    found = defaultdict[bytes, defaultdict[Any, list[Any]]](_new_cells)
    kinds = {None: (True, True)}
    last, cells, is_costed = None, _new_cells(), False
    scale, smallest, least = 1 / LOG_GROWTH, SMALLEST, bucket(0)
    for step, prompt, version, label, model, origin, odd, user, asked, told, cached, cost, latency in read:
        if step != last:
            last, cells, is_costed = step, found[merged.get(step, step)], step >= costs_from
        if user is not None and user not in named:
            user = b""
        sums = cells[prompt, version, label, model, origin, odd, user]
        sums[0] += 1
        sums[1] += asked or 0
        sums[2] += told or 0
        sums[3] += cached or 0
        if odd not in kinds:
            kinds[odd] = _kind(odd)
        has_reply, is_fresh = kinds[odd]
        if cost is not None:
            sums[4] += cost
            sums[5] += 1
            if is_costed and is_fresh:
                number = ceil(log(cost) * scale) if cost > 0 else least
                sums[8][number] = sums[8].get(number, 0) + 1
        elif has_reply or told is not None:
            sums[6] += 1
        if is_fresh and latency is not None:
            number = ceil(log(latency) * scale) if latency > smallest else least
            counted = sums[7]
            if number in counted:
                counted[number] += 1
            else:
                counted[number] = 1
    return found


def _kind(odd: bytes) -> tuple[bool, bool]:
    """Return if attempts have a reply, and if it was answered anew."""
    status, _, reply_source, _ = odd.decode().split("\x1f", 3)
    has_reply = status in WITH_REPLY
    return has_reply, has_reply and reply_source not in REUSED_SOURCES


def _read(cells: _Cells, wanted: Filter, texts: dict[bytes | None, str | None], found: dict[CellKey, CellSums]) -> None:
    """Add cells to those that were found."""
    for (*names, odd, user), sums in cells.items():
        for name in (*names, user):
            if name not in texts:
                texts[name] = name.decode("utf-8", "replace")
        prompt, version, label, model, origin = (texts[name] for name in names)
        kind: tuple[str, bool, str, str | None] = _PLAIN
        if odd is not None:
            status, is_later, reply_source, error = odd.decode("utf-8", "replace").split("\x1f", 3)
            kind = (status, is_later == "1", reply_source, error or None)
        id_ = wanted.current_id(prompt or "")
        key = CellKey(id_, _shown(version), label, model or "", origin or "", *kind, texts[user])
        if key in found:  # an earlier id of the prompt, or a version that is shown with a different commit
            found[key].add(CellSums(*sums))
        else:
            found[key] = CellSums(*sums)


def _shown(version: str | None) -> str | None:
    """Return a version without its commit: `v7` of `v7 (3f2a9c1)`."""
    return None if version is None else without_commit(version)


def _end(connection: sqlite3.Connection, wanted: Filter, order: str) -> str | None:
    condition, parameters = rows_where(wanted)
    sql = f"SELECT started_at FROM executions {condition} ORDER BY started_at {order} LIMIT 1"  # noqa: S608
    row = connection.execute(sql, parameters).fetchone()
    return None if row is None else str(row[0])


def _is_of_time_alone(wanted: Filter) -> bool:
    return wanted.given <= {"since", "until", "source", "renames"}


def _users(connection: sqlite3.Connection, wanted: Filter) -> tuple[frozenset[bytes], int, Mapping[str, str]]:
    """Return the users with most rows, how many users there are, and the plain names of those with two.

    If only the time is asked for, an index answers that, of evaluations too, which hardly ever name one.
    """
    if _is_of_time_alone(wanted):
        condition, parameters = where({"started_at >= ?": wanted.since, "started_at < ?": wanted.until})
    else:
        condition, parameters = rows_where(wanted)
    condition = f"{condition} AND user IS NOT NULL" if condition else "WHERE user IS NOT NULL"
    counted = f"SELECT user, count(*) AS n FROM executions {condition} GROUP BY user ORDER BY n DESC, user"  # noqa: S608
    counts = dict(connection.execute(counted, parameters))
    people = plain_names(connection, counts)
    for hashed, name in people.items():
        counts[name] += counts.pop(hashed)
    names = sorted(counts, key=lambda name: (-counts[name], name)) if people else [*counts]
    most = names[:_MOST_USERS]
    most += [hashed for hashed, name in people.items() if name in most]
    return frozenset(name.encode("utf-8", "replace") for name in most), len(names), people


def _scores(connection: sqlite3.Connection, wanted: Filter) -> Iterator[ScoredCalls]:
    if connection.execute("SELECT 1 FROM feedback LIMIT 1").fetchone() is None:
        return
    from promptctl.log.sqlite.feedback import select_scores

    by = ("started_at", "prompt", "version_display", "label", "model", "source")
    for at, prompt, version, label, model, source, name, calls, total in connection.execute(*select_scores(wanted, by)):
        yield ScoredCalls(at, wanted.current_id(prompt), _shown(version), label, model, source, name, calls, total)
