"""Files that a config names: by wildcards, within the folder that is imported; and which of them are programs."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase

from promptctl.errors import WorkspaceError
from promptctl.exchange.drafts import Source

# What a config may name in place of a file, by how it begins.
NEVER_READ = {
    "http://": "is an address; nothing is ever fetched",
    "https://": "is an address; nothing is ever fetched",
    "package:": "is code of a package, which is not run here",
    "exec:": "is a program, which is not run here",
}
_WILD = "*?["
_CODE = re.compile(r"\.(?:[mc]?[jt]s|py|sh|bash|rb|pl|exe|ps1|php|go)(?::\w+)?\Z")
_MOST_FILES = 10_000


def is_code(path: str) -> bool:
    """Return True for a file that promptfoo would run, also with the name of a function behind it: `gen.py:make`."""
    return _CODE.search(path) is not None


def matching(source: Source, path: str, line: int | None = None) -> list[Source]:
    """Return the files that a path names from a file on, sorted. Raises `InvalidFiles` if there is none."""
    if not any(sign in path for sign in _WILD):
        return [source.beside(path, line)]
    pattern = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), path))
    if pattern.startswith(("/", "../")) or path.startswith("/"):
        raise source.refuse(f"`{path}` does not lie in the folder that is imported", line, "import the folder above")
    segments = pattern.split("/")
    plain = next(index for index, each in enumerate(segments) if any(sign in each for sign in _WILD))
    try:
        found = sorted(each for each in source.tree.paths("/".join(segments[:plain])) if is_match(each, pattern))
    except (OSError, WorkspaceError):
        found = []
    if not found or len(found) > _MOST_FILES:
        few = f"no file is named as `{path}`" if not found else f"`{path}` names more than {_MOST_FILES:,} files"
        raise source.refuse(few, line, "put them there, or name them one by one", "no-file")
    start = posixpath.dirname(source.path)
    return [source.beside(posixpath.relpath(each, start or "."), line) for each in found]


def is_match(path: str, pattern: str) -> bool:
    """Return True for a path that a pattern names: `*` within a name, `**` over any number of folders.

    >>> is_match("a/b/c.txt", "a/**/*.txt"), is_match("a/c.txt", "a/**/*.txt"), is_match("a/b/c.txt", "a/*.txt")
    (True, True, False)
    """
    names, wanted = path.split("/"), pattern.split("/")
    # The positions in the pattern that the names so far can have led to.
    reached = _past_any({0}, wanted)
    for name in names:
        ahead = {at if wanted[at] == "**" else at + 1 for at in reached if at < len(wanted) and _fits(name, wanted[at])}
        reached = _past_any(ahead, wanted)
    return len(wanted) in reached


def _fits(name: str, pattern: str) -> bool:
    return pattern == "**" or fnmatchcase(name, pattern)


def _past_any(reached: set[int], wanted: list[str]) -> set[int]:
    found = set(reached)
    for at in sorted(reached):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            found.add(at)
    return found
