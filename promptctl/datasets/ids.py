"""Which ids a dataset has had: 100,000 of them in two megabytes, to find the one that comes twice."""

from __future__ import annotations

import hashlib
from array import array

_FIRST_SLOTS = 1024
_FULLEST = 0.6


class IdTable:
    """A set of ids kept as 8-byte hashes in one array. Two different ids look equal once in some billion datasets."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, id_: str) -> bool:
        """Put an id in; whether it was new."""
        is_new = _insert(self._slots, _key(id_))
        if is_new:
            self._count += 1
            if self._count > _FULLEST * len(self._slots):
                self._grow()
        return is_new

    def __contains__(self, id_: str) -> bool:
        key, slots = _key(id_), self._slots
        mask = len(slots) - 1
        at = key & mask
        while slots[at]:
            if slots[at] == key:
                return True
            at = (at + 1) & mask
        return False

    def _grow(self) -> None:
        larger = array("Q", bytes(8 * 2 * len(self._slots)))
        for key in self._slots:
            if key:
                _insert(larger, key)
        self._slots = larger


def _insert(slots: array[int], key: int) -> bool:
    mask = len(slots) - 1
    at = key & mask
    while slots[at]:
        if slots[at] == key:
            return False
        at = (at + 1) & mask
    slots[at] = key
    return True


def _key(id_: str) -> int:
    """The id's hash; never 0, which is an empty slot."""
    return int.from_bytes(hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1
