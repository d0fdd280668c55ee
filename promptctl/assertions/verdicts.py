"""A judge's verdict, read strictly: what is not exactly what was asked for is no verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.assertions.judge import JudgeReply
from promptctl.assertions.outcome import Ungraded, shown

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


def read_verdict(reply: JudgeReply, keys: Sequence[str]) -> Mapping[str, Any]:
    """The JSON object that the judge's whole reply is, with at least these keys; one fence around it is allowed.

    Raises `Ungraded` for anything else.
    """
    text = reply.text.strip()
    fenced = _FENCED.fullmatch(text)
    try:
        verdict = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        raise off_menu(reply, "the judge's reply is not JSON") from None
    if not isinstance(verdict, dict):
        raise off_menu(reply, "the judge's reply is not a JSON object")
    missing = [key for key in keys if key not in verdict]
    if missing:
        raise off_menu(reply, f"the judge's reply lacks {', '.join(missing)}")
    return verdict


def read_flag(reply: JudgeReply, verdict: Mapping[str, Any], key: str) -> bool:
    """True or false; nothing that is merely like it."""
    value = verdict[key]
    if not isinstance(value, bool):
        raise off_menu(reply, f"the judge's {key} is {shown(value)}, not true or false")
    return value


def read_score(reply: JudgeReply, verdict: Mapping[str, Any], key: str) -> float:
    """A number from 0 to 1."""
    value = verdict[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise off_menu(reply, f"the judge's {key} is {shown(value)}, not a number from 0 to 1")
    return float(value)


def read_rating(reply: JudgeReply, verdict: Mapping[str, Any], key: str) -> int:
    """A whole number from 1 to 5."""
    value = verdict[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in (1, 2, 3, 4, 5):
        raise off_menu(reply, f"the judge's {key} is {shown(value)}, not a whole number from 1 to 5")
    return int(value)


def read_choice(reply: JudgeReply, verdict: Mapping[str, Any], key: str, choices: Sequence[str]) -> str:
    """One of the choices, spelled as it is."""
    value = verdict[key]
    if not isinstance(value, str) or value not in choices:
        raise off_menu(reply, f"the judge's {key} is {shown(value)}, none of {', '.join(choices)}")
    return value


def read_reason(verdict: Mapping[str, Any]) -> str:
    """The judge's reason; it decides nothing, so anything will do."""
    reason = verdict.get("reason")
    return reason.strip() if isinstance(reason, str) else ""


def find_choice(reply: JudgeReply, scores: Mapping[str, float]) -> str:
    """The choice that a free-form reply names, whatever the case of its letters.

    The whole reply may be the choice. Else choices are found as whole words only, so that 10 never names 1; the first
    of the list wins, unless another that is named has another score: then nobody can say which was meant.
    """
    text = reply.text.strip().casefold()
    for choice in scores:
        if text == choice.strip().casefold():
            return choice
    named = [choice for choice in scores if _is_named(choice.strip().casefold(), text)]
    if not named:
        raise off_menu(reply, f"the judge named none of {', '.join(scores)}")
    # A choice within a longer one that is named too (`good` in `very good`) was not meant by itself.
    named = [choice for choice in named if not any(_is_within(choice, other) for other in named)]
    if len({scores[choice] for choice in named}) > 1:
        raise off_menu(reply, f"the judge named several choices: {', '.join(named)}")
    return named[0]


def _is_named(choice: str, text: str) -> bool:
    if not choice:
        return False
    before = r"(?<!\w)(?<!\d[.,])" if choice[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if choice[-1].isalnum() else ""
    return re.search(before + re.escape(choice) + after, text) is not None


def _is_within(choice: str, other: str) -> bool:
    return choice != other and _is_named(choice.strip().casefold(), other.strip().casefold())


def off_menu(reply: JudgeReply, why: str) -> Ungraded:
    """The error for a reply that is no verdict; what was said and what it cost stay with it."""
    return Ungraded(
        f"ungraded: {why}", got=reply.text, cost_nano_usd=reply.cost_nano_usd, execution_ids=(reply.execution_id,)
    )
