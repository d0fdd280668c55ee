"""Messages about a value that does not fit its schema: for people, and for a model that is asked again.

Each text ends a sentence about the value (`must be text, not 3`), and each hint says what to do in a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from promptctl.errors import Place, Problem, printable
from promptctl.files.names import did_you_mean, nearest
from promptctl.files.wording import clip, count
from promptctl.schemas.compiler import Failure
from promptctl.schemas.keywords import Path, type_names

NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]{0,60}", re.ASCII)
_MAX_VALUE = 60
_LONG_NUMBER = "a very long number"
_MAX_TEXT = 300
_MAX_LISTED = 12

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


def path_text(path: Path) -> str:
    """Return the path below the root as JSONPath: `.items[0].name`; empty for the root itself."""
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            parts.append(f".{part}" if _PLAIN_KEY.fullmatch(part) else f"['{printable(clip(part, _MAX_VALUE))}']")
    return "".join(parts)


def text_of(failure: Failure, *, shows_values: bool = True) -> str:
    """Say what is wrong, without where. A short value is shown, but none unless `shows_values`."""
    but = f", not {shown(failure.value)}" if shows_values else ""
    keyword, bound = failure.keyword, failure.schema.get(failure.keyword)
    if keyword in _TEXTS:
        text = _TEXTS[keyword](failure, but)
    elif keyword in _COMPARED:
        text = f"must be {_COMPARED[keyword]} {shown(bound)}{but}"
    elif bound == 1 and not failure.value:
        text = "is empty"
    else:
        has = count(len(failure.value), _UNITS[keyword[3:]])
        text = f"has {has}, {'fewer' if keyword.startswith('min') else 'more'} than {shown(bound)}"
    return clip(text, _MAX_TEXT)


def problems_of(failures: list[Failure], place_of: Callable[[Failure], Place]) -> list[Problem]:
    """Return the failures of a file of ours as problems, with what to do; without those that only repeat others.

    A key that is missing because it was misspelt is told once.
    """
    misspelt = {
        (failure.path[:-1], name)
        for failure in failures
        if failure.keyword == "additionalProperties"
        for name in _meant_keys(failure)
    }
    return [
        _problem(failure, place_of(failure))
        for failure in failures
        if failure.keyword != "required" or (failure.path, failure.detail) not in misspelt
    ]


def _problem(failure: Failure, place: Place) -> Problem:
    hint = _hint_of(failure)
    return Problem(_message(failure, hint), place, hint, _CODE_OF.get(failure.keyword, "wrong-form"))


def _message(failure: Failure, hint: str | None) -> str:
    keyword, path = failure.keyword, failure.path
    if keyword == "additionalProperties":
        return f"unknown key `{printable(str(path[-1]))}`" + (f" in `{_label(path[:-1])}`" if path[1:] else "")
    if not path:
        return f"`{failure.detail}` is missing" if keyword == "required" else text_of(failure)
    text = f" {text_of(failure)}"
    # What the hint says better than a pattern or a very long list.
    if hint and keyword == "propertyNames":
        text = " cannot be a key"
    elif hint and keyword in ("pattern", "not"):
        # A key or an address with a password is easily written where the name of its variable belongs.
        is_secret = str(path[-1]).endswith("_env") or re.search("://.*@", str(failure.value))
        text = " does not have the form it must have" + ("" if is_secret else f": {shown(failure.value)}")
    elif keyword == "enum" and len(failure.schema["enum"]) > _MAX_LISTED:
        text = f": {shown(failure.value)} is not known"
    return f"`{_label(path)}`{text}"


def _label(path: Path) -> str:
    return path_text(path).lstrip(".")


def _hint_of(failure: Failure) -> str | None:
    """Say what to do about it in a file; the schema's description if nothing better is known, else the wanted form."""
    described = _as_hint(failure.schema.get("description"))
    hint = _HINTS.get(failure.keyword)
    return (hint(failure) if hint else None) or described or _form_hint(failure)


def _meant_keys(failure: Failure) -> list[str]:
    """Return the keys that an unknown one may have been meant for, best first."""
    name, schema = str(failure.path[-1]), failure.schema
    instead = schema.get("x-instead", {}).get(name)
    return [instead] if instead else nearest(name, schema.get("properties", {}))


def rank(failure: Failure) -> tuple[Any, ...]:
    """Order by usefulness: near the root first, what most decides first, alternatives after plain failures."""
    path = tuple((isinstance(part, str), part) for part in failure.path)
    weight = _WEIGHT.get(failure.keyword, 9)
    return failure.keyword in ("anyOf", "oneOf", "not"), len(path), path, weight, failure.keyword


def shown(value: Any) -> str:
    """Show a short value as it is, a long one as what it is."""
    if isinstance(value, str):
        text = printable(" ".join(value.split()))
        return f"`{text}`" if 0 < len(text) <= _MAX_VALUE else f"a text of {count(len(value), 'character')}"
    if isinstance(value, (list, dict)):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        are_flat = len(value) <= 4 and not any(isinstance(part, (list, dict)) for part in parts)
        if are_flat and all(len(told := shown(part)) <= 18 and told != _LONG_NUMBER for part in parts):
            return f"`{json.dumps(value, ensure_ascii=False)}`"
        return f"a {'list' if isinstance(value, list) else 'mapping'} of {count(len(value), 'item')}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= 200 else _LONG_NUMBER
    return json.dumps(value)


def either(names: Sequence[str]) -> str:
    """Join alternatives: `a, b or c`; of very many the first."""
    if len(names) > _MAX_LISTED:
        return f"{', '.join(names[:_MAX_LISTED])} or one of {len(names) - _MAX_LISTED} more"
    return " or ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _type(failure: Failure, but: str) -> str:
    if isinstance(failure.value, str):
        but = but.replace(" `", " the text `", 1)
    return f"must be {either([NAMES.get(name, name) for name in type_names(failure.schema)])}{but}"


def _choice(failure: Failure, but: str) -> str:
    if failure.detail is None:
        return "fits more than one of the alternatives, and should fit one"
    nearest_one = min(failure.detail, key=rank)
    where = path_text(nearest_one.path[len(failure.path) :])
    told = f"{where} {text_of(nearest_one, shows_values=bool(but))}".strip()
    return f"fits none of the {len(failure.schema[failure.keyword])} alternatives; the nearest: {told}"


def _any_of(values: Sequence[Any]) -> str:
    # Of many values only a few are named, again for each value that is none of them.
    return either([*map(shown, values[:_MAX_LISTED]), *[""] * (len(values) - _MAX_LISTED)])


_UNITS = {"Length": "character", "Items": "item", "Properties": "property"}
_COMPARED = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}
_WEIGHT = {"type": 0, "required": 1, "additionalProperties": 2, "const": 3, "enum": 3}
_TEXTS: dict[str, Callable[[Failure, str], str]] = {
    "type": _type,
    "enum": lambda failure, but: f"must be {_any_of(failure.schema['enum'])}{but}",
    "const": lambda failure, but: f"must be {shown(failure.schema['const'])}{but}",
    "required": lambda failure, _: f"has no `{failure.detail}`",
    "dependentRequired": lambda failure, _: f"needs `{failure.detail}` beside it",
    "additionalProperties": lambda *_: "is an unknown key",
    "propertyNames": lambda failure, but: f"cannot be a key: {text_of(failure.detail[0], shows_values=bool(but))}",
    "false": lambda *_: "is not allowed here",
    "pattern": lambda failure, but: f"must match the pattern {clip(failure.schema['pattern'], _MAX_VALUE)}{but}",
    "format": lambda failure, but: f"must be a valid {failure.schema['format']}{but}",
    "uniqueItems": lambda failure, but: f"repeats {shown(failure.value) if but else 'an item'}",
    "contains": lambda failure, _: f"has {count(failure.detail, 'item')} that fit `contains`, too few or too many",
    "not": lambda *_: "is forbidden by `not`",
    "anyOf": _choice,
    "oneOf": _choice,
}


# What may be meant if the wanted type is one and the value of another.
_TYPE_HINTS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("string", (bool, int, float), "put it in quotes"),
    ("string", (dict,), "if it is text, put it in quotes or on the lines below `|`"),
    ("boolean", (str,), "write `true` or `false`, without quotes"),
    ("number", (str,), "write the number without quotes"),
    ("integer", (str,), "write the number without quotes"),
    ("array", (str, int, float), "write `[{}]`"),
)
_FORMS = {"object": "keys with values, as in `{key: value}`", "array": "a list, as in `[a, b]`"}


def _type_hint(failure: Failure) -> str | None:
    if failure.value is None:
        return "write a value, or remove the key"
    wanted = type_names(failure.schema)
    hints = (
        hint
        for name, types, hint in _TYPE_HINTS
        if name in wanted and isinstance(failure.value, types) and not (name == "array" and "object" in wanted)
    )
    written = failure.value if isinstance(failure.value, str) else shown(failure.value)
    return next(hints, "").format(clip(written, _MAX_VALUE)) or None


def _form_hint(failure: Failure) -> str | None:
    forms = [_FORMS[name] for name in type_names(failure.schema) if name in _FORMS] if failure.keyword == "type" else ()
    return f"write {either(forms)}" if forms else None


def _value_hint(failure: Failure) -> str | None:
    allowed = failure.schema.get("enum", [failure.schema.get("const")])
    known = [str(each) for each in allowed if each is not None]
    if isinstance(failure.value, str) and (meant := did_you_mean(failure.value, known)):
        return meant
    return f"one of {', '.join(known)}" if len(known) > _MAX_LISTED else None


def _key_hint(failure: Failure) -> str:
    name, known = str(failure.path[-1]), failure.schema.get("properties", {})
    if not name.isprintable():
        meant = did_you_mean(name, known)
        return "it holds characters that nobody sees, or blanks that are none: type it anew" + f"; {meant}" * bool(
            meant
        )
    instead = failure.schema.get("x-instead", {}).get(name)
    if instead:
        return f"use {instead}" if " " in instead else f"use `{instead}`"
    return did_you_mean(name, known) or f"the keys here are {', '.join(known)}"


def _missing_hint(failure: Failure) -> str:
    described = failure.schema.get("properties", {}).get(failure.detail)
    hint = _as_hint(described.get("description")) if isinstance(described, dict) else None
    return f"add `{failure.detail}`" + (f": {hint}" if hint else "")


def _as_hint(description: str | None) -> str | None:
    """Return a description in the form of a hint: no capital, no full stop."""
    if not description:
        return None
    is_acronym = description[1:2].isupper()
    return (description if is_acronym else description[0].lower() + description[1:]).removesuffix(".")


_HINTS: dict[str, Callable[[Failure], str | None]] = {
    "type": _type_hint,
    "enum": _value_hint,
    "const": _value_hint,
    "required": _missing_hint,
    "dependentRequired": lambda failure: f"add `{failure.detail}`",
    "additionalProperties": _key_hint,
    "false": lambda _: "remove it",
    "maxLength": lambda _: "shorten it",
    "uniqueItems": lambda _: "keep one of them",
    "propertyNames": lambda failure: _as_hint(failure.schema["propertyNames"].get("description")),
}
