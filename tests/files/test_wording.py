"""Numbers as they stand in sentences: what is not all is not said to be all, and what is not none not none."""

from __future__ import annotations

import pytest

from promptctl.files.wording import count, percent
from promptctl.reports.wording import format_range, format_share


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (1.0, 1, "100.0%"),
        (0.0, 0, "0%"),
        (0.9996, 1, "99.96%"),
        (0.99996, 0, "99.996%"),
        (0.0004, 1, "0.04%"),
        (0.00004, 1, "0.004%"),
        (-0.0004, 0, "-0.04%"),
        (-0.9996, 0, "-99.96%"),
        (-1e-17, 0, "0%"),
        (0.5, 1, "50.0%"),
        (1.5, 0, "150%"),
        # What the sums of floating point leave is nothing.
        (1e-17, 0, "0%"),
        (1 - 1e-16, 1, "100.0%"),
    ],
)
def test_a_share_is_rounded_neither_to_all_nor_to_none(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text


def test_shares_and_their_ends_are_told_by_the_same_rule() -> None:
    assert (format_share(0.9996), format_share(None)) == ("99.96%", "-")
    assert (format_range(0.51, 0.9991), format_range(0.0, 1.0), format_range(None, 1.0)) == (
        "51%–99.9%",
        "0%–100%",
        "-",
    )


def test_a_large_number_of_things_has_a_comma_at_each_thousand() -> None:
    assert [count(number, "case") for number in (0, 1, 999, 12_345)] == [
        "0 cases",
        "1 case",
        "999 cases",
        "12,345 cases",
    ]
    assert count(2, "reply") == "2 replies"
