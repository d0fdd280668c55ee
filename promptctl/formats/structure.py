"""Checks plain data against the JSON Schemas of our file kinds, and tells every problem at its place.

An interpreter of the part of JSON Schema (2020-12) that those schemas use; a schema that uses more is refused. It gives
the verdict that a full validator gives (a test holds it) and better words: what was expected, what is there, which key
or value was meant. Two further keywords help with that, and change no verdict: a `description` is the hint where
nothing better is known, and `x-instead` maps foreign keys to ours.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.document import Document
from promptctl.files.yaml_problems import in_reading_order
from promptctl.formats import structure_problems as faults
from promptctl.formats.schemas import Kind, load_schema
from promptctl.formats.structure_checks import Compiler, Run, Schema, worded
from promptctl.formats.structure_problems import Fault

MAX_PROBLEMS = 100


class Structure:
    """A schema made ready to check any number of documents."""

    def __init__(self, schema: Schema, definition: str | None = None) -> None:
        compiler = Compiler(schema)
        self._check = compiler.compile(schema if definition is None else {"$ref": f"#/$defs/{definition}"})

    def check(self, document: Document) -> list[Problem]:
        """Every problem of the document, in reading order; of very many the first hundred, and how many there are.

        Where only text will do and a number stands unquoted, `document.data` gets the text as it is written
        (`name: 1.10`).
        """
        run = Run(document)
        self._check(document.data, (), run)
        for keys, text in run.texts:
            holder = document.data
            for key in keys[:-1]:
                holder = holder[key]
            holder[keys[-1]] = text
        problems = [_problem(fault, document) for fault in faults.distinct(worded(run.faults[:MAX_PROBLEMS]))]
        more = len(run.faults) - MAX_PROBLEMS
        if more > 0:
            hint = "mend these, and check again"
            problems.append(
                Problem(f"there are {more:,} more problems", Place(document.path), hint, "too-many-problems")
            )
        return in_reading_order(problems)

    def check_data(self, data: Any, place: Place) -> list[Problem]:
        """Every problem of data that has one place for all, such as a line of a .jsonl file."""
        run = Run(None)
        try:
            self._check(data, (), run)
        except RecursionError:
            return [Problem("values are nested too deep", place, "flatten the data", "too-deep")]
        found = faults.distinct(worded(run.faults[:MAX_PROBLEMS]))
        return [Problem(fault.message, place, fault.hint, fault.code) for fault in found]


@cache
def structure_of(kind: Kind, definition: str | None = None) -> Structure:
    """The structure of a kind of file, or of one of its definitions (`case` of `dataset`)."""
    return Structure(load_schema(kind), definition)


def check(document: Document, schema: Schema) -> list[Problem]:
    """Every problem of a document against a schema; see `Structure.check`."""
    return Structure(schema).check(document)


def _problem(fault: Fault, document: Document) -> Problem:
    place = document.key_place(*fault.keys) if fault.is_of_key else document.place(*fault.keys)
    return Problem(fault.message, place, fault.hint, fault.code)
