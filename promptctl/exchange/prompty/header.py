"""The header of a Prompty file, with its references to files put in, and the Markdown below it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from promptctl.errors import InvalidFiles, Place
from promptctl.exchange.drafts import Fate, ImportNote, Source
from promptctl.files.document import Document, Key, scalar_value
from promptctl.files.yaml_reader import read_yaml

_TEXTS = ("name", "description", "version")
_LISTS = ("authors", "tags")
_OF_MODEL = ("configuration", "connection", "parameters", "options", "response")


MARKS = ("---", "+++")
_REFERENCE = re.compile(r"\$\{(\w+):([^\n]*)\}", re.ASCII)
_DATA = (".json", ".yaml", ".yml")
DEEPEST = 4
MOST_BYTES = 2 << 20
# Below these nothing of a value is used or shown: they hold addresses and keys.
SECRETS = frozenset(("connection", "configuration"))
_LEFT_OUT = object()


class HeaderText(NamedTuple):
    """A file in two: the lines of its header (None if it has none) and its body, each with the line it begins on."""

    header: str | None
    header_line: int
    body: str
    body_line: int


@dataclass
class PromptyHeader:
    """The keys of a header, what became of its references, and the body. `version` is 1 or 2, told by the keys."""

    source: Source
    data: dict[str, Any]
    document: Document
    body: str
    body_line: int
    notes: list[ImportNote] = field(default_factory=list)

    def place(self, *keys: Key) -> Place:
        """Return the place of a key, or of the nearest above it that stands in the file."""
        return self.document.key_place(*keys)

    def note(
        self, fate: Fate, keys: tuple[Key, ...], message: str, hint: str | None = None, line: int | None = None
    ) -> None:
        """Note what became of the value at `keys`; `line` is for what stands in the body."""
        place = self.place(*keys) if line is None else self.source.place(line)
        self.notes.append(ImportNote(fate, self._named(keys), message, place, hint))

    def drop(self, keys: tuple[Key, ...], message: str, hint: str | None = None) -> None:
        """Note that the value at `keys` is not kept."""
        self.note("dropped", keys, message, hint)

    def _named(self, keys: tuple[Key, ...]) -> str:
        """Return the way to a value as people name it: an item of a list by its name, if it has one."""
        data, words = self.document.data, list[str]()
        for key in keys:
            try:
                data = data[key]
            except (LookupError, TypeError):
                data = None
            name = data.get("name", data.get("id")) if isinstance(data, dict) and isinstance(key, int) else None
            words.append(name if isinstance(name, str) else str(key))
        return ".".join(words)

    def refuse(self, keys: tuple[Key, ...], message: str, hint: str | None = None) -> InvalidFiles:
        """Return the error of a value that keeps the file from being imported."""
        return self.source.refuse(f"`{self._named(keys)}` {message}", self.place(*keys).line, hint)


def read_header(source: Source) -> PromptyHeader:
    """Return the header and body of a file. Raises `InvalidFiles`."""
    parts = parted(source)
    if parts.header is None:
        document = Document({}, source.shown)
    else:
        document = read_yaml(("\n" * (parts.header_line - 1) + parts.header).encode(), source.shown)
    if document.data is None:
        document = document.over({})
    if not isinstance(document.data, dict):
        raise source.refuse("the header is no mapping", parts.header_line, "write its keys as `name: …`")
    body, line = parts.body, parts.body_line
    if not body and isinstance(document.data.get("instructions"), str):  # the whole file is YAML
        body, line = document.data["instructions"], document.text_place("instructions").line or 1
    header = PromptyHeader(source, {}, document, body, line)
    resolving = _Resolving(header)
    header.data = resolving.mapping(document.data, (), 0)
    if _REFERENCE.fullmatch(body):  # the body is a value of the header to Prompty, and may be one reference
        header.body = str(resolving.mapping({"body": body}, (), 0).get("body", ""))
    return header


def parted(source: Source) -> HeaderText:
    """Return a file in two. Raises `InvalidFiles` for one that is empty, or whose header has no end."""
    lines = source.text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise source.refuse("the file is empty", 1, "write a header between lines of `---`, and messages below it")
    if lines[first].strip() not in MARKS:
        is_yaml = any(line.startswith("instructions:") for line in lines)
        return HeaderText(source.text, 1, "", 1) if is_yaml else HeaderText(None, 1, *_body(lines, 0))
    last = next((number for number in range(first + 1, len(lines)) if lines[number].strip() in MARKS), None)
    if last is None:
        raise source.refuse("the header has no end", first + 1, "write `---` on a line of its own below it")
    return HeaderText("\n".join(lines[first + 1 : last]), first + 2, *_body(lines, last + 1))


def _body(lines: list[str], begin: int) -> tuple[str, int]:
    """Return the lines from `begin` as a text without the white space that it begins with, and its first line."""
    text = "\n".join(lines[begin:])
    body = text.lstrip()
    return body, begin + 1 + text.count("\n", 0, len(text) - len(body))


class _Resolving:
    """Puts files in the place of `${file:…}`, and the written default in the place of `${env:NAME:default}`."""

    def __init__(self, header: PromptyHeader) -> None:
        self._header = header
        self._read: dict[str, Any] = {}
        self._left = MOST_BYTES

    def mapping(self, data: Mapping[str, Any], keys: tuple[Key, ...], depth: int) -> dict[str, Any]:
        found = {key: self._value(value, (*keys, key), depth) for key, value in data.items()}
        return {key: value for key, value in found.items() if value is not _LEFT_OUT}

    def _value(self, value: Any, keys: tuple[Key, ...], depth: int) -> Any:
        if isinstance(value, dict):
            return self.mapping(value, keys, depth)
        if isinstance(value, list):
            items = [self._value(each, (*keys, number), depth) for number, each in enumerate(value)]
            return [each for each in items if each is not _LEFT_OUT]
        match = _REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            return value
        if not SECRETS.isdisjoint(keys):
            return self._of_secret(value, match, keys)
        if match[1].lower() == "env":
            return self._of_environment(match[2], keys)
        if match[1].lower() == "file":
            return self._of_file(match[2], keys, depth)
        self._header.note("kept", keys, f"`${{{match[1]}:…}}` is a reference that Prompty does not know: it is text")
        return value

    def _of_secret(self, value: str, match: re.Match[str], keys: tuple[Key, ...]) -> str:
        """Return the reference as it is; a file is looked for only to refuse one from elsewhere."""
        if match[1].lower() == "file":
            try:
                self._header.source.beside(match[2], self._header.place(*keys).line)
            except InvalidFiles as error:
                if error.problems[0].code != "no-file":
                    raise
        return value

    def _of_environment(self, content: str, keys: tuple[Key, ...]) -> Any:
        name, _, default = content.partition(":")
        if not default:
            message = f"Prompty reads it from the variable {name} of the environment, which no prompt file may"
            hint = "write the value in its place before you import the file, if it is no secret"
            self._header.drop(keys, message, hint)
            return _LEFT_OUT
        is_parameter = len(keys) > 2 and keys[0] == "model" and keys[1] in ("options", "parameters")
        self._header.note("changed", keys, f"is the default of ${{env:{name}:…}}: the environment is not read")
        return scalar_value(default) if is_parameter else default

    def _of_file(self, path: str, keys: tuple[Key, ...], depth: int) -> Any:
        line = self._header.place(*keys).line
        if depth >= DEEPEST:
            raise self._header.source.refuse(f"files name one another more than {DEEPEST} deep, or in a circle", line)
        found = self._header.source.beside(path.strip(), line)
        self._left -= len(found.data)
        if self._left < 0:  # one file may be named many times, and name others
            message = f"the files that it names have more than {MOST_BYTES >> 20} MiB, each as often as it is named"
            raise self._header.source.refuse(message, line, "write what it needs of them into the file")
        self._header.note("changed", keys, f"is what {found.path} holds")
        if not found.path.lower().endswith(_DATA):
            return found.text
        if found.path not in self._read:
            self._read[found.path] = read_yaml(found.data, found.shown).data
        return self._value(self._read[found.path], keys, depth + 1)


def header_with_base(source: Source, depth: int = 0) -> PromptyHeader:
    """Return the header and body of a file, with what it takes from its base. Raises `InvalidFiles`."""
    header = read_header(source)
    reference = header.data.get("base")
    if reference is None:
        return header
    line = header.place("base").line
    if not isinstance(reference, str):
        raise header.refuse(("base",), "is no path of a file")
    if depth >= DEEPEST:
        raise source.refuse(f"files name one another more than {DEEPEST} deep, or in a circle", line)
    beside = source.beside(reference, line)
    base = header_with_base(beside, depth + 1)
    if base.body:  # it is a prompt of its own, too
        source.named.discard(beside.path)
    if isinstance(base.data.get("sample"), str):
        base.data["sample"] = posixpath.join(posixpath.dirname(reference), base.data["sample"])
    taken = _taken(header.data, base.data)
    header.data |= taken
    header.notes += [note for note in base.notes if note.part.partition(".")[0] in taken]
    words = ", ".join(f"`{key}`" for key in taken)
    header.note(
        "changed", ("base",), f"gives {words} as far as this file does not say them" if taken else "adds nothing"
    )
    return header


def _taken(top: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a file that are different with its base."""
    found: dict[str, Any] = {key: base[key] for key in _TEXTS if base.get(key) and not top.get(key)}
    for key in _LISTS:
        lists = [each.get(key) or [] for each in (base, top)]
        if all(isinstance(each, list) for each in lists):
            found[key] = [*lists[0], *(each for each in lists[1] if each not in lists[0])]
    model, of_base = top.get("model") or {}, base.get("model")
    if isinstance(model, dict) and isinstance(of_base, dict):
        api = {"api": of_base["api"]} if "api" in of_base else {}
        parts = {key: _over(model.get(key), of_base[key]) for key in _OF_MODEL if key in of_base}
        found["model"] = {**api, **model, **parts}
    if base.get("sample"):
        found["sample"] = _over(top.get("sample"), base["sample"])
    return {key: value for key, value in found.items() if value and value != top.get(key)}


def _over(top: Any, base: Any) -> Any:
    return {**base, **top} if isinstance(top, dict) and isinstance(base, dict) else top or base
