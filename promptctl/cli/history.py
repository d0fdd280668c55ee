"""`promptctl history`: the versions of one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from promptctl.cli import options
from promptctl.cli.output import is_terminal, left_to_show, tell
from promptctl.cli.tables import say_table
from promptctl.reports.wording import without_address

if TYPE_CHECKING:
    from promptctl import VersionEntry


def history(context: typer.Context, ref: options.Ref, as_json: options.Json = False) -> None:
    """List a prompt's versions, newest first: who made each, when and why. With a version, those up to it."""
    rows = options.workspace_of(context).history(ref)
    if left_to_show(rows, "no version yet: the prompt was never committed", as_json=as_json):
        columns = ["Version", "Date", "Author", "Labels", "Subject"]
        say_table(columns, [_row(row) for row in rows], texts=["Author", "Labels", "Subject"])
        if rows[-1].copied_from is not None:
            tell(f"copied from {rows[-1].copied_from}")


def _row(row: VersionEntry) -> tuple[Any, ...]:
    labels = ", ".join(row.labels)
    made = row.made
    if made is None:
        return row.display, None, None, labels or None, "not committed" if row.is_dirty else None
    if not is_terminal():
        return row.display, made.utc_date, made.author, labels or None, made.subject
    return row.display, made.date[:10], without_address(made.author), labels, made.subject
