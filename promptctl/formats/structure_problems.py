"""What is wrong with a file's structure, in words: what was expected, what is there, and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.files.names import did_you_mean, nearest

Keys = tuple[str | int, ...]
Schema = Mapping[str, Any]

_NAMES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_MANY = 12
_LONG = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the value at `keys`, or with its key. `names`: keys that are missing, or were meant."""

    keys: Keys
    code: str
    message: str
    hint: str | None
    is_of_key: bool = False
    names: tuple[str, ...] = ()


def distinct(faults: Sequence[Fault]) -> list[Fault]:
    """The faults without those that only repeat another: a key that is missing because it was misspelt."""
    misspelt = {(fault.keys[:-1], name) for fault in faults if fault.code == "unknown-key" for name in fault.names}
    return [
        fault
        for fault in faults
        if fault.code != "missing-key" or not any((fault.keys, name) in misspelt for name in fault.names)
    ]


def label(keys: Keys) -> str:
    """The way to a value as people write it: `messages[0].role`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def wrong_type(keys: Keys, value: Any, expected: Sequence[str], schema: Schema) -> Fault:
    """A value of another type."""
    names = [_NAMES[name] for name in expected if name != "null"] or [_NAMES["null"]]
    message = f"{_subject(keys)}expected {_listed(names, 'or')}, got {_kind(value)}"
    return Fault(keys, "wrong-type", message, _type_hint(value, expected) or _as_hint(schema.get("description")))


def unknown_value(keys: Keys, value: Any, allowed: Sequence[Any], schema: Schema) -> Fault:
    """A value that is none of those allowed."""
    known = [str(each) for each in allowed if each is not None]
    hint: str | None
    if isinstance(value, str) and (meant := did_you_mean(value, known)):
        hint = meant
    elif len(known) <= _MANY:
        hint = _as_hint(schema.get("description"))
    else:
        hint = f"one of {', '.join(known)}"
    if len(known) <= _MANY:
        message = f"{_subject(keys)}expected {_listed([f'`{name}`' for name in known], 'or')}, got {_shown(value)}"
    else:
        message = f"{_subject(keys)}{_shown(value)} is not known"
    return Fault(keys, "unknown-value", message, hint)


def unknown_key(keys: Keys, name: str, schema: Schema) -> Fault:
    """A key that the mapping does not have."""
    known = list(schema.get("properties", {}))
    instead = schema.get("x-instead", {}).get(name)
    if instead is not None:
        hint = f"use {instead}" if " " in instead else f"use `{instead}`"
    else:
        hint = did_you_mean(name, known) or f"the keys here are {', '.join(known)}"
    where = f" in `{label(keys[:-1])}`" if len(keys) > 1 else ""
    names = (instead or "", *nearest(name, known))
    return Fault(keys, "unknown-key", f"unknown key `{name}`{where}", hint, is_of_key=True, names=names)


def refused(keys: Keys) -> Fault:
    """A key that must not be there."""
    return Fault(keys, "unknown-key", f"`{label(keys)}` cannot be set here", "remove it", is_of_key=True)


def wrong_name(keys: Keys, name: str, schema: Schema) -> Fault:
    """A key that cannot be the name of anything here."""
    where = f" in `{label(keys[:-1])}`" if len(keys) > 1 else ""
    return Fault(
        keys,
        "wrong-name",
        f"`{_cut(name)}` cannot be a key{where}",
        _as_hint(schema.get("description")),
        is_of_key=True,
    )


def missing_key(keys: Keys, name: str, schema: Schema) -> Fault:
    """A key that must be there."""
    described = schema.get("properties", {}).get(name)
    description = described.get("description") if isinstance(described, Mapping) else None
    where = f"`{label(keys)}` has no `{name}`" if keys else f"`{name}` is missing"
    hint = f"add `{name}`: {_as_hint(description)}" if description else f"add `{name}`"
    return Fault(keys, "missing-key", where, hint, names=(name,))


def needs_key(keys: Keys, name: str, other: str) -> Fault:
    """A key that means nothing without another."""
    message = f"`{label((*keys, name))}` needs `{other}` beside it"
    return Fault((*keys, name), "missing-key", message, f"add `{other}`", is_of_key=True)


def wrong_form(keys: Keys, value: Any, schema: Schema) -> Fault:
    """Text that does not have the form asked for."""
    message = f"{_subject(keys)}{_shown(value)} does not have the form it must have"
    return Fault(keys, "wrong-form", message, _as_hint(schema.get("description")))


def empty(keys: Keys, schema: Schema) -> Fault:
    """A text, list or mapping with nothing in it."""
    return Fault(keys, "empty", f"`{label(keys)}` is empty", _as_hint(schema.get("description")))


def too_long(keys: Keys, limit: int) -> Fault:
    """A text beyond the limit."""
    return Fault(keys, "too-long", f"`{label(keys)}` has more than {limit} characters", "shorten it")


def out_of_range(keys: Keys, value: Any, wanted: str) -> Fault:
    """A number too small or too large."""
    return Fault(keys, "out-of-range", f"`{label(keys)}` must be {wanted}, not {_shown(value)}", None)


def duplicate_item(keys: Keys, value: Any) -> Fault:
    """An item that the list has already."""
    return Fault(keys, "duplicate-item", f"`{label(keys[:-1])}` has {_shown(value)} twice", "keep one of them")


def most_telling(tried: Sequence[Sequence[Fault]], keys: Keys, value: Any, schema: Schema) -> list[Fault]:
    """Of the faults against several alternatives, those against the one that was most probably meant."""
    if all(_is_other_type(found, keys) for found in tried):
        names = [name for branch in schema["anyOf"] for name in _types(branch)]
        if names:
            return [wrong_type(keys, value, list(dict.fromkeys(names)), schema)]
    distances = [_distance(found, keys) for found in tried]
    hint = _as_hint(schema.get("description"))
    nearest_faults = tried[distances.index(min(distances))]
    return [replace(fault, hint=hint) if fault.keys == keys and not fault.hint else fault for fault in nearest_faults]


def _is_other_type(found: Sequence[Fault], keys: Keys) -> bool:
    return any(fault.keys == keys and fault.code == "wrong-type" for fault in found)


def _types(branch: Schema) -> list[str]:
    if "enum" in branch:
        return ["string"]
    types = branch.get("type", [])
    return [types] if isinstance(types, str) else types


def _distance(found: Sequence[Fault], keys: Keys) -> tuple[int, int]:
    """How far a value is from an alternative: another type, then another tag, then the number of faults."""
    is_other_tag = any(len(fault.keys) == len(keys) + 1 and fault.keys[-1] == "type" for fault in found)
    unlike = sum(fault.code in ("missing-key", "unknown-key") for fault in found if len(fault.keys) <= len(keys) + 1)
    return (2 if _is_other_type(found, keys) else 1 if is_other_tag else 0, unlike * 100 + len(found))


def _type_hint(value: Any, expected: Sequence[str]) -> str | None:
    if value is None:
        return "write a value, or remove the key"
    if "string" in expected and isinstance(value, bool | int | float):
        return "put it in quotes"
    if "string" in expected and isinstance(value, dict):
        return "if it is text, put it in quotes or on the lines below `|`"
    if "boolean" in expected and isinstance(value, str):
        return "write `true` or `false`, without quotes"
    if isinstance(value, str) and ("number" in expected or "integer" in expected):
        return "write the number without quotes"
    if "array" in expected and isinstance(value, str | int | float):
        return f"write `[{_cut(str(value), 40)}]`"
    return None


def _subject(keys: Keys) -> str:
    return f"`{label(keys)}`: " if keys else ""


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return f"the number {_cut(str(value))}"
    return "a list" if isinstance(value, list) else "a mapping"


def _shown(value: Any) -> str:
    return (
        f"`{_cut(value)}`"
        if isinstance(value, str) and value.strip()
        else _kind(value)
        if value != ""
        else "an empty text"
    )


def _cut(text: str, limit: int = _LONG) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _as_hint(description: str | None) -> str | None:
    """A description in the form of a hint: no capital, no full stop."""
    if not description:
        return None
    is_acronym = description[1:2].isupper()
    return (description if is_acronym else description[0].lower() + description[1:]).removesuffix(".")
