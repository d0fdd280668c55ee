"""`lint:` of `promptctl.yaml`: the rules of the linter that are off, warn or fail, by glob over prompt ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from promptctl.errors import Place
from promptctl.files.document import Document

LEVELS = ("off", "warning", "error")


@dataclass(frozen=True, slots=True)
class LintRule:
    """The rules of the linter that are set for the prompts whose id matches the glob `prompts`, by their codes."""

    prompts: str
    off: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    place: Place | None = field(default=None, compare=False)


def read_lint(document: Document) -> tuple[LintRule, ...]:
    """Return the rules of the linter of sound settings."""
    return tuple(
        LintRule(
            rule["prompts"],
            off=tuple(rule.get("off", ())),
            warning=tuple(rule.get("warning", ())),
            error=tuple(rule.get("error", ())),
            place=document.place("lint", index),
        )
        for index, rule in enumerate(document.data["lint"])
    )


def level_of(rules: Sequence[LintRule], prompt_ids: Iterable[str], code: str, usual: str) -> str:
    """Return the level of a rule for a prompt of these ids, today's and earlier ones: the last that matches wins."""
    ids = tuple(prompt_ids)
    for rule in reversed(rules):
        for level in LEVELS:
            if code in getattr(rule, level) and any(fnmatchcase(each, rule.prompts) for each in ids):
                return level
    return usual
