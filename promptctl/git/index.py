"""The work tree as Git's index has it: what a sparse checkout leaves out, what is ignored, what is clean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from promptctl.git.repository import Git

_LEFT_OUT = "S"
_STAT = re.compile(r"([^\0]+)\0  ctime: .*\n  mtime: (\d+):(\d+)\n  dev: .*\n  uid: .*\n  size: (\d+)\t.*\n")


def left_out(folder: Path) -> dict[str, str]:
    """Return the blob id of each file below a folder that a sparse checkout left out, by its path from the folder."""
    git = Git.open(folder)
    if git is None:
        return {}
    try:
        entries = _entries(git)
    finally:
        git.close()
    return {path: id_ for path, (tag, id_) in entries.items() if tag == _LEFT_OUT and not (folder / path).exists()}


def as_stored(git: Git, plain: Mapping[str, str]) -> dict[str, str]:
    """Return the blob ids that Git would store files under, given those of their bytes; paths are from Git's folder.

    A file whose bytes are not those of the index may be clean all the same: line ends, LFS and other filters change
    what is checked out. Git is asked for these alone. Files that a sparse checkout left out are there.

    Filters of the user's configuration are run. Those of the repository's own are not: whoever made it chose them.
    Where it has any, a file is what the index has if it was not written since Git did.
    """
    entries = _entries(git)
    stored = {path: id_ for path, (tag, id_) in entries.items() if tag == _LEFT_OUT} | dict(plain)
    differ = [
        path for path, id_ in plain.items() if id_ and entries.get(path, ("", id_))[1] != id_ and "\n" not in path
    ]
    filters = _filters_of_repository(git) if differ else set()
    if filters:
        unwritten = _unwritten(git, differ)
        stored |= {path: entries[path][1] for path in unwritten}
        differ = [path for path in differ if path not in unwritten]
    if differ and not any("=" in name for name in filters):  # `-c` could not switch off one with such a name
        off = [f"filter.{name}.{key}" for name in sorted(filters) for key in ("clean=", "process=", "required=false")]
        options = [part for setting in off for part in ("-c", setting)]
        # From the top: there paths mean the same to Git's attributes and to its reading of files.
        lines = "".join(f"{git.prefix}{path}\n" for path in differ).encode("utf-8", "surrogateescape")
        hashed = git.run(["-C", str(git.root), *options, "hash-object", "--stdin-paths"], input=lines, check=False)
        if hashed.status == 0:
            stored |= dict(zip(differ, hashed.lines(), strict=True))
    return stored


def ignored(git: Git, pathspecs: Iterable[str]) -> set[str]:
    """Return the files at `pathspecs` of Git's own folder that Git ignores, and that are not in its index."""
    args = ["ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", *pathspecs]
    found = git.run(args, has_globs=any(each.startswith(":") for each in args)).stdout
    return {path for path in found.decode("utf-8", "surrogateescape").split("\0") if path}


def _filters_of_repository(git: Git) -> set[str]:
    """Return the names of the filters that the repository's own configuration says anything of."""
    settings = git.run(
        ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."], check=False
    ).stdout
    fields = settings.decode("utf-8", "surrogateescape").split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return {key.split(".", 1)[1].rpartition(".")[0] for scope, key in pairs if scope not in ("system", "global")}


def _unwritten(git: Git, paths: Iterable[str]) -> set[str]:
    """Return the files whose time and size are those of the index."""
    listed = git.run(["ls-files", "--debug", "-z"], check=False).stdout.decode("utf-8", "surrogateescape")
    known = {path: tuple(map(int, numbers)) for path, *numbers in _STAT.findall(listed)}
    found = set()
    for path in known.keys() & set(paths):
        with suppress(OSError):
            stat = (git.folder / path).stat()
            if known[path] == (*divmod(stat.st_mtime_ns, 1_000_000_000), stat.st_size):
                found.add(path)
    return found


def _entries(git: Git) -> dict[str, tuple[str, str]]:
    """Return the index's tag and blob id of each regular file below Git's folder, by path."""
    lines = git.run(["ls-files", "-s", "-t", "-z"], check=False).stdout.decode("utf-8", "surrogateescape").split("\0")
    fields = ((*about.split(" "), path) for about, _, path in (line.partition("\t") for line in lines) if path)
    return {path: (tag, id_) for tag, mode, id_, stage, path in fields if mode.startswith("100") and stage == "0"}
