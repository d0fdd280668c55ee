"""A look at everything that promptctl depends on here: what is wrong, and what to do about it. Nothing is changed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.context import Context, state_names
from promptctl.errors import (
    InvalidFiles,
    MissingKey,
    ModelConfigurationError,
    PromptctlError,
    WorkspaceError,
    WorkspaceNotFound,
    quote,
)
from promptctl.files.names import SETTINGS
from promptctl.files.wording import count
from promptctl.git.commands import Commands
from promptctl.git.repository import Git, is_bare_folder
from promptctl.workspace import find_root, starting_point
from promptctl.workspace.installation import Finding, Seen, Status, litellm, program, sqlite, state_folder

if TYPE_CHECKING:
    from promptctl.files.tree import Tree
    from promptctl.formats.budget_rules import BudgetRule
    from promptctl.formats.settings_file import Settings
    from promptctl.log.store import LogState
    from promptctl.versions.repository import Repository

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "fuse.sshfs"}
)
_LEAST_FREE_BYTES = 200_000_000


def diagnose(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at what promptctl depends on in a folder, also outside a workspace and in a broken one.

    Nothing is changed, and nothing is asked of the network. A check that fails is a finding of its own. Raises
    `WorkspaceNotFound` if the folder is not there.
    """
    folder, environ = starting_point(path, environ)
    try:
        root = find_root(folder)
    except (WorkspaceError, OSError):  # Git may be what is wrong
        root = None
    here = _Here(folder, root, environ)
    found: list[Finding] = []
    for name in _CHECKS:
        try:
            found += (Finding(name, *each) for each in _seen(here, name))
        except PromptctlError as error:
            found.append(Finding(name, "problem", str(error), error.hint))
        except Exception as error:  # whatever is broken here, the other checks still help
            message = f"it could not be looked at: {type(error).__name__}: {error}"
            found.append(Finding(name, "problem", message))
    here.close()
    return found


def _seen(here: _Here, name: str) -> Iterator[Seen]:
    if here.root is None and name in _OF_WORKSPACE:
        return
    if here.settings is None and name in _OF_SETTINGS:
        yield "warning", f"not known, since {SETTINGS} cannot be read: every call is refused"
    else:
        yield from _CHECKS[name](here)


class _Here:
    """The folder that is looked at, and what is found there once."""

    def __init__(self, folder: Path, root: Path | None, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.root = root
        self.environ = environ

    @cached_property
    def is_bare(self) -> bool:
        return self.root is not None and is_bare_folder(self.root)

    @cached_property
    def context(self) -> Context:
        return Context(self.root or self.folder, self.environ, lambda _: None)

    @cached_property
    def bare(self) -> Repository:
        """The bare repository, with nothing kept of it on disk."""
        from promptctl.versions.repository import Repository

        assert self.root is not None
        return Repository(self.root)

    def read_settings(self) -> Settings:
        """Return the settings that hold here, in a bare repository those of its default branch."""
        return self.bare.settings_of_bare() if self.is_bare else self.context.settings

    @cached_property
    def settings(self) -> Settings | None:
        """The settings; None if there are none or they cannot be read, which is told once, of the workspace."""
        try:
            return None if self.root is None else self.read_settings()
        except PromptctlError:
            return None

    @property
    def tree(self) -> Tree:
        """The workspace's files, in a bare repository those of its default branch."""
        from promptctl.git.trees import WorkTree

        return self.bare.work_tree if self.is_bare else WorkTree(self.root or self.folder)

    @cached_property
    def git(self) -> Git | None:
        return Git.open(self.root or self.folder)

    @cached_property
    def log(self) -> LogState:
        return self.context.inspect_log(state_folder(self.context))

    def close(self) -> None:
        with suppress(PromptctlError):
            if self.git is not None:
                self.git.close()
        if "bare" in self.__dict__:
            self.bare.close()


def _git(here: _Here) -> Iterator[Seen]:
    version = Commands(here.folder).run(["version"]).text.removeprefix("git version ")
    yield "ok", f"Git {version}"
    if here.root is None:
        return
    git = here.git
    if git is None:
        hint = "git init && git add . && git commit -m 'Add prompts'"
        yield "warning", "the workspace is in no Git repository, so it has no versions and labels", hint
    elif git.head is None:
        hint = "git add . && git commit -m 'Add prompts'"
        yield "warning", "the repository has no commit yet, so it has no versions", hint
    elif git.is_shallow:
        message = "the clone is shallow, so numbers of versions may not be known"
        yield "warning", message, "git fetch --unshallow"
    else:
        yield "ok", f"repository {git.root}, whole history"


def _workspace(here: _Here) -> Iterator[Seen]:
    if here.root is None:
        try:
            find_root(here.folder)
        except WorkspaceNotFound as error:
            yield "warning", str(error), error.hint
        return
    try:
        here.read_settings()
    except InvalidFiles as error:
        for each in error.problems:
            yield "problem", str(each), each.hint
    else:
        where = f"{here.root}, a bare repository: its files are checked in a clone" if here.is_bare else f"{here.root}"
        yield "ok", where


def _files(here: _Here) -> Iterator[Seen]:
    if here.root is None or here.is_bare:
        return
    from promptctl.datasets.validation import validate_workspace
    from promptctl.git.trees import WorkTree

    report = validate_workspace(WorkTree(here.root))
    errors = sum(each.severity == "error" for each in report.problems)
    words = (
        f"{count(report.files, 'file')}, {count(errors, 'error')}, {count(len(report.problems) - errors, 'warning')}"
    )
    status: Status = "problem" if errors else "warning" if report.problems else "ok"
    yield status, words, "promptctl validate" if report.problems else None


def _state(here: _Here) -> Iterator[Seen]:
    folder, near, own = state_folder(here.context), here.context.near_state_folder, here.context.own_state_folder
    for each in (near, own) if folder == own else (folder,):
        state_names(each, own if each != own else None)  # raises what each call does
    if not folder.exists():
        yield "ok", f"{folder} is made by the first call"
        return
    yield "ok", f"{folder}"
    files = [each for each in (folder, *folder.glob("*.db*")) if not each.is_symlink()]
    for each in files:
        found = each.stat()
        if not os.access(each, os.W_OK):
            yield "problem", f"{each} cannot be written", "allow it, or set PROMPTCTL_STATE=FOLDER"
        if found.st_uid != os.geteuid():
            yield "warning", f"{each} belongs to another user", f"sudo chown $USER {quote(str(each))}"
        elif each != folder and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield "problem", f"{each} can be read by others", f"chmod 600 {quote(str(each))}"
    if (kind := _file_system(folder)) in _NETWORK:
        words = f"{folder} is on a network file system ({kind}), on which SQLite's write-ahead log does not work"
        yield "problem", words, "keep the log on a local disk: PROMPTCTL_STATE=FOLDER"
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        yield "warning", f"its disk has only {free // 1_000_000} MB left", "make room, or prune the log"


def _log(here: _Here) -> Iterator[Seen]:
    log = here.log
    if log.failure is not None:
        locked = log.failure.reason == "locked"
        yield "warning" if locked else "problem", log.failure.message, log.failure.hint
    elif not log.size:
        yield "ok", "no call yet"
    else:
        size = f"{log.size / 1_000_000:,.1f} MB"
        whole = "" if log.is_checked else "; it is too large to be read whole here: promptctl log verify"
        copied = f", last backup {log.last_backup[:10]}" if log.last_backup else ", no backup yet"
        old = "" if log.is_current else "; its schema is older, the next call brings it up to date"
        yield "ok", f"{count(log.executions or 0, 'row')}, {size}{copied}{old}{whole}"
    if log.unsaved:
        wait = "waits" if len(log.unsaved) == 1 else "wait"
        waiting = f"{count(len(log.unsaved), 'file')} of records {wait} to be added, the first {log.unsaved[0]}"
        yield "warning", waiting, "the next command that can write the log adds them: promptctl log list"
    if log.rejected:
        lost = f"{count(len(log.rejected), 'file')} of records the log did not take, and no total counts them"
        hint = "mend its lines, one JSON object each, and rename it to .jsonl: the next command tries again"
        yield "warning", f"{lost}: {log.rejected[0]}", hint
    for each in log.damaged:
        yield "warning", f"{each} is a damaged log that was put aside", f"sqlite3 {each} .recover"


def _rules(here: _Here) -> Iterator[Seen]:
    rules = here.read_settings().log
    kept = ", ".join(f"{rule.prompts}: {rule.kept}" for rule in rules[:5]) + (", …" if len(rules) > 5 else "")
    yield "ok", kept or "none: the numbers of every call are kept, and no contents"


def _budgets(here: _Here) -> Iterator[Seen]:
    from promptctl.calls.alerts import webhook_fault

    settings, failure = here.read_settings(), here.log.failure
    is_open = settings.budgets_without_log == "open"
    for rule in settings.budgets:
        enable = f"promptctl budget enable {quote(rule.name)} --reason TEXT"
        if failure is not None and rule.is_hard:
            what = "is not kept" if is_open else "refuses every call"
            yield "problem", f"{rule.name} {what}: the log cannot be read", failure.hint
        elif not is_open and _is_unknown(here, rule):
            yield "problem", f"{rule.name} refuses calls: what was spent before is not known", enable
        elif rule.is_hard and rule.name in here.log.disabled_budgets:
            yield "warning", f"{rule.name} is disabled: its calls are refused", enable
        else:
            yield "ok", f"{rule.name}: {rule.terms}, then {rule.then}"
        fault = webhook_fault(rule.webhook_env, here.environ) if rule.webhook_env else None
        if fault is not None:
            hint = f"set {rule.webhook_env} to the webhook's address"
            yield "warning", f"{rule.name} tells nobody: {fault}", hint


def _is_unknown(here: _Here, rule: BudgetRule) -> bool:
    """Return True if a budget refuses calls since the log was damaged, and what it had spent is not known."""
    unknown = here.log.unknown
    if unknown is None or rule.name in here.log.known_budgets:
        return False
    from promptctl.log.stamps import utc_now
    from promptctl.log.windows import window_of

    return unknown.covers(rule, window_of(utc_now(), rule.per, rule.timezone)[0])


def _models(here: _Here) -> Iterator[Seen]:
    from promptctl.models.model_settings import Models
    from promptctl.prompts.loading import load_prompt, prompt_paths

    tree, settings = here.tree, here.read_settings()
    models = Models(settings, here.environ)
    used = dict.fromkeys([settings.model] if settings.model else [])
    for prompt in prompt_paths(tree):
        with suppress(PromptctlError):
            if model := load_prompt(tree, prompt).model:
                used[model] = None
    for model in used:
        try:
            variable = models.settings_of(model).key_variable
        except MissingKey as error:
            yield "warning", error.message, error.hint
        except ModelConfigurationError as error:
            yield "problem", error.message, error.hint
        else:
            yield "ok", f"{model}: {f'{variable} is set' if variable else 'needs no key'}"


def _labels(here: _Here) -> Iterator[Seen]:
    remote = here.settings.labels.remote if here.settings is not None else None
    if remote is None or here.git is None:
        return
    names = here.git.remotes()
    if remote in names:
        yield "ok", f"moves are pushed to {remote}"
    else:
        hint = (
            f"git remote add {remote} URL, or name one of {', '.join(names)}"
            if names
            else f"git remote add {remote} URL"
        )
        yield "problem", f"labels.remote is `{remote}`, which this clone does not have", hint


def _file_system(folder: Path, mounted: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the file system that a folder is on; None where the system does not say."""
    best, kind = "", None
    try:
        mounts = mounted.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    path = f"{folder.resolve()}/"
    for _, place, type_, *_ in map(str.split, mounts):
        place = place.encode("latin-1", "backslashreplace").decode("unicode_escape", "replace").rstrip("/") + "/"
        if path.startswith(place) and len(place) >= len(best):
            best, kind = place, type_
    return kind


_CHECKS: Mapping[str, Callable[[_Here], Iterator[Seen]]] = {
    "program": lambda _: program(),
    "git": _git,
    "sqlite": lambda here: sqlite(here.log),
    "workspace": _workspace,
    "files": _files,
    "state": _state,
    "log": _log,
    "log rules": _rules,
    "budgets": _budgets,
    "models": _models,
    "litellm": lambda _: litellm(),
    "labels": _labels,
}
# Those that say something only in a workspace, and those that go by its settings.
_OF_WORKSPACE = frozenset({"state", "log", "log rules", "budgets", "models"})
_OF_SETTINGS = frozenset({"log rules", "budgets", "models"})
