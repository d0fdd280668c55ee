"""Comparisons tested together: which of them form a group, what their sum decides, and which cases it asks again."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.comparisons.comparison import Comparison
from promptctl.comparisons.flips import MOST_ASKED, Findings, Flips, Steps, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import (
    DEFAULT_MODEL,
    ComparisonGroup,
    JointTest,
    deciding,
    groups_of,
    to_ask_together,
    weigh_together,
)
from promptctl.comparisons.verdicts import flips_of, steps_of
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.outcomes import CaseOutcome, CasePair, CaseStatus
from promptctl.evaluations.plan import Pair
from promptctl.statistics.metric import Procedure

JOINT = Steps(0.05 / 9)


def flips(n: int, lost: int = 0, gained: int = 0) -> Flips:
    return Flips(n, tuple(f"lost-{i}" for i in range(lost)), tuple(f"gained-{i}" for i in range(gained)))


# Groups

_KEYS = itertools.count()


def pair(*shared: str, models: tuple[str, str] = ("openai/a", "openai/a"), own: str | None = None, **head: Any) -> Pair:
    """A comparison of which only what groups look at is there."""

    def plan(model: str) -> Any:
        own_work = {"comparison": str(next(_KEYS)), "replies": "cache", "judge_model": None}
        spec = SimpleNamespace(**own_work | head)
        target = SimpleNamespace(prompt=SimpleNamespace(model=own), model=model)
        row = SimpleNamespace(model=model, spec=spec, digest=str(next(_KEYS)))
        return SimpleNamespace(target=target, spec=spec, row=lambda: row)

    return Pair(plan(models[1]), plan(models[0]), shared=frozenset(shared))


def test_comparisons_form_a_group_for_each_file_that_differs_in_two_and_one_of_all() -> None:
    pairs = [pair("a.j2", "b.j2"), pair("a.j2", "b.j2"), pair("c.j2"), pair("c.j2", "d.j2")]
    assert groups_of(pairs, GateRule()) == (
        ComparisonGroup((0, 1, 2, 3)),
        ComparisonGroup((0, 1), ("a.j2", "b.j2")),
        ComparisonGroup((2, 3), ("c.j2",)),
    )


def test_a_branch_cannot_thin_the_level_out_by_many_files() -> None:
    pairs = [pair(*(f"{min(at, n)}-{max(at, n)}.j2" for n in range(6))) for at in range(6)]
    found = groups_of(pairs, GateRule())
    assert (len(found), found[0]) == (6, ComparisonGroup((0, 1, 2, 3, 4, 5)))


def test_all_comparisons_that_share_a_file_are_one_group_named_by_it() -> None:
    assert groups_of([pair("a.j2") for _ in range(3)], GateRule()) == (ComparisonGroup((0, 1, 2), ("a.j2",)),)


def test_two_comparisons_of_the_same_count_once() -> None:
    """Each finds the fresh pairs of both in the log."""
    pairs = [pair("a.j2", comparison="x"), pair("a.j2", comparison="x"), pair("a.j2")]
    assert groups_of(pairs, GateRule()) == (ComparisonGroup((0, 2), ("a.j2",)),)
    assert groups_of(pairs[:2], GateRule()) == ()


def test_another_default_model_is_a_cause_for_prompts_without_one_of_their_own() -> None:
    models = ("openai/a", "openai/b")
    pairs = [pair(models=models), pair(models=models), pair(models=models, own="openai/b")]
    assert groups_of(pairs, GateRule())[1] == ComparisonGroup((0, 1), (DEFAULT_MODEL,))


@pytest.mark.parametrize(
    ("pairs", "rule"),
    [
        ([], GateRule()),
        ([pair("a.j2")], GateRule()),
        ([pair("a.j2"), Pair(pair().head)], GateRule()),
        (
            [pair("a.j2", models=("echo/echo", "echo/echo")), pair("a.j2", models=("echo/echo", "echo/echo"))],
            GateRule(),
        ),
        ([pair("a.j2", replies="replay"), pair("a.j2", replies="replay")], GateRule()),
        ([pair("a.j2"), pair("a.j2")], GateRule(metrics=("tone",))),
        ([pair("a.j2"), pair("a.j2")], GateRule(reruns=0)),
    ],
)
def test_what_is_alone_is_sure_or_cannot_be_tested_forms_none(pairs: list[Pair], rule: GateRule) -> None:
    assert groups_of(pairs, rule) == ()


# Fresh pairs


def test_fresh_pairs_decide_in_the_sum_where_no_case_holds() -> None:
    given_flips = flips(160, lost=8, gained=2)
    pairs = {id_: [-1, 0, -1, 0, 0] for id_ in given_flips.lost} | {id_: [0, 1, 0, 0, 0] for id_ in given_flips.gained}
    found = weigh_together(given_flips, pairs, JOINT)
    assert (found.direction, found.step, found.base_alone, found.head_alone) == (-1, "fresh pairs", 16, 2)


def test_no_case_is_confirmed_together() -> None:
    """If more regressed than improved every time, so they did in one of the comparisons."""
    given_flips = flips(160, lost=1)
    found = weigh_together(given_flips, {"lost-0": [-1] * 9}, JOINT)
    assert (found.direction, found.confirmed.regressions) == (0, ())
    assert to_ask_together(given_flips, {"lost-0": [-1, -1]}, JOINT, 5) == {}


def test_what_was_not_asked_to_the_end_counts_against_either_claim() -> None:
    """One comparison may have asked on for its own sake only the cases that held."""
    given_flips = flips(160, lost=6, gained=6)
    pairs = dict.fromkeys(given_flips.lost, [-1] * 3) | {id_: [0, 0] for id_ in given_flips.gained}
    assert weigh_together(given_flips, pairs, JOINT).direction == 0
    more = {id_: [*seen, 0, 0, 0][:5] for id_, seen in pairs.items()}
    assert weigh_together(given_flips, more, JOINT).direction == -1


def test_a_difference_below_min_effect_decides_nothing_together() -> None:
    given_flips = flips(1000, lost=12)
    pairs = dict.fromkeys(given_flips.lost, [-1] * 5)
    assert weigh_together(given_flips, pairs, Steps(0.05 / 9, min_effect=0.02)).direction == 0
    assert weigh_together(given_flips, pairs, Steps(0.05 / 9, min_effect=0.01)).direction == -1


def test_all_flips_are_asked_on_while_their_sum_can_decide_and_no_more_than_the_bound() -> None:
    assert JOINT.fresh_targets == (2, 5)
    given_flips = flips(160, lost=5, gained=1)
    assert to_ask_together(given_flips, {id_: [-1, 0] for id_ in given_flips.lost}, JOINT, 5) == {
        **dict.fromkeys(given_flips.lost, 3),
        "gained-0": 5,
    }
    assert len(to_ask_together(flips(2000, lost=150, gained=140), {}, JOINT, 2)) == MOST_ASKED


# A test over comparisons


class Simulated:
    """One comparison, with what a joint test reads of its sides."""

    def __init__(
        self, name: str, ways: dict[str, int], edited: frozenset[str] = frozenset(), comparisons: int = 3
    ) -> None:
        statuses: dict[int, tuple[CaseStatus, CaseStatus]] = {-1: ("passed", "failed"), 1: ("failed", "passed")}
        pairs = [
            CasePair(*(CaseOutcome(case_id=id_, content_hash="", status=each) for each in statuses[way]))
            for id_, way in ways.items()
        ]
        lost, gained = (tuple(each for each in pairs if each.way == way) for way in (-1, 1))
        self.comparison = Comparison(Procedure(comparisons=comparisons), gained, lost, edited=edited)
        self.flips, self.steps = flips_of(self.comparison), steps_of(self.comparison.procedure, GateRule())
        self.made_with_head = edited
        self.pairs: dict[str, list[int]] = {}
        row = SimpleNamespace(id=name, prompt=name, digest="", model="m", spec=SimpleNamespace(dataset="d"))
        self.base = self.head = SimpleNamespace(row=row)

    @property
    def findings(self) -> Findings:
        return weigh(self.flips, self.pairs, self.steps)


def joint(*sides: Simulated) -> JointTest:
    group = ComparisonGroup(tuple(range(10, 10 + len(sides))), ("tone.j2",))
    return JointTest(group, cast(Any, sides), GateRule())


def lost(name: str, number: int, **more: Any) -> Simulated:
    return Simulated(name, {f"c{n}": -1 for n in range(number)}, **more)


def shown_once(name: str, number: int, **more: Any) -> Simulated:
    """A comparison of which each lost case shows in one of its fresh pairs."""
    found = lost(name, number, **more)
    found.pairs = {id_: [-1, 0, 0, 0, 0] for id_ in found.flips.lost}
    return found


def test_cases_of_one_name_in_two_comparisons_are_two() -> None:
    verdict = joint(shown_once("a", 3), shown_once("b", 4)).verdict()
    assert (verdict.kind, verdict.findings.flips.count, verdict.decision.exit_code) == ("worse", 7, CHECK_FAILED)
    assert verdict.reason == (
        "Worse over 2 prompts that share tone.j2: 7 cases regressed and 0 improved of 7; of 7 flipped cases asked "
        "again on both sides 7 fresh pairs passed before alone and 0 after alone, p = 0.0078."
    )


def test_first_answers_alone_decide_nothing() -> None:
    """One reply out of the cache may be that of several prompts."""
    verdict = joint(lost("a", 5), lost("b", 6)).verdict()
    assert (verdict.kind, verdict.p, verdict.decision.exit_code) == ("incomplete", None, INCOMPLETE)


def test_a_case_that_came_with_head_shows_a_loss_and_no_gain() -> None:
    own = frozenset(("c0", "c1", "c2"))
    gained = Simulated("b", {"c0": 1, "c1": 1, "c3": 1}, edited=own)
    flips = joint(lost("a", 5, edited=own), gained).verdict().findings.flips
    assert (flips.n, len(flips.lost), len(flips.gained)) == (8, 5, 1)


def test_of_several_that_are_worse_together_the_surest_is_told() -> None:
    some, more = joint(shown_once("a", 3), shown_once("b", 4)), joint(shown_once("a", 5), shown_once("b", 4))
    inconclusive = joint(shown_once("a", 1), shown_once("b", 0)).verdict()
    assert deciding([inconclusive, some.verdict(), more.verdict()]) == more.verdict()
    assert deciding([inconclusive]) is None


def test_the_cases_wanted_are_told_by_the_places_of_their_comparisons() -> None:
    found = joint(lost("a", 1), lost("b", 3)).wanted(0)
    assert found == {10: {"c0": 2}, 11: {"c0": 2, "c1": 2, "c2": 2}}


def test_nothing_is_asked_for_the_sum_once_a_comparison_is_worse_by_itself() -> None:
    sides = [lost("a", 2), lost("b", 2)]
    sides[0].pairs = dict.fromkeys(("c0", "c1"), [-1] * 9)
    test = joint(*sides)
    assert [test.wanted(time) for time in range(3)] == [{}, {}, {}]
    assert (test.verdict().kind, test.verdict().decision.exit_code, test.verdict().decision.reasons) == (
        "inconclusive",
        OK,
        (),
    )


def test_better_together_decides_nothing() -> None:
    sides = [Simulated(name, {f"c{n}": 1 for n in range(6)}) for name in "ab"]
    for side in sides:
        side.pairs = {id_: [1, 0, 1, 0, 0] for id_ in side.flips.gained}
    verdict = joint(*sides).verdict()
    assert (verdict.kind, verdict.decision.exit_code, verdict.decision.reasons) == ("better", OK, ())


# Properties


@st.composite
def _evidence(draw: st.DrawFn) -> tuple[Flips, dict[str, list[int]], Steps]:
    found = flips(200, draw(st.integers(0, 20)), draw(st.integers(0, 20)))
    pairs = {
        id_: draw(st.lists(st.sampled_from([-1, 0, 1]), max_size=7))
        for id_ in (*found.lost, *found.gained)
        if draw(st.booleans())
    }
    return found, pairs, Steps(0.05 / draw(st.sampled_from([3, 9, 40])))


@given(_evidence())
def test_a_joint_direction_has_a_p_value_below_the_level(given_: tuple[Flips, dict[str, list[int]], Steps]) -> None:
    found = weigh_together(*given_)
    assert found.direction >= 0 or found.p_worse < found.steps.level
    assert found.direction <= 0 or found.p_better < found.steps.level


@given(_evidence(), st.randoms(use_true_random=False))
def test_what_was_decided_by_a_part_of_the_fresh_pairs_is_so_by_all(
    given_: tuple[Flips, dict[str, list[int]], Steps], rng: random.Random
) -> None:
    """So that looking at them before the end finds nothing that the end would not."""
    found, pairs, steps = given_
    before = weigh_together(found, pairs, steps).direction
    whole = {
        id_: [*pairs.get(id_, ())[:5], *(rng.choice((-1, 0, 1)) for _ in range(5 - len(pairs.get(id_, ()))))]
        for id_ in (*found.lost, *found.gained)
    }
    assert before in (0, weigh_together(found, whole, steps).direction)


@given(_evidence())
def test_once_the_sum_asks_nothing_more_what_members_ask_decides_nothing(
    given_: tuple[Flips, dict[str, list[int]], Steps],
) -> None:
    found, pairs, steps = given_
    begun = {id_: (*pairs.get(id_, ()), 0, 0)[:2] for id_ in (*found.lost, *found.gained)}
    if weigh_together(found, begun, steps).direction or to_ask_together(found, begun, steps, 5):
        return
    for way in (-1, 1):
        held = {id_: [*seen, way, way, way] if way in seen else seen for id_, seen in begun.items()}
        assert weigh_together(found, held, steps).direction == 0
