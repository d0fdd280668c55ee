"""What can be wrong with a case before it is run: no assertion, inputs that do not fit, unknown names."""

from __future__ import annotations

from collections.abc import Iterator

from promptctl.assertions.assertion import Assertion
from promptctl.assertions.kinds import NOT
from promptctl.datasets.cases import Case
from promptctl.datasets.rows import Row
from promptctl.errors import InputError, Problem
from promptctl.files.names import did_you_mean
from promptctl.prompts.inputs import InputCheck
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.schemas.json_schema import types_of


class CaseChecks:
    """Checks the cases of one dataset, against a prompt where one is given."""

    def __init__(self, prompt: Prompt | None) -> None:
        self._prompt = prompt
        self._inputs = InputCheck(prompt) if prompt is not None else None
        declared = prompt.inputs.values() if prompt is not None else ()
        self._with_default = frozenset(each.name for each in declared if each.default is not MISSING)
        self._has_schema = prompt is not None and prompt.output.schema is not None

    def problems_of(self, case: Case, row: Row) -> Iterator[Problem]:
        """Everything wrong with the case."""
        yield from self._problems_of_inputs(case, row)
        if case.threshold == 0 or not any(assertion.weight for assertion in case.assertions):
            yield _undecided(case, row)
        for assertion in case.assertions:
            if assertion.reads_expected and case.expected is MISSING:
                message = f"{case.id} has no `expected`, which its assertion {assertion.type} reads"
                yield Problem(message, row.place, "add `expected`, or give the assertion a `value`", "missing-expected")
            if self._prompt is not None and (assertion.names or _asks_output_schema(assertion)):
                yield from self._problems_of_assertion(assertion, case, row)

    def _problems_of_inputs(self, case: Case, row: Row) -> Iterator[Problem]:
        if self._inputs is None:
            return
        try:
            self._inputs.fill(case.inputs)
        except InputError as error:
            if set(error.names) <= self._unread_cells(case, row):
                return
            given = next((name for name in error.names if name in (row.data.get("inputs") or {})), None)
            place = row.place if given is None else row.locate("inputs", given)
            message = f"{case.id}: {error.message.partition(': ')[2]}"
            hint = "set them right under the case's `inputs`, or under `defaults`"
            yield Problem(message, place, hint, "bad-inputs")

    def _unread_cells(self, case: Case, row: Row) -> set[str]:
        """The inputs whose cells could not be read by their type, which was told when they were."""
        if not row.is_text or self._prompt is None:
            return set()
        cells = {name for name in row.data.get("inputs") or {} if isinstance(case.inputs.get(name), str)}
        declared = ((name, self._prompt.inputs.get(name)) for name in cells)
        return {
            name
            for name, each in declared
            if each is not None and "string" not in (types_of(each.schema) or ["string"])
        }

    def _problems_of_assertion(self, assertion: Assertion, case: Case, row: Row) -> Iterator[Problem]:
        assert self._prompt is not None
        known = {*case.variables, *case.inputs, *self._with_default}
        for name in sorted(assertion.names - known):
            hint = did_you_mean(name, [*known, "expected", "output"])
            hint = hint or "an assertion can name the inputs, expected and output"
            if name in self._prompt.inputs:
                hint = f"give the case the input {name}, or write {{{{ {name} | default('…') }}}}"
            message = f"the assertion {assertion.type} of {case.id} names {name}, which the case does not have"
            yield Problem(message, row.place, hint, "unknown-variable")
        if _asks_output_schema(assertion) and not self._has_schema:
            message = (
                f"the assertion {assertion.type} of {case.id} has no schema: {self._prompt.id} has no output schema"
            )
            hint = "give the assertion a schema as its `value`, or the prompt an `output`"
            yield Problem(message, row.place, hint, "missing-schema")


def _undecided(case: Case, row: Row) -> Problem:
    """The problem of a case that would pass whatever the reply."""
    what = "it has neither `expected` nor `assert`"
    hint = "give it an expected reply or an assertion; a case that asserts nothing would always pass"
    if case.assertions:
        what = "its threshold is 0" if case.threshold == 0 else "all its assertions have weight 0"
    elif case.variables:  # a row of GitHub's
        what, hint = "the file has no evaluator that can be used", "add one to `evaluators`, with a name and `string`"
    return Problem(f"nothing decides whether {case.id} passes: {what}", row.place, hint, "no-assertion")


def _asks_output_schema(assertion: Assertion) -> bool:
    """Whether the assertion, or one of its set, uses the prompt's own output schema."""
    if assertion.type.removeprefix(NOT) == "json-schema" and assertion.ready is None:
        return True
    return any(_asks_output_schema(own) for own in assertion.assertions)
