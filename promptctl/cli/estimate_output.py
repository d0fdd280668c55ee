"""Shows what a call or an evaluation would ask and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptctl.cli.output import format_moment, say, say_json, tell, time_heading
from promptctl.cli.tables import say_table
from promptctl.reports.wording import count, format_cost

if TYPE_CHECKING:
    from promptctl import DryRun, Estimate


def say_estimate(rows: Sequence[Estimate], *, as_json: bool) -> None:
    """Print what evaluations would ask and cost."""
    if as_json:
        say_json([row.as_dict() for row in rows])
        return
    has_sides = len({row.prompt for row in rows}) < len({(row.prompt, row.version_display) for row in rows})
    say_table(
        ["Prompt", "Model", "Dataset", "Calls", "Tokens in", "Tokens out", "Cost", "Estimated from"],
        [
            (
                f"{row.prompt} {row.version_display}" if has_sides else row.prompt,
                row.model,
                row.dataset.removeprefix("datasets/"),
                f"{row.calls}" + (f" + {row.judge_calls} by judges" if row.judge_calls else ""),
                row.input_tokens,
                "unknown" if row.output_tokens is None else row.output_tokens,
                _estimated_cost(row),
                row.source,
            )
            for row in rows
        ],
        right=["Calls", "Tokens in", "Tokens out", "Cost"],
        texts=["Model", "Dataset", "Estimated from"],
    )
    if has_sides:
        tell("cases that flip are asked again on both sides: those calls come on top")
    if any(row.is_at_most for row in rows):
        tell("at most: it ends as soon as it is decided")
    unpriced = sorted({row.model for row in rows if not row.is_priced})
    if unpriced:
        tell(f"not priced: {', '.join(unpriced)}; give `prices:` in promptctl.yaml")
    if worst := max((row.worst_nano_usd or 0 for row in rows), default=0):
        tell(f"--max-cost: before each call its worst case is reserved, up to {format_cost(worst)} for one of these")
        plans = [row.plan_worst_nano_usd for row in rows]
        if None not in plans:
            beside = "judges and retries" if any(row.judge_calls for row in rows) else "retries"
            most = format_cost(sum(filter(None, plans)))
            tell(f"all of these at their worst: {most}; {beside} come on top")
    _say_judges([row for row in rows if row.judge_calls])
    if any(row.is_priced and row.cost_nano_usd is None for row in rows):
        tell("a cost is unknown if neither earlier calls nor max_tokens say how long replies are")


def say_dry_run(found: DryRun, *, as_json: bool) -> None:
    """Print the worst case of a call, and what each budget would reserve for it."""
    if as_json:
        say_json(found.as_dict())
        return
    worst = found.worst
    cost = "unknown" if worst.nano_usd is None else format_cost(worst.nano_usd)
    say_table(
        ["Prompt", "Version", "Model", "Tokens in", "Tokens out", "Cost at most"],
        [(found.prompt, found.version_display, found.model, worst.input_tokens, worst.output_tokens, cost)],
        right=["Tokens in", "Tokens out", "Cost at most"],
        texts=["Model"],
    )
    if found.calls > 1:
        most = "unknown" if worst.nano_usd is None else f"{format_cost(worst.nano_usd * found.calls)} at most"
        tell(f"{found.calls} calls like this: {most}")
    if found.retries:
        tell(f"a reply that cannot be used is asked for again, up to {count(found.retries, 'time')}: that comes on top")
    if found.budgets:
        say()
        ends = time_heading("Ends", (each.window_end for each in found.budgets))
        numbers = ["Would reserve", "Limit", "Spent", "Reserved"]
        say_table(
            ["Budget", "Account", *numbers, ends, "Rule"],
            [
                (
                    each.charge.rule.name,
                    each.account.key,
                    *each.amounts,
                    format_moment(each.window_end),
                    str(each.charge.rule.place),
                )
                for each in found.budgets
            ],
            right=numbers,
            texts=["Account"],
            spare=["Reserved", ends, "Account", "Limit"],
        )
    elif found.refusal is None:
        tell("no budget would reserve anything for it")
    if found.refusal is not None:
        tell(f"it would be refused: {found.refusal}")


def _say_judges(rows: Sequence[Estimate]) -> None:
    """Print the tokens and costs of judges, which are not in the table."""
    known = [row for row in rows if row.judge_input_tokens is not None]
    if known:
        tokens_in = sum(row.judge_input_tokens or 0 for row in known)
        tokens_out = sum(row.judge_output_tokens or 0 for row in known)
        costs = [row.judge_cost_nano_usd for row in known]
        cost = "at a price that is not known" if None in costs else f"about {format_cost(sum(filter(None, costs)))}"
        tell(f"judges come on top: about {tokens_in} tokens in, {tokens_out} out, {cost}")
    if len(known) < len(rows):
        unknown = ", ".join(dict.fromkeys(row.prompt for row in rows if row not in known))
        tell(f"what the judges of {unknown} take comes on top and is unknown: the log has no earlier calls of them")


def _estimated_cost(row: Estimate) -> str:
    if row.cost_nano_usd is None:
        return "unknown" if row.is_priced else "unpriced"
    return f"about {format_cost(row.cost_nano_usd)}" if row.cost_nano_usd else "$0"
