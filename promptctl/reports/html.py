"""Evaluations as one self-contained page that works offline: filters, side-by-side replies, charts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from promptctl.evaluations.evaluation import Evaluation
from promptctl.log.evaluations import results
from promptctl.log.results import ResultRow
from promptctl.log.store import Log
from promptctl.reports.rows import evaluation_head

MOST_RESULTS = 5_000
_LONGEST_OUTPUT = 20_000


def html_page(log: Log, evaluations: Sequence[Evaluation], trend: Sequence[dict[str, Any]] = ()) -> Iterator[str]:
    """The page. Replies are put into it as text only, never as HTML; it may load and send nothing.

    With more than 5,000 results it holds those that did not pass before the others, and says how many it leaves out.
    """
    cases, left_out = cases_of(log, evaluations)
    names = list(dict.fromkeys(each.row.prompt for each in evaluations))
    about = "1 evaluation" if len(evaluations) == 1 else f"{len(evaluations)} evaluations"
    about += "".join(f", {each.row.started_at[:16].replace('T', ' ')} UTC" for each in evaluations[:1])
    if left_out:
        about += f" · {left_out:,} results that passed are left out of this page; -o results.jsonl has all"
    data = {
        "title": f"Evaluation of {names[0]}" if len(names) == 1 else f"Evaluation of {len(names)} prompts",
        "about": about,
        "evaluations": [evaluation_head(each) for each in evaluations],
        "cases": cases,
        "trend": list(trend),
    }
    yield from page(data)


def page(data: Mapping[str, Any]) -> Iterator[str]:
    """The page around its data."""
    # The data goes in last: nothing of it is ever searched for a mark.
    head, rest = _asset("page.html").split("/*STYLE*/")
    middle, rest = rest.split("/*DATA*/")
    between, end = rest.split("/*SCRIPT*/")
    yield from (head, _asset("page.css"), middle, _embedded(data), between, _asset("page.js"), end)


def cases_of(log: Log, evaluations: Sequence[Evaluation]) -> tuple[list[dict[str, Any]], int]:
    """The results by case, in the order of the datasets; and how many passed ones had no room."""
    cases: dict[tuple[str, str, str], dict[str, Any]] = {}
    wrong = sum(each.summary.counts.failed + each.summary.counts.errors for each in evaluations)
    room = MOST_RESULTS - min(wrong, MOST_RESULTS)
    left_out = 0
    for number, evaluation in enumerate(evaluations):
        about = evaluation.row
        for row in results(log, about.id):
            if row.status == "passed":
                if room == 0:
                    left_out += 1
                    continue
                room -= 1
            key = (about.prompt, str(about.spec.get("dataset")), row.case_id)
            detail = row.scores or {}
            case = cases.setdefault(
                key, {"id": row.case_id, "prompt": about.prompt, "tags": detail.get("tags", []), "results": []}
            )
            case["results"].append(_result(number, row, detail))
    return list(cases.values()), left_out


def _result(evaluation: int, row: ResultRow, detail: dict[str, Any]) -> dict[str, Any]:
    output = row.output
    if output is not None and len(output) > _LONGEST_OUTPUT:
        output = output[:_LONGEST_OUTPUT] + "\n… (cut)"
    return {
        "e": evaluation,
        "repeat": row.repeat,
        "status": row.status,
        "score": row.score,
        "reason": detail.get("reason"),
        "error": row.error_message,
        "output": output,
        "source": row.reply_source,
        "latency_ms": row.latency_ms,
        "cost_nano_usd": row.cost_nano_usd,
        "full_cost_nano_usd": detail.get("full_cost_nano_usd"),
        "assertions": [
            {key: graded[key] for key in ("type", "passed", "reason", "expected", "got") if key in graded}
            for graded in detail.get("assertions", ())
        ],
    }


def _embedded(data: Any) -> str:
    """JSON that no reply can break out of: nothing in it can end the script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _asset(name: str) -> str:
    return (resources.files("promptctl.reports") / "page" / name).read_text(encoding="utf-8")
