"""Prompts in Markdown: a header with what they need, and a text below, or one below each heading that names a role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.exchange.drafts import ForeignContents, ImportNote, NotesOn, PromptDraft, Source
from promptctl.exchange.front_matter import PromptText, keys_of, prompt_text
from promptctl.exchange.model_settings import ForeignSettings, parameter_of
from promptctl.files.yaml_reader import read_yaml
from promptctl.template_languages.double_braces import InputNames, double_brace_pieces
from promptctl.template_languages.jinja import jinja_text

# A header with one of these is a prompt's; with none it may be any page's.
_SIGNS = frozenset(
    ("model", "temperature", "variables", "inputs", "input_variables", "arguments", "parameters", "mode")
)
TEXTS = (".md", ".markdown", ".txt")
"""The suffixes of files that may be all text."""

_INPUTS = ("inputs", "variables", "input_variables", "arguments")
_ROLE = re.compile(
    r"^(#{1,6})[ \t]+(system|user|assistant|developer)(?:[ \t]+(?:prompt|message))?:?[ \t]*(?:#+[ \t]*)?$", re.I | re.M
)
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object"))


def is_one(source: Source) -> bool:
    """Return True for Markdown whose header has a key that prompts have."""
    return source.path.endswith((".md", ".markdown")) and bool(_SIGNS & keys_of(source))


def read(source: Source) -> ForeignContents:
    """Return the prompt; only a text may have no header. Raises `InvalidFiles` for a wrong header, or no text."""
    parts = prompt_text(source)
    if parts.matter is None and not source.path.endswith(TEXTS):
        raise source.refuse("there is no header between lines of `---`", 1, "add one, if only with `model:`")
    if not parts.body.strip():
        where = "in the file" if parts.matter is None else "below the header"
        raise source.refuse(f"there is no text {where}", parts.line, "write the prompt's text there")
    reader = _Header(source, parts.matter or read_yaml(b"{}", source.shown))
    messages = list(_messages(parts, reader.notes))
    native = reader.native(dict.fromkeys(name for message in messages for name in message.pop("names")))
    native["messages"] = messages
    return ForeignContents((PromptDraft(source.stem, native, source.place(1)),), notes=tuple(reader.notes))


class _Header(NotesOn):
    def native(self, names: Mapping[str, None]) -> dict[str, Any]:
        """Return the keys of a native prompt, with these variables of its text among the inputs."""
        native: dict[str, Any] = {}
        settings = ForeignSettings()
        metadata: dict[str, Any] = {}
        inputs: dict[str, Any] = {}
        for key, value in (self.document.data or {}).items():
            if key in ("name", "title") and "name" not in native and value not in (None, ""):
                native["name"] = str(value)
                self.note("kept" if key == "name" else "changed", "is the name", key)
            elif key in ("description", "model") and isinstance(value, str) and value.strip():
                native[key] = value.strip()
                self.note("kept", "as it is", key)
            elif key == "tags" and isinstance(value, list) and all(isinstance(tag, str) and tag for tag in value):
                native["tags"] = list(dict.fromkeys(value))
                self.note("kept", "as it is", key)
            elif key in _INPUTS and isinstance(value, list | dict):
                inputs |= self._inputs(key, value)
            elif parameter_of(key) is not None and (place := settings.take(key, value)[0]):
                self.note("changed", f"is {place}", key)
            elif value is not None:
                metadata[key] = value
                self.note("changed", f"is under metadata.{key}: promptctl has no such key", key)
        for name in names:
            if name not in inputs:
                inputs[name] = {"type": "string"}
                self.note("changed", "is an input, as the text names it and no header does", "", part=name)
        return {**native, **settings.data, **({"metadata": metadata} if metadata else {}), "inputs": inputs}

    def _inputs(self, key: str, value: list[Any] | dict[str, Any]) -> dict[str, Any]:
        """Return the inputs that a list of names, a list of mappings or a mapping declares."""
        found: dict[str, Any] = {}
        listed = value.items() if isinstance(value, dict) else enumerate(value)
        for at, each in listed:
            name = at if isinstance(at, str) else each.get("name") if isinstance(each, dict) else each
            if not isinstance(name, str) or not _NAME.match(name):
                self.note("dropped", "is no name of an input", key, at, hint="name it with letters, digits and `_`")
                continue
            found[name] = _schema(each if isinstance(at, str) or isinstance(each, dict) else {})
            self.note("kept", "is an input", key, at, part=f"{key}.{name}")
        return found


def _schema(told: Any) -> dict[str, Any]:
    """Return an input's schema: of what is said, what can be said here; a text alone describes it."""
    if isinstance(told, str):
        return {"type": "string", "description": told} if told and told not in _TYPES else {"type": told or "string"}
    given = told if isinstance(told, dict) else {}
    schema: dict[str, Any] = {"type": given["type"] if given.get("type") in _TYPES else "string"}
    for key in ("description", "enum", "default"):
        if given.get(key) not in (None, "", []):
            schema[key] = given[key]
    if given.get("required") is False and "default" not in schema:
        schema["required"] = False
    return schema


def _messages(parts: PromptText, notes: list[ImportNote]) -> Iterator[dict[str, Any]]:
    """Yield the messages, each with the names of its variables."""
    heads = list(_ROLE.finditer(parts.body))
    heads = [head for head in heads if len(head[1]) == len(heads[0][1])]
    if heads and parts.body[: heads[0].start()].strip():
        message = "a heading that names a role is text here: there is text before the first of them"
        line = parts.line + parts.body.count("\n", 0, heads[0].start())
        notes.append(ImportNote("kept", heads[0][0].strip(), message, parts.source.place(line)))
        heads = []
    ends = [*(head.start() for head in heads[1:]), len(parts.body)]
    spans = [(head[2].lower(), head.end(), end) for head, end in zip(heads, ends, strict=False)]
    for role, start, end in spans or [("user", 0, len(parts.body))]:
        text = parts.body[start:end].strip("\n")
        line = parts.line + parts.body.count("\n", 0, start)
        names = InputNames()
        content = jinja_text(double_brace_pieces(text + "\n", names))
        message = f"is a message of the role {role}" + (", without its heading" if spans else "")
        notes.append(ImportNote("changed", "text", message, parts.source.place(line)))
        yield {"role": role, "content": content, "names": names.inputs}
