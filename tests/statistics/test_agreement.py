"""Agreement of raters and corrected rates against published examples, statsmodels, and by simulation."""

from __future__ import annotations

import random

import pytest

from promptctl.statistics.agreement import (
    JudgedCases,
    Share,
    VerdictCounts,
    cohen_kappa,
    rogan_gladen,
    stratified_difference,
    total_of,
)

# Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72:323, table 1: two psychiatrists, 200 patients.
FLEISS = {"aa": 106, "ab": 10, "ac": 4, "ba": 22, "bb": 28, "bc": 10, "ca": 2, "cb": 12, "cc": 6}


def pairs_of(table: dict[str, int]) -> list[tuple[str, str]]:
    return [(key[0], key[1]) for key, number in table.items() for _ in range(number)]


def test_kappa_is_that_of_the_published_example() -> None:
    kappa = cohen_kappa(pairs_of(FLEISS))
    assert kappa.value is not None
    assert kappa.error is not None
    assert round(kappa.value, 3) == 0.429
    assert round(kappa.error, 3) == 0.054


@pytest.mark.parametrize("table", [FLEISS, {"pp": 20, "pf": 5, "fp": 10, "ff": 15}, {"pp": 3, "pf": 1, "ff": 2}])
def test_kappa_and_its_error_are_those_of_statsmodels(table: dict[str, int]) -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    names = sorted({name for key in table for name in key})
    counts = [[table.get(one + two, 0) for two in names] for one in names]
    wanted, found = inter_rater.cohens_kappa(counts), cohen_kappa(pairs_of(table))
    assert found.value == pytest.approx(wanted.kappa, abs=1e-12)
    assert found.error == pytest.approx(wanted.std_kappa, abs=1e-12)


@pytest.mark.parametrize(
    ("passing", "sensitivity", "specificity"),
    [(0.9, 0.95, 0.3), (0.95, 0.97, 0.3), (0.9, 0.9, 0.5), (0.5, 0.75, 0.7), (0.9, 0.97, 0.9)],
)
def test_the_interval_of_kappa_holds_the_truth_also_where_hardly_anything_fails(
    passing: float, sensitivity: float, specificity: float
) -> None:
    """The interval ± 1.96 errors of the table itself holds it 37 to 93 times of 100."""
    shares = {
        ("pass", "pass"): passing * sensitivity,
        ("pass", "fail"): passing * (1 - sensitivity),
        ("fail", "pass"): (1 - passing) * (1 - specificity),
        ("fail", "fail"): (1 - passing) * specificity,
    }
    rate = shares["pass", "pass"] + shares["fail", "pass"]
    expected = passing * rate + (1 - passing) * (1 - rate)
    truth = (shares["pass", "pass"] + shares["fail", "fail"] - expected) / (1 - expected)
    rng = random.Random("kappa")
    drawn = [rng.choices([*shares], [*shares.values()], k=30) for _ in range(400)]
    found = [kappa.interval for pairs in drawn if (kappa := cohen_kappa(pairs)).interval is not None]
    assert sum(each.low <= truth <= each.high for each in found) >= 0.93 * len(found)


def test_replies_of_one_case_are_one_reply_where_they_are_alike() -> None:
    pairs = [("pass", "pass")] * 9 + [("fail", "fail")] * 4 + [("pass", "fail")] * 2
    once = cohen_kappa(pairs)
    many = cohen_kappa([each for each in pairs for _ in range(5)], clusters=[n // 5 for n in range(75)])
    assert many.value == pytest.approx(once.value)
    assert many.interval is not None
    assert once.interval is not None
    assert many.interval.low < once.interval.low
    assert cohen_kappa(pairs, clusters=range(15)) == once
    alone = cohen_kappa(pairs, clusters=[0] * 15).interval
    assert alone is not None
    assert (alone.low, alone.high) == (-1, 1)
    rng, held = random.Random("cases"), 0
    for _ in range(300):  # 6 cases with 5 alike replies each; a judge of κ 0.3
        cases = [(truth, truth == (rng.random() < 0.65)) for truth in (rng.random() < 0.5 for _ in range(6))]
        of_all = [(str(one), str(other)) for one, other in cases for _ in range(5)]
        found = cohen_kappa(of_all, clusters=[n // 5 for n in range(30)]).interval
        held += found is None or found.low <= 0.3 <= found.high
    assert held >= 0.93 * 300


def test_rates_by_case_vary_as_the_cases_do_and_are_corrected_so() -> None:
    alone = VerdictCounts(true_pass=9, false_fail=3, false_pass=2, true_fail=6)
    by_case = [(VerdictCounts(true_pass=5), 9), (VerdictCounts(false_fail=5), 3)]
    by_case += [(VerdictCounts(false_pass=5), 2), (VerdictCounts(true_fail=5), 6)]
    cases = JudgedCases(total_of(by_case), by_case)
    assert (cases.total.n, cases.n, cases.on_pass, cases.on_fail) == (100, 20, 12, 8)
    assert cases.specificity.rate == alone.specificity.rate
    assert cases.specificity.interval.low < alone.specificity.interval.low
    assert cases.kappa.value == pytest.approx(alone.kappa.value)
    assert cases.kappa.interval is not None
    assert cases.total.kappa.interval is not None
    assert cases.kappa.interval.low < cases.total.kappa.interval.low
    one_by_one = JudgedCases(cases.total, [(each, 1) for each, number in by_case for _ in range(number)])
    assert cases.accuracy.independent == pytest.approx(one_by_one.accuracy.independent)
    whole = JudgedCases(alone)
    assert (whole.n, whole.on_pass, whole.on_fail) == (alone.n, alone.on_pass, alone.on_fail)
    many = rogan_gladen(0.7, 50, cases.sensitivity, cases.specificity)
    once = rogan_gladen(0.7, 50, alone.sensitivity, alone.specificity)
    assert many is not None
    assert once is not None
    assert many.rate == pytest.approx(once.rate)
    assert many.interval.low <= once.interval.low
    passing = JudgedCases(VerdictCounts(true_pass=4), [(VerdictCounts(true_pass=2), 2)])
    assert passing.specificity == Share(0, 0)


def test_full_agreement_of_a_few_is_not_certain_and_of_one_kind_says_nothing() -> None:
    few = cohen_kappa([("pass", "pass")] * 3 + [("fail", "fail")] * 2)
    assert few.value == 1
    assert few.interval is not None
    assert few.interval.low < 0.3
    assert few.interval.high == 1
    opposed = cohen_kappa([("pass", "fail")] * 30 + [("fail", "pass")] * 30)
    assert opposed.interval is not None
    assert opposed.interval.low == opposed.value == -1
    alike = cohen_kappa([("pass", "pass")] * 30)
    assert (alike.value, alike.interval, cohen_kappa([]).value) == (None, None, None)


# The first two: the documentation of R's epiR, epi.prev (brucellosis; Moujaber et al. 2008); the third: Reiczigel,
# Földi and Ózsvári 2010, table 2 (Vila Pouca), a test of sensitivity .5 and specificity .995.
@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity", "true"),
    [
        (23 / 150, (96, 100), (89, 100), 0.0510),
        (6 / 151, (964, 1000), (927, 1000), 0.0),
        (27 / 650, (1, 2), (995, 1000), 0.0738),
    ],
)
def test_a_corrected_rate_is_that_of_the_published_examples(
    rate: float, sensitivity: tuple[int, int], specificity: tuple[int, int], true: float
) -> None:
    found = rogan_gladen(rate, 150, Share(*sensitivity), Share(*specificity))
    assert found is not None
    assert round(found.rate, 4) == true


def test_the_interval_of_a_corrected_rate_is_that_of_the_authors_script() -> None:
    """Lang and Reiczigel's CI4TruePrevalence, by hand: 60 of 200, 50 of 60 and 48 of 60."""
    z2 = 1.959963984540054**2
    r, se, sp = (60 + z2 / 2) / (200 + z2), 51 / 62, 49 / 62
    p, youden = (r + sp - 1) / (se + sp - 1), se + sp - 1
    error = (r * (1 - r) / (200 + z2) + p**2 * se * (1 - se) / 62 + (1 - p) ** 2 * sp * (1 - sp) / 62) ** 0.5 / youden
    shift = 2 * z2 * (p * se * (1 - se) / 62 - (1 - p) * sp * (1 - sp) / 62)
    found = rogan_gladen(0.3, 200, Share(50, 60), Share(48, 60))
    assert found is not None
    assert found.interval.low == pytest.approx(max(0.0, p + shift - z2**0.5 * error))
    assert found.interval.high == pytest.approx(p + shift + z2**0.5 * error)


def test_few_labels_make_the_interval_wider_and_none_or_chance_no_correction() -> None:
    many = rogan_gladen(0.7, 200, Share(900, 1000), Share(900, 1000))
    few = rogan_gladen(0.7, 200, Share(9, 10), Share(9, 10))
    assert many is not None
    assert few is not None
    assert few.rate == pytest.approx(many.rate) == pytest.approx(0.75)
    assert few.interval.high - few.interval.low > 2 * (many.interval.high - many.interval.low)
    raw = 0.7 * 0.3 / 200
    assert many.interval.high - many.interval.low > 2 * 1.96 * raw**0.5
    assert rogan_gladen(0.7, 200, Share(5, 10), Share(5, 10)) is None
    assert rogan_gladen(0.7, 200, Share(0, 0), Share(9, 10)) is None
    assert rogan_gladen(0.7, 200, Share(9, 10), Share(0, 0)) is None
    assert rogan_gladen(0.7, 0, Share(9, 10), Share(9, 10)) is None


def test_the_interval_holds_the_true_rate_in_95_of_100_simulated_evaluations() -> None:
    rng = random.Random("corrected rates")
    for true, se, sp, labels in ((0.8, 0.9, 0.8, 20), (0.5, 0.75, 0.9, 40)):
        hits = 0
        for _ in range(400):
            drawn = [sum(rng.random() < p for _ in range(n)) for p, n in ((se, labels), (sp, labels))]
            passed = sum(rng.random() < true * se + (1 - true) * (1 - sp) for _ in range(100))
            found = rogan_gladen(passed / 100, 100, Share(drawn[0], labels), Share(drawn[1], labels))
            hits += found is not None and found.interval.low <= true <= found.interval.high
        assert hits >= 0.94 * 400


def test_a_stratified_difference_of_one_stratum_is_newcombe_s() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, table II, example (a), method 10: 56/70 and 48/80."""
    found = stratified_difference([(Share(56, 70), Share(48, 80)), (Share(3, 3), Share(0, 0))])
    assert found is not None
    difference, interval = found
    assert (round(difference, 4), round(interval.low, 4), round(interval.high, 4)) == (0.2, 0.0524, 0.3339)
    certain = stratified_difference([(Share(10, 10), Share(10, 10)), (Share(0, 8), Share(0, 9))])
    assert certain is not None
    assert certain[0] == 0
    assert certain[1].low < -0.1 < 0.1 < certain[1].high
    assert stratified_difference([(Share(1, 2), Share(0, 0))]) is None


def test_kappa_of_counts_needs_no_pairs_and_no_memory() -> None:
    counts = VerdictCounts(true_pass=10**7, false_fail=10**6, false_pass=10**6, true_fail=10**7, errors_on_pass=3)
    assert counts.kappa.n == 22 * 10**6 + 3
    assert counts.kappa.value == pytest.approx(0.818181, abs=1e-5)
    words = {"p": "pass", "f": "fail", "e": "error"}
    for errors in (2, 0):
        few = VerdictCounts(true_pass=20, false_fail=5, false_pass=10, true_fail=15, errors_on_fail=errors)
        table = pairs_of({"pp": 20, "pf": 5, "fp": 10, "ff": 15, "fe": errors})
        assert few.kappa == cohen_kappa([(words[one], words[two]) for one, two in table])
