"""Checks a whole log: the file, the chain, every content, and the totals; each thing that is wrong is named."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple

from promptctl.counting import counted
from promptctl.log.evidence import Event, LogProblem, ProblemKind, Verification
from promptctl.log.sqlite import chain
from promptctl.log.sqlite.batch import HASHED, NO_LINK, SALT_BYTES, next_link, record_hash
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.payloads import HASH_COLUMNS
from promptctl.log.sqlite.verifying_totals import MOST_OF_A_KIND, check_file_and_totals

_BREAK_S = 0.02
_CONTENTS = slice(HASHED.index(HASH_COLUMNS[0]), HASHED.index(HASH_COLUMNS[-1]) + 1)
_CONTENT = HASHED.index("content")
# The two look alike: what an earlier program writes while it still runs is known by nothing that nobody else can write.
_UNLINKED = "a promptctl from before the chain added it, or somebody by hand"


class _Link(NamedTuple):
    """One link as it is stored; `values` are those of an execution or an event, None if the execution was deleted."""

    number: int
    kind: str
    id: str
    link: bytes
    seal: bytes
    values: Sequence[Any] | None


class _Problems:
    """The faults, the first of each kind by name and the others as a number."""

    def __init__(self) -> None:
        self.found: list[LogProblem] = []
        self.left_out = 0
        self._counts: dict[ProblemKind, int] = {}

    def add(self, kind: ProblemKind, subject: str | None, message: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > MOST_OF_A_KIND:
            self.left_out += 1
        else:
            self.found.append(LogProblem(kind=kind, subject=subject, message=message))


def verify(database: Database, head: str | None = None) -> Verification:
    """Check the log as of this moment; nothing is changed. `head` is a link in hex that has to be in the chain."""
    problems = _Problems()
    with ThreadPoolExecutor(1) as other, database.reading() as connection:
        # SQLite's own checks run beside ours: it does not hold the interpreter's lock.
        file_and_totals = other.submit(check_file_and_totals, database, beside := list[sqlite3.Connection]())
        connection.execute("BEGIN")
        checked = _Checked(connection, problems, bytes.fromhex(head) if head else None)
        events: list[Event] = []
        try:
            try:
                checked.check_chain()
                checked.check_contents()
                events = chain.events(connection)
            except sqlite3.DatabaseError as error:
                problems.add("file", None, f"the file cannot be read to its end ({error})")
            found = file_and_totals.result()
        except BaseException:
            _break_off(file_and_totals, beside)
            raise
        for kind, subject, message in found:
            problems.add(kind, subject, message)
    if head and checked.expected_link is None:
        problems.add(
            "head", head, "the chain does not have this link: rows were cut off or replaced, or it is another log"
        )
    return Verification(
        rows=checked.rows,
        links=checked.links,
        contents=checked.contents,
        unchained=checked.unchained,
        head=checked.last.hex() if checked.links else None,
        events=events,
        problems=problems.found,
        left_out=problems.left_out,
        expected_head=head,
        expected_link=checked.expected_link,
    )


class _Checked:
    """The chain and the contents of one snapshot of a log, read once."""

    def __init__(self, connection: sqlite3.Connection, problems: _Problems, expected: bytes | None) -> None:
        self._connection = connection
        self._problems = problems
        self._expected = expected
        self._referred: set[bytes] = set()
        self.expected_link: int | None = None
        self.rows = self.links = self.contents = self.unchained = 0
        self.last = NO_LINK
        self._number = 0
        self._doubted: tuple[_Link, bytes] | None = None
        self._others = merge(self._gone(), self._events(), key=itemgetter(0))
        self._other = next(self._others, None)
        self._changes = connection.execute("SELECT number, event, hash, salt FROM changes ORDER BY number, event")
        self._change = next(self._changes, None)
        self._changes_of: dict[int, Any] = {}

    def check_chain(self) -> None:
        """Follow the chain, and compare each record with what its link or its last change says."""
        (total,) = self._connection.execute("SELECT count(*) FROM executions").fetchone()
        for row in counted(self._rows(), "verifying the log's rows", total):
            _, number, link, seal = row[:4]
            values = row[4:]
            self.rows += 1
            if values[_CONTENT] == "full":
                self._referred.update([digest for digest in values[_CONTENTS] if digest is not None])
            if number is None:
                self._take_unchained(values[0])
                continue
            if number != self._number + 1:
                self._follow_others(number)
            # Nearly all rows are as they were written; for them nothing more is called.
            is_usual = self._doubted is None and (self._change is None or self._change[0] > number)
            is_usual = is_usual and number == self._number + 1 and len(seal) == SALT_BYTES and link != self._expected
            if is_usual and next_link(self.last, record_hash(seal, values)) == link:
                self._number, self.last = number, link
                continue
            self._follow(_Link(number, "execution", values[0], link, seal, values))
        self._follow_others(None)
        self._tell_doubted(is_link_wrong=False)
        self.links = self._number
        (before,) = self._connection.execute("SELECT unchained FROM maintenance").fetchone()
        if self.unchained != before:
            words = f"{self.unchained} rows are from before the chain began, but there were {before}"
            self._problems.add("unchained", None, words)

    def check_contents(self) -> None:
        """Compare each content with its hash, and with the rows that refer to it."""
        referred = self._referred
        for (digest,) in self._connection.execute("SELECT output_hash FROM results WHERE output_hash IS NOT NULL"):
            referred.add(digest)
        seen: set[bytes] = set()
        orphans = 0
        sql = "SELECT hash, bytes, typeof(content), CAST(content AS BLOB) FROM payloads"
        stored = counted(self._connection.execute(sql), "verifying the log's contents")
        for digest, size, kind, content in stored:
            self.contents += 1
            seen.add(digest)
            text = content if kind == "text" else _unpacked(content)
            if text is None or hashlib.sha256(text).digest() != digest or len(text) != size:
                self._problems.add(
                    "content",
                    digest.hex(),
                    f"the {self._place_of(digest)} is not what was written: its hash is different",
                )
            orphans += digest not in referred
        if orphans:
            self._problems.add("orphan", None, f"{orphans} contents belong to no row: promptctl log prune removes them")
        for digest in referred - seen:
            self._problems.add("content", digest.hex(), f"the {self._place_of(digest)} is missing")

    def _take_unchained(self, id_: str) -> None:
        if self._number == 0:
            self.unchained += 1
        else:
            self._problems.add("unchained", id_, f"execution {id_} has no link: {_UNLINKED}")

    def _follow_others(self, before: int | None) -> None:
        """Follow the links of deleted executions and of events before that number; all that are left with None."""
        while self._other is not None and (before is None or self._other.number < before):
            found, self._other = self._other, next(self._others, None)
            self._follow(found)

    def _follow(self, found: _Link) -> None:
        is_after_gap = found.number != self._number + 1
        if is_after_gap:
            self._tell_gap(found)
        self._number = max(self._number, found.number)
        record = self._hash_as_written(found)
        following = next_link(self.last, record)
        if self._doubted is not None:
            # If this link follows from what the one before should be, that link was changed, and not its record.
            is_link_wrong = following != found.link == next_link(self._doubted[1], record)
            self._tell_doubted(is_link_wrong=is_link_wrong)
            following = found.link if is_link_wrong else following
        self._doubted = None if following == found.link or is_after_gap else (found, following)
        self.last = found.link
        if found.link == self._expected:
            self.expected_link = found.number

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield all executions as they were added, also those with text that is not UTF-8 any more."""
        select = f"SELECT e.rowid, e.number, e.link, e.seal, {chain.COLUMNS} FROM executions AS e"  # noqa: S608
        rows = self._connection.execute(f"{select} ORDER BY e.rowid")
        at = -(1 << 63)
        while True:
            try:
                for row in rows:
                    at = row[0]
                    yield row
            except sqlite3.OperationalError:  # this one row is read leniently
                self._connection.text_factory = _lenient
                following = f"{select} WHERE e.rowid > ? ORDER BY e.rowid"
                row = self._connection.execute(f"{following} LIMIT 1", (at,)).fetchone()
                self._connection.text_factory = str
                if row is None:
                    raise
                at = row[0]
                yield row
                rows = self._connection.execute(following, row[:1])
            else:
                return

    def _gone(self) -> Iterator[_Link]:
        for number, id_, link, digest in self._connection.execute("SELECT * FROM gone ORDER BY number"):
            yield _Link(number, "deleted execution", id_, link, digest, None)

    def _events(self) -> Iterator[_Link]:
        columns = ", ".join(chain.EVENT_COLUMNS)
        sql = f"SELECT number, link, seal, {columns} FROM events ORDER BY number"  # noqa: S608 - our own names
        for number, link, seal, *values in self._connection.execute(sql):
            yield _Link(number, "event", values[0], link, seal, values)

    def _hash_as_written(self, found: _Link) -> bytes:
        """Return the hash of a record as it was written; check what it is now against the events that changed it."""
        is_changed, now, salt = self._last_change(found.number)
        if found.kind == "event":
            changes = self._changes_of.pop(found.number, None)
            values = found.values or ()
            if (changes and changes.digest()) != values[-1]:
                self._problems.add("event", found.id, f"the changes of event {found.id} are not those on record")
            return chain.event_hash(found.seal, values)
        if not is_changed and len(found.seal) == SALT_BYTES and found.values is not None:
            return record_hash(found.seal, found.values)
        name = f"{found.kind} {found.id}"
        if not is_changed:
            self._problems.add("changed", found.id, f"{name} was changed, and no event says so")
        elif now is None and found.values is not None:
            self._problems.add("changed", found.id, f"{name} is there, though an event says that it was deleted")
        elif now is not None and found.values is None:
            self._problems.add("missing", found.id, f"{name} is gone, and no event says so")
        elif now is not None and record_hash(salt or b"", found.values or ()) != now:
            self._problems.add("changed", found.id, f"{name} is not what its last event left")
        return found.seal

    def _last_change(self, number: int) -> tuple[bool, bytes | None, bytes | None]:
        """Return whether events changed a record, and its hash and salt after the last of them."""
        last: tuple[bool, bytes | None, bytes | None] = (False, None, None)
        while self._change is not None and self._change[0] <= number:
            changed, event, digest, salt = self._change
            self._changes_of.setdefault(event, hashlib.sha256()).update(chain.change_bytes(changed, digest))
            if changed == number:
                last = (True, digest, salt)
            self._change = next(self._changes, None)
        return last

    def _tell_gap(self, found: _Link) -> None:
        first, last = self._number + 1, found.number - 1
        if last < first:
            self._problems.add("chain", found.id, f"{found.kind} {found.id} has a number of the chain that is taken")
            return
        rows = f"row {first} of the chain is" if first == last else f"rows {first} to {last} of the chain are"
        words = f"{rows} gone, and no event says so; {found.kind} {found.id}, which follows, cannot be checked"
        self._problems.add("missing", None, words)

    def _tell_doubted(self, *, is_link_wrong: bool) -> None:
        if self._doubted is None:
            return
        found = self._doubted[0]
        name = f"{found.kind} {found.id}"
        if is_link_wrong:
            self._problems.add("chain", found.id, f"the link of {name} was changed; the row itself is sound")
        else:
            self._problems.add("event" if found.kind == "event" else "changed", found.id, f"{name} was changed")

    def _place_of(self, digest: bytes) -> str:
        """Return which content of which row a hash belongs to, as words."""
        for column in HASH_COLUMNS:
            sql = f"SELECT id FROM executions WHERE {column} = ? LIMIT 1"  # noqa: S608 - our own names
            if row := self._connection.execute(sql, (digest,)).fetchone():
                return f"{column.removesuffix('_hash')} of execution {row[0]}"
        sql = "SELECT case_id, evaluation_id FROM results WHERE output_hash = ? LIMIT 1"
        row = self._connection.execute(sql, (digest,)).fetchone()
        return f"output of case {row[0]} of evaluation {row[1]}" if row else "content that no row refers to"


def _break_off(checking: Future[Any], beside: list[sqlite3.Connection]) -> None:
    """End what another thread asks of SQLite: after Ctrl-C nobody waits for the rest."""
    while not checking.done():
        for connection in beside:
            with suppress(sqlite3.ProgrammingError):  # it is closed
                connection.interrupt()
        wait([checking], _BREAK_S)


def _unpacked(content: bytes) -> bytes | None:
    try:
        return zlib.decompress(content)
    except zlib.error:
        return None


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")
