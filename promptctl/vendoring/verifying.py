"""Prompts of other repositories compared with the lock: by the files here, and by what their repositories give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from promptctl.context import Context
from promptctl.errors import InvalidFiles, Place, Problem, PromptNotFound
from promptctl.files.names import LOCK
from promptctl.files.plain import record_data
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt
from promptctl.vendoring.library import TAG, Library, Revision, find_revision, rewritten
from promptctl.vendoring.lock import Sources, Vendored, read_sources, sha256
from promptctl.vendoring.moving import without_former_ids
from promptctl.vendoring.originals import asking_source, files_of
from promptctl.vendoring.placing import here_now, prompts_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCheck:
    """The result of a comparison: how many files of how many sources were compared, and what differs."""

    sources: int
    files: int
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self)


def verify(parts: Context, *, asks_remote: bool = False) -> LockCheck:
    """Return where files of other repositories are not what the lock says; nothing is asked of any of them.

    If it `asks_remote`, each commit is fetched again, and the lock is compared with it. Raises `InvalidFiles` for a
    lock that cannot be read, and `GitError` for a repository that cannot be asked.
    """
    tree = parts.work_tree_for("a comparison with the lock")
    sources = read_sources(tree)
    problems = [each for name, source in sources.items() for each in _differing(tree, name, source)]
    if asks_remote:
        problems += _remote(parts, tree, sources)
    files = sum(len(each.files) for each in sources.values())
    return LockCheck(sources=len(sources), files=files, problems=tuple(problems))


def _differing(tree: WorkTree, name: str, source: Vendored) -> Iterator[Problem]:
    is_whole = True
    for path, locked_file in source.files.items():
        data, place = here_now(tree, path), Place(path)
        is_same = data is not None and sha256(without_former_ids(data, path)) == locked_file.sha256
        is_whole = is_whole and is_same
        if data is None:
            hint = f"promptctl update {name} --theirs, or git restore {path}"
            yield Problem(f"the file of {name} is missing", place, hint, "vendored-missing")
        elif not is_same:
            hint = "promptctl update keeps the edits; git log shows who made them"
            yield Problem(f"the file of {name} was edited here", place, hint, "vendored-edited")
    if not is_whole:
        return
    for id_, locked in source.prompts.items():
        try:
            digest = load_prompt(tree, id_).digest
        except (PromptNotFound, InvalidFiles) as error:
            yield Problem(f"`{id_}` cannot be loaded: {error.message}", error.place, error.hint, "vendored-broken")
            continue
        if digest != locked.digest:
            message = f"`{id_}` has digest {digest[:14]}…, and {locked.digest[:14]}… by the lock"
            yield Problem(message, source.place or Place(LOCK), "git restore promptctl.lock.yaml", "lock-differs")


def _remote(parts: Context, tree: WorkTree, sources: Sources) -> Iterator[Problem]:
    """Yield where the lock differs from the commits that it names."""
    for name, source in sources.items():
        with asking_source(parts, source) as outside:
            library = Library(outside, source.url, Revision(source.ref, None, source.commit))
            place = source.place or Place(LOCK)
            if source.name is not None and source.name.startswith(TAG):
                now = find_revision(outside, source.ref)
                if now.is_tag and now.commit != source.commit:
                    error = rewritten(name, source, now.commit)
                    yield Problem(error.message, place, error.hint, "tag-rewritten")
            for path, locked in source.files.items():
                if library.blob(locked.source) != locked.blob:
                    message = f"{locked.source} of {source.url} at {source.commit[:12]} is not the file that is locked"
                    yield Problem(message, place, f"{path} is what was made of it", "lock-differs")
            for path, data in files_of(library, source, prompts_folder(tree)):
                locked = source.files[path]
                if library.blob(locked.source) == locked.blob and sha256(data) != locked.sha256:
                    message = f"{path} is locked with different bytes than would be written now"
                    yield Problem(message, place, f"promptctl remove {name}, and add it again", "lock-differs")
