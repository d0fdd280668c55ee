"""The part of `promptctl.lock.yaml` on prompts of other repositories: from where, at which commit, with which bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem, SourceNotFound, UsageError, printable
from promptctl.files.document import Document
from promptctl.files.look_alikes import folded_path
from promptctl.files.merges import unresolved_merge
from promptctl.files.names import DATASETS, LOCK, PromptPlaces, did_you_mean, id_problem
from promptctl.files.plain import record_data
from promptctl.files.proposal import FileEdit, change_of
from promptctl.files.strangers import is_notice, is_of_licence, unsafe
from promptctl.files.tree import Tree
from promptctl.files.wording import name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import scalar
from promptctl.labels.lock import MAX_LOCK, vendored_part, with_vendored
from promptctl.vendoring.address import check_ref

AGAIN = "git restore promptctl.lock.yaml, or take the entry out and add it again"
_SCHEME = "scheme: 1\n"
_TOP = "# Written by `promptctl add`, `update` and `remove`: prompts of other repositories.\nvendored:\n"
_OBJECT = r"[0-9a-f]{40}|[0-9a-f]{64}"
_FORMS: Mapping[str, str | type] = {
    "url": r"\S.*",
    "ref": r"\S+",
    "name": r"refs/\S+",
    "commit": _OBJECT,
    "folder": r".*/|",
    "licence_file": r".+",
    "licence": r".+",
    "datasets": bool,
    "prompts": dict,
    "files": dict,
}
_NEEDED = ("url", "ref", "commit", "prompts", "files")


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file of a source: its path there, its blob there, and the SHA-256 of its bytes as they were written here."""

    source: str
    blob: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LockedPrompt:
    """A prompt of a source: its id there, its digest as it was written here."""

    id: str
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"source": self.id, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Vendored:
    """Prompts and files of one repository, all at one commit, under one name here.

    `folder` is its workspace there, empty or with a slash at its end. `ref` is as it was asked for, `name` the
    reference that it was, None for a commit's id. `licence` is the file's name there, None if there is none; `spdx`
    names it if that is certain. `prompts` are by their ids here, `files` by their paths here.
    """

    url: str
    ref: str
    name: str | None
    commit: str
    folder: str
    licence: str | None
    spdx: str | None
    has_datasets: bool
    prompts: Mapping[str, LockedPrompt]
    files: Mapping[str, LockedFile]
    place: Place | None = field(default=None, compare=False)

    @property
    def at(self) -> str:
        """The ref with its commit, for people."""
        return self.commit[:12] if self.name is None else f"{self.ref} ({self.commit[:12]})"

    @property
    def licences(self) -> Mapping[str, LockedFile]:
        """Its files of licences, by their paths here, with a `NOTICE` beside them."""
        folder = (self.licence or "").rpartition("/")[0]
        names = {path: each.source.removeprefix(f"{folder}/") for path, each in self.files.items()}
        are_some = self.licence is not None
        return {path: self.files[path] for path, name in names.items() if are_some and is_of_licence(name)}

    @property
    def licence_words(self) -> str | None:
        """Name of its licence, or of the files that say which it is; None without any."""
        files = [each.source for path, each in self.licences.items() if not is_notice(path)]
        return self.spdx or name_some(sorted(files, key=len)) or self.licence

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        names = {"ref_name": self.name, "licence_file": self.licence, "licence": self.spdx}
        return record_data(self, without=("name", "spdx", "place"), **names)


Sources = dict[str, Vendored]
"""Sources by the name that each has here."""


def sha256(data: bytes) -> str:
    """Return the hash that the lock keeps of a file's bytes. A checkout that changes line ends changes no file."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def read_sources(tree: Tree) -> Sources:
    """Return what the lock of a workspace says; nothing if there is none. Raises `InvalidFiles` if it is wrong."""
    try:
        data = tree.read(LOCK, max_bytes=MAX_LOCK)
    except FileNotFoundError:
        return {}
    if b"vendored:" not in data:
        return {}
    if (merge := unresolved_merge(data.decode("utf-8", "replace"), LOCK, is_data=True)) is not None:
        hint = "keep both sides where they name different things, one side of each entry; then promptctl add --verify"
        raise InvalidFiles([Problem(merge.message, merge.place, hint, merge.code)])
    document = read_yaml(data, LOCK)
    given = document.data.get("vendored") if isinstance(document.data, dict) else None
    if not isinstance(given, dict):
        raise InvalidFiles([Problem("`vendored` is a mapping", document.place("vendored"), AGAIN, "lock-vendored")])
    problems: list[Problem] = []
    found: Sources = {}
    for name, entry in given.items():
        wrong = [*_problems(document, str(name), entry, tree.places)]
        problems += wrong
        if not wrong:
            found[name] = _vendored(entry, document.key_place("vendored", name))
    owners: dict[str, str] = {}
    for name, source in found.items():
        for path in source.files:
            if (other := owners.setdefault(folded_path(path), name)) != name:
                message = f"`{path}` is of both {other} and {name}"
                place = document.key_place("vendored", name, "files", path)
                problems.append(Problem(message, place, AGAIN, "lock-vendored"))
    if problems:
        raise InvalidFiles(problems)
    return found


def wanted_sources(sources: Sources, names: Sequence[str]) -> dict[str, str | None]:
    """Return the refs that sources are to move to, by their names; None for what they follow. Without names, all.

    Raises `SourceNotFound` for what is neither a source nor a prompt of one.
    """
    found: dict[str, str | None] = {}
    for named in names:
        name, has_ref, ref = named.partition("@")
        if has_ref:
            check_ref(ref)
        owner = name if name in sources else next((each for each in sources if name in sources[each].prompts), None)
        if owner is None:
            known = [*sources, *(id_ for each in sources.values() for id_ in each.prompts)]
            hint = did_you_mean(name, known) or (
                f"those that the lock names: {name_some(list(sources))}" if sources else "the lock names none"
            )
            raise SourceNotFound(f"`{printable(name)}` is not from another repository", hint=hint)
        if found.get(owner, ref) != (ref or None) and owner in found:
            raise UsageError(f"`{owner}` cannot be at two commits", hint="name one ref")
        found[owner] = ref or None
    return found or dict.fromkeys(sources)


def lock_change(tree: Tree, sources: Mapping[str, Vendored]) -> FileEdit:
    """Return the change of the lock after which it says this. Labels that it locks stay."""
    change = change_of(tree, LOCK, None)
    before = change.before
    lines = [line for name, each in sorted(sources.items()) for line in _lines(name, each)]
    text = _TOP + "".join(f"{line}\n" for line in lines)
    has_labels = before is not None and b"\nlabels:" in before.removesuffix(vendored_part(before).encode())
    return replace(change, after=with_vendored(before, ("" if has_labels else _SCHEME) + text if sources else ""))


def _lines(name: str, source: Vendored) -> Iterator[str]:
    """Yield the lines of a source: one for each thing that can change, and what could be a number in quotes."""
    yield f"  {name}:"
    yield f"    url: {scalar(source.url)}"
    yield f"    ref: {scalar(source.ref)}"
    if source.name is not None:
        yield f"    name: {scalar(source.name)}"
    yield f'    commit: "{source.commit}"'
    if source.folder:
        yield f"    folder: {scalar(source.folder)}"
    yield f"    licence_file: {scalar(source.licence)}"
    if source.spdx is not None:
        yield f"    licence: {scalar(source.spdx)}"
    if not source.has_datasets:
        yield "    datasets: false"
    yield "    prompts:"
    for id_, prompt in sorted(source.prompts.items()):
        yield from (f"      {scalar(id_)}:", f"        id: {scalar(prompt.id)}", f'        digest: "{prompt.digest}"')
    yield "    files:"
    for path, file in sorted(source.files.items()):
        yield from (f"      {scalar(path)}:", f"        source: {scalar(file.source)}")
        yield from (f'        blob: "{file.blob}"', f'        sha256: "{file.sha256}"')


def _vendored(entry: Mapping[str, Any], place: Place) -> Vendored:
    return Vendored(
        url=entry["url"],
        ref=entry["ref"],
        name=entry.get("name"),
        commit=entry["commit"],
        folder=entry.get("folder", ""),
        licence=entry.get("licence_file"),
        spdx=entry.get("licence"),
        has_datasets=entry.get("datasets", True),
        prompts={id_: LockedPrompt(**each) for id_, each in entry["prompts"].items()},
        files={path: LockedFile(**each) for path, each in entry["files"].items()},
        place=place,
    )


def _problems(document: Document, name: str, entry: Any, places: PromptPlaces) -> Iterator[Problem]:
    """Yield what is wrong with an entry: it may have been written by hand, and its paths are written to."""
    for keys in _wrong(name, entry, places):
        place = document.place("vendored", name)
        with suppress(LookupError):
            place = document.key_place("vendored", name, *keys)
        which = f"`{printable('.'.join(map(str, keys)))}` of `{name}`" if keys else f"`{printable(name)}`"
        yield Problem(f"{which} is not as `promptctl add` writes it", place, AGAIN, "lock-vendored")


def _wrong(name: str, entry: Any, places: PromptPlaces) -> Iterator[tuple[Any, ...]]:
    """Yield the keys of what is not as it is written, or missing; no key for the entry itself."""
    if not isinstance(entry, dict) or id_problem(name) is not None:
        yield ()
        return
    yield from ((key,) for key in entry if key not in _FORMS)
    may_be_null = "licence_file"  # as it is written if there is none
    written = {key for key in (*entry, *_NEEDED) if key != may_be_null or entry[key] is not None}
    yield from ((key,) for key, form in _FORMS.items() if key in written and not _fits(entry.get(key), form))
    prompts, files = entry.get("prompts"), entry.get("files")
    for id_, each in prompts.items() if isinstance(prompts, dict) else ():
        if not _has(each, {"id": r".+", "digest": r"[0-9]{1,9}:[0-9a-f]{64}"}) or id_problem(id_):
            yield "prompts", id_
    for path, each in files.items() if isinstance(files, dict) else ():
        is_whole = _has(each, {"source": r".+", "blob": _OBJECT, "sha256": r"[0-9a-f]{64}"})
        is_in_place = path.startswith(f"{DATASETS}/") or bool(places.folder_of(path))
        if not is_whole or not is_in_place or unsafe(path) or unsafe(each["source"]):
            yield "files", path


def _fits(value: Any, form: str | type) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(form, value)) if isinstance(form, str) else type(value) is form


def _has(value: Any, forms: Mapping[str, str]) -> bool:
    """Return True for a mapping of these keys, whose texts are of these forms."""
    is_one = isinstance(value, dict) and value.keys() == forms.keys()
    return is_one and all(_fits(value[key], form) for key, form in forms.items())
