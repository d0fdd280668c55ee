"""The rule on flipped cases: each step where it decides, whom it asks again, and that more losses never pass."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.comparisons.flips import MOST_ASKED, Findings, Flips, Steps, smallest_loss, to_ask, weigh

ALWAYS_LOST = [-1] * 8
ALWAYS_GAINED = [1] * 8


def flips(n: int, lost: int = 0, gained: int = 0) -> Flips:
    return Flips(n, tuple(f"lost-{i}" for i in range(lost)), tuple(f"gained-{i}" for i in range(gained)))


def ids_of(found: Flips) -> tuple[str, ...]:
    return (*found.lost, *found.gained)


def held(found: Flips) -> dict[str, list[int]]:
    return dict.fromkeys(found.lost, ALWAYS_LOST) | dict.fromkeys(found.gained, ALWAYS_GAINED)


# The steps


def test_first_answers_decide_where_flips_are_lopsided() -> None:
    found = weigh(flips(400, lost=50, gained=3), {}, Steps())
    assert (found.direction, found.step, found.asked) == (-1, "first answers", 0)
    assert found.p_worse < 1e-9


@pytest.mark.parametrize("can_differ", [True, False])
def test_twelve_gained_outweigh_one_lost_however_sure_first_answers_are(can_differ: bool) -> None:
    steps = Steps(can_differ=can_differ)
    for gained in range(2, 16):
        given_flips = flips(100, lost=1, gained=gained)
        asked = to_ask(given_flips, {}, steps, 2) if can_differ else {}
        pairs = {id_: each for id_, each in held(given_flips).items() if id_ in asked}
        assert weigh(given_flips, pairs, steps).direction == 1, gained


def test_fifty_lost_and_two_hundred_gained_are_better_and_the_lost_are_asked_again_to_be_named() -> None:
    given_flips, steps = flips(400, lost=50, gained=200), Steps()
    asked = to_ask(given_flips, {}, steps, 2)
    assert set(asked) == set(given_flips.lost)
    found = weigh(given_flips, dict.fromkeys(given_flips.lost, ALWAYS_LOST), steps)
    assert (found.direction, found.step) == (1, "first answers")
    assert found.confirmed.regressions == given_flips.lost


@pytest.mark.parametrize(("lost", "gained"), [(1, 0), (3, 1), (4, 1), (6, 1)])
def test_cases_that_broke_are_found_case_by_case(lost: int, gained: int) -> None:
    found = weigh(flips(20, lost, gained), held(flips(20, lost, gained)), Steps())
    assert found.direction == -1
    assert len(found.confirmed.regressions) == lost


def test_fresh_pairs_decide_where_single_cases_do_not_hold() -> None:
    given_flips = flips(100, lost=8, gained=5)
    pairs = {id_: [-1, -1, 0, -1, 0] if id_ in given_flips.lost else [0, 1, 0, 0, 0] for id_ in ids_of(given_flips)}
    found = weigh(given_flips, pairs, Steps())
    assert (found.direction, found.step, found.base_alone, found.head_alone) == (-1, "fresh pairs", 24, 5)
    assert found.confirmed.regressions == ()


def test_as_many_confirmed_improvements_as_regressions_decide_nothing() -> None:
    given_flips = flips(20, lost=1, gained=1)
    assert weigh(given_flips, held(given_flips), Steps()).direction == 0


def test_without_fresh_pairs_first_answers_have_the_whole_level() -> None:
    steps = Steps(rounds=0)
    assert weigh(flips(20, lost=5), {}, steps).p_worse == 1 / 32
    assert weigh(flips(20, lost=5), {}, steps).direction == -1
    assert weigh(flips(20, lost=4), {}, steps).direction == 0
    assert steps.targets(20) == ()
    assert weigh(flips(20, lost=1), held(flips(20, lost=1)), steps).confirmed.regressions == ()


def test_where_replies_cannot_differ_a_flip_is_confirmed_by_itself() -> None:
    steps = Steps(can_differ=False)
    assert steps.targets(20) == ()
    found = weigh(flips(20, lost=2, gained=1), {}, steps)
    assert (found.direction, found.rounds, found.p_worse) == (-1, 0, 0.0)
    assert found.confirmed.regressions == ("lost-0", "lost-1")


def test_comparisons_that_share_a_level_ask_for_more_pairs() -> None:
    assert [Steps().rounds_of(n) for n in (1, 20, 50, 200, 1000)] == [5, 5, 6, 7, 8]
    assert [Steps(0.05 / 20).rounds_of(n) for n in (20, 1000)] == [7, 10]


# Who is asked again


def test_few_pairs_come_first_and_only_what_holds_is_asked_on() -> None:
    steps, given_flips = Steps(), flips(200, lost=1)
    assert steps.targets(200) == (2, 5, 7)
    assert to_ask(given_flips, {}, steps, 2) == {"lost-0": 2}
    # One flip cannot decide the second step any more, so that it is asked on only while it holds.
    assert to_ask(given_flips, {"lost-0": [-1, 0]}, steps, 5) == {}
    assert to_ask(given_flips, {"lost-0": [-1, -1]}, steps, 5) == {"lost-0": 3}
    assert to_ask(given_flips, {"lost-0": [-1] * 5}, steps, 7) == {"lost-0": 2}


def test_while_the_second_step_can_decide_every_flip_is_asked_again() -> None:
    given_flips = flips(200, lost=4, gained=4)
    pairs = {id_: [0, -1] for id_ in ids_of(given_flips)}
    assert len(to_ask(given_flips, pairs, Steps(), 5)) == 8
    full = {id_: [0, -1, 0, 0, 0] for id_ in pairs}
    assert to_ask(given_flips, full, Steps(), 7) == {}


def test_of_very_many_flips_a_sample_is_asked_again_and_one_more_flip_leaves_it_nearly_as_it_was() -> None:
    steps = Steps(seed="x")
    many = flips(2000, lost=200, gained=190)
    asked, more = (to_ask(each, {}, steps, 2) for each in (many, flips(2000, lost=201, gained=190)))
    assert len(asked) == len(more) == MOST_ASKED
    assert 80 < sum(id_.startswith("lost") for id_ in asked) < 120
    assert len(set(asked) & set(more)) >= MOST_ASKED - 1
    assert set(to_ask(many, {}, Steps(seed="y"), 2)) != set(asked)


def test_pairs_of_an_earlier_comparison_are_not_asked_for_again() -> None:
    given_flips = flips(20, lost=2)
    assert to_ask(given_flips, {"lost-0": [-1] * 5}, Steps(), 5) == {"lost-1": 5}


# Properties


@st.composite
def _comparisons(draw: st.DrawFn) -> tuple[Flips, dict[str, list[int]], Steps]:
    lost, gained = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    found = flips(lost + gained + draw(st.integers(1, 200)), lost, gained)
    one_pair = st.sampled_from([-1, 0, 1])
    pairs = {
        id_: draw(st.one_of(st.just([way] * 9), st.lists(one_pair, min_size=9, max_size=9)))
        for ids, way in ((found.lost, -1), (found.gained, 1))
        for id_ in ids
    }
    level, least = 0.05 / draw(st.sampled_from([1, 3, 20])), draw(st.sampled_from([0.0, 0.0, 0.05, 0.1]))
    return found, pairs, Steps(level, draw(st.sampled_from([0, 3, 5])), min_effect=least)


def _fails(found: Findings) -> tuple[bool, bool]:
    return found.direction < 0, found.direction < 0 or bool(found.confirmed.regressions)


@given(_comparisons(), st.lists(st.sampled_from([-1, 0]), min_size=9, max_size=9))
def test_one_more_lost_case_never_makes_a_failing_gate_pass(
    given_comparison: tuple[Flips, dict[str, list[int]], Steps], more: list[int]
) -> None:
    found, pairs, steps = given_comparison
    before = _fails(weigh(found, pairs, steps))
    after = _fails(weigh(replace(found, lost=(*found.lost, "more")), {**pairs, "more": more}, steps))
    assert after >= before
    assert after[1] >= before[1]


@given(_comparisons())
def test_one_gained_case_fewer_never_makes_a_failing_gate_pass(
    given_comparison: tuple[Flips, dict[str, list[int]], Steps],
) -> None:
    found, pairs, steps = given_comparison
    gains = [id_ for id_ in found.gained if all(pair >= 0 for pair in pairs[id_])]
    before = _fails(weigh(found, pairs, steps))
    for id_ in gains:
        left = replace(found, gained=tuple(each for each in found.gained if each != id_))
        after = _fails(weigh(left, pairs, steps))
        assert after[0] >= before[0]
        assert after[1] >= before[1]


@given(_comparisons())
def test_a_direction_has_a_p_value_below_the_level(
    given_comparison: tuple[Flips, dict[str, list[int]], Steps],
) -> None:
    found, pairs, steps = given_comparison
    findings = weigh(found, pairs, steps)
    if findings.direction < 0:
        assert findings.p_worse < steps.level
    if findings.direction > 0:
        assert findings.p_better < steps.level


@pytest.mark.parametrize("flaky", [0.1, 0.3])
def test_unchanged_prompts_are_seldom_worse(flaky: float) -> None:
    """A quick look; `benchmarks/gate_error_rate.py` takes a long one."""
    rng, steps, n = random.Random(5), Steps(), 50
    worse = 0
    for _ in range(300):
        chances = [rng.random() if case < flaky * n else 1.0 for case in range(n)]

        def pair(case: int, chances: list[float] = chances) -> int:
            return (rng.random() < chances[case]) - (rng.random() < chances[case])

        first = [pair(case) for case in range(n)]
        ids = [[str(case) for case, way in enumerate(first) if way == wanted] for wanted in (-1, 1)]
        found = Flips(n, tuple(ids[0]), tuple(ids[1]))
        pairs: dict[str, list[int]] = {}
        for target in steps.targets(n):
            for id_, times in to_ask(found, pairs, steps, target).items():
                pairs.setdefault(id_, []).extend(pair(int(id_)) for _ in range(times))
        worse += weigh(found, pairs, steps).direction < 0
    assert worse <= 0.05 * 300


# What could have been seen


@pytest.mark.parametrize(("n", "count"), [(20, 0), (20, 3), (200, 40), (1000, 100)])
def test_one_broken_case_would_have_been_seen(n: int, count: int) -> None:
    assert smallest_loss(flips(n, lost=count // 2, gained=count - count // 2), Steps(), n) == 1


def test_first_answers_alone_see_only_large_losses_and_in_few_cases_none() -> None:
    assert smallest_loss(flips(20), Steps(rounds=0), 20) == 5
    assert smallest_loss(flips(4), Steps(rounds=0), 4) is None
    assert smallest_loss(flips(20), Steps(), 0) is None
