"""The JSON objects of a registry's export, each with its line, and the versions that they are in its history.

A file is one value, several one after another, or a list.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from promptctl.counting import counted
from promptctl.errors import InvalidFiles, Place, Problem, UsageError
from promptctl.exchange.drafts import Fate, ImportNote, PromptDraft, RegistryVersion, Source
from promptctl.exchange.model_settings import ForeignSettings
from promptctl.files.free_names import plain_letters
from promptctl.files.names import id_problem
from promptctl.files.strict_json import strict_json, value_at
from promptctl.promotion.rules import check_name

_BLANKS = re.compile(r"[\s,]*")
_MOST_KEYS = 500
_SEPARATOR = re.compile(r"\s*")
_LOOK_AT = 1 << 16  # characters of an object in which its keys are looked for
_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class RegistryItem:
    """One object of a file, and where it begins there. `end` is where it ends, in characters."""

    data: Mapping[str, Any]
    source: Source
    start: int
    end: int

    def place(self, key: str | None = None) -> Place:
        """Return the place of the object, or of the first key of that name in it."""
        text, at = self.source.text, self.start
        if key is not None:
            found = text.find(json.dumps(key), self.start, min(self.end, self.start + _LOOK_AT))
            at = found if found >= 0 else self.start
        return self.source.place(_line(self.source, at))

    def note(self, fate: Fate, part: str, message: str, hint: str | None = None) -> ImportNote:
        """Return a note about a part of the object, named by the object's key."""
        return ImportNote(fate, part, message, self.place(part.split(".")[-1].split("[")[0]), hint)

    def refuse(self, message: str, key: str | None = None, hint: str | None = None) -> InvalidFiles:
        """Return the error of an object that is not imported, to be raised."""
        return self.source.refuse(message, self.place(key).line, hint)


@dataclass(slots=True)
class ModelConfig:
    """The keys of a prompt file that such an object gives, what of it has no place there, and the fate of each key."""

    data: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    notes: list[ImportNote] = field(default_factory=list)


def read_model_config(config: Mapping[str, Any], item: RegistryItem, key: str, rest_at: str) -> ModelConfig:
    """Return a registry's settings as ours. `key` names the object there; `rest_at` where what is left is written."""
    if len(config) > _MOST_KEYS:
        note = item.note("changed", key, f"is written as `{rest_at}`: it has {len(config):,} keys")
        return ModelConfig({}, dict(config), [note])
    settings, found = ForeignSettings(), ModelConfig()
    for name, value in config.items():
        part = f"{key}.{name}"
        place, _ = settings.take(name, value)
        if place is None:
            found.rest[name] = value
            found.notes.append(item.note("changed", part, f"is written as `{rest_at}.{name}`: nothing here acts on it"))
        elif place.rpartition(".")[2] == name:
            found.notes.append(item.note("kept", part, f"is `{name}`"))
        else:
            found.notes.append(item.note("changed", part, f"is written as `{place}`"))
    found.data = settings.data
    return found


def _line(source: Source, at: int) -> int:
    """Return the line of a character of a file."""
    return bisect_right(source.line_starts, at)


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for any other value."""
    return value if isinstance(value, list) else []


def first_object(source: Source, *signs: bytes) -> Mapping[str, Any] | None:
    """Return the first object of a file that holds all the signs; None if there is none. Never an error."""
    if not all(sign in source.data for sign in signs) or not source.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
        (b"{", b"[")
    ):
        return None
    try:
        text = source.text
        start = _BLANKS.match(text, text.index("[") + 1).end() if text.lstrip().startswith("[") else text.index("{")  # type: ignore[union-attr]
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError, InvalidFiles):
        return None
    return found if isinstance(found, dict) else None


def items_of(source: Source, *wrappers: str) -> list[RegistryItem]:
    """Return the objects of a file. Those of a list under one of the keys `wrappers` of an object take its place.

    Raises `InvalidFiles` for a file that is no JSON, for keys that are there twice, and for what is nested too deep.
    """
    text = source.text
    found: list[RegistryItem] = []
    for value, start, end in _values(source, text, 0, _SEPARATOR):
        if isinstance(value, list):
            found += _elements(source, text, text.index("[", start) + 1)
            continue
        wrapper = next((key for key in wrappers if isinstance(value, dict) and isinstance(value.get(key), list)), None)
        if wrapper is not None:
            opening = re.compile(rf'"{wrapper}"\s*:\s*\[').search(text, start, end)
            found += _elements(source, text, opening.end()) if opening else []
        else:
            found.append(_item(source, value, start, end))
    return found


def _elements(source: Source, text: str, start: int) -> Iterator[RegistryItem]:
    for value, at, end in _values(source, text, start, _BLANKS, until="]"):
        yield _item(source, value, at, end)


def _item(source: Source, value: Any, start: int, end: int) -> RegistryItem:
    if not isinstance(value, dict):
        raise source.refuse("this is no object", _line(source, start), "each prompt version is a JSON object")
    return RegistryItem(value, source, start, end)


def _values(
    source: Source, text: str, start: int, between: re.Pattern[str], until: str = ""
) -> Iterator[tuple[Any, int, int]]:
    at = between.match(text, start).end()  # type: ignore[union-attr]
    while at < len(text) and (not until or text[at] != until):
        try:
            value, end = value_at(text, at)
        except json.JSONDecodeError as error:
            raise source.refuse(f"this is no JSON: {error.msg}", _line(source, error.pos), "export it again") from None
        except ValueError as error:
            raise source.refuse(f"this JSON cannot be read: {error}", _line(source, at)) from None
        yield value, at, end
        at = between.match(text, end).end()  # type: ignore[union-attr]


def inner_json(text: Any) -> Any:
    """Return the value of JSON within a text; None for anything else."""
    try:
        return strict_json(text) if isinstance(text, str) else None
    except ValueError:
        return None


def label_for(wish: str) -> str:
    """Return the label that is nearest to a name; a name that a label may have stays.

    >>> label_for("production"), label_for("Team_A.eu"), label_for("v2"), label_for("3"), label_for("beef")
    ('production', 'team-a-eu', 'label-v2', 'label-3', 'label-beef')
    """
    if _is_allowed(wish):
        return wish
    plain = _NOT_IN_LABELS.sub("-", plain_letters(wish).lower()).strip("-")
    return plain if _is_allowed(plain) else f"label-{plain}".strip("-")


def numbered(
    items: Iterable[RegistryItem], essence: Callable[[Mapping[str, Any]], Any]
) -> Iterator[tuple[RegistryItem, int]]:
    """Yield each version with its number: what it says, or its place among those of the same name.

    One that is there twice is left out the second time; raises `InvalidFiles` if its `essence` is different then.
    """
    seen, taken = Counter[str](), dict[tuple[str, int], RegistryItem]()
    for item in items:
        name, said = item.data["name"], str(item.data.get("version"))
        seen[name] += 1
        is_said = said.isascii() and said.isdigit() and len(said) < 10
        number = (int(said) if is_said else 0) or seen[name]
        other = taken.setdefault((name, number), item)
        if other is item:
            yield item, number
        elif essence(other.data) != essence(item.data):
            raise item.refuse(f"version {number} of `{name}` is there twice, and differs", "version")


def drafts_of(
    versions: Sequence[Version], draft: Callable[[Version], PromptDraft | None]
) -> tuple[tuple[PromptDraft, ...], list[ImportNote]]:
    """Return the versions as files of ours, with their notes. Raises `InvalidFiles` with every reason."""
    drafts: list[PromptDraft] = []
    notes: list[ImportNote] = []
    problems: list[Problem] = []
    for version in counted(versions, "reading versions", len(versions)):
        try:
            made = draft(version)
        except InvalidFiles as error:
            problems += error.problems
            continue
        drafts += [made] if made is not None else []
        notes += version.notes
    if problems:
        raise InvalidFiles(problems)
    return tuple(drafts), notes


@dataclass(slots=True)
class VersionNotes:
    """Notes on one version of a prompt in a registry, and its place in the history there."""

    item: RegistryItem
    notes: list[ImportNote] = field(default_factory=list)

    def note(self, fate: Fate, key: str, message: str) -> None:
        """Add a note on a key of the version."""
        self.notes.append(self.item.note(fate, key, message))

    def data(self, wish: str, config: ModelConfig, **keys: Any) -> dict[str, Any]:
        """Return the keys of a prompt file: what the settings give, and each of `keys` that is not empty."""
        self.notes += config.notes
        name = {"name": wish} if id_problem(wish) is not None else {}
        return {**name, **config.data, **{key: value for key, value in keys.items() if value}}

    def registry(
        self, number: int, created_at: datetime | None, author: Any, message: Any, key: str, labels: Sequence[str]
    ) -> RegistryVersion:
        """Return the version's place in the history; `labels` are the names that it has under `key` there."""
        found = tuple(self._labels(key, labels))
        if found:
            self.note("kept", key, f"are labels: {', '.join(found)}")
        return RegistryVersion(
            number,
            created_at,
            author if isinstance(author, str) and author.strip() else None,
            message if isinstance(message, str) and message.strip() else None,
            found,
        )

    def _labels(self, key: str, wishes: Iterable[str]) -> dict[str, None]:
        """Return the labels for names, without `latest`, which every registry moves by itself."""
        found: dict[str, None] = {}
        for wish in wishes:
            label = label_for(wish)
            if wish.lower() == LATEST:
                continue
            if label != wish:
                self.note("changed", key, f"`{wish}` is the label `{label}`: no label here may have that name")
            found[label] = None
        return found


Version = TypeVar("Version", bound=VersionNotes)


def _is_allowed(name: str) -> bool:
    try:
        check_name(name)
    except UsageError:
        return False
    return True
