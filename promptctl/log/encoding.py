"""Records as the database and the unsaved files hold them: fields by name as texts and numbers, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Any

from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.stamps import as_stored

Fields = dict[str, Any]
"""The fields of an execution or a result: every text valid UTF-8, and those of `_JSONS` JSON texts."""

_JSONS = ("parameters", "call_metadata", "usage_details", "inputs", "messages", "tool_calls", "detail")
_JSON_NAMES = frozenset(_JSONS)
# Texts that come from outside. The others are names by which rows are found and joined; they are stored as they are.
_FREE_TEXTS = (
    "prompt_name", "content_type", "model_resolved", "finish_reason", "error_message", "user", "session", "reply",
    "output",
)  # fmt: skip
_SUSPECTS = (*_FREE_TEXTS, *_JSONS)
_NO_CONTENTS = dict.fromkeys(CONTENT_FIELDS)
_DEEPEST = 64
# Python shows no whole number of more than 4300 digits.
_HUGE = 10**4000
# The type of the part that holds the reasoning, before the tool calls.
_REASONING = "reasoning"

_TYPE_OF: dict[str, Callable[..., Any]] = {"int": int, "bool": int, "float": float}
_TYPES = {each.name: _TYPE_OF.get(str(each.type).partition(" ")[0], str) for each in dataclass_fields(Execution)}
_plain_values = attrgetter(*PLAIN_FIELDS)


def encode(execution: Execution, *, is_whole: bool) -> Fields:
    """Return an execution's fields; its contents are None unless `is_whole`."""
    if execution.mask is not None:
        execution = execution.mask.execution(execution)
    fields: Fields = dict(zip(PLAIN_FIELDS, _plain_values(execution), strict=True))
    fields["started_at"] = as_stored(execution.started_at)
    fields["is_dirty"] = int(execution.is_dirty)
    if not _are_exact(tuple(map(type, fields.values()))):
        fields = {name: _exact(name, value) for name, value in fields.items()}
    if not _is_utf8("".join([value for value in fields.values() if type(value) is str])):
        fields = {name: well_formed(value) if type(value) is str else value for name, value in fields.items()}
    for name in JSON_FIELDS:
        value = getattr(execution, name)
        fields[name] = to_json(value) if value else None if value is None else "{}"
    if not is_whole:
        return fields | _NO_CONTENTS
    fields["inputs"] = None if execution.inputs is None else to_json(execution.inputs)
    fields["messages"] = None if execution.messages is None else to_json(execution.messages)
    fields["reply"] = None if execution.reply is None else well_formed(_text_of(execution.reply))
    parts = [*_reasoning_part(execution), *execution.tool_calls]
    fields["tool_calls"] = to_json(parts) if parts else None
    return fields


@lru_cache(maxsize=256)
def _are_exact(types: tuple[type, ...]) -> bool:
    """Return True if SQLite stores plain fields of these types as they are: what is hashed is what is read back."""
    return all(each in (_TYPES[name], NoneType) for name, each in zip(PLAIN_FIELDS, types, strict=True))


def _exact(name: str, value: object) -> object:
    """Return a value as SQLite would store it: of `user=5` a text. A number that it refuses stays as it is."""
    type_ = _TYPES[name]
    if value is None:
        return None
    if type_ is str:
        return _text_of(value)
    try:
        exact = type_(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return exact if exact == value else value


def _text_of(value: object) -> str:
    """Return any value as text; one that cannot even be shown by its type."""
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:  # a number of too many digits, or a class that fails to show itself
        return f"({type(value).__name__})"


def _reasoning_part(execution: Execution) -> Sequence[Mapping[str, Any]]:
    return [{"type": _REASONING, "text": execution.reasoning}] if execution.reasoning else ()


def parts_of(kept: Any) -> Fields:
    """Return the fields of an execution out of what is kept of a reply beside its text: tool calls and reasoning."""
    if not isinstance(kept, list) or not kept or kept[0].get("type") != _REASONING:
        return {"tool_calls": kept}
    return {"tool_calls": kept[1:], "reasoning": kept[0].get("text")}


def texts_of(fields: Fields) -> list[str]:
    """Return the texts that may hold a secret."""
    return [text for name in _SUSPECTS if (text := fields.get(name)) is not None]


def redacted(fields: Fields, redactor: Redactor) -> Fields:
    """Return the fields without secrets."""
    if not redactor.is_suspect("\n".join(texts_of(fields))):
        return fields
    hidden = {name: redactor.redact(fields[name]) for name in _FREE_TEXTS if fields.get(name) is not None}
    hidden |= {name: redactor.redact_json(fields[name]) for name in _JSONS if fields.get(name) is not None}
    return {**fields, **hidden}


def document(fields: Fields) -> str:
    """Return all fields that are not None as one JSON object."""
    plain = {name: value for name, value in fields.items() if value is not None and name not in _JSON_NAMES}
    jsons = [f'"{name}":{fields[name]}' for name in _JSONS if fields.get(name) is not None]
    return ",".join([to_json(plain)[:-1], *jsons]) + "}"


def from_document(document: Mapping[str, Any]) -> Execution:
    """Return the execution of a document."""
    known = {*PLAIN_FIELDS, *JSON_FIELDS, *CONTENT_FIELDS}
    fields = {name: value for name, value in document.items() if name in known}
    parts = parts_of(fields["tool_calls"]) if "tool_calls" in fields else {}
    return Execution(**{**fields, **parts, "is_dirty": bool(fields.get("is_dirty"))})


def to_json(value: Any) -> str:
    """Return anything at all as compact JSON, in valid UTF-8: a value that JSON cannot express becomes text."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):  # odd keys, NaN, a circle
        value = _plain(value)
        text = _encode(value)
    return text if _is_utf8(text) else _encode_ascii(value)


def well_formed(text: str) -> str:
    """Return the text with lone surrogates, which no database takes, replaced."""
    return text if _is_utf8(text) else text.encode("utf-8", "replace").decode()


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_json(value: Any) -> Any:
    """Convert a type that the encoder does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    return _text_of(value)


def _plain(value: Any, depth: int = 0) -> Any:
    """Return any value as plain data; a value nested too deep becomes text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_HUGE < value < _HUGE else _text_of(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    plain = _as_json(value)
    if depth > _DEEPEST or isinstance(plain, str):
        return f"({type(value).__name__})" if depth > _DEEPEST else plain
    if isinstance(plain, dict):
        return {_text_of(key): _plain(item, depth + 1) for key, item in plain.items()}
    return [_plain(item, depth + 1) for item in plain]


def make_encoder(
    default: Callable[[Any], Any], *, is_ascii: bool = False, allow_nan: bool = False
) -> Callable[[Any], str]:
    """Return a function that writes compact JSON; `default` converts the types that JSON does not know.

    `JSONEncoder.encode` makes its part in C anew for each value, which for a small one is most of its time.
    """
    compiled = getattr(json.encoder, "c_make_encoder", None)
    if compiled is None:
        return json.JSONEncoder(
            ensure_ascii=is_ascii, separators=(",", ":"), allow_nan=allow_nan, check_circular=False, default=default
        ).encode
    quoted = json.encoder.encode_basestring_ascii if is_ascii else json.encoder.encode_basestring
    chunks = compiled(None, default, quoted, None, ":", ",", False, False, allow_nan)  # noqa: FBT003 - takes no names
    return lambda value: "".join(chunks(value, 0))


_encode = make_encoder(_as_json)
_encode_ascii = make_encoder(_as_json, is_ascii=True)
