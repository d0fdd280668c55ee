"""Long work that counts its steps, so that a different thread can show how far it is; and that makes no garbage."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Count:
    """Work under way: `what` is being done, and `done` of `total` steps are; None if nobody knows of how many."""

    what: str
    total: int | None = None
    done: int = 0
    began: float = field(default_factory=time.monotonic)


# Counting must cost nothing where nobody looks, and be seen through every room that does not know of it.
_under_way: list[Count] = []


def latest() -> Count | None:
    """Return the work that was begun last and is under way; None if there is none."""
    return next(reversed(_under_way), None)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Count]:
    """Show some work as under way; the block counts the steps that are `done`."""
    count = Count(what, total)
    _under_way.append(count)
    try:
        yield count
    finally:
        _under_way.remove(count)


def counted(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, each of them a step of some work."""
    with counting(what, total) as count:
        for item in items:
            yield item
            count.done += 1


@contextmanager
def without_collector() -> Iterator[None]:
    """Let nothing be collected meanwhile: for work that makes many things and no circles, looking is wasted."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
