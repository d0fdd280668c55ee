"""Whether the cases of a dataset give a prompt the inputs that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.names import did_you_mean
from promptctl.formats.dataset_file import DatasetFile
from promptctl.prompts.prompt import Prompt
from promptctl.schemas.json_schema import Validator, types_of

# The keys under which a case, and the defaults, give inputs.
_GIVEN = ("inputs", "matrix")

# Where in a file the value at these keys stands, counted from the case or from the dataset's defaults.
PlaceOf = Callable[..., Place]


def check_dataset_against(prompt: Prompt, dataset: DatasetFile) -> list[Problem]:
    """What the inline cases of a dataset lack for this prompt, have too many, or have of the wrong kind."""
    check = _Check(prompt)
    document, defaults = dataset.document, dataset.defaults
    texts = check.texts
    given = {key: dataset.as_written(("defaults", key), texts) for key in _GIVEN if key in defaults}

    def place_of_default(*keys: str | int) -> Place:
        return document.key_place("defaults", *keys)

    problems = list(check.problems_of_values(given, place_of_default, "the defaults"))
    for index, case in enumerate(dataset.cases or ()):
        own = {key: dataset.as_written(("cases", index, key), texts) for key in _GIVEN if key in case}

        def place_of(*keys: str | int, index: int = index) -> Place:
            return document.key_place("cases", index, *keys) if keys else document.place("cases", index)

        noun = f"case `{case['id']}`"
        problems += check.missing(given, own, place_of(), noun)
        problems += check.problems_of_values(own, place_of, noun)
    return problems


class _Check:
    """A prompt's inputs made ready to check many cases."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._required = [name for name, declared in prompt.inputs.items() if declared.is_required]
        self._validators = {name: Validator(declared.schema) for name, declared in prompt.inputs.items()}
        self.texts = frozenset(
            name for name, declared in prompt.inputs.items() if set(types_of(declared.schema)) == {"string"}
        )

    def missing(
        self, defaults: Mapping[str, Any], case: Mapping[str, Any], place: Place, noun: str
    ) -> Iterator[Problem]:
        """A problem for each input that is required, and given neither by the case nor by the defaults."""
        given = {name for part in (defaults, case) for key in _GIVEN for name in part.get(key, ())}
        for name in self._required:
            if name not in given:
                message = f"{noun} does not give `{name}`, which {self._prompt.id} requires"
                hint = f"add `{name}` to its `inputs`, or to those of the `defaults`"
                yield Problem(message, place, hint, "missing-input")

    def problems_of_values(self, part: Mapping[str, Any], place_of: PlaceOf, noun: str) -> Iterator[Problem]:
        """A problem for each input that the prompt does not take, or not so."""
        for name, value in part.get("inputs", {}).items():
            yield from self._problems_of(name, [value], place_of("inputs", name), noun)
        for name, values in part.get("matrix", {}).items():
            yield from self._problems_of(name, values, place_of("matrix", name), noun)

    def _problems_of(self, name: str, values: list[Any], place: Place, noun: str) -> Iterator[Problem]:
        if name not in self._validators:
            hint = did_you_mean(name, self._prompt.inputs) or f"remove it, or declare it in {self._prompt.path}"
            message = f"`{name}`, given by {noun}, is no input of {self._prompt.id}"
            yield Problem(message, place, hint, "extra-input")
            return
        for value in values:
            for path, text in self._validators[name].faults(value):
                message = f"{noun}: `{name}{path}` {text}"
                hint = f"{self._prompt.id} declares what `{name}` must be"
                yield Problem(message, place, hint, "wrong-input")
