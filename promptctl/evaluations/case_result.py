"""The result of a case as the log keeps it, with its inputs, and the end of very long ones cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.calls.account import spent
from promptctl.calls.call import CallOptions
from promptctl.datasets.cases import Case
from promptctl.errors import PromptctlError
from promptctl.evaluations.scoring import Score
from promptctl.log.records import Execution
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.prompts.prompt import MISSING

# Characters of a case's inputs and `expected` that its result keeps: of one text, and of all. An item counts for some.
_LONGEST_KEPT = 20_000
_MOST_KEPT = 100_000
_ITEM = 4
_CUT = "… (cut)"


def result_of(
    case: Case,
    position: int,
    options: CallOptions,
    inputs: Mapping[str, Any],
    execution: Execution | None,
    error: PromptctlError | None,
    score: Score,
) -> ResultRow:
    """Return the result of the case at this place of its dataset; `inputs` are those of it that the prompt takes."""
    kept = _Kept()
    detail = ResultDetail(
        reason=score.reason,
        assertions=tuple([part.as_data() for part in score.graded]),
        metrics=score.metrics,
        tags=case.tags,
        must_pass=case.must_pass,
        xfail=case.xfail,
        is_xfail_strict=case.is_xfail_strict,
        cluster=case.cluster,
        tokens=(execution.input_tokens, execution.output_tokens) if execution is not None else (None, None),
        full_cost_nano_usd=full_cost(execution) if execution is not None else None,
        has_call=execution is not None,
        judge_cost_nano_usd=score.cost_nano_usd,
        inputs=kept.part(execution.inputs if execution and execution.inputs else inputs),
        expected=None if case.expected is MISSING else kept.part(case.expected),
    )
    cost = spent(execution, error)
    if cost is not None:
        cost = None if score.cost_nano_usd is None else cost + score.cost_nano_usd
    result = ResultRow(
        evaluation_id=options.evaluation_id or "",
        case_id=case.id,
        repeat=options.repeat or 1,
        position=position,
        case_digest=case.content_hash,
        status=score.status,
        score=score.score,
        detail=detail,
        output=execution.reply if execution else case.output,
        reply_source=_source(case, execution),
        cost_nano_usd=cost,
        latency_ms=execution.latency_ms if execution else None,
        execution_id=execution.id if execution else None,
        error_type=type(error).__name__ if error else score.error_type,
        error_message=(error.message if error else score.reason) if score.status == "error" else None,
    )
    return result if options.mask is None else options.mask.result(result)


def full_cost(execution: Execution) -> int | None:
    """Original cost of the reply; for cached or replayed replies the recorded one; None if unknown."""
    is_reused = execution.reply_source in ("cache", "replay")
    return execution.full_cost_nano_usd if is_reused else execution.cost_nano_usd


class _Kept:
    """The inputs of a case as its result keeps them: whole, but for the end of texts such as a picture's data."""

    def __init__(self) -> None:
        self._left = _MOST_KEPT

    def part(self, value: Any) -> Any:
        """Return a value as it is kept; when all of them are too large together, what comes last is left out."""
        if isinstance(value, str):
            most = max(0, min(_LONGEST_KEPT, self._left))
            self._left -= len(value)
            return value if len(value) <= most else value[:most] + _CUT
        self._left -= _ITEM
        if isinstance(value, Mapping):
            kept: dict[str, Any] = {}
            for name, each in value.items():
                if self._left <= len(name):
                    return {**kept, _CUT: f"{len(value) - len(kept):,} more"}
                self._left -= len(name)
                kept[name] = self.part(each)
            return kept
        if isinstance(value, list | tuple):
            items = [self.part(each) for each in value if self._left > 0]
            return items if len(items) == len(value) else [*items, _CUT]
        return value


def _source(case: Case, execution: Execution | None) -> str | None:
    """Return the source of the reply, or None if there is no reply."""
    if execution is None:
        return None if case.output is None else "dataset"
    return execution.reply_source if execution.reply is not None else None
