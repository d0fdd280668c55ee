"""The places in a workspace's files that name a prompt by its id."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from promptctl.datasets.reached import may_name, naming_pattern
from promptctl.datasets.rows import written_assertions
from promptctl.errors import InvalidFiles, Place, WorkspaceError
from promptctl.files.document import Document, Key
from promptctl.files.names import (
    DATASETS,
    LOCK,
    PROMPT_SUFFIXES,
    RECORDINGS,
    ROW_SUFFIXES,
    SETTINGS,
    is_dataset,
    is_recording,
)
from promptctl.files.tree import Tree, prompt_files
from promptctl.files.yaml_editing import Edit, RenameKey, Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml

Kind = Literal[
    "dataset",
    "judge",
    "experiment",
    "log",
    "budget",
    "lint",
    "successor",
    "lock",
    "vendored",
    "recording",
    "file",
    "copy",
]
_WORDS: Mapping[Kind, str] = {
    "dataset": "a dataset",
    "judge": "a judge of a dataset",
    "experiment": "the experiment",
    "log": "a log rule",
    "budget": "the budget",
    "lint": "a rule of lint",
    "successor": "the successor of",
    "lock": "the lock of the labels",
    "vendored": "the lock of other repositories",
    "recording": "recorded replies",
    "file": "a file",
    "copy": "a copy",
}
# What is named by keys of the lock.
_KEYED = ("lock", "vendored")
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Reference:
    """A place that names a prompt, and as what. `name` is that of the budget, experiment or prompt that does.

    `keys` are the way there in a YAML file; of a file with a line for each entry there are none. `is_glob` says that it
    is a pattern that the id matches, not the id.
    """

    kind: Kind
    place: Place
    keys: tuple[Key, ...] = ()
    name: str = ""
    glob: str = ""

    @property
    def path(self) -> str:
        """The file that it is in."""
        return self.place.path

    @property
    def is_glob(self) -> bool:
        """True for a pattern that the id matches."""
        return bool(self.glob)

    @property
    def words(self) -> str:
        """The thing that names the prompt, for people: `the budget daily`."""
        words = _WORDS[self.kind]
        return f"{words} `{self.name}`" if self.kind in ("budget", "experiment", "successor") else words

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"kind": self.kind, "path": self.path, "line": self.place.line, "name": self.name or None}


def references_to(
    tree: Tree, prompt: str, *, whole: bool = True, former: Sequence[str] = (), broken: list[str] | None = None
) -> list[Reference]:
    """Return every place of a workspace's files that names a prompt, by path and line; globs that match it among them.

    Not `whole`, files with a line for each entry are left out: they can be large. `former` are earlier ids, by which
    copies may name it. Files that may name it and cannot be read are added to `broken`.
    """
    broken = [] if broken is None else broken
    pattern = naming_pattern([prompt, *former])
    found = [*_in_settings(tree, prompt)]
    for path in prompt_files(tree):
        if path.endswith(PROMPT_SUFFIXES) and (document := _document(tree, path, pattern, broken)) is not None:
            found += _in_prompt(tree, document, prompt, former)
    for path in tree.paths(DATASETS):
        if is_dataset(path) and (document := _document(tree, path, pattern, broken)) is not None:
            found += _in_dataset(document, prompt)
        elif whole and (path.endswith(ROW_SUFFIXES[0]) or is_recording(path)):
            found += _in_rows(tree, path, prompt)
    if whole and (document := _document(tree, LOCK, pattern, broken)) is not None:
        labels = document.data.get("labels") if isinstance(document.data, dict) else None
        for name in labels if isinstance(labels, dict) else ():
            if str(name).partition("@")[0] == prompt:
                keys: tuple[Key, ...] = ("labels", name)
                found.append(Reference("lock", document.key_place(*keys), keys, str(name)))
        found += _in_vendored(tree, document, prompt)
    return found


def edited_file(tree: Tree, path: str, references: list[Reference], old: str, new: str) -> bytes:
    """Return a file whose references name `new` in place of `old`; `references` are those in it.

    Raises `WorkspaceError` for one that cannot be edited in place.
    """
    data = tree.read(path, max_bytes=_MAX_BYTES)
    if any(not each.keys for each in references):
        return _with_rows(data, {each.place.line for each in references}, old, new)
    edits: list[Edit] = [
        RenameKey(each.keys, _key_after(str(each.keys[-1]), old, new)) if each.kind in _KEYED else Set(each.keys, new)
        for each in references
    ]
    return edit_yaml(data, path, edits)


def _key_after(key: str, old: str, new: str) -> str:
    """Return a key of the lock that names a prompt as it is after a rename: an id, a label, or a file's path."""
    if key == old or key.startswith(f"{old}@"):
        return new + key.removeprefix(old)
    start, _, suffix = key.rpartition(f"/{old}.")
    return f"{start}/{new}.{suffix}"


def _in_vendored(tree: Tree, document: Document, prompt: str) -> Iterator[Reference]:
    """Yield the entries of a prompt of another repository: its id, and the path of its file."""
    for name, source in _mapping(_mapping(document.data).get("vendored")).items():
        for part, own in (("prompts", lambda key: key), ("files", tree.places.id)):
            for key in _mapping(_mapping(source).get(part)):
                if own(key) == prompt:
                    keys = ("vendored", name, part, key)
                    yield Reference("vendored", document.key_place(*keys), keys, str(name))


def _document(tree: Tree, path: str, pattern: re.Pattern[bytes], broken: list[str] | None = None) -> Document | None:
    """Return a YAML file that may name what the pattern finds; None for any other, and for one that cannot be read."""
    try:
        data = tree.read(path, max_bytes=_MAX_BYTES)
        return read_yaml(data, path) if may_name(data, pattern) else None
    except FileNotFoundError:
        return None
    except (WorkspaceError, OSError):
        if broken is not None:
            broken.append(path)
        return None


def _in_settings(tree: Tree, prompt: str) -> Iterator[Reference]:
    document = _document(tree, SETTINGS, re.compile(b""))
    if document is None or not isinstance(document.data, dict):
        return

    def named(kind: Kind, written: object, keys: tuple[Key, ...], name: str = "") -> Iterator[Reference]:
        if written == prompt:
            yield Reference(kind, document.place(*keys), keys, name)
        elif isinstance(written, str) and fnmatchcase(prompt, written):
            yield Reference(kind, document.place(*keys), keys, name, glob=written)

    rules: tuple[Kind, ...] = ("log", "lint")
    for kind in rules:
        for index, rule in enumerate(_list(document.data.get(kind))):
            yield from named(kind, _mapping(rule).get("prompts"), (kind, index, "prompts"))
    for index, budget in enumerate(_list(document.data.get("budgets"))):
        name = str(_mapping(budget).get("name", ""))
        for place, glob in enumerate(_list(_mapping(budget).get("prompts"))):
            yield from named("budget", glob, ("budgets", index, "prompts", place), name)
    for name, experiment in _mapping(document.data.get("experiments")).items():
        if _mapping(experiment).get("prompt") == prompt:
            keys = ("experiments", name, "prompt")
            yield Reference("experiment", document.place(*keys), keys, name)


def _in_prompt(tree: Tree, document: Document, prompt: str, former: Sequence[str]) -> Iterator[Reference]:
    own, data = tree.places.id(document.path), _mapping(document.data)
    if data.get("successor") == prompt and own is not None:
        yield Reference("successor", document.place("successor"), ("successor",), own)
    if str(data.get("copied_from")).partition("@")[0] in (prompt, *former) and own is not None:
        yield Reference("copy", document.place("copied_from"), ("copied_from",), own)


def _in_dataset(document: Document, prompt: str) -> Iterator[Reference]:
    data = _mapping(document.data)
    for index, tested in enumerate(_list(data.get("prompts"))):
        if tested == prompt:
            yield Reference("dataset", document.place("prompts", index), ("prompts", index))
    for keys, assertion in written_assertions(data):
        if assertion.get("prompt") == prompt:
            yield Reference("judge", document.place(*keys, "prompt"), (*keys, "prompt"))


def _in_rows(tree: Tree, path: str, prompt: str) -> Iterator[Reference]:
    """Yield the lines of a file of cases or of recorded replies that name the prompt."""
    with suppress(WorkspaceError, OSError):
        data = tree.read(path, max_bytes=_MAX_BYTES)
        if prompt.encode() not in data:
            return
        if path.startswith(f"{RECORDINGS}/") and not path.endswith(".jsonl"):
            with suppress(InvalidFiles):
                document = read_yaml(data, path)
                for index, entry in enumerate(_list(document.data)):
                    if _mapping(entry).get("prompt") == prompt:
                        yield Reference("recording", document.place(index, "prompt"), (index, "prompt"))
            return
        kind: Kind = "recording" if is_recording(path) else "judge"
        for number, line in enumerate(data.split(b"\n"), start=1):
            if _renamed_row(line, prompt, prompt) is not None:
                yield Reference(kind, Place(path, number, 1))


def _renamed_row(line: bytes, old: str, new: str) -> bytes | None:
    """Return a line of JSON with each judge of it, or the prompt of a recorded reply, renamed; None if it has none."""
    written = json.dumps(old).encode()
    if written not in line:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    named = [each for _, each in written_assertions(row) if each.get("prompt") == old]
    if "request" in _mapping(row) and row.get("prompt") == old:
        named.append(row)
    for holder in named:
        holder["prompt"] = new
    after = re.sub(rb'("prompt"\s*:\s*)' + re.escape(written), lambda m: m[1] + json.dumps(new).encode(), line)
    if not named:
        return None
    return after if json.loads(after) == row else json.dumps(row, ensure_ascii=False).encode()


def _with_rows(data: bytes, lines: set[int | None], old: str, new: str) -> bytes:
    return b"\n".join(
        (_renamed_row(line, old, new) or line) if number in lines else line
        for number, line in enumerate(data.split(b"\n"), start=1)
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
