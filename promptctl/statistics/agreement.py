"""Agreement of one rater with another, and a rate corrected for the errors of who measured it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from promptctl.statistics.distributions import normal_quantile, t_quantile
from promptctl.statistics.intervals import Interval, independent_cases, wilson, wilson_of_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    Counts = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's κ of n pairs: `observed` agreement beyond what the two raters' own rates make `expected`.

    `error` is its standard error by Fleiss, Cohen and Everitt. It, `value` and `interval` are None if both raters
    always say the same one thing: nothing is known then.
    """

    n: int
    observed: float
    expected: float
    value: float | None
    error: float | None
    interval: Interval | None


def cohen_kappa(pairs: Sequence[tuple[str, str]], confidence: float = 0.95, clusters: Iterable[Hashable] = ()) -> Kappa:
    """Cohen's κ of two raters, each pair what they said of one thing; see `kappa_of_counts`.

    `clusters` name what each pair belongs to; without them each stands alone.
    """
    groups: dict[Hashable, Counter[tuple[str, str]]] = {}
    for pair, cluster in zip(pairs, clusters, strict=False):
        groups.setdefault(cluster, Counter())[pair] += 1
    return kappa_of_counts(Counter(pairs), confidence, [(group, 1) for group in groups.values()])


def kappa_of_counts(counts: Counts, confidence: float = 0.95, clusters: Sequence[tuple[Counts, int]] = ()) -> Kappa:
    """Cohen's κ of two raters, by the number of things of which they said each pair.

    `clusters` are the counts of things that belong together, each with the number of such clusters.

    Formula: κ = (pₒ − pₑ)/(1 − pₑ), pₑ = Σ pᵢ.p.ᵢ, with the error √(Σ e²)/n over the pairs, e of the pair i, j being
    ((1 if i = j else 0) − pₒ)/(1 − pₑ) − (1 − pₒ)(p.ᵢ + pⱼ. − 2pₑ)/(1 − pₑ)². The interval is κ′ ± z·error′ of the
    table with 8/k pairs added, k the answers, the same share of them in each cell, as the error is far too small where
    one answer is rare; it holds κ, and is kept within −1 and 1. With C clusters 8/k of mean size are added, e² is the
    square of each cluster's sum, times C/(C − 1), and z Student's quantile of C − 1 degrees of freedom.
    Source: Cohen 1960, Educational and Psychological Measurement 20:37; the error: Fleiss, Cohen and Everitt 1969,
    Psychological Bulletin 72:323; pairs added, as for rates: Agresti and Coull 1998, The American Statistician 52:119.
    """
    counts = {pair: number for pair, number in counts.items() if number}
    n = int(sum(counts.values()))
    if not n:
        return Kappa(0, 0.0, 0.0, None, None, None)
    table = _Table(counts)
    if table.expected >= 1:
        return Kappa(n, table.observed, 1.0, None, None, None)
    kappa, error = table.kappa, math.sqrt(table.squares(counts)) / n
    groups = sum(number for _, number in clusters) or n
    size, names = n / groups, {name for pair in counts for name in pair}
    added = {(one, two): 8 * size / len(names) ** 3 for one in names for two in names}
    whole = _Table({pair: counts.get(pair, 0) + more for pair, more in added.items()})
    squares, quantile = whole.squares(counts), normal_quantile((1 + confidence) / 2)
    if groups == 1:
        return Kappa(n, table.observed, table.expected, kappa, error, Interval(-1.0, 1.0, confidence, "fleiss-added"))
    if groups < n:
        squares = math.fsum(number * whole.sum(group) ** 2 for group, number in clusters) * groups / (groups - 1)
        quantile = t_quantile((1 + confidence) / 2, groups - 1)
    half = quantile * math.sqrt(squares + size * whole.squares(added)) / (n + 8 * size / len(names))
    low, high = min(kappa, max(-1.0, whole.kappa - half)), max(kappa, min(1.0, whole.kappa + half))
    return Kappa(n, table.observed, table.expected, kappa, error, Interval(low, high, confidence, "fleiss-added"))


class _Table:
    """A table of what two raters said, with κ of it and each pair's influence on κ."""

    def __init__(self, counts: Counts) -> None:
        n = math.fsum(counts.values())
        self._first: dict[str, float] = {}
        self._second: dict[str, float] = {}
        for (one, two), number in counts.items():
            self._first[one] = self._first.get(one, 0.0) + number / n
            self._second[two] = self._second.get(two, 0.0) + number / n
        self.observed = math.fsum(number for (one, two), number in counts.items() if one == two) / n
        self.expected = math.fsum(share * self._second.get(name, 0.0) for name, share in self._first.items())

    @property
    def kappa(self) -> float:
        """Cohen's κ."""
        return (self.observed - self.expected) / (1 - self.expected)

    def _influence(self, pair: tuple[str, str]) -> float:
        """Return how much one more such pair, of all, moves κ."""
        one, two = pair
        left = 1 - self.expected
        chance = self._second.get(one, 0.0) + self._first.get(two, 0.0) - 2 * self.expected
        return ((one == two) - self.observed) / left - (1 - self.observed) * chance / left**2

    def sum(self, counts: Counts) -> float:
        """Return the sum of the influences of so many pairs."""
        return math.fsum(number * self._influence(pair) for pair, number in counts.items())

    def squares(self, counts: Counts) -> float:
        """Return the sum of the squared influences of so many pairs."""
        return math.fsum(number * self._influence(pair) ** 2 for pair, number in counts.items())


@dataclass(frozen=True, slots=True)
class Share:
    """A share that was measured: `hits` of `n`, which vary as `independent` ones do; as n if that is None."""

    hits: int
    n: int
    independent: float | None = None

    @property
    def rate(self) -> float | None:
        """The share; None of nothing."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Wilson's interval of it."""
        if self.independent is None:
            return wilson(self.hits, self.n)
        return wilson_of_rate(self.hits / self.n, self.independent, 0.95)


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """Verdicts of a judge on replies that people let pass or fail: right, wrong, or none that could be read."""

    true_pass: int = 0
    false_fail: int = 0
    false_pass: int = 0
    true_fail: int = 0
    errors_on_pass: int = 0
    errors_on_fail: int = 0

    @property
    def n(self) -> int:
        """The replies."""
        return self.on_pass + self.on_fail

    @property
    def on_pass(self) -> int:
        """The replies that people let pass."""
        return self.true_pass + self.false_fail + self.errors_on_pass

    @property
    def on_fail(self) -> int:
        """The replies that people let fail."""
        return self.false_pass + self.true_fail + self.errors_on_fail

    @property
    def errors(self) -> int:
        """The replies without a verdict."""
        return self.errors_on_pass + self.errors_on_fail

    @property
    def accuracy(self) -> Share:
        """The share of all replies on which the judge agreed with people; one without a verdict is none of them."""
        return Share(self.true_pass + self.true_fail, self.n)

    @property
    def sensitivity(self) -> Share:
        """The share that the judge let pass, of its verdicts on replies that people let pass."""
        return Share(self.true_pass, self.true_pass + self.false_fail)

    @property
    def specificity(self) -> Share:
        """The share that the judge let fail, of its verdicts on replies that people let fail."""
        return Share(self.true_fail, self.true_fail + self.false_pass)

    @property
    def pairs(self) -> Counts:
        """The number of each pair of what people and judge said; a missing verdict is one on which they disagree."""
        return {
            ("pass", "pass"): self.true_pass,
            ("pass", "fail"): self.false_fail,
            ("fail", "pass"): self.false_pass,
            ("fail", "fail"): self.true_fail,
            ("pass", "error"): self.errors_on_pass,
            ("fail", "error"): self.errors_on_fail,
        }

    @property
    def kappa(self) -> Kappa:
        """The agreement of judge and people."""
        return kappa_of_counts(self.pairs)


def total_of(by_case: Iterable[tuple[VerdictCounts, int]]) -> VerdictCounts:
    """Return the sum of the verdicts by case, each with the number of such cases."""
    names = [each.name for each in fields(VerdictCounts)]
    found = list(by_case)
    return VerdictCounts(**{name: sum(getattr(each, name) * number for each, number in found) for name in names})


@dataclass(frozen=True, slots=True)
class JudgedCases:
    """Verdicts of a judge by case: replies to one case are alike, so each case counts once for how much is known.

    `by_case` has the verdicts on the replies of a case, with the number of such cases; if it is empty, each reply is to
    a case of its own.
    """

    total: VerdictCounts
    by_case: Sequence[tuple[VerdictCounts, int]] = ()

    @property
    def n(self) -> int:
        """The cases."""
        return sum(number for _, number in self.by_case) or self.total.n

    @property
    def on_pass(self) -> int:
        """The cases with a reply that people let pass."""
        return sum(number for each, number in self.by_case if each.on_pass) if self.by_case else self.total.on_pass

    @property
    def on_fail(self) -> int:
        """The cases with a reply that people let fail."""
        return sum(number for each, number in self.by_case if each.on_fail) if self.by_case else self.total.on_fail

    @property
    def accuracy(self) -> Share:
        """See `VerdictCounts.accuracy`."""
        return self._share(lambda each: each.accuracy)

    @property
    def sensitivity(self) -> Share:
        """See `VerdictCounts.sensitivity`."""
        return self._share(lambda each: each.sensitivity)

    @property
    def specificity(self) -> Share:
        """See `VerdictCounts.specificity`."""
        return self._share(lambda each: each.specificity)

    @property
    def kappa(self) -> Kappa:
        """See `VerdictCounts.kappa`."""
        return kappa_of_counts(self.total.pairs, clusters=[(each.pairs, number) for each, number in self.by_case])

    def _share(self, of: Callable[[VerdictCounts], Share]) -> Share:
        total, shares = of(self.total), [(of(each), number) for each, number in self.by_case]
        sizes = [((each.hits, each.n), number) for each, number in shares if each.n]
        if not sizes:
            return total
        independent = independent_cases([each for each, _ in sizes], repeats=[number for _, number in sizes])
        return Share(total.hits, total.n, independent)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A rate corrected for the errors of who measured it, with its interval."""

    rate: float
    interval: Interval


def rogan_gladen(
    rate: float, n: float, sensitivity: Share, specificity: Share, confidence: float = 0.95
) -> Corrected | None:
    """The true rate behind one that an imperfect rater measured on n cases; the interval knows that its errors are
    estimates, too. None if the rater is no better than chance, or if either of its errors was never measured.

    Formula: p = (r + Sp − 1)/(Se + Sp − 1), kept within 0 and 1. The interval is of Lang and Reiczigel: with z²/2 hits
    and z² cases added to r, one hit and two cases to each of Se and Sp, p′ as above and J = Se + Sp − 1,
    p′ + d ± z·√(r(1−r)/n + p′²Se(1−Se)/nₛₑ + (1−p′)²Sp(1−Sp)/nₛₚ)/J, d = 2z²(p′Se(1−Se)/nₛₑ − (1−p′)Sp(1−Sp)/nₛₚ).
    Source: Rogan and Gladen 1978, American Journal of Epidemiology 107:71; the interval: Lang and Reiczigel 2014,
    Preventive Veterinary Medicine 113:13, which covers 95 % also of few labels.
    """
    if not (sensitivity.n and specificity.n and n > 0):
        return None
    youden = sensitivity.hits / sensitivity.n + specificity.hits / specificity.n - 1
    if youden <= 1e-12:
        return None
    estimate = min(1.0, max(0.0, (rate + specificity.hits / specificity.n - 1) / youden))
    z = normal_quantile((1 + confidence) / 2)
    cases, r = n + z * z, (rate * n + z * z / 2) / (n + z * z)
    (se, se_n), (sp, sp_n) = _with_two_added(sensitivity), _with_two_added(specificity)
    if (adjusted := se + sp - 1) <= 1e-12:
        return Corrected(estimate, Interval(0.0, 1.0, confidence, "lang-reiczigel"))
    p = (r + sp - 1) / adjusted
    se_error, sp_error = se * (1 - se) / se_n, sp * (1 - sp) / sp_n
    half = z * math.sqrt(r * (1 - r) / cases + p * p * se_error + (1 - p) ** 2 * sp_error) / adjusted
    middle = p + 2 * z * z * (p * se_error - (1 - p) * sp_error)
    low, high = min(estimate, max(0.0, middle - half)), max(estimate, min(1.0, middle + half))
    return Corrected(estimate, Interval(low, high, confidence, "lang-reiczigel"))


def _with_two_added(share: Share) -> tuple[float, float]:
    """Return a share with one hit and two cases added, and the independent cases that it then is of."""
    n = share.n if share.independent is None else share.independent
    return (share.hits / share.n * n + 1) / (n + 2), n + 2


def stratified_difference(
    strata: Sequence[tuple[Share, Share]], confidence: float = 0.95
) -> tuple[float, Interval] | None:
    """The difference of two groups' rates, first less second, within strata; None if no stratum has both groups.

    Formula: Δ = Σ wₖ(p₁ₖ − p₂ₖ), wₖ the weights of Mantel and Haenszel, n₁ₖn₂ₖ/(n₁ₖ + n₂ₖ) over their sum; from
    Δ − √Σwₖ²((p₁ₖ − l₁ₖ)² + (u₂ₖ − p₂ₖ)²) to Δ + √Σwₖ²((u₁ₖ − p₁ₖ)² + (p₂ₖ − l₂ₖ)²), l and u Wilson's. It is never of
    zero width, and of one stratum Newcombe's.
    Source: Zou, Huang and Zhang 2009, Computational Statistics and Data Analysis 53:1080; Newcombe 1998, Statistics in
    Medicine 17:873, method 10.
    """
    both = [(one, two) for one, two in strata if one.n and two.n]
    weights = [one.n * two.n / (one.n + two.n) for one, two in both]
    total = math.fsum(weights)
    if not total:
        return None
    difference, below, above = 0.0, 0.0, 0.0
    for (one, two), weight in zip(both, weights, strict=True):
        share, p1, p2 = weight / total, one.hits / one.n, two.hits / two.n
        first, second = wilson(one.hits, one.n, confidence), wilson(two.hits, two.n, confidence)
        difference += share * (p1 - p2)
        below += share**2 * ((p1 - first.low) ** 2 + (second.high - p2) ** 2)
        above += share**2 * ((first.high - p1) ** 2 + (p2 - second.low) ** 2)
    low, high = max(-1.0, difference - math.sqrt(below)), min(1.0, difference + math.sqrt(above))
    return difference, Interval(low, high, confidence, "mover-wilson")
