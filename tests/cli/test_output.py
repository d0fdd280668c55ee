from __future__ import annotations

import pytest

from promptctl.cli.output import say, tell
from promptctl.reports.wording import format_cost


@pytest.mark.parametrize(
    ("cost_nano_usd", "shown"),
    [
        (None, "-"),
        (0, "$0"),
        (150, "$0.00000015"),
        (15_000, "$0.000015"),
        (2_000_000, "$0.002"),
        (200_000_000, "$0.20"),
        (1_234_567_890_000, "$1,234.57"),
    ],
)
def test_a_cost_is_shown_with_the_digits_that_matter(cost_nano_usd: int | None, shown: str) -> None:
    assert format_cost(cost_nano_usd) == shown


def test_words_command_no_terminal_behind_a_pipe_and_data_stays(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2J")
    tell("\x1b[2J")
    assert capsys.readouterr() == ("\x1b[2J\n", "\\x1b[2J\n")
