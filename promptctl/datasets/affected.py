"""Which prompts and datasets the changed files reach, found in the text of the others before any of them is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from promptctl.errors import WorkspaceError
from promptctl.files.names import DATASETS, PROMPTS, is_dataset, is_recording, prompt_stem
from promptctl.files.tree import Tree

# A text in which a path may be written so that its letters do not stand in it: an escape, a name made of several.
_ESCAPE = re.compile(rb"\\[xuUN0-7\r\n]")
_INCLUDE = re.compile(rb"\{%[-+]?\s*include\b")
_PLAIN_INCLUDE = re.compile(rb"""\{%[-+]?\s*include\s+(?:"[^"\\]*"|'[^'\\]*')\s*(?=[-+]?%\}|with|without|ignore)""")


def prompts_reached(tree: Tree, changed: Iterable[str]) -> set[str]:
    """The prompt files of a tree that may pull in one of these shared files, directly or through another.

    None that does is missing; one that only mentions a file of that name may be among them.
    """
    shared = set(changed)
    if not shared:
        return set()
    texts = _texts(tree, PROMPTS)
    reached: set[str] = set()
    names = {_base(path) for path in shared}
    while names:
        pattern = _pattern(names)
        found = {path for path, text in texts.items() if path not in reached and _may_name(text, pattern)}
        reached |= found
        names = {_base(path) for path in found if prompt_stem(path) is None and path not in shared}
    return {path for path in reached if prompt_stem(path) is not None}


def datasets_reached(tree: Tree, changed: Iterable[str]) -> set[str]:
    """The dataset files of a tree that may name one of these files below `datasets/`."""
    names = {_base(path) for path in changed}
    if not names:
        return set()
    pattern = _pattern(names)
    return {path for path, text in _texts(tree, DATASETS).items() if is_dataset(path) and _may_name(text, pattern)}


def datasets_testing(tree: Tree, prompts: Iterable[str]) -> dict[str, list[str]]:
    """For each of these prompts the datasets that name it, sorted; a dataset whose header is wrong is left out."""
    from promptctl.datasets.dataset import Dataset

    wanted = sorted(set(prompts))
    found: dict[str, list[str]] = {id_: [] for id_ in wanted}
    if not wanted:
        return found
    pattern = _pattern({_base(id_) for id_ in wanted})
    for path, text in _texts(tree, DATASETS).items():
        if not is_dataset(path) or not _may_name(text, pattern):
            continue
        with suppress(WorkspaceError):
            for id_ in Dataset.open(tree, path, is_read_only=True).header.prompts:
                if id_ in found and path not in found[id_]:
                    found[id_].append(path)
    return found


def _texts(tree: Tree, folder: str) -> dict[str, bytes]:
    """The files of ours below a folder that can be read, sorted by path."""
    texts: dict[str, bytes] = {}
    for path in tree.paths(folder):
        if path.endswith((".yaml", ".yml", ".json", ".j2")) and not is_recording(path):
            with suppress(WorkspaceError, OSError):
                texts[path] = tree.read(path)
    return texts


def _pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    """What finds any of the names in a text; quotation marks in them may be written twice, or behind a backslash."""
    written = {form for name in names for form in (name, name.replace("'", "''"), name.replace('"', '\\"'))}
    return re.compile(b"|".join(re.escape(form.encode("utf-8", "surrogateescape")) for form in sorted(written)))


def _may_name(text: bytes, pattern: re.Pattern[bytes]) -> bool:
    if pattern.search(text) or _ESCAPE.search(text):
        return True
    return len(_INCLUDE.findall(text)) != len(_PLAIN_INCLUDE.findall(text))


def _base(path: str) -> str:
    return path.rpartition("/")[2]
