"""The rules of the linter: their codes, names and levels; and what they find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from promptctl.errors import Place, Problem
from promptctl.files.document import Key
from promptctl.files.wording import clip

Level = Literal["error", "warning"]

DOCS = "docs/lint.md"


class Rule(NamedTuple):
    """One rule: its code, its name, what it finds, and the level of its findings unless the settings say another.

    An error is what a provider refuses, or what leaks; all else is a warning.
    """

    code: str
    name: str
    finds: str
    level: Level = "warning"


RULES = {
    rule.code: rule
    for rule in (
        Rule("P001", "needless-ignore", "A comment that silences nothing, or names no rule."),
        Rule("P101", "unused-input", "An input that nothing uses."),
        Rule("P102", "unreachable-branch", "A branch of a template that no value can reach."),
        Rule("P103", "undelimited-input", "A text of somebody else's among instructions, with nothing around it."),
        Rule("P104", "uncached-prefix", "A value before a long constant text, which providers then never cache."),
        Rule("P105", "single-use-partial", "A short partial that one place includes, or none."),
        Rule("P106", "needed-optional-input", "An optional input without which a call fails."),
        Rule("P201", "contradictory-parameters", "Parameters that cancel each other out."),
        Rule("P202", "reply-too-short", "A `max_tokens` that no reply of the output schema fits into."),
        Rule("P203", "refused-parameter", "A parameter, tool or image that the model does not take."),
        Rule("P204", "unknown-model", "A model that LiteLLM's list does not have."),
        Rule("P205", "retired-model", "A model that its provider has retired, or retires within 30 days."),
        Rule("P206", "over-the-window", "More tokens than the model reads or writes.", "error"),
        Rule("P301", "json-in-words", "JSON that is asked for in words, without an output schema."),
        Rule("P302", "refused-schema", "A strict schema that the model's provider refuses.", "error"),
        Rule("P303", "contradicting-example", "An example of a reply that does not fit the output schema."),
        Rule("P401", "secret", "A key, token or password.", "error"),
        Rule("P402", "personal-email", "The e-mail address of a person."),
        Rule("P403", "repeated-instruction", "An instruction that a message gives twice."),
        Rule("P404", "hidden-character", "Characters that nobody sees, and the model reads."),
    )
}


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
    return LintFinding(clip(message, _LONGEST), place, hint, code, RULES[code].level, also, removes, needless)
