"""Claims on evaluations under way, so that no second process takes up what another is still running."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from promptctl.errors import UsageError
from promptctl.files.writing import try_lock
from promptctl.log.results import EvaluationRow

_FOLDER = "running"


@contextmanager
def claimed(state_folder: Path, groups: Iterable[str]) -> Iterator[None]:
    """Hold the evaluations of these commands, each by its group, until the end; a killed process holds nothing.

    Raises `UsageError` if another process holds one. If no file can be made, it goes without.
    """
    with ExitStack() as held:
        for group in sorted(set(groups)):
            held.enter_context(_claim(state_folder / _FOLDER / group))
        yield


def is_claimed(state_folder: Path, group: str) -> bool:
    """Return True if a process is running the evaluations of that command now."""
    try:
        descriptor = os.open(state_folder / _FOLDER / group, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return try_lock(descriptor) is False
    finally:
        os.close(descriptor)


def refuse_claimed(state_folder: Path, rows: Iterable[EvaluationRow]) -> None:
    """Raise `UsageError` if a process is running one of the evaluations now."""
    for row in rows:
        if is_claimed(state_folder, row.group):
            raise UsageError(f"evaluation {row.id[-8:]} is running", hint="stop it, or wait for its end")


@contextmanager
def _claim(file: Path) -> Iterator[None]:
    try:
        file.parent.mkdir(exist_ok=True)
        descriptor = _locked(file)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)


def _locked(file: Path) -> int:
    """Return a descriptor of the file, which is made and locked. Raises `UsageError` if another process holds it."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        if try_lock(descriptor) is False:
            os.close(descriptor)
            raise UsageError(
                "another process is running this evaluation", hint="wait for its end, or stop it; then resume"
            )
        # The holder before unlinks the file while it holds it: what was opened here may be a file without a name.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), file.stat()):
                return descriptor
        os.close(descriptor)
