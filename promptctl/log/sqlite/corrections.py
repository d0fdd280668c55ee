"""Costs that were corrected after the call: the one place that says which cost of a row holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from promptctl.log.records import CostCorrection

_NEWEST = """executions LEFT JOIN cost_corrections AS correction
  ON correction.execution_id = executions.id AND correction.number = (
    SELECT max(number) FROM cost_corrections WHERE execution_id = executions.id
  )"""
_INSERT = """
INSERT INTO cost_corrections (execution_id, number, corrected_at, old_nano_usd, new_nano_usd, new_price_source)
SELECT id, 1 + ifnull((SELECT max(number) FROM cost_corrections WHERE execution_id = :id), 0),
  :corrected_at, :old_nano_usd, :new_nano_usd, :price_source
FROM executions WHERE id = :id AND :old_nano_usd IS ifnull(
  (SELECT new_nano_usd FROM cost_corrections WHERE execution_id = :id ORDER BY number DESC LIMIT 1), cost_nano_usd
)
"""


class Rows(NamedTuple):
    """Sources of the rows of executions, and the SQL of the cost and the price source that hold for each."""

    table: str
    cost: str
    price_source: str


UNCORRECTED = Rows("executions", "cost_nano_usd", "price_source")
_CORRECTED = Rows(
    _NEWEST,
    "ifnull(correction.new_nano_usd, cost_nano_usd)",
    "iif(correction.number IS NULL, price_source, correction.new_price_source)",
)


def rows(connection: sqlite3.Connection) -> Rows:
    """Return where the costs that hold are read from; the rows alone as long as nothing was corrected."""
    return _CORRECTED if connection.execute("SELECT 1 FROM cost_corrections LIMIT 1").fetchone() else UNCORRECTED


def corrections(connection: sqlite3.Connection, execution_id: str) -> tuple[CostCorrection, ...]:
    """Return the corrections of one execution's cost, oldest first."""
    found = connection.execute(
        "SELECT corrected_at, old_nano_usd, new_nano_usd, new_price_source FROM cost_corrections "
        "WHERE execution_id = ? ORDER BY number",
        (execution_id,),
    )
    return tuple(CostCorrection(*row) for row in found)


def write(connection: sqlite3.Connection, found: Mapping[str, CostCorrection]) -> int:
    """Append corrections, by execution, in the caller's transaction; return how many were.

    One whose old cost does not hold any more is left out. A trigger takes the others into the totals.
    """
    return connection.executemany(_INSERT, ({"id": id_, **each._asdict()} for id_, each in found.items())).rowcount
