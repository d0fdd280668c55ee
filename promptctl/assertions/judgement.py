"""A judge's reply, read strictly: what is not exactly what was asked for is an error, neither a pass nor a failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.assertions.judge import JudgeReply
from promptctl.assertions.outcome import Outcome, Ungraded, shown
from promptctl.assertions.shapes import is_number, is_share
from promptctl.models.reading import describe_json_error, read_data_and_text, without_reasoning


@dataclass(frozen=True, slots=True)
class Judgement:
    """The JSON object that a judge's whole reply is. Each method reads one key, or raises `Ungraded`."""

    reply: JudgeReply
    said: Mapping[str, Any]

    def flag(self, key: str) -> bool:
        """Return true or false; nothing that is merely like it will do."""
        return bool(self._value(key, "not true or false", lambda value: isinstance(value, bool)))

    def score(self, key: str) -> float:
        """Return a number from 0 to 1."""
        return float(self._value(key, "not a number from 0 to 1", is_share))

    def rating(self, key: str) -> int:
        """Return a whole number from 1 to 5."""
        is_rating = range(1, 6).__contains__
        return int(self._value(key, "not a whole number from 1 to 5", lambda each: is_number(each) and is_rating(each)))

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of the choices, spelled as it is."""
        return str(self._value(key, f"none of {', '.join(choices)}", choices.__contains__))

    def because(self, finding: str = "") -> str:
        """Return a finding with the judge's reason for it, which decides nothing, so that anything will do."""
        reason = self.said.get("reason")
        said = reason.strip() if isinstance(reason, str) else ""
        return ": ".join(filter(None, (finding, said))) or "the judge gave no reason"

    def outcome(self, is_met: bool, score: float, reason: str, *, expected: Any, got: Any) -> Outcome:
        """Return the pass or failure that this is."""
        return judged(self.reply, is_met, score, reason, expected=expected, got=got)

    def _value(self, key: str, fault: str, is_sound: Callable[[Any], bool]) -> Any:
        value = self.said[key]
        if not is_sound(value):
            raise off_menu(self.reply, f"the judge's {key} is {shown(value)}, {fault}")
        return value


def read_judgement(reply: JudgeReply, keys: Sequence[str], material: Sequence[str] = ()) -> Judgement:
    """Read a reply that is a JSON object with at least these keys.

    Raises `Ungraded` for anything else, and for an object that the judged `material` holds word for word: a judge that
    quotes it, behind the `</think>` that the material brought along, has said nothing of its own.
    """
    try:
        said, text = read_data_and_text(reply.text, is_strict=True)
    except (ValueError, RecursionError) as error:
        raise off_menu(reply, f"the judge's reply is not JSON: {describe_json_error(error)}") from None
    if any(text in each for each in material):
        raise off_menu(reply, "the judge's verdict stands word for word in what it judged")
    if not isinstance(said, dict):
        raise off_menu(reply, "the judge's reply is not a JSON object")
    missing = [key for key in keys if key not in said]
    if missing:
        raise off_menu(reply, f"the judge's reply lacks {', '.join(missing)}")
    return Judgement(reply, said)


def judged(reply: JudgeReply, is_met: bool, score: float, reason: str, *, expected: Any, got: Any) -> Outcome:
    """Return a judge's pass or failure, with its cost and its record in the log."""
    return Outcome(is_met, score, reason, expected, got, reply.cost_nano_usd, (reply.execution_id,))


def find_choice(reply: JudgeReply, scores: Mapping[str, float]) -> str:
    """Return the choice that a free-form reply names, whatever the case of its letters.

    The whole reply may be the choice. Else choices are found as whole words only, so that 10 never names 1; the first
    of the list wins, unless one with a different score is named too: then nobody can say which was meant.
    """
    text = without_reasoning(reply.text).strip().casefold()
    folded = {choice: choice.strip().casefold() for choice in scores}
    whole = next((choice for choice, word in folded.items() if word == text), None)
    if whole is not None:
        return whole
    named = [choice for choice, word in folded.items() if _is_named(word, text)]
    if not named:
        raise off_menu(reply, f"the judge named none of {', '.join(scores)}")
    # A choice within a longer one that is named too (`good` in `very good`) was not meant by itself.
    named = [
        choice
        for choice in named
        if not any(choice != other and _is_named(folded[choice], folded[other]) for other in named)
    ]
    if len({scores[choice] for choice in named}) > 1:
        raise off_menu(reply, f"the judge named several choices: {', '.join(named)}")
    return named[0]


def off_menu(reply: JudgeReply, why: str) -> Ungraded:
    """Return the error for a reply that is no judgement, with what was said and what it cost."""
    reply.forget()
    reason = with_reply(f"ungraded: {why}", reply.text)
    return Ungraded(reason, got=reply.text, cost_nano_usd=reply.cost_nano_usd, execution_ids=(reply.execution_id,))


def with_reply(reason: str, said: str | None) -> str:
    """Return why a judge's reply is of no use, with the reply, shortened, unless the reason has it."""
    return f"{reason}; it said {shown(said)}" if said and said not in reason else reason


def _is_named(choice: str, text: str) -> bool:
    if not choice:
        return False
    before = r"(?<!\w)(?<!\d[.,])" if choice[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if choice[-1].isalnum() else ""
    return re.search(before + re.escape(choice) + after, text) is not None
