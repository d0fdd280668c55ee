"""A prompt from version to version as one page: charts over the versions, and every case of each below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.trend import Trend
from promptctl.log.store import Store
from promptctl.reports.html import cases_of, page
from promptctl.reports.rows import evaluation_head


def trend_page(log: Store, trend: Trend, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """The page; `evaluations` are those of the trend's rows."""
    cases, left_out = cases_of(log, evaluations)
    about = f"{len(trend.rows)} versions on {trend.dataset} with {trend.model}"
    if left_out:
        about += f" · {left_out:,} results are left out of this page"
    if any(not row.has_same_cases for row in trend.rows):
        about += " · * the dataset held other cases then"
    points = [
        {
            "version": row.version + ("" if row.has_same_cases else " *"),
            "pass_rate": row.pass_rate,
            "low": row.low,
            "high": row.high,
            "score": row.score,
            "full_cost_nano_usd": row.cost_nano_usd,
            "p50_latency_ms": row.p50_latency_ms,
        }
        for row in trend.rows
    ]
    yield from page(
        {
            "title": trend.prompt,
            "about": about,
            "evaluations": [evaluation_head(each) for each in evaluations],
            "cases": cases,
            "trend": points,
        }
    )
