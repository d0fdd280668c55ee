"""The dashboard of a workspace."""

from __future__ import annotations

from promptctl.context import Context
from promptctl.dashboard.dashboard import Dashboard, DashboardRequest, dashboard


class Dashboards:
    """Gathers a dashboard: `workspace.dashboard()` is one over all calls but those of evaluations."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __call__(self, request: DashboardRequest | None = None) -> Dashboard:
        """Return the dashboard of what the request means, as a document; nothing is asked of a model or a remote.

        Raises what `Log.totals` raises.
        """
        from promptctl.workspace.log import Log

        request = request or DashboardRequest()
        context = self._context.fresh()
        return dashboard(context, request, Log(context).meant(request.wanted))
