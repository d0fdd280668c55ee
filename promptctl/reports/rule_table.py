"""The table of log rules as a file: YAML or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import UsageError
from promptctl.files.writing import replace_output
from promptctl.reports.rows import csv_line

if TYPE_CHECKING:
    from promptctl.catalogue.log_rules import RuledPrompt

_SUFFIXES = (".yaml", ".yml", ".csv")


def check_rules_path(path: Path) -> None:
    """Raise `UsageError` for a file that says neither YAML nor CSV by its ending."""
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"cannot tell what to write to {path}", hint="name a .yaml or a .csv file")


def rules_as_yaml(rows: Sequence[RuledPrompt]) -> str:
    """Return the table as a YAML list, a mapping for each prompt."""
    import yaml

    return yaml.safe_dump([row.as_dict() for row in rows], sort_keys=False, allow_unicode=True)


def write_rules(rows: Sequence[RuledPrompt], path: Path) -> None:
    """Write the table to a file, as its ending says; whole or not at all."""
    check_rules_path(path)
    if path.suffix == ".csv":
        cells = [row.as_dict() for row in rows]
        lines = [csv_line(list(cells[0])), *(csv_line(list(each.values())) for each in cells)] if cells else []
        text = "".join(lines)
    else:
        text = rules_as_yaml(rows)
    replace_output(path, [text.encode()])
