"""Checks of one case before it is run: its inputs against the prompt, and that something decides it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from promptctl.assertions.assertion import NOT, Assertion
from promptctl.datasets.cases import Case
from promptctl.datasets.rows import Row
from promptctl.errors import Place, Problem
from promptctl.files.names import MAX_SUGGESTIONS, did_you_mean
from promptctl.files.plain import texts_in
from promptctl.prompts.inputs import InputCheck
from promptctl.prompts.prompt import MISSING, Message, Prompt
from promptctl.schemas.json_schema import Allowance, types_of
from promptctl.templates.reading import plain_pieces, split_markup

_EACH_S = 0.005


class CaseChecks:
    """The checks of one dataset's cases, against a prompt if there is one.

    What is wrong with an input of the defaults is reported there, once. `allowance` is for the values of inputs; each
    case adds a little to it.
    """

    def __init__(self, prompt: Prompt | None, defaults: Row, allowance: Allowance) -> None:
        self._prompt = prompt
        self._allowance = allowance
        self._defaults = defaults
        self._inputs = InputCheck(prompt) if prompt is not None else None
        self._with_default: frozenset[str] = frozenset()
        self._required: tuple[str, ...] = ()
        self._images: frozenset[str] = frozenset()
        if prompt is not None:
            declared = prompt.inputs.values()
            self._with_default = frozenset(each.name for each in declared if each.default is not MISSING)
            self._images = frozenset(_image_inputs(prompt))
            self._required = tuple(each.name for each in declared if each.is_required)
        self._examples = Examples(prompt)
        # The last sound value of each input: those that stand for many cases are checked once.
        self._sound: dict[str, Any] = {}
        # Those of the last case: most cases have the assertions of the defaults alone.
        self._looked_at: tuple[Assertion, ...] | None = None
        self._decides = False
        self._reading: list[Assertion] = []
        self._told: set[Problem] = set()
        self._suggested: dict[tuple[str, str], str] = {}

    def problems_of(self, case: Case, row: Row) -> Iterator[Problem]:
        """Yield everything wrong with the case."""
        self._allowance.left_s += _EACH_S
        for problem in self._problems_of_inputs(case, row):
            if problem not in self._told:
                self._told.add(problem)
                yield problem
        if case.assertions is not self._looked_at:
            self._looked_at = case.assertions
            self._decides = any(assertion.weight for assertion in case.assertions)
            self._reading = [each for each in case.assertions if _reads_case(each)]
        if case.threshold == 0 or not self._decides:
            yield _undecided(case, row)
        for assertion in self._reading:
            if assertion.reads_expected and case.expected is MISSING:
                message = f"`{case.id}` has no `expected`, which its assertion {assertion.type} reads"
                yield Problem(message, row.place, "add `expected`, or give the assertion a `value`", "missing-expected")
            if self._prompt is not None and (assertion.names or _asks_output_schema(assertion)):
                yield from self._problems_of_assertion(assertion, case, row)

    def _problems_of_inputs(self, case: Case, row: Row) -> Iterator[Problem]:
        prompt, inputs = self._prompt, self._inputs
        if prompt is None or inputs is None:
            return
        for name in self._required:
            if name not in case.inputs:
                message = f"case `{_id(case, row)}` does not give `{name}`, which {prompt.id} requires"
                here = f"a column `{name}`" if row.is_text else f"`{name}` to its `inputs`"
                hint = f"add {here}, or give it under the `inputs` of the `defaults`"
                yield Problem(message, row.place, hint, "missing-input")
        for name, value in case.inputs.items():
            if name not in prompt.inputs:
                noun, place = self._given(name, case, row)
                hint = self._meant(name, prompt.inputs) or f"remove it, or declare it in {prompt.path}"
                message = f"`{name}`, given by {noun}, is no input of {prompt.id}"
                yield Problem(message, place, hint, "extra-input")
            elif isinstance(value, str) and self._is_path(name, value):
                noun, place = self._given(name, case, row)
                message = f"{noun}: `{name}` is sent as the text it is, not as the file"
                hint = f"name a file below datasets/ under `files: {{{name}: …}}`"
                yield Problem(message, place, hint, "not-a-file", "warning")
            elif value is not self._sound.get(name, self) and not _is_unread_cell(name, value, row, prompt):
                faults = inputs.faults(name, value, self._allowance)
                for path, text in faults:
                    noun, place = self._given(name, case, row)
                    hint = f"{prompt.id} declares what `{name}` must be"
                    yield Problem(f"{noun}: `{name}{path}` {text}", place, hint, "wrong-input")
                if not faults:
                    self._sound[name] = value
                if isinstance(value, str) and name in row.data.get("inputs", ()) and self._examples.show(value):
                    noun, place = self._given(name, case, row)
                    message = f"{noun}: {prompt.id} itself shows its `{name}` to the model"
                    hint = "a model repeats what it saw: take the example out, or the case"
                    yield Problem(message, place, hint, "example-is-case", "warning")

    def _is_path(self, name: str, value: str) -> bool:
        """Return True for a text that names a file where a file's content or an address is meant."""
        if " " in value or "\n" in value:
            return False
        return value.startswith("file:") or (name in self._images and ":" not in value)

    def _meant(self, name: str, names: Collection[str], case: str = "") -> str:
        key = name, case
        if key not in self._suggested:
            self._suggested[key] = did_you_mean(name, names) if len(self._suggested) < MAX_SUGGESTIONS else ""
        return self._suggested[key]

    def _given(self, name: str, case: Case, row: Row) -> tuple[str, Place]:
        """Return the source of the input, as words for a sentence, and its place."""
        for source, noun in ((row, f"case `{_id(case, row)}`"), (self._defaults, "the defaults")):
            for key in ("inputs", "matrix"):
                if name in (source.data.get(key) or {}):
                    return noun, source.locate_key(key, name)
        return noun, row.place

    def _problems_of_assertion(self, assertion: Assertion, case: Case, row: Row) -> Iterator[Problem]:
        assert self._prompt is not None
        known = {*case.variables, *case.inputs, *self._with_default}
        for name in sorted(assertion.names - known):
            hint = self._meant(name, [*known, "expected", "output"], case.id)
            hint = hint or "an assertion can name the inputs, expected and output"
            if name in self._prompt.inputs:
                hint = f"give the case the input {name}, or write {{{{ {name} | default('…') }}}}"
            message = f"the assertion {assertion.type} of `{case.id}` names {name}, which the case does not have"
            yield Problem(message, row.place, hint, "unknown-variable")
        if _asks_output_schema(assertion) and self._prompt.output.schema is None:
            message = (
                f"the assertion {assertion.type} of `{case.id}` has no schema: {self._prompt.id} has no output schema"
            )
            hint = "give the assertion a schema as its `value`, or the prompt an `output`"
            yield Problem(message, row.place, hint, "missing-schema")


def _image_inputs(prompt: Prompt) -> Iterator[str]:
    """Yield the inputs that are the address of an image: nothing else is in its `url`."""
    for message in prompt.messages:
        parts = message.content if isinstance(message, Message) and not isinstance(message.content, str) else ()
        for part in parts:
            pieces = plain_pieces(str(part.get("image_url", {}).get("url", "")).strip())
            if pieces is not None and len(pieces) == 3 and not pieces[0] + pieces[2]:
                yield pieces[1]


def _id(case: Case, row: Row) -> str:
    """Return the case's id as it is written: without the ending that a matrix adds."""
    written: str = row.data.get("id") or case.id
    return written


def _is_unread_cell(name: str, value: Any, row: Row, prompt: Prompt) -> bool:
    """Return True for a cell that could not be read by its type, which is reported when it is read."""
    return row.is_text and isinstance(value, str) and "string" not in (types_of(prompt.inputs[name].schema) or "string")


def _undecided(case: Case, row: Row) -> Problem:
    """Return the problem of a case that would pass whatever the reply."""
    what = "it has neither `expected` nor `assert`"
    hint = "give it an expected reply or an assertion; a case that asserts nothing would always pass"
    if case.assertions:
        what = "its threshold is 0" if case.threshold == 0 else "all its assertions have weight 0"
    elif case.variables:  # a row of GitHub's
        what, hint = "the file has no evaluator that can be used", "add one to `evaluators`, with a name and `string`"
    return Problem(f"nothing decides whether `{case.id}` passes: {what}", row.place, hint, "no-assertion")


def _reads_case(assertion: Assertion) -> bool:
    return assertion.reads_expected or bool(assertion.names) or _asks_output_schema(assertion)


def _asks_output_schema(assertion: Assertion) -> bool:
    """Return True if the assertion, or one of its set, uses the prompt's own output schema."""
    return any(each.type.removeprefix(NOT) == "json-schema" and each.ready is None for each in assertion.all)


# A shorter text, or one of fewer words, may well be in a prompt by chance: a name, a class, a phrase.
_SHORTEST, _FEWEST_WORDS = 20, 4
_WORD = re.compile(r"\w+")
_WORD_OR_GAP = re.compile(r"\w+|\0")


class Examples:
    """The texts of one prompt: its messages and partials without what is filled in, and the defaults of its inputs."""

    def __init__(self, prompt: Prompt | None) -> None:
        texts = [" \0 ".join(split_markup(text)[::2]) for text in _written(prompt)] if prompt is not None else []
        for each in prompt.inputs.values() if prompt is not None else ():
            texts += texts_in(each.default)
        words = [_WORD_OR_GAP.findall(text.casefold()) for text in texts]
        self._text = " \0 ".join(["", *(" ".join(each) for each in words), ""])
        self._openings = {tuple(each[at : at + _FEWEST_WORDS]) for each in words for at in range(len(each))}

    def show(self, text: str) -> bool:
        """Return True if the prompt shows this very text, whatever marks and letter case it has there."""
        if len(text) < _SHORTEST:
            return False
        folded = text.casefold()
        opening = tuple(word[0] for word in islice(_WORD.finditer(folded), _FEWEST_WORDS))
        # Looked for whole only where its first words are there: most texts are not.
        return (
            len(opening) == _FEWEST_WORDS
            and opening in self._openings
            and f" {' '.join(_WORD.findall(folded))} " in self._text
        )


def _written(prompt: Prompt) -> Iterator[str]:
    yield from prompt.partials.values()
    for message in prompt.messages:
        if isinstance(message, Message):
            yield from texts_in(message.content)
