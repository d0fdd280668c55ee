"""Costs as a file: CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.errors import UsageError
from promptctl.files.writing import replace_output
from promptctl.reports.rows import csv_line
from promptctl.reports.wording import NANO, as_text

if TYPE_CHECKING:
    from promptctl.costs.compared import CostComparison
    from promptctl.costs.savings import Suggestions
    from promptctl.costs.table import CostTable

_MONEY = "_nano_usd"


def check_costs_path(path: Path) -> None:
    """Raise `UsageError` for a file that does not say CSV by its ending."""
    if path.suffix != ".csv":
        raise UsageError(f"cannot tell what to write to {path}", hint="name a .csv file")


def write_sides(compared: CostComparison, path: Path) -> None:
    """Write one line for each version that was compared, money in dollars."""
    _write([side.as_dict() for side in (compared.base, compared.head)], ["ref"], path)


def write_suggestions(found: Suggestions, path: Path) -> None:
    """Write one line for each suggestion, money in dollars."""
    _write([each.as_dict() for each in found.found], ["prompt", "kind", "saving_nano_usd"], path)


def write_costs(table: CostTable, path: Path) -> None:
    """Write one line for each group, money in dollars; whole or not at all."""
    _write(table.as_dict()["rows"], [*table.by, "calls", "cost_nano_usd"], path)


def _write(rows: Sequence[Mapping[str, Any]], usual: Sequence[str], path: Path) -> None:
    columns = list(rows[0]) if rows else usual
    lines = [csv_line([name.replace(_MONEY, "_usd") for name in columns])]
    lines += [csv_line([_cell(name, value) for name, value in row.items()]) for row in rows]
    replace_output(path, ["".join(lines).encode()])


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_text(value)
    if not name.endswith(_MONEY) or value is None:
        return value
    return f"{value / NANO:.9f}".rstrip("0").rstrip(".")
