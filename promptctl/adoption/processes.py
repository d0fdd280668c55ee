"""Work on many files, shared out among processes: each is Python with our own code, and reads nothing else."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST = 4
_CODE = f"from {__name__} import answer; answer()"


def shared_out(work: Callable[[Sequence[T]], list[R]], items: Sequence[T], *, at_least: int) -> list[R]:
    """Return what the work makes of the items, in their order; a process is not begun for fewer than `at_least`.

    `work` is a function of a module of ours, and gives one result for each item.
    """
    count = max(1, min(len(os.sched_getaffinity(0)), _MOST, len(items) // at_least))
    shares = [items[number::count] for number in range(count)]
    with ExitStack() as stack:
        others = [_begun(stack, work, share) for share in shares[1:]]
        done = [work(shares[0]), *(_ended(other, work, share) for other, share in zip(others, shares[1:], strict=True))]
    made: list[Any] = [None] * len(items)
    for number, results in enumerate(done):
        made[number::count] = results
    return made


def _begun(stack: ExitStack, work: Callable[..., Any], share: Sequence[Any]) -> subprocess.Popen[bytes] | None:
    try:
        # -P: no module of the current folder is imported.
        other = subprocess.Popen(  # noqa: S603 - this Python with our own code
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    stack.enter_context(other)
    stack.callback(other.kill)
    assert other.stdin
    with suppress(OSError):
        pickle.dump((work, share), other.stdin)
        other.stdin.close()
    return other


def _ended(
    other: subprocess.Popen[bytes] | None, work: Callable[[Sequence[T]], list[R]], share: Sequence[T]
) -> list[R]:
    """Return what another process found; if it could not, it is done here."""
    told = other.stdout.read() if other is not None and other.stdout is not None else b""
    if other is None or other.wait() != 0:
        return work(share)
    found: list[R] = pickle.loads(told)  # noqa: S301 - the other process is ours
    return found


def answer() -> None:
    """Do the work that is asked for on standard input, and write what it makes on standard output."""
    gc.disable()  # syntax trees are no rubbish, and the process is soon over
    work, share = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process asks
    pickle.dump(work(share), sys.stdout.buffer)
