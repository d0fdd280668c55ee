"""Checks files against schemas of our own, and reports every problem at its place, with what to do about it.

Two keywords help with that, and change no verdict: a `description` is the hint if nothing better is known, and
`x-instead` maps foreign keys to ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.errors import Place, Problem, in_reading_order
from promptctl.files.document import Document
from promptctl.schemas.compiler import Compiler, Failure, Run
from promptctl.schemas.keywords import Path
from promptctl.schemas.words import MAX_LISTED, hint_of, meant_keys, path_text, shown, text_of

MAX_PROBLEMS = 100

_CODES = {
    "wrong-type": ("type",),
    "unknown-value": ("enum", "const"),
    "unknown-key": ("additionalProperties", "false"),
    "wrong-name": ("propertyNames",),
    "missing-key": ("required", "dependentRequired"),
    "empty": ("minLength", "minItems", "minProperties"),
    "too-long": ("maxLength",),
    "out-of-range": ("minimum", "maximum", "exclusiveMinimum"),
    "duplicate-item": ("uniqueItems",),
}
_CODE_OF = {keyword: code for code, keywords in _CODES.items() for keyword in keywords}
_OF_KEYS = frozenset({"additionalProperties", "false", "propertyNames", "dependentRequired"})


class Structure:
    """A sound schema made ready to check any number of documents."""

    def __init__(self, schema: Mapping[str, Any], definition: str | None = None) -> None:
        start = schema if definition is None else schema["$defs"][definition]
        self._check = Compiler(schema, re.search).check_of(start)

    def check(self, document: Document) -> list[Problem]:
        """Return every problem of the document, in reading order; of very many the first hundred, and their number.

        Where only text will do and a number stands unquoted, `document.data` gets the text as it is written
        (`name: 1.10`).
        """
        failures = self._failures(document.data)
        if failures:
            failures = self._with_texts(document, failures)
        problems = [_problem(failure, _place(failure, document)) for failure in _distinct(failures[:MAX_PROBLEMS])]
        more = len(failures) - MAX_PROBLEMS
        if more > 0:
            hint = "mend these, and check again"
            place = Place(document.path)
            problems.append(Problem(f"there are {more:,} more problems", place, hint, "too-many-problems"))
        return in_reading_order(problems)

    def check_data(self, data: Any, place: Place) -> list[Problem]:
        """Return every problem of data that has one place for all, such as a line of a .jsonl file."""
        try:
            failures = self._failures(data)
        except RecursionError:
            return [Problem("values are nested too deep", place, "flatten the data", "too-deep")]
        return [_problem(failure, place) for failure in _distinct(failures[:MAX_PROBLEMS])]

    def _failures(self, data: Any) -> list[Failure]:
        run = Run()
        self._check(data, (), run)
        return list(_of_nearest(run.failures))

    def _with_texts(self, document: Document, failures: list[Failure]) -> list[Failure]:
        """Put the text as it is written for each number that cannot stand where it does, and return what is left."""
        numbers = {each.path: each.value for each in failures if each.value.__class__ in (int, float)}
        texts = {path: document.written(*path) for path in numbers if path}
        texts = {path: text for path, text in texts.items() if text is not None}
        if not texts:
            return failures
        _put(texts, document.data)
        left = self._failures(document.data)
        refused = {each.path: numbers[each.path] for each in left if each.path in texts}
        if refused:
            _put(refused, document.data)
            left = self._failures(document.data)
        return left


def _put(values: Mapping[Path, Any], data: Any) -> None:
    for path, value in values.items():
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value


def _of_nearest(failures: list[Failure]) -> Iterator[Failure]:
    """Yield the failures, for alternatives those of the one that was most probably meant."""
    for failure in failures:
        if failure.keyword not in ("anyOf", "oneOf") or not failure.detail:
            yield failure
            continue
        described = {key: failure.schema[key] for key in ("description",) if key in failure.schema}
        for each in _of_nearest(failure.detail):
            yield each._replace(schema={**described, **each.schema}) if each.path == failure.path else each


def _distinct(failures: list[Failure]) -> list[Failure]:
    """Return the failures without those that only repeat another: a key that is missing because it was misspelt."""
    misspelt = {
        (failure.path[:-1], name)
        for failure in failures
        if failure.keyword == "additionalProperties"
        for name in meant_keys(failure)
    }
    return [
        failure
        for failure in failures
        if failure.keyword != "required" or (failure.path, failure.detail) not in misspelt
    ]


def _place(failure: Failure, document: Document) -> Place:
    return (document.key_place if failure.keyword in _OF_KEYS else document.place)(*failure.path)


def _problem(failure: Failure, place: Place) -> Problem:
    hint = hint_of(failure)
    return Problem(_message(failure, hint), place, hint, _CODE_OF.get(failure.keyword, "wrong-form"))


def _message(failure: Failure, hint: str | None) -> str:
    keyword, path = failure.keyword, failure.path
    if keyword == "additionalProperties":
        return f"unknown key `{path[-1]}`" + (f" in `{_label(path[:-1])}`" if path[1:] else "")
    if not path:
        return f"`{failure.detail}` is missing" if keyword == "required" else text_of(failure)
    text = f" {text_of(failure)}"
    # What the hint says better than a pattern or a very long list.
    if hint and keyword == "propertyNames":
        text = " cannot be a key"
    elif hint and keyword in ("pattern", "not"):
        text = f" does not have the form it must have: {shown(failure.value)}"
    elif keyword == "enum" and len(failure.schema["enum"]) > MAX_LISTED:
        text = f": {shown(failure.value)} is not known"
    return f"`{_label(path)}`{text}"


def _label(path: Path) -> str:
    return path_text(path).lstrip(".")
