"""Where files are read from: one commit, or the work tree. The seam between prompts and Git."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Tree(Protocol):
    """A read-only set of files, all of one moment. Paths are relative to the workspace's root, with `/`.

    Implementations: `promptctl.versions.trees.WorkTree` and `CommitTree`; `MemoryTree` for tests and checks of text.
    """

    @property
    def commit(self) -> str | None:
        """The full commit id read from; None for the work tree."""

    def read(self, path: str) -> bytes:
        """The file's bytes, as stored.

        Raises `FileNotFoundError` where there is no such file, and `WorkspaceError` where the path leaves the
        workspace (`..`, absolute, through a link), is not a regular file, or is too large to be one of ours.
        """

    def paths(self, prefix: str) -> Iterable[str]:
        """Every file below `prefix` (a folder such as `prompts`), sorted. Empty where there is no such folder."""


class MemoryTree:
    """A tree held in memory: path to text."""

    def __init__(self, files: dict[str, str | bytes], commit: str | None = None) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.commit = commit

    def read(self, path: str) -> bytes:
        """The file's bytes; `FileNotFoundError` where there is none."""
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def paths(self, prefix: str) -> list[str]:
        """Every file below `prefix`, sorted."""
        below = prefix.rstrip("/") + "/" if prefix else ""
        return sorted(path for path in self._files if path.startswith(below))
