"""Assertions on a reply's words, from equals and contains to regex, levenshtein, word-count and is-refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

from promptctl.assertions.assertion import Assertion, Grade, Subject
from promptctl.assertions.equality import first_difference
from promptctl.assertions.outcome import Outcome, Ungraded, decided, shown
from promptctl.files.look_alikes import normal
from promptctl.models.reading import is_withheld

_MOST_NAMED = 20
_LONGEST_COMPARED = 100_000


def equals(subject: Subject, assertion: Assertion) -> Outcome:
    """The reply is the value.

    A text is compared with the reply's text, the whitespace around both left aside. Any other value is compared with
    the parsed reply, as JSON: key order and the spelling of numbers do not matter, their types do.
    """
    wanted = assertion.wanted(subject)
    if isinstance(wanted, str):
        part = assertion.part(subject)
        got = part.strip() if isinstance(part, str) else part
        difference = first_difference(wanted.strip(), got)
    else:
        got = assertion.normal(subject.parsed) if assertion.find is None else assertion.part(subject)
        difference = first_difference(wanted, got, tolerance=assertion.options.get("tolerance", 0))
    return decided(difference is None, difference or f"equals {shown(wanted)}", expected=wanted, got=got)


def containing(combine: Callable[[Iterable[bool]], bool], *, ignores_case: bool) -> Grade:
    """Return the grading of contains-any (`combine` is `any`), contains-all (`all`) and contains, which wants one."""

    def fold(text: str) -> str:
        return text.casefold() if ignores_case else text

    def grade(subject: Subject, assertion: Assertion) -> Outcome:
        text, expected = assertion.text(subject), assertion.wanted(subject)
        wanted = [expected] if isinstance(expected, str) else list(expected)
        searched = fold(text)
        found: list[str] = []
        missing: list[str] = []
        for item in wanted:
            subject.effort.tick()
            (found if fold(item) in searched else missing).append(item)
        is_met = len(found) == len(wanted) if combine is all else bool(found)
        named = found if is_met else missing
        reason = f"{'contains' if is_met else 'does not contain'} {_named(named)}"
        reason += "" if is_met else _unseen(searched, named[:_MOST_NAMED], fold)
        score = len(found) / len(wanted) if combine is all else None
        expected = expected if isinstance(expected, str) else wanted
        return decided(is_met, reason, expected=expected, got=text, score=score)

    return grade


def _named(items: list[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(map(shown, items[:_MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def _unseen(text: str, missing: list[str], fold: Callable[[str], str]) -> str:
    """Return what to say if a text that is missing is there in another Unicode form, or with blanks of other kinds."""
    if len(text) > _LONGEST_COMPARED:
        return ""
    alike = normal(text)
    if any(normal(fold(item)) in alike for item in missing):
        return ", but one that looks alike: `normalize: [nfc, whitespace]` takes it"
    return ""


def at_an_end(verb: Literal["start", "end"]) -> Grade:
    """Return the grading of starts-with or ends-with, which leave the whitespace there aside."""

    def grade(subject: Subject, assertion: Assertion) -> Outcome:
        text, wanted = assertion.text(subject), assertion.wanted(subject)
        is_start = verb == "start"
        is_met = text.lstrip().startswith(wanted.lstrip()) if is_start else text.rstrip().endswith(wanted.rstrip())
        reason = f"{f'{verb}s' if is_met else f'does not {verb}'} with {shown(wanted)}"
        return decided(is_met, reason, expected=wanted, got=text)

    return grade


def regex(subject: Subject, assertion: Assertion) -> Outcome:
    """The pattern matches somewhere in the text; RE2's syntax, `(?i)` and its like included."""
    text, pattern = assertion.text(subject), assertion.wanted(subject)
    subject.effort.afford_search(pattern, text)
    is_met = _search(pattern, text)
    reason = f"{'matches' if is_met else 'does not match'} {shown(pattern.pattern)}"
    return decided(is_met, reason, expected=pattern.pattern, got=text)


def _search(pattern: Any, text: str) -> bool:
    try:
        return pattern.search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair, as a reply cut within a character has
        return pattern.search(text.encode("utf-8", "replace").decode()) is not None


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
