"""Shows a comparison: the verdict and why, the numbers on both sides, and the cases that moved."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptctl.cli.output import say, say_json, styled, tell
from promptctl.cli.tables import say_table
from promptctl.reports.comparison import (
    about_alone,
    alone_as_dict,
    asked_again,
    beside_the_verdict,
    comparison_as_dict,
    counts_line,
    number_rows,
)
from promptctl.reports.diffs import line_diff

if TYPE_CHECKING:
    from promptctl import Against, CasePair, Compared

MOST_SHOWN = 10
_COLOURS = {
    "worse": "red", "better": "green", "not-worse": "green", "inconclusive": "yellow", "powerless": "yellow",
    "incomplete": "yellow",
}  # fmt: skip


def say_comparisons(found: Sequence[Compared], *, as_json: bool) -> None:
    """Print comparisons on stdout, one after another."""
    if as_json:
        say_json([comparison_as_dict(each) for each in found])
        return
    for each in found:
        _say(each)
    if len(found) > 1:
        tell(f"{len(found)} comparisons share an error rate of 5%")


def say_against(found: Against, *, as_json: bool) -> None:
    """Print comparisons on stdout, then the evaluations that had nothing to be compared with."""
    if as_json:
        alone = [alone_as_dict(each, found.rule) for each in found.alone]
        say_json([*map(comparison_as_dict, found.compared), *alone])
        return
    say_comparisons(found.compared, as_json=False)
    for each in found.alone:
        colour = {"passed": "green", "failed": "red"}.get(each.verdict, "yellow")
        word = styled(each.verdict, sys.stdout, fg=colour, bold=True)
        say(f"{styled(each.row.prompt, sys.stdout, bold=True)}: {word}: {each.reason}")
        say(f"  {about_alone(each)}\n")


def _say(found: Compared) -> None:
    base, head, verdict = found.base.row, found.head.row, found.verdict
    word = styled(verdict.kind, sys.stdout, fg=_COLOURS[verdict.kind], bold=True)
    claim, _, why = verdict.reason.partition(": ")
    reason = why if claim.casefold() == verdict.kind.replace("-", " ") else verdict.reason
    say(f"{styled(head.prompt, sys.stdout, bold=True)}: {word}: {reason}")
    for note in (beside_the_verdict(found), found.note, verdict.worst_case):
        if note:
            say(f"  {note}")
    if found.warning:
        say(f"  {styled('warning', sys.stdout, fg='yellow', bold=True)}: {found.warning}")
    say()
    names = ["", ""] if base.prompt == head.prompt else [f"{base.prompt} ", f"{head.prompt} "]
    sides = [
        f"{side} {name}{row.version_display or ('' if name else row.prompt)}".strip()
        for side, name, row in zip(("Base", "Head"), names, (base, head), strict=True)
    ]
    sides.append("Difference")
    say_table(["", *sides], number_rows(found.comparison), right=sides)
    say()
    say(counts_line(found.comparison))
    _say_flips("regressed", "red", found.comparison.regressed, found)
    _say_flips("improved", "green", found.comparison.improved, found)
    say()


def _say_flips(title: str, colour: str, pairs: Sequence[CasePair], found: Compared) -> None:
    for pair in pairs[:MOST_SHOWN]:
        again = asked_again(found, pair.case_id)
        say(f"\n{styled(title, sys.stdout, fg=colour, bold=True)}{f', {again}' if again else ''}: {pair.case_id}")
        for line in line_diff(pair.base.output or "", pair.head.output or "").splitlines():
            shade = "red" if line.startswith("-") else "green" if line.startswith("+") else None
            # No line begins with what a reply says: in a CI's log it could be a command to it, such as `::error::`.
            say("   │" + (styled(line, sys.stdout, fg=shade) if shade else line))
    if len(pairs) > MOST_SHOWN:
        say(f"… and {len(pairs) - MOST_SHOWN} more {title}; --json shows all")
