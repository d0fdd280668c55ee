"""Bodies of `POST /api/public/v2/prompts`, of which each creates a version of a prompt in Langfuse; with references."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.drafts import FileDraft, ImportNote
from promptctl.exchange.registries.items import LATEST, RegistryItem, label_for
from promptctl.exchange.registries.writing import (
    PromptForRegistry,
    file_name,
    json_bytes,
    metadata_without,
    model_config_of,
)
from promptctl.exchange.written import ExportLoss, PromptToWrite, Written
from promptctl.files.free_names import FreeNames
from promptctl.files.names import PARTIAL_SUFFIX, resolve_path
from promptctl.template_languages.double_braces import Clause, InputNames, double_brace_pieces
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import IncludePiece, Piece, TextPiece

_PARTIAL_LABEL = "production"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return a file for each prompt, and one for each partial, numbered in the order in which they are created."""
    files: dict[str, bytes] = {}
    numbers: dict[str, int] = {}
    losses: list[ExportLoss] = []
    for given in prompts:
        body = _Body(given)
        data = body.data()
        for name, text in body.partials.items():
            number = numbers.setdefault(name, len(numbers) + 1)
            files[f"partials/{number:03}-{name.replace('/', '-')}.json"] = json_bytes(
                {"name": name, "type": "text", "prompt": text, "labels": [_PARTIAL_LABEL], "tags": [PARTIAL_TAG]}
            )
        files[file_name(given.prompt.id, given, files)] = json_bytes(data)
        losses += body.prompt.losses
    return Written(files, tuple(losses))


class _Body:
    def __init__(self, given: PromptToWrite) -> None:
        self.prompt = PromptForRegistry(given, self._reference)
        self.partials: dict[str, str] = {}
        self._file = given.prompt.path

    def data(self) -> dict[str, Any]:
        prompt, given = self.prompt, self.prompt.given
        own = given.data.get("metadata", {}).get("langfuse", {})
        messages = [
            {"type": "placeholder", "name": each["placeholder"]} if "placeholder" in each else each
            for each in prompt.messages(self._text)
        ]
        is_text = [each.get("role") for each in messages] == ["user"] and own.get("type") != "chat"
        prompt.lose_what_no_registry_keeps()
        for key in metadata_without(given.data, "langfuse"):
            prompt.lose("has no place there", "metadata", key)
        label = given.at.version.label
        body: dict[str, Any] = {"name": given.prompt.id, "type": "text" if is_text else "chat"}
        body["prompt"] = messages[0]["content"] if is_text else messages
        config = self._config(own.get("config"))
        if config:
            body["config"] = config
        body["labels"] = [label] if label and label != LATEST else []
        if given.data.get("tags"):
            body["tags"] = list(given.data["tags"])
        return body

    def _config(self, rest: Any) -> Any:
        given = self.prompt.given
        config = model_config_of(given)
        form = given.prompt.declared_response_format
        if form is not None:
            schema = form.get("json_schema", {})
            config["response_format"] = {**form, **({"json_schema": _without_false(schema)} if schema else {})}
        return config | rest if isinstance(rest, dict) else config or rest

    def _text(self, text: str, said: list[Clause]) -> str:
        written = self.prompt.double_braces(text, said)
        names = InputNames(has_triples=True)
        list(double_brace_pieces(written, names))
        for sign, what in ((OPEN, "a reference to a prompt"), *((each, "a section") for each in names.sections)):
            before, found, _ = text.partition(sign)
            if found:
                said.append((f"is text that Langfuse takes for {what}: `{sign}`", before.count("\n") + 1))
        return written

    def _reference(self, path: str) -> str:
        prompt = self.prompt.given.prompt
        path = resolve_path(path, self._file, prompt.base)
        key, outer = path.removeprefix(f"{prompt.base}/"), self._file
        name = key.removesuffix(PARTIAL_SUFFIX)
        if name not in self.partials:
            self._file = path
            said: list[Clause] = []
            text = self._text(prompt.partials[key], said)
            self.partials[name], self._file = text, outer  # after those that it includes itself
            self.prompt.losses += [ExportLoss(path, clause, Place(path, line)) for clause, line in said]
        return f"{OPEN}name={name}|label={_PARTIAL_LABEL}{CLOSE}"


def _without_false(form: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in form.items() if value is not False}


OPEN, CLOSE = "@@@langfusePrompt:", "@@@"
PARTIAL_TAG = "partial"
_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9_./-]+|[./-]{2,}")
_MOST_DEEP = 5  # as in Langfuse

Named = tuple[str, int, Sequence[str], Any, RegistryItem]
"""A version: the prompt's name, its number, its labels, its text or messages, and its place."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A version that a reference names: by its number, or by a label."""

    name: str
    number: int
    label: str | None


class LangfuseVersions:
    """The versions of one file, or of all files of an import, by their numbers and their labels."""

    def __init__(self, versions: Sequence[Named]) -> None:
        self.found = {(name, number): (text, item) for name, number, _, text, item in versions}
        self.labels = {(name, label): number for name, number, labels, _, _ in versions for label in labels}
        for name, number in self.found:
            latest = self.labels.get((name, LATEST), 0)
            self.labels[name, LATEST] = max(number, latest)
        self.references = _references(self.found)


class LangfuseReferences:
    """The versions of one file, for references from one to another; and the partials that these need.

    What is not in it is looked for among those of all files of the import.
    """

    def __init__(self, own: LangfuseVersions, others: LangfuseVersions) -> None:
        self._all = (own, others)
        self._texts = others.references
        self._partials: dict[str, FileDraft] = {}
        self._inputs: dict[str, list[str]] = {}
        self._included: dict[tuple[str, int], list[str]] = {}
        self._stems: dict[str, str] = {}
        self._free = FreeNames(fold=str.casefold)
        self.notes: list[ImportNote] = []

    def reader(self, item: RegistryItem) -> Callable[[str], Iterable[Piece]]:
        """Return what splits the text of a version at its references."""
        return lambda text: self._split(text, item, ())

    def inputs_of(self, item: RegistryItem) -> list[str]:
        """Return the inputs of the partials that a version includes; they are known once its text was split."""
        paths = self._included.get(_key(item), [])
        return list(dict.fromkeys(name for path in paths for name in self._inputs.get(path, ())))

    def is_only_a_part(self, name: str, tags: Sequence[str]) -> bool:
        """Return True for a prompt that is marked as a partial, and is one in this file."""
        return PARTIAL_TAG in tags and name in self._texts

    def files(self) -> tuple[FileDraft, ...]:
        """Return the partials that the versions need."""
        return tuple(self._partials[path] for path in sorted(self._partials))

    def _split(self, text: str, item: RegistryItem, above: tuple[_Target, ...]) -> Iterator[Piece]:
        at = 0
        while (start := text.find(OPEN, at)) >= 0 and (end := text.find(CLOSE, start + len(OPEN))) >= 0:
            words = text[start + len(OPEN) : end]
            target = self._target(words, item)
            if target is None:  # the server leaves it as it stands
                yield TextPiece(text[at : end + len(CLOSE)])
            else:
                yield TextPiece(text[at:start])
                path = self._partial(target, item, above)
                self._included.setdefault(_key(item), []).append(path)
                yield IncludePiece(path)
            at = end + len(CLOSE)
        yield TextPiece(text[at:])

    def _target(self, words: str, item: RegistryItem) -> _Target | None:
        parts = [part.partition("=") for part in words.split("|")]
        if len(parts) != 2 or parts[0][0] != "name" or parts[1][0] not in ("version", "label"):
            return None
        name, (kind, _, value) = parts[0][2], parts[1]
        label = value if kind == "label" else None
        said = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
        numbers = (each.labels.get((name, value), 0) if label is not None else said for each in self._all)
        places = zip(self._all, numbers, strict=True)
        number = next((number for each, number in places if (name, number) in each.found), None)
        if number is None:
            hint = f"save that version of {name} in the same file or folder, or save this one without resolve=false"
            raise item.refuse(
                f"the text includes {kind} {value} of `{name}`, which is not among what is imported", "prompt", hint
            )
        return _Target(name, number, label)

    def _partial(self, target: _Target, item: RegistryItem, above: tuple[_Target, ...]) -> str:
        path = self._path(target)
        if path in self._partials:
            return path
        chain = " → ".join(f"{each.name} {each.label or each.number}" for each in (*above, target))
        if target.name in (each.name for each in above):
            raise item.refuse(f"references lead in a circle: {chain}", "prompt", "take one of them out")
        if len(above) >= _MOST_DEEP:
            raise item.refuse(f"references go deeper than {_MOST_DEEP} prompts: {chain}", "prompt")
        text, there = next(
            each.found[target.name, target.number] for each in self._all if (target.name, target.number) in each.found
        )
        if not isinstance(text, str):
            raise item.refuse(f"`{target.name}` has messages: only a text can be included", "prompt")
        names = InputNames(has_triples=True)
        pieces: list[Piece] = []
        for piece in double_brace_pieces(text, names):
            if isinstance(piece, TextPiece):
                pieces += self._split(piece.text, there, (*above, target))
            else:
                pieces.append(piece)
        below = [name for each in pieces if isinstance(each, IncludePiece) for name in self._inputs[each.path]]
        for old, new in names.changed.items():
            self.notes.append(there.note("changed", "prompt", f"the variable `{old}` is the input `{new}`"))
        self._inputs[path] = [*names.inputs, *below]
        self._partials[path] = FileDraft(path, jinja_text(pieces), there.place(), is_name=True)
        return path

    def _path(self, target: _Target) -> str:
        """Return a partial's path: the prompt's name, with the version or label if it is included by more than one."""
        stem = self._stem(target.name)
        if len(self._texts.get(target.name, ())) <= 1 and target.label is not None:
            return f"{stem}{PARTIAL_SUFFIX}"
        return f"{stem}.{label_for(target.label) if target.label else f'v{target.number}'}{PARTIAL_SUFFIX}"

    def _stem(self, name: str) -> str:
        """Return the path of a prompt without its ending; no two prompts have the same one."""
        if name not in self._stems:
            self._stems[name] = self._free.take(_NOT_IN_PATHS.sub("-", name).strip("-./") or PARTIAL_TAG)
        return self._stems[name]


def _key(item: RegistryItem) -> tuple[str, int]:
    return item.source.shown, item.start


def _references(versions: dict[tuple[str, int], tuple[Any, RegistryItem]]) -> dict[str, set[str]]:
    """Return how each prompt that is named in a reference is named: `label=production`, `version=3`."""
    found: dict[str, set[str]] = {}
    for text, _ in versions.values():
        contents = [text] if isinstance(text, str) else [each.get("content") for each in text if isinstance(each, dict)]
        for content in contents:
            for words in content.split(OPEN)[1:] if isinstance(content, str) else ():
                name, _, how = words.partition(CLOSE)[0].partition("|")
                found.setdefault(name.removeprefix("name="), set()).add(how)
    return found
