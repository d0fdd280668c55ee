"""Moves the log and the caches of earlier versions out of `.promptctl/`, into Git's own folder, and loses no record."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from promptctl.errors import LogFailure, WorkspaceError, printable
from promptctl.files.names import LOG_FILE, SENSITIVE_KEY, STATE_COMMITTED, STATE_FOLDER, STATE_NAMES, STATE_VARIABLE
from promptctl.git.repository import Git
from promptctl.log.sqlite.database import translated
from promptctl.log.sqlite.opening import (
    FOLDER_MODE,
    SIDE_FILES,
    connect,
    draft_of,
    folder_lock,
    show_at,
    sync_file,
    sync_folder,
)
from promptctl.log.stamps import new_id

_WAIT_S = 30.0
_WAIT_FOR_LOG_S = 5.0
_DATABASES = (LOG_FILE, "cache.db")


def refused(path: Path, why: str) -> WorkspaceError:
    """Return the error of what is in the place of state."""
    hint = f"remove it (git rm --cached too, if Git tracks it), or keep the log elsewhere: {STATE_VARIABLE}=FOLDER"
    return WorkspaceError(f"{path} {why}, and so no place for the log and the caches", hint=hint)


def refuse_link(link: Path, log: Path, own: Path) -> None:
    """Raise `WorkspaceError` for a link to a log that is not of a workspace in the same Git folder as `own`."""
    shared = own.parent.parent if own.parent.name == "at" else own
    if log.parent != shared and log.parent.parent != shared / "at":
        raise refused(link, "is a link")


def refuse_tracked(root: Path, folder: Path) -> None:
    """Raise `WorkspaceError` if a commit brings state in a folder of the workspace: its log and caches are not ours.

    Only `.gitignore` and `schemas/` may be tracked. On some file systems `.Promptctl/` is the same folder. A submodule
    is tracked by its own name alone, and stays where it is when a branch without it is checked out.
    """
    if (git := Git.open(root)) is None:
        return
    with closing(git):
        listed = git.run(["ls-files", "-z"]).stdout.decode("utf-8", "surrogateescape").split("\0")
    name = os.path.relpath(folder, git.folder)
    inside = f"{name}/".casefold()
    harmless = tuple(f"{name}/{each}".casefold() for each in STATE_COMMITTED)
    for path in listed:
        folded = path.casefold()
        if inside.startswith(f"{folded}/") or (folded.startswith(inside) and not folded.startswith(harmless)):
            raise WorkspaceError(
                f"{printable(path)} is committed: replies, verdicts and versions that a commit brings prove nothing",
                hint=f"git rm -r --cached {name}",
            )
    top = root.resolve()
    between = [each for each in (folder, *folder.parents) if each.is_relative_to(top) and each != top]
    for place in (*between, *(folder / each for each in sorted(STATE_NAMES))):
        if os.path.lexists(place / ".git"):
            raise WorkspaceError(
                f"{printable(os.path.relpath(place, top))} is a repository of its own, as a submodule is: replies, "
                "verdicts and versions that its commits bring prove nothing",
                hint=f"move it out of the workspace, or keep the log elsewhere: {STATE_VARIABLE}=FOLDER",
            )


def move_state(root: Path, old: Path, new: Path, warn: Callable[[str], None]) -> bool:
    """Move the state in `old` to `new`; False if it cannot be moved, and is to be used where it is.

    A process that has the log open finds after its next write that the path leads elsewhere, and writes again there.
    A process killed in between leaves two logs, of which the old one is then set aside. A log that is locked for long
    stays where it is for now. Raises `WorkspaceError` for state that Git tracks, and `LogFailure`.
    """
    refuse_tracked(root, old.resolve())
    if not os.access(old, os.W_OK):
        return False
    try:
        new.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError:
        return False
    if not os.access(new, os.W_OK):
        return False
    try:
        _move_all(root, old, new, warn)
    except LogFailure as failure:
        if failure.reason != "locked":
            raise
        warn(f"the log and the caches in {STATE_FOLDER}/ are not moved yet: {failure.message}")
        return (old / LOG_FILE).is_symlink()
    return True


def _move_all(root: Path, old: Path, new: Path, warn: Callable[[str], None]) -> None:
    with translated(old / LOG_FILE), folder_lock(new, _WAIT_S):
        for draft in new.glob("*.db.*.new*"):  # of a process that was killed right here
            draft.unlink(missing_ok=True)
        log = old / LOG_FILE
        if log.is_symlink() and log.resolve() != new / LOG_FILE:  # of a work tree or a workspace that was moved
            earlier = new.parent / log.readlink().parent.name
            log.unlink()
            show_at(log, new / LOG_FILE)
            if earlier != new and (earlier / LOG_FILE).exists():
                warn(f"the log of this workspace's earlier folder stays in {earlier}: PROMPTCTL_STATE={earlier}")
        names = sorted(name for name in STATE_NAMES if os.path.lexists(old / name) and not (old / name).is_symlink())
        if not names:  # another process was quicker
            return
        is_foreign = _is_known(root)
        is_free = not any((new / name).exists() for name in _DATABASES if name in names)
        place = new if is_free and not is_foreign else new / f"earlier-{new_id()}"
        place.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _move(old, place, names)
        show_at(log, new / LOG_FILE)
    if place == new:
        warn(f"the log and the caches in {STATE_FOLDER}/ were moved to {new}, where no checkout can replace them")
    else:
        why = "a commit had files in their place" if is_foreign else "there is a log already"
        warn(f"the log or caches in {STATE_FOLDER}/ are not used, as {why}; see them with PROMPTCTL_STATE={place}")


def _is_known(root: Path) -> bool:
    """Return True if a commit tracked state in `.promptctl/`, or a submodule: what is there may have come with it."""
    if (git := Git.open(root)) is None:
        return False
    paths = [f":(icase){STATE_FOLDER}", *(f":(exclude,icase){STATE_FOLDER}/{each}" for each in STATE_COMMITTED)]
    with closing(git):
        command = ["--no-literal-pathspecs", "rev-list", "--all", "--reflog", "--max-count=1", "--", *paths]
        found = git.run(command, check=False)
    return found.status != 0 or bool(found.text)


def _move(old: Path, place: Path, names: list[str]) -> None:
    if "index" in names:  # built anew
        shutil.rmtree(old / "index", ignore_errors=True)
    if "search.db" in names:
        (old / "search.db").unlink()
    for name in _DATABASES:
        if name in names:
            _move_database(old / name, place / name)
    kept = [*old.glob("unsaved/*"), *old.glob("log.damaged-*"), *old.glob(SENSITIVE_KEY)]
    for file in kept:
        target = place / file.relative_to(old)
        target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        shutil.move(file, target)
    with suppress(OSError):
        (old / "unsaved").rmdir()


def _move_database(source: Path, target: Path) -> None:
    """Copy a database with all that is written to it, put the copy in place, and remove the source."""
    try:
        with draft_of(target) as draft, closing(connect(source, _WAIT_FOR_LOG_S)) as holder:
            holder.execute("BEGIN IMMEDIATE")  # nobody writes until the source is gone
            with closing(connect(source, _WAIT_FOR_LOG_S)) as reader, closing(connect(draft, _WAIT_S)) as copy:
                reader.backup(copy)
            sync_file(draft)
            draft.rename(target)
            sync_folder(target.parent)
            source.unlink()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # damaged: whoever opens it next puts it aside
        for suffix in ("", *SIDE_FILES):
            if Path(f"{source}{suffix}").exists():
                shutil.move(f"{source}{suffix}", f"{target}{suffix}")
    for suffix in SIDE_FILES:
        Path(f"{source}{suffix}").unlink(missing_ok=True)
    sync_folder(source.parent)
