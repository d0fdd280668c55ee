"""The parts of a workspace, each made on first use: settings, history, log, the way to the models."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.files.names import DRAFTS, LOG_FILE, RECORDINGS, SETTINGS, STATE_FOLDER, STATE_NAMES, STATE_VARIABLE
from promptctl.files.tree import Tree, file_stamp, path_inside

if TYPE_CHECKING:
    from threading import Thread

    from promptctl.formats.settings_file import Settings
    from promptctl.git.trees import WorkTree
    from promptctl.log.budgets import Settlement
    from promptctl.log.records import LogRecorder
    from promptctl.log.redaction import Redactor, Secret
    from promptctl.log.store import LogState, Store
    from promptctl.models.model_settings import Models
    from promptctl.models.router import Router
    from promptctl.telemetry.emitting import Emitter
    from promptctl.versions.kept import KeptRefs
    from promptctl.versions.moment import Moment
    from promptctl.versions.prompt_at_version import PromptAtVersion
    from promptctl.versions.repository import Repository

T = TypeVar("T")
_ERRAND_S = 3.0
_MOST_BEYOND = 50
# What forked children have of their parents: it is never closed there.
_INHERITED: list[Any] = []


class part(Generic[T]):  # noqa: N801 - used like `property`
    """A property that is made on first use, and is then the same for a context and for all that are `fresh` from it."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, context: Context, owner: type[Context]) -> T:
        parts = context._parts
        if self._name not in parts:
            parts.setdefault(self._name, self._make(context))
        made: T = parts[self._name]
        return made


class Context:
    """The parts of one workspace: what everything that is done with it is built from.

    Threads and tasks of one event loop may share it. `warn` gets what a user should know. What a command remembers of
    files and refs stays with its context, so each command takes a `fresh` one. Calls take one `for_call`, whose refs
    are kept; within `refresh_s` what was changed is seen, and with 0 nothing is kept.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        on_warning: Callable[[str], None],
        *,
        is_interactive: bool = False,
    ) -> None:
        self.root, self.environ = root, environ
        self._on_warning = on_warning
        self.is_interactive = is_interactive
        self.is_numbered = True
        self.most_beyond: int | None = None
        self.trusted_judges: Tree | None = None
        self.start, self.refresh_s, self._is_for_call = root, 0.0, False
        self.telemetry: Emitter | None = None
        # Threads beside the calls, and what executions spent of budgets until their records are written.
        self.errands: list[Thread] = []
        self.settlements: dict[str, Settlement] = {}
        self._base = weakref.ref(self)
        self._parts: dict[str, Any] = {}
        self._shared: dict[Any, Any] = {}

    def warn(self, words: str) -> None:
        """Tell what a user should know. Whoever raises at that loses no answer that was paid for."""
        try:
            self._on_warning(words)
        except Exception:
            import logging

            logging.getLogger("promptctl").exception("this warning was not taken: %s", words)

    def fresh(self) -> Self:
        """Return the same parts for one more command, without what earlier ones remember of files and refs."""
        other = copy.copy(self)
        other._shared = {}
        return other

    def for_call(self) -> Self:
        """Return the same parts for one more call, which takes refs as they are kept."""
        other = self.fresh()
        other._is_for_call = self.refresh_s > 0
        return other

    @part
    def is_bare(self) -> bool:
        """True if the workspace is that of a bare repository: files and settings are those of its default branch."""
        from promptctl.git.repository import is_bare_folder

        return is_bare_folder(self.root)

    @part
    def settings(self) -> Settings:
        """The content of `promptctl.yaml`."""
        from promptctl.formats.settings_file import read_settings
        from promptctl.git.trees import WorkTree

        if self.is_bare:
            return self.repository.settings_of_bare()
        stamp = file_stamp(self.root / SETTINGS)
        settings = read_settings(WorkTree(self.root).read(SETTINGS), SETTINGS)
        self._parts["settings_seen"] = stamp, settings
        return settings

    @property
    def settings_now(self) -> Settings:
        """The settings as the file has them now: a running process sees changed budgets, prices and log rules.

        A file that is wrong by then changes nothing, and a warning says so. Nor does one that is just being written,
        and so may be empty.
        """
        before, now = self._parts.get("settings_seen") or (None, self.settings)
        path = f"{self.root}/{SETTINGS}"
        stamp = before and file_stamp(path)
        if stamp in (None, before):
            return now
        from promptctl.formats.settings_file import read_settings

        try:
            data = Path(path).read_bytes()
            if not data or stamp != file_stamp(path):
                return now
            now = read_settings(data, SETTINGS)
        except (InvalidFiles, OSError) as error:
            self.warn(f"budgets, prices, experiments and log rules hold as before {SETTINGS} was changed: {error}")
        self._parts["settings_seen"] = stamp, now
        if self.has_made("redactor"):  # a variable that is named only now holds a secret too
            self.redactor.learn(self._secrets(now))
        return now

    @cached_property
    def state_folder(self) -> Path:
        """The folder of the log and the caches; made here if it can be made.

        It is in Git's own folder, which no checkout writes and all work trees of a repository share; outside Git it is
        `.promptctl/`. `PROMPTCTL_STATE` names a different one: no file of a branch chooses where we write. Raises
        `WorkspaceError` for a link on the way, for what is no file, and for state that Git tracks.
        """
        near, own = self.near_state_folder, self.own_state_folder
        if named := self.environ.get(STATE_VARIABLE, "").strip():
            folder = self.root / Path(named).expanduser()
            is_near = folder.resolve().is_relative_to(self.root.resolve())
            if state_names(folder) & STATE_NAMES and is_near and own != near:
                from promptctl.log.sqlite.moving import refuse_tracked

                refuse_tracked(self.root, folder.resolve())
            return _with_ignore(folder)
        left = state_names(near, own if own != near else None)
        _with_ignore(near)
        if own == near:
            return near
        if left & STATE_NAMES:
            from promptctl.log.sqlite.moving import move_state

            if not move_state(self.root, near, own, self.warn):
                return near
        state_names(own)
        with suppress(OSError):
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
        return own

    def inspect_log(self, folder: Path) -> LogState:
        """Look at the log in a folder of the state as it is, and change nothing. Raises `OSError`."""
        from promptctl.log.sqlite.inspection import inspect_log

        return inspect_log(folder / LOG_FILE, (self.own_state_folder / LOG_FILE, self.near_state_folder / LOG_FILE))

    @property
    def near_state_folder(self) -> Path:
        """The folder of the state in the workspace itself, in a bare repository `own_state_folder`."""
        return self.own_state_folder if self.is_bare else self.root / STATE_FOLDER

    @cached_property
    def own_state_folder(self) -> Path:
        """The folder of the state where `PROMPTCTL_STATE` names none."""
        from promptctl.git.repository import shared_git_folder

        found = shared_git_folder(self.root)
        if found is None:
            return self.root / STATE_FOLDER
        git, way = found
        # Below a name of its own: a workspace may be called as a part of the state is, such as `index`.
        return git / "promptctl" / "at" / way.replace("%", "%25").replace("/", "%2F") if way else git / "promptctl"

    @cached_property
    def recordings_folder(self) -> Path:
        """The folder of recorded replies: `replay/<model>` and `eval --replies replay` answer from it."""
        return self.root / RECORDINGS

    def at(
        self,
        tree: Tree,
        settings: Settings,
        trusted: Tree,
        recordings: Path | None = None,
        *,
        needs_keys: bool = True,
        is_numbered: bool = False,
    ) -> Self:
        """These parts with the datasets of another tree and with other settings; to be closed on its own.

        Judges are settings too: those that `trusted` has, or that ship, stand before those of `tree`. Nothing of
        `promptctl.yaml` as it stands on disk is read. Calls go to the same log. Versions are called by their commit,
        and with `is_numbered` by their number on the line of these settings; many commits beyond it, which may be a
        stranger's, are not walked for one. Without `needs_keys` nothing can be asked, and no key need be set.
        """
        other = type(self)(self.root, self.environ, self._on_warning)
        other.is_numbered, other.telemetry = is_numbered, self.telemetry
        other.most_beyond = _MOST_BEYOND
        other._parts["settings"], other.tree, other.trusted_judges = settings, tree, trusted
        if not needs_keys:
            from promptctl.models.model_settings import Models

            other._parts["models"] = Models(settings, self.environ, needs_keys=False)
        if recordings is not None:
            other.recordings_folder = recordings
        return other

    @part
    def repository(self) -> Repository:
        """The Git repository around the workspace; it also stands for a workspace outside Git."""
        from promptctl.versions.repository import Repository

        if self.is_bare:
            return Repository(self.root, cache_dir=self.state_folder)
        return Repository(self.root, self.settings.branch, self.settings.labels.remote, self.state_folder)

    def work_tree_for(self, task: str) -> WorkTree:
        """Return the work tree for a task that writes files of it. Raises `WorkspaceError` in a bare repository."""
        from promptctl.git.repository import refuse_bare

        refuse_bare(self.root, task)
        from promptctl.git.trees import WorkTree

        return WorkTree(self.root)

    @cached_property
    def tree(self) -> Tree:
        """The tree that datasets and judges are read from: the work tree, or the tree of a revision under review."""
        return self.repository.work_tree

    @part
    def redactor(self) -> Redactor:
        """Hides secrets in everything that is written: values of the environment that are keys by their names."""
        from promptctl.log.redaction import Redactor

        return Redactor(self._secrets(self.settings, self.settings_now))

    def _secrets(self, *settings: Settings) -> Iterator[Secret]:
        from promptctl.log.redaction import secrets_of

        return secrets_of(self.environ, {name for each in settings for name in each.secret_variables})

    @part
    def log(self) -> Store:
        """The execution log, `log.db` in the state folder."""
        from promptctl.log.sqlite.store import SqliteStore

        near, own = self.near_state_folder / LOG_FILE, self.own_state_folder / LOG_FILE
        path = self.state_folder / LOG_FILE
        link = near if path == own != near else None
        return SqliteStore(path, redactor=self.redactor, other_paths=(own, near), link=link)

    @part
    def models(self) -> Models:
        """Settings of each model, and prices as the file has them now."""
        from promptctl.models.model_settings import Models

        return Models(self.settings, self.environ, now=lambda: self.settings_now)

    @part
    def gateway(self) -> Router:
        """The way to every model."""
        return self.router()

    def router(self, connections: int | None = None) -> Router:
        """Return a new way to every model, whose direct lane keeps at most so many connections."""
        from promptctl.models.router import Router

        return Router(
            self.models,
            self.recordings_folder,
            connections=connections,
            on_warning=self.warn,
            wrap=None if self.telemetry is None else self.telemetry.lane,
            redact=lambda data: self.redactor.redact_data(data),
        )

    def shared(self, make: Callable[[Context], T]) -> T:
        """Return what `make` makes of this context, made once: a part that belongs to a room above this one."""
        if make not in self._shared:
            self._shared[make] = make(self)
        found: T = self._shared[make]
        return found

    def kept(self, make: Callable[[], T]) -> T:
        """Return what `make` makes, once for this context and all that are `fresh` from it."""
        if make.__qualname__ not in self._parts:
            self._parts.setdefault(make.__qualname__, make())
        found: T = self._parts[make.__qualname__]
        return found

    @part
    def recorder(self) -> LogRecorder:
        """Writes each attempt to the log by the workspace's rules."""
        from promptctl.log.records import LogRecorder

        return LogRecorder(self.log.append, lambda it: self.settings_now.log_rule(it).kept, self.warn, self.settlements)

    def prompt_ids(self) -> tuple[str, ...]:
        """Return the ids of the work tree's prompts, sorted."""
        from promptctl.prompts.loading import prompt_paths

        return tuple(prompt_paths(self.repository.work_tree))

    def prompts_not_checked_out(self) -> tuple[str, ...]:
        """Return the ids of the prompts that a sparse checkout leaves out, sorted."""
        from promptctl.prompts.loading import prompts_not_checked_out

        return prompts_not_checked_out(self.repository.work_tree)

    def now(self) -> Moment:
        """Return the moment that this context sees the repository at: a command's refs are all resolved at one."""
        return self.shared(_moment)

    @part
    def kept_refs(self) -> KeptRefs:
        """Refs that are kept from call to call."""
        from promptctl.versions.kept import KeptRefs

        return KeptRefs(self._base, self.root, self.refresh_s)

    def prompt(self, ref: str) -> PromptAtVersion:
        """Return the prompt that a ref names: `support/triage`, or with `@label`, `@v7` or `@<revision>` after it.

        Raises `PromptNotFound`, `RevisionNotFound` or `InvalidFiles`.
        """
        return self.kept_refs.get(ref, self) if self._is_for_call else self.resolve(ref)

    def resolve(self, ref: str) -> PromptAtVersion:
        """Return the prompt that a ref names as of this context's moment, and keep nothing."""
        moment = self.now()
        found = self.repository.resolve(ref, is_numbered=self.is_numbered, most_beyond=self.most_beyond, moment=moment)
        if found.ref.at is not None:
            from promptctl.versions.former_ids import with_todays_marks

            found = with_todays_marks(found, moment)
        return replace(found, default_model=self.settings.model)

    def inside(self, path: str | os.PathLike[str]) -> str:
        """Return the path relative to the workspace, with `/`; the root itself is empty. Raises `UsageError`."""
        return path_inside(self.root, path)

    def has_made(self, part: str) -> bool:
        """Return True if a part has been used, so that it may have to be closed."""
        return part in self._parts

    def leave_repository(self) -> None:
        """Leave the repository that was opened to a parent process; the next use opens it again."""
        _INHERITED.append(self._parts.pop("repository", None))

    def close(self) -> None:
        """Close the log, and end Git's process; the next use opens them again. Waits for errands, but not for long."""
        while self.errands:
            self.errands.pop().join(_ERRAND_S)
        for name in ("kept_refs", "recorder", "log", "repository"):
            if self.has_made(name):
                self._parts[name].close()


def _moment(context: Context) -> Moment:
    return context.repository.now()


def state_names(folder: Path, own: Path | None = None) -> set[str]:
    """Return the names in a state folder, without the log's if that is the link to the log in `own`.

    A link that an earlier place of the work tree or the workspace has left counts as a name.

    Raises `WorkspaceError` for a folder that is a link or a file, and for what is neither a file nor a folder in it.
    """
    names = set()
    try:
        if folder.is_symlink():
            raise _refused(folder, "is a symbolic link")
        with os.scandir(folder) as entries:
            for entry in entries:
                if own is not None and entry.name == LOG_FILE and entry.is_symlink():
                    target = Path(os.path.realpath(entry.path))
                    if target == own / LOG_FILE:
                        continue
                    if target.exists():
                        from promptctl.log.sqlite.moving import refuse_link

                        refuse_link(Path(entry.path), target, own)
                elif entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                    raise _refused(Path(entry.path), "is a link or a device")
                names.add(entry.name)
    except NotADirectoryError:
        raise _refused(folder, "is no folder") from None
    except OSError:  # one that is missing is made, and one that cannot be read is told when it is written
        return names
    return names


def _refused(path: Path, why: str) -> WorkspaceError:
    from promptctl.log.sqlite.moving import refused

    return refused(path, why)


def _with_ignore(folder: Path) -> Path:
    """Make a state folder with its own .gitignore, if it can be made, and return it."""
    with suppress(OSError):  # most are ready, and a call then loads nothing that writes files
        if (folder / ".gitignore").stat().st_size > 0 and not any((folder / DRAFTS).iterdir()):
            return folder
    from promptctl.files.writing import make_state_folder

    with suppress(OSError):
        make_state_folder(folder)
    return folder
