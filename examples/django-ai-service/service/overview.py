"""Rows of the pages about prompts, read from the workspace: files, labels, log, rules and budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import promptctl
from service.prompts import workspace

LAST_CALLS = 20
_NANO = 1e9


@dataclass(frozen=True)
class PromptRow:
    """One prompt with its totals: that of a file, or one that only the log knows, as old call sites have."""

    id: str
    name: str
    status: str
    version: str
    labels: tuple[tuple[str, str], ...]
    model: str
    kept: str
    rule: str
    calls: int
    cost: str
    last_call_at: datetime | None
    problem: str


@dataclass(frozen=True)
class CallRow:
    """One attempt of a call."""

    id: str
    at: datetime | None
    version: str
    label: str
    model: str
    status: str
    user: str
    tokens: str
    cost: str
    latency: str
    reply: str


@dataclass(frozen=True)
class BudgetRow:
    """One budget in its window of now."""

    name: str
    state: str
    reason: str
    limit: str
    spent: str
    covers: tuple[str, ...]


def prompt_rows() -> list[PromptRow]:
    """Return every prompt of the files and of the log."""
    files = {summary.id: summary for summary in workspace().prompts()}
    rows = []
    for ruled in workspace().log.rules():
        summary = files.get(ruled.prompt)
        prompt, version = (summary.prompt, summary.version) if summary else (None, None)
        rows.append(
            PromptRow(
                id=ruled.prompt,
                name=prompt.name or "" if prompt else "",
                status=prompt.status if prompt else "no file" if summary is None else "wrong",
                version=version.display if version else "-",
                labels=tuple((state.label, state.version) for state in summary.labels) if summary else (),
                model=summary.model or "" if summary else "",
                kept=ruled.rule.kept,
                rule=str(ruled.rule.place or "the built-in rule"),
                calls=ruled.totals.calls,
                cost=_cost(ruled.totals.cost_nano_usd),
                last_call_at=_moment(ruled.totals.last_at),
                problem=str(summary.error) if summary and summary.error else "",
            )
        )
    return rows


def call_rows(prompt: str, *, shows_replies: bool) -> list[CallRow]:
    """Return the last calls of a prompt, newest first; replies are for whoever may see answers."""
    wanted = promptctl.Filter(prompt=prompt, limit=LAST_CALLS)
    return [
        CallRow(
            id=each.id,
            at=_moment(each.started_at),
            version=each.version_display or "-",
            label=each.label or "-",
            model=each.model,
            status=each.status,
            user=each.user or "-",
            tokens=f"{_number(each.input_tokens)} + {_number(each.output_tokens)}",
            cost=_cost(each.cost_nano_usd),
            latency="-" if each.latency_ms is None else f"{each.latency_ms:,.0f} ms",
            reply=(each.reply or each.error_message or "") if shows_replies else "",
        )
        for each in workspace().log.executions(wanted, with_content=True)
    ]


def total_rows(prompt: str) -> list[tuple[str, promptctl.CallTotals, str]]:
    """Return version, totals and cost of each version that was called."""
    found = workspace().log.totals(promptctl.Filter(prompt=prompt))
    return [(total.version_display or "-", total, _cost(total.cost_nano_usd)) for total in found]


def budget_rows(prompt: str | None = None) -> list[BudgetRow]:
    """Return every budget, or those that cover a prompt."""
    rows = []
    for status in workspace().budgets.all():
        if prompt is not None and prompt not in status.prompts:
            continue
        rule = status.rule
        spent = status.accounts[0].spent if status.accounts else 0
        rows.append(
            BudgetRow(
                name=rule.name,
                state=status.state,
                reason=status.reason or "",
                limit=f"{rule.amount(rule.limit)} per {rule.per}",
                spent=rule.amount(spent),
                covers=status.prompts,
            )
        )
    return rows


def _cost(nano_usd: int | None) -> str:
    return "?" if nano_usd is None else f"${nano_usd / _NANO:,.6f}".rstrip("0").rstrip(".")


def _number(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
