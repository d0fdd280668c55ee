"""The digests of prompts at many moments of history, with as little reading and loading as can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from promptctl.errors import WorkspaceError
from promptctl.files.names import DEFAULT_PLACES, SETTINGS, PromptPlaces
from promptctl.files.sources import Cache
from promptctl.files.tree import MAX_BYTES, places_in
from promptctl.git.objects import Objects
from promptctl.git.repository import Git
from promptctl.git.trees import check_content
from promptctl.git.walk import ParentedCommit, Step, walk

_TEXT_SUFFIXES = (".yaml", ".yml", ".json", ".j2")


@dataclass(frozen=True, slots=True)
class Digested:
    """One prompt as it was loaded from some files.

    `digest` is None if the file is unsound or names something that is not there. `asked` holds every path that
    loading asked for, there or not: as long as none of them changes, all of this stays the same.
    """

    digest: str | None
    asked: frozenset[str]
    formerly: tuple[str, ...] = ()


def walk_prompts(
    git: Git, commits: Sequence[ParentedCommit], places: PromptPlaces = DEFAULT_PLACES
) -> tuple[list[Step], dict[str, PromptPlaces]]:
    """Return the commits that changed something where prompts are, or the settings, in the order given.

    The mapping holds the places of each commit that changed its settings; `places` are those before the first. A
    commit's files are those of all places that any of them has.
    """
    steps = list(walk(git, commits, *places.pathspecs, SETTINGS))
    settings = {step.commit: change.after for step in steps for change in step.changes if change.path == SETTINGS}
    blobs = {blob for blob in settings.values() if blob is not None}
    found = zip(blobs, git.objects.read_all(blobs, max_bytes=MAX_BYTES), strict=True)
    known = {blob: places_in(item.data) for blob, item in found if item is not None and item.data is not None}
    then = {commit: known.get(blob or "", DEFAULT_PLACES) for commit, blob in settings.items()}
    together = reduce(or_, then.values(), places)
    if together != places:
        steps = list(walk(git, commits, *together.pathspecs, SETTINGS))
    return steps, then


class Closures:
    """Loads prompts from sets of files given as path to blob id, and remembers what it loaded."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._contents: dict[str, bytes | None] = {}
        self._parsed: Cache = {}
        self._known: dict[tuple[PromptPlaces, str, *tuple[str, ...]], list[tuple[dict[str, str | None], Digested]]] = {}

    def digested(self, prompt_id: str, files: Mapping[str, str], places: PromptPlaces) -> Digested:
        """Load this prompt from these files, of a tree with these places; one of its paths is among them."""
        paths = [path for path in places.paths_of(prompt_id) if path in files]
        known = self._known.setdefault((places, prompt_id, *(files[path] for path in paths)), [])
        for blobs, digested in known:
            if all(files.get(path) == blob for path, blob in blobs.items()):
                return digested
        digested = self._load(_Files(files, paths, self, places), paths)
        known.append(({path: files.get(path) for path in digested.asked}, digested))
        return digested

    def read_ahead(self, blobs: Iterable[tuple[str, str]]) -> None:
        """Read the contents of these files, given as path and blob id, in one go."""
        wanted = {blob for path, blob in blobs if path.endswith(_TEXT_SUFFIXES) and blob not in self._contents}
        found = self._objects.read_all(wanted, max_bytes=MAX_BYTES)
        self._contents.update((blob, item.data if item else None) for blob, item in zip(wanted, found, strict=True))

    def forget_contents(self, *, but: Iterable[str]) -> None:
        """Let go of every file's content except those of these blobs."""
        kept = set(but)
        self._contents = {blob: data for blob, data in self._contents.items() if blob in kept}

    def content(self, blob: str, files: Mapping[str, str]) -> bytes | None:
        """Return a blob's bytes; None if it is larger than a text of ours may be.

        `files` are those it is one of: a partial clone that has to fetch it fetches them all.
        """
        if blob not in self._contents:
            found = self._objects.read(
                blob,
                max_bytes=MAX_BYTES,
                ahead=lambda: [other for path, other in files.items() if path.endswith(_TEXT_SUFFIXES)],
            )
            self._contents[blob] = found.data if found else None
        return self._contents[blob]

    def _load(self, tree: _Files, paths: list[str]) -> Digested:
        from promptctl.prompts.loading import closure_of

        if len(paths) > 1:  # two files of one id are an error
            return Digested(None, frozenset(tree.asked))
        found = closure_of(tree, paths[0], cache=self._parsed)
        return Digested(found.digest, frozenset(tree.asked), found.formerly)


class _Files:
    """A `Tree` for loading one prompt: it sees no other prompt, and notes what it is asked for."""

    commit = None

    def __init__(
        self, files: Mapping[str, str], prompt_paths: list[str], closures: Closures, places: PromptPlaces
    ) -> None:
        self._files = files
        self._prompt_paths = prompt_paths
        self._closures = closures
        self.places = places
        self.asked: set[str] = set(prompt_paths)

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        self.asked.add(path)
        if path not in self._files:
            raise FileNotFoundError(path)
        data = self._closures.content(self._files[path], self._files)
        if data is None or len(data) > max_bytes:
            raise WorkspaceError(f"{path} is too large")
        return check_content(path, data)

    def paths(self, prefix: str) -> list[str]:
        return [path for path in self._prompt_paths if path.startswith(prefix.rstrip("/") + "/")]
