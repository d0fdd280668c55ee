"""Findings of the linter as SARIF 2.1.0, which code scanning shows at the lines of a change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from promptctl import __version__
from promptctl.errors import Problem
from promptctl.linting.rules import DOCS, RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# What begins an embedded link in a message; a stranger's text shall make none.
_LINK = re.compile(r"[\\\[\]]")


def sarif(problems: Iterable[Problem], prefix: str = "") -> dict[str, Any]:
    """Return problems as a SARIF log; `prefix` leads from the repository to their paths."""
    found = list(problems)
    codes = [*RULES, *dict.fromkeys(each.code for each in found if each.code not in RULES)]
    driver = {"name": "promptctl", "version": __version__, "rules": [_rule(code) for code in codes]}
    results = [_result(each, codes.index(each.code), prefix) for each in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    rule = RULES.get(code)
    if rule is None:  # what keeps a file from being read
        return {"id": code, "defaultConfiguration": {"level": "error"}}
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.finds},
        "help": {"text": f"{DOCS} says why, and how to silence it."},
        "defaultConfiguration": {"level": rule.level},
    }


def _result(problem: Problem, index: int, prefix: str) -> dict[str, Any]:
    hint = f"\n{problem.hint}" if problem.hint else ""
    text = _LINK.sub(lambda found: f"\\{found[0]}", problem.message + hint)
    result = {"ruleId": problem.code, "ruleIndex": index, "level": problem.severity, "message": {"text": text}}
    place = problem.place
    if place is None:
        return result
    region = {"startLine": place.line or 1, **({"startColumn": place.column} if place.column else {})}
    location = {"artifactLocation": {"uri": quote(prefix + place.path)}, "region": region}
    return {**result, "locations": [{"physicalLocation": location}]}
