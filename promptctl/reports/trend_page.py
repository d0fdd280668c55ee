"""A prompt from version to version as a self-contained page that works offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptctl.context import Context
from promptctl.errors import HistoryIncomplete
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.trend import Trend, TrendRow
from promptctl.files.wording import version_number
from promptctl.labels.tags import LabelEvent
from promptctl.log.store import Store
from promptctl.reports.html import cases_of, columns_of, head_of, trend_point
from promptctl.reports.offline_page import check_page, offline_page, write_page
from promptctl.reports.sentences import of_trend
from promptctl.reports.wording import count, without_commit
from promptctl.versions.at_time import label_pasts
from promptctl.versions.former_ids import former_ids


def write_trend(path: Path, context: Context, trend: Trend) -> None:
    """Write a trend as a page. Raises `UsageError` for a suffix other than .html, and `WorkspaceError` on failure."""
    check_trend_path(path)
    log = context.log
    evaluations = [load(log, log.evaluation(row.evaluation)) for row in trend.rows]
    write_page(path, trend_page(log, trend, evaluations, label_moves(context, trend.prompt)))


def check_trend_path(path: Path) -> None:
    """Raise `UsageError` for a file whose name does not end in .html, and `WorkspaceError` for one of the workspace."""
    check_page(path, "a trend is written as .html", "--json prints it as data")


def label_moves(context: Context, prompt: str) -> list[LabelEvent]:
    """Return every move of a prompt's labels, oldest first, also those under its earlier ids; none outside Git."""
    moment = context.now()
    if not moment.is_versioned:
        return []
    try:
        pasts = label_pasts(moment, (prompt, *former_ids(moment, prompt)), None)
    except HistoryIncomplete as error:
        context.warn(f"moves of labels are not known: {error.message}")
        return []
    return sorted((event for past in pasts for event in past.events), key=lambda event: event.date)


def trend_page(
    log: Store, trend: Trend, evaluations: Sequence[Evaluation], moves: Sequence[LabelEvent] = ()
) -> Iterator[str]:
    """Yield the page; `evaluations` are those of the trend's rows."""
    cases, left_out = cases_of(log, evaluations)
    about = count(len(trend.rows), "version")
    if left_out:
        about += f" · {left_out:,} results are left out of this page"
    if any(not row.has_same_cases for row in trend.rows):
        about += " · * the dataset had different cases"
    short = [_name(row) for row in trend.rows]
    # Versions beside the branch can have one short name: then they keep their commits.
    names = {
        row.evaluation: name if short.count(name) == 1 else row.version_display
        for row, name in zip(trend.rows, short, strict=True)
    }
    if beside := [names[row.evaluation] for row in trend.rows if row not in trend.line]:
        about += f" · not on the default branch: {', '.join(beside)}"
    points = [
        {"evaluation_index": number, **trend_point(row, names[row.evaluation])}
        for number, row in enumerate(trend.rows)
        if row in trend.line
    ]
    last = list({event.label: event for event in moves}.values())
    opening = of_trend(trend)
    yield from offline_page(
        {
            "title": trend.prompt,
            **opening.as_dict(),
            "about": about,
            "evaluations": [head_of(each) for each in evaluations],
            "columns": columns_of([*names.values()]),
            "cases": list(cases.values()),
            "trend": points,
            "moves": [{"is_now": event in last} | _move(event, trend.line, names) for event in moves if event.is_live],
        }
    )


def _name(row: TrendRow) -> str:
    return without_commit(row.version_display) + ("" if row.has_same_cases else " *")


def _move(event: LabelEvent, line: Sequence[TrendRow], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a move at its version; if that was not evaluated, at the last one before it, else at none."""
    number = version_number(event.version) or 0
    at = next((row for row in reversed(line) if row.version and row.version <= number), None)
    told = f"{event.label} moved to {event.version} on {event.date:%Y-%m-%d} by {event.actor.partition(' <')[0]}"
    return {
        "label": event.label if at and at.version == number else f"{event.label} ({event.version})",
        "version": names[at.evaluation] if at else None,
        "text": told + (f": {event.reason}" if event.reason else ""),
    }
