"""A prompt from version to version as one page: charts over the versions, and every case of each below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from promptctl.errors import UsageError
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.trend import Trend
from promptctl.files.writing import replace_output
from promptctl.log.store import Store
from promptctl.reports.html import cases_of
from promptctl.reports.offline_page import offline_page
from promptctl.reports.rows import evaluation_head


def write_trend(path: Path, log: Store, trend: Trend) -> None:
    """Write a trend as a page. Raises `UsageError` for a suffix other than .html, and `WorkspaceError` on failure."""
    check_trend_path(path)
    evaluations = [load(log, log.evaluation(row.evaluation)) for row in trend.rows]
    replace_output(path, (part.encode("utf-8", "replace") for part in trend_page(log, trend, evaluations)))


def check_trend_path(path: Path) -> None:
    """Raise `UsageError` for a file whose name does not end in .html."""
    if path.suffix.lower() != ".html":
        raise UsageError(f"{path.name}: a trend is written as .html", hint="--json prints it as data")


def trend_page(log: Store, trend: Trend, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield the page; `evaluations` are those of the trend's rows."""
    cases, left_out = cases_of(log, evaluations)
    about = f"{len(trend.rows)} versions on {trend.dataset} with {trend.model}"
    if left_out:
        about += f" · {left_out:,} results are left out of this page"
    if any(not row.has_same_cases for row in trend.rows):
        about += " · * the dataset held other cases then"
    points = [
        {
            "version": row.version_display + ("" if row.has_same_cases else " *"),
            "pass_rate": row.pass_rate,
            "low": row.low,
            "high": row.high,
            "score": row.score,
            "full_cost_nano_usd": row.cost_nano_usd,
            "p50_latency_ms": row.p50_latency_ms,
        }
        for row in trend.line
    ]
    yield from offline_page(
        {
            "title": trend.prompt,
            "about": about,
            "evaluations": [evaluation_head(each) for each in evaluations],
            "cases": list(cases.values()),
            "trend": points,
        }
    )
