"""Stamps of files and of a repository's references: they differ once something was changed, and cost no process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from promptctl.files.tree import FileStamp, file_stamp
from promptctl.git.repository import git_folder, shared_git_folder

Stamp = FileStamp | None
# A file that is written twice within one tick of the file system's clock has one stamp for both.
_SETTLED_NS = 100_000_000
_FILES = ("packed-refs", "config", "shallow", "reftable/tables.list")
_BRANCHES = ("refs/heads", "refs/remotes")


def are_settled(stamps: Iterable[Stamp], now_ns: int | None = None) -> bool:
    """Return True if no change before `now_ns`, by default now, can be missing in the stamps."""
    latest_ns = (time.time_ns() if now_ns is None else now_ns) - _SETTLED_NS
    return all(each is None or each[0] < latest_ns for each in stamps)


class RefStamps:
    """The references around a folder, as stamps of Git's files: Git renames a file into place for every change.

    Those are of HEAD and of branches, which say what version a prompt has. Of tags each ref has a few of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._entries = [f"{place}/.git" for place in (self._folder, *self._folder.parents)]
        self._repository: tuple[list[Stamp], str | None, list[str]] | None = None
        self._listed: dict[str, tuple[Stamp, list[str]]] = {}

    def now(self) -> tuple[Stamp, ...]:
        """Return the stamps."""
        found = [_identity(path) for path in self._entries]
        if self._repository is None or self._repository[0] != found:
            self._repository = (list(found), *self._look())
        _, shared, files = self._repository
        if shared is not None:
            found += map(file_stamp, files)
            for name in _BRANCHES:
                self._add_folders(f"{shared}/{name}", found)
        return tuple(found)

    def path(self, name: str) -> str:
        """Return the path at which Git keeps references that begin so, if it keeps them apart from all others."""
        shared = self._repository[1] if self._repository is not None else None
        return f"{shared or self._folder}/{name}"

    def _add_folders(self, top: str, found: list[Stamp]) -> None:
        """Add the stamps of a folder and of every folder below it, which are listed anew once it was changed."""
        now = file_stamp(top)
        found.append(now)
        listed = self._listed.get(top)
        if listed is None or listed[0] != now:
            try:
                with os.scandir(top) as entries:
                    listed = now, [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                return
            if are_settled([now]):
                self._listed[top] = listed
        for path in listed[1]:
            self._add_folders(path, found)

    def _look(self) -> tuple[str | None, list[str]]:
        """Return the folder that all work trees share and the files to look at; None and none outside Git."""
        try:
            shared, own = shared_git_folder(self._folder), git_folder(self._folder)
        except OSError:
            shared = None
        if shared is None:
            return None, []
        return str(shared[0]), [f"{own or self._folder}/HEAD", *(f"{shared[0]}/{name}" for name in _FILES)]


def _identity(path: str) -> Stamp:
    """Return what differs once a different file or folder is at a path, whatever becomes of what is in it."""
    try:
        return 0, 0, os.lstat(path).st_ino
    except OSError:
        return None
