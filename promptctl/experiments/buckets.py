"""The bucket of a key: GrowthBook's hash, version 2, so that any language draws the same arm.

https://docs.growthbook.io/lib/build-your-own#hashing. Characters are hashed by UTF-16 code units, as JavaScript has
them; for keys of ASCII letters all implementations agree.
"""

from __future__ import annotations

from promptctl.formats.experiment_rules import BUCKETS, Arm, Experiment

_OFFSET = 0x811C9DC5
_PRIME = 0x01000193


def bucket(seed: str, key: str) -> int:
    """Return the bucket of a key, from 0 to 9,999: GrowthBook's number times 10,000.

    >>> bucket("seed", "a")
    505
    """
    return _fnv1a_32(str(_fnv1a_32(seed + key))) % BUCKETS


def arm_of(experiment: Experiment, key: str) -> Arm | None:
    """Return the arm that a key gets; None if it is outside all shares."""
    found = bucket(experiment.name, key)
    return next((arm for arm in experiment.arms if arm.start <= found < arm.end), None)


def _fnv1a_32(text: str) -> int:
    units = text.encode("utf-16-le", "surrogatepass")
    found = _OFFSET
    for low, high in zip(units[::2], units[1::2], strict=True):
        found = (found ^ (low | high << 8)) * _PRIME & 0xFFFFFFFF
    return found
