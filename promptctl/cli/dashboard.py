"""`promptctl dashboard`: is anything wrong, what changed, what does it cost; as a page, with charts over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.call_filter import FilterOptions
from promptctl.cli.commands import option, refuse_given
from promptctl.cli.output import say, say_json, say_wrapped, tell, tell_hint
from promptctl.reports.wording import count, format_known

EXAMPLES = """\
  promptctl dashboard -o dashboard.html
  promptctl dashboard -o public/ --since 30d --prompt "support/*"
  promptctl dashboard --json"""

_QUESTIONS = {"wrong": "Is anything wrong?", "changed": "What changed?", "cost": "What does it cost?"}
_MOST = 5


def show_dashboard(
    context: typer.Context,
    filters: FilterOptions,
    output: Annotated[
        Path | None, options.output_option("Write a page with charts: a .html file, or a folder.")
    ] = None,
    with_content: Annotated[
        bool, option("--with-content", "Show failed calls with what was sent and answered, if that is kept.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say if anything is wrong, what changed, and what it costs; with -o as a page that works offline."""
    from promptctl import DashboardRequest

    if output is None and not as_json:
        refuse_given(context, ["with_content"], "goes with -o or --json: the sentences here hold none")
    if output is not None:
        from promptctl.reports.dashboard_page import check_dashboard_path, write_dashboard

        check_dashboard_path(output)
    workspace = options.workspace_of(context)
    found = workspace.dashboard(DashboardRequest(wanted=filters.filter, with_content=with_content))
    document = found.as_dict()
    if output is not None:
        output = write_dashboard(output, document)
        tell(f"written  {output}")
    if as_json:
        say_json(document)
    else:
        _say(document, output)
        if (left := document["not_counted"]["without_row"]) and document["next"] is None:
            spent = format_known(left["cost_nano_usd"], left["unpriced"])
            tell(f"not counted: {count(left['calls'], 'call')} that kept no row, {spent}; promptctl cost counts them")


def _say(document: Mapping[str, Any], page: Path | None = None) -> None:
    if document["next"] is not None:
        tell(document["next"]["sentence"])
        for command in document["next"]["commands"]:
            tell_hint(command)
        return
    told: set[str] = set()
    for number, (name, question) in enumerate(_QUESTIONS.items()):
        if number:
            say()
        answer = document["answers"][name]
        say_wrapped(question, bold=True)
        say_wrapped(answer["sentence"])
        texts = [item["text"] for item in answer["items"]]
        new = [text for text in texts if text not in answer["sentence"] and text not in told]
        told.update(texts)
        for text in new[:_MOST]:
            say_wrapped(f"- {text}", "  ")
        more = len(new) + answer["left_out"] - _MOST
        if more > 0:
            say_wrapped(f"and {more:,} more on the page: {page or 'promptctl dashboard -o page.html'}", "  ", dim=True)
    for note in document["notes"]:
        tell(note)
