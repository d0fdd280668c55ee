"""Alerts of budgets to webhooks, beside the calls: each is sent once, and again at a next call if it did not arrive."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from promptctl import __version__
from promptctl.errors import LogFailure, ModelConfigurationError
from promptctl.log.stamps import utc_text

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from promptctl.context import Context
    from promptctl.formats.budget_rules import BudgetRule
    from promptctl.log.budgets import BudgetEvent
    from promptctl.log.store import Store

TIMEOUT_S = 2.0
# While one process sends an alert, no other does; if it is killed meanwhile, the next one may after this.
_LEASE = timedelta(seconds=10)
# A webhook that does not answer is not tried at each of a thousand calls: soon only when the alert has become a tenth
# older, and no longer than a day.
_EAGER = timedelta(seconds=10)
_GIVEN_UP = timedelta(days=1)
_PLAIN = re.compile(r"[\w-]+")
_NO_MARKUP = str.maketrans("<>`", "‹›'")


class AlertSender:
    """Sends the alerts of a workspace on a thread beside the calls, of which there is one at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._rules: Sequence[BudgetRule] = ()
        self._is_due = self._is_sending = False
        self._told: set[str] = set()

    def send(self, rules: Sequence[BudgetRule]) -> None:
        """Send what is due, by these rules, soon; returns at once."""
        with self._lock:
            self._rules, self._is_due = rules, True
            if self._is_sending:
                return
            self._is_sending = True
        errands = self._context.errands
        errands[:] = [each for each in errands if each.is_alive()]
        errands.append(Thread(target=self._work, name="promptctl alerts", daemon=True))
        errands[-1].start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._is_due:
                    self._is_sending = False
                    return
                self._is_due = False
            words = send_due(self._context.log, self._rules, self._context.environ)
            if words is not None and words not in self._told:
                self._told.add(words)
                self._context.warn(words)


def send_due(store: Store, rules: Sequence[BudgetRule], environ: Mapping[str, str]) -> str | None:
    """Send the alerts that wait in the log; return why a new one did not arrive, in words without the address.

    For a thread of its own: no answer of a model waits for it. An address that fails is not tried again before the next
    call.
    """
    by_name = {rule.name: rule for rule in rules}
    failed: list[tuple[BudgetEvent, str]] = []
    problems: dict[str, str] = {}  # of addresses that failed
    words = None
    try:
        until = time.monotonic() + 3 * TIMEOUT_S  # within the lease
        while time.monotonic() < until:
            now = datetime.now(UTC)
            event = store.claim_webhook(utc_text(now), utc_text(now + _LEASE))
            if event is None:
                break
            rule = by_name.get(event.budget)
            if rule is None or rule.webhook_env is None:
                failed.append((event, "its rule names no webhook"))
                continue
            problem = problems.get(rule.webhook_env) or _send_in_time(event, rule, rule.webhook_env, environ)
            if problem is None:
                store.mark_webhook(event.id, "sent", event.at)
            else:
                failed.append((event, problem))
                problems[rule.webhook_env] = problem
        for event, problem in failed:
            now = datetime.now(UTC)
            age = now - datetime.fromisoformat(event.at)
            if age <= _EAGER:
                words = f"an alert of the budget `{event.budget}` was not sent: {problem}"
            again = now + age / 10 if age > _EAGER else now
            store.mark_webhook(event.id, "failed" if age > _GIVEN_UP else "due", utc_text(again))
    except LogFailure:
        pass  # the call that found the log so has said it
    return words


def alert_body(event: BudgetEvent, rule: BudgetRule) -> dict[str, Any]:
    """Return the JSON that a webhook gets: the event, the rule it is of, and `text`, which chats show.

    Whoever an account is of may have chosen its name: as code it mentions nobody in a chat, and links to nothing.
    """
    key = event.key
    if key and not _PLAIN.fullmatch(key):
        key = f"`{' '.join(key.translate(_NO_MARKUP).split())}`"
    return {
        "text": replace(event, key=key).words,
        **{name: value for name, value in event.as_dict().items() if name != "webhook"},
        "each": rule.each,
        "per": rule.per,
        "timezone": rule.timezone,
        "then": rule.then,
        "rule_place": str(rule.place),
        "tool_version": __version__,
    }


def _send_in_time(event: BudgetEvent, rule: BudgetRule, name: str, environ: Mapping[str, str]) -> str | None:
    """Send one alert, as `_send`, and wait no longer than `TIMEOUT_S` in all: an answer may come byte by byte."""
    found: list[str | None] = []
    sending = Thread(
        target=lambda: found.append(_send(event, rule, name, environ)), name="promptctl alert", daemon=True
    )
    sending.start()
    sending.join(TIMEOUT_S)
    return found[0] if found else _silent(name)


def _silent(name: str) -> str:
    return f"the address in {name} did not answer within {TIMEOUT_S:.0f} s"


def _send(event: BudgetEvent, rule: BudgetRule, name: str, environ: Mapping[str, str]) -> str | None:
    """Send one alert to the address in a variable; return why it did not arrive.

    No word of the address is in that: it may hold a secret.
    """
    url = environ.get(name, "").strip()
    parts = _address(url)
    if parts is None:
        return webhook_fault(name, environ)
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    from promptctl.models.endpoints import proxy_for

    class NeverRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        proxy = proxy_for("webhooks", parts, environ)
        request = Request(  # noqa: S310 - the scheme was checked
            url,
            json.dumps(alert_body(event, rule)).encode(),
            {"Content-Type": "application/json", "User-Agent": f"promptctl/{__version__}"},
        )
        opener = build_opener(NeverRedirect, ProxyHandler({parts.scheme: proxy} if proxy else {}))
        with opener.open(request, timeout=TIMEOUT_S):
            return None
    except HTTPError as error:
        error.close()
        return f"the address in {name} answered {error.code}"
    except ModelConfigurationError as error:
        return error.message
    except TimeoutError:
        return _silent(name)
    except (OSError, HTTPException, ValueError) as error:
        is_silent = isinstance(getattr(error, "reason", None), TimeoutError)
        return _silent(name) if is_silent else f"the address in {name} could not be reached"


def webhook_fault(name: str, environ: Mapping[str, str]) -> str | None:
    """Return what keeps alerts from being sent to the address in a variable, without a word of it; None if nothing."""
    url = environ.get(name, "").strip()
    if not url:
        return f"the variable {name} is not set"
    if _address(url) is None:
        return f"the variable {name} holds no plain address that begins with https:// or http://"
    return None


def _address(url: str) -> SplitResult | None:
    """Return the parts of a plain address; None for any other text."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        is_plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
        return parts if is_plain and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
