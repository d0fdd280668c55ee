"""Checks files against schemas of our own, and reports every problem at its place, with what to do about it.

Two keywords help with that, and change no verdict: a `description` is the hint if nothing better is known, and
`x-instead` maps foreign keys to ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promptctl.errors import Place, Problem, in_reading_order
from promptctl.files.document import Document
from promptctl.schemas.compiler import Compiler, Failure, Run
from promptctl.schemas.keywords import Path

MAX_PROBLEMS = 100

# The end of a text in a pattern; or what holds no such sign, or an escaped one: `\$`, `[$]`.
_END = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]|(\$)")

_OF_KEYS = frozenset({"additionalProperties", "false", "propertyNames", "dependentRequired"})


class Structure:
    """A sound schema made ready to check any number of documents."""

    def __init__(self, schema: Mapping[str, Any], definition: str | None = None) -> None:
        start = schema if definition is None else schema["$defs"][definition]
        self._check = Compiler(schema, _search_of).check_of(start)

    def check(self, document: Document) -> list[Problem]:
        """Return every problem of the document, in reading order; of very many the first hundred, and their number.

        If only text will do and a number stands unquoted, `document.data` gets the text as it is written
        (`name: 1.10`).
        """
        failures = self._failures(document.data)
        if failures:
            failures = self._with_texts(document, failures)
        if not failures:
            return []
        from promptctl.schemas.words import problems_of

        problems = problems_of(failures[:MAX_PROBLEMS], lambda failure: _place(failure, document))
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
        if not failures:
            return []
        from promptctl.schemas.words import problems_of

        return problems_of(failures[:MAX_PROBLEMS], lambda _: place)

    def _failures(self, data: Any) -> list[Failure]:
        run = Run()
        self._check(data, (), run)
        return list(_of_nearest(run.failures)) if run.failures else []

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


def _search_of(pattern: str) -> Callable[[str], Any]:
    """Return the function that finds a pattern of JSON Schema: its `$` is no place before a last line end."""
    return re.compile(_END.sub(lambda sign: r"\Z" if sign[1] else sign[0], pattern)).search


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


def _place(failure: Failure, document: Document) -> Place:
    return (document.key_place if failure.keyword in _OF_KEYS else document.place)(*failure.path)
