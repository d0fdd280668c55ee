"""Shows a comparison: the verdict and why, the numbers on both sides, and the cases that moved."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from promptctl import Against, CasePair, Compared
from promptctl.cli.output import flat, say, say_json, say_wrapped, styled, tell
from promptctl.cli.tables import say_table
from promptctl.reports.comparison import (
    about_alone,
    beside_the_verdict,
    counts_line,
    judged_rows,
    number_rows,
    reasons_without_result,
    side_names,
)
from promptctl.reports.comparison_json import against_as_list
from promptctl.reports.flips import FlippedAssertion, flipped_assertions, grouped, line_diff, of_fresh_replies
from promptctl.reports.rows import evaluation_name
from promptctl.reports.sentences import of_comparisons
from promptctl.reports.verdict import MARKS, certainty, headline, shared_level

MOST_SHOWN = 10
_COLOURS = {
    "worse": "red", "better": "green", "not-worse": "green", "inconclusive": "yellow", "powerless": "yellow",
    "incomplete": "yellow",
}  # fmt: skip


def say_comparisons(found: Sequence[Compared]) -> None:
    """Print comparisons on stdout, one after another."""
    for number, each in enumerate(found):
        if number:
            say()
        _say(each)


def say_against(found: Against, *, as_json: bool, is_brief: bool = False) -> None:
    """Print comparisons on stdout, then the evaluations that had nothing to be compared with.

    If it `is_brief`, of each comparison the verdict, with the command that shows the whole.
    """
    if as_json:
        say_json(against_as_list(found))
        return
    if (joint := found.decided_together) is not None:
        say_wrapped(f"{MARKS[joint.kind]} {joint.reason}", fg=_COLOURS[joint.kind], bold=True)
        say()
    if is_brief:
        for own in found.compared:
            _say_verdict(own, whose=f"{evaluation_name(own.head, found.heads)}: ")
            ids = f"{own.base.row.id[-8:]} {own.head.row.id[-8:]}"
            say_wrapped(f"{', '.join(side_names(own))}: promptctl compare {ids}", indent="  ")
    else:
        say_comparisons(found.compared)
        together = len(found.together)
        if found.compared and (several := found.compared[0].comparison.procedure.comparisons) > 1:
            tell(shared_level(several - together, together))
    for number, each in enumerate(found.alone):
        if number or found.compared:
            say()
        colour = {"passed": "green", "failed": "red"}.get(each.verdict, "yellow")
        word = styled(each.verdict, sys.stdout, fg=colour, bold=True)
        name = styled(evaluation_name(each, found.heads), sys.stdout, bold=True)
        say_wrapped(f"{name}: {word}: {each.reason}")
        say_wrapped(about_alone(each), indent="  ")
    if len(found.heads) > 1 and not is_brief:
        opening = of_comparisons(found.compared, found.alone, found.decision, found.together)
        colour = {"passed": "green", "failed": "red"}.get(opening.state, "yellow")
        state = styled(opening.state, sys.stdout, fg=colour, bold=True)
        say()
        say_wrapped(f"{state}: {opening.text}")


def _say(found: Compared) -> None:
    head, verdict, comparison = found.head.row, found.verdict, found.comparison
    _say_verdict(found)
    say()
    say_wrapped(f"{head.prompt} · {head.spec.dataset} · {head.model}")
    names = [*(f"{name[:1].upper()}{name[1:]}" for name in side_names(found)), "Difference"]
    say_table(["", *names], [*number_rows(comparison), *judged_rows(found)], right=names)
    say()
    say_wrapped(counts_line(comparison))
    for why in reasons_without_result(comparison):
        say_wrapped(why, indent="  ")
    _say_flips("regressed", "red", comparison.regressed, found)
    _say_flips("improved", "green", comparison.improved, found)
    say()
    say_wrapped(f"Statistics: {verdict.reason}")


def _say_verdict(found: Compared, whose: str = "") -> None:
    verdict = found.verdict
    say_wrapped(f"{MARKS[verdict.kind]} {whose}{headline(found)}", fg=_COLOURS[verdict.kind], bold=True)
    for note in (certainty(found), beside_the_verdict(found), found.note, verdict.worst_case):
        if note:
            say_wrapped(note, indent="  ")
    if found.warning:
        say_wrapped(f"warning: {found.warning}", indent="  ", fg="yellow")


def _say_flips(title: str, colour: str, pairs: Sequence[CasePair], found: Compared) -> None:
    for kind, group in grouped(found, pairs):
        say(f"\n{styled(f'{title}, {kind}: {len(group)}', sys.stdout, fg=colour, bold=True)}")
        for pair in group[:MOST_SHOWN]:
            again = f": {of_fresh_replies(found, pair.case_id)}" if kind in ("partly", "noise") else ""
            say(f"  {styled(flat(pair.case_id), sys.stdout, bold=True)}{again}")
            for flipped in flipped_assertions(pair) if kind != "noise" else ():
                _say_flipped(flipped)
        if len(group) > MOST_SHOWN:
            say(f"  … and {len(group) - MOST_SHOWN} more; --json shows all")


def _say_flipped(flipped: FlippedAssertion) -> None:
    say_wrapped(f"{flipped.name}: {flipped.reason}", indent="    ")
    if flipped.note:
        say_wrapped(flipped.note, indent="    ")
    for line in line_diff(flipped.before, flipped.after).splitlines():
        shade = "red" if line.startswith("-") else "green" if line.startswith("+") else None
        # No line begins with what a reply says: in a CI's log it could be a command to it, such as `::error::`.
        say_wrapped(line, indent="    │", fg=shade)
