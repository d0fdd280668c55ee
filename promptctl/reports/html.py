"""Evaluations as a self-contained page that works offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import case_results
from promptctl.evaluations.trend import TrendRow
from promptctl.log.results import ResultRow
from promptctl.log.store import Store
from promptctl.reports.asked import AskedMessages, about_request, message_texts
from promptctl.reports.columns import beside_best, names_of
from promptctl.reports.offline_page import offline_page
from promptctl.reports.review import is_timed
from promptctl.reports.rows import evaluation_head
from promptctl.reports.sentences import joined, of_evaluations
from promptctl.reports.wording import as_text, without_commit

MOST_RESULTS = 5_000
_LONGEST_OUTPUT = 20_000
# Beyond so many characters of replies, only the beginning of each further one is shown.
_MOST_OUTPUT = 20_000_000
_SHORT_OUTPUT = 500
_UNTIMED = {"p50_latency_ms": None, "p95_latency_ms": None}


def html_page(log: Store, evaluations: Sequence[Evaluation], trend: Sequence[TrendRow] = ()) -> Iterator[str]:
    """Yield the page. Replies are put into it as text only, never as HTML; it may load and send nothing.

    With more than 5,000 results it holds those that did not pass before the others, and says how many it leaves out.
    `trend` is that of the only evaluation.
    """
    evaluations = list({each.row.id: each for each in evaluations}.values())
    prompts = list(dict.fromkeys(each.row.prompt for each in evaluations))
    datasets = {each.row.spec.dataset for each in evaluations}
    # The same cases asked of several prompts stand side by side too.
    groups = [(each.row.spec.dataset,) if len(datasets) == 1 else _group(each) for each in evaluations]
    cases, left_out = cases_of(log, evaluations, groups=groups)
    about = "evaluated" if len(evaluations) == 1 else f"{len(evaluations)} evaluations"
    about += "".join(f" on {each.row.started_at[:16].replace('T', ' ')} UTC" for each in evaluations[:1])
    if left_out:
        about += f" · {left_out:,} results are left out of this page; -o results.jsonl has all"
    names = names_of([each.row for each in evaluations], groups)
    heads = [head_of(each) for each in evaluations]
    if len(set(groups)) == 1:
        for head, beside in zip(heads, beside_best(log, evaluations), strict=False):
            head["beside"] = asdict(beside) if beside else None
    opening = of_evaluations(evaluations, names)
    yield from offline_page(
        {
            "title": joined(prompts) or "Nothing evaluated",
            **opening.as_dict(),
            "about": about,
            "evaluations": heads,
            "columns": columns_of(names),
            "cases": list(cases.values()),
            "trend": [trend_point(row, without_commit(row.version_display)) for row in trend],
        }
    )


def head_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation's totals, without latencies if no model was asked."""
    return evaluation_head(evaluation) | ({} if is_timed(evaluation) else _UNTIMED)


def columns_of(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns that results stand in, each with the positions of the evaluations of that name."""
    return [
        {"name": name, "evaluations": [at for at, each in enumerate(names) if each == name]}
        for name in dict.fromkeys(names)
    ]


def _group(evaluation: Evaluation) -> tuple[str, ...]:
    return evaluation.row.prompt, evaluation.row.spec.dataset


def cases_of(
    log: Store, evaluations: Sequence[Evaluation], pairs: int = 0, groups: Sequence[tuple[str, ...]] = ()
) -> tuple[dict[tuple[str, ...], dict[str, Any]], int]:
    """Return the results by case, in the order of the datasets; and how many there was no room for.

    A case's key ends in its id, after the group of its evaluation: by default prompt and dataset. The evaluations begin
    with so many `pairs` of compared ones, base and head: their cases stand side by side in the head's name, and their
    keys begin with the head's id.
    """
    messages = AskedMessages(log)
    cases: dict[tuple[str, ...], dict[str, Any]] = {}
    digests: dict[tuple[str, ...], str | None] = {}
    room = _Room(evaluations)
    for number, evaluation in enumerate(evaluations):
        is_side = number < 2 * pairs
        about = evaluations[number | 1].row if is_side else evaluation.row
        group = (about.id,) if is_side else groups[number] if groups else _group(evaluation)
        for found in case_results(log.results(evaluation.row.id), evaluation.row.spec.at_least):
            rows = [row for row in found.rows if room.takes(row)]
            if not rows:
                continue
            case_id, outcome = found.outcome.case_id, found.outcome
            case = cases.setdefault(
                (*group, case_id),
                {
                    "id": case_id,
                    "prompt": about.prompt,
                    "dataset": about.spec.dataset,
                    "tags": list(found.tags),
                    "must_pass": found.must_pass,
                    "xfail": rows[0].detail.xfail,
                    "request": [],
                    "results": [],
                },
            )
            case["request"] = case["request"] or [
                (name, room.shown(text)) for name, text in about_request(rows[0]) if name != "execution"
            ]
            # What a case came to is decided by all its repeats, also by those that there is no room for.
            of_case = {"outcome": outcome.status, "passes": outcome.passes, "of": len(found.rows)}
            of_case = of_case if len(found.rows) > 1 else {}
            for row in rows:
                sent = [(role, room.shown(text)) for role, text in message_texts(messages.of(row))]
                result = _result(number, row, room.shown(_readable(row.output))) | {"messages": sent} | of_case
                if row.reply_source == "replay" or not is_timed(evaluation):
                    result["latency_ms"] = None
                if digests.setdefault((*group, case_id), row.case_digest) != row.case_digest:
                    result["is_other_case"] = True
                case["results"].append(result)
    return cases, room.left_out


class _Room:
    """Room left on the page: results that passed make way for those that did not."""

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        wrong = sum(
            (each.summary.counts.failed + each.summary.counts.errors) * each.summary.repeats for each in evaluations
        )
        self.left_out = 0
        # By whether they passed.
        self._left = {False: MOST_RESULTS, True: MOST_RESULTS - min(wrong, MOST_RESULTS)}
        self._characters = _MOST_OUTPUT

    def takes(self, row: ResultRow) -> bool:
        has_passed = row.status == "passed"
        if not self._left[has_passed]:
            self.left_out += 1
            return False
        self._left[has_passed] -= 1
        return True

    def shown(self, output: str | None) -> str | None:
        """Return the reply, cut if it is very long or the page is full."""
        if output is None:
            return None
        most = _LONGEST_OUTPUT if self._characters > 0 else _SHORT_OUTPUT
        self._characters -= min(len(output), most)
        return output if len(output) <= most else output[:most] + "\n… (cut)"


def _result(evaluation: int, row: ResultRow, output: str | None) -> dict[str, Any]:
    detail = row.detail
    return {
        "e": evaluation,
        "repeat": row.repeat,
        "status": row.status,
        "score": row.score,
        "reason": detail.reason,
        "error": row.error_message,
        "output": output,
        "execution": row.execution_id,
        "source": row.reply_source,
        "latency_ms": row.latency_ms,
        "cost_nano_usd": row.cost_nano_usd,
        "full_cost_nano_usd": detail.full_cost_nano_usd,
        "assertions": [
            {
                key: _readable(graded[key])
                for key in ("type", "judge", "passed", "reason", "expected", "got")
                if key in graded
            }
            for graded in detail.assertions
        ],
    }


def _readable(value: Any) -> Any:
    """Return a value; a text without the content of the images, sounds and documents in it."""
    return as_text(value) if isinstance(value, str) else value


def trend_point(row: TrendRow, name: str) -> dict[str, Any]:
    """Return one version of a trend as a point of its chart."""
    rates = ("pass_rate", "low", "high") if row.passed + row.failed else ()  # there is none where nothing was graded
    about = {key: getattr(row, key) for key in ("passed", "cases", "change", *rates)}
    return {"version": name, **dict.fromkeys(("pass_rate", "low", "high")), **about}
