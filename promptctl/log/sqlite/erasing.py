"""Erases what a person said, and the person's id, wherever the log has it: rows, contents, latest calls, results."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from promptctl.counting import counting
from promptctl.files.plain import with_texts
from promptctl.log.arm_calls import arm_key
from promptctl.log.encoding import to_json
from promptctl.log.evidence import Erased, Erasure, Note
from promptctl.log.keyed_hashes import hashes_of, keyed_digests
from promptctl.log.needle import ERASED, Needle
from promptctl.log.records import CONTENT_FIELDS
from promptctl.log.sqlite import chain, payloads
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.lookup import row_by_id
from promptctl.log.sqlite.maintenance import vacuum
from promptctl.log.sqlite.persons import folder_of, join_accounts, join_sums
from promptctl.log.sqlite.search_index import clear

_MARKER = "erased-"
# Texts of a row that come from outside; the others are names by which rows are found and joined.
_TEXTS = ("prompt_name", "content_type", "model_resolved", "finish_reason", "error_message")
_JSONS = ("parameters", "metadata", "usage_details")
_NAMES = ("user", "session")
_PERSONAL = (*_NAMES, "arm_key")
# What else holds a user's or a session's name, or words of people.
_NAMED = {"budget_accounts": "key", "budget_disabled": "key", "budget_events": "key", "user_stats": "user"}

Row = dict[str, Any]


def redact(database: Database, meant: Erasure, note: Note, *, is_dry_run: bool = False) -> Erased:
    """Erase in one transaction.

    What is deleted is overwritten with zeros; `vacuum` then rewrites the file, and its side file.
    """
    if not database.path.exists():
        return Erased()

    def work(connection: sqlite3.Connection) -> Erased:
        connection.execute("UPDATE maintenance SET is_open = 1")
        erased = _Erasing(connection, meant).all()
        if not erased.is_nothing:
            known = meant.text or meant.user or meant.session
            reason = Needle(known).erased_from(note.reason) if known else note.reason
            numbers = {name: value for name, value in asdict(erased).items() if isinstance(value, int)}
            chain.add_event(connection, "redact", replace(note, reason=reason), {"what": meant.kind, **numbers})
        connection.execute("UPDATE maintenance SET is_open = 0")
        return erased

    with counting("looking for what is to be erased"):
        erased = database.dry_run(work) if is_dry_run else database.write(work)
    if not (is_dry_run or erased.is_nothing):
        clear(database.path)
        vacuum(database)
    return erased


class _Erasing:
    """One erasure in one transaction."""

    def __init__(self, connection: sqlite3.Connection, meant: Erasure) -> None:
        self._connection = connection
        self._plain = self._plain_names(meant)
        self._meant = meant = replace(meant, user=self._own(meant.user), session=self._own(meant.session))
        self._needle = Needle(meant.text) if meant.text is not None else None
        self._markers: dict[str, str] = {}
        self._id: str | None = None
        if meant.execution is not None:
            row = row_by_id(connection, "SELECT id FROM executions", meant.execution, "execution", "promptctl log list")
            self._id = row[0]
        for name in (meant.user, meant.session):
            if name is not None:
                self._mark(name)
        self._shared = self._mark_sessions(meant.user)
        if self._needle is not None:
            names = connection.execute("SELECT user FROM executions UNION SELECT session FROM executions").fetchall()
            for (name,) in names:
                self._renamed(name)
        experiments = connection.execute("SELECT DISTINCT experiment FROM executions WHERE experiment IS NOT NULL")
        keys = {arm_key(each, name): name for (each,) in experiments for name in self._markers}
        self._arm_keys = {key: secrets.token_hex(16) for key in keys}
        for key, hidden in keyed_digests(folder_of(connection), [*keys]).items():
            keys[hidden], self._arm_keys[hidden] = keys[key], self._arm_keys[key]
        self._own_keys = {key for key, name in keys.items() if name in (meant.user, meant.session)}

    def all(self) -> Erased:
        """Erase everywhere; return how much that was."""
        holding = self._contents_holding()
        rows = {each["id"]: each for each in self._rows(holding)}
        self._update(rows.values())
        latest_calls = self._erase_latest_calls(set(rows))
        results = self._erase_results(set(rows), holding)
        others = self._erase_elsewhere()
        feedback = self._erase_feedback()
        contents, _ = payloads.delete_orphans(self._connection)
        return Erased(
            executions=len(rows),
            evaluated=sum(each["evaluation_id"] is not None for each in rows.values()),
            latest_calls=latest_calls,
            results=results,
            contents=contents,
            others=others,
            feedback=feedback,
            marker=self._markers.get(self._meant.user or self._meant.session or ""),
            shared_sessions=len(self._shared),
        )

    def _mark_sessions(self, user: str | None) -> Mapping[str, str]:
        """Mark the sessions of a user, whose names may be the user's; return what stands for those shared with others.

        Calls of others keep a session that they share: it is theirs too.
        """
        if user is None:
            return {}
        mine, others, shared = set(), set(), {}
        for pair in self._connection.execute("SELECT DISTINCT user, session FROM executions"):
            who, session = map(self._own, pair)
            if who != user:
                others |= {who, session}
            elif session is not None:
                mine.add(session)
        for name in mine:
            if name not in others:
                self._mark(name)
            elif name not in self._markers:
                shared[name] = _new_marker()
        return shared

    def _plain_names(self, meant: Erasure) -> Mapping[str | None, str]:
        """Return the plain names of the hashes that stand for those erased, and for those in the log."""
        columns = {"executions": "session", "feedback": "by", **_NAMED}
        every = "SELECT user FROM executions"
        every += "".join(f" UNION SELECT {column} FROM {table}" for table, column in columns.items())  # noqa: S608
        names = {name for (name,) in self._connection.execute(every)}
        hashes = hashes_of(folder_of(self._connection), names | {meant.user, meant.session, meant.text})
        return {hashed: name for name, hashed in hashes.items()}

    def _own(self, name: str | None) -> str | None:
        """Return the name of a user or a session that is here by its hash; any other as it is."""
        return self._plain.get(name, name)

    def _names_of(self, row: Mapping[str, Any]) -> Row:
        """Return the names of a call as they are from now on."""
        after = {name: self._renamed(row[name]) for name in _NAMES if name in row}
        if "arm_key" in row:  # whoever knows the name could compute it
            after["arm_key"] = self._arm_keys.get(row["arm_key"], row["arm_key"])
        session = self._own(row.get("session"))
        if session is not None and session in self._shared and self._own(row.get("user")) == self._meant.user:
            after["session"] = self._shared[session]
        return after

    def _contents_holding(self) -> set[bytes]:
        if self._needle is None:
            return set()
        found = self._connection.execute("SELECT hash, content FROM main.payloads")
        return {digest for digest, content in found if self._needle.is_in(payloads.text_of(content))}

    def _rows(self, holding: set[bytes]) -> list[Row]:
        """Return what becomes of the rows that change."""
        columns = ("id", "evaluation_id", "content", *payloads.HASH_COLUMNS, *_TEXTS, *_JSONS, *_PERSONAL)
        found = []
        for values in self._connection.execute(f"SELECT {', '.join(columns)} FROM executions"):  # noqa: S608
            row = dict(zip(columns, values, strict=True))
            is_meant = self._is_meant(row) or any(row[name] in holding for name in payloads.HASH_COLUMNS)
            after = self._erased(row, is_whole=is_meant)
            if after != row:
                found.append(after)
        return found

    def _is_meant(self, row: Mapping[str, Any]) -> bool:
        """Return True for a call of the user or the session, or the execution itself."""
        if self._id is not None:
            return bool(row["id"] == self._id)
        return row.get("arm_key") in self._own_keys or any(
            getattr(self._meant, name) is not None and self._own(row[name]) == getattr(self._meant, name)
            for name in _NAMES
        )

    def _erased(self, row: Row, *, is_whole: bool) -> Row:
        """Return a row without the text and the names meant; if `is_whole`, without contents and quotes too."""
        after = {**row, **self._names_of(row)}
        if self._needle is not None:
            after |= {name: self._needle.erased_from(row[name]) for name in _TEXTS}
            after |= {name: self._needle.erased_from_json(row[name]) for name in _JSONS}
        if is_whole and row["content"] == "full":
            after |= {"content": "pruned", **dict.fromkeys(payloads.HASH_COLUMNS)}
        if is_whole and self._needle is None:
            after["error_message"] = row["error_message"] and ERASED
            after["metadata"] = to_json(_without_texts(json.loads(row["metadata"])))
        return after

    def _mark(self, name: str) -> str:
        """Return what stands for a user's or a session's name from now on; different names stay different."""
        return self._markers.setdefault(name, _new_marker())

    def _renamed(self, name: str | None) -> str | None:
        own = self._own(name)
        if self._needle is not None and self._needle.is_in(own):
            return self._mark(str(own))
        return None if own is None else self._markers.get(own, name)

    def _update(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self._connection.execute("CREATE TEMP TABLE erasing (id TEXT PRIMARY KEY)")
        self._connection.executemany("INSERT INTO temp.erasing VALUES (?)", ((each["id"],) for each in rows))
        chain.release(self._connection, ("WHERE e.id IN (SELECT id FROM temp.erasing)", []))
        self._connection.execute("DROP TABLE temp.erasing")
        columns = ("content", *payloads.HASH_COLUMNS, *_TEXTS, *_JSONS, *_PERSONAL)
        sql = f"UPDATE executions SET {', '.join(f'{name} = :{name}' for name in columns)} WHERE id = :id"  # noqa: S608
        self._connection.executemany(sql, rows)

    def _erase_latest_calls(self, rows: set[str]) -> int:
        erased = 0
        found = self._connection.execute("SELECT prompt, execution_id, execution FROM latest_calls").fetchall()
        for prompt, id_, text in found:
            document = json.loads(text)
            after = {**document, **self._names_of(document)}
            is_meant = self._is_meant({"id": id_, **{name: document.get(name) for name in _PERSONAL}})
            if is_meant or id_ in rows or (self._needle is not None and self._needle.is_in(text)):
                after = {name: value for name, value in after.items() if name not in CONTENT_FIELDS}
            if is_meant:
                after["call_metadata"] = _without_texts(after.get("call_metadata") or {})
                after |= {"error_message": ERASED} if "error_message" in after else {}
            if self._needle is not None:
                after = self._needle.erased_from(after)
            if after != document:
                sql = "UPDATE latest_calls SET execution = ? WHERE prompt = ?"
                self._connection.execute(sql, (to_json(after), prompt))
                erased += 1
        return erased

    def _erase_results(self, rows: set[str], holding: set[bytes]) -> int:
        """Take the outputs of the calls that are meant out of results, and with them the values that were compared."""
        erased = 0
        columns = "rowid, execution_id, output_hash, scores, error_message"
        found = self._connection.execute(f"SELECT {columns} FROM results").fetchall()  # noqa: S608 - our own names
        for number, id_, output, detail, message in found:
            after = (output, detail, message)
            if self._needle is not None:
                kept = None if output in holding else output
                after = (kept, self._needle.erased_from_json(detail), self._needle.erased_from(message))
            elif id_ in rows:
                after = (None, detail and "{}", message and ERASED)
            if after != (output, detail, message):
                sql = "UPDATE results SET output_hash = ?, scores = ?, error_message = ? WHERE rowid = ?"
                self._connection.execute(sql, (*after, number))
                erased += 1
        return erased

    def _erase_elsewhere(self) -> int:
        for hashed, name in self._plain.items():
            if hashed is not None and name in self._markers:
                join_accounts(self._connection, hashed, name)
                join_sums(self._connection, hashed, name)
        erased = sum(self._change(table, column, self._renamed) for table, column in _NAMED.items())
        if self._needle is not None:
            erased += self._change("budget_events", "reason", self._needle.erased_from)
            erased += self._change("evaluations", "spec", self._needle.erased_from_json)
        return erased

    def _erase_feedback(self) -> int:
        """Erase comments and corrections on calls that lost their contents, by the user, and those with the text."""
        erased = 0
        kept = "(SELECT content FROM executions WHERE id = execution_id) IS 'full'"
        found = self._connection.execute(f"SELECT id, by, comment, expected, {kept} FROM feedback")  # noqa: S608
        for id_, *before, is_kept in found.fetchall():
            is_meant = not is_kept or (self._meant.user is not None and self._own(before[0]) == self._meant.user)
            words = [None if is_meant or self._is_held(text) else text for text in before[1:]]
            after = [self._renamed(before[0]), *words]
            if after != before:
                sql = "UPDATE feedback SET by = ?, comment = ?, expected = ? WHERE id = ?"
                self._connection.execute(sql, (*after, id_))
                erased += 1
        return erased

    def _is_held(self, text: str | None) -> bool:
        return self._needle is not None and self._needle.is_in(text)

    def _change(self, table: str, column: str, change: Callable[[Any], Any]) -> int:
        """Change the values of a column; return how many rows that were."""
        found = self._connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()  # noqa: S608
        changed = [(change(before), before) for (before,) in found if change(before) != before]
        sql = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608 - our own names
        return sum(self._connection.execute(sql, each).rowcount for each in changed)


def _new_marker() -> str:
    return _MARKER + secrets.token_hex(4)


def _without_texts(data: Any) -> Any:
    """Return data with its texts replaced: the keys of a call's metadata, its numbers and its truth values stay."""
    return with_texts(data, lambda _: ERASED)
