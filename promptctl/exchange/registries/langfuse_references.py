"""References of Langfuse's prompts to each other, as partials: `@@@langfusePrompt:name=…|label=…@@@`.

The server puts in the text that a version or a label names when a prompt is fetched. Here a partial holds that text:
what the version has, or what the label names in the export, as Langfuse keeps no past of its labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.exchange.drafts import FileDraft, ImportNote
from promptctl.exchange.registries.items import LATEST, RegistryItem, label_for
from promptctl.files.free_names import FreeNames
from promptctl.files.names import PARTIAL_SUFFIX
from promptctl.template_languages.double_braces import InputNames, double_brace_pieces
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import IncludePiece, Piece, TextPiece

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
        return lambda text: self._split(text, item, (), _key(item))

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

    def _split(
        self, text: str, item: RegistryItem, above: tuple[_Target, ...], owner: tuple[str, int]
    ) -> Iterator[Piece]:
        at = 0
        while (start := text.find(OPEN, at)) >= 0 and (end := text.find(CLOSE, start + len(OPEN))) >= 0:
            words = text[start + len(OPEN) : end]
            target = self._target(words, item)
            if target is None:  # the server leaves it as it stands
                yield TextPiece(text[at : end + len(CLOSE)])
            else:
                yield TextPiece(text[at:start])
                path = self._partial(target, item, above)
                self._included.setdefault(owner, []).append(path)
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
                pieces += self._split(piece.text, there, (*above, target), _key(there))
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
