"""The version of a prompt: commit, digest, number and the label asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one prompt, as it is shown and recorded.

    `commit` is None outside Git and in a repository with no commit. `is_dirty` says that the work tree's digest
    differs from the commit's (or that the commit has no such prompt). `number` is the ordinal on the default
    branch's first-parent line, None if there is none or it cannot be known. `display` is what people read:
    `v7 (3f2a9c1)`, `v7+2 (1b2c3d4)`, `v7+dirty`, `v?`, or `unversioned` outside Git.
    """

    digest: str
    commit: str | None = None
    is_dirty: bool = False
    number: int | None = None
    label: str | None = None
    display: str = "unversioned"
    note: str | None = None

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Return it JSON-able, with stable keys; the note is left out."""
        return {
            "version": self.number,
            "version_display": self.display,
            "commit": self.commit,
            "dirty": self.is_dirty,
            "digest": self.digest,
            "label": self.label,
        }
