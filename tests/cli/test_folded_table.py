from __future__ import annotations

from typing import Any

import pytest

from promptctl.cli import folded_table, output
from promptctl.cli.folded_table import say_folded_table

ROW = ("support/triage", "openai/gpt-4o-mini", 7, "c71037c4")


@pytest.fixture(name="printed")
def printed_at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Print the table on a terminal of so many columns; its lines."""
    monkeypatch.setattr(folded_table, "is_terminal", lambda: True)
    monkeypatch.setattr(output, "uses_colour", lambda _: False)

    def lines(columns: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        say_folded_table(["Prompt", "Model", "Passed", "Id"], [ROW], right=["Passed"])
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
