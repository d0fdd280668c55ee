"""Ways to the models of one session: through the account of money, the limiter and the cache, or to recordings."""

from __future__ import annotations

from collections.abc import Callable

from promptctl.calls.account import Account
from promptctl.calls.spending import SpendingGateway
from promptctl.context import Context
from promptctl.errors import ModelError
from promptctl.evaluations.cache import CachedGateway, ReplyCache
from promptctl.evaluations.limiter import LimitedGateway, time_stands_still
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.progress import Load
from promptctl.evaluations.request import Limits
from promptctl.models.gateway import Gateway
from promptctl.models.replay import Replay

_PROBE_S = 1.0
_PROBE_WITHOUT_KEY_S = 0.025


class Gateways:
    """The ways to the models of one session, with the `account` of what it may spend; None if nothing bounds that.

    `give_up` is called with a model that has refused what it would refuse each time. `load` is what is under way.
    """

    def __init__(self, context: Context, limits: Limits, give_up: Callable[[str, ModelError], None]) -> None:
        most = limits.max_cost_nano_usd
        self.account = None if most is None else Account(most)
        self.load = Load()
        self.router = context.router(limits.concurrency)
        paying = SpendingGateway(context, self.router, self.account, time_stands_still)
        self._limited = LimitedGateway(paying, limits.concurrency, give_up, self._probe_s, self.load)
        self.cache = ReplyCache(context.state_folder / "cache.db", context.warn, context.redactor)
        self.cached = CachedGateway(self._limited, self.cache, self._server_of)
        # A judge that is measured anew: whoever measures it after that reads the new verdicts.
        self._renewed = CachedGateway(self._limited, self.cache, self._server_of, is_read=False)
        self._replay = Replay(context.recordings_folder)

    def of(self, plan: Plan) -> Gateway:
        """Return the way by which the replies of a plan come."""
        if plan.spec.replies == "replay":
            return self._replay
        if plan.spec.replies in ("cache", "record"):
            return self.cached
        return self._renewed if plan.spec.side == "calibration" else self._limited

    def _probe_s(self, model: str) -> float | None:
        """Return for how long others wait for the first reply: an unknown key is worth more than a server without.

        With a bound on the cost they wait as long as it takes: the first tells whether the model keeps its limits.
        """
        if self.account is not None:
            return None
        try:
            has_key = self.router.settings_of(model).endpoint.api_key is not None
        except ModelError:
            return 0.0
        return _PROBE_S if has_key else _PROBE_WITHOUT_KEY_S

    def _server_of(self, model: str) -> str:
        """Return what tells a model's server from one that answers to the same model's id."""
        try:
            return self.router.settings_of(model).endpoint.server
        except ModelError:
            return ""
