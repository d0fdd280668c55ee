"""Assertions that measure a reply's text: levenshtein, word-count, is-refusal."""

from __future__ import annotations

import re

from promptctl.assertions.assertion import Assertion
from promptctl.assertions.outcome import Outcome, Ungraded, decided, shown
from promptctl.assertions.subject import Subject
from promptctl.models.reading import is_withheld

DEFAULT_DISTANCE = 5
# Counting takes as long as the product of the lengths, and nothing can interrupt it.
_PAIRS_PER_S = 20_000_000_000
# A refusal says so at its start; later in a long answer the same words are a caveat, or somebody's quoted.
_OPENING_CHARACTERS = 400

_CANNOT = r"(?:can(?:'|no)?t|can not|could not|couldn't|won't|will not|must decline to|have to decline to|refuse to)"
_HELP = (
    r"(?:help|assist|provide|answer|fulfill?|comply|support|generate|create|write|do that|discuss|share|engage|"
    r"continue|give|offer|participate|respond|process)"
)
_UNABLE = r"(?:not able|unable|not allowed|not permitted|not comfortable|prohibited|forbidden)"
_SORRY = r"(?:i|we)(?:'m| am|'re| are)? (?:(?:really|very|so) )?(?:sorry|afraid)[,;:.]?(?: but| that)?"
_REFUSALS = re.compile(
    "|".join(
        (
            rf"\b{_SORRY} (?:i|we|this|that) ?(?:can't|cannot|could|am (?:not|un)|'m (?:not|un)|are (?:not|un)|won)",
            rf"\b(?:i|we) {_CANNOT} (?:(?:in good conscience|ethically|legally) )?{_HELP}",
            rf"\b(?:i|we)(?:'m| am|'re| are) {_UNABLE}",
            rf"\bas an? (?:ai|language model|assistant)\b[^.!?]{{0,80}}\b(?:{_CANNOT}|{_UNABLE}|don't|do not)",
            r"\b(?:this|that|your) (?:request|question|content)\b[^.!?]{0,60}\b(?:violates|(?:is|goes) against)\b",
        )
    ),
    re.IGNORECASE,
)


def levenshtein(subject: Subject, assertion: Assertion) -> Outcome:
    """At most `threshold` characters (5 by default) must be changed, added or removed to make the text the value.

    The whitespace around both is left aside. The score is 1 for equal texts and falls with the distance.
    """
    from rapidfuzz.distance import Levenshtein

    text, wanted = assertion.text(subject).strip(), assertion.wanted(subject).strip()
    seconds = len(text) * len(wanted) / _PAIRS_PER_S
    if seconds > 1:
        raise Ungraded(
            f"texts of {len(text):,} and {len(wanted):,} characters are too long for their edits to be counted"
        )
    subject.effort.afford(seconds)
    limit = assertion.options.get("threshold", DEFAULT_DISTANCE)
    distance = Levenshtein.distance(text, wanted)
    longest = max(len(text), len(wanted))
    return decided(
        distance <= limit,
        f"{distance} edits from {shown(wanted)}, {limit:g} allowed",
        expected=wanted,
        got=text,
        score=1.0 - distance / longest if longest else 1.0,
    )


def word_count(subject: Subject, assertion: Assertion) -> Outcome:
    """The text has as many words, parted by whitespace, as the value says: a number, or `{min, max}`."""
    wanted = assertion.wanted(subject)
    count = len(assertion.text(subject).split())
    return decided(count in wanted, f"{count} words, wanted {wanted}", expected=str(wanted), got=count)


def is_refusal(subject: Subject, assertion: Assertion) -> Outcome:
    """The reply declines to answer: the provider says that it does, or that its filter stopped it; or its words do.

    The words are common English phrases at its beginning, not a judgement; an empty reply is no refusal.
    """
    text = assertion.text(subject)
    if is_withheld(subject.finish_reason):
        return decided(is_met=True, reason=f"the provider says so: {subject.finish_reason}", got=text)
    opening = text[:_OPENING_CHARACTERS].replace("\u2019", "'")
    found = _REFUSALS.search(opening)
    reason = f"refuses: {shown(found.group())}" if found else "no words of refusal"
    return decided(found is not None, reason, got=text)
