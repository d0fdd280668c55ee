"""The rows of evaluations as plain records; apart from the others, as most commands never need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ResultStatus = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """One evaluation: one prompt version over one selection of cases.

    `spec` holds whatever it takes to run it again (datasets, selection, repeats, parameters), `totals` what came
    out; both are JSON objects whose keys belong to the evaluations room. `status` is `running` until it is finished.
    """

    id: str
    started_at: str
    prompt: str
    digest: str
    model: str
    status: str = "running"
    finished_at: str | None = None
    version: int | None = None
    version_display: str | None = None
    commit: str | None = None
    is_dirty: bool = False
    label: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    totals: Mapping[str, Any] = field(default_factory=dict)
    tool_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One case of an evaluation at one repeat; the log holds each (evaluation, case, repeat) once.

    `position` is the case's place in its dataset, `case_digest` the hash of its content, `scores` the outcome of each
    assertion (JSON), `score` their weighted sum in one number, `output` the reply that was graded, kept whatever the
    log rules say. `cost_nano_usd` is None where the price is unknown. `execution_id` is the execution graded, where
    one was logged.
    """

    evaluation_id: str
    case_id: str
    status: ResultStatus
    repeat: int = 1
    position: int = 0
    case_digest: str | None = None
    finished_at: str | None = None
    score: float | None = None
    scores: Any = None
    output: str | None = None
    reply_source: str | None = None
    cost_nano_usd: int | None = None
    latency_ms: float | None = None
    execution_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None
