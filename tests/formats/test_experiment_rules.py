from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles, Place
from promptctl.formats.experiment_rules import Ends, Experiment, Guard, Primary
from promptctl.formats.settings_file import read_settings

WHOLE = """\
experiments:
  tone:
    hypothesis: A kinder tone raises resolved by 3 points
    prompt: support/triage
    arms: {control: {ref: "@production", share: 50}, kind: {ref: "@kinder", share: 50}}
    key: session
    key_missing: control
    window: 7d
    only: {label: production, metadata: {plan: [pro, team], beta: true}}
    primary: {feedback: resolved, direction: higher, minimum: 0.03}
    guards: [{cost: mean, at_most: +20%}, {errors: rate, at_most: +1pp}, {latency: p95, at_most: 25%}]
    ends: {when: decided, then: promote}
    stopped: The kinder tone is too long
"""
SMALL = """\
experiments:
  tone:
    prompt: a
    arms: {%s}
    primary: {%s}
"""
ARMS = "control: {ref: '@a', share: 50}, kind: {ref: '@b', share: 50}"
FEEDBACK = "feedback: resolved"


def small(arms: str = ARMS, primary: str = FEEDBACK, more: str = "") -> Experiment:
    [found] = read_settings((SMALL % (arms, primary) + more).encode()).experiments
    return found


def arms_of(*shares: float | str) -> str:
    names = ("control", *(f"b{number}" for number in range(1, len(shares))))
    return ", ".join(f"{name}: {{ref: '@{name}', share: {share}}}" for name, share in zip(names, shares, strict=True))


def ranges(*shares: float | str) -> list[tuple[int, int]]:
    return [(arm.start, arm.end) for arm in small(arms_of(*shares)).arms]


def test_everything_that_an_experiment_can_say() -> None:
    [found] = read_settings(WHOLE.encode()).experiments
    assert (found.name, found.prompt, found.key, found.key_missing) == ("tone", "support/triage", "session", "control")
    assert (found.window_s, found.primary.is_relative) == (7 * 24 * 3600, False)
    assert (found.label, found.metadata) == ("production", {"plan": ("pro", "team"), "beta": ("true",)})
    assert found.primary == Primary("feedback", "resolved", "higher", 0.03)
    assert found.guards == (Guard("cost", "mean", 0.2), Guard("errors", "rate", 0.01), Guard("latency", "p95", 0.25))
    assert (found.ends, found.stopped) == (Ends("promote"), "The kinder tone is too long")
    assert (found.control.ref, found.place) == ("@production", Place("promptctl.yaml", 2, 3))


def test_what_is_not_said_has_a_default() -> None:
    found = small(primary="cost: mean, minimum: 10%")
    assert (found.key, found.key_missing, found.guards, found.ends, found.stopped) == ("user", "refuse", (), None, None)
    assert found.primary == Primary("cost", "mean", "lower", 0.1)
    assert found.primary.is_relative
    assert small(more="    stopped: true\n").stopped == "stopped"
    assert small(more="    stopped: false\n").stopped is None


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((50, 50), [(0, 5000), (5000, 10000)]),
        (("40%", "2.5%"), [(0, 4000), (9750, 10000)]),
        ((40, 60), [(0, 4000), (4000, 10000)]),
        ((20, 30, 50), [(0, 2000), (2000, 5000), (5000, 10000)]),
        ((10, 10), [(0, 1000), (9000, 10000)]),
        ((12.5, 0.25), [(0, 1250), (9975, 10000)]),
        ((10, 10, 10), [(0, 1000), (3333, 4333), (9000, 10000)]),
    ],
)
def test_shares_become_ranges(shares: tuple[float | str, ...], expected: list[tuple[int, int]]) -> None:
    assert ranges(*shares) == expected


@pytest.mark.parametrize("before", [(5, 5), (50, 50), (90, 10), (30, 20)])
@pytest.mark.parametrize("after", [(5, 5), (50, 50), (10, 90), (99, 1)])
def test_a_change_of_two_shares_moves_nobody_who_need_not(
    before: tuple[float, float], after: tuple[float, float]
) -> None:
    pairs = zip(ranges(*before), ranges(*after), before, after, strict=True)
    for (start, end), (new_start, new_end), share, new_share in pairs:
        assert min(end, new_end) - max(start, new_start) == round(min(share, new_share) * 100)


@pytest.mark.parametrize(
    ("arms", "message", "hint", "column"),
    [
        ("kind: {ref: '@b', share: 50}, other: {ref: '@c', share: 50}", "`tone` has no arm `control`", "control", 5),
        ("controll: {ref: '@b', share: 50}, b: {ref: '@c', share: 50}", "no arm `control`", "mean `controll`", 5),
        ("control: {ref: '@b', share: 50}", "one arm is compared with nothing", "tried", 5),
        (arms_of(60, 60), "the shares add up to 120", "together 100", 5),
        (arms_of(*[1] * 21), "`tone` has 21 arms, more than 20", "one after another", 5),
        (arms_of(0.5, 0.5), "the shares add up to 1 percent", "write 50, 50", 5),
        (arms_of(33.333, 50), "a share of 33.333 is too fine", "two decimals", 46),
        (arms_of("33.333%", 50), "a share of 33.333 is too fine", "two decimals", 46),
        (arms_of("0%", 50), "form it must have: `0%`", "such as 50", 46),
        (arms_of(-1, 50), "more than 0, not -1", "percent of the keys", 46),
        (ARMS.replace("'@a'", "a@production"), "names no version of the prompt: `a@production`", '"@production"', 27),
        (ARMS.replace("'@a'", "production"), "names no version of the prompt", '"@production"', 27),
        (ARMS.replace("'@a'", "'@'"), "names no version of the prompt", '"@production"', 27),
        (ARMS.replace("share: 50}, k", "weight: 50}, k"), "weight", "share", 33),
    ],
)
def test_arms_that_make_no_sense(arms: str, message: str, hint: str, column: int) -> None:
    with pytest.raises(InvalidFiles) as raised:
        small(arms)
    problem = raised.value.problems[0]
    assert message in problem.message
    assert hint in (problem.hint or "")
    assert (problem.place and problem.place.line, problem.place and problem.place.column) == (4, column)


@pytest.mark.parametrize(
    ("primary", "more", "message", "hint"),
    [
        ("direction: higher", "", "`primary` names no outcome", "feedback: NAME"),
        ("cost: median", "", "`cost` is judged by mean, not by `median`", "did you mean `mean`"),
        ("latency: p99", "", "`latency` is judged by mean or p95", "did you mean `p95`"),
        ("feedback: resolved, cost: mean", "", "`feedback` and `cost` are two outcomes", "guards"),
        ("cost: mean, direction: higher", "", "more cost cannot be the aim", "leave `direction` out"),
        ("feedback: resolved, minimum: 3%", "", "`minimum` of feedback is points", "write 3pp"),
        ("feedback: Resolved!", "", "Resolved!", ""),
        ("feedback: resolved, minimum: 0", "", "0", "smallest difference"),
        ("metric: resolved", "", "metric", "feedback"),
        (FEEDBACK, "    guards: [{cost: mean, at_most: +1pp}]\n", "`at_most` of cost is a share", "write 1%"),
        (FEEDBACK, "    guards: [{errors: rate, at_most: 5%}]\n", "`at_most` of errors is points", "write 5pp"),
        (FEEDBACK, "    guards: [{errors: rate, at_most: 5}]\n", "5", "+1pp"),
        (FEEDBACK, "    guards: [{at_most: 5%}]\n", "a guard is of cost, errors or latency", "cost: mean"),
        (FEEDBACK, "    guards: [{feedback: x, at_most: 5pp}]\n", "feedback", "`primary`"),
        (
            "cost: mean",
            "    guards: [{cost: mean, at_most: 5%}]\n",
            "`cost: mean` decides the experiment already",
            "take the guard out",
        ),
        (
            FEEDBACK,
            "    guards: [{cost: mean, at_most: 5%}, {errors: rate, at_most: 1pp}, {cost: mean, at_most: 9%}]\n",
            "`cost: mean` is a guard already",
            "take the guard out",
        ),
        (FEEDBACK, "    key: usr\n", "usr", "user"),
        (FEEDBACK, "    window: 7 days\n", "7 days", "`7d`"),
        (FEEDBACK, "    only: {labels: production}\n", "labels", "label"),
        (FEEDBACK, "    ends: {when: decided, then: promot}\n", "promot", "promote"),
        (FEEDBACK, "    enabled: false\n", "enabled", "stopped"),
    ],
)
def test_outcomes_that_make_no_sense(primary: str, more: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidFiles) as raised:
        small(primary=primary, more=more)
    problem = raised.value.problems[0]
    assert message in problem.message
    assert hint in (problem.hint or "")
    assert problem.place is not None
    assert problem.place.line == (6 if more else 5)
