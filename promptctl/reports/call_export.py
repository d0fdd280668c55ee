"""Calls of the log as a file for other programs: JSON lines, CSV or Parquet, streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from promptctl.counting import counted
from promptctl.errors import UsageError
from promptctl.git.outputs import replace_output
from promptctl.log.records import CONTENT_FIELDS, Execution
from promptctl.reports.tables import check_suffix, csv_line

SUFFIXES = (".jsonl", ".csv", ".parquet")
_MODE = 0o600  # who called, and what was said
_CONTENTS = (*CONTENT_FIELDS, "reasoning")
_BLANK = Execution(
    id="", call_id="", started_at="", source="run", prompt="", prompt_name="", digest="", model="", status="ok"
)


def check_export_path(path: Path) -> None:
    """Raise `UsageError` for a file that calls cannot be written to, before the log is read."""
    check_suffix(path, SUFFIXES)
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"name a file in it: {path / 'calls.jsonl'}")
    if path.suffix.lower() == ".parquet":
        from promptctl.reports.parquet import check_parquet

        check_parquet()


def write_calls(path: Path, executions: Iterable[Execution], *, with_content: bool) -> int:
    """Write calls to a file of mode 0600, whole or not at all, in the format that its suffix says; return how many."""
    check_export_path(path)
    number = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal number
        for each in counted(executions, f"exporting calls to {path.name}"):
            number += 1
            yield each.as_row(with_content=with_content)

    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from promptctl.reports.parquet import parquet

        parts = parquet(rows(), columns(with_content=with_content))
    else:
        lines = csv_lines(rows(), with_content=with_content) if suffix == ".csv" else json_lines(rows())
        parts = (line.encode("utf-8", "replace") for line in lines)
    replace_output(path, parts, new_mode=_MODE)
    return number


def json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one JSON object on each line, with the keys of `log list --json`."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def csv_lines(rows: Iterable[Mapping[str, Any]], *, with_content: bool) -> Iterator[str]:
    """Yield a header and a line for each call; what is neither a text nor a number is JSON in its cell."""
    names = columns(with_content=with_content)
    yield csv_line(names)
    for row in rows:
        yield csv_line([as_cell(row.get(name)) for name in names])


def columns(*, with_content: bool) -> tuple[str, ...]:
    """Return the keys that a call has, last those of the contents that are kept of some."""
    return (*_BLANK.as_row(), "scores", "feedback", *(_CONTENTS if with_content else ()))


def as_cell(value: Any) -> Any:
    """Return a value as one of a table's."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list | bool) else value
