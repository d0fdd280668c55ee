from __future__ import annotations

from typing import Any

import pytest

from promptctl.cli import output
from promptctl.cli.page_layout import say_columns
from promptctl.cli.tables import say_table

COLUMNS = ["Prompt", "Model", "Passed", "Cost", "Id", "Reply"]
ROW = ("support/triage", "openai/gpt-4o-mini", 7, "$0.0031", "c71037c4", "Thank you for your patience.")


@pytest.fixture(name="printed")
def printed_at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Print the table on a terminal of so many columns; its lines."""
    monkeypatch.setattr(output, "uses_colour", lambda _: False)

    def lines(columns: int, row: Any = ROW) -> list[str]:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        say_table(COLUMNS, [row], right=["Passed", "Cost"], texts=["Model", "Reply"], spare=["Cost"])
        return capsys.readouterr().out.splitlines()

    return lines


def test_one_long_column_has_the_room_that_the_others_leave(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    say_columns(["name", "type", "description"], [("name", "string", "How the note should sound to the reader")])
    say_columns(["name", "type"], [("a long name " * 3, "a long type " * 3)])
    assert capsys.readouterr().out.splitlines() == [
        "name  type    description",
        "name  string  How the note should sound to the reader",
        "name                           type",
        "a long name a long name a      a long type a long type a",
        "long name                      long type",
    ]


def test_what_fits_is_on_one_line(printed: Any) -> None:
    assert printed(100) == [
        "Prompt          Model               Passed     Cost  Id        Reply",
        "support/triage  openai/gpt-4o-mini       7  $0.0031  c71037c4  Thank you for your patience.",
    ]


def test_texts_are_cut_and_ids_and_numbers_are_not(printed: Any) -> None:
    assert printed(80) == [
        "Prompt          Model              Passed     Cost  Id        Reply",
        "support/triage  openai/gpt-4o-mi…       7  $0.0031  c71037c4  Thank you for you…",
    ]
    assert printed(72) == [
        "Prompt          Model          Passed     Cost  Id        Reply",
        "support/triage  openai/gpt-4…       7  $0.0031  c71037c4  Thank you for…",
    ]


def test_texts_without_room_have_a_line_of_their_own(printed: Any) -> None:
    assert printed(60) == [
        "Prompt          Passed     Cost  Id",
        "    Model               Reply",
        "support/triage       7  $0.0031  c71037c4",
        "    openai/gpt-4o-mini  Thank you for your patience.",
    ]


def test_the_columns_that_matter_least_are_left_out(printed: Any) -> None:
    long = ("support/tickets/in/german/triage", *ROW[1:])
    assert printed(60, long)[::2] == [
        "Prompt                            Passed     Cost  Id",
        "support/tickets/in/german/triage       7  $0.0031  c71037c4",
    ]
    longer = ("support/tickets/in/german/triage/again", *ROW[1:])
    assert printed(60, longer)[::2] == [
        "Prompt                                  Passed  Id",
        "support/tickets/in/german/triage/again       7  c71037c4",
    ]


@pytest.mark.parametrize(("columns", "prompt"), [(59, "support/triage"), (60, "support/" + "triage" * 10)])
def test_on_a_narrow_terminal_a_row_is_a_block(printed: Any, columns: int, prompt: str) -> None:
    reply = "Thank you for your patience, and for the screenshots that you sent."
    assert printed(columns, (prompt, *ROW[1:-1], reply)) == [
        f"Prompt  {prompt}",
        "Model   openai/gpt-4o-mini",
        "Passed  7",
        "Cost    $0.0031",
        "Id      c71037c4",
        f"Reply   {reply[: columns - 9].rstrip()}…",
    ]


def test_what_names_a_row_without_a_name_of_its_own_is_above_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(output, "uses_colour", lambda _: False)
    monkeypatch.setenv("COLUMNS", "40")
    say_table(["", "", "Passed"], [("tag", "smoke", 1), ("tag", "slow", 0)], right=["Passed"])
    assert capsys.readouterr().out.splitlines() == ["tag smoke", "Passed  1", "", "tag slow", "Passed  0"]
