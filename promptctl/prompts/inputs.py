"""Inputs of a prompt: read from text, filled with their defaults, and checked before anything is rendered."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.errors import InputError, InvalidFiles
from promptctl.files.names import did_you_mean
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.prompts.prompt import MISSING, Input, Prompt
from promptctl.schemas.json_schema import Validator, types_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

# Names and formats of inputs whose values are in no error, however short.
_SECRET = re.compile(
    r"(?:^|[_.-])(?:pass(?:word|phrase)?|secret|tokens?|(?:api)?_?key|credentials?|auth)(?:$|[_.-])", re.IGNORECASE
)

_MAX_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Filled:
    """Inputs with their defaults, in the order they are declared, and the measure of their text."""

    values: dict[str, Any]
    measure: Measure


class InputCheck:
    """The check of one prompt's inputs, made ready once for many calls."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._inputs = tuple(prompt.inputs.values())
        self._names = frozenset(prompt.inputs)
        self._validators = {
            each.name: Validator(each.schema, shows_values=not _is_secret(each)) for each in self._inputs
        }

    def fill(self, given: Mapping[str, Any]) -> Filled:
        """The inputs given, with defaults. Raises `InputError` with everything that is wrong."""
        measure = Measure()
        values: dict[str, Any] = {}
        wrong: list[tuple[str, str]] = []
        for each in self._inputs:
            name = each.name
            if name in given:
                try:
                    values[name] = value = plain(given[name], measure)
                except NotPlain as error:
                    wrong.append((name, f"`{name}` cannot be an input: {error}"))
                    continue
                for path, message in self._validators[name].faults(value):
                    wrong.append((name, f"`{name}{path}` {message}"))
            elif each.default is not MISSING:
                values[name] = plain(each.default, measure)
            elif each.is_required:
                wrong.append((name, f"`{name}` is missing"))
        extra = [name for name in given if name not in self._names]
        if wrong or extra:
            raise self._error(wrong, extra)
        return Filled(values, measure)

    def _error(self, wrong: list[tuple[str, str]], extra: list[Any]) -> InputError:
        prompt = self._prompt
        problems = [message for _, message in wrong]
        for name in extra:
            meant = did_you_mean(str(name)[:120], self._names)
            problems.append(f"`{_cut(name)}` is not an input" + (f" ({meant})" if meant else ""))
        names = list(dict.fromkeys([name for name, _ in wrong] + [str(name) for name in extra]))
        shown = "; ".join(problems[:_MAX_SHOWN])
        if len(problems) > _MAX_SHOWN:
            shown += f"; and {len(problems) - _MAX_SHOWN} more"
        place = prompt.inputs[wrong[0][0]].place if len(wrong) == 1 and not extra else None
        return InputError(f"inputs of {prompt.id}: {shown}", place=place, hint=self._hint(wrong, extra), names=names)

    def _hint(self, wrong: list[tuple[str, str]], extra: list[Any]) -> str:
        if wrong:
            name = wrong[0][0]
            return f"give it with -i {name}=…, or -I {name}=FILE; {self._declared()}"
        return f"leave out {', '.join(_cut(name) for name in extra[:_MAX_SHOWN])}; {self._declared()}"

    def _declared(self) -> str:
        if not self._inputs:
            return "this prompt has no inputs"
        parts = [each.name + ("" if _is_needed(each) else " (optional)") for each in self._inputs]
        more = f" and {len(parts) - _MAX_SHOWN} more" if len(parts) > _MAX_SHOWN else ""
        return f"its inputs are {', '.join(parts[:_MAX_SHOWN])}{more}"


def fill_and_check(prompt: Prompt, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs given, with declared defaults filled in, in the order of their declaration.

    Optional inputs that were not given are left out. Raises one `InputError` that names every input that is missing,
    not declared, or not of its schema; values of inputs are shown only where an enum refuses a short one.
    """
    return InputCheck(prompt).fill(given).values


def parse_input(declared: Input, text: str) -> Any:
    """The value that `text` means for this input, by its declared type; of several types, the first that fits.

    Text stays as it is; numbers, `true`, `false` and `null` are read; lists and mappings are JSON or YAML. Where no
    type is declared, text stays as it is. Raises `InputError`.
    """
    types = types_of(declared.schema) or ["string"]
    for name in types:
        value = _READERS[name](text)
        if value is not MISSING:
            return value
    wanted = " or ".join(_WORDS[name] for name in types)
    example = _EXAMPLES[types[0]]
    raise InputError(
        f"input `{declared.name}` is {wanted}, and the text given is not",
        place=declared.place,
        hint=f"for example -i {declared.name}={example}",
        names=[declared.name],
    )


def _read_string(text: str) -> Any:
    return text


def _read_integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text.strip()) else MISSING


def _read_number(text: str) -> Any:
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return MISSING


def _read_boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text.strip().lower(), MISSING)


def _read_null(text: str) -> Any:
    return None if text.strip().lower() in ("null", "") else MISSING


def _read_array(text: str) -> Any:
    value = _read_data(text)
    return value if isinstance(value, list) else MISSING


def _read_object(text: str) -> Any:
    value = _read_data(text)
    return value if isinstance(value, dict) else MISSING


def _read_data(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _read_yaml(text)
    try:
        return plain(value, Measure())
    except NotPlain:
        return MISSING


def _read_yaml(text: str) -> Any:
    from promptctl.files.yaml_reader import read_yaml

    try:
        return read_yaml(text.encode("utf-8", "surrogatepass"), "input").data
    except InvalidFiles:
        return MISSING


_READERS = {
    "string": _read_string,
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "null": _read_null,
    "array": _read_array,
    "object": _read_object,
}

_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}

_EXAMPLES = {
    "string": "text",
    "integer": "3",
    "number": "0.5",
    "boolean": "true",
    "null": "null",
    "array": """'["one", "two"]'""",
    "object": """'{"name": "value"}'""",
}


def _is_needed(each: Input) -> bool:
    return each.is_required and each.default is MISSING


def _is_secret(each: Input) -> bool:
    is_declared = each.schema.get("writeOnly") is True or each.schema.get("format") == "password"
    return is_declared or bool(_SECRET.search(each.name))


def _cut(name: Any) -> str:
    text = str(name)
    return text if len(text) <= 60 else text[:59] + "…"
