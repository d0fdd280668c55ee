"""The files of one closure, read from one tree: each once, each remembered, and what is wrong with them collected."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.document import Document
from promptctl.files.names import PathRefused, PromptPlaces, did_you_mean, resolve_path
from promptctl.files.plain import canonical_json
from promptctl.files.tree import Tree, prompt_files
from promptctl.files.yaml_reader import read_yaml

# The files that one prompt may pull in, and the bytes of its schemas once bundled, each time anew. Far beyond any real
# one; a bound for hostile ones.
MAX_FILES = 200
MAX_SCHEMAS = 4 << 20

Cache = MutableMapping[tuple[str, str], tuple[bytes, Any]]
"""What was made of each file, by use and path, with a hash of the bytes it was made of: the newest of each path."""

_Made = TypeVar("_Made")


class Sources:
    """Reads the files that one prompt names. `paths`: all that were read or looked for; `problems`: what was wrong.

    `partials` is the cache of their texts, which many prompts share; without it they are in `cache`.
    """

    def __init__(self, tree: Tree, cache: Cache | None = None, *, partials: Cache | None = None) -> None:
        self._tree = tree
        self._cache = cache
        self._partials = cache if partials is None else partials
        self._places: PromptPlaces | None = None
        self._documents: dict[str, Document | None] = {}
        self.paths: dict[str, None] = {}
        self.problems: list[Problem] = []
        self._bytes = self._bundles = self._bundled = 0

    @property
    def is_for_people(self) -> bool:
        """True if somebody will read the problems; with a cache, for many prompts, nobody does."""
        return self._cache is None

    def locate(self, reference: str, relative_to: str, place: Place) -> str | None:
        """Return the path that a reference names; None, and a problem, if it leads out of its folder of prompts."""
        try:
            return resolve_path(reference, relative_to, self.base_of(relative_to))
        except PathRefused as refused:
            self.problems.append(Problem(refused.message, place, refused.hint, "path-refused"))
            return None

    def base_of(self, path: str) -> str:
        """Return the folder that references in a file are relative to."""
        if self._places is None:
            self._places = self._tree.places
        return self._places.base(path)

    def bytes_of(self, path: str, place: Place, noun: str) -> bytes | None:
        """Return the file's bytes; None, and a problem at `place`, if it cannot be read."""
        if path not in self.paths and len(self.paths) >= MAX_FILES:
            if not any(problem.code == "too-many-files" for problem in self.problems[-1:]):
                message = f"the prompt pulls in more than {MAX_FILES} files"
                self.problems.append(Problem(message, place, "split the prompt", "too-many-files"))
            return None
        self.paths[path] = None
        try:
            data = self._tree.read(path)
            self._bytes += len(data)
            return data
        except FileNotFoundError:
            self.problems.append(
                Problem(f"there is no {noun} {path}", place, self._hint(path, noun), f"missing-{noun}")
            )
        except WorkspaceError as error:
            self.problems.append(Problem(error.message, place, error.hint, "unreadable"))
        return None

    @property
    def is_full_of_schemas(self) -> bool:
        """True after `takes_schema` returned False."""
        return self._bundled > MAX_SCHEMAS

    def takes_schema(self, bundle: Any, place: Place) -> bool:
        """Return True if there is room for a bundle of schemas; the first time there is not, a problem is added."""
        self._bundles += 1
        if self._bundles * self._bytes <= MAX_SCHEMAS:  # none is larger than the files that it is made of
            return True
        self._bundled += len(canonical_json(bundle))
        if self.is_full_of_schemas:
            message = f"the prompt pulls in schemas of more than {MAX_SCHEMAS >> 20} MiB in all"
            self.problems.append(Problem(message, place, "split the prompt", "too-large"))
        return not self.is_full_of_schemas

    def made(self, use: str, path: str, data: bytes, make: Callable[[], _Made]) -> _Made:
        """Return what `make` makes of the file's bytes, from the cache if they are still the same."""
        cache = self._partials if use == "partial" else self._cache
        if cache is None:
            return make()
        print_ = hashlib.sha1(data, usedforsecurity=False).digest()
        kept = cache.get((use, path))
        if kept is not None and kept[0] == print_:
            found: _Made = kept[1]
            return found
        made = make()
        cache[use, path] = (print_, made)
        return made

    def document(self, path: str, place: Place, noun: str) -> Document | None:
        """Return the YAML or JSON document at `path`; None, and the first time the problems, if there is none."""
        if path not in self._documents:
            self._documents[path] = self._read_document(path, place, noun)
        return self._documents[path]

    def _read_document(self, path: str, place: Place, noun: str) -> Document | None:
        data = self.bytes_of(path, place, noun)
        if data is None:
            return None
        found = self.made("document", path, data, lambda: _document_or_problems(data, path))
        if isinstance(found, Document):
            return found
        self.problems += found
        return None

    def _hint(self, path: str, noun: str) -> str:
        base = self.base_of(path)
        if self.is_for_people:
            ending = path[path.rfind(".") :]
            known = [other.removeprefix(base + "/") for other in prompt_files(self._tree) if other.endswith(ending)]
            if meant := did_you_mean(path.removeprefix(base + "/"), known):
                return meant
        return f"paths are relative to {base}/, or with a leading ./ to the file; write the {noun}, or mend the path"


def _document_or_problems(data: bytes, path: str) -> Document | tuple[Problem, ...]:
    try:
        return read_yaml(data, path)
    except InvalidFiles as error:
        return error.problems
