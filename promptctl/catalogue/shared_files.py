"""Files that prompts share: partials, schemas and tools, with who names them and who pulls them in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from promptctl.catalogue.copying import references_of, refs_of
from promptctl.context import Context
from promptctl.errors import InvalidFiles, PromptNotFound, UsageError, WorkspaceError
from promptctl.files.names import (
    PARTIAL_SUFFIX,
    PROMPT_SUFFIXES,
    SCHEMA_SUFFIXES,
    PathRefused,
    did_you_mean,
    resolve_path,
)
from promptctl.files.sources import Cache
from promptctl.files.tree import Tree, prompt_files
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.prompts.closure import decode_partial
from promptctl.prompts.loading import Closure, LoadedPrompts, closure_of, prompt_paths
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

_SHARED = (PARTIAL_SUFFIX, ".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A partial, a schema or a file of tools of the work tree.

    `users` are the prompts that pull it in, each with the files through which it does; none if it names it itself.
    `named` are the files that it names.
    """

    path: str
    text: str
    users: Mapping[str, tuple[str, ...]]
    named: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Its kind: `partial`, `schema` or `file`, as one of tools is."""
        if self.path.endswith(PARTIAL_SUFFIX):
            return "partial"
        return "schema" if self.path.endswith(SCHEMA_SUFFIXES) else "file"

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        users = [{"prompt": prompt, "through": through} for prompt, through in self.users.items()]
        return {"path": self.path, "kind": self.kind, "used_by": users, "uses": self.named, "text": self.text}


def is_shared(name: str) -> bool:
    """Return True for what can only name a shared file, not a prompt."""
    return name.endswith(_SHARED) and not name.endswith(PROMPT_SUFFIXES)


def shared_file(parts: Context, name: str) -> SharedFile:
    """Return a file that prompts share, by its path from here or from a place of prompts. Raises `PromptNotFound`."""
    tree = parts.repository.work_tree
    ids = {path: id_ for id_, path in prompt_paths(tree).items()}
    closures = closures_of(tree, ids, parts.kept(LoadedPrompts))
    path = find_shared(parts, name, closures)
    try:
        if path is None:
            raise FileNotFoundError(name)
        data = tree.read(path)
    except FileNotFoundError:
        looked_for = sorted(ids[user] for user, closure in closures.items() if path in closure.paths)
        why = f", which {', '.join(looked_for)} names" if looked_for else ""
        known = [each for each in prompt_files(tree) if each not in ids]
        hint = (
            did_you_mean(name, [*known, *(each.partition("/")[2] for each in known)])
            or f"name it by its path below {tree.places.words}"
        )
        raise PromptNotFound(f"there is no partial, schema or file of tools `{name}`{why}", hint=hint) from None
    named = parts.kept(_NamedFiles)
    holders = [each for each in prompt_files(tree) if path in named.of(tree, each)]
    users = {
        ids[user]: () if user in holders else tuple(each for each in holders if each in closure.paths)
        for user, closure in closures.items()
        if path in closure.paths[1:]
    }
    text = data.decode("utf-8", "replace")
    return SharedFile(path=path, text=text, users=dict(sorted(users.items())), named=tuple(named.of(tree, path)))


def closures_of(tree: Tree, paths: Collection[str], loaded: LoadedPrompts | None = None) -> dict[str, Closure]:
    """Return the closure of each of these prompt files; of one that is wrong, as far as it could be read."""
    cache: Cache = {}

    def closure(path: str) -> Closure:
        prompt = loaded.kept(tree, path) if loaded is not None else None
        return Closure(prompt.digest, prompt.closure) if prompt else closure_of(tree, path, cache=cache)

    return {path: closure(path) for path in paths}


def known_files(tree: Tree, closures: Mapping[str, Closure]) -> set[str]:
    """Return the files in places of prompts that are no prompts, and those that prompts look for."""
    known = {path for path in prompt_files(tree) if path not in closures}
    return known.union(*(closure.paths[1:] for closure in closures.values()))


def find_shared(parts: Context, name: str, closures: Mapping[str, Closure]) -> str | None:
    """Return the path of a file that is in a place of prompts, or that a prompt looks for; None if there is none."""
    tree = parts.repository.work_tree
    known = known_files(tree, closures)
    candidates = [*(f"{folder}/{name}" for folder in tree.places.folders), name.removeprefix("./")]
    with suppress(UsageError):  # a path relative to prompts/ need not lie in the current folder
        candidates.insert(0, parts.inside(name))
    return next((path for path in candidates if path in known), None)


def named_places(tree: Tree, path: str) -> Iterator[tuple[str, str, int]]:
    """Yield each reference of a file to another one, with the path that it means and its line; see `resolve_path`."""
    for reference, line in _references_in(tree, path):
        with suppress(PathRefused):
            yield reference, resolve_path(reference.partition("#")[0], path, tree.places.base(path)), line


class _NamedFiles:
    """The files that each file names itself, kept as long as it has the same bytes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, list[str]]] = {}

    def of(self, tree: Tree, path: str) -> list[str]:
        """Return them sorted; none for a file that cannot be read."""
        try:
            data = tree.read(path)
        except (WorkspaceError, OSError):
            return []
        kept = self._kept.get(path)
        if kept is None or kept[0] != data:
            kept = data, sorted({named for _, named, _ in named_places(tree, path)} - {path})
            self._kept[path] = kept
        return kept[1]


def _references_in(tree: Tree, path: str) -> Iterator[tuple[str, int]]:
    with suppress(WorkspaceError, OSError, BadTemplate):
        data = tree.read(path)
        if path.endswith(PARTIAL_SUFFIX):
            text = decode_partial(data, path)
            yield from includes(text) if isinstance(text, str) else ()
        elif b"$ref" in data or b"include" in data:
            with suppress(InvalidFiles):
                is_prompt = path.endswith(PROMPT_SUFFIXES)
                document = None if is_prompt else read_yaml(data, path)
                found = refs_of(document.data, document) if document else references_of(read_prompt_file(data, path))
                yield from ((reference, line) for reference, line in found if not reference.startswith("#"))
