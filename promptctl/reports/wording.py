"""Numbers as people read them, the same on a terminal, in a comment and on a page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from promptctl.files import wording
from promptctl.files.names import did_you_mean as did_you_mean
from promptctl.files.names import nearest as nearest
from promptctl.files.wording import alike_until as alike_until
from promptctl.files.wording import clip as clip
from promptctl.files.wording import count as count
from promptctl.files.wording import name_some as name_some
from promptctl.files.wording import percent as percent
from promptctl.files.wording import without_address as without_address
from promptctl.files.wording import without_commit as without_commit

if TYPE_CHECKING:
    from promptctl.log.records import Execution

NANO = 1_000_000_000
_LONGEST_RUBRIC = 40
# The content of a file in a request: behind a data URL's head, or as the part of a sound has it.
_FILE = re.compile(r'(data:[^,\s"]{1,200};base64,|"data": ")([\w+/=-]{200,})', re.ASCII)


def as_text(value: Any) -> str:
    """Return a text, or any other value as one line of JSON; of an image, sound or document its kind and size."""
    return _FILE.sub(lambda found: f"{found[1]}… ({-(-len(found[2]) * 3 // 4000)} KB)", wording.as_text(value))


def assertion_name(graded: Mapping[str, Any]) -> str:
    """Name an assertion of a result, with the model that judged it if one did."""
    judge = graded.get("judge")
    name = f"{graded['type']}, judged by {judge}" if judge else str(graded["type"])
    return f"{name}, which decides nothing" if graded.get("undecided") else name


def judged_rates(judged: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the rate of each judge whose agreement with people is known: raw, and corrected for its errors."""
    for each in judged:
        if each["calibration"] is None or each["pass_rate"] is None:
            continue
        raw = f"{judge_name(each)}: {_rate(each, '')} of its verdicts pass"
        known = "" if each["kappa"] is None else f"κ {each['kappa']:.2f}, "
        of = "" if each["labels"] is None else f" ({known}{count(each['labels'], 'label')})"
        yield f"{raw}; {corrected_rate(each)}{of}"


def judge_name(judged: Mapping[str, Any]) -> str:
    """Name a judge by its type, model, prompt if that is not the type's own, and the rubric that it was measured on."""
    prompt, rubric = judged.get("judge_prompt"), " ".join(((judged.get("rubric") or {}).get("text") or "").split())
    rubric = clip(rubric, _LONGEST_RUBRIC)
    return (
        f"{judged['type']} by {judged['judge']}{f' and {prompt}' if prompt else ''}{f' ({rubric})' if rubric else ''}"
    )


def corrected_rate(judged: Mapping[str, Any]) -> str:
    """Return a judge's rate corrected for its errors, with the interval; or why it cannot be."""
    if judged["corrected_rate"] is None:
        return f"cannot be corrected, as {judged.get('uncorrected') or 'it graded nothing'}"
    return f"corrected {_rate(judged, 'corrected_')}"


def _rate(judged: Mapping[str, Any], which: str) -> str:
    names = ("corrected_rate", "corrected_low", "corrected_high") if which else ("pass_rate", "low", "high")
    rate, low, high = (judged[name] for name in names)
    return f"{percent(rate, 1)} ({format_range(low, high)})"


def format_cost(cost_nano_usd: float | None) -> str:
    """Return nano-USD as dollars with the digits that matter; `-` if unknown, which is not the same as nothing."""
    if cost_nano_usd is None:
        return "-"
    if cost_nano_usd == 0:
        return "$0"
    dollars, sign = abs(cost_nano_usd) / NANO, "-" * (cost_nano_usd < 0)
    if dollars >= 1:
        return f"{sign}${dollars:,.2f}"
    whole, _, digits = f"{dollars:.{6 if dollars >= 0.0001 else 9}f}".partition(".")
    return f"{sign}${whole}.{digits.rstrip('0'):0<2}"


def short_cost(cost_nano_usd: float | None) -> str:
    """Return nano-USD as dollars with two digits that matter, and at least cents, as pages do; `-` if unknown.

    >>> short_cost(3_280_000), short_cost(3_000_000), short_cost(838_383_000), short_cost(-1_926_000_000), short_cost(0)
    ('$0.0033', '$0.0030', '$0.84', '-$1.93', '$0')
    """
    if not cost_nano_usd:
        return "-" if cost_nano_usd is None else "$0"
    dollars = abs(cost_nano_usd) / NANO
    digits = 2 if dollars >= 1 else max(2, min(9, 1 - math.floor(math.log10(dollars))))
    return f"{'-' * (cost_nano_usd < 0)}${dollars:,.{digits}f}"


class Spending(Protocol):
    """A record of what something cost."""

    @property
    def cost_nano_usd(self) -> int | None:
        """The known cost; None if nothing is known of it."""

    @property
    def unpriced(self) -> int:
        """The number of replies without a price."""


def format_spent(spent: Spending, form: Callable[[float | None], str] = format_cost) -> str:
    """Return what a record cost in a form; replies without a price are said to be unpriced, not free."""
    return format_known(spent.cost_nano_usd, spent.unpriced, form)


def format_known(cost_nano_usd: int | None, unpriced: int, form: Callable[[float | None], str] = format_cost) -> str:
    """Return the same of a cost and the number of replies without a price."""
    if not unpriced:
        return form(cost_nano_usd)
    return f"{form(cost_nano_usd)} + {unpriced} unpriced" if cost_nano_usd else "unpriced"


def untold_note(untold: int) -> str:
    """Return words on requests that failed or were cancelled and told no cost."""
    whose = "its" if untold == 1 else "their"
    return f"{count(untold, 'request')} never told {whose} cost: not in it, and in no average"


def format_latency(latency_ms: float | None) -> str:
    """Return milliseconds, or seconds from one on; `-` if unknown."""
    if latency_ms is None:
        return "-"
    return f"{latency_ms / 1000:.2f} s" if latency_ms >= 1000 else f"{latency_ms:.0f} ms"


def format_count(number: float | None) -> str:
    """Return a whole number with a comma at each thousand; `-` if unknown."""
    return "-" if number is None else f"{number:,.0f}"


def format_bytes(size: int) -> str:
    """Return a size in the unit that gives it the fewest digits.

    >>> format_bytes(900), format_bytes(1_250_000)
    ('900 B', '1.2 MB')
    """
    shown, units = float(size), ["B", "KB", "MB", "GB"]
    while shown >= 1000 and len(units) > 1:
        shown /= 1000
        del units[0]
    return f"{shown:.0f} {units[0]}" if units[0] == "B" or shown >= 100 else f"{shown:.1f} {units[0]}"


def format_tokens(sent: float | None, received: float | None) -> str:
    """Return the tokens of the request and of the reply; `-` if neither is known."""
    return "-" if sent is None and received is None else f"{format_count(sent)}+{format_count(received)}"


def format_share(share: float | None) -> str:
    """Return a share in per cent with one digit; `-` if unknown."""
    return "-" if share is None else percent(share, 1)


def format_range(low: float | None, high: float | None) -> str:
    """Return the ends of a share's interval in per cent; `-` if unknown."""
    return "-" if low is None or high is None else f"{percent(low)}–{percent(high)}"


def advice_on(execution: Execution) -> str:
    """Return what to do about a call whose reply is not whole."""
    from promptctl.models.reading import advice

    return advice(execution.finish_reason, execution.parameters)
