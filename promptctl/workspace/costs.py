"""The costs of a workspace's calls: added up, compared, and how they would be lower."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptctl.log.filter import Filter
from promptctl.workspace.log import Log
from promptctl.workspace.names import one_logged_prompt

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.costs.compared import CostComparison
    from promptctl.costs.savings import Suggestions
    from promptctl.costs.table import CostTable
    from promptctl.log.call_totals import Dimension
    from promptctl.log.records import Execution


_DEAREST = 10


class Costs:
    """Reads what calls cost from the log; changes nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def table(self, wanted: Filter | None = None, by: Sequence[Dimension] = ("prompt",)) -> CostTable:
        """Add up the costs of the calls that the filter means, by default all but those of evaluations, by group.

        Raises what `Log.totals` raises.
        """
        from promptctl.costs.table import cost_table

        meant = Log(self._context).meant(wanted or Filter(source="app"))
        return cost_table(self._context.log, meant, by)

    def compare(self, base: str, head: str, *, since: str | None = None, until: str | None = None) -> CostComparison:
        """Compare what two versions of a prompt cost in production, by refs: `support/triage@v7`, `@production`.

        Raises `UsageError` for refs of different prompts or of one version, and what resolving a ref raises.
        """
        from promptctl.costs.compared import compare_costs

        wanted = Log(self._context).meant(Filter(source="app", since=since, until=until))
        return compare_costs(self._context.fresh(), base, head, wanted)

    def later_price(self, execution: Execution) -> str | None:
        """Return where the settings give a price of its model that begins after an execution; None if they give none.

        It says `promptctl.yaml:4 from 2027-01-01`.
        """
        began = datetime.fromisoformat(execution.started_at).timestamp()
        return self._context.models.prices.later_price(execution.model, began)

    def suggest(self, ref: str | None = None) -> Suggestions:
        """Return what would make a prompt cheaper, by its last 30 days of calls; without a ref, the dearest prompts.

        Without a version after @, it is the version called last. Raises `PromptNotFound`, `UsageError` for a glob, and
        what resolving a ref raises.
        """
        from promptctl.costs.recent_calls import DAYS, recent_calls
        from promptctl.costs.savings import suggest

        context = self._context.fresh()
        if ref is not None:
            one_logged_prompt(context, ref, "cost")
        meant = Log(context).meant(Filter(source="app", since=f"{DAYS}d"))
        refs = [ref] if ref is not None else [row.group["prompt"] for row in self.table(meant).rows[:_DEAREST]]
        if ref is None and not refs:  # nothing was called of late
            refs = [row.group["prompt"] for row in self.table().rows[:_DEAREST]]
        found = [seen for each in refs if (seen := recent_calls(context, each, meant.renames)) is not None]
        return suggest(found)
