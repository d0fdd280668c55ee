"""Findings of the linter: a problem of style or risk, with the code of its rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from promptctl.errors import Place, Problem
from promptctl.files.document import Key
from promptctl.linting.rules import RULES


@dataclass(frozen=True, slots=True)
class LintFinding(Problem):
    """A problem that a rule found; `code` is the rule's.

    A comment at one of the places `also` silences it, too: the declaration of the input that it speaks of. `removes`
    are the keys of values of the file that it can do without: its replies stay as they are, and the finding is gone.
    `needless` is the code that a comment names for nothing.
    """

    also: tuple[Place, ...] = field(default=(), compare=False)
    removes: tuple[tuple[Key, ...], ...] = field(default=(), compare=False)
    needless: str = field(default="", compare=False)


Findings = Iterator[LintFinding]
_LONGEST = 500


def finding(
    code: str,
    message: str,
    place: Place | None,
    hint: str,
    *,
    also: tuple[Place, ...] = (),
    removes: tuple[tuple[Key, ...], ...] = (),
    needless: str = "",
) -> LintFinding:
    """Return a finding of a rule, at the level that the rule has by itself. What prompts name may be long."""
    message = message if len(message) <= _LONGEST else f"{message[: _LONGEST - 1]}…"
    return LintFinding(message, place, hint, code, RULES[code].level, also, removes, needless)
