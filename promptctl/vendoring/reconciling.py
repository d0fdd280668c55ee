"""A source's files as they are, as they were and as they were edited here, brought together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptctl.errors import Place, Problem, printable
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.git.merging import merge_texts
from promptctl.git.trees import WorkTree
from promptctl.vendoring.lock import Vendored, sha256
from promptctl.vendoring.placing import Placed, here_now

Side = Literal["ours", "theirs"]
_MOST_SHOWN = 8
_HOW = "keep the edits here with --ours, take the library's file with --theirs, or edit the file as it is there first"


@dataclass(slots=True)
class Reconciled:
    """Files as they are to be, by path, where they change. `edits` are the local ones that stay, as changes of theirs.

    `conflicts` are places that both sides changed.
    """

    after: dict[str, bytes | None] = field(default_factory=dict)
    edits: list[FileEdit] = field(default_factory=list)
    conflicts: list[Problem] = field(default_factory=list)

    @property
    def edits_diff(self) -> str:
        """The local edits that stay, as a patch of what the library has."""
        return Proposal(tuple(self.edits)).diff()


def edited_here(tree: WorkTree, source: Vendored) -> dict[str, bytes | None]:
    """Return the files of a source that are not what the lock says, with their bytes; None for one that is gone."""
    found = {path: here_now(tree, path) for path in source.files}
    return {path: data for path, data in found.items() if data is None or sha256(data) != source.files[path].sha256}


def reconcile(
    tree: WorkTree, before: Vendored, placed: Placed, base_of: Callable[[], Mapping[str, bytes]], side: Side | None
) -> Reconciled:
    """Merge a source's new files with what is here. `base_of` returns its old ones, and is called if they are needed.

    With a `side`, that one is taken wherever both changed a file; theirs at the same commit drops all edits.
    """
    found = Reconciled()
    is_restored = side == "theirs" and placed.source.commit == before.commit
    edited = edited_here(tree, before)
    for path in sorted({*before.files, *placed.files}):
        theirs = placed.files.get(path)
        if path not in edited:
            if theirs is None or path not in before.files or sha256(theirs) != before.files[path].sha256:
                found.after[path] = theirs
            continue
        ours = edited[path]
        if theirs is not None and sha256(theirs) == before.files[path].sha256 and not is_restored:
            result = ours  # only this side changed it
        elif ours == theirs or side == "theirs":
            result = theirs
        elif side == "ours":
            result = ours
        elif ours is None or theirs is None:
            who = "deleted here, and changed there" if ours is None else "edited here, and deleted there"
            found.conflicts.append(Problem(f"it was {who}", Place(path), _HOW, "vendored-conflict"))
            continue
        else:
            merge = merge_texts(ours, base_of().get(path, b""), theirs)
            for each in merge.conflicts:
                hint = "\n".join([_HOW, *_shown("here", each.ours), *_shown("there", each.theirs)])
                place = Place(path, each.line)
                found.conflicts.append(Problem("both sides changed this", place, hint, "vendored-conflict"))
            result = merge.data
        if result != ours:
            found.after[path] = result
        if result != theirs:
            found.edits.append(FileEdit(path, theirs, result))
    return found


def _shown(where: str, lines: Sequence[bytes]) -> Iterator[str]:
    """Yield the lines of one side of a conflict, for people."""
    for each in lines[:_MOST_SHOWN] or [b"(deleted)"]:
        yield f"{where + ':':6} {printable(each.decode('utf-8', 'replace'))}"
    if len(lines) > _MOST_SHOWN:
        yield f"{where + ':':6} … {len(lines) - _MOST_SHOWN} more lines"
