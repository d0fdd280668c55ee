"""Prompts of LangChain: YAML and JSON that `load_prompt` reads, and JSON of its serialised objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.drafts import ForeignContents, NotesOn, PromptDraft, Source
from promptctl.template_languages.braces import format_pieces
from promptctl.template_languages.jinja import constant_text, jinja_text, pieces_of
from promptctl.template_languages.pieces import TextPiece
from promptctl.templates import BadTemplate
from promptctl.templates.uses import variables

TYPES = ("prompt", "chat", "few_shot")
_ROLES = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "developer",
}
_CLASSES = {"System": "system", "Human": "user", "AI": "assistant"}
_KNOWN = frozenset(
    ("_type", "input_variables", "template", "template_path", "template_format", "partial_variables", "messages",
     "name", "prefix", "suffix", "prefix_path", "suffix_path", "examples", "example_prompt", "example_prompt_path",
     "example_separator", "optional_variables", "input_types")
)  # fmt: skip
_BY_HAND = "write it by hand"
_SIGN = re.compile(rb"[\"']?(?:_type|lc)[\"']?\s*:")


def is_one(source: Source) -> bool:
    """Return True for a mapping with one of `load_prompt`'s types, and for a serialised prompt."""
    if not _SIGN.search(source.data[:4096]) and not _SIGN.search(source.data):
        return False
    data = source.mapping
    if data.get("lc") == 1:
        return _class(data).endswith("PromptTemplate")
    return data.get("_type") in TYPES and not data.keys().isdisjoint(
        ("template", "template_path", "messages", "suffix", "suffix_path")
    )


def _class(data: Any) -> str:
    """Return the name of a serialised object's class; empty for anything else."""
    names = data.get("id") if isinstance(data, dict) and data.get("lc") == 1 else None
    return str(names[-1]) if isinstance(names, list) and names else ""


def read(source: Source) -> ForeignContents:
    """Return the prompt. Raises `InvalidFiles` for a template that Jinja cannot say, or an object of another class."""
    if not isinstance(source.document.data, dict):
        raise source.refuse("a prompt of LangChain is a mapping", 1)
    reader = _ChainPrompt(source)
    return ForeignContents((PromptDraft(source.stem, reader.native(), source.place(1)),), notes=tuple(reader.notes))


class _ChainPrompt(NotesOn):
    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._names: dict[str, None] = {}
        self._optional: set[str] = set()
        self._lists: list[str] = []

    def native(self) -> dict[str, Any]:
        """Return the keys of a native prompt."""
        data = self.document.data
        keys: tuple[str | int, ...] = ()
        if data.get("lc") == 1:
            messages, data = list(self._object(data, ())), data.get("kwargs") or {}
            keys = ("kwargs",)
        else:
            messages = list(self._loaded(data))
        native: dict[str, Any] = {"name": str(data["name"])} if data.get("name") else {}
        inputs: dict[str, Any] = {name: {"type": "array"} for name in self._lists}
        for name in self._optional:
            inputs[name]["default"] = []
        declared = [each for each in data.get("input_variables") or [] if isinstance(each, str)]
        inputs |= {name: {} for name in dict.fromkeys([*declared, *self._names]) if name not in inputs}
        for name in declared:
            self.note("kept", "is an input", *keys, "input_variables", part=f"input_variables.{name}")
        partial = data.get("partial_variables")
        for name, value in (partial if isinstance(partial, dict) else {}).items():
            is_code, at = isinstance(value, dict) and "lc" in value, (*keys, "partial_variables", name)
            part = f"partial_variables.{name}"
            if is_code:
                self.note("dropped", "is code", *at, part=part)
                continue
            inputs[name] = {"default": value}
            self.note("changed", "is the default of an input", *at, part=part)
        for key in data:
            if key not in _KNOWN and data[key] not in (None, [], {}):
                hint = "a JSON Schema under `output:` holds the reply to a form" if key == "output_parser" else None
                self.note("dropped", "has no counterpart here", *keys, key, part=key, hint=hint)
        return {**native, "inputs": inputs, "messages": messages}

    def _loaded(self, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the messages of what `load_prompt` reads."""
        language = str(data.get("template_format") or "f-string")
        if data.get("_type") == "few_shot":
            yield self._message("user", self._few_shot(data, language), "jinja2", ("suffix",))
            self.note("changed", "are written out in the message", "examples")
        elif data.get("_type") == "chat" or isinstance(data.get("template"), list):
            for at, each in enumerate(data.get("template") or data.get("messages") or []):
                role = _ROLES.get(str(each.get("role", "")).lower()) if isinstance(each, dict) else None
                if role is None or not isinstance(each.get("content"), str):
                    raise self.refusal("a message without a known role and a text", "template", at, hint=_BY_HAND)
                yield self._message(role, each["content"], language, ("template", at, "content"))
        else:
            yield self._message("user", self._text(data, "template"), language, ("template",))

    def _message(self, role: str, text: str, language: str, keys: tuple[str | int, ...]) -> dict[str, Any]:
        self.note("changed", f"is a message of the role {role}", *keys)
        content = self._jinja(text, language, keys)
        self._names |= dict.fromkeys(sorted(variables(content)))
        return {"role": role, "content": content}

    def _jinja(self, text: str, language: str, keys: tuple[str | int, ...]) -> str:
        try:
            if language == "jinja2":
                pieces_of(text)
                return text
            if language != "f-string":
                raise self.refusal(f"the template is of the format `{language}`", *keys, hint=_BY_HAND)
            return jinja_text(format_pieces(text))
        except BadTemplate as error:
            raise self.refused_template(error, *keys) from None

    def _text(self, data: Mapping[str, Any], key: str) -> str:
        """Return a text that stands under a key, or in the file that is named under `<key>_path`."""
        named = data.get(f"{key}_path")
        if isinstance(named, str):
            text = self.source.beside(named, self.document.place(f"{key}_path").line).text
            self.note("changed", "its file's text is part of the prompt", f"{key}_path")
            return text
        text = data.get(key) or ""
        if not isinstance(text, str):
            raise self.refusal(f"`{key}` is no text", key, hint=_BY_HAND)
        return text

    def _few_shot(self, data: Mapping[str, Any], language: str) -> str:
        """Return prefix, examples and suffix as one Jinja template."""
        separator = str(data.get("example_separator", "\n\n"))
        example = data.get("example_prompt")
        if isinstance(data.get("example_prompt_path"), str):
            beside = self.source.beside(data["example_prompt_path"], self.document.place("example_prompt_path").line)
            example = beside.document.data
        if not isinstance(example, dict) or not isinstance(example.get("template"), str):
            raise self.refusal("the examples have no prompt with a template", "example_prompt", hint=_BY_HAND)
        written = [self._example(example, each) for each in self._examples(data)]
        around = [self._jinja(self._text(data, key), language, (key,)) for key in ("prefix", "suffix")]
        parts = [around[0], *map(constant_text, written), around[1]]
        return separator.join(part for part in parts if part)

    def _examples(self, data: Mapping[str, Any]) -> Sequence[Any]:
        examples = data.get("examples")
        if isinstance(examples, str):
            examples = self.source.beside(examples, self.document.place("examples").line).document.data
        if not isinstance(examples, list) or not all(isinstance(each, dict) for each in examples):
            raise self.refusal("`examples` is no list of mappings", "examples", hint=_BY_HAND)
        return examples

    def _example(self, example: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        """Return an example's text, filled in."""
        try:
            pieces = format_pieces(example["template"])
            return "".join(
                each.text if isinstance(each, TextPiece) else str(values[str(each.path[0])])  # type: ignore[union-attr]
                for each in pieces
            )
        except (BadTemplate, KeyError) as error:
            raise self.refusal(f"an example cannot be filled in: {error}", "examples", hint=_BY_HAND) from None

    def _object(self, data: Any, keys: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
        """Yield the messages of a serialised object."""
        name, given = _class(data), (data.get("kwargs") or {}) if isinstance(data, dict) else {}
        below = (*keys, "kwargs")
        if name == "ChatPromptTemplate":
            for at, each in enumerate(given.get("messages") or []):
                yield from self._object(each, (*below, "messages", at))
        elif name == "MessagesPlaceholder":
            listed = str(given.get("variable_name"))
            self._lists.append(listed)
            if given.get("optional"):
                self._optional.add(listed)
            self.note("changed", "is a placeholder", *keys, part=f"MessagesPlaceholder.{listed}")
            yield {"placeholder": listed}
        elif name in ("PromptTemplate", "FewShotPromptTemplate") and isinstance(given.get("template"), str):
            language = str(given.get("template_format") or "f-string")
            yield self._message("user", given["template"], language, (*below, "template"))
        elif (role := _CLASSES.get(name.removesuffix("MessagePromptTemplate"))) is not None and name.endswith(
            "Template"
        ):
            prompt = given.get("prompt")
            inner = prompt.get("kwargs") or {} if isinstance(prompt, dict) else {}
            if not isinstance(inner.get("template"), str):
                raise self.refusal("a message of several parts", *keys, hint=_BY_HAND)
            language = str(inner.get("template_format") or "f-string")
            yield self._message(role, inner["template"], language, (*below, "prompt", "kwargs", "template"))
        elif (role := _CLASSES.get(name.removesuffix("Message"))) is not None and isinstance(given.get("content"), str):
            content = constant_text(given["content"])
            self.note("kept", f"is a message of the role {role}", *below, "content", part=f"{name}.content")
            yield {"role": role, "content": content}
        else:
            raise self.refusal(f"an object of the class `{name or '?'}`", *keys, hint=_BY_HAND)
