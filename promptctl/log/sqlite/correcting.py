"""Corrections of costs written in batches, so that no other process waits long, and put on record as one event."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from promptctl.log.evidence import Note
from promptctl.log.records import CostCorrection
from promptctl.log.sqlite import chain
from promptctl.log.sqlite.corrections import write
from promptctl.log.sqlite.database import Database

_BATCH = 1_000
# Whoever waits for the lock looks again up to ten times a second, and must find it free now and then.
_PAUSE_S = 0.02


def correct(database: Database, corrections: Mapping[str, CostCorrection], note: Note) -> int:
    """Append the corrections, each batch in a transaction; return how many were.

    The event is in the transaction of the first batch that corrects anything, so that no correction is without one.
    """
    detail = {
        "costs": len(corrections),
        "change_nano_usd": sum(each.new_nano_usd - (each.old_nano_usd or 0) for each in corrections.values()),
    }
    items, written = list(corrections.items()), 0

    def work(connection: sqlite3.Connection) -> int:
        added = write(connection, batch)
        if added and not written:
            chain.add_event(connection, "reprice", note, detail)
        return added

    for at in range(0, len(items), _BATCH):
        batch = dict(items[at : at + _BATCH])
        if written:
            time.sleep(_PAUSE_S)
        written += database.write(work)
    return written
