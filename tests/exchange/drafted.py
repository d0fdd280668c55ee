"""Foreign files read from memory, and their drafts as files of a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.exchange.drafts import DatasetDraft, ForeignContents, PromptDraft, Source
from promptctl.exchange.written import DatasetToWrite, PromptToWrite
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.loading import load_prompt
from promptctl.versions.prompt_at_version import PromptAtVersion


def source(path: str, files: Mapping[str, str | bytes] | str) -> Source:
    """A foreign file among others, or alone."""
    given = {path: files} if isinstance(files, str) else files
    tree = MemoryTree(given)
    return Source(path, tree.read(path), tree)


def files_of(contents: ForeignContents) -> dict[str, str]:
    """The drafts as files; a wish is taken as the id."""
    prompts = {f"prompts/{each.wish}.prompt.yaml": yaml_text(each.data) for each in contents.prompts}
    datasets = {f"datasets/{each.wish}.yaml": yaml_text(each.data) for each in contents.datasets}
    return {**prompts, **datasets, **{f"prompts/{each.path}": each.text for each in contents.files}}


def to_write(prompt_id: str, files: Mapping[str, str]) -> PromptToWrite:
    """A prompt of such files, ready for an export, with the datasets that test it."""
    tree = MemoryTree(files)
    prompt = load_prompt(tree, prompt_id)
    document = read_yaml(tree.read(prompt.path), prompt.path)
    datasets = [
        DatasetToWrite(path, found.data, found)
        for path in tree.paths("datasets")
        if prompt_id in (found := read_yaml(tree.read(path), path)).data.get("prompts", ())
    ]
    at = PromptAtVersion(None, prompt, None, tree)  # type: ignore[arg-type]  # no export asks for ref or number
    return PromptToWrite(at, document.data, document, tuple(datasets))


def notes_of(contents: ForeignContents) -> list[tuple[str, str, int | None]]:
    """Fate, part and line of each note."""
    return [(each.fate, each.part, each.place.line if each.place else None) for each in contents.notes]


def only_prompt(contents: ForeignContents) -> Mapping[str, Any]:
    """The keys of its only prompt."""
    (draft,) = contents.prompts
    assert isinstance(draft, PromptDraft)
    return draft.data


def only_dataset(contents: ForeignContents) -> Mapping[str, Any]:
    """The keys of its only dataset."""
    (draft,) = contents.datasets
    assert isinstance(draft, DatasetDraft)
    return draft.data
