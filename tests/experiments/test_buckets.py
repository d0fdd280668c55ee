"""Vectors of GrowthBook's own tests (`hash` in its `cases.json`, version 2), and of JavaScript for other letters."""

from __future__ import annotations

import pytest

from promptctl.experiments.buckets import bucket
from promptctl.log.arm_calls import arm_key


@pytest.mark.parametrize(
    ("seed", "key", "number"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
    ],
)
def test_growthbooks_vectors(seed: str, key: str, number: float) -> None:
    assert bucket(seed, key) / 10_000 == number


def test_letters_are_hashed_by_utf_16_units() -> None:
    units = [bucket("s", text) for text in ("é", "日本", "😀", "\ud800")]
    assert units == [8605, 984, 2801, 4255]


def test_keys_are_spread_evenly() -> None:
    counts = [0] * 10
    for number in range(20_000):
        counts[bucket("tone", f"user-{number}") // 1000] += 1
    assert sum((count - 2_000) ** 2 / 2_000 for count in counts) < 27.9  # chi-square, 9 degrees, p = 0.001


def test_the_hash_of_a_key_is_of_the_experiment_alone() -> None:
    assert arm_key("tone", "ada") == "ebde536ebd29d266455852ffd88a5fcf"
    assert arm_key("tone", "ada") != arm_key("tune", "ada")
