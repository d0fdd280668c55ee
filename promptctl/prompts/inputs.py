"""Inputs of a prompt: read from text, filled with their defaults, and checked before anything is rendered."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from promptctl.errors import InputError, InvalidFiles, UsageError
from promptctl.files.names import did_you_mean
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.files.wording import clip, name_some
from promptctl.prompts.prompt import MISSING, Input, Placeholder, Prompt
from promptctl.schemas.json_schema import TOGETHER_S, Allowance, Validator, types_of

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
            each.name: Validator(each.schema, shows_values=not is_secret(each)) for each in self._inputs
        }

    def fill(self, given: Mapping[str, Any]) -> Filled:
        """Return the inputs given, with defaults. Raises `InputError` with everything that is wrong."""
        measure = Measure()
        values: dict[str, Any] = {}
        wrong: list[tuple[str, str]] = []
        allowance = Allowance(TOGETHER_S)
        for each in self._inputs:
            name, value = each.name, given.get(each.name, each.default)
            if value is MISSING:
                wrong += [(name, f"`{name}` is missing")] if each.is_required else []
                continue
            try:
                values[name] = value = plain(value, measure)
            except NotPlain as error:
                wrong.append((name, f"`{name}` cannot be an input: {error}"))
                continue
            whose = "" if name in given else "the default of "
            faults = self.faults(name, value, allowance)
            wrong += [(name, f"{whose}`{name}{path}` {message}") for path, message in faults]
        extra = [str(name) for name in given if name not in self._names]
        if wrong or extra:
            raise self._error(wrong, extra)
        return Filled(values, measure)

    def faults(self, name: str, value: Any, allowance: Allowance) -> list[tuple[str, str]]:
        """Return what is wrong with a plain value of the input `name`: pairs of path below it and message."""
        return self._validators[name].faults(value, allowance)

    def _error(self, wrong: list[tuple[str, str]], extra: list[str]) -> InputError:
        prompt = self._prompt
        problems = [message for _, message in wrong]
        for name in extra:
            meant = did_you_mean(name[:120], self._names)
            problems.append(f"`{clip(name, 60)}` is not an input" + (f" ({meant})" if meant else ""))
        names = list(dict.fromkeys([name for name, _ in wrong] + extra))
        shown = "; ".join(problems[:_MAX_SHOWN])
        if len(problems) > _MAX_SHOWN:
            shown += f"; and {len(problems) - _MAX_SHOWN} more"
        missing = [name for name, message in wrong if message == f"`{name}` is missing"]
        place = prompt.inputs[wrong[0][0]].place if len(wrong) == 1 and not extra else None
        hint = self._declared()
        if not wrong:
            hint = f"leave out {', '.join(clip(name, 60) for name in extra[:_MAX_SHOWN])}; {hint}"
        message = f"inputs of {prompt.id}: {shown}"
        return InputError(message, place=place, hint=hint, names=names, missing=missing)

    def _declared(self) -> str:
        if not self._inputs:
            return "this prompt has no inputs"
        parts = [each.name + ("" if each.is_required else " (optional)") for each in self._inputs]
        return f"its inputs are {name_some(parts, _MAX_SHOWN)}"


def as_inputs(given: object) -> Mapping[str, Any]:
    """Return what somebody gave as inputs, none of None. Raises `InputError` for anything but a mapping."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"inputs are a mapping of names to values, not {type(given).__name__}")
    return given


def read_inputs(prompt: Prompt, texts: Mapping[str, str | bytes]) -> dict[str, Any]:
    """Return the values that texts mean, or the bytes of files, each by its input's type.

    Raises `InputError` for one that is not declared.
    """
    for name in texts:
        if name not in prompt.inputs:
            hint = did_you_mean(name, prompt.inputs) or f"declared inputs: {', '.join(prompt.inputs) or 'none'}"
            raise InputError(f"`{prompt.id}` has no input `{name}`", hint=hint, names=[name])
    of_messages = {each.input for each in prompt.messages if isinstance(each, Placeholder)}
    return {
        name: parse_input(prompt.inputs[name], _text(name, text), is_messages=name in of_messages)
        for name, text in texts.items()
    }


def _text(name: str, given: str | bytes) -> str:
    if isinstance(given, str):
        return given
    from promptctl.files.media import NotReadable, as_input

    try:
        return as_input(given)
    except NotReadable as error:
        raise InputError(f"the file for the input `{name}` {error}", names=[name]) from error


def read_mapping(text: str | bytes, name: str) -> dict[str, Any]:
    """Return the inputs of a YAML or JSON document. Raises `InvalidFiles`, and `UsageError` if it is no mapping."""
    from promptctl.files.yaml_reader import read_yaml

    data = read_yaml(text.encode() if isinstance(text, str) else text, name).data
    if not isinstance(data, dict):
        raise UsageError(f"{name} holds no mapping of names to values")
    return data


def parse_input(declared: Input, text: str, *, is_messages: bool = False) -> Any:
    """Return the value that `text` means for this input, by its declared type; of several types, the first that fits.

    `is_messages` says that a placeholder puts it among the messages.

    Text stays as it is; numbers, `true`, `false` and `null` are read; lists and mappings are JSON or YAML. If no
    type is declared, text stays as it is. Raises `InputError`.
    """
    types = types_of(declared.schema) or ["string"]
    for name in types:
        value = _TYPES[name].read(text)
        if value is not MISSING:
            return value
    wanted = " or ".join(_TYPES[name].noun for name in types)
    raise InputError(
        f"input `{declared.name}` is {wanted}, and the text given is not",
        place=declared.place,
        hint=f"for example -i {declared.name}={MESSAGES_EXAMPLE if is_messages else _TYPES[types[0]].example}",
        names=[declared.name],
    )


MESSAGES_EXAMPLE = """'[{"role": "user", "content": "Hello"}]'"""
"""Messages as the command line takes them."""


class _Type(NamedTuple):
    """Text form of one type: `read` returns a text's value, MISSING if it is none; noun and example are for errors."""

    read: Callable[[str], Any]
    noun: str
    example: str


def _read_integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text.strip()) else MISSING


def _read_number(text: str) -> Any:
    text = text.strip()
    if _INTEGER.fullmatch(text) or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return _read_integer(text)
    return float(text)


def _read_word(text: str, words: Mapping[str, Any]) -> Any:
    return words.get(text.strip().lower(), MISSING)


def _read_data(text: str, kind: type) -> Any:
    try:
        value = plain(json.loads(text), Measure())
    except NotPlain:
        return MISSING
    except (ValueError, RecursionError):
        value = _read_yaml(text)
    return value if isinstance(value, kind) else MISSING


def _read_yaml(text: str) -> Any:
    from promptctl.files.yaml_reader import read_yaml

    try:
        return read_yaml(text.encode("utf-8", "surrogatepass"), "input").data
    except InvalidFiles:
        return MISSING


_TYPES = {
    "string": _Type(str, "text", "text"),
    "integer": _Type(_read_integer, "a whole number", "3"),
    "number": _Type(_read_number, "a number", "0.5"),
    "boolean": _Type(partial(_read_word, words={"true": True, "false": False}), "true or false", "true"),
    "null": _Type(partial(_read_word, words={"null": None, "": None}), "null", "null"),
    "array": _Type(partial(_read_data, kind=list), "a list", """'["one", "two"]'"""),
    "object": _Type(partial(_read_data, kind=dict), "a mapping", """'{"name": "value"}'"""),
}


def is_secret(each: Input) -> bool:
    """Return True if an input's values are shown nowhere: it is marked, or its name or format says so."""
    is_declared = each.schema.get("writeOnly") is True or each.schema.get("format") == "password"
    return each.is_sensitive or is_declared or bool(_SECRET.search(each.name))
