"""UUIDv7 identifiers (RFC 9562): sorted by the time they were made, so that the logs of several machines merge.

Written here because importing `uuid` or `uuid_utils` costs 6 to 10 ms of a command's start, and this 0.
"""

from __future__ import annotations

import os
import threading
import time

_RANDOM_BITS = 74
_STEP_BITS = 32
_LOW_BITS = 62
_DRAW_BYTES = 14
_DRAWS = 64  # asking the system each time costs more than all the rest of an id


class _Clock:
    """Hands out (milliseconds, 74 random bits) as one number that only ever grows within a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._pool = b""
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._pool = b""  # a child must not hand out what its parent will

    def tick(self) -> int:
        with self._lock:
            if not self._pool:
                self._pool = os.urandom(_DRAW_BYTES * _DRAWS)
            random = int.from_bytes(self._pool[:_DRAW_BYTES], "big")
            self._pool = self._pool[_DRAW_BYTES:]
            now = (time.time_ns() // 1_000_000) << _RANDOM_BITS | random & ((1 << _RANDOM_BITS) - 1)
            if now <= self._last:  # the same millisecond, or a clock set back: a random step further, never equal
                now = self._last + 1 + (random >> _RANDOM_BITS & ((1 << _STEP_BITS) - 1))
            self._last = now
        return now


_clock = _Clock()


def new_id() -> str:
    """Return a new UUIDv7 in its canonical text form; each one sorts after those that this process made before.

    >>> first, second = new_id(), new_id()
    >>> first < second, len(first), first[14]
    (True, 36, '7')
    """
    tick = _clock.tick()
    milliseconds, random = tick >> _RANDOM_BITS, tick & ((1 << _RANDOM_BITS) - 1)
    value = milliseconds << 80 | 0x7 << 76 | (random >> _LOW_BITS) << 64 | 0b10 << 62 | random & ((1 << _LOW_BITS) - 1)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def short_id(identifier: str) -> str:
    """Return the end of an id, by which people name a row: a UUIDv7 begins with the time, so only its end differs.

    >>> short_id("0197e5c2-91ab-7cde-8f01-23456789abcd")
    '6789abcd'
    """
    return identifier[-8:]
