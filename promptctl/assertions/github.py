"""GitHub's evaluators, as `gh models eval` graded them: `string`, `llm`, and `uses: github/…`.

Their texts hold `{{name}}` placeholders for the row's fields (and `{{completion}}` for a judge), replaced in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.assertions.assertion import Assertion, Kind, Subject
from promptctl.assertions.judge import Judge
from promptctl.assertions.model_graded import ask, asked, find_choice, judged, rated, read_judgement
from promptctl.assertions.outcome import Outcome, Ungraded, decided, shown
from promptctl.assertions.shapes import ANYTHING
from promptctl.files.wording import as_text

BUILT_IN = ("similarity", "coherence", "fluency", "relevance", "groundedness")

_PLACEHOLDER = re.compile(r"\{\{([\w.-]+)\}\}")
_SAID = {"equals": "equal", "contains": "contain", "startsWith": "start with", "endsWith": "end with"}


def string(subject: Subject, assertion: Assertion) -> Outcome:
    """The trimmed reply equals the text exactly, or contains, starts or ends with it whatever the letters' case."""
    test, template = assertion.ready
    wanted = fill(template, _fields(subject))
    if not wanted and test != "equals":
        raise Ungraded(f"the text to {_SAID[test]} is empty for this row, which every reply would satisfy")
    got = subject.stripped
    folded, sought = got.lower(), wanted.lower()
    is_met = {
        "equals": got == wanted,
        "contains": sought in folded,
        "startsWith": folded.startswith(sought),
        "endsWith": folded.endswith(sought),
    }[test]
    reason = f"{'does' if is_met else 'does not'} {_SAID[test]} {shown(wanted)}"
    return decided(is_met, reason, expected=wanted, got=got)


async def llm(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The judge's reply to the evaluator's own prompt names a choice, whose score passes if it is above 0."""
    evaluator: Mapping[str, Any] = assertion.ready
    prompt = fill(evaluator["prompt"], {**_fields(subject), "completion": subject.stripped})
    reply = await ask(judge, assertion, {"prompt": prompt, "system": evaluator["system"]})
    choices: Mapping[str, float] = evaluator["choices"]
    choice = find_choice(reply, choices)
    score = choices[choice]
    bounded = min(1.0, max(0.0, score))
    return judged(reply, score > 0, bounded, f"the judge chose {choice}", expected=list(choices), got=subject.stripped)


async def built_in(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """One of GitHub's five ratings from 1 to 5, scored from 0 to 1; it passes above 0, so a rating of 2 does."""
    fields = _fields(subject)
    offered: dict[str, str] = {
        "question": as_text(fields["input"]) if "input" in fields else asked(subject),
        "expected": as_text(fields.get("expected", "")),
        "output": subject.stripped,
    }
    found = read_judgement(await ask(judge, assertion, offered), ("rating",), (offered["output"], offered["question"]))
    score, reason = rated(found)
    return found.outcome(score > 0, score, reason, expected=offered["expected"] or None, got=subject.stripped)


STRING = Kind(grade=string, value=ANYTHING, takes_path=False)
LLM = Kind(judged=llm, value=ANYTHING, takes_path=False)
BUILT_IN_KIND = Kind(judged=built_in, takes_path=False)


def fill(template: str, fields: Mapping[str, Any]) -> str:
    """Return the text with each `{{name}}` of a known field replaced, in one pass; unknown ones stay.

    >>> fill("{{a}} {{b}} {{ a }}", {"a": "{{b}}"})
    '{{b}} {{b}} {{ a }}'
    """
    return _PLACEHOLDER.sub(
        lambda found: as_text(fields[found.group(1)]) if found.group(1) in fields else found.group(), template
    )


def _fields(subject: Subject) -> dict[str, Any]:
    """Return the row's fields: those that the prompt takes, and the others."""
    return {**subject.variables, **subject.inputs}
