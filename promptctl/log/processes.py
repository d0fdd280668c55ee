"""Processes by a name that no other has, so that what a killed one left behind is known."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from promptctl.log.stamps import utc_now

_PROC = Path("/proc")


def this_process() -> str:
    """Return the name of this process: the machine's start, the namespace of its ids, its id and when it began."""
    return _named(os.getpid())


def is_alive(process: str, deadline: str) -> bool:
    """Return False if a process has ended: it can be seen that it has, or it cannot be seen and a deadline passed.

    One of another container or machine cannot be seen, nor one from before the machine was started.
    """
    boot, space, number, began = process.split(" ")
    here_boot, here_space = _place()
    if began and boot == here_boot and space == here_space:
        return _began(int(number)) == began
    return utc_now() < deadline


@cache  # by the id: a forked child has its own
def _named(number: int) -> str:
    return " ".join([*_place(), str(number), _began(number)])


@cache
def _place() -> tuple[str, str]:
    """Return the machine's start and the namespace of its process ids; empty where the system does not say."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return boot, str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return "", ""


def _began(number: int) -> str:
    """Return when a process began, in clock ticks since the machine's start; empty if there is none of that id."""
    try:
        fields = (_PROC / str(number) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # one that ended and was not waited for yet
