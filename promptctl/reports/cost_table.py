"""Costs as a file: CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import UsageError
from promptctl.files.writing import replace_file
from promptctl.reports.rows import csv_line
from promptctl.reports.wording import NANO

if TYPE_CHECKING:
    from promptctl.costs.table import CostTable

_MONEY = "_nano_usd"


def check_costs_path(path: Path) -> None:
    """Raise `UsageError` for a file that does not say CSV by its ending."""
    if path.suffix != ".csv":
        raise UsageError(f"cannot tell what to write to {path}", hint="name a .csv file")


def write_costs(table: CostTable, path: Path) -> None:
    """Write one line for each group, money in dollars; whole or not at all."""
    rows = table.as_dict()["rows"]
    columns = list(rows[0]) if rows else [*table.by, "calls", "cost_nano_usd"]
    lines = [csv_line([name.replace(_MONEY, "_usd") for name in columns])]
    lines += [
        csv_line([_dollars(value) if name.endswith(_MONEY) else value for name, value in row.items()]) for row in rows
    ]
    replace_file(path, ["".join(lines).encode()])


def _dollars(nano_usd: int | None) -> str | None:
    return None if nano_usd is None else f"{nano_usd / NANO:.9f}".rstrip("0").rstrip(".")
