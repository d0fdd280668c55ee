"""Assertions on a reply's words: equals, contains and its kin, starts-with, ends-with, regex."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from promptctl.assertions.assertion import Assertion, Grade
from promptctl.assertions.comparing import first_difference
from promptctl.assertions.outcome import Outcome, decided, shown
from promptctl.assertions.subject import Subject

Combine = Callable[[Iterable[bool]], bool]


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
        got = subject.parsed if assertion.find is None else assertion.part(subject)
        difference = first_difference(wanted, got)
    reason = difference or f"equals {shown(wanted)}"
    return decided(difference is None, reason, expected=wanted, got=got)


def contains(subject: Subject, assertion: Assertion) -> Outcome:
    """The value stands somewhere in the text."""
    text, wanted = assertion.text(subject), assertion.wanted(subject)
    is_met = wanted in text
    return decided(is_met, _said(is_met, "contains", wanted), expected=wanted, got=text)


def icontains(subject: Subject, assertion: Assertion) -> Outcome:
    """As contains, whatever the case of the letters."""
    text, wanted = assertion.text(subject), assertion.wanted(subject)
    is_met = wanted.casefold() in text.casefold()
    return decided(is_met, _said(is_met, "contains", wanted), expected=wanted, got=text)


def contains_several(combine: Combine, *, ignores_case: bool) -> Grade:
    """The grading of contains-any (`combine` is `any`) and contains-all (`all`), and of both without case."""

    def grade(subject: Subject, assertion: Assertion) -> Outcome:
        text, wanted = assertion.text(subject), assertion.wanted(subject)
        searched = text.casefold() if ignores_case else text
        found = [item for item in wanted if (item.casefold() if ignores_case else item) in searched]
        is_met = len(found) == len(wanted) if combine is all else bool(found)
        named = found if is_met else [item for item in wanted if item not in found]
        reason = f"{'contains' if is_met else 'does not contain'} {', '.join(map(shown, named))}"
        score = len(found) / len(wanted) if combine is all else None
        return decided(is_met, reason, expected=list(wanted), got=text, score=score)

    return grade


def starts_with(subject: Subject, assertion: Assertion) -> Outcome:
    """The text begins with the value, the whitespace before both left aside."""
    text, wanted = assertion.text(subject), assertion.wanted(subject)
    is_met = text.lstrip().startswith(wanted.lstrip())
    return decided(is_met, _said(is_met, "starts with", wanted), expected=wanted, got=text)


def ends_with(subject: Subject, assertion: Assertion) -> Outcome:
    """The text ends with the value, the whitespace after both left aside."""
    text, wanted = assertion.text(subject), assertion.wanted(subject)
    is_met = text.rstrip().endswith(wanted.rstrip())
    return decided(is_met, _said(is_met, "ends with", wanted), expected=wanted, got=text)


def regex(subject: Subject, assertion: Assertion) -> Outcome:
    """The pattern matches somewhere in the text; RE2's syntax, `(?i)` and its like included."""
    text, pattern = assertion.text(subject), assertion.wanted(subject)
    is_met = _search(pattern, text)
    return decided(is_met, _said(is_met, "matches", pattern.pattern), expected=pattern.pattern, got=text)


def _search(pattern: Any, text: str) -> bool:
    try:
        return pattern.search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair, as a reply cut within a character has
        return pattern.search(text.encode("utf-8", "replace").decode()) is not None


_DENIED = {
    "contains": "does not contain",
    "starts with": "does not start with",
    "ends with": "does not end with",
    "matches": "does not match",
}


def _said(is_met: bool, verb: str, wanted: Any) -> str:
    return f"{verb if is_met else _DENIED[verb]} {shown(wanted)}"
