"""The e-value of discordant pairs: published numbers, an oracle, and that it holds at any time."""

from __future__ import annotations

import math
import random

import pytest

from promptctl.statistics.paired import discordant_e_value


def test_published_numbers() -> None:
    assert discordant_e_value(0, 10) == pytest.approx(180.42578125)
    assert min(wins for wins in range(20) if discordant_e_value(0, wins) >= 20) == 7
    assert [discordant_e_value(0, 0), discordant_e_value(0, 0, "losses")] == pytest.approx([1, 1])


@pytest.mark.parametrize("losses", [0, 1, 7, 30])
@pytest.mark.parametrize("wins", [0, 3, 30])
def test_sides_share_the_prior(losses: int, wins: int) -> None:
    one, other = discordant_e_value(losses, wins, "losses"), discordant_e_value(losses, wins, "wins")
    assert (one + other) / 2 == pytest.approx(discordant_e_value(losses, wins))
    assert other == pytest.approx(discordant_e_value(wins, losses, "losses"))
    steps = 4_000
    shares = [math.sin(math.pi / 4 * (1 + (at + 0.5) / steps)) ** 2 for at in range(steps)]
    # With t = sin²(φ) Jeffreys' prior is even in φ; of losses it is the half from π/4 to π/2.
    mean = sum((2 * t) ** losses * (2 * (1 - t)) ** wins for t in shares) / steps
    assert one == pytest.approx(mean, rel=1e-4)


def test_one_side_falls_with_each_win_and_rises_with_each_loss() -> None:
    for losses in range(12):
        for wins in range(12):
            here = discordant_e_value(losses, wins, "losses")
            assert (
                discordant_e_value(losses, wins + 1, "losses") < here < discordant_e_value(losses + 1, wins, "losses")
            )


def test_the_ends_do_not_overflow() -> None:
    assert discordant_e_value(10_000, 3) == math.inf
    assert 0 <= discordant_e_value(10_000, 3, "wins") < 1e-9
    assert discordant_e_value(5_000, 5_000, "losses") < 1


def test_a_fair_coin_looked_at_after_every_toss_alarms_seldom() -> None:
    rng, alarms, trials = random.Random("coins"), 0, 2_000
    reached = {
        (losses, wins): discordant_e_value(losses, wins, "losses") >= 20 for losses in range(101) for wins in range(101)
    }
    for _ in range(trials):
        losses = wins = 0
        for _ in range(100):
            is_loss = rng.random() < 0.5
            losses, wins = losses + is_loss, wins + (not is_loss)
            if reached[losses, wins]:
                alarms += 1
                break
    assert alarms <= 0.05 * trials
