"""Tables as files: costs as CSV, log rules as YAML or CSV; and a line of any CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.errors import UNSEEN, UsageError
from promptctl.git.outputs import replace_output
from promptctl.reports.wording import NANO, as_text

if TYPE_CHECKING:
    from promptctl.catalogue.log_rules import RuledPrompt
    from promptctl.costs.compared import CostComparison
    from promptctl.costs.savings import Suggestions
    from promptctl.costs.table import CostTable

COSTS, RULES = (".csv",), (".yaml", ".yml", ".csv")
_MONEY = "_nano_usd"
# After blanks and what nobody sees, none of which is tried in two ways.
_FORMULA = re.compile(rf"(?:[^\S\t\r\n]|{UNSEEN.pattern})*+[=+\-@\t\r\n＝＋－＠]")


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise `UsageError` for a file whose name does not say by its ending which of the formats to write."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"cannot tell what to write to {path}", hint=f"name a file that ends in {', '.join(suffixes)}")


def write_sides(compared: CostComparison, path: Path) -> None:
    """Write one line for each version that was compared, money in dollars."""
    _write([side.as_dict() for side in (compared.base, compared.head)], ["ref"], path)


def write_suggestions(found: Suggestions, path: Path) -> None:
    """Write one line for each suggestion, money in dollars."""
    _write([each.as_dict() for each in found.found], ["prompt", "kind", "saving_nano_usd"], path)


def write_costs(table: CostTable, path: Path) -> None:
    """Write one line for each group, money in dollars; whole or not at all."""
    _write(table.as_dict()["rows"], [*table.by, "calls", "cost_nano_usd"], path)


def rules_as_yaml(rows: Sequence[RuledPrompt]) -> str:
    """Return the table of log rules as a YAML list, a mapping for each prompt."""
    import yaml

    return yaml.safe_dump([row.as_dict() for row in rows], sort_keys=False, allow_unicode=True)


def write_rules(rows: Sequence[RuledPrompt], path: Path) -> None:
    """Write the table of log rules to a file, as its ending says; whole or not at all."""
    check_suffix(path, RULES)
    cells = [row.as_dict() for row in rows]
    lines = [csv_line(list(each)) for each in cells[:1]] + [csv_line(list(each.values())) for each in cells]
    replace_output(path, ["".join(lines).encode() if path.suffix.lower() == ".csv" else rules_as_yaml(rows).encode()])


def csv_line(values: Sequence[Any]) -> str:
    """Return one row. A cell that a spreadsheet would run as a formula is kept from it by a leading apostrophe.

    All cells are in quotes: the writer sees no need to quote one with a carriage return alone, which would end its row.
    """
    buffer = io.StringIO()
    safe = [f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value for value in values]
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(safe)
    return buffer.getvalue()


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
