"""Three texts merged into one, as Git merges them: no repository is read, and no driver of one is run."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import GitError
from promptctl.git.commands import Commands

_MARK = 60  # signs in a row, so that no line of a text is taken for one of the merge
_MOST_CONFLICTS = 127


@dataclass(frozen=True, slots=True)
class Merge:
    """The result of a merge, and the lines of our text, from 1, at which each conflict begins."""

    data: bytes
    conflicts: tuple[int, ...] = ()


def merge_texts(ours: bytes, base: bytes, theirs: bytes) -> Merge:
    """Merge what two sides made of a text. Line ends are ours; a file that is no text is one conflict."""
    has_crlf = b"\r\n" in ours
    sides = [side.replace(b"\r\n", b"\n") for side in (ours, base, theirs)]
    with tempfile.TemporaryDirectory(prefix="promptctl-merge-") as folder:
        files = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for file, side in zip(files, sides, strict=True):
            file.write_bytes(side)
        names = [file.name for file in files]
        output = Commands(Path(folder)).run(["merge-file", "-p", f"--marker-size={_MARK}", *names], check=False)
    if output.status > _MOST_CONFLICTS:
        if b"\0" in b"".join(sides):
            return Merge(ours, (1,))
        raise GitError(f"Git cannot merge this: {output.stderr.strip()}")
    if output.status:
        return Merge(ours, tuple(_conflicts(output.stdout)))
    return Merge(output.stdout.replace(b"\n", b"\r\n") if has_crlf else output.stdout)


def _conflicts(merged: bytes) -> list[int]:
    """Return the line of our text at which each conflict begins."""
    found: list[int] = []
    line, is_theirs = 1, False
    for each in merged.split(b"\n"):
        mark = each[:1] if each[:_MARK] == each[:1] * _MARK else b""
        if mark == b"<":
            found.append(line)
        elif mark in (b"=", b">"):
            is_theirs = mark == b"="
        elif not is_theirs:
            line += 1
    return found
