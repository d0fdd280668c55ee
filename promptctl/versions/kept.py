"""Refs that a process which lives on has resolved, kept until what they were resolved from was changed."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from promptctl.errors import GitError, LabelRefused, RevisionNotFound, WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.tree import file_stamp
from promptctl.git import commands
from promptctl.git.ref_stamps import RefStamps, Stamp, are_settled
from promptctl.labels.chains import LabelTags, read_events
from promptctl.labels.tags import LabelEvent, LabelName, parse_name
from promptctl.versions.former_ids import earlier_ids

if TYPE_CHECKING:
    from promptctl.versions.moment import Moment
    from promptctl.versions.prompt_at_version import PromptAtVersion, Ref

# A workspace whose refs come from outside shall not fill the memory.
_MOST = 1000
_SHORTEST_S = 0.02
_RETRY_S = 1.0
_CLOSING_S = 1.0
_FORK_S = 5.0
# A ref that nobody asks for any more does not recover.
_FORGOTTEN_S = 60.0
_NEVER = -1.0, 0, RevisionNotFound("")
# Revisions that depend on references alone: none by a date, a log of a reference or words of a message.
_PLAIN = re.compile(r"[\w./-]+(?:[~^]\d*)*")


class Resolves(Protocol):
    """The parts of a workspace, as they resolve refs."""

    root: Path

    def fresh(self) -> Self:
        """Return the same parts, which see files and references as they are now."""

    def resolve(self, ref: str) -> PromptAtVersion:
        """Return the prompt that a ref names now."""

    def now(self) -> Moment:
        """Return the moment that these parts see the repository at."""

    def warn(self, words: str) -> None:
        """Tell what a user should know."""

    def leave_repository(self) -> None:
        """Leave the repository that was opened to a parent process; the next use opens it again."""


@dataclass(frozen=True, slots=True)
class KeptRef:
    """A ref as it was resolved: by which files and references, and how often this process had changed any.

    One that is `watched` is taken as it is, for a thread looks after it. `stamps` are None if a change may be missing
    in them. `label` is the label that it was resolved by, with the ids that its prompt had until then.
    """

    found: PromptAtVersion
    is_watched: bool
    paths: tuple[str, ...]
    stamps: tuple[Stamp, ...] | None
    changes: int
    label: LabelName | None = None
    is_locked: bool = False


_KEPT: weakref.WeakValueDictionary[int, KeptRefs] = weakref.WeakValueDictionary()


class KeptRefs:
    """Refs of one workspace, each resolved once; threads, tasks and forked children may share them.

    A label and a number are looked after by a thread, which sees within `refresh_s` what was changed; whoever asks for
    one waits for no file and no process. For a ref to the work tree, and for other revisions, the stamps of the files
    that it was resolved from are compared each time. What cannot be resolved any more, for the repository cannot be
    read, stays as it was last; what the repository refuses is refused.
    """

    def __init__(self, context: Callable[[], Resolves | None], root: Path, refresh_s: float) -> None:
        self._context = context
        self._root = root
        self._period_s = max(refresh_s / 2, _SHORTEST_S)
        self._refs = RefStamps(root)
        self._kept: dict[str, KeptRef] = {}
        self._failed: dict[str, float] = {}
        self._refused: dict[str, tuple[float, int, WorkspaceError]] = {}
        self._told: set[str] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._checking = threading.RLock()
        _KEPT[id(self)] = self

    def get(self, ref: str, context: Resolves) -> PromptAtVersion:
        """Return the prompt that a ref names. Raises what `context.resolve` raises for one that was never resolved."""
        kept = self._current(ref)
        if kept is not None:
            return kept.found
        with self._lock:
            kept = self._current(ref)
            if kept is not None:
                return kept.found
            until, changes, error = self._refused.get(ref, _NEVER) if isinstance(ref, str) else _NEVER
            if time.monotonic() < until and changes == commands.changes_made:
                raise copy(error).with_traceback(None)
            return self._resolved(ref, context)

    def check(self) -> None:
        """Resolve again what is watched and was changed, and compile its templates."""
        context = self._context()
        if context is None:
            return
        with self._checking:
            refs = self._refs.now()
            fresh = context.fresh()
            for ref, kept in list(self._kept.items()):
                if kept.is_watched and kept.stamps != (*refs, *map(file_stamp, kept.paths)):
                    with suppress(WorkspaceError, OSError):  # raised again where it is asked for
                        self._resolved(ref, fresh).make_ready()

    def close(self) -> None:
        """End the thread; the next use starts a new one."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._ended.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSING_S)

    def _current(self, ref: str) -> KeptRef | None:
        kept = self._kept.get(ref) if isinstance(ref, str) else None
        if kept is None:
            return None
        if self._failed and time.monotonic() < self._failed.get(ref, 0.0):
            return kept
        if kept.is_watched and kept.changes != commands.changes_made:
            return None
        if kept.is_watched and self._thread is not None:
            return kept
        if kept.stamps is None or kept.stamps != self._stamps(kept):
            return None
        if kept.is_watched:  # in a child of a fork, or after a close, nobody looks after it
            with self._lock:
                self._start()
        return kept

    def _stamps(self, kept: KeptRef) -> tuple[Stamp, ...]:
        return (*self._refs.now(), *map(file_stamp, kept.paths))

    def _resolved(self, ref: str, context: Resolves) -> PromptAtVersion:
        """Resolve a ref now and keep it; if the repository is gone, return what was kept."""
        began_ns, changes = time.time_ns(), commands.changes_made
        old = self._kept.get(ref) if isinstance(ref, str) else None
        try:
            found = context.resolve(ref)
        except (WorkspaceError, OSError) as error:
            if old is None or not self._cannot_know(error, old, context):
                self._kept.pop(ref, None)
                if isinstance(error, RevisionNotFound):  # such as an arm whose label nobody has set yet
                    self._refused = self._refused if len(self._refused) < _MOST else {}
                    again = time.monotonic() + min(self._period_s, _RETRY_S)
                    self._refused[ref] = again, changes, copy(error)  # whose traceback holds the whole moment
                raise
            self._tell(error, ref, old, context)
            return old.found
        self._recovered(ref)
        if old is not None and (old.found.version, old.found.prompt) == (found.version, found.prompt):
            found = old.found  # which has its templates compiled
        self._keep(ref, found, context, began_ns, changes)
        return found

    def _keep(self, ref: str, found: PromptAtVersion, context: Resolves, began_ns: int, changes: int) -> None:
        at = found.ref
        is_watched = found.version.label is not None or at.number is not None
        if not is_watched and at.at is not None and _PLAIN.fullmatch(at.at) is None:
            return
        self._refs.now()
        label = _label_of(at, context)
        paths = (*self._files(found), *self._tags(at, label))
        is_locked = str(at) in context.now().taken_from_lock
        kept = KeptRef(found, is_watched, paths, None, changes, label, is_locked)
        stamps = self._stamps(kept)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[ref] = replace(kept, stamps=stamps) if are_settled(stamps, began_ns) else kept
        if is_watched:
            self._start()

    def _files(self, found: PromptAtVersion) -> Iterable[str]:
        """Return the files of the work tree and the folders on the way: what is added beside a file may count too."""
        files = found.prompt.closure if found.ref.at is None else (found.prompt.path,)  # whose marks hold for all
        ways = dict.fromkeys(way for file in files for way in (Path(file), *Path(file).parents))
        settings = () if found.ref.at is not None else (SETTINGS,)  # which says where prompts are
        return [str(self._root / way) for way in (*ways, *settings)]

    def _tags(self, ref: Ref, label: LabelName | None) -> Iterable[str]:
        """Return the folders of the tags that a ref depends on, also those that a label had under earlier ids."""
        if ref.at is None or ref.number is not None:
            return ()
        names = ["refs/tags", str(Path("refs/tags", ref.at).parent), *(label.chains if label is not None else ())]
        return [self._refs.path(name) for name in dict.fromkeys(names)]

    def _cannot_know(self, error: Exception, old: KeptRef, context: Resolves) -> bool:
        """Return True if the repository, Git or the tags cannot be read; False if they can, and refuse the ref."""
        if old.found.ref.at is None:
            is_bare = (self._root / "HEAD").exists()
            is_here = is_bare or (self._root / SETTINGS).exists()
            return not is_here or (isinstance(error, (GitError, OSError)) and not isinstance(error, RevisionNotFound))
        try:
            context.now().git.refs("refs/heads/")
            events = _events(old, context)
        except (WorkspaceError, OSError):
            return True
        if isinstance(error, LabelRefused) or (events and not events[-1].is_live):
            return False
        if isinstance(error, RevisionNotFound):  # tags that are not there any more say nothing
            return old.found.version.label is not None and not (events or old.is_locked)
        return isinstance(error, (GitError, OSError))

    def _tell(self, error: Exception, ref: str, old: KeptRef, context: Resolves) -> None:
        """Warn of a failure once, until what failed can be resolved again."""
        self._failed[ref] = time.monotonic() + min(self._period_s, _RETRY_S)
        why = error.message if isinstance(error, WorkspaceError) else str(error)
        if not self._root.is_dir():
            why = f"the folder {self._root} is gone"
        if why not in self._told:
            self._told.add(why)
            was = f"{ref} at {old.found.version.display}"
            context.warn(f"{why}; calls go on with what was resolved before, such as {was}")

    def _recovered(self, ref: str) -> None:
        self._failed.pop(ref, None)
        latest = time.monotonic() - _FORGOTTEN_S
        if all(failed < latest for failed in self._failed.values()):
            self._told.clear()

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._ended = threading.Event()
        weakref.finalize(self, self._ended.set).atexit = False
        waits = weakref.ref(self), self._ended, self._period_s
        self._thread = threading.Thread(target=_watch, args=waits, name="promptctl-refs", daemon=True)
        self._thread.start()


def _stand_still() -> None:
    """Fork between two checks, whose locks would be held for ever in the child."""
    for kept in _all_kept():
        kept._checking.acquire(timeout=_FORK_S)


def _go_on() -> None:
    for kept in _all_kept():
        with suppress(RuntimeError):  # it took longer, and the lock is the thread's
            kept._checking.release()


def _begin_in_child() -> None:
    """Leave the child without the thread; Git's processes are the parent's."""
    for kept in _all_kept():
        kept._thread, kept._lock, kept._checking = None, threading.RLock(), threading.RLock()
        if (context := kept._context()) is not None:
            context.leave_repository()


def _all_kept() -> list[KeptRefs]:
    return [kept for each in _KEPT.valuerefs() if (kept := each()) is not None]


os.register_at_fork(before=_stand_still, after_in_parent=_go_on, after_in_child=_begin_in_child)


def _watch(kept: weakref.ref[KeptRefs], ended: threading.Event, period_s: float) -> None:
    while not ended.wait(period_s):
        found = kept()
        if found is None:
            return
        try:
            found.check()
        except Exception:
            logging.getLogger("promptctl").exception("the refs that are kept could not be looked after")
        del found


def _label_of(ref: Ref, context: Resolves) -> LabelName | None:
    if ref.label is None:
        return None
    earlier: tuple[str, ...] = ()
    with suppress(WorkspaceError, OSError):
        earlier = earlier_ids(context.now(), ref.prompt)
    return LabelName(ref.prompt, ref.label, earlier)


def _events(old: KeptRef, context: Resolves) -> list[LabelEvent]:
    """Return what can be read of a label, whoever is trusted; of the newest id under which there is anything."""
    if old.label is None or old.found.version.label is None:
        return []
    now = _label_of(old.found.ref, context)
    formerly = dict.fromkeys((*(now.formerly if now is not None else ()), *old.label.formerly))
    label = replace(old.label, formerly=tuple(formerly))
    moment = context.now()
    tags = LabelTags.read(moment.git, moment.label_trust, label)
    for chain in label.chains:
        refs = tags.chains.get(chain, {}) | {
            name.n: ref for ref in tags.strays if (name := parse_name(ref.name)) is not None and name.chain == chain
        }
        if refs:
            found = read_events(moment.git, [refs[n] for n in sorted(refs)])
            return [event for event in found if isinstance(event, LabelEvent)]
    return []
