"""The pictures of the documentation: each is shown somewhere, and has its words beside it.

That they still say what the program says is held by `make check-pictures`, which draws them all again.
"""

from __future__ import annotations

import re
from pathlib import Path

from scripts.pictures import DARK, FOLDER, PAGES, PLACES, TERMINALS, words_of

ROOT = Path(__file__).parents[1]


def test_every_picture_is_shown_and_every_one_shown_is_there() -> None:
    drawn = {f"{name}.svg" for name in TERMINALS} | {f"{name}.png" for name in (*PAGES, *PLACES)}
    drawn |= {f"{name}-dark.png" for name in DARK}
    assert {file.name for file in FOLDER.iterdir() if file.suffix != ".txt"} == drawn
    assert {file.stem for file in FOLDER.glob("*.txt")} == {name.partition(".")[0] for name in drawn}
    shown = {
        name
        for page in (ROOT / "README.md", *ROOT.glob("docs/*.md"))
        for name in re.findall(r"pictures/([\w-]+\.(?:svg|png))", page.read_text())
    }
    assert shown == drawn


def test_words_leave_out_what_differs_from_run_to_run() -> None:
    one, other = (
        "v3 (3759f54c) on Mon 29 Nov 2026, 17:13: 26 of 1,098",
        "v3 (8c26f2fd) on Tue 1 Dec 2026, 9:05:  7 of 900",
    )
    assert words_of(one) == words_of(other)
    assert words_of("nothing is wrong") != words_of("something is wrong")


def test_a_drawing_of_a_terminal_asks_for_nothing() -> None:
    for file in FOLDER.glob("*.svg"):
        text = file.read_text()
        assert re.findall(r"https?://\S+?(?=[\"'<> ])", text) == ["http://www.w3.org/2000/svg"], file.name
