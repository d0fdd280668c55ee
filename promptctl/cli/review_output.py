"""Shows a review on the terminal: what it came to, who breaks, the numbers, then what changed line by line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptctl.cli.comparison_output import say_comparisons
from promptctl.cli.diff import say_changed_text, say_parts
from promptctl.cli.output import flat, say, say_wrapped, styled, visible
from promptctl.cli.tables import say_table
from promptctl.reports.review import (
    ReviewRow,
    about_dataset,
    about_moves,
    counts,
    edit_lines,
    edit_title,
    numbers,
    outcomes,
    readable,
    sides,
    told_breaks,
    told_notes,
    told_problems,
    told_reasons,
    warnings,
)
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import Review

MOST_IDS = 10


def say_review(review: Review) -> None:
    """Print a review on stdout."""
    say_wrapped(f"{styled(_line(' → '.join(sides(review))), sys.stdout, bold=True)}: {counts(review)}")
    for note in told_notes(review):
        say_wrapped(_line(note), indent="  ")
    _say_diffs(review)
    _say_list("Datasets", [about_dataset(each, MOST_IDS) for each in review.datasets])
    for dataset in review.datasets:
        for edit in dataset.edits[:MOST_IDS]:
            say(f"\n{styled(_line(edit_title(dataset, edit)), sys.stdout, bold=True)}")
            say_changed_text(edit_lines(edit))
        if (more := len(dataset.edits) - MOST_IDS) > 0:
            say(f"\n… and {count(more, 'more edited case')} of {_line(dataset.path)}")
    _say_list("Labels moved meanwhile", [about_moves(move) for move in review.moves])
    _say_list("Breaking changes", told_breaks(review), colour="red")
    for found in review.measurements:
        if found.compared:
            say()
            say_comparisons([readable(each) for each in found.compared], as_json=False)
    rows = list(outcomes(review))
    if rows:
        say()
        right = ["Passed", "Cost"]
        say_table(
            ["Prompt", "Change", "Result", "Dataset", *right], map(_row, rows), right=right, texts=["Change", "Result"]
        )
    for problem in told_problems(review):
        say_wrapped(_line(str(problem)), indent="  ")
    say()
    for warning in warnings(review):
        say_wrapped(f"{styled('warning', sys.stdout, fg='yellow', bold=True)}: {_line(warning)}")
    yellow = ("incomplete", "undecided", "not evaluated")
    colour = "red" if review.state == "failed" else "yellow" if review.state in yellow else "green"
    say_wrapped(f"{styled(review.state, sys.stdout, fg=colour, bold=True)}: {_line(' '.join(told_reasons(review)))}")


def _line(text: str) -> str:
    """Return the text as one line, whatever a file is called."""
    return visible(flat(text))


def _row(row: ReviewRow) -> tuple[str, ...]:
    passed, _, cost, _ = numbers(row)
    return row.prompt, row.change, row.verdict, row.dataset.removeprefix("datasets/"), passed, cost


def _say_diffs(review: Review) -> None:
    for prompt in review.prompts:
        if prompt.diff is None or prompt.diff.is_empty:
            continue
        was = f" (was {_line(prompt.former_id)})" if prompt.former_id else ""
        say(f"\n{styled(_line(prompt.id), sys.stdout, bold=True)}{was}")
        say_parts(prompt.diff)


def _say_list(title: str, lines: Sequence[str], colour: str | None = None) -> None:
    if lines:
        say(f"\n{styled(title, sys.stdout, bold=True)}")
    for line in lines:
        say_wrapped(_line(line), indent="  ", fg=colour)
