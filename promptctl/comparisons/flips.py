"""Flipped cases: whether head does worse on these very cases, in three steps that share one error rate.

    first answers   all flips of the two evaluations, by an exact sign test
    fresh pairs     the flipped cases asked again on both sides, by the same test of these answers alone
    case by case    a flip that showed in every fresh pair is confirmed; more confirmed regressions than improvements
                    are worse, unless an earlier step said better

The claim is about the cases as they are: only the randomness of replies is noise. Under "nothing changed" a pair of
replies to one case is as likely to differ one way as the other, however often the case passes. So the first test holds;
the second does, as no answer that made a case be asked again is in it; and a case shows one way in r pairs with
probability (p(1−p))^r ≤ 4^−r, so that of n cases none does by chance but with probability n·4^−r.
Each step has its share of the level, and the shares add up to 1. r follows from the number of cases compared, not
of those that flipped: one more lost case must not make it harder to confirm the others.
Sources: McNemar 1947, Psychometrika 12:153 (exact form); Fisher 1935, The Design of Experiments, section 21.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from promptctl.datasets.selection import drawn_rank
from promptctl.evaluations.outcomes import CasePair, CaseStatus, can_gain, can_lose
from promptctl.statistics.paired import PairedTest, discordant_e_value, mcnemar

ROUNDS = 5
"""Fresh pairs of a flipped case. Of falls from 70 to 60 % in 200 cases three find 74 %, five 88 %, eight 97 %."""
FIRST_SHARE, FRESH_SHARE, SEQUENTIAL_SHARE = 0.25, 0.25, 0.5
"""Shares of the level; single cases have the rest. First answers have half of it if each may be the last, since single
cases need less than one pair more if their share falls to a half."""
OUTWEIGHING = 0.1
"""The part of a level at which head must be better to outweigh more confirmed regressions than improvements. At the
whole level one broken case among 1,000, of which 300 are flaky, would be missed in one comparison of forty."""
MOST_ASKED = 200
"""Flipped cases that are asked again at most; of more than that a random sample, both directions alike."""

MOST_TIMES = 3
"""Flipped cases are asked again at most at so many times; see `Steps.targets`."""

Step = Literal["first answers", "fresh pairs", "case by case"]
Pairs = Mapping[str, Sequence[int]]
"""By case, each fresh pair in the order asked: -1 if base alone passed, 1 if head alone did, 0 if they agreed."""


@dataclass(slots=True)
class CaseSequence:
    """An e-process over the cases that flip: what it came to, and which way (-1 worse, 1 better) it decided first.

    It decides at `level`, one-sided either way, once the difference is `min_effect` of the cases seen. `decided_at` are
    the numbers of cases seen, lost and gained then, and `decided_p` is what it went by. `p_worse` and `p_better` are
    one over the largest e-value so far, and may be read at any time. A case without a grade counts against either
    claim: of `lost` and `gained` the first number is of cases graded, the second holds those that could have been.
    """

    level: float
    min_effect: float = 0.0
    seen: int = 0
    lost: tuple[int, int] = (0, 0)
    gained: tuple[int, int] = (0, 0)
    p_worse: float = 1.0
    p_better: float = 1.0
    direction: int = 0
    decided_at: tuple[int, int, int] = (0, 0, 0)
    decided_p: float = 1.0

    def add(self, base: CaseStatus, head: CaseStatus) -> None:
        """Look at the next case."""
        self.seen += 1
        is_lost, is_gained = (base, head) == ("passed", "failed"), (base, head) == ("failed", "passed")
        self.lost = self.lost[0] + is_lost, self.lost[1] + can_lose(base, head)
        self.gained = self.gained[0] + is_gained, self.gained[1] + can_gain(base, head)
        if is_lost:
            self.p_worse = min(self.p_worse, 1 / discordant_e_value(self.lost[0], self.gained[1], "losses"))
        if is_gained:
            self.p_better = min(self.p_better, 1 / discordant_e_value(self.lost[1], self.gained[0], "wins"))
        share = (self.gained[0] - self.lost[0]) / self.seen
        for way, p in ((-1, self.p_worse), (1, self.p_better)):
            if not self.direction and p <= self.level and round(way * share - self.min_effect, 12) >= 0:
                self.direction, self.decided_p = way, p
                self.decided_at = self.seen, self.lost[0], self.gained[0]


def sequence_of(pairs: Iterable[CasePair], seed: int, level: float, min_effect: float) -> CaseSequence:
    """Look at all of these pairs in the order of the seed."""
    found = CaseSequence(level, min_effect)
    for pair in sorted(pairs, key=lambda pair: drawn_rank(seed, pair.case_id)):
        found.add(pair.base.status, pair.head.status)
    return found


@dataclass(frozen=True, slots=True)
class Flips:
    """The cases that flipped, of `n` compared: `lost` passed on base alone, `gained` on head alone; by id.

    If the same was compared before, they are all that ever flipped, and `first` are the numbers (lost, gained) of the
    first comparison, which the first step tests. If its cases were looked at one after another, it tests `sequence`.
    """

    n: int
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    first: tuple[int, int] | None = None
    sequence: CaseSequence | None = None

    @property
    def count(self) -> int:
        """Number of flipped cases."""
        return len(self.lost) + len(self.gained)

    @property
    def tested(self) -> tuple[int, int]:
        """The numbers (lost, gained) that the first step tests."""
        return self.first or (len(self.lost), len(self.gained))


@dataclass(frozen=True, slots=True)
class Steps:
    """The three steps, fixed before an answer is seen.

    `level` is the chance of calling head worse if nothing changed, in this comparison. `rounds` 0 means first answers
    alone, which then have the whole level. Unless replies `can_differ`, a flip is confirmed by itself. With
    `is_sequential` first answers are looked at one after another. `seed` draws the sample of very many flips. A step
    that finds less than `min_effect`, a share of all cases, decides nothing.
    """

    level: float = 0.05
    rounds: int = ROUNDS
    can_differ: bool = True
    is_sequential: bool = False
    seed: str = ""
    min_effect: float = 0.0

    @property
    def first_share(self) -> float:
        """The share of the level that the first step has."""
        return (SEQUENTIAL_SHARE if self.is_sequential else FIRST_SHARE) if self.rounds else 1.0

    @property
    def first_level(self) -> float:
        """The level of the first step."""
        return self.level * self.first_share

    @property
    def fresh_level(self) -> float:
        """The level of the second step."""
        return self.level * FRESH_SHARE

    @property
    def cases_share(self) -> float:
        """The share of the level that single cases have."""
        return 1 - FRESH_SHARE - (SEQUENTIAL_SHARE if self.is_sequential else FIRST_SHARE)

    def rounds_of(self, n: int) -> int:
        """Return the number of fresh pairs that confirm one of `n` cases, r = ⌈log4(n/share)⌉, `rounds` at least."""
        return max(self.rounds, math.ceil(math.log(max(1, n) / (self.cases_share * self.level), 4) - 1e-9))

    @property
    def fresh_targets(self) -> tuple[int, ...]:
        """The numbers of pairs that a flipped case has after each time of asking for the second step: few first."""
        return tuple(sorted({min(2, self.rounds), self.rounds})) if self.rounds and self.can_differ else ()

    def targets(self, n: int) -> tuple[int, ...]:
        """Return how many pairs a flipped case has after each time of asking: at last so many that they confirm it."""
        return tuple(sorted({*self.fresh_targets, self.rounds_of(n)})) if self.fresh_targets else ()


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Flipped cases, by id, that showed in every fresh pair."""

    regressions: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer of the three steps: `direction` -1 (worse), 1 (better) or 0, by `step`.

    `p_worse` and `p_better` are one-sided p-values of the steps together: the smallest, each over its share.
    `asked` flipped cases have fresh pairs; base alone passed in `base_alone` of them, head alone in `head_alone`.
    `rounds` pairs confirm a case; 0 if nothing was asked again. `unfinished` cases held so far, and lack pairs.
    """

    flips: Flips
    steps: Steps
    direction: int = 0
    step: Step | None = None
    p_worse: float = 1.0
    p_better: float = 1.0
    asked: int = 0
    base_alone: int = 0
    head_alone: int = 0
    rounds: int = 0
    unfinished: int = 0
    confirmed: Confirmed = field(default_factory=Confirmed)


def weigh(flips: Flips, pairs: Pairs, steps: Steps) -> Findings:
    """Return what first answers and fresh pairs say. Pairs of cases that were not to be asked again are passed over."""
    direction = _first(flips, steps)
    lost, gained = _to_be_asked(flips, steps, direction)
    base_alone, head_alone, _ = count_fresh(pairs, (*lost, *gained), steps)
    rounds = steps.rounds_of(flips.n) if steps.rounds and steps.can_differ else 0
    is_told = steps.rounds or not steps.can_differ
    confirmed = Confirmed(_held(lost, -1, pairs, rounds), _held(gained, 1, pairs, rounds)) if is_told else Confirmed()
    majority = len(confirmed.improvements) - len(confirmed.regressions)
    step: Step | None = "first answers" if direction else None
    asked = [id_ for id_ in (*lost, *gained) if id_ in pairs]
    if not direction and asked and steps.rounds:
        share = (head_alone - base_alone) / (len(asked) * steps.rounds) * flips.count / flips.n
        direction = decided(base_alone, head_alone, steps.fresh_level) if is_enough(share, steps) else 0
        step = "fresh pairs" if direction else None
    tests = (_first_test(flips), mcnemar(head_alone, base_alone))
    shares = (steps.first_share, FRESH_SHARE)
    p_worse = min(1.0, *(test.p_worse / share for test, share in zip(tests, shares, strict=True)))
    p_better = min(1.0, *(test.p_better / share for test, share in zip(tests, shares, strict=True)))
    if (
        majority
        and is_enough(majority / flips.n, steps)
        and (not direction or (majority < 0 < direction and p_better >= OUTWEIGHING * steps.level))
    ):
        direction, step = (1 if majority > 0 else -1), "case by case"
        by_chance = flips.n * 4.0**-rounds / steps.cases_share if rounds else 0.0
        p_worse, p_better = (by_chance, p_better) if direction < 0 else (p_worse, by_chance)
    return Findings(
        flips=flips,
        steps=steps,
        direction=direction,
        step=step,
        p_worse=p_worse,
        p_better=p_better,
        asked=len(asked),
        base_alone=base_alone,
        head_alone=head_alone,
        rounds=rounds,
        unfinished=sum(
            0 < len(pairs.get(id_, ())) < rounds for id_ in (*_held(lost, -1, pairs, 0), *_held(gained, 1, pairs, 0))
        ),
        confirmed=confirmed,
    )


def to_ask(flips: Flips, pairs: Pairs, steps: Steps, target: int) -> dict[str, int]:
    """Return the cases to be asked again, each with the number of pairs it lacks of `target`, one of `steps.targets`.

    After the rounds of the second step, or if what is left of them can decide nothing any more, only cases that
    showed in every pair so far.
    """
    direction = _first(flips, steps)
    if direction < 0:
        return {}
    lost, gained = _to_be_asked(flips, steps, direction)
    is_open = not direction and target <= steps.rounds and can_decide(pairs, (*lost, *gained), steps, steps.fresh_level)
    asked = (*lost, *gained) if is_open else (*_held(lost, -1, pairs, 0), *_held(gained, 1, pairs, 0))
    return lacking(asked, pairs, target)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The fewest and the most of `n` cases that are lost, and gained, whatever those without a grade come to."""

    n: int
    lost: tuple[int, int]
    gained: tuple[int, int]


def is_worse_at_best(bounds: Bounds, steps: Steps) -> bool:
    """Return True if all steps come to worse though as many cases as can be are gained.

    Replies that never differ do by their majority.
    """
    lost, gained = bounds.lost[0], bounds.gained[1]
    if lost <= gained or not is_enough((gained - lost) / bounds.n, steps):
        return False
    return not steps.can_differ or decided(lost, gained, steps.first_level) < 0


def smallest_loss(flips: Flips, steps: Steps, most: int, power: float = 0.8) -> int | None:
    """Return the fewest broken cases that the steps would probably have found, by seeded simulation; None if none.

    A broken case passes on base and fails on head, always. As many other cases flip by chance, either way, as flipped
    here; how often such a case passes has the density 6p(1−p) that uniform chances leave among flips. No more than
    `most` cases, those that pass on base, can break.
    """
    trials = 100 if flips.count < 200 else 25  # it takes long only where very many flip
    rng = random.Random(f"smallest-loss:{flips.n}:{flips.count}")  # noqa: S311 - a reproducible draw, not a secret
    if not most:
        return None
    few, enough = 0, 1
    while sum(_is_found(flips, steps, enough, rng) for _ in range(trials)) < power * trials:
        few, enough = enough, 2 * enough
        if few >= most:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        is_enough = sum(_is_found(flips, steps, middle, rng) for _ in range(trials)) >= power * trials
        few, enough = (few, middle) if is_enough else (middle, enough)
    return min(enough, most)


def _is_found(flips: Flips, steps: Steps, broken: int, rng: random.Random) -> bool:
    """Make one comparison up, with cases broken; return True if it is called worse."""
    broken = min(broken, flips.n)
    noise = min(flips.count, flips.n - broken)
    lost = _heads(noise, rng)
    if first := decided(broken + lost, noise - lost, steps.first_level):
        return first < 0
    if not steps.rounds:
        return False
    asked = min(1.0, MOST_ASKED / (broken + noise))
    noise, broken = round(asked * noise), sum(rng.random() < asked for _ in range(broken))
    drawn = noise * steps.rounds
    differing = min(drawn, max(0, round(rng.gauss(_DIFFERS * drawn, math.sqrt(_DIFFERS * (1 - _DIFFERS) * drawn)))))
    head_alone = _heads(differing, rng)
    base_alone = differing - head_alone + broken * steps.rounds
    if fresh := decided(base_alone, head_alone, steps.fresh_level):
        return fresh < 0
    return broken > int(rng.random() < noise * _shows_always(steps.rounds_of(flips.n)))


# Of a fresh pair of a case that flipped by chance: 2·E[p(1−p)] over the density 6p(1−p).
_DIFFERS = 0.4


@lru_cache
def _shows_always(rounds: int) -> float:
    """Return the chance that a case which flipped by chance shows one way in every pair: E[(p(1−p))^r]."""
    return 6 * math.exp(2 * math.lgamma(rounds + 2) - math.lgamma(2 * rounds + 4))


def _heads(tosses: int, rng: random.Random) -> int:
    return rng.getrandbits(tosses).bit_count() if tosses else 0


@lru_cache(maxsize=4096)
def decided(lost: int, gained: int, level: float) -> int:
    """Return -1 if so many lost cases of all that differ are worse, 1 if so many gained ones are better, else 0."""
    test = mcnemar(gained, lost)
    if test.p_worse < level:
        return -1
    return int(test.p_better < level)


def _first(flips: Flips, steps: Steps) -> int:
    """Return the direction that first answers decide, 0 for none."""
    if flips.sequence is not None:
        return flips.sequence.direction
    lost, gained = flips.tested
    return decided(lost, gained, steps.first_level) if is_enough((gained - lost) / max(1, flips.n), steps) else 0


def _first_test(flips: Flips) -> CaseSequence | PairedTest:
    lost, gained = flips.tested
    return flips.sequence or mcnemar(gained, lost)


def is_enough(share: float, steps: Steps) -> bool:
    """Return True if a difference, as a share of all cases, is large enough to decide."""
    # Rounding what binary floating point leaves makes ten of a hundred a tenth.
    return round(abs(share) - steps.min_effect, 12) >= 0


def _to_be_asked(flips: Flips, steps: Steps, direction: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lost and gained cases that fresh pairs are of.

    If head is better by so much that nothing outweighs it, only the lost ones, to name them.
    """
    is_sure = direction > 0 and _first_test(flips).p_better < OUTWEIGHING * steps.first_level
    lost, gained = flips.lost, () if is_sure else flips.gained
    return sampled(lost, gained, steps.seed) if steps.can_differ else (lost, gained)


def sampled(lost: tuple[str, ...], gained: tuple[str, ...], seed: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return these cases, or if they are too many a random sample of them."""
    if len(lost) + len(gained) <= MOST_ASKED:
        return lost, gained
    # The smallest of a hash, not a shuffle: one flip more leaves the rest of the sample as it was.
    drawn = sorted((*lost, *gained), key=lambda id_: sha256(f"{seed}:{id_}".encode()).digest())
    sample = set(drawn[:MOST_ASKED])
    return tuple(id_ for id_ in lost if id_ in sample), tuple(id_ for id_ in gained if id_ in sample)


def count_fresh(pairs: Pairs, ids: Sequence[str], steps: Steps) -> tuple[int, int, int]:
    """Count the pairs of the second step in which base alone passed, in which head alone did, and those to come."""
    base_alone = head_alone = left = 0
    for id_ in ids:
        seen = pairs.get(id_, ())[: steps.rounds]
        base_alone += seen.count(-1)
        head_alone += seen.count(1)
        left += steps.rounds - len(seen)
    return base_alone, head_alone, left


def can_decide(pairs: Pairs, ids: Sequence[str], steps: Steps, level: float) -> bool:
    """Return True if the pairs of the second step could still come to decide."""
    base_alone, head_alone, left = count_fresh(pairs, ids, steps)
    fewer, more = sorted((base_alone, head_alone))
    return bool(decided(more + left, fewer, level))


def lacking(ids: Iterable[str], pairs: Pairs, target: int) -> dict[str, int]:
    """Return how many pairs each of these cases lacks, of those that lack any."""
    return {id_: target - seen for id_ in ids if (seen := len(pairs.get(id_, ()))) < target}


def _held(ids: Sequence[str], way: int, pairs: Pairs, rounds: int) -> tuple[str, ...]:
    """Return the cases with so many pairs at least, all of them this way."""
    found = ((id_, pairs.get(id_, ())) for id_ in ids)
    return tuple(id_ for id_, seen in found if len(seen) >= rounds and all(each == way for each in seen))
