"""Paths in the workspace for what an import found: free ones, with every reference to them."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem, UsageError, WorkspaceError, printable
from promptctl.exchange.drafts import DatasetDraft, FileDraft, ForeignContents, ImportNote, PromptDraft, Source
from promptctl.exchange.formats import ForeignFormat
from promptctl.exchange.history.plan import PlacedPast, imported_numbers
from promptctl.exchange.imported import ImportedSource, ImportRequest
from promptctl.exchange.wishes import id_for, with_judges, with_paths, with_references
from promptctl.files.look_alikes import folded_path
from promptctl.files.names import (
    DATASET_SUFFIXES,
    DATASETS,
    PARTIAL_SUFFIX,
    SETTINGS,
    PathRefused,
    is_dataset,
    resolve_path,
)
from promptctl.files.strangers import unsafe, unwelcome
from promptctl.files.tree import Overlay
from promptctl.formats.formatting import file_of
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.formats.schemas import Kind
from promptctl.git.trees import WorkTree
from promptctl.prompts.closure import message_texts
from promptctl.prompts.loading import closure_of, prompt_paths
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

# A dataset of more cases is written as JSON Lines beside its header: it is read as a stream, and a diff stays short.
_MOST_INLINE = 200
_TAKEN = "give it a different id with --as, or overwrite that one with --replace"
_UNREADABLE = b"\xff"  # no text, so nothing that is imported is equal to it

IsMine = Callable[[str, bytes], bool]
"""Says of a path and what is there whether it is what would be written there."""


@dataclass
class _PlacedParts:
    """A foreign file on its way: the folder of its ids, its parts by their new paths and ids, what became of them."""

    source: Source
    format: ForeignFormat
    folder: str
    notes: list[ImportNote]
    paths: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    partials: tuple[str, ...] = ()
    templates: list[tuple[str, str, Place]] = field(default_factory=list)


@dataclass
class _TriedNumbers:
    """The last number that was tried behind a name, and the names of those whose files are of the workspace."""

    last: int = 0
    there: list[str] = field(default_factory=list)


class Placing:
    """The new files of one import, path to bytes.

    `pasts` are the versions that registries kept of its prompts, and `past_files` the partials that these include.
    `messages_at` returns the messages of the commits that changed a file, the last one first.
    """

    def __init__(self, tree: WorkTree, request: ImportRequest, messages_at: Callable[[str], str]) -> None:
        self.files: dict[str, bytes] = {}
        self._tree, self._request, self._messages_at = tree, request, messages_at
        self._places = tree.places
        self._ids = {id_.casefold(): path for id_, path in prompt_paths(tree).items()}
        self._folded: set[str] = set()
        self._numbers: dict[str, _TriedNumbers] = {}
        self._placed: dict[tuple[str, bytes], str] = {}
        self.pasts: list[PlacedPast] = []
        self.past_files: dict[str, bytes] = {}

    def place(self, source: Source, format_: ForeignFormat, contents: ForeignContents) -> ImportedSource:
        """Give paths to everything in a foreign file. Raises `InvalidFiles` for what cannot be written as ours."""
        before, pasts, past_files = dict(self.files), len(self.pasts), dict(self.past_files)
        try:
            return self._place(source, format_, contents)
        except (InvalidFiles, ValueError, RecursionError) as error:
            self.files, self._folded = before, set(map(folded_path, before))
            self._numbers, self._placed = {}, {}
            del self.pasts[pasts:]
            self.past_files = past_files
            raise _refusal(source, error) from None

    def _place(self, source: Source, format_: ForeignFormat, contents: ForeignContents) -> ImportedSource:
        folder = posixpath.join(self._request.into.strip("/"), id_for(posixpath.dirname(source.path), ""))
        parts = _PlacedParts(source, format_, folder, list(contents.notes))
        for file in contents.files:
            parts.paths[file.path] = self._place_file(parts, file)
        if not self._request.latest and any(draft.registry is not None for draft in contents.prompts):
            parts.partials = tuple(parts.written)
            self.past_files |= {path: self.files[path] for path in parts.partials}
        versions: dict[str, list[PromptDraft]] = {}
        for draft in contents.prompts:
            if draft.registry is None:
                self._place_prompt(parts, draft)
            else:
                versions.setdefault(draft.wish, []).append(draft)
        for drafts in versions.values():
            self._place_versions(parts, drafts)
        for path, text, place in parts.templates:
            self._check_includes(source, path, text, place)
        if contents.are_files_given:
            self._check_uses(parts, contents)
        for dataset in contents.datasets:
            self._place_dataset(parts, dataset)
        return ImportedSource(
            source.shown, format_.name, tuple(parts.ids.values()), tuple(parts.written), tuple(parts.notes)
        )

    def _place_file(self, parts: _PlacedParts, draft: FileDraft) -> str:
        """Return the path of a partial or schema from the folder of prompts on, once it is among the files."""
        folder = self._request.into.strip("/") if draft.is_name and "/" in draft.path else parts.folder
        name = posixpath.normpath(posixpath.join("/", folder, draft.path)).lstrip("/")
        data, base = draft.text.encode(), self._places.first
        if (why := unsafe(name) or unwelcome(name)) is not None:
            problem = Problem(f"`{printable(draft.path)}` cannot be a file here: it {why}", draft.place, "rename it")
            raise InvalidFiles([problem])
        ending = "." + posixpath.basename(name).partition(".")[2]
        path = self._free(f"{base}/{name}", data, lambda _, there: there == data, ending=ending)
        self._put(parts, path, data)
        if path.endswith(PARTIAL_SUFFIX):
            parts.templates.append((path, draft.text, draft.place or parts.source.place(1)))
        return path.removeprefix(f"{base}/")

    def _check_uses(self, parts: _PlacedParts, contents: ForeignContents) -> None:
        """Raise `InvalidFiles` for a file that no prompt beside it includes or names: nobody would look for it."""
        here = Overlay(self._tree, self.files)
        used = {path for id_ in parts.ids.values() for path in closure_of(here, self._path_of(id_)).paths}
        for draft in contents.files:
            if f"{self._places.first}/{parts.paths[draft.path]}" not in used:
                message = f"`{printable(draft.path)}` is a file that the prompt neither includes nor names"
                raise InvalidFiles([Problem(message, draft.place, "take it out of the document", "not-used")])

    def _check_includes(self, source: Source, path: str, text: str, place: Place) -> None:
        """Raise `InvalidFiles` for a template that includes a file of the workspace: it was never meant to be sent."""
        try:
            included = includes(text)
        except BadTemplate:
            return
        for name, _ in included:
            try:
                there = resolve_path(name, path, self._places.first)
            except PathRefused:
                continue
            if there not in self.files and os.path.lexists(self._tree.root / there):
                message = f"`{printable(name)}` is included, and would be a file of this workspace: the import has none"
                hint = "write its text in its place, or rename it"
                raise InvalidFiles([Problem(message, source.place_of_tag(name) or place, hint, "not-imported")])

    def _place_prompt(self, parts: _PlacedParts, draft: PromptDraft) -> None:
        """Put the file of a prompt among the files; one of the workspace that says the same stays as it is."""
        [data] = self._as_files(parts, [draft])

        def is_mine(path: str, there: bytes) -> bool:
            return there == data or (path not in self.files and _says_the_same(path, there, data))

        path = self._path_for(parts, draft, data, is_mine)
        self._put(parts, path, self._there(path) or data)

    def _place_versions(self, parts: _PlacedParts, drafts: list[PromptDraft]) -> None:
        """Put what a registry kept of a prompt among the files, and its versions among the pasts.

        A file that was changed here since its versions were imported stays: those that came later go to a file beside.
        """
        drafts.sort(key=lambda each: each.registry.number if each.registry else 0)
        newest, name = drafts[-1], drafts[-1].wish
        past = [
            (each.registry, data)
            for each, data in zip(drafts, self._as_files(parts, drafts), strict=True)
            if each.registry is not None
        ]
        changed: list[str] = []

        def is_mine(path: str, there: bytes) -> bool:
            if path in self.files:
                return there == past[-1][1]
            if any(there == data for _, data in past):
                return True
            known = imported_numbers(self._messages_at(path), parts.format.title, name)
            if known:
                changed.append(path)
                past[:] = [each for each in past if each[0].number > max(known)]
            return not past

        path = self._path_for(parts, newest, past[-1][1], is_mine)
        place = newest.place or parts.source.place(1)
        if changed:
            then = "nothing newer is in the file" if not past else f"what came later is in {path}"
            message = f"{changed[0]} was changed here since it was imported, and stays: {then}"
            parts.notes.append(ImportNote("changed", name, message, place))
        self._put(parts, path, past[-1][1] if past else self._there(path) or b"")
        if past and not self._request.latest:
            id_, title = parts.ids[name], parts.format.title
            self.pasts.append(PlacedPast(title, name, id_, path, past, newest.place, parts.partials))

    def _as_files(self, parts: _PlacedParts, drafts: Sequence[PromptDraft]) -> list[bytes]:
        """Return drafts of one prompt as files; the number behind an id changes nothing in them."""
        found: list[bytes] = []
        wished, asked = self._wished_id(parts, drafts[0])
        for draft in drafts:
            data = with_paths(draft.data, parts.paths)
            if "name" not in data and wished != draft.wish and not asked:
                data = {"name": posixpath.basename(draft.wish) or draft.wish, **data}
            path = self._places.new_path(wished)
            found.append(_as_ours(parts, draft, path, data, "prompt"))
            if data.get("template", "jinja2") == "jinja2":
                place = draft.place or parts.source.place(1)
                parts.templates += [(path, text, place) for text, _ in message_texts(data["messages"])]
        return found

    def _path_for(self, parts: _PlacedParts, draft: PromptDraft, data: bytes, is_mine: IsMine) -> str:
        """Return the path for a prompt, and put down the id that it has."""
        wished, asked = self._wished_id(parts, draft)
        if (
            asked
            and (there := self._there(self._path_of(asked))) is not None
            and not is_mine(self._path_of(asked), there)
        ):
            raise UsageError(f"`{asked}` is taken, by a prompt that says something else", hint=_TAKEN)
        id_ = asked or self._free(wished, data, is_mine, self._path_of)
        parts.ids[draft.wish] = id_
        if not asked and id_ != self._wished(parts, draft.wish):
            place = draft.place or parts.source.place(1)
            parts.notes.append(ImportNote("changed", draft.wish, f"has the id `{id_}`", place))
        return self._path_of(id_)

    def _wished_id(self, parts: _PlacedParts, draft: PromptDraft) -> tuple[str, str | None]:
        """Return the id that a prompt should have, and the one that is asked for, which is for no judge."""
        asked = None if draft.is_judge else self._request.id
        return asked or id_for(self._wished(parts, draft.wish), posixpath.join(parts.folder, "prompt")), asked

    def _wished(self, parts: _PlacedParts, wish: str) -> str:
        """Return a wish below the folder of its file; one that names a folder is not of the file's."""
        return posixpath.join(self._request.into.strip("/") if "/" in wish else parts.folder, wish)

    def _path_of(self, id_: str) -> str:
        return self._ids.get(id_.casefold()) or self._places.new_path(id_)

    def _place_dataset(self, parts: _PlacedParts, draft: DatasetDraft) -> None:
        data = with_judges(with_references(draft.data, parts.paths), parts.ids)
        data["prompts"] = [parts.ids.get(wish, wish) for wish in data.get("prompts") or parts.ids]
        cases, ending = data.get("cases"), DATASET_SUFFIXES[0]
        stem = f"{DATASETS}/{id_for(self._wished(parts, draft.wish), posixpath.join(parts.folder, 'cases'))}"
        if posixpath.basename(f"{stem}{ending}").casefold() == SETTINGS:
            stem += "-cases"
        if not is_dataset(f"{stem}{ending}"):  # below a folder of `datasets/` with files of another kind
            stem = f"{DATASETS}/imported/{stem.removeprefix(f'{DATASETS}/')}"
        rows = b""
        if isinstance(cases, list) and len(cases) > _MOST_INLINE:
            rows = "".join(f"{json.dumps(case, ensure_ascii=False)}\n" for case in cases).encode()

        def rows_beside(path: str) -> str:
            return f"{path.removesuffix(ending)}.jsonl"

        def as_file(path: str) -> bytes:
            beside = {"cases": f"./{posixpath.basename(rows_beside(path))}"} if rows else {}
            return _as_ours(parts, draft, path, data | beside, "dataset")

        def is_mine(path: str, there: bytes) -> bool:
            return there == as_file(path) and (not rows or self._there(rows_beside(path)) == rows)

        first = as_file(stem + ending)
        path = self._free(stem + ending, first + rows, is_mine, ending=ending)
        if rows:
            self._put(parts, rows_beside(path), rows)
        self._put(parts, path, as_file(path))

    def _put(self, parts: _PlacedParts, path: str, data: bytes) -> None:
        self.files[path] = data
        parts.written.append(path)
        self._folded.add(folded_path(path))

    def _free(
        self, wished: str, data: bytes, is_mine: IsMine, path_of: Callable[[str], str] = str, ending: str = ""
    ) -> str:
        """Return the name, with the first number from 2 on before its ending at whose path nothing different is."""
        if (wished, data) not in self._placed:
            self._placed[wished, data] = next(
                name
                for name in self._numbered(wished, path_of, ending)
                if (there := self._there(path_of(name))) is None or is_mine(path_of(name), there)
            )
        return self._placed[wished, data]

    def _numbered(self, wished: str, path_of: Callable[[str], str], ending: str) -> Iterator[str]:
        """Yield the name and those with a number, without those that this import took: many may wish the same name."""
        numbers, stem = self._numbers.setdefault(wished, _TriedNumbers()), wished.removesuffix(ending)
        yield from numbers.there
        while True:
            numbers.last += 1
            name = wished if numbers.last == 1 else f"{stem}-{numbers.last}{ending}"
            yield name
            if path_of(name) not in self.files:
                numbers.there.append(name)

    def _there(self, path: str) -> bytes | None:
        """Return the bytes at a path, in this import or in the workspace; None if it may be written."""
        if path in self.files:
            return self.files[path]
        if folded_path(path) in self._folded:
            return _UNREADABLE
        if self._request.replaces or not os.path.lexists(self._tree.root / path):
            return None
        try:
            return self._tree.read(path)
        except (OSError, WorkspaceError):
            return _UNREADABLE


def _says_the_same(path: str, there: bytes, data: bytes) -> bool:
    """Return True for a prompt file that differs in its layout alone."""
    try:
        return bool(read_prompt_file(there, path).data == read_prompt_file(data, path).data)
    except InvalidFiles:
        return False


def _refusal(source: Source, error: Exception) -> InvalidFiles:
    """Return the error of a foreign file for what came up while it was written as files of ours."""
    if isinstance(error, InvalidFiles):
        return error
    if isinstance(error, UnicodeEncodeError):
        return source.refuse_half_a_character()
    # Infinity, and what is nested too deep for YAML.
    message = f"it cannot be written as a file here ({type(error).__name__})"
    return source.refuse(message, 1, "look for infinite numbers, and for what is nested very deep")


def _as_ours(
    parts: _PlacedParts, draft: PromptDraft | DatasetDraft, path: str, data: Mapping[str, Any], kind: Kind
) -> bytes:
    """Return data as a file here. Raises `InvalidFiles`, in words of the foreign file."""
    try:
        return file_of(path, data, kind)
    except InvalidFiles as error:
        place = draft.place or parts.source.place(1)
        raise InvalidFiles(
            [
                replace(each, message=f"`{draft.wish}` cannot be written as a file here: {each.message}", place=place)
                for each in error.problems
            ]
        ) from None
