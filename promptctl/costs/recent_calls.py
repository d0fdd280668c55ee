"""The calls of a prompt that suggestions are drawn from, and the prompt as they were made with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from promptctl.context import Context
from promptctl.errors import PromptctlError
from promptctl.files.wording import without_commit
from promptctl.log.attempts import Attempt, calls_of
from promptctl.log.filter import Filter
from promptctl.log.records import Execution
from promptctl.log.stamps import utc_text
from promptctl.models.gateway import Usage
from promptctl.models.tokens import token_counter
from promptctl.prompts.prompt import Prompt

DAYS = 30
MOST_ATTEMPTS = 20_000
_MOST_CONTENTS = 500


@dataclass(frozen=True)
class RecentCalls:
    """The attempts of one version of a prompt over its last 30 days, newest first, and the prompt at that version.

    `prompt` is None if neither the files nor Git have the version. A month is 30 days at the rate of these calls, from
    the first to the last, at least a day.
    """

    context: Context
    wanted: Filter
    prompt_id: str
    attempts: Sequence[Attempt]
    prompt: Prompt | None

    @cached_property
    def calls(self) -> list[list[Attempt]]:
        """The attempts of each call, in their order."""
        return calls_of(self.attempts)

    @cached_property
    def months(self) -> float:
        """The number of months that the calls span."""
        first, last = (datetime.fromisoformat(self.attempts[at].started_at) for at in (-1, 0))
        return max(1.0, (last - first) / timedelta(days=1)) / DAYS

    @cached_property
    def model(self) -> str:
        """The model of most attempts."""
        return Counter(each.model for each in self.attempts).most_common(1)[0][0]

    @property
    def version(self) -> str:
        """The version as it is shown."""
        return without_commit(self.attempts[0].version_display or "unversioned")

    @cached_property
    def usage(self) -> tuple[int, int, int]:
        """Mean tokens of an attempt: of the request, of the reply, and of the request those that were cached."""
        known = [each for each in self.attempts if each.input_tokens]
        if not known:
            return 0, 0, 0
        sums = [
            sum(getattr(each, name) or 0 for each in known)
            for name in ("input_tokens", "output_tokens", "cached_tokens")
        ]
        sent, received, cached = (round(total / len(known)) for total in sums)
        return sent, received, cached

    @cached_property
    def contents(self) -> list[Execution]:
        """The newest executions of which inputs and replies are kept."""
        found = self.context.log.executions(replace(self.wanted, limit=_MOST_CONTENTS), with_content=True)
        return [each for each in found if each.inputs is not None]

    @property
    def has_contents(self) -> bool:
        """True if the log keeps what any of the calls sent."""
        return any(each.messages_hash is not None for each in self.attempts)

    @cached_property
    def count_tokens(self) -> Callable[[str], int]:
        """A function that returns about how many tokens a text has."""
        return token_counter()[0]

    def price(self, sent: int, received: int, cached: int, model: str | None = None) -> int | None:
        """Return what an attempt of so many tokens costs, by default with the model of most attempts."""
        usage = Usage(input_tokens=max(0, sent), output_tokens=received, cached_tokens=cached)
        return self.context.models.prices.cost_nano_usd(model or self.model, usage)[0]

    def costs_less(self, tokens: int) -> int | None:
        """Return what these calls would cost less if each request had so many tokens fewer; None without a price."""
        sent, received, cached = self.usage
        now, then = self.price(sent, received, cached), self.price(sent - tokens, received, cached)
        return None if now is None or then is None else (now - then) * len(self.attempts)

    def sent_less(self, tokens: int) -> int | None:
        """Return what a month would cost less if each request had so many tokens fewer; None without a price."""
        less = self.costs_less(tokens)
        return None if less is None else self.a_month(less)

    def paid_a_month(self, attempts: Iterable[Attempt]) -> int | None:
        """Return what these attempts cost in a month, as far as it is known; None if it is of none."""
        known = [each.cost_nano_usd for each in attempts if each.cost_nano_usd is not None]
        return self.a_month(sum(known)) if known else None

    def a_month(self, nano_usd: float) -> int:
        """Return what an amount over these calls is in a month."""
        return round(nano_usd / self.months)


def recent_calls(context: Context, ref: str, renames: Mapping[str, str]) -> RecentCalls | None:
    """Return the recent calls of a prompt: of the version that a ref names after @, else of the one called last.

    None if it has no call. Raises what resolving a ref raises.
    """
    prompt_id, _, at = ref.partition("@")
    wanted = Filter(prompt=prompt_id, renames=renames, source="app", limit=1)
    prompt = None
    if at:
        found = context.prompt(ref)
        wanted, prompt = replace(wanted, digest=found.version.digest), found.prompt
    newest = next(iter(context.log.attempts(wanted)), None)
    if newest is None:
        return None
    if prompt is None:
        prompt = _prompt_of(context, prompt_id, newest)
    begin = datetime.fromisoformat(newest.started_at) - timedelta(days=DAYS)
    wanted = replace(wanted, digest=newest.digest, since=utc_text(begin), limit=MOST_ATTEMPTS)
    attempts = [each for each in context.log.attempts(wanted) if each.status != "blocked"]
    return RecentCalls(context, wanted, prompt_id, attempts, prompt) if attempts else None


def _prompt_of(context: Context, prompt_id: str, newest: Attempt) -> Prompt | None:
    """Return the prompt as the newest call had it, from the work tree or from Git."""
    for ref in (prompt_id, f"{prompt_id}@{newest.commit}" if newest.commit else ""):
        with suppress(PromptctlError):
            if ref and (found := context.prompt(ref)).version.digest == newest.digest:
                return found.prompt
    return None
