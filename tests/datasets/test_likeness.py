"""Inputs that are alike, and those that only look so."""

from __future__ import annotations

import random
from typing import Any

import pytest

from promptctl.datasets.likeness import Alike, Known, alike, groups

TEXT = "I was charged twice for my order and nobody has answered me since last week."


def texts(*given: Any) -> list[tuple[int, int]]:
    return [(pair.first, pair.second) for pair in alike([{"ticket": each} for each in given])]


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        (TEXT, TEXT, True),
        (TEXT, TEXT.upper().replace(" ", "  "), True),
        (TEXT, TEXT.replace("twice", "two times"), True),
        (TEXT, TEXT.replace("order", "ordr").replace("nobody", "nobdy"), True),
        (TEXT, "Where do I find the invoice of last month? I need it for my taxes.", False),
        ("Ann", "Ann", True),
        ("Ann", " ann", True),
        ("Ann", "Anne", False),
        ("yes", "no", False),
        ("The total of invoice 17 is wrong, please look.", "The total of invoice 18 is wrong, please look.", False),
        ("2026-05-01T10:00:00 the server stopped", "2026-05-02T10:00:00 the server stopped", False),
        (3, 3.0, True),
        (True, False, False),
        (None, "", False),
        ([{"role": "user", "content": TEXT}], [{"role": "user", "content": TEXT + "!"}], True),
        ([{"role": "user", "content": TEXT}], [{"role": "system", "content": TEXT}], False),
        ([TEXT], [TEXT, TEXT], False),
        ([], {}, False),
        ("data:image/png;base64," + "A" * 60_000, "data:image/png;base64," + "A" * 59_999 + "B", False),
        ("\ud800" * 40, "\ud800" * 40, True),
    ],
)
def test_two_values(one: Any, other: Any, is_alike: bool) -> None:
    assert texts(one, other) == ([(0, 1)] if is_alike else [])


def test_every_input_counts_and_so_do_their_names() -> None:
    long = {"ticket": TEXT, "formal": True}
    assert not alike([long, {**long, "formal": False}])
    assert not alike([long, {"ticket": TEXT}])
    assert not alike([{"a": TEXT}, {"b": TEXT}])
    assert not alike([{}, {"a": TEXT}])
    assert alike([{}, {}]) == [Alike(0, 1, 1.0)]
    assert alike([]) == []


def test_the_first_that_is_like_what_is_asked_for_is_found_among_those_of_its_form() -> None:
    other = "Where do I find the invoice of last month? I need it for my taxes."
    known = Known({"ticket": each} for each in (other, TEXT, TEXT + "!"))
    assert known.like({"ticket": TEXT + "?"}) == 1
    assert known.like({"ticket": "Please tell my neighbour that the parcel came today."}) is None


def test_very_long_texts_are_compared_by_a_sample() -> None:
    drawn = random.Random(7)
    one, other = (" ".join(f"{drawn.randrange(1 << 40):x}" for _ in range(400)) for _ in range(2))
    assert texts(one, other, one[:2000] + "x" + one[2000:]) == [(0, 2)]


def test_what_a_form_holds_decides_and_not_the_form() -> None:
    names = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo"]
    forms = [f"Please write a short and friendly greeting for {name}, who is new in the team." for name in names]
    assert texts(*forms) == []
    assert texts(*forms, forms[3].replace(",", " ,")) == [(3, 10)]


def test_equal_ones_are_paired_with_the_first_and_a_threshold_of_one_leaves_them_alone() -> None:
    inputs = [{"t": TEXT}, {"t": "Something else"}, {"t": TEXT}, {"t": TEXT + "!!"}, {"t": TEXT}]
    assert [(p.first, p.second) for p in alike(inputs)] == [(0, 2), (0, 3), (0, 4)]
    assert [(p.first, p.second) for p in alike(inputs, 1.0)] == [(0, 2), (0, 4)]
    assert groups(alike(inputs)) == [[0, 2, 3, 4]]
    assert groups([Alike(4, 5, 1), Alike(1, 2, 1), Alike(2, 5, 1)]) == [[1, 2, 4, 5]]


def test_pairs_are_found_among_many_whatever_the_order() -> None:
    drawn = random.Random(5)
    words = ["".join(drawn.choices("abcdefghijklmnoprstuw", k=drawn.randint(2, 8))) for _ in range(900)]
    made = [" ".join(drawn.choices(words, k=14)) for _ in range(700)]
    made += [each[: len(each) // 2] + "x" + each[len(each) // 2 :] for each in made[:40]]
    found = texts(*made)
    assert set(found) == {(n, 700 + n) for n in range(40)}
    order = drawn.sample(range(len(made)), len(made))
    again = {tuple(sorted((order[one], order[other]))) for one, other in texts(*(made[at] for at in order))}
    assert again == set(found)
