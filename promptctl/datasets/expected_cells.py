"""promptfoo's small language for a CSV cell: `contains:refund`, `not-icontains-any:a, b`, `levenshtein(3):text`."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from promptctl.assertions.assertion import NOT
from promptctl.assertions.kinds import KINDS, known_types
from promptctl.assertions.shapes import TEXTS
from promptctl.files.names import nearest

_CELL = re.compile(r"\s*([a-z][a-z-]*)(?:\(([^)]*)\))?(?::(.*))?", re.DOTALL)
# Types that need no text after their name; of any other a bare name is a text to equal.
_BARE = [name for name, kind in KINDS.items() if not (kind.takes_assertions or (kind.value and kind.value.is_required))]
_LISTS = [name for name, kind in KINDS.items() if kind.value is TEXTS]
_STRUCTURED = ("is-json", "contains-json", "json-schema", "tool-call", "word-count")
_GRADE = "grade"
_SHORTEST_SLIP = 5
_CODE = re.compile(r"\s*(?:not-)?(?:javascript|fn|eval|file|python)\s*(?:\([^)]*\))?:")


def read_expected_cell(cell: str) -> dict[str, Any]:
    """Return the assertion that a cell of `__expected` stands for, as it would be written in YAML.

    A cell that begins with no type's name is a text to equal, unless it begins with what is nearly one: so little would
    turn a check into a text that no reply equals. Raises `ValueError` with a whole sentence.

    >>> read_expected_cell("not-contains:refund")
    {'type': 'not-contains', 'value': 'refund'}
    >>> read_expected_cell("Hello: world")
    {'type': 'equals', 'value': 'Hello: world'}
    """
    if _CODE.match(cell):
        raise ValueError("code and files cannot be named in a cell; move the case to YAML or JSONL")
    found = _CELL.fullmatch(cell)
    name, argument, rest = found.groups() if found else (None, None, None)
    plain = (name or "").removeprefix(NOT)
    if plain == _GRADE:
        name = plain = "llm-rubric"
    if name is not None and plain not in KINDS and rest and not rest[0].isspace():
        _refuse_misspelled(name, cell)
    if name is None or plain not in KINDS or (rest is None and plain not in _BARE):
        return {"type": "equals", "value": cell}
    assertion: dict[str, Any] = {"type": name}
    if argument is not None:
        assertion["threshold"] = _threshold(name, argument)
    if rest is not None and rest.strip():
        assertion["value"] = _value(plain, rest)
    return assertion


def _refuse_misspelled(name: str, cell: str) -> None:
    meant = _misspelled(name)
    if meant is not None:
        raise ValueError(
            f"there is no assertion type {name}; did you mean `{meant}`? To ask for this very text, write equals:{cell}"
        )


@lru_cache(maxsize=512)
def _misspelled(name: str) -> str | None:
    """Return the type of assertion that this is a one-key typo of, if any."""
    found = nearest(name, known_types(), mistakes=1)
    return found[0] if found and len(name) >= _SHORTEST_SLIP else None


def _threshold(name: str, argument: str) -> float:
    try:
        number = float(argument)
    except ValueError:
        raise ValueError(f"{name}({argument}) needs a number in its brackets") from None
    return int(number) if number.is_integer() else number


def _value(type_: str, rest: str) -> Any:
    text = rest.strip()
    if type_ in _LISTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    if type_ in _STRUCTURED and not (type_ == "tool-call" and text[:1] not in ("{", "[")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{type_} needs JSON after its colon: {error}") from None
    return text
