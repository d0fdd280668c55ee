"""Erases calls from the log of a workspace, and from the files that stand beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from promptctl.context import Context
from promptctl.errors import UsageError
from promptctl.files.names import HUMAN_LABELS
from promptctl.log.evidence import Erased, Erasure, Note
from promptctl.log.needle import Needle

_SHORTEST = 3
_CACHE = ("cache.db", "cache.db-wal", "cache.db-shm")


def redact(context: Context, meant: Erasure, note: Note, *, is_dry_run: bool) -> Erased:
    """Erase in the log, then in the reply cache; name the files that still hold what was erased, or may hold it.

    The cache is dropped whole if it holds the text, or if results of an evaluation were erased: that costs money, and
    never an answer.
    """
    given = [each for each in (meant.text, meant.user, meant.session, meant.execution) if each is not None]
    if len(given) != 1 or not given[0].strip():
        raise UsageError("say what is erased: the calls with one text, or of one user, session or execution")
    if meant.text is not None and len(meant.text.strip()) < _SHORTEST:
        raise UsageError(
            f"`{meant.text}` is too short: it would be erased in the middle of words",
            hint=f"give at least {_SHORTEST} characters, or choose by --user, --session or --execution",
        )
    needle = None if meant.execution is not None else Needle(given[0])
    erased = context.log.redact(meant, note, is_dry_run=is_dry_run)
    folder = context.state_folder
    has_cached = meant.text is not None and any(_holds(folder / name, needle) for name in _CACHE)
    if has_cached or erased.evaluated:
        erased = replace(erased, is_cache_dropped=(folder / _CACHE[0]).exists())
        for name in () if is_dry_run else _CACHE:
            (folder / name).unlink(missing_ok=True)
    return replace(erased, left=[_shown(context, path) for path in _left(context, needle)])


def _left(context: Context, needle: Needle | None) -> Iterator[Path]:
    """Yield files of the workspace that hold the text and are not ours to change, and all that cannot be read."""
    folder = context.state_folder
    yield from sorted([*folder.glob("log.damaged-*.db"), *folder.glob("earlier-*/*.db"), *folder.glob("unsaved/*")])
    labels = (context.root / HUMAN_LABELS).rglob("*.jsonl")
    for path in [*sorted(context.recordings_folder.glob("*.jsonl")), *sorted(labels)]:
        if _holds(path, needle):
            yield path


def _holds(path: Path, needle: Needle | None) -> bool:
    try:
        return needle is not None and needle.is_in(path.read_bytes().decode("utf-8", "replace"))
    except OSError:
        return False


def _shown(context: Context, path: Path) -> str:
    return str(path.relative_to(context.root)) if path.is_relative_to(context.root) else str(path)
