"""Templates of the command-line tool llm: one YAML file with a prompt, a system prompt and their defaults.

Texts are those of Python's `string.Template`: `$name`, `${name}`, and `$$` for a dollar sign.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.drafts import FileDraft, ForeignContents, NotesOn, PromptDraft, Source, by_line
from promptctl.exchange.model_settings import ForeignSettings, parameter_of
from promptctl.files.document import Key
from promptctl.files.free_names import first_free
from promptctl.files.media import NotReadable, image_in_prompt
from promptctl.template_languages.dollar import dollar_pieces, has_stray_dollar
from promptctl.template_languages.jinja import constant_text, jinja_text
from promptctl.template_languages.pieces import IfBranch, IfPiece, IfTest, IncludePiece, Piece, TextPiece, VariablePiece

_KEYS = frozenset((
    "name", "prompt", "system", "attachments", "attachment_types", "model", "defaults", "options", "extract",
    "extract_last", "schema_object", "fragments", "system_fragments", "tools", "functions",
))  # fmt: skip
_SIGNS = re.compile(rb"^[\"']?(?:prompt|system|fragments|system_fragments|functions)[\"']?[ \t]*:", re.MULTILINE)
_INPUT = "input"
_ALIASES = {"4o": "gpt-4o", "4o-mini": "gpt-4o-mini", "chatgpt": "gpt-3.5-turbo", "gpt4": "gpt-4", "4": "gpt-4"}
_OPENAI = re.compile(r"(?:gpt-|o\d|chatgpt-).*")
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def is_one(source: Source) -> bool:
    """Return True for a YAML mapping with no key that llm does not have, and a text of its own."""
    if not source.path.endswith((".yaml", ".yml")) or not _SIGNS.search(source.data):
        return False
    data = source.mapping
    texts = ("prompt", "system", "functions")
    lists = ("fragments", "system_fragments")
    return (
        data.keys() <= _KEYS
        and all(data.get(key) is None or isinstance(data[key], str) for key in texts)
        and all(data.get(key) is None or isinstance(data[key], list) for key in lists)
        and any(data.get(key) for key in (*texts, *lists))
    )


def read(source: Source) -> ForeignContents:
    """Return the prompt, and its fragments as partials. Raises `InvalidFiles` for code, and for what is in no file."""
    data = source.document.data
    if isinstance(data, str):  # a file of nothing but a text is a prompt
        data = {"prompt": data}
    if not isinstance(data, dict):
        raise source.refuse("a template of llm is a mapping or a text", 1, "write `prompt:` or `system:`")
    return _TemplateReader(source, data).contents()


class _TemplateReader(NotesOn):
    def __init__(self, source: Source, data: Mapping[str, Any]) -> None:
        super().__init__(source)
        self._data = {key: value for key, value in data.items() if value is not None}
        self._refused: list[Problem] = []
        self._files: dict[str, str] = {}
        self._names: dict[str, None] = {}
        self._is_input_optional = False

    def contents(self) -> ForeignContents:
        """Return everything in the file. Raises `InvalidFiles` with every reason against it."""
        self._refuse_code()
        native = {**self._about(), **self._options(), **self._output()}
        native["messages"] = list(self._messages())
        if self._refused:
            raise InvalidFiles(self._refused)
        if inputs := self._inputs():
            native["inputs"] = inputs
        for key in [each for each in self._data if each not in _KEYS]:
            self.note("dropped", "is no key of llm", key)
        files = tuple(FileDraft(path, text, self.source.place(1)) for path, text in self._files.items())
        draft = PromptDraft(self.source.stem, native, self.source.place(1))
        return ForeignContents((draft,), (), files, by_line(self.notes))

    def _refuse(self, keys: tuple[Key, ...], message: str, hint: str) -> None:
        place = self.document.key_place(*keys)
        self._refused.append(Problem(f"`{'.'.join(map(str, keys))}` {message}", place, hint, "not-imported"))

    def _refuse_code(self) -> None:
        if self._data.get("functions"):
            hint = "remove it here, and describe the functions under `tools:` of the imported prompt"
            self._refuse(("functions",), "is Python code, which no prompt of promptctl runs", hint)
        for number, name in enumerate(self._data.get("tools") or ()):
            message = f"`{str(name)[:40]}` is a tool of a plugin of llm, which no prompt file describes"
            self.note("dropped", message, "tools", number, hint="describe the function under `tools:` yourself")

    def _about(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        name, model = self._data.get("name"), self._data.get("model")
        if isinstance(name, str) and name:
            if name != self.source.stem:
                found["name"] = name
            self.note("kept", "is the title; llm itself goes by the name of the file", "name")
        if isinstance(model, str) and model:
            full = _ALIASES.get(model, model)
            full = f"openai/{full}" if _OPENAI.fullmatch(full) else full
            found["model"] = full
            hint = None if "/" in full else "write the id that LiteLLM has for it"
            self.note("kept" if full == model else "changed", f"is written as `{full}`", "model", hint=hint)
        for key in ("extract", "extract_last"):
            if key in self._data:
                self.note("dropped", "what a program does with the reply is no part of a prompt", key)
        return found

    def _options(self) -> dict[str, Any]:
        settings = ForeignSettings()
        options = self._data.get("options")
        for name, value in options.items() if isinstance(options, dict) else ():
            keys = ("options", name)
            is_json = name == "json_object" and value is True
            if is_json or parameter_of(name):
                place, why = settings.take("response_format", name) if is_json else settings.take(name, value)
                words = why if place is None else f"is written as `{place}`"
                self.note("dropped" if place is None else "changed" if is_json else "kept", words, *keys)
            else:
                hint = "if the model takes it under this name, write it under `parameters: {extra_body: …}`"
                self.note("dropped", "is an option of a plugin of llm", *keys, hint=hint)
        return settings.data

    def _output(self) -> dict[str, Any]:
        schema = self._data.get("schema_object")
        if not isinstance(schema, dict):
            return {}
        self.note("kept", "is written as `output.schema`", "schema_object")
        return {"output": {"schema": schema}}

    def _messages(self) -> Iterator[dict[str, Any]]:
        system = [*self._fragments("system_fragments", is_trimmed=True), *self._text("system")]
        prompt = list(self._text("prompt"))
        content: list[Piece] = [*self._fragments("fragments"), *prompt]
        if not prompt:
            content.append(self._variable(_INPUT))
            where = "system" if "system" in self._data else "fragments"
            self.note("changed", "has no prompt beside it: the input is the message of the user", where)
        elif _INPUT not in self._names:
            self._is_input_optional = True
            optional = (TextPiece("\n"), self._variable(_INPUT))
            content.append(IfPiece((IfBranch((IfTest((_INPUT,), "is", "defined"),), optional),)))
            words = "does not name $input: what is given as `input` is put below it, as llm does"
            self.note("changed", words, "prompt")
        if system:
            yield {"role": "system", "content": jinja_text(system)}
        text = jinja_text(content)
        parts = list(self._attachments())
        yield {"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}

    def _variable(self, name: str) -> VariablePiece:
        self._names[name] = None
        return VariablePiece((name,))

    def _text(self, key: str) -> Iterator[Piece]:
        """Yield the pieces of a text with `$name`; a dollar sign that begins nothing stays, and is noted."""
        text = self._data.get(key)
        if not isinstance(text, str) or not text:
            return
        text = text.strip() if key == "system" else text
        self.note("kept", f"is the message of the {'system' if key == 'system' else 'user'}", key)
        if has_stray_dollar(text):
            self.note("changed", "has a `$` that begins no name, at which llm fails: it is text here", key)
        for piece in dollar_pieces(text):
            if isinstance(piece, VariablePiece):
                self._names[str(piece.path[0])] = None
            yield piece

    def _fragments(self, key: str, *, is_trimmed: bool = False) -> Iterator[Piece]:
        """Yield an include for each fragment, which becomes a partial."""
        listed = self._data.get(key)
        for number, each in enumerate(listed if isinstance(listed, list) else ()):
            found = self._file(str(each), (key, number), "fragment")
            if found is None:
                continue
            text = found.text.strip() if is_trimmed else found.text
            path = self._partial(posixpath.normpath(str(each)).replace("../", ""), constant_text(text))
            self.note("changed", f"is the partial {path}", key, number)
            yield IncludePiece(path)
            yield TextPiece("\n\n" if is_trimmed else "\n")

    def _partial(self, path: str, text: str) -> str:
        name = first_free(f"{path}.j2", lambda name: self._files.get(name, text) != text, ending=".j2")
        self._files[name] = text
        return name

    def _file(self, reference: str, keys: tuple[Key, ...], kind: str) -> Source | None:
        """Return a file that the template names; None for what is none, once it was refused."""
        prefix = reference.partition(":")[0]
        if reference.startswith(("http://", "https://")):
            why = "on the network, and nothing is fetched"
        elif ":" in reference and re.fullmatch(r"[a-zA-Z][\w-]*", prefix):
            why = f"that a plugin of llm loads ({prefix}:…)"
        elif reference == "-" or re.fullmatch(r"[0-9a-f]{64}", reference):
            why = "that is in no file"
        else:
            try:
                return self.source.beside(reference, self.document.place(*keys).line)
            except InvalidFiles as error:
                self._refused += error.problems
                return None
        self._refuse(keys, f"is a {kind} {why}", "save it as a file, and name that")
        return None

    def _attachments(self) -> Iterator[dict[str, Any]]:
        listed = [
            (("attachments", number), each, "") for number, each in enumerate(self._data.get("attachments") or ())
        ]
        for number, each in enumerate(self._data.get("attachment_types") or ()):
            if isinstance(each, dict):
                listed.append((("attachment_types", number), each.get("value"), str(each.get("type"))))
        for keys, value, kind in listed:
            url = self._image(str(value), kind, keys)
            if url is not None:
                self.note("kept", "is a part of the message of the user", *keys)
                yield {"type": "image_url", "image_url": {"url": url}}

    def _image(self, value: str, kind: str, keys: tuple[Key, ...]) -> str | None:
        """Return the address of an image, or a small one of a file as a data URL."""
        if value.startswith(("http://", "https://")):
            if kind.startswith("image/") or value.partition("?")[0].lower().endswith(_IMAGES):
                return value
            self.note("dropped", "is no image, as far as its address says", *keys)
            return None
        found = self._file(value, keys, "attachment")
        if found is None:
            return None
        try:
            return image_in_prompt(found.data)
        except NotReadable as error:
            self.note("dropped", str(error), *keys)
            return None

    def _inputs(self) -> dict[str, Any]:
        defaults = self._data.get("defaults")
        defaults = defaults if isinstance(defaults, dict) else {}
        inputs: dict[str, Any] = {}
        for name in self._names:
            inputs[name] = {"type": "string"}
            if name in defaults and name != _INPUT:
                value = defaults[name]
                inputs[name]["default"] = value if isinstance(value, str) else str(value)
                is_text = isinstance(value, str)
                message = "is the default of the input" + ("" if is_text else ", as the text that llm prints")
                self.note("kept" if is_text else "changed", message, "defaults", name)
        if self._is_input_optional:
            inputs[_INPUT]["required"] = False
        for name in defaults:
            if name not in inputs or name == _INPUT:
                message = "llm always gives $input itself" if name == _INPUT else "no text uses it"
                self.note("dropped", message, "defaults", name)
        return inputs
