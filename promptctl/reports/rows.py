"""Evaluations as data: JSON, JSON lines, CSV; one row for each result, streamed from the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from promptctl.log.results import STOPPED as STOPPED
from promptctl.log.results import ResultRow
from promptctl.reports.asked import AskedMessages
from promptctl.reports.tables import csv_line
from promptctl.reports.wording import as_text

if TYPE_CHECKING:
    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.log.store import Store

_COLUMNS = (
    "evaluation", "prompt", "version", "model", "dataset", "case", "repeat", "status", "score", "reason", "output",
    "cost_usd", "latency_ms", "input_tokens", "output_tokens", "tags", "error",
)  # fmt: skip

_REQUEST_COLUMNS = ("expected", "messages", "parameters", "execution")


def evaluation_name(found: Evaluation, among: Sequence[Evaluation]) -> str:
    """Return the name of what is evaluated, with what differs from others of the same prompt."""
    alike = [each for each in among if each.row.prompt == found.row.prompt]
    parts = (lambda each: each.row.version_display or "unversioned", lambda each: each.row.model, dataset_name)
    telling = [part(found) for part in parts if len({part(each) for each in alike}) > 1]
    return " · ".join([found.row.prompt, *telling])


def dataset_name(found: Evaluation) -> str:
    """Return the path of its dataset below `datasets/`."""
    return found.row.spec.dataset.removeprefix("datasets/")


def json_document(log: Store, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield one JSON document: each evaluation with its totals and all its results."""
    messages = AskedMessages(log)
    yield '{"evaluations": ['
    for number, evaluation in enumerate(evaluations):
        yield ("," if number else "") + "\n " + _dump(evaluation_head(evaluation))[:-1] + ',\n  "results": ['
        separator = "\n   "
        for row in log.results(evaluation.row.id):
            yield separator + _dump(result_as_dict(row) | messages.as_dict(row))
            separator = ",\n   "
        yield "]}"
    yield "]}\n"


def json_lines(log: Store, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield one JSON object on each line: a result with its evaluation's id."""
    messages = AskedMessages(log)
    for evaluation in evaluations:
        about = evaluation.row
        head = {"evaluation": about.id, "prompt": about.prompt, "parameters": dict(about.spec.parameters)}
        for row in log.results(about.id):
            yield _dump(head | result_as_dict(row) | messages.as_dict(row)) + "\n"


def csv_table(log: Store, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield a table with a header line; one row for each result, with a column for each input that any of them has."""
    found = (row for each in evaluations for row in log.results(each.row.id))
    inputs = list(dict.fromkeys(name for row in found for name in row.detail.inputs))
    messages = AskedMessages(log)
    yield csv_line((*_COLUMNS, *(f"input.{name}" for name in inputs), *_REQUEST_COLUMNS))
    for evaluation in evaluations:
        about = evaluation.row
        for row in log.results(about.id):
            detail = row.detail
            yield csv_line(
                (
                    about.id,
                    about.prompt,
                    about.version_display,
                    about.model,
                    about.spec.dataset,
                    row.case_id,
                    row.repeat,
                    row.status,
                    row.score,
                    detail.reason,
                    _cell(row.output),
                    None if row.cost_nano_usd is None else f"{row.cost_nano_usd / 1e9:.9f}",
                    row.latency_ms,
                    *detail.tokens,
                    " ".join(detail.tags),
                    row.error_message,
                    *(_cell(detail.inputs.get(name)) for name in inputs),
                    _cell(detail.expected),
                    _cell(messages.of(row)),
                    _dump(dict(about.spec.parameters)),
                    row.execution_id,
                )
            )


def evaluation_head(evaluation: Evaluation) -> dict[str, Any]:
    """Return the subject of an evaluation, its totals and its verdict; JSON-able, with stable keys."""
    row = evaluation.row
    return {
        "evaluation": row.id,
        "prompt": row.prompt,
        "version": row.version,
        "version_display": row.version_display,
        "digest": row.digest,
        "commit": row.commit,
        "dirty": row.is_dirty,
        "label": row.label,
        "model": row.model,
        "dataset": row.spec.dataset,
        "parameters": dict(row.spec.parameters),
        "started_at": row.started_at,
        "tool_version": row.tool_version,
        "min_pass": evaluation.min_pass,
        "until": row.spec.until,
        **evaluation.totals.as_json(),
    }


def result_as_dict(row: ResultRow) -> dict[str, Any]:
    """Return one result; JSON-able, with stable keys."""
    detail = row.detail
    return {
        "case": row.case_id,
        "inputs": dict(detail.inputs),
        "expected": detail.expected,
        "repeat": row.repeat,
        "status": row.status,
        "score": row.score,
        "reason": detail.reason or row.error_message,
        "output": row.output,
        "assertions": list(detail.assertions),
        "metrics": dict(detail.metrics),
        "tags": list(detail.tags),
        "must_pass": detail.must_pass,
        "xfail": detail.xfail,
        "case_digest": row.case_digest,
        "reply_source": row.reply_source,
        "cost_nano_usd": row.cost_nano_usd,
        "full_cost_nano_usd": detail.full_cost_nano_usd,
        "latency_ms": row.latency_ms,
        "input_tokens": detail.tokens[0],
        "output_tokens": detail.tokens[1],
        "execution": row.execution_id,
        "error_type": row.error_type,
        "error_message": row.error_message,
    }


def _cell(value: Any) -> str | None:
    return None if value is None else as_text(value)


def _dump(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)
