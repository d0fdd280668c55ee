"""Prompts of deepset's Prompt Hub: YAML with `name`, `text` for Python's f-strings, `tags` and `meta`."""

from __future__ import annotations

import re
from typing import Any

from promptctl.exchange.drafts import ForeignContents, ImportNote, NotesOn, PromptDraft, Source
from promptctl.template_languages.braces import format_pieces, roots
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import VariablePiece
from promptctl.templates import BadTemplate

_KEYS = ("name", "text", "description", "tags", "meta", "version")
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\"": '"', r"\'": "'", "\\\\": "\\"}
_ESCAPE = re.compile(r"\\[nt\"'\\]")


def is_one(source: Source) -> bool:
    """Return True for a mapping with `name` and `text` and none but the hub's keys."""
    if b"text:" not in source.data:
        return False
    keys = source.mapping.keys()
    return {"name", "text"} <= keys <= set(_KEYS) and bool(keys & {"version", "meta"})


def read(source: Source) -> ForeignContents:
    """Return the prompt. Raises `InvalidFiles` for a text that is no f-string of plain variables."""
    document = source.document
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise source.refuse("a prompt of the hub has its text under `text`", 1, "add `text:`")
    text, on = data["text"], NotesOn(source)
    if escape := _ESCAPE.search(text):
        place = document.line_place(text.count("\n", 0, escape.start()) + 1, "text")
        words = r"escapes such as `\n` are written as what they stand for"
        on.notes.append(ImportNote("changed", "text", words, place))
        text = _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)
    try:
        pieces = format_pieces(text)
    except BadTemplate as error:
        raise on.refused_template(error, "text") from None
    names = roots(pieces)
    message = "is a user's message, of variables in Jinja" if names else "is a user's message"
    on.note("changed" if names else "kept", message, "text")
    native: dict[str, Any] = {
        "name": str(data.get("name") or ""),
        **{key: data[key] for key in ("description", "tags") if data.get(key)},
        "inputs": {name: _schema(name, pieces) for name in names},
        "messages": [{"role": "user", "content": jinja_text(pieces)}],
        "metadata": {key: data[key] for key in ("meta", "version") if data.get(key)},
    }
    for key in ("name", "description", "tags"):
        if data.get(key):
            on.note("kept", "as it is", key)
    for key in native["metadata"]:
        on.note("changed", f"is under metadata.{key}", key)
    native = {key: value for key, value in native.items() if value or key == "inputs"}
    return ForeignContents((PromptDraft(source.stem, native, source.place(1)),), notes=tuple(on.notes))


def _schema(name: str, pieces: tuple[Any, ...]) -> dict[str, Any]:
    """Return the schema of a variable: an object if one of its keys is printed."""
    paths = [piece.path for piece in pieces if isinstance(piece, VariablePiece) and piece.path[0] == name]
    return (
        {"type": "object"} if any(len(path) > 1 and isinstance(path[1], str) for path in paths) else {"type": "string"}
    )
