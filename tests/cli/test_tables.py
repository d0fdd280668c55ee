from __future__ import annotations

from typing import Any

import pytest

from promptctl.cli import output, tables
from promptctl.cli.tables import say_table

ROW = ("support/triage", "openai/gpt-4o-mini", 7, "c71037c4")
REASON = "The customers asked for shorter answers, so that they can read them on their telephones."


@pytest.fixture(name="printed")
def printed_at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Print the table on a terminal of so many columns; its lines."""
    monkeypatch.setattr(tables, "is_terminal", lambda: True)
    monkeypatch.setattr(output, "uses_colour", lambda _: False)

    def lines(columns: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        say_table(["Prompt", "Model", "Passed", "Id"], [ROW], right=["Passed"])
        return capsys.readouterr().out.splitlines()

    return lines


def test_what_fits_stands_on_one_line(printed: Any) -> None:
    assert printed(80) == [
        "Prompt          Model               Passed  Id",
        "support/triage  openai/gpt-4o-mini       7  c71037c4",
    ]


def test_what_does_not_goes_on_below_and_no_cell_is_broken(printed: Any) -> None:
    assert printed(44) == [
        "Prompt          Model               Passed",
        "    Id",
        "support/triage  openai/gpt-4o-mini       7",
        "    c71037c4",
    ]
    assert all(cell in " ".join(printed(10)) for cell in ("support/triage", "openai/gpt-4o-mini", "c71037c4"))


def test_a_text_at_the_end_is_wrapped_to_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "is_terminal", lambda: True)
    monkeypatch.setattr(output, "uses_colour", lambda _: False)
    monkeypatch.setenv("COLUMNS", "60")
    say_table(["Version", "Reason"], [("v1", REASON), ("v2", "-")])
    assert capsys.readouterr().out.splitlines() == [
        "Version  Reason",
        "v1       The customers asked for shorter answers, so that",
        "         they can read them on their telephones.",
        "v2       -",
    ]
    monkeypatch.setenv("COLUMNS", "24")
    say_table(["Version", "Reason"], [("v1", "Shorter, by far.")])
    assert capsys.readouterr().out.splitlines() == ["Version", "    Reason", "v1", "    Shorter, by far."]
