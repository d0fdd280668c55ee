from __future__ import annotations

import random
from collections import Counter

import pytest

from promptctl.statistics.raters import krippendorff_alpha


def units_of(*observers: str) -> list[list[str]]:
    columns = zip(*(line.split() for line in observers), strict=True)
    return [[value for value in column if value != "*"] for column in columns]


def test_equals_published_examples() -> None:
    # Krippendorff 2011, examples A (binary, two observers), B (nominal, two) and C (nominal, four, values missing).
    binary = units_of("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
    assert krippendorff_alpha(binary).value == pytest.approx(0.095, abs=5e-4)
    nominal = units_of("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    assert krippendorff_alpha(nominal).value == pytest.approx(0.692, abs=5e-4)
    missing = units_of(
        "1 2 3 3 2 1 4 1 2 * * *",
        "1 2 3 3 2 2 4 1 2 5 * 3",
        "* 3 3 3 2 3 4 2 2 5 1 *",
        "1 2 3 3 2 4 4 1 2 5 1 *",
    )
    found = krippendorff_alpha(missing)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert (found.units, found.ratings) == (11, 40)


@pytest.mark.parametrize("raters", [2, 3, 5])
def test_equals_fleiss_kappa_of_whole_tables(raters: int) -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = random.Random(raters)
    units = [[rng.choice("aab" if rng.random() < 0.6 else "bcc") for _ in range(raters)] for _ in range(80)]
    table = [[Counter(unit)[name] for name in "abc"] for unit in units]
    n = len(units) * raters
    # With all ratings there, α is Fleiss' κ but for the small-sample correction of what is expected.
    kappa = inter_rater.fleiss_kappa(table)
    assert krippendorff_alpha(units, resamples=10).value == pytest.approx(1 - (1 - kappa) * (n - 1) / n, abs=1e-12)


def test_what_one_rater_alone_says_changes_nothing() -> None:
    units = [["a", "a"], ["a", "b"], ["b", "b"]]
    assert krippendorff_alpha([*units, ["a"], []]) == krippendorff_alpha(units)


def test_nothing_is_known_of_one_answer_throughout() -> None:
    found = krippendorff_alpha([["pass", "pass"]] * 5)
    assert (found.value, found.interval, found.observed) == (None, None, 1.0)
    assert krippendorff_alpha([]).value is None


def test_the_interval_covers_the_truth_and_is_never_a_point() -> None:
    agreed = krippendorff_alpha([["a", "a", "a"], ["b", "b", "b"]] * 5)
    assert agreed.value == 1
    assert agreed.interval is not None
    assert (round(agreed.interval.low, 3), agreed.interval.high) == (0.463, 1.0)
    rng = random.Random(7)
    covered = 0
    for trial in range(60):
        # Each of three raters sees the truth with probability 0.8: α is (2·0.8 − 1)² = 0.36 in the long run.
        units = [[truth if rng.random() < 0.8 else not truth for _ in range(3)] for truth in [True, False] * 30]
        found = krippendorff_alpha([[str(each) for each in unit] for unit in units], resamples=200, seed=str(trial))
        assert found.interval is not None
        covered += found.interval.low <= 0.36 <= found.interval.high
    assert covered >= 52
    assert krippendorff_alpha([["a", "b"], ["a", "a"], ["b", "b"]]) == krippendorff_alpha(
        [["a", "b"], ["a", "a"], ["b", "b"]]
    )
