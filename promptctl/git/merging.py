"""Three texts merged into one, as Git merges them: no repository is read, and no driver of one is run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from promptctl.errors import GitError
from promptctl.files.writing import temporary_folder
from promptctl.git.commands import Commands

_RULER = re.compile(rb"^(?:<+|=+|>+)", re.M)
_MOST_CONFLICTS = 127


@dataclass(slots=True)
class MergeConflict:
    """A stretch that both sides changed: the line of our text, from 1, at which it begins, and the lines of each."""

    line: int
    ours: list[bytes] = field(default_factory=list)
    theirs: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Merge:
    """The result of a merge; our text if there are conflicts."""

    data: bytes
    conflicts: tuple[MergeConflict, ...] = ()


def merge_texts(ours: bytes, base: bytes, theirs: bytes) -> Merge:
    """Merge what two sides made of a text. Line ends are ours; a file that is no text is one conflict."""
    has_crlf = b"\r\n" in ours
    sides = [side.replace(b"\r\n", b"\n") for side in (ours, base, theirs)]
    with temporary_folder("merge") as folder:
        files = [folder / name for name in ("ours", "base", "theirs")]
        for file, side in zip(files, sides, strict=True):
            file.write_bytes(side)
        names = [file.name for file in files]
        # Longer than any row of signs in the texts, so that no line of them is taken for one of the merge.
        size = 1 + max((len(row[0]) for side in sides for row in _RULER.finditer(side)), default=6)
        output = Commands(folder).run(["merge-file", "-p", f"--marker-size={size}", *names], check=False)
    if output.status > _MOST_CONFLICTS:
        if b"\0" in b"".join(sides):
            return Merge(ours, (MergeConflict(1),))
        raise GitError(f"Git cannot merge this: {output.stderr.strip()}")
    if output.status:
        return Merge(ours, tuple(_conflicts(output.stdout, size)))
    return Merge(output.stdout.replace(b"\n", b"\r\n") if has_crlf else output.stdout)


def _conflicts(merged: bytes, size: int) -> list[MergeConflict]:
    # Lines of a merge, and whose text follows them.
    marks = {b"<" * size + b" ours": "ours", b"=" * size: "theirs", b">" * size + b" theirs": ""}
    found: list[MergeConflict] = []
    line, side = 1, ""
    for each in merged.split(b"\n"):
        if each in marks:
            side = marks[each]
            found += [MergeConflict(line)] if side == "ours" else []
        elif side == "theirs":
            found[-1].theirs.append(each)
        else:
            line += 1
            if side == "ours":
                found[-1].ours.append(each)
    return found
