"""Executions as the database and the unsaved files hold them: columns, JSON texts, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.times import as_stored

COLUMN_OF = {"commit": "commit_id", "call_metadata": "metadata"}  # COMMIT is a word of SQL

# Texts that come from outside. The others are names by which rows are found and joined; they are stored as they are.
_FREE_TEXT = ("prompt_name", "content_type", "model_resolved", "finish_reason", "error_message", "user", "session")
_FREE_TEXT_AT = tuple(PLAIN_FIELDS.index(name) for name in _FREE_TEXT)
_STARTED_AT = PLAIN_FIELDS.index("started_at")
_DEEPEST = 64

_plain_values = attrgetter(*PLAIN_FIELDS)
_json_values = attrgetter(*JSON_FIELDS)


class Encoded(NamedTuple):
    """An execution ready to be written, once its secrets are out (`redacted`): every text of it is valid UTF-8.

    `plain` has the values of PLAIN_FIELDS, `jsons` the JSON texts of JSON_FIELDS, `contents` the texts of
    CONTENT_FIELDS (JSON, except the reply's own text), None where there is none or it was not asked for.
    """

    execution: Execution
    plain: tuple[Any, ...]
    jsons: tuple[str, ...]
    contents: tuple[str | None, ...]

    def texts(self) -> list[str]:
        """What may hold a secret."""
        plain = [self.plain[at] for at in _FREE_TEXT_AT]
        return [text for text in (*plain, *self.jsons, *self.contents) if text is not None]

    def redacted(self, redactor: Redactor) -> Encoded:
        """The same without secrets."""
        if not redactor.is_suspect("\n".join(self.texts())):
            return self
        return self._replace(
            plain=_redacted_plain(self.plain, redactor),
            jsons=tuple(redactor.redact_json(text) for text in self.jsons),
            contents=tuple(map(partial(_redacted_content, redactor), CONTENT_FIELDS, self.contents)),
        )

    def document(self) -> str:
        """The whole record as one JSON object, read back by `from_document`."""
        parts = [to_json(dict(zip(PLAIN_FIELDS, self.plain, strict=True)))[:-1]]
        parts += [f'"{name}":{text}' for name, text in zip(JSON_FIELDS, self.jsons, strict=True)]
        for name, text in zip(CONTENT_FIELDS, self.contents, strict=True):
            if text is not None:
                parts.append(f'"{name}":{to_json(text) if name == "reply" else text}')
        return ",".join(parts) + "}"


def encode(execution: Execution, *, is_whole: bool) -> Encoded:
    """An execution as texts and numbers; its contents are left out unless `is_whole`."""
    plain = _plain_row(execution)
    jsons = tuple([to_json(each) if each else "{}" for each in _json_values(execution)])
    contents: tuple[str | None, ...] = (None, None, None, None)
    if is_whole:
        contents = (
            None if execution.inputs is None else to_json(execution.inputs),
            None if execution.messages is None else to_json(execution.messages),
            None if execution.reply is None else well_formed(execution.reply),
            to_json(execution.tool_calls) if execution.tool_calls else None,
        )
    return Encoded(execution, plain, jsons, contents)


def from_document(document: Mapping[str, Any]) -> Execution:
    """The execution of a document that `Encoded.document` wrote."""
    known = {*PLAIN_FIELDS, *JSON_FIELDS, *CONTENT_FIELDS}
    fields = {name: value for name, value in document.items() if name in known}
    return Execution(**{**fields, "is_dirty": bool(fields.get("is_dirty"))})


def to_json(value: Any) -> str:
    """Compact JSON of anything at all: what JSON has no word for becomes text, and the result is valid UTF-8."""
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, RecursionError):  # odd keys, NaN, a circle
        value = _plain(value)
        text = _encoder.encode(value)
    return text if text.isascii() or _is_utf8(text) else _ascii_encoder.encode(value)


def well_formed(text: str) -> str:
    """The text with lone surrogates, which no database takes, replaced."""
    return text if text.isascii() or _is_utf8(text) else text.encode("utf-8", "replace").decode()


def _plain_row(execution: Execution) -> tuple[Any, ...]:
    values = list(_plain_values(execution))
    values[_STARTED_AT] = as_stored(values[_STARTED_AT])
    texts = "".join([value for value in values if type(value) is str])
    if not (texts.isascii() or _is_utf8(texts)):
        values = [well_formed(value) if isinstance(value, str) else value for value in values]
    return tuple(values)


def _redacted_plain(plain: tuple[Any, ...], redactor: Redactor) -> tuple[Any, ...]:
    return tuple(
        redactor.redact(value) if at in _FREE_TEXT_AT and value is not None else value for at, value in enumerate(plain)
    )


def _redacted_content(redactor: Redactor, field: str, text: str | None) -> str | None:
    if text is None:
        return None
    return redactor.redact(text) if field == "reply" else redactor.redact_json(text)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_json(value: Any) -> Any:
    """What the encoder calls for a type it does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    return str(value)


def _plain(value: Any, depth: int = 0) -> Any:
    """The value as plain data, whatever it is; what is nested beyond reason becomes text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    plain = _as_json(value)
    if depth > _DEEPEST or isinstance(plain, str):
        return f"({type(value).__name__})" if depth > _DEEPEST else plain
    if isinstance(plain, dict):
        return {str(key): _plain(item, depth + 1) for key, item in plain.items()}
    return [_plain(item, depth + 1) for item in plain]


_make_encoder = partial(json.JSONEncoder, separators=(",", ":"), allow_nan=False, default=_as_json)
_encoder = _make_encoder(ensure_ascii=False)
_ascii_encoder = _make_encoder(ensure_ascii=True)
