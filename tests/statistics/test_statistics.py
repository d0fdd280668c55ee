"""The formulas against published worked examples, against SciPy and statsmodels where present, and by property."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.statistics.bootstrap import bootstrap_t, quantile, studentized_interval
from promptctl.statistics.distributions import t_cdf, t_quantile
from promptctl.statistics.intervals import (
    clustered_rate,
    independent_cases,
    influences,
    mean_interval,
    skewed_interval,
    skewness_of,
    standard_error,
    tango,
    unskewed,
    unvaried_interval,
    wilson,
)
from promptctl.statistics.metric import Procedure, compare_metric
from promptctl.statistics.multiplicity import holm, spent
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.statistics.paired import mcnemar
from promptctl.statistics.planning import cases_to_rule_out, detectable_difference

steady = settings(derandomize=True, deadline=None, database=None, max_examples=60)
tables = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda table: sum(table) > 0)


def near(value: float, digits: float) -> object:
    return pytest.approx(value, abs=digits)


# Published worked examples


def test_cavo_2012_as_in_fagerland_chapter_8() -> None:
    # Complete response before and after consolidation therapy, table (59, 6; 16, 80).
    test = mcnemar(6, 16)
    assert test.p_two_sided == near(0.052479, 5e-7)
    interval = tango(6, 16, 161)
    assert (interval.low, interval.high) == (near(-0.1240, 5e-5), near(-0.0054, 5e-5))


@pytest.mark.parametrize(
    ("improved", "regressed", "p"),
    [
        (121, 59, 4.434449e-6),
        (70, 59, 0.378688),
        (80, 59, 0.089452),
        (30, 60, 0.00206),
        (10, 30, 0.002221),
        (10, 10, 1.0),
        (15, 19, 0.60759136127308),
    ],
)
def test_mcnemar_two_sided_as_published(improved: int, regressed: int, p: float) -> None:
    assert mcnemar(improved, regressed).p_two_sided == pytest.approx(p, rel=5e-4 if p == 0.00206 else 1e-5, abs=5e-7)


def test_mcnemar_to_the_last_published_digit() -> None:
    assert mcnemar(15, 19).p_two_sided == near(0.60759136127308, 1e-14)


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    [
        (18, 20, 0.6989663547715, 0.9721335187862),
        (4, 20, 0.0806576625798, 0.4160174322519),
        (0, 30, 0.0, 0.1135133932),
        (10, 10, 0.7224672, 1.0),
    ],
)
def test_wilson_as_published(passed: int, n: int, low: float, high: float) -> None:
    interval = wilson(passed, n)
    assert (interval.low, interval.high) == (near(low, 5e-8), near(high, 5e-8))


def test_holm_as_in_multtest() -> None:
    adjusted = holm([0.002, 0.004, 0.006, 0.008, 0.01, 0.012])
    assert adjusted == pytest.approx([0.012, 0.02, 0.024, 0.024, 0.024, 0.024])


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.95, 4, 2.13185), (0.975, 9, 2.26216), (0.995, 30, 2.75000)],
)
def test_student_t_table(probability: float, degrees: int, quantile: float) -> None:
    assert t_quantile(probability, degrees) == near(quantile, 6e-5)
    assert t_quantile(1 - probability, degrees) == near(-quantile, 6e-5)


def test_intervals_of_means_worked_by_hand() -> None:
    # sd of 1 … 5 is √2.5, so SE = √0.5; t with 4 degrees of freedom is 2.77645.
    interval = mean_interval(3.0, standard_error([1.0, 2.0, 3.0, 4.0, 5.0]) or 0.0, 5)
    assert (interval.low, interval.high) == (near(3 - 1.96324, 5e-6), near(3 + 1.96324, 5e-6))
    # Two clusters that sum to 2 below and 2 above their share: √(2/1 · (4 + 4))/4 = 1; t with 1 is 12.7062.
    clustered = mean_interval(2.0, standard_error([1.0, 1.0, 3.0, 3.0], ["a", "a", "b", "b"]) or 0.0, 2)
    assert (clustered.low, clustered.high) == (near(2 - 12.7062, 5e-5), near(2 + 12.7062, 5e-5))


def test_the_planning_formula_of_miller_2024() -> None:
    assert detectable_difference(1.0) == near(2.4865, 5e-5)


# SciPy and statsmodels as oracles


def test_wilson_and_mcnemar_agree_with_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    tables_module = pytest.importorskip("statsmodels.stats.contingency_tables")
    rng = random.Random(1)
    for _ in range(200):
        n = rng.randint(1, 400)
        passed = rng.randint(0, n)
        confidence = rng.choice([0.8, 0.9, 0.95, 0.99])
        low, high = proportion.proportion_confint(passed, n, alpha=1 - confidence, method="wilson")
        interval = wilson(passed, n, confidence)
        assert (interval.low, interval.high) == (near(low, 1e-12), near(high, 1e-12))
        b, c = rng.randint(0, 80), rng.randint(0, 80)
        expected = tables_module.mcnemar([[10, b], [c, 10]], exact=True).pvalue
        assert mcnemar(b, c).p_two_sided == pytest.approx(min(1.0, expected), rel=1e-10)


def test_what_looks_take_of_the_level_is_never_more_than_the_level() -> None:
    assert [spent(0.05, look) for look in (1, 2, 3)] == pytest.approx([0.05 * 2 / 3, 0.05 / 6, 0.05 / 15])
    for looks in (1, 2, 50):
        assert sum(spent(0.05, look) for look in range(1, looks + 1)) == pytest.approx(
            0.05 * (1 - 2 / ((looks + 1) * (looks + 2)))
        )


def test_holm_agrees_with_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    monkeypatch.setattr("gc.collect", lambda: 0)  # each round collects the rubbish of the whole suite
    rng = random.Random(1)
    for size in range(1, 9):
        p_values = [rng.random() ** 3 for _ in range(size)]
        assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1].tolist())


def test_student_t_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for degrees in (1, 2, 3, 4.5, 9, 29, 99, 999, 100_000):
        for t in (-40.0, -3.1, -0.2, 0.0, 0.01, 1.0, 2.5, 8.0):
            assert t_cdf(t, degrees) == pytest.approx(float(stats.t.cdf(t, degrees)), rel=1e-9, abs=1e-15)
        for probability in (0.001, 0.3, 0.5, 0.9, 0.95, 0.975, 0.995, 0.9999):
            expected = float(stats.t.ppf(probability, degrees))
            assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_one_sided_p_values_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for b, c in itertools.product(range(12), repeat=2):
        m = b + c
        test = mcnemar(b, c)
        assert test.p_worse == pytest.approx(float(stats.binom.sf(c - 1, m, 0.5)))
        assert test.p_better == pytest.approx(float(stats.binom.sf(b - 1, m, 0.5)))


def test_intervals_of_means_agree_with_scipy_and_statsmodels() -> None:
    stats = pytest.importorskip("scipy.stats")
    linear = pytest.importorskip("statsmodels.regression.linear_model")
    numpy = pytest.importorskip("numpy")
    rng = random.Random(3)
    differences = [rng.gauss(0.1, 0.4) for _ in range(60)]
    mean, error = sum(differences) / 60, float(stats.sem(differences))
    low, high = stats.t.interval(0.9, 59, mean, error)
    interval = mean_interval(mean, standard_error(differences) or 0.0, 60, 0.9)
    assert (interval.low, interval.high) == (near(low, 1e-12), near(high, 1e-12))
    clusters = [rng.randint(0, 11) for _ in differences]
    fit = linear.OLS(numpy.array(differences), numpy.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": numpy.array(clusters)}
    )
    assert standard_error(differences, clusters) == near(float(fit.bse[0]), 1e-12)


def test_quantile_is_numpys_default() -> None:
    numpy = pytest.importorskip("numpy")
    values = sorted(random.Random(4).random() for _ in range(37))
    for probability in (0.0, 0.025, 0.5, 0.731, 1.0):
        assert quantile(values, probability) == near(float(numpy.quantile(values, probability)), 1e-14)


# Properties


@steady
@given(tables)
def test_tango_solves_its_score_equation(table: tuple[int, int, int, int]) -> None:
    """At each limit the score statistic, with the likelihood maximised by search, is the normal quantile."""
    _, b, c, _ = table
    n = sum(table)
    interval = tango(b, c, n)
    assert -1 <= interval.low <= (b - c) / n <= interval.high <= 1
    assert interval.low < interval.high
    for limit in (interval.low, interval.high):
        if abs(limit) < 0.999:
            assert abs(score_statistic(b, c, n, limit)) == near(1.959964, 2e-4)


def score_statistic(b: int, c: int, n: int, delta: float) -> float:
    def log_likelihood(q: float) -> float:
        cells = ((b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta))
        return sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    for _ in range(200):
        third = (high - low) / 3
        if log_likelihood(low + third) < log_likelihood(high - third):
            low += third
        else:
            high -= third
    q = (low + high) / 2
    return (b - c - n * delta) / math.sqrt(n * (2 * q + delta - delta * delta))


@steady
@given(tables)
def test_improved_and_regressed_are_mirror_images(table: tuple[int, int, int, int]) -> None:
    _, b, c, _ = table
    n = sum(table)
    there, back = tango(b, c, n), tango(c, b, n)
    assert (there.low, there.high) == (near(-back.high, 1e-12), near(-back.low, 1e-12))
    assert -1 <= there.low <= (b - c) / n <= there.high <= 1
    assert mcnemar(b, c).p_worse == mcnemar(c, b).p_better
    assert 0 < mcnemar(b, c).p_two_sided <= 1


@steady
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_keeps_order_and_stays_below_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for (p, after), (q, beside) in itertools.product(zip(p_values, adjusted, strict=True), repeat=2):
        assert p <= after <= min(1.0, p * len(p_values)) + 1e-15
        assert not (p < q and after > beside)


@steady
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40), st.integers(1, 5))
def test_a_mean_has_an_error_once_there_are_two_clusters(differences: list[float], size: int) -> None:
    clusters = [position // size for position in range(len(differences))]
    error = standard_error(differences, clusters)
    assert (error is None) == (len(set(clusters)) < 2)
    assert error is None or error >= 0


# Scores


def test_bootstrap_agrees_with_every_sample_there_is() -> None:
    numpy = pytest.importorskip("numpy")
    values = [0.0, -0.6, 0.1, 0.0, 0.3]
    every = numpy.array(list(itertools.product(values, repeat=5)))
    every = every[every.std(axis=1) > 1e-9]
    exact = numpy.sort((every.mean(axis=1) - numpy.mean(values)) / (every.std(axis=1, ddof=1) / math.sqrt(5)))
    drawn = [t for t in bootstrap_t(values, resamples=20_000, seed="s") if abs(t) < 1e6]
    assert len(drawn) / 20_000 == near(len(exact) / 5**5, 0.005)
    for bound in (-2.01, -0.51, 0.01, 0.51, 2.01):
        assert sum(t <= bound for t in drawn) / len(drawn) == near(float((exact <= bound).mean()), 0.012)


def test_bootstrap_of_symmetric_values_is_students_t() -> None:
    rng = random.Random(5)
    half = [abs(rng.gauss(0.0, 0.5)) for _ in range(60)]
    for zeros in (0, 40):
        values = [*half, *[-value for value in half], *[0.0] * zeros]
        interval = studentized_interval(0.0, 1.0, bootstrap_t(values, seed="s"), 0.9)
        assert (interval.low, interval.high) == (near(-1.66, 0.06), near(1.66, 0.06))


def test_intervals_of_skewed_values_lean_to_the_longer_tail() -> None:
    rng = random.Random(6)
    values = [-rng.expovariate(20) for _ in range(150)]
    mean, error = sum(values) / 150, standard_error(values) or 0.0
    plain = mean_interval(mean, error, 150, 0.9)
    cubic = skewed_interval(mean, error, skewness_of(values), 150, 0.9)
    drawn = studentized_interval(mean, error, bootstrap_t(values, seed="s"), 0.9)
    for interval in (drawn, cubic):
        assert interval.low < plain.low - 0.04 * error
        assert interval.high < plain.high
    assert cubic.low == near(drawn.low, 0.06 * error)
    assert cubic.high == near(drawn.high, 0.06 * error)


def test_removing_the_skewness_solves_its_equation() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(7)
    for values in ([-rng.expovariate(3) for _ in range(40)], [rng.gauss(0, 1) ** 2 for _ in range(400)]):
        n, skewness = len(values), float(stats.skew(values))
        assert skewness_of(values) == near(skewness, 1e-9)
        mean, error, quantile_ = sum(values) / n, float(stats.sem(values)), float(stats.t.ppf(0.975, n - 1))
        interval = skewed_interval(mean, error, skewness, n, 0.95)
        for end, wanted in ((interval.low, quantile_), (interval.high, -quantile_)):
            assert unskewed((mean - end) / error, skewness, n) == near(wanted, 1e-9)
    assert unskewed(2.0, 6.0, 400) == near(2 + 6 * 4 / 60 + 36 * 8 / 10_800 + 6 / 120, 1e-12)
    symmetric = [-1.0, 0.0, 1.0] * 20
    assert skewness_of([0.5] * 9) == skewness_of(symmetric) == 0.0
    error = standard_error(symmetric) or 0.0
    assert skewed_interval(0.0, error, 0.0, 60).low == near(mean_interval(0.0, error, 60).low, 1e-9)


def test_a_cluster_counts_as_one_value_in_the_bootstrap() -> None:
    differences, clusters = [1.0, 0.0, 0.0, -1.0], ["a", "b", "b", "b"]
    values = influences(differences, clusters)
    assert values == [near(0.5, 1e-12), near(-0.5, 1e-12)]
    assert standard_error(values) == near(standard_error(differences, clusters) or 0.0, 1e-12)
    assert influences([0.2, 0.4, 0.0, 0.2], ["a", "a", "b", "b"]) == [near(0.3, 1e-12), near(0.1, 1e-12)]


def test_bootstrap_repeats_by_seed() -> None:
    differences = [0.1, -0.3, 0.25, 0.7]
    assert bootstrap_t(differences, seed="a") == bootstrap_t(differences, seed="a")
    assert bootstrap_t(differences, seed="a") != bootstrap_t(differences, seed="b")


@pytest.mark.parametrize("n", [60, 250])
def test_a_loss_of_the_margin_in_skewed_scores_is_seldom_ruled_out(n: int) -> None:
    """Most cases keep their score, some lose much of it: there a percentile interval errs 9 times in 100."""
    rng = random.Random(n)
    passed = 0
    for _ in range(300):
        losses = [rng.betavariate(0.2, 3.8) for _ in range(n)]
        metric = compare_metric("tone", [1.0] * n, [1 - loss for loss in losses], procedure=Procedure(resamples=400))
        passed += metric.tolerance.low > -0.05
    assert passed <= 17


# Degenerate inputs


def test_no_case_and_one_case_have_wide_intervals_and_no_evidence() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert (tango(0, 0, 0).low, tango(0, 0, 0).high) == (-1.0, 1.0)
    assert tango(0, 1, 1).low == -1.0
    assert standard_error([0.3]) is None
    assert standard_error([0.3, 0.1], ["a", "a"]) is None
    test = mcnemar(0, 0)
    assert (test.p_worse, test.p_better, test.p_two_sided) == (1.0, 1.0, 1.0)
    assert holm([]) == []


def test_nothing_flipped_in_a_hundred_cases_is_no_proof_of_equality() -> None:
    interval = tango(0, 0, 100)
    assert (interval.low, interval.high) == (near(-0.0370, 5e-5), near(0.0370, 5e-5))
    # Clopper and Pearson: the share that may yet differ if none of 100 did is 1 − 0.025^(1/100).
    same = unvaried_interval(0.0, 100)
    assert (same.low, same.high) == (near(-0.0362, 5e-5), near(0.0362, 5e-5))


def test_rates_and_tables_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="3 passed of 2 cases"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="2 improved and 2 regressed of 3"):
        tango(2, 2, 3)
    with pytest.raises(ValueError, match="cannot resample 1 cases"):
        bootstrap_t([0.5])


def test_equal_scores_do_not_give_an_interval_of_no_width() -> None:
    for n in (1, 2, 5, 40):
        metric = compare_metric("tone", [0.8] * n, [0.8] * n, procedure=Procedure())
        assert metric.interval.low <= -1.9 / (n + 3.9)
        assert metric.test.p_worse == metric.test.p_better == 1.0


@pytest.mark.parametrize("usual", [0.0, -0.25])
@pytest.mark.parametrize(("n", "odd"), [(12, 1), (30, 2), (150, 4), (30, 5), (400, 2)])
def test_a_few_odd_cases_among_equal_ones_leave_an_interval_worth_reading(n: int, odd: int, usual: float) -> None:
    differences = [usual] * (n - odd) + [usual - 0.5] * odd
    metric = compare_metric("tone", [0.9] * n, [0.9 + difference for difference in differences], procedure=Procedure())
    plain = mean_interval(metric.difference, standard_error(differences) or 0.0, n)
    assert metric.difference - 0.4 - odd / n < metric.interval.low <= plain.low
    assert metric.difference <= metric.interval.high <= metric.difference + 0.35


def test_a_metric_of_passes_is_tested_exactly_and_one_of_clusters_is_not() -> None:
    base, head = [1.0] * 12, [0.0] * 5 + [1.0] * 7
    alone = compare_metric("passed", base, head, procedure=Procedure())
    assert (alone.interval.method, alone.test.p_worse) == ("tango", 1 / 32)
    together = compare_metric("passed", base, head, ["a"] * 6 + ["b"] * 6, procedure=Procedure())
    # Two documents, one of them lower by 5/6: t = −1 with one degree of freedom, and (1 + 5/12)^−2.
    assert (together.units, together.interval.method) == (2, "t")
    assert together.test.p_worse == near((12 / 17) ** 2, 1e-12)


def test_decimal_scores_tie_as_people_read_them() -> None:
    # 0.9 − 0.8 and 0.4 − 0.3 differ in binary; as differences of one size they leave no spread.
    metric = compare_metric("tone", [0.9, 0.4], [0.8, 0.3], procedure=Procedure())
    assert (metric.standard_error, metric.interval.method) == (0.0, "unvaried")
    assert metric.test.p_worse == near(1.1**-2, 1e-12)
    same = compare_metric("tone", [0.3], [0.1 + 0.2], procedure=Procedure())
    assert (same.test.p_worse, same.test.p_better, same.improved, same.regressed) == (1.0, 1.0, 0, 0)
    # Nor is what sums leave of clusters in balance a difference.
    scores = [0.1, 0.2, 0.3] * 40
    level = compare_metric("tone", scores, scores[2:] + scores[:2], [n // 3 for n in range(120)], procedure=Procedure())
    assert (level.test.p_worse, level.test.p_better) == (1.0, 1.0)


# Cases that stand or fall together


def test_a_rate_of_clusters_is_wilsons_of_as_many_cases_as_they_amount_to() -> None:
    alike = clustered_rate([(10, 10)] * 8 + [(0, 10)] * 2)
    ten, hundred = wilson(8, 10), wilson(80, 100)
    assert alike.low <= ten.low < hundred.low
    assert hundred.high < ten.high <= alike.high
    # All passed: of ten documents, not of a hundred cases.
    assert clustered_rate([(10, 10)] * 10).low == near(wilson(10, 10).low, 1e-12)
    assert clustered_rate([(0, 10)] * 10).high == near(wilson(0, 10).high, 1e-12)
    # Clusters that agree by chance are no more than the cases they hold; and a few that differ, no less than one.
    assert independent_cases([(1, 2)] * 10) == 20
    assert independent_cases([(10, 10), (0, 10)]) == 1


def test_cases_each_their_own_cluster_are_nearly_wilsons() -> None:
    found, plain = clustered_rate([(1, 1)] * 80 + [(0, 1)] * 20), wilson(80, 100)
    assert (found.low, found.high) == (near(plain.low, 0.003), near(plain.high, 0.003))


@steady
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda pair: (min(pair), pair[1])), max_size=12))
def test_a_rate_of_clusters_lies_within_its_interval(clusters: list[tuple[int, int]]) -> None:
    interval = clustered_rate(clusters)
    n, passed = sum(size for _, size in clusters), sum(passed for passed, _ in clusters)
    assert 0 <= interval.low <= (passed / n if n else 0.5) <= interval.high <= 1
    if clusters:
        assert interval.high - interval.low >= 0.8 * (wilson(passed, n).high - wilson(passed, n).low)


def test_one_cluster_says_next_to_nothing() -> None:
    interval = clustered_rate([(9, 10)])
    assert interval.high - interval.low > 0.75


# Cases that would rule out a loss


@pytest.mark.parametrize(
    ("improved", "regressed", "n"), [(0, 0, 12), (1, 1, 40), (3, 2, 60), (10, 12, 200), (0, 4, 500)]
)
def test_the_cases_asked_for_rule_out_the_loss_and_fewer_do_not(improved: int, regressed: int, n: int) -> None:
    base = [0.0] * improved + [1.0] * (n - improved)
    head = [1.0] * improved + [0.0] * regressed + [1.0] * (n - improved - regressed)
    metric = compare_metric("passed", base, head, procedure=Procedure())
    needed = cases_to_rule_out(metric, 0.05)
    assert needed is not None

    def is_ruled_out(cases: int) -> bool:
        scaled = [round(count * cases / n) for count in (improved, regressed)]
        return is_loss_ruled_out(scaled[0], scaled[1], cases, 0.05, 0.05)

    if metric.rules_out(0.05):
        assert needed == n + 1
    else:
        assert is_ruled_out(needed)
        assert not is_ruled_out(needed - 1)
    if improved + regressed == 0:
        assert needed == 59


def test_scores_and_clusters_are_planned_by_their_own_bound() -> None:
    rng = random.Random(8)
    drawn = [rng.gauss(0, 0.2) for _ in range(240)]
    head = [0.496 + value - sum(drawn) / 240 for value in drawn]
    alone = compare_metric("tone", [0.5] * 240, head, procedure=Procedure())
    needed = cases_to_rule_out(alone, 0.02)
    assert needed is not None
    assert 240 < needed < 480
    # Twice as many cases, alike: the verdict's own interval agrees.
    again = compare_metric("tone", [0.5] * 480, head * 2, procedure=Procedure())
    assert (alone.rules_out(0.02), again.rules_out(0.02)) == (False, True)
    together = compare_metric(
        "tone", [0.5] * 240, head, [position // 10 for position in range(240)], procedure=Procedure()
    )
    grouped = cases_to_rule_out(together, 0.02)
    assert grouped is not None
    assert grouped % 10 == 0


def test_a_loss_as_large_as_the_margin_or_a_single_cluster_has_no_answer() -> None:
    lost = compare_metric("passed", [1.0] * 20, [0.0] * 3 + [1.0] * 17, procedure=Procedure())
    assert cases_to_rule_out(lost, 0.05) is None
    one = compare_metric("passed", [1.0] * 20, [0.0] + [1.0] * 19, ["a"] * 20, procedure=Procedure())
    assert cases_to_rule_out(one, 0.1) is None
