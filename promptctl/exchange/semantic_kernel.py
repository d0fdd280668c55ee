"""Prompts of Semantic Kernel: YAML, or `config.json` with `skprompt.txt` beside it."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import Fate, ForeignContents, ImportNote, NotesOn, PromptDraft, Source
from promptctl.exchange.model_settings import ForeignSettings
from promptctl.template_languages.jinja import jinja_text, pieces_of
from promptctl.template_languages.liquid import liquid_to_jinja
from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece, split_at
from promptctl.templates import BadTemplate
from promptctl.templates.uses import variables

_TEXT_FILE = "skprompt.txt"
# A loop that does nothing but write the messages of a list, which is a placeholder; or a message.
# A message ends before the next one begins: without that, a file of openings alone would take hours.
_PART = re.compile(
    r"\{%-?\s*for\s+(\w+)\s+in\s+(?P<list>\w+)\s*-?%\}\s*<message\s+role\s*=\s*[\"']\{\{-?\s*\1\.role\s*-?\}\}[\"']\s*>"
    r"\s*\{\{-?\s*\1\.content\s*-?\}\}\s*</message\s*>\s*\{%-?\s*endfor\s*-?%\}"
    r"|<message\s+role\s*=\s*(?P<role>\"[^\"<]*\"|'[^'<]*')\s*>(?P<text>(?:[^<]|<(?!/?message\b))*+)</message\s*>",
    re.IGNORECASE,
)
_OWN = re.compile(r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*+)\}\}")
_OWN_VARIABLE = re.compile(r"\s*\$([A-Za-z_]\w*)\s*\Z", re.ASCII)
_OWN_TEXT = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)')\s*\Z")
_KEYS = ("input_variables", "execution_settings")
_LANGUAGES = ("semantic-kernel", "liquid", "jinja2")


def is_one(source: Source) -> bool:
    """Return True for a text under `template` with Semantic Kernel's keys beside it, and for its `config.json`."""
    if not any(sign in source.data for sign in (b"input_variables", b"execution_settings", b"completion")):
        return False
    data = source.mapping
    if "_type" in data:
        return False
    if posixpath.basename(source.path) == "config.json":
        is_first = data.get("type") == "completion" and isinstance(data.get("completion"), dict)
        return "template" not in data and (is_first or not data.keys().isdisjoint(_KEYS))
    variables = data.get("input_variables")
    has_mappings = isinstance(variables, list) and all(isinstance(each, dict) for each in variables)
    return isinstance(data.get("template"), str) and (
        "execution_settings" in data or (has_mappings and bool(variables))
    )


def read(source: Source) -> ForeignContents:
    """Return the prompt. Raises `InvalidFiles` for a template that calls functions, or says what Jinja cannot."""
    document, text, text_source = source.document, "", source
    if not isinstance(document.data, dict):
        raise source.refuse("a prompt of Semantic Kernel is a mapping", 1)
    if isinstance(document.data.get("template"), str):
        text = document.data["template"]
    elif "template" not in document.data:
        text_source = source.beside(_TEXT_FILE)
        text = text_source.text
    reader = _KernelPrompt(source, text, text_source)
    native = reader.native()
    wish = source.stem if text_source is source else posixpath.basename(posixpath.dirname(source.path)) or "prompt"
    return ForeignContents((PromptDraft(wish, native, source.place(1)),), notes=tuple(reader.notes))


class _KernelPrompt(NotesOn):
    def __init__(self, source: Source, text: str, text_source: Source) -> None:
        super().__init__(source)
        self.text, self.text_source = text, text_source

    def native(self) -> dict[str, Any]:
        """Return the keys of a native prompt."""
        data = self.document.data
        native: dict[str, Any] = {key: str(data[key]) for key in ("name", "description") if data.get(key)}
        for key in native:
            self.note("kept", "as it is", key)
        settings = self._settings(data.get("execution_settings") or data.get("completion") or {})
        messages, names = self._messages(str(data.get("template_format") or "semantic-kernel"))
        inputs = self._inputs(data.get("input_variables") or (data.get("input") or {}).get("parameters") or [], names)
        for message in messages:
            if "placeholder" in message:
                inputs[message["placeholder"]] = {"type": "array", **inputs.get(message["placeholder"], {})}
        for key in data:
            known = ("name", "description", "template", "template_format", "input_variables", "input")
            if key not in (*known, "execution_settings", "completion", "output_variable", "schema", "type"):
                self.note("dropped", "has no counterpart here", key)
        if "output_variable" in data:
            native |= self._output(data["output_variable"])
        return {**native, **settings, "inputs": inputs, "messages": messages}

    def _settings(self, given: Any) -> dict[str, Any]:
        services = given if isinstance(given, dict) else {}
        if services and not any(isinstance(each, dict) for each in services.values()):
            services = {"default": services}  # the first schema had them right here
        chosen = "default" if "default" in services else next(iter(services), None)
        for name in services:
            if name != chosen:
                self.note("dropped", f"only those of {chosen} are kept", "execution_settings", name)
        found = ForeignSettings()
        settings = services.get(chosen) if chosen is not None else None
        for key, value in (settings if isinstance(settings, dict) else {}).items():
            place = ("execution_settings", str(chosen), key)
            written, why = found.take("model" if key in ("model_id", "ai_model_id") else key, value)
            if written == "model":
                self.note("changed", "is the model: put its provider before it, as in openai/gpt-4o", *place, part=key)
            elif written is not None:
                fate: Fate
                fate, words = ("kept", "as it is") if written == key else ("changed", f"is {written}")
                self.note(fate, words, *place, part=key)
            elif value is not None:
                self.note("dropped", why, *place, part=key)
        return found.data

    def _output(self, given: Any) -> dict[str, Any]:
        schema = given.get("json_schema") if isinstance(given, dict) else None
        if isinstance(schema, dict):
            self.note("changed", "its schema is output.schema", "output_variable")
            return {"output": {"schema": schema}}
        self.note("dropped", "only a JSON Schema of it is read", "output_variable")
        return {}

    def _messages(self, language: str) -> tuple[list[dict[str, Any]], set[str]]:
        """Return the messages, and the variables that their texts read."""
        if language not in _LANGUAGES:
            raise self._refused(f"the template is of the format `{language}`", 0)
        parts = list(self._parts())
        words = f"is {len(parts)} messages in Jinja" if len(parts) > 1 else "is a message in Jinja"
        self.note("changed", words, "template")
        messages: list[dict[str, Any]] = []
        names: set[str] = set()
        for role, text, start in parts:
            if role is None:
                messages.append({"placeholder": text})
                continue
            try:
                content = self._jinja(text, language)
                names |= variables(content)
            except BadTemplate as error:
                raise self._refused(error.message, self._line(start) + error.line - 1, error.hint) from None
            messages.append({"role": role, "content": content})
        return messages, names

    def _jinja(self, text: str, language: str) -> str:
        if language == "liquid":
            jinja = liquid_to_jinja(text)
            if "{% if " in jinja or "{% elif " in jinja:
                words = "a text or list that is empty, and 0, count as true in Liquid, not here"
                self.note("changed", words, "template")
            return jinja
        if language == "jinja2":
            pieces_of(text)
            return text
        return jinja_text(split_at(_OWN, text, _own_piece))

    def _parts(self) -> Iterator[tuple[str | None, str, int]]:
        """Yield the role, text and offset of each message; a placeholder has no role, and its input as the text."""
        end = 0
        for found in _PART.finditer(self.text):
            self._outside(self.text[end : found.start()], end)
            end = found.end()
            if found["list"]:
                yield None, found["list"], found.start()
                continue
            role, content = found["role"][1:-1].strip().lower(), found["text"]
            if role not in ("system", "user", "assistant", "developer", "tool"):
                raise self._refused(f"the role `{role}` is not written out", self._line(found.start()))
            if re.search(r"<(?:image|audio|binary)\b", content, re.IGNORECASE):
                raise self._refused("an image, a sound or a file in a message", self._line(found.start()))
            begins = found.start("text") + len(content) - len(content.lstrip())
            yield role, html.unescape(content.strip()), begins
        if end:
            self._outside(self.text[end:], end)
        else:
            yield "user", self.text, 0

    def _outside(self, text: str, offset: int) -> None:
        if "{%" in text or "{{" in text:
            start = min(at for at in (text.find("{%"), text.find("{{")) if at >= 0)
            raise self._refused("a tag stands outside of the messages", self._line(offset + start))
        if text.strip():
            place = self._place(self._line(offset + len(text) - len(text.lstrip())))
            self.notes.append(ImportNote("dropped", "template", "text outside of the messages was never sent", place))

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at)

    def _place(self, line: int) -> Any:
        if self.text_source is self.source:
            return self.document.line_place(line + 1, "template")
        return self.text_source.place(line + 1)

    def _refused(self, message: str, line: int, hint: str | None = None) -> InvalidFiles:
        source, place = self.text_source, self._place(line)
        return source.refuse(message, place.line, hint or "write it by hand as Jinja", "unsupported-template")

    def _inputs(self, declared: Any, names: set[str]) -> dict[str, Any]:
        inputs: dict[str, Any] = {}
        for at, each in enumerate(declared if isinstance(declared, list) else []):
            name = each.get("name") if isinstance(each, dict) else None
            if not isinstance(name, str):
                continue
            inputs[name] = _schema(each)
            self.note("kept", "is an input", "input_variables", at, part=f"input_variables.{name}")
            if each.get("is_required") is False and "default" not in inputs[name]:
                inputs[name]["default"] = ""
                message = "is empty if it is not given, as it printed nothing then"
                self.note("changed", message, "input_variables", at, part=f"input_variables.{name}")
            if each.get("allow_dangerously_set_content"):
                message = "allow_dangerously_set_content: a value is never parsed for messages here"
                self.note("dropped", message, "input_variables", at, part=f"input_variables.{name}")
        for name in sorted(names - inputs.keys()):
            inputs[name] = {"default": ""}
            self.note("changed", "is an input that is empty by default: the template names it", "template", part=name)
        return inputs


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    schema = dict(given["json_schema"]) if isinstance(given.get("json_schema"), dict) else {}
    if given.get("description"):
        schema["description"] = str(given["description"])
    default = given.get("default", given.get("defaultValue"))
    if default not in (None, ""):
        schema["default"] = default
    return schema


def _own_piece(found: re.Match[str], line: int) -> Piece:
    """Return a tag of Semantic Kernel's own language: a variable or a text; a call of a function is refused."""
    if name := _OWN_VARIABLE.match(found[1]):
        return VariablePiece((name[1],), line=line)
    if constant := _OWN_TEXT.match(found[1]):
        return TextPiece(constant[1] if constant[1] is not None else constant[2])
    hint = "call it in the application, and give its result as an input"
    raise BadTemplate(f"`{found[0]}` calls a function", line, hint=hint)
