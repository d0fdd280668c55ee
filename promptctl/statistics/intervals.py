"""Confidence intervals: for one rate, for a difference of paired rates, and for a mean difference of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from promptctl.statistics.distributions import normal_quantile, t_quantile


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval: from `low` to `high`, at `confidence`, by the method named."""

    low: float
    high: float
    confidence: float
    method: str


def wilson(passed: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for the share of cases that pass; with no cases, the whole of 0 to 1.

    Formula: (p̂ + z²/2n ± z√(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n), kept within 0 and 1.
    Source: Wilson 1927, JASA 22:209; recommended by Brown, Cai and DasGupta 2001, Statistical Science 16:101.
    """
    if not 0 <= passed <= n:
        raise ValueError(f"{passed} passed of {n} cases is not a rate")
    if n == 0:
        return Interval(0.0, 1.0, confidence, "wilson")
    return wilson_of_rate(passed / n, n, confidence)


def wilson_of_rate(rate: float, n: float, confidence: float) -> Interval:
    """Wilson's interval of a share of n independent cases, which need be no whole number."""
    z = _two_sided_z(confidence)
    scale = 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / scale
    # At none and all the formula ends exactly at 0 and 1; floating point alone would miss it by a hair.
    low = 0.0 if rate == 0 else max(0.0, middle - half)
    high = 1.0 if rate == 1 else min(1.0, middle + half)
    return Interval(low, high, confidence, "wilson")


def clustered_rate(clusters: Sequence[tuple[int, int]], confidence: float = 0.95) -> Interval:
    """Wilson's interval for the share of cases that pass, of cases that stand or fall together.

    `clusters` has the passed and all cases of each; a case without a cluster is one of its own.
    Formula: Wilson's with the number of independent cases that would vary as much, p(1−p)/v·(z/t)², t Student's
    quantile of C−1 degrees of freedom, at most n; if all or none pass, C. v is the mean of C squared errors as by
    `standard_error` and one more as if all cases of a cluster were alike, p(1−p)/C: a few may agree by chance.
    Source: Korn and Graubard 1998, Survey Methodology 24:193; Dean and Pagano 2015, Journal of Survey Statistics and
    Methodology 3:484, for Wilson's.
    """
    n = sum(size for _passed, size in clusters)
    if n == 0:
        return Interval(0.0, 1.0, confidence, "wilson")
    rate = sum(passed for passed, _size in clusters) / n
    return wilson_of_rate(rate, independent_cases(clusters, confidence), confidence)


def with_single_cases(passed: int, n: int, clusters: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the clusters, with one for each of the n cases, of which so many passed, that is in none of them."""
    grouped = list(clusters)
    alone = passed - sum(each for each, _size in grouped)
    rest = n - sum(size for _passed, size in grouped)
    return [*grouped, *[(1, 1)] * alone, *[(0, 1)] * (rest - alone)]


def independent_cases(
    clusters: Sequence[tuple[int, int]], confidence: float = 0.95, repeats: Sequence[int] = ()
) -> float:
    """Return the number of independent cases that would vary as much as these clusters do; see `clustered_rate`.

    `repeats` has the number of times that each of the clusters is there, by default once.
    """
    times = repeats or [1] * len(clusters)
    counted = list(zip(clusters, times, strict=True))
    n, units = sum(size * number for (_passed, size), number in counted), sum(times)
    rate = sum(passed * number for (passed, _size), number in counted) / n
    alike = rate * (1 - rate) / units
    independent = float(units)
    if units > 1 and alike:
        squares = math.fsum([(passed - size * rate) ** 2 * number for (passed, size), number in counted])
        variance = (units * units / (units - 1) * squares / n**2 + alike) / (units + 1)
        student = t_quantile((1 + confidence) / 2, units - 1)
        independent = min(n, rate * (1 - rate) / variance * (_two_sided_z(confidence) / student) ** 2)
    return max(1.0, independent)


def tango(improved: int, regressed: int, n: int, confidence: float = 0.95) -> Interval:
    """Tango's score interval for the difference of two paired pass rates, (b − c)/n; never of zero width.

    Formula: the δ at which `tango_score` is ±z, found by bisection.
    Source: Tango 1998, Statistics in Medicine 17:891; recommended by Fagerland, Lydersen and Laake 2014, Statistics
    in Medicine 33:2850.
    """
    if min(improved, regressed) < 0 or improved + regressed > n:
        raise ValueError(f"{improved} improved and {regressed} regressed of {n} cases is not a table")
    if n == 0:
        return Interval(-1.0, 1.0, confidence, "tango")
    z = _two_sided_z(confidence)
    estimate = (improved - regressed) / n

    def score(delta: float) -> float:
        return tango_score(delta, improved, regressed, n)

    low = -1.0 if regressed == n else _bisect(lambda delta: score(delta) > z, -1.0, estimate)
    high = 1.0 if improved == n else _bisect(lambda delta: score(delta) > -z, estimate, 1.0)
    return Interval(low, high, confidence, "tango")


def tango_score(delta: float, improved: int, regressed: int, n: int) -> float:
    """The score statistic of a difference of paired pass rates of `delta`: far above zero if the table speaks for more.

    Formula: z(δ) = (b−c−nδ)/√(n(2q + δ(1−δ))), q the rate of regressions most likely under δ: q = (√(B²−4AC) − B)/2A,
    A = 2n, B = −b−c+(2n−b+c)δ, C = −cδ(1−δ).
    Source: Tango 1998, Statistics in Medicine 17:891.
    """
    a = 2 * n
    b = -improved - regressed + (2 * n - improved + regressed) * delta
    c = -regressed * delta * (1 - delta)
    q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * q + delta * (1 - delta))
    distance = improved - regressed - n * delta
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def mean_interval(mean: float, standard_error: float, units: int, confidence: float = 0.95) -> Interval:
    """Student's t interval for the mean of so many cases, or clusters, by its `standard_error`.

    Formula: Δ ± t_{C−1} · SE, C the number of cases or clusters.
    Source: Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640); C − 1 degrees of freedom after Cameron and
    Miller 2015, Journal of Human Resources 50:317.
    """
    half = t_quantile((1 + confidence) / 2, units - 1) * standard_error
    return Interval(mean - half, mean + half, confidence, "t")


def standard_error(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> float | None:
    """The standard error of a mean difference, cluster-robust; None with fewer than two cases (or clusters).

    Formula: √(C/(C−1) · Σ_g (Σ_{i∈g} (d_i − Δ))²)/n. With every case its own cluster it is sd(d)/√n.
    Source: Liang and Zeger 1986, Biometrika 73:13; for evaluations Miller 2024, arXiv 2411.00640.
    """
    n = len(differences)
    groups = cluster_totals(differences, clusters)
    if len(groups) < 2:
        return None
    if min(differences) == max(differences):
        return 0.0  # rounding of the mean must not pass for spread
    mean = math.fsum(differences) / n
    squares = math.fsum([(total - size * mean) ** 2 for total, size in groups])
    return math.sqrt(len(groups) / (len(groups) - 1) * squares) / n


def skewed_interval(mean: float, standard_error: float, skewness: float, n: int, confidence: float = 0.95) -> Interval:
    """An interval for the mean of skewed values, without resampling: Student's t, its skewness removed by a cubic.

    `skewness` is that of the n values themselves. Values are cases' differences, or clusters' (`influences`).
    Formula: `unskewed` g(t) is close to symmetric; from x̄ − g⁻¹(x)·SE to x̄ − g⁻¹(−x)·SE, x Student's quantile, with
    g⁻¹(x) = (3√n/γ)·(∛(1 + γ(x − γ/(6√n))/√n) − 1).
    Source: Hall 1992, Journal of the Royal Statistical Society B 54:221.
    """
    quantile, bend = t_quantile((1 + confidence) / 2, n - 1), skewness / (3 * math.sqrt(n))
    low, high = mean - _unbent(quantile, bend) * standard_error, mean - _unbent(-quantile, bend) * standard_error
    return Interval(low, high, confidence, "skewed-t")


def unskewed(t: float, skewness: float, n: int) -> float:
    """The t of a mean of n skewed values, its skewness removed by a cubic: to be held against Student's t.

    Formula: g(t) = t + γt²/(3√n) + γ²t³/(27n) + γ/(6√n).
    Source: Hall 1992, Journal of the Royal Statistical Society B 54:221.
    """
    bend = skewness / (3 * math.sqrt(n))
    return t + bend * t * t + bend * bend * t**3 / 3 + bend / 2


def _unbent(x: float, bend: float) -> float:
    """g⁻¹(x) of `skewed_interval`, where g(t) = ((1 + bt)³ − 1)/3b + b/2; without a bend x itself."""
    if abs(bend) < 1e-9:
        return x
    cube = 1 + 3 * bend * (x - bend / 2)
    return (math.copysign(abs(cube) ** (1 / 3), cube) - 1) / bend


def skewness_of(values: Sequence[float]) -> float:
    """The third central moment over the 3/2 power of the second; 0 without spread."""
    mean = math.fsum(values) / len(values)
    away = [value - mean for value in values]
    second = math.fsum([d * d for d in away]) / len(values)
    third = math.fsum([d * d * d for d in away]) / len(values)
    return third / second**1.5 if second**1.5 else 0.0


def influences(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> list[float]:
    """One value for each cluster, that of a case without one its difference; their mean is the mean difference.

    Formula: Δ + C·Σ_{i∈g}(d_i − Δ)/n. Their deviation over √C is `standard_error`'s; where clusters are of one size
    they are the clusters' means.
    Source: linearisation of the ratio of two means, Särndal, Swensson and Wretman 1992, Model Assisted Survey
    Sampling, chapter 5.
    """
    if clusters is None:
        return list(differences)
    n = len(differences)
    mean = math.fsum(differences) / n
    groups = cluster_totals(differences, clusters)
    return [mean + len(groups) * (total - size * mean) / n for total, size in groups]


def unvaried_interval(mean: float, units: int, spread: float = 1.0, confidence: float = 0.95) -> Interval:
    """The interval if all differences were equal, or nearly all: a case not yet met could differ.

    Formula: a share of up to q = 1 − (α/2)^(1/n) of all cases, the exact upper limit for none seen in n, may differ by
    as much as `spread`: (1−q)·Δ ± q·spread.
    Source: follows from Clopper and Pearson 1934, Biometrika 26:404, as a bound for scores within `spread` of each
    other.
    """
    unseen = 1 - ((1 - confidence) / 2) ** (1 / units)
    kept = (1 - unseen) * mean
    return Interval(max(-spread, kept - unseen * spread), min(spread, kept + unseen * spread), confidence, "unvaried")


def unvaried_p(mean: float, units: int, spread: float = 1.0) -> float:
    """The one-sided p-value at which `unvaried_interval` ends at zero, for the side that the mean lies on.

    Formula: (1 + |Δ|/spread)^−n: where each of n cases lost as much as can be lost, McNemar's 2^−n.
    """
    return math.exp(-units * math.log1p(abs(mean) / spread))


def cluster_totals(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> list[tuple[float, int]]:
    """Sum and size of each cluster, in order of first appearance; each case is its own if none are named."""
    if clusters is None:
        return [(difference, 1) for difference in differences]
    groups: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        groups.setdefault(cluster, []).append(difference)
    return [(math.fsum(group), len(group)) for group in groups.values()]


def _two_sided_z(confidence: float) -> float:
    return normal_quantile((1 + confidence) / 2)


def _bisect(is_left: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point at which `is_left` turns from true to false, to the last digits."""
    for _ in range(80):
        middle = (low + high) / 2
        if is_left(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2
