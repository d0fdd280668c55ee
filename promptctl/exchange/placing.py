"""Paths in the workspace for what an import found: free ones, with every reference to them."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import InvalidFiles, Problem, UsageError, printable
from promptctl.exchange.drafts import DatasetDraft, FileDraft, ForeignContents, PromptDraft
from promptctl.exchange.formats import named
from promptctl.exchange.history.plan import PlacedPast
from promptctl.exchange.imported import ImportedSource, ImportRequest
from promptctl.exchange.notes import ImportNote
from promptctl.exchange.source import Source
from promptctl.exchange.wishes import id_for, with_judges, with_paths, with_references
from promptctl.files.free_names import first_free
from promptctl.files.names import DATASET_SUFFIXES, DATASETS, is_dataset
from promptctl.formats.formatting import file_of
from promptctl.prompts.loading import prompt_paths

if TYPE_CHECKING:
    from promptctl.git.trees import WorkTree

# A dataset of more cases is written as JSON Lines beside its header: it is read as a stream, and a diff stays short.
_MOST_INLINE = 200
_TAKEN = "give it a different id with --as, or overwrite that one with --replace"


class Placing:
    """The new files of one import, path to bytes.

    `pasts` are the versions that registries kept of its prompts, and `past_files` the partials that these include.
    """

    def __init__(self, tree: WorkTree, request: ImportRequest) -> None:
        self.files: dict[str, bytes] = {}
        self._tree, self._request = tree, request
        self._places = tree.places
        self._ids = {id_.casefold(): path for id_, path in prompt_paths(tree).items()}
        self._folded: set[str] = set()
        self._written: list[str] = []
        self._format = ""
        self.pasts: list[PlacedPast] = []
        self.past_files: dict[str, bytes] = {}

    def place(self, source: Source, format_: str, contents: ForeignContents) -> ImportedSource:
        """Give paths to everything in a foreign file. Raises `InvalidFiles` for what cannot be written as ours."""
        before, pasts = dict(self.files), len(self.pasts)
        try:
            return self._place(source, format_, contents)
        except (InvalidFiles, ValueError, RecursionError) as error:
            self.files, self._folded = before, {path.casefold() for path in before}
            del self.pasts[pasts:]
            raise _refusal(source, error) from None

    def _place(self, source: Source, format_: str, contents: ForeignContents) -> ImportedSource:
        self._written, self._format = [], format_
        folder = posixpath.join(self._request.into.strip("/"), id_for(posixpath.dirname(source.path), ""))
        notes = list(contents.notes)
        paths = {draft.path: self._place_file(draft, folder) for draft in contents.files}
        if not self._request.latest and any(draft.registry is not None for draft in contents.prompts):
            self.past_files |= {path: self.files[path] for path in self._written}
        ids: dict[str, str] = {}
        kept: dict[str, list[PromptDraft]] = {}
        for draft in contents.prompts:
            if draft.registry is not None:
                kept.setdefault(draft.wish, []).append(draft)
        for draft in _newest(contents.prompts):
            versions = kept.get(draft.wish, []) if draft.registry is not None else []
            ids[draft.wish] = self._place_prompt(source, draft, folder, paths, versions)
            wished = self._wished(folder, draft.wish)
            if ids[draft.wish] != wished and self._asked(draft) is None:
                notes.append(_renamed(draft.wish, ids[draft.wish], draft.place or source.place(1)))
        for dataset in contents.datasets:
            self._place_dataset(source, dataset, folder, ids, paths)
        return ImportedSource(source.shown, format_, tuple(ids.values()), tuple(self._written), tuple(notes))

    def _asked(self, draft: PromptDraft) -> str | None:
        """Return the id that is asked for, of a prompt that is no judge."""
        return None if draft.is_judge else self._request.id

    def _wished(self, folder: str, wish: str) -> str:
        """Return a wish below the folder of its file; one that names a folder is not of the file's."""
        return posixpath.join(self._request.into.strip("/") if "/" in wish else folder, wish)

    def _place_file(self, draft: FileDraft, folder: str) -> str:
        """Return the path of a partial or schema from the folder of prompts on, once it is among the files."""
        name = posixpath.normpath(posixpath.join("/", folder, draft.path)).lstrip("/")
        if any(part.startswith(".") for part in name.split("/")):
            problem = Problem(f"`{printable(draft.path)}` cannot be the path of a file here", draft.place, "rename it")
            raise InvalidFiles([problem])
        data, base = draft.text.encode(), self._places.first
        ending = "." + posixpath.basename(name).partition(".")[2]
        path = first_free(f"{base}/{name}", lambda path: self._is_taken(path, data), ending=ending)
        self._put(path, data)
        return path.removeprefix(f"{base}/")

    def _place_prompt(
        self, source: Source, draft: PromptDraft, folder: str, paths: Mapping[str, str], versions: list[PromptDraft]
    ) -> str:
        """Return the id of a prompt, once its file is among the files; `versions` are those that a registry kept."""
        asked = self._asked(draft)
        wished = asked or id_for(self._wished(folder, draft.wish), posixpath.join(folder, "prompt"))

        made: dict[int, bytes] = {}

        def as_file(id_: str, each: PromptDraft) -> bytes:
            if id(each) not in made:  # the number behind an id changes nothing in the file
                made[id(each)] = written(id_, each)
            return made[id(each)]

        def written(id_: str, each: PromptDraft) -> bytes:
            data = with_paths(each.data, paths)
            if "name" not in data and wished != each.wish and not asked:
                data = {"name": posixpath.basename(each.wish) or each.wish, **data}
            return self._as_file(source, each, id_, data)

        def is_taken(id_: str) -> bool:
            path = self._path_of(id_)
            return self._is_taken(path, as_file(id_, draft)) and not (
                path not in self.files and any(not self._is_taken(path, as_file(id_, each)) for each in versions)
            )

        if asked and not self._request.replaces and is_taken(asked):
            raise UsageError(f"`{asked}` is taken, by a prompt that says something else", hint=_TAKEN)
        id_ = wished if self._request.replaces else first_free(wished, is_taken)
        path = self._path_of(id_)
        self._put(path, as_file(id_, draft))
        if versions and not self._request.latest:
            past = [(each.registry, as_file(id_, each)) for each in versions if each.registry is not None]
            self.pasts.append(PlacedPast(named(self._format).title, draft.wish, id_, path, past, draft.place))
        return id_

    def _path_of(self, id_: str) -> str:
        return self._ids.get(id_.casefold()) or self._places.new_path(id_)

    def _as_file(self, source: Source, draft: PromptDraft, id_: str, data: Mapping[str, Any]) -> bytes:
        try:
            return file_of(self._places.new_path(id_), data, "prompt")
        except InvalidFiles as error:
            raise _not_ours(error, source, draft) from None

    def _place_dataset(
        self, source: Source, draft: DatasetDraft, folder: str, ids: Mapping[str, str], paths: Mapping[str, str]
    ) -> None:
        data = with_judges(with_references(draft.data, paths), ids)
        data["prompts"] = [ids.get(wish, wish) for wish in data.get("prompts") or ids]
        cases, ending = data.get("cases"), DATASET_SUFFIXES[0]
        stem = f"{DATASETS}/{id_for(self._wished(folder, draft.wish), posixpath.join(folder, 'cases'))}"
        if not is_dataset(f"{stem}{ending}"):  # below a folder of `datasets/` with files of another kind
            stem = f"{DATASETS}/imported/{stem.removeprefix(f'{DATASETS}/')}"
        rows = b""
        if isinstance(cases, list) and len(cases) > _MOST_INLINE:
            rows = "".join(f"{json.dumps(case, ensure_ascii=False)}\n" for case in cases).encode()
            data["cases"] = f"./{posixpath.basename(stem)}.jsonl"
        try:
            written = file_of(f"{stem}{ending}", data, "dataset")
        except InvalidFiles as error:
            raise _not_ours(error, source, draft) from None
        path = stem + ending
        if not self._request.replaces:
            path = first_free(path, lambda path: self._is_taken(path, written), ending=ending)
        if rows:
            beside = f"{path.removesuffix(ending)}.jsonl"
            self._put(beside, rows)
            data["cases"] = f"./{posixpath.basename(beside)}"
            written = file_of(path, data, "dataset")
        self._put(path, written)

    def _put(self, path: str, data: bytes) -> None:
        self.files[path] = data
        self._written.append(path)
        self._folded.add(path.casefold())

    def _is_taken(self, path: str, data: bytes) -> bool:
        """Return True for a path with other content: in the workspace, or of this import."""
        if path in self.files or path.casefold() in self._folded:
            return self.files.get(path) != data
        if self._request.replaces or not os.path.lexists(self._tree.root / path):
            return False
        try:
            return self._tree.read(path) != data
        except (FileNotFoundError, OSError):
            return True


def _newest(drafts: tuple[PromptDraft, ...]) -> list[PromptDraft]:
    """Return the drafts, of several versions of one prompt the newest."""
    newest: dict[str, PromptDraft] = {}
    singles: list[PromptDraft] = []
    for draft in drafts:
        if draft.registry is None:
            singles.append(draft)
        elif (other := newest.get(draft.wish)) is None or other.registry.number < draft.registry.number:  # type: ignore[union-attr]
            newest[draft.wish] = draft
    return [*singles, *newest.values()]


def half_a_character(source: Source) -> InvalidFiles:
    """Return the error of a file with a text that is none: JSON can say half of a pair of surrogates."""
    hint = "write the whole character, or take the escape out"
    return InvalidFiles(
        [Problem("a text has half a character, as \\ud83d alone is", source.place(1), hint, "not-text")]
    )


def _refusal(source: Source, error: Exception) -> InvalidFiles:
    """Return the error of a foreign file for what came up while it was written as files of ours."""
    if isinstance(error, InvalidFiles):
        return error
    if isinstance(error, UnicodeEncodeError):
        return half_a_character(source)
    # Infinity, and what is nested too deep for YAML.
    message = f"it cannot be written as a file here ({type(error).__name__})"
    return source.refuse(message, 1, "look for infinite numbers, and for what is nested very deep")


def _renamed(wish: str, id_: str, place: Any) -> ImportNote:
    return ImportNote("changed", wish, f"has the id `{id_}`", place)


def _not_ours(error: InvalidFiles, source: Source, draft: PromptDraft | DatasetDraft) -> InvalidFiles:
    """Return the error in words of the foreign file: what it says cannot be written here."""
    place = draft.place or source.place(1)
    return InvalidFiles(
        [
            replace(each, message=f"`{draft.wish}` cannot be written as a file here: {each.message}", place=place)
            for each in error.problems
            if isinstance(each, Problem)
        ]
    )
