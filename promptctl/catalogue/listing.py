"""The prompts of a workspace that a person looks for, with their versions and labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from promptctl.errors import InvalidFiles, PromptNotFound
from promptctl.files.names import did_you_mean, nearest
from promptctl.files.tree import Tree, prompt_files
from promptctl.files.wording import version_keys
from promptctl.prompts.loading import LoadedPrompts, prompt_paths, two_files
from promptctl.versions.former_ids import check_label, live_labels

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.labels.chains import LabelState
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.overview import PromptNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFilter:
    """A filter for prompts; all that is given must hold.

    All of `tags` must be there. `search` is looked for in id, name, description and tags, in any case. `label`
    must be live. `model` may be a glob, and is the workspace's default for a prompt without one; `provider` is the
    part before the model's first slash. `uses` is a partial, schema or tool file that the prompt pulls in.
    """

    tags: Sequence[str] = ()
    search: str | None = None
    label: str | None = None
    status: str | None = None
    model: str | None = None
    provider: str | None = None
    uses: str | None = None

    def admits(self, found: PromptSummary) -> bool:
        """Return True for a prompt that the filter means; `uses` is not looked at."""
        prompt = found.prompt
        if self.label is not None and self.label not in {state.label for state in found.labels}:
            return False
        if self.search is not None and not _is_found(self.search, found):
            return False
        if prompt is None:
            return not (self.tags or self.status or self.model or self.provider)
        return (
            set(self.tags) <= set(prompt.tags)
            and self.status in (None, prompt.status)
            and (self.model is None or fnmatchcase(found.model or "", self.model))
            and self.provider in (None, found.provider)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSummary:
    """One prompt of the work tree, or the problem of its file.

    `version` is None outside Git. `labels` are the live ones, by name. `model` is what would run: the prompt's own or
    the workspace's default. `vendored_from` is the name and the ref of the repository that it was taken from, as the
    lock has them; None for one of this workspace's own.
    """

    id: str
    path: str
    prompt: Prompt | None = None
    error: InvalidFiles | None = None
    model: str | None = None
    version: PromptNumber | None = None
    labels: tuple[LabelState, ...] = ()
    vendored_from: str | None = None

    @property
    def provider(self) -> str | None:
        """The part of the model before its first slash."""
        return self.model.partition("/")[0] if self.model else None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        prompt, version = self.prompt, self.version
        return {
            "prompt": self.id,
            "name": prompt.name if prompt else None,
            "description": prompt.description if prompt else None,
            "path": self.path,
            "status": prompt.status if prompt else None,
            "successor": prompt.successor if prompt else None,
            "tags": list(prompt.tags) if prompt else [],
            "model": self.model,
            "provider": self.provider,
            "version": version.number if version else None,
            "version_display": version.display if version else "unversioned",
            "dirty": version.is_dirty if version else None,
            "labels": {state.label: version_keys(state.version) for state in self.labels},
            "vendored_from": self.vendored_from,
            "error_message": str(self.error) if self.error else None,
        }


def warned_of_sparse_checkout(parts: Context) -> Context:
    """Return the parts as of now; warn of prompts that are not checked out, as what looks at all does not see them."""
    from promptctl.git.trees import left_out

    tree = parts.repository.work_tree
    if words := left_out(tree, tree.places.id, "prompt"):
        parts.warn(words)
    return parts.fresh()


def list_prompts(
    parts: Context, wanted: PromptFilter | None = None, files: Sequence[str] | None = None
) -> list[PromptSummary]:
    """Return the work tree's prompts that the filter means, sorted by id.

    `files` are all in the tree's places of prompts, if they are known. Raises `RevisionNotFound` for a label that no
    prompt ever had, and `PromptNotFound` if `uses` names nothing that is there or that any prompt looks for.
    """
    wanted = wanted or PromptFilter()
    tree = parts.repository.work_tree
    files = prompt_files(tree) if files is None else files
    paths = prompt_paths(tree, files)
    if wanted.uses is not None:
        users = _users(parts, wanted.uses, paths.values())
        paths = {id_: path for id_, path in paths.items() if path in users}
    moment = parts.now()
    numbers = parts.repository.numbers(moment) if paths else {}
    live = live_labels(moment, parts.warn) if paths else {}
    names, places, loaded = set(files), tree.places, parts.kept(LoadedPrompts)
    summaries = []
    for id_, path in paths.items():
        prompt, error = _load(loaded, tree, id_, path, names.intersection(places.paths_of(id_)))
        summary = PromptSummary(
            id=id_,
            path=path,
            prompt=prompt,
            error=error,
            model=(prompt.model or parts.settings.model) if prompt else None,
            version=numbers.get(id_),
            labels=tuple(live.get(id_, ())),
        )
        if wanted.admits(summary):
            summaries.append(summary)
    if wanted.label is not None and not summaries:
        check_label(moment, wanted.label)
    return summaries


def suggestions(parts: Context, wanted: PromptFilter) -> Iterator[tuple[str, str]]:
    """Yield (field, value) for each field of a filter that means no prompt, with the value that may have been meant."""
    everything = list_prompts(parts)
    known: dict[str, set[str]] = {
        "tag": {tag for each in everything if each.prompt for tag in each.prompt.tags},
        "model": {each.model for each in everything if each.model},
        "provider": {each.provider for each in everything if each.provider},
    }
    asked = {"tag": wanted.tags, "model": (wanted.model,), "provider": (wanted.provider,)}
    for name, values in asked.items():
        for value in values:
            if value is not None and value not in known[name]:
                yield from ((name, meant) for meant in nearest(value, sorted(known[name]))[:1])


def _load(
    loaded: LoadedPrompts, tree: Tree, id_: str, path: str, others: Iterable[str]
) -> tuple[Prompt | None, InvalidFiles | None]:
    other = next((each for each in others if each != path), None)
    try:
        if other is not None:
            raise InvalidFiles([two_files(path, other, id_)])
        return loaded.load(tree, path), None
    except InvalidFiles as error:
        return None, error


def _is_found(text: str, found: PromptSummary) -> bool:
    prompt = found.prompt
    texts = [found.id, *((prompt.name, prompt.description, *prompt.tags) if prompt else ())]
    return any(text.casefold() in each.casefold() for each in texts)


def _users(parts: Context, uses: str, paths: Collection[str]) -> set[str]:
    """Return the prompt files that pull a file in, or look for it in vain."""
    from promptctl.catalogue.shared_files import closures_of, find_shared, known_files

    tree = parts.repository.work_tree
    closures = closures_of(tree, paths, parts.kept(LoadedPrompts))
    file = find_shared(parts, uses, closures)
    if file is None:
        folders = [f"{folder}/" for folder in tree.places.folders]
        below = sorted(_below(path, folders) for path in known_files(tree, closures))
        raise PromptNotFound(
            f"--uses {uses}: there is no such file in {tree.places.words}, and no prompt looks for one",
            hint=did_you_mean(_below(uses, folders), below) or "name a partial, a schema or a file of tools",
        )
    users = {path for path, closure in closures.items() if file in closure.paths[1:]}
    for path, closure in closures.items():
        if closure.digest is None and path not in users:
            parts.warn(f"{path} has errors: whether it uses {file} is not known for sure")
    return users


def _below(path: str, folders: Iterable[str]) -> str:
    return next((path.removeprefix(folder) for folder in folders if path.startswith(folder)), path)
