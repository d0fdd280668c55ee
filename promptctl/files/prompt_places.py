"""`prompt_paths` of `promptctl.yaml`: the places of prompts, as one tree says them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.files.names import (
    DATASETS,
    DEFAULT_PLACES,
    PROMPT_SUFFIXES,
    SETTINGS,
    STATE_FOLDER,
    PromptPlaces,
    id_problem,
)
from promptctl.files.yaml_reader import read_yaml

KEY = "prompt_paths"
MOST = 20
_FOLDER = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*\Z")
_NOT_OURS = (".git", STATE_FOLDER)


def read_places(data: bytes) -> PromptPlaces:
    """Return the places that the bytes of a `promptctl.yaml` name; `prompts/` if they cannot be read or are wrong.

    Whoever reads the settings reports what is wrong with them.
    """
    try:
        document = read_yaml(data, SETTINGS)
    except InvalidFiles:
        return DEFAULT_PLACES
    listed = document.data.get(KEY) if isinstance(document.data, dict) else None
    if not isinstance(listed, list):
        return DEFAULT_PLACES
    given = [
        document.written(KEY, index) or entry for index, entry in enumerate(listed)
    ]  # a folder may be named `2024`
    if not given or next(problems_in(given), None):
        return DEFAULT_PLACES
    tops = {f"*{suffix}": suffix for suffix in PROMPT_SUFFIXES}
    given = list(map(_plain, given))
    folders = tuple(each for each in given if each not in tops)
    return PromptPlaces(folders, tuple(tops[each] for each in given if each in tops))


def problems_in(given: Sequence[Any]) -> Iterator[tuple[int, str, str]]:
    """Yield each entry that can be no place of prompts: its index, what is wrong with it, and what to write."""
    if len(given) > MOST:
        yield MOST, f"`{KEY}` names more than {MOST} places", "name the folder that holds them"
        return
    seen: list[str] = []
    for index, entry in enumerate(given):
        found = _problem(entry, seen)
        if found is not None:
            yield index, *found
        else:
            seen.append(_plain(entry))


def line_for(paths: Iterable[str], places: PromptPlaces = DEFAULT_PLACES) -> str | None:
    """Return the line of `promptctl.yaml` that brings prompts at these paths to those at `places`; None if none can.

    >>> line_for([".github/prompts/triage.prompt.yml", "hello.prompt.yml"])
    'prompt_paths: [prompts, .github/prompts, "*.prompt.yml"]'
    """
    entries = [*places.folders, *(f"*{suffix}" for suffix in places.top)]
    for path in paths:
        folder, is_below, name = path.rpartition("/")
        suffix = next(each for each in PROMPT_SUFFIXES if name.endswith(each))
        if id_problem(name.removesuffix(suffix)) is not None:
            continue
        entry = folder if is_below else f"*{suffix}"
        # A folder around others takes their place: it is searched at any depth.
        around = [other for other in entries if not other.startswith(f"{entry}/")]
        if _problem(entry, around) is None:
            entries = [*around, entry]
    if len(entries) > MOST or entries == list(places.folders):
        return None
    return f"{KEY}: [{', '.join(json.dumps(each) if each.startswith('*') else each for each in entries)}]"


def _plain(entry: str) -> str:
    return entry.removeprefix("./").rstrip("/")


def _problem(entry: Any, earlier: Sequence[str]) -> tuple[str, str] | None:
    if not isinstance(entry, str):
        return f"an entry of `{KEY}` is a folder, as a text", "write `.github/prompts`"
    folder = _plain(entry)
    if folder in [f"*{suffix}" for suffix in PROMPT_SUFFIXES]:
        return (f"`{entry}` is named twice", "remove one") if folder in earlier else None
    if "*" in entry or entry.endswith(PROMPT_SUFFIXES):
        around = folder.partition("*")[0].rpartition("/")[0] if "*" in folder else ""
        hint = 'name the folder; prompts at the top are `"*.prompt.yml"` and `"*.prompt.yaml"`'
        hint = f"write `{around}`: a folder is searched at any depth" if _FOLDER.match(around) else hint
        return f"`{entry}` is no folder: its files are not chosen by their names", hint
    segments = folder.split("/")
    if not _FOLDER.match(folder) or ".." in segments or "." in segments:
        hint = 'name a folder below promptctl.yaml, such as `.github/prompts`; at the top it is `"*.prompt.yml"`'
        return f"`{entry}` can be no folder of prompts", hint
    if segments[0] == DATASETS or any(segment.casefold() in _NOT_OURS for segment in segments):
        return f"`{entry}` holds other files than prompts", "move the prompts, and name their folder"
    for other in earlier:
        if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
            twice = "is named twice" if other == folder else f"and `{other}` lie in each other"
            return f"`{entry}` {twice}", "keep one of them: folders are searched at any depth"
    return None
