"""Admission by budgets: what a request may cost at most is reserved in the log before it is sent, and settled after."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from promptctl.calls.budget_refusals import is_passing, reached, unchecked, unpriced
from promptctl.calls.call import ASKING, Attempts
from promptctl.errors import LogFailure
from promptctl.log.budgets import Admission, BudgetedCall, BudgetEvent, Charge, Reservation, Settlement
from promptctl.log.processes import is_alive, this_process
from promptctl.log.stamps import utc_now, utc_text
from promptctl.log.windows import window_of
from promptctl.models.gateway import REPLAY, Request
from promptctl.prompts.prompt import HASHED

if TYPE_CHECKING:
    from promptctl.calls.alerts import AlertSender
    from promptctl.context import Context
    from promptctl.models.worst_case import WorstCase

# How much longer than its request a reservation holds whose process cannot be seen.
_GRACE_S = 3600.0
_LOOK_FOR_DEAD_S = 60.0
# More than any limit, and little enough for the log to add up.
_MOST = 2 * 10**18
_SILENT = frozenset({"changed", "blocked", "disabled"})  # on record; the error says the last two


class BudgetGuard:
    """Reserves for each request what it may spend by every budget that holds for its call, or refuses it.

    The rules are those of the workspace's settings; a change of their file holds from the next call on. What is
    reserved is settled with the row of the call. For use on one event loop at a time.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings_now
        self._are_noted = False
        self._looked_at: float | None = None
        self._under_way: set[str] = set()
        self._last_settled = object()
        self._unsettled: deque[Settlement] = deque()  # threads take out of it
        self._waiting: list[asyncio.Future[None]] = []
        self._told: set[str] = set()
        self._alerts: AlertSender | None = None

    async def reserve(
        self, request: Request, worst: WorstCase, waiting: Callable[[], AbstractContextManager[None]] | None = None
    ) -> Held | None:
        """Reserve the worst case of a request by each budget; None if none holds for it, or it is free.

        With `waiting` a request waits while others of this object may give back enough. Raises `BudgetReached`.
        """
        attempts = ASKING.get()
        wanted = self.reservation(attempts, request, worst)
        if not wanted.charges:
            return None
        while True:
            last_settled = self._last_settled
            self._under_way.add(wanted.execution)  # others may wait for it, whatever comes of it
            try:
                found = await self._asked(wanted)
            except BaseException as error:
                self._leave(wanted.execution)
                if not isinstance(error, LogFailure):
                    raise
                self._without_log(wanted, error)
                return None
            self._tell(found.events, has_due=found.has_due)
            if not found.refusals:
                return Held(self, wanted, attempts)
            self._leave(wanted.execution)
            if waiting is None or not all(map(is_passing, found.refusals)):
                raise reached(found.refusals[0], request, worst)
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            # What was settled on another thread meanwhile wakes nobody: it is asked again.
            is_same, may_change = last_settled is self._last_settled, bool(self._under_way)
            if is_same and not may_change and last_settled is self._last_settled:
                raise reached(found.refusals[0], request, worst)
            if is_same and may_change:
                with waiting():
                    await change

    def reservation(self, attempts: Attempts, request: Request, worst: WorstCase) -> Reservation:
        """Return what is to be reserved for the request of an attempt that has begun.

        Raises `BudgetReached` if a price is needed and not known.
        """
        if (settings := self._context.settings_now) is not self._settings:
            self._settings, self._are_noted = settings, False
        now = utc_now()
        if request.model.startswith(REPLAY):
            charges, asked = list[Charge](), None
        else:
            charges, asked = self._charges(attempts, request, worst, now)
        until = datetime.now(UTC) + timedelta(seconds=request.timeout_s + _GRACE_S)
        is_due = self._looked_at is None or time.monotonic() - self._looked_at > _LOOK_FOR_DEAD_S
        return Reservation(
            attempts.execution_id,
            now,
            this_process(),
            utc_text(until),
            tuple(charges),
            () if self._are_noted else self._settings.budgets,
            self._is_open,
            is_alive if is_due else None,
            asked if charges else None,
        )

    def keep(self, settlement: Settlement, *, has_row: bool) -> None:
        """Hand a settlement to the recorder, which writes it with the row; without one a thread writes it soon."""
        settlement.on_written = self._written
        if has_row:
            self._context.settlements[settlement.execution] = settlement
            return
        self._unsettled.append(settlement)
        self._context.recorder.on_thread(self._settle_left)

    def _settle_left(self) -> None:
        """Settle what has no row. If the log cannot be written now, the next reservation tries again."""
        left: list[Settlement] = []
        with suppress(IndexError):
            while True:
                left.append(self._unsettled.popleft())
        try:
            if left:
                self._context.log.settle(*left)
        except LogFailure:
            self._unsettled += left
        for settlement in left:
            settlement.written()

    def _charges(
        self, attempts: Attempts, request: Request, worst: WorstCase, now: str
    ) -> tuple[list[Charge], BudgetedCall]:
        call = attempts.call
        prompt, label, options = call.target.prompt, call.target.version.label, call.options
        prompts = (prompt.id, *prompt.formerly)
        user, session = options.user, options.session
        if options.mask is not None:
            user, session = options.mask.name(user), options.mask.name(session)
        keys = {
            each: (name and self._account_name(name)) or None
            for each, name in (("user", user), ("prompt", prompt.id), ("label", label), ("session", session))
        }
        models = (request.model, self._context.models.settings_of(request.model).model)
        amounts: Mapping[str, int | None] = {
            "usd": worst.nano_usd and min(worst.nano_usd, _MOST),
            "calls": 1,
            "tokens": None if worst.unbounded is not None else min(worst.input_tokens + worst.output_tokens, _MOST),
        }
        charges = []
        for rule in self._settings.budgets:
            if not rule.matches(prompts, options.source, label, options.user, models):
                continue
            amount = amounts[rule.unit]
            if amount is None and rule.unpriced == "refuse":
                raise unpriced(rule, request, worst)
            if amount == 0 and rule.unit == "usd":  # free models pass always
                continue
            window = window_of(now, rule.per, rule.timezone)
            key = keys[rule.each] if rule.each else None
            other = self._other_name(getattr(options, rule.each), key) if rule.each in ("user", "session") else None
            both = (keys["user"], self._other_name(options.user, keys["user"])) if rule.users else ()
            users = tuple(filter(None, both))
            charges.append(Charge(rule, key, window, amount or 0, attempts.spent.get(rule.name, 0), other, users))
        return charges, BudgetedCall(now, prompts, options.source, models, keys, amounts)

    def _account_name(self, name: str) -> str:
        """Return a name as the rows of calls have it: it may hold a secret, or what no text can hold."""
        return self._context.redactor.redact(name).encode("utf-8", "replace").decode()

    def _other_name(self, name: str | None, key: str | None) -> str | None:
        """Return the other name that the log may have for a user or a session, the plain one or its hash."""
        if not name or not key:
            return None
        if key.startswith(HASHED):
            other = self._account_name(name)
        else:
            from promptctl.log.keyed_hashes import hashes_of

            other = hashes_of(self._context.state_folder, (name,)).get(name, key)
        return None if other == key else other

    async def _asked(self, wanted: Reservation) -> Admission:
        log = self._context.log
        is_slow = wanted.is_alive is not None or bool(self._unsettled)
        found = None if is_slow else log.reserve_at_once(wanted)
        if found is None:
            thread = asyncio.wrap_future(self._context.recorder.on_thread(self._reserve, wanted))
            try:
                found = await asyncio.shield(thread)
            except asyncio.CancelledError:
                # The thread may reserve all the same, for a request that will not be sent.
                thread.add_done_callback(lambda _: self.keep(_nothing(wanted.execution), has_row=False))
                raise
        self._are_noted = True
        if wanted.is_alive is not None:
            self._looked_at = time.monotonic()
        return found

    def _reserve(self, wanted: Reservation) -> Admission:
        self._settle_left()
        return self._context.log.reserve(wanted)

    def _without_log(self, wanted: Reservation, failure: LogFailure) -> None:
        """Let a request through without a reservation; raise `BudgetReached` if one of its budgets stops calls."""
        hard = next((charge.rule for charge in wanted.charges if charge.rule.is_hard), None)
        if hard is not None and not self._is_open:
            raise unchecked(hard, failure)
        if failure.reason not in self._told:
            self._told.add(failure.reason)
            self._context.warn(f"calls are not counted by budgets: {failure.message}")

    @property
    def _is_open(self) -> bool:
        return self._settings.budgets_without_log == "open"

    def _written(self, settlement: Settlement) -> None:
        """Tell what a settlement brought about, and wake those who wait for it; also on the thread that writes."""
        self._last_settled = object()
        self._under_way.discard(settlement.execution)
        self._last_settled = object()
        names = settlement.names
        self._tell([replace(event, key=names.get(event.key, event.key)) for event in settlement.events])
        self._wake_all()

    def _leave(self, execution: str) -> None:
        """Take back a request that got no reservation; nobody may wait for it alone."""
        self._under_way.discard(execution)
        if not self._under_way:
            self._wake_all()

    def _wake_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            with suppress(RuntimeError):  # its loop was closed
                change.get_loop().call_soon_threadsafe(_wake, change)

    def _tell(self, events: Sequence[BudgetEvent], *, has_due: bool = False) -> None:
        for event in events:
            if event.kind not in _SILENT:
                self._context.warn(event.words)
        if has_due or any(event.webhook for event in events):
            if self._alerts is None:
                from promptctl.calls.alerts import AlertSender

                self._alerts = AlertSender(self._context)
            self._alerts.send(self._settings.budgets)


class Held(NamedTuple):
    """The reservation of one request, until it is known what it spent."""

    budgets: BudgetGuard
    wanted: Reservation
    attempts: Attempts

    def settle(self, nano_usd: int | None, tokens: int | None, calls: int, *, has_row: bool) -> None:
        """Count what the request spent; None if nobody can tell, so that all that was reserved counts."""
        spent = {"usd": nano_usd, "tokens": tokens, "calls": calls}
        of_call = []
        for charge in self.wanted.charges:
            if charge.rule.per == "call":
                told = spent[charge.rule.unit]
                of_call.append((charge, charge.already + (charge.amount if told is None else told)))
        self.attempts.spent |= {charge.rule.name: amount for charge, amount in of_call}
        names: dict[str | None, str] = {each.other: each.key for each in self.wanted.charges if each.other and each.key}
        settlement = Settlement(self.wanted.execution, spent, names=names, of_call=of_call)
        self.budgets.keep(settlement, has_row=has_row)


def _nothing(execution: str) -> Settlement:
    return Settlement(execution, {"usd": 0, "tokens": 0, "calls": 0})


def _wake(change: asyncio.Future[None]) -> None:
    if not change.done():
        change.set_result(None)
