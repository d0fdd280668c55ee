"""Writes comparisons to a file, in the format that its name asks for; whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from promptctl.comparisons.compared import Against, decision_of
from promptctl.context import Context
from promptctl.git.outputs import replace_output
from promptctl.log.store import Store
from promptctl.reports.comparison import comparison_markdown
from promptctl.reports.comparison_json import comparison_as_dict, joint_as_dict
from promptctl.reports.files import writer_for
from promptctl.reports.markdown import folded, inline, markdown
from promptctl.reports.rows import evaluation_name
from promptctl.reports.sentences import of_comparisons
from promptctl.reports.verdict import MARKS, with_headlines

_MOST_LINES = 400


def write_comparisons(path: Path, context: Context, found: Against) -> None:
    """Write comparisons, and evaluations that had nothing to be compared with. The suffix chooses, as for evaluations.

    Tables and data have every result of both sides. Raises what `write_report` does.
    """
    writer, log = writer_for(path), context.log
    sides = [side for each in found.compared for side in (each.base, each.head)] + list(found.alone)
    match path.suffix.lower():
        case ".json":
            parts = _document(writer(log, sides), found)
        case ".html":
            parts = _page(context, found)
        case ".md" | ".markdown":
            parts = _markdown(context, found)
        case ".xml":
            parts = _junit(log, found)
        case _:
            parts = writer(log, sides)
    replace_output(path, (part.encode("utf-8", "replace") for part in parts))


def _document(evaluations: Iterator[str], found: Against) -> Iterator[str]:
    """Yield the document of the evaluations, with the comparisons before them."""
    yield '{"comparisons": ' + json.dumps([*map(comparison_as_dict, found.compared)], ensure_ascii=False) + ",\n"
    yield '"together": ' + json.dumps([*map(joint_as_dict, found.together)], ensure_ascii=False) + ",\n"
    yield next(evaluations).removeprefix("{")
    yield from evaluations


def _page(context: Context, found: Against) -> Iterator[str]:
    from promptctl.reports.comparison_page import comparison_page
    from promptctl.reports.evaluated_diffs import evaluated_diffs

    told = with_headlines(found.decision.reason, found.compared)
    diffs = list(evaluated_diffs(context, found.compared, found.alone))
    yield from comparison_page(context.log, found, told, diffs)


def _markdown(context: Context, found: Against) -> Iterator[str]:
    from promptctl.reports.evaluated_diffs import evaluated_diffs

    if len(found.heads) > 1:
        opening = of_comparisons(found.compared, found.alone, found.decision, found.together)
        yield f"**{opening.state}: {inline(opening.text)}**\n\n"
    if (joint := found.decided_together) is not None:
        yield f"**{MARKS[joint.kind]} {inline(joint.reason)}**\n\n"
    for number, each in enumerate(sorted(found.compared, key=lambda each: each.decision.is_passed)):
        yield "\n" if number else ""
        yield from comparison_markdown(each)
    if found.alone:
        yield "\n" if found.compared else ""
        yield from markdown(context.log, found.alone)
    diffs = list(evaluated_diffs(context, found.compared, found.alone))
    yield "\n#### What changed\n" if diffs else ""
    for diff in diffs:
        yield from [f"\n*{inline(diff.why_not)}*\n"] if diff.why_not else folded(diff.title, diff.lines, _MOST_LINES)


def _junit(log: Store, found: Against) -> Iterator[str]:
    """Yield a suite of the gates, and one for each evaluation that is judged."""
    from promptctl.reports.junit import document, gate_suite, suite

    decisions = [(each.head, each.decision) for each in found.compared]
    decisions += [(each, decision_of(each)) for each in found.alone]
    gates = [(evaluation_name(made, found.heads), each.exit_code, each.reason) for made, each in decisions]
    gates += [(joint.name, joint.decision.exit_code, joint.reason)] if (joint := found.decided_together) else []
    warnings = [f"{each.head.row.prompt}: {each.warning}" for each in found.compared if each.warning]

    judged = (suite(log, made) for made, _ in decisions)
    yield from document(chain(gate_suite("promptctl compare", gates, warnings), *judged))
