"""One case of a dataset, made from its row: defaults filled in, matrix unfolded, assertions ready."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from promptctl.assertions.assertion import AskedJudge, Assertion
from promptctl.assertions.preparing import Locate, too_many
from promptctl.datasets.matrix import InvalidMatrix, unfold
from promptctl.datasets.rows import Row
from promptctl.errors import InputError, InvalidFiles, Place, Problem
from promptctl.files.plain import content_digest
from promptctl.files.wording import as_text
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.prompts.inputs import parse_input
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.schemas.json_schema import types_of

_DERIVED_ID_LENGTH = 16
# What defaults and matrices may multiply a dataset to, in characters for each case that it may hold.
_REPEATED_PER_CASE = 2500

# Makes assertions of those of a list called `assert`, and adds what is wrong with any to the problems.
Prepare = Callable[[Sequence[Mapping[str, Any]], Locate, list[Problem]], tuple[Assertion, ...]]


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to be evaluated.

    `expected` is MISSING if the case has none. `threshold` is the weighted score from which the case passes;
    without one every assertion must. `output` is a recorded reply to grade in place of a call. `content_hash` names
    what decides the result (inputs, expected, assertions, threshold): cases of one id are comparable if it is equal.
    It is not counted if it fails for the reason `xfail`; if `is_xfail_strict`, the evaluation fails if it passes.
    `variables` are further names for templated values (GitHub's rows have them).
    """

    id: str
    inputs: Mapping[str, Any]
    expected: Any
    tags: tuple[str, ...]
    assertions: tuple[Assertion, ...]
    content_hash: str
    place: Place
    must_pass: bool = False
    xfail: str | None = None
    is_xfail_strict: bool = False
    threshold: float | None = None
    output: str | None = None
    cluster: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_derived_id(self) -> bool:
        """True if the file gives it no id, so that it is called after its content."""
        return self.id == self.content_hash[:_DERIVED_ID_LENGTH]

    @property
    def all_assertions(self) -> Iterator[Assertion]:
        """Its assertions, with those of sets."""
        return (each for assertion in self.assertions for each in assertion.all)

    @property
    def judges(self) -> Iterator[AskedJudge]:
        """Every judge that grading the case asks."""
        return (judge for each in self.all_assertions if (judge := each.judge) is not None)


@dataclass(slots=True)
class CodeLeftOut:
    """Count of the assertions that run code and were left out, and of the cases that went with them, with their ids."""

    assertions: int = 0
    cases: int = 0
    first: Place | None = None
    ids: set[str] = field(default_factory=set)

    @property
    def words(self) -> str:
        """The count and the first place, as words for people; empty if nothing was left out."""
        if not self.assertions:
            return ""
        noun = "assertion that runs code was" if self.assertions == 1 else "assertions that run code were"
        words = f"{self.assertions:,} {noun} not checked (first at {self.first})"
        if self.cases:
            cases = "1 case that needs" if self.cases == 1 else f"{self.cases:,} cases that need"
            words += f", and {cases} {'it' if self.assertions == 1 else 'them'} left out"
        return words

    def rest_of(self, case: Case) -> Case | None:
        """Return a case without its code; None if nothing would decide it as it was meant.

        A threshold or an `xfail` judges all assertions together: part of them says nothing of it.
        """
        rest = tuple(each for each in case.assertions if not each.runs_code)
        if len(rest) == len(case.assertions):
            return case
        self.assertions += len(case.assertions) - len(rest)
        self.first = self.first or case.place
        if case.threshold is not None or case.xfail is not None or not any(each.weight for each in rest):
            self.cases += 1
            self.ids.add(case.id)
            return None
        # Results with and without code never stand for each other.
        return replace(case, assertions=rest, content_hash=content_digest([case.content_hash, "code left out"]))


class CaseMaker:
    """Makes the cases of one dataset from its rows.

    `defaults` hold for every case: its own inputs and threshold win, the rest is added to. `assertions` are theirs;
    with `implies_equals` a reply must equal an `expected` that no assertion reads. With a prompt the cells of a table
    are read by the types it declares, and numbers for an input of text are taken as they are written. The content hash
    is of the values as they stand, so that a prompt's change of type makes no different case. With `leaves_out_code`
    cases come without their code assertions, which `left_out` counts.
    """

    def __init__(
        self,
        defaults: Row,
        assertions: tuple[Assertion, ...],
        prepare: Prepare,
        prompt: Prompt | None,
        *,
        implies_equals: bool = True,
        leaves_out_code: bool = False,
        limits: DatasetLimits = DEFAULT_LIMITS,
    ) -> None:
        self._limits = limits
        self._count = self._repeated = 0
        filled_in = [defaults.data[key] for key in ("inputs", "metadata") if key in defaults.data]
        self._default_size = len(as_text(filled_in)) if filled_in else 0
        self.left_out = CodeLeftOut()
        self._leaves_out_code = leaves_out_code
        self._inputs: Mapping[str, Any] = defaults.data.get("inputs", {})
        self._matrix: Mapping[str, Any] = defaults.data.get("matrix", {})
        self._defaults = defaults.data
        self._assertions = assertions
        self._prepare = prepare
        self._prompt = prompt
        declared = prompt.inputs.values() if prompt is not None else ()
        self._texts = frozenset(each.name for each in declared if types_of(each.schema) == ["string"])
        implied: Sequence[Mapping[str, Any]] = ({"type": "equals"},) if implies_equals else ()
        self._implied = prepare(implied, defaults.locate, [])
        self._default_texts = self._numbers_as_text("inputs", defaults)
        self._default_matrix_texts = self._numbers_as_text("matrix", defaults)

    def make(self, row: Row, problems: list[Problem]) -> Iterator[Case]:
        """Yield the row's cases: one, or with a matrix one for each of its cells. Problems are added to `problems`."""
        made = self._made(row, problems)
        yield from filter(None, map(self.left_out.rest_of, made)) if self._leaves_out_code else made

    def _made(self, row: Row, problems: list[Problem]) -> Iterator[Case]:
        data, found, assertions = row.data, len(problems), self._assertions
        if own := data.get("assert"):
            if (problem := too_many(own, self._limits, row.locate, self._assertions)) is not None:
                problems.append(problem)
                return
            assertions += self._prepare(own, row.locate, problems)
        if "expected" in data and not any(assertion.reads_expected for assertion in assertions):
            assertions += self._implied
        if data.get("matrix") or self._matrix:
            yield from self._unfolded(row, assertions, problems)
        elif len(problems) == found:
            yield self._case(row, data.get("inputs") or {}, "", assertions, problems)

    def _unfolded(self, row: Row, assertions: tuple[Assertion, ...], problems: list[Problem]) -> Iterator[Case]:
        given = row.data.get("inputs") or {}
        own = row.data.get("matrix") or {}
        # A case's own value of an input stands in for the values that the defaults would unfold.
        matrix = {**{name: values for name, values in self._matrix.items() if name not in given}, **own}
        twice = next((name for name in matrix if name in given), None)
        if twice is not None:
            message = f"the input {twice} is given both in `inputs` and in `matrix`"
            problems.append(Problem(message, row.locate("matrix", twice), "remove one of them", "given-twice"))
            return
        # The cells of one row have all but a few inputs in common: one piece of evidence, unless the row says another.
        is_many = math.prod(len(values) for values in matrix.values()) > 1
        cluster = row.data.get("id") or content_digest([given, matrix])[:_DERIVED_ID_LENGTH] if is_many else None
        texts = {**self._default_matrix_texts, **self._numbers_as_text("matrix", row)}
        written = {name: texts.get(name, values) for name, values in matrix.items()}
        size = len(as_text(given)) + sum(max(len(as_text(each)) for each in values) for values in matrix.values())
        try:
            cells = zip(unfold(matrix), unfold(written), strict=True) if matrix else iter([(("", {}), ("", {}))])
            for (label, values), (_, plain) in cells:
                self._repeated += size
                yield self._case(row, {**given, **values}, label, assertions, problems, plain if texts else {}, cluster)
        except InvalidMatrix as error:
            problems.append(Problem(str(error), row.locate("matrix"), error.hint, "bad-matrix"))

    def _case(
        self,
        row: Row,
        given: Mapping[str, Any],
        label: str,
        assertions: tuple[Assertion, ...],
        problems: list[Problem],
        cell: Mapping[str, Any] = MappingProxyType({}),
        cluster: str | None = None,
    ) -> Case:
        """Return the case of a row with the inputs given; `cell` has those of its matrix as they are written."""
        data, defaults = row.data, self._defaults
        self._bound(row)
        if row.is_text and self._inputs:
            # An empty cell says nothing if the defaults say something.
            given = {name: cell for name, cell in given.items() if cell != "" or name not in self._inputs}
        inputs = {**self._inputs, **given} if self._inputs else given
        expected = data.get("expected", MISSING)
        threshold = data.get("threshold", defaults.get("threshold"))
        variables = data.get("variables") or {}
        content = content_hash({**variables, **inputs}, expected, assertions, threshold)
        if self._default_texts:
            inputs = {**inputs, **self._default_texts, **given}
        if self._prompt is not None and row.is_text:
            inputs = _read_cells(inputs, given, self._prompt, row, problems)
        elif texts := self._numbers_as_text("inputs", row):
            inputs = {**inputs, **texts}
        id_, output, xfail = data.get("id"), data.get("output"), data.get("xfail")
        return Case(
            id=content[:_DERIVED_ID_LENGTH] if id_ is None else id_ + label,
            inputs={**inputs, **cell} if cell else inputs,
            expected=expected,
            tags=tuple(dict.fromkeys((*defaults.get("tags", ()), *data.get("tags", ())))),
            assertions=assertions,
            content_hash=content,
            place=row.place,
            must_pass=data.get("must_pass", False),
            xfail=xfail["reason"] if isinstance(xfail, Mapping) else xfail,
            is_xfail_strict=isinstance(xfail, Mapping) and xfail.get("strict", False),
            threshold=threshold,
            # A recorded reply as the text it would have come as.
            output=None if output is None else as_text(output),
            cluster=data.get("cluster", cluster),
            metadata={**defaults.get("metadata", {}), **_metadata(data)},
            variables=variables,
        )

    def _bound(self, row: Row) -> None:
        """Count one case more. Raises `InvalidFiles` if the dataset makes too many, or too large ones."""
        self._count += 1
        self._repeated += self._default_size
        most, hint = self._limits.cases, "split it, or raise `limits: {cases: …}` in promptctl.yaml"
        if self._count > most:
            message = f"the dataset holds more than {most:,} cases: this one is too many"
        elif self._repeated > most * _REPEATED_PER_CASE:
            size = f"{most * _REPEATED_PER_CASE / (1 << 20):,.0f} MiB"
            message = f"with defaults filled in and matrices unfolded, the cases up to this one hold more than {size}"
        else:
            return
        raise InvalidFiles([Problem(message, row.place, hint, "too-many-cases")])

    def _numbers_as_text(self, key: str, row: Row) -> Mapping[str, Any]:
        """Return the inputs of text that are given as numbers, or as lists of some, with the text in the file."""
        given = row.data.get(key) or {}
        names = [name for name in self._texts if isinstance(given.get(name), (int, float, list))]
        written = row.as_written(key, names) if names else {}
        return {name: written[name] for name in names if name in written}


def content_hash(
    inputs: Mapping[str, Any], expected: Any, assertions: Sequence[Assertion], threshold: float | None = None
) -> str:
    """Return 32 hexadecimal digits for what decides a case's result: equal for equal content in any order of keys."""
    wanted = None if expected is MISSING else [expected]
    return content_digest([inputs, wanted, [assertion.digest for assertion in assertions], threshold])


def _read_cells(
    inputs: Mapping[str, Any], cells: Mapping[str, Any], prompt: Prompt, row: Row, problems: list[Problem]
) -> dict[str, Any]:
    """Return the inputs with each cell read by its declared type.

    An empty cell is the empty text for an input that must be given as text, and no value for any other.
    """
    typed = dict(inputs)
    for name, cell in cells.items():
        declared = prompt.inputs.get(name)
        if declared is None or not isinstance(cell, str):
            continue
        if cell == "" and not (declared.is_required and "string" in (types_of(declared.schema) or ["string"])):
            del typed[name]
            continue
        try:
            typed[name] = parse_input(declared, cell)
        except InputError as error:
            problems.append(Problem(error.message, row.place, f"the column {name} holds it", "bad-cell"))
    return typed


def _metadata(data: Mapping[str, Any]) -> Mapping[str, Any]:
    own: Mapping[str, Any] = data.get("metadata") or {}
    return {"description": data["description"], **own} if data.get("description") is not None else own
