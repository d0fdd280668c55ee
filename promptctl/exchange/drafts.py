"""Prompts, datasets and files beside them as an import finds them, before they have their paths in a workspace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.notes import ImportNote

# Passes any reply that says something: what a case has for which nothing is known that decides it.
NOT_BLANK: Mapping[str, Any] = {"type": "regex", "value": r"\S"}
LONGEST_CASE_ID = 190


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A version's place in the history that a registry kept: when it was made, by whom, why, and its labels there."""

    number: int
    created_at: datetime | None = None
    author: str | None = None
    message: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptDraft:
    """A prompt to be written: `data` are the keys of a native prompt file, in any order.

    `wish` is the id that its name or path asks for, such as `Support Triage`: the import makes an id of it. Includes
    and `$ref` in `data` name a `FileDraft` by its `path`. `registry` is set if the source holds several versions of it.
    `is_judge` is true for one that assertions of the same source ask: an id that is asked for is not for it.
    """

    wish: str
    data: Mapping[str, Any]
    place: Place | None = None
    registry: RegistryVersion | None = None
    is_judge: bool = False


@dataclass(frozen=True, slots=True)
class DatasetDraft:
    """A dataset to be written: `data` are the keys of a dataset file.

    `prompts` in it names `PromptDraft`s by their `wish`; the import puts their ids in place.
    """

    wish: str
    data: Mapping[str, Any]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A partial, a schema or a tool to be written below `prompts/`, at `path` if nothing else has it."""

    path: str
    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ForeignContents:
    """Everything that one foreign file holds, and what became of each of its parts."""

    prompts: tuple[PromptDraft, ...] = ()
    datasets: tuple[DatasetDraft, ...] = ()
    files: tuple[FileDraft, ...] = ()
    notes: tuple[ImportNote, ...] = ()


def with_texts(value: Any, change: Callable[[str], str], skipped: Collection[str] = ()) -> Any:
    """Return a value in which every text is changed, except what stands under the keys that are `skipped`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each if key in skipped else with_texts(each, change, skipped) for key, each in value.items()}
    return [with_texts(each, change, skipped) for each in value] if isinstance(value, list | tuple) else value
