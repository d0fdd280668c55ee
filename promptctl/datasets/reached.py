"""Files that a changed file may reach, found by searching the texts of others for its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from promptctl.errors import WorkspaceError
from promptctl.files.names import DATASETS, ROW_SUFFIXES, is_dataset, is_human_labels, is_prompt_file, is_recording
from promptctl.files.tree import Tree, prompt_files

# A text in which a path may be written so that its letters do not stand in it: an escape, a name made of several.
_ESCAPE = re.compile(rb"\\[xuUN0-7\r\n]")
_INCLUDE = re.compile(rb"\{%[-+]?\s*include\b")
_PLAIN_INCLUDE = re.compile(rb"""\{%[-+]?\s*include\s+(?:"[^"\\]*"|'[^'\\]*')\s*(?=[-+]?%\}|with|without|ignore)""")


def prompts_reached(tree: Tree, changed: Iterable[str]) -> set[str]:
    """Return the prompt files of a tree that may pull in one of these shared files, directly or through another.

    None that does is missing; one that only mentions a file of that name may be among them.
    """
    shared = set(changed)
    if not shared:
        return set()
    texts = _texts(tree, prompt_files(tree))
    reached: set[str] = set()
    names = set(shared)
    while names:
        pattern = naming_pattern(names)
        found = {path for path, text in texts.items() if path not in reached and may_name(text, pattern)}
        reached |= found
        names = {path for path in found if not is_prompt_file(path) and path not in shared}
    return {path for path in reached if is_prompt_file(path)}


def datasets_reached(tree: Tree, changed: Iterable[str]) -> set[str]:
    """Return the dataset files of a tree that may name one of these files below `datasets/`."""
    names = set(changed)
    if not names:
        return set()
    files = [path for path in tree.paths(DATASETS) if not (is_recording(path) or is_human_labels(path))]
    texts = _texts(tree, files, ROW_SUFFIXES)
    # A file of rows may name an image or another file that changed; so may one that is too large for a text.
    pattern = naming_pattern(names)
    rows = (path for path in files if path.endswith(ROW_SUFFIXES))
    names |= {path for path in rows if path not in texts or may_name(texts[path], pattern)}
    pattern = naming_pattern(names)
    return {path for path, text in texts.items() if is_dataset(path) and may_name(text, pattern)}


def _texts(tree: Tree, paths: Iterable[str], more: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return those of the files that are ours and can be read."""
    texts: dict[str, bytes] = {}
    for path in paths:
        if path.endswith((".yaml", ".yml", ".json", ".j2", *more)):
            with suppress(WorkspaceError, OSError):
                texts[path] = tree.read(path)
    return texts


def naming_pattern(paths: Iterable[str]) -> re.Pattern[bytes]:
    """Return what finds the last part of any of these paths or ids in a text, also with escaped quotation marks.

    It is not found at the beginning of a longer name.
    """
    names = {path.rpartition("/")[2] for path in paths}
    written = {form for name in names for form in (name, name.replace("'", "''"), name.replace('"', '\\"'))}
    forms = b"|".join(re.escape(form.encode("utf-8", "surrogateescape")) for form in sorted(written))
    return re.compile(b"(?:%b)(?![A-Za-z0-9_])" % forms)


def may_name(text: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Return True if the text names what the pattern finds, or may name it in letters that are not in the text."""
    if pattern.search(text) or _ESCAPE.search(text):
        return True
    return len(_INCLUDE.findall(text)) != len(_PLAIN_INCLUDE.findall(text))
