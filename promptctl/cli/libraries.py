"""`promptctl outdated` and `promptctl library`: how other repositories stand, and what is offered to others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument
from promptctl.cli.output import say, say_json, say_wrapped, styled, tell, tell_problems
from promptctl.cli.tables import say_table
from promptctl.errors import CHECK_FAILED
from promptctl.reports.wording import count, name_some

if TYPE_CHECKING:
    from promptctl import Offering, SourceStanding

EXAMPLES = """\
  promptctl outdated
  promptctl library
  promptctl library https://example.com/acme/prompts@v1.2
"""


def outdated(context: typer.Context, as_json: options.Json = False) -> None:
    """Say which prompts of other repositories are behind, by asking for names alone. Nothing is fetched.

    Exit code 1 if a branch moved on, a tag was rewritten or is gone, or there is a tag of a higher version; 3 if a
    repository cannot be asked.
    """
    found = options.workspace_of(context, asks=True).vendoring.outdated()
    if as_json:
        say_json([each.as_dict() for each in found])
    elif not found:
        tell("nothing here is of another repository: promptctl add URL//PATH@REF")
    else:
        say_table(["Name", "At", "Standing", "What to do"], [_row(each) for each in found], texts=["What to do"])
    for error in {each.source.url: each.error for each in found if each.error is not None}.values():
        raise error
    if any(each.is_outdated for each in found):
        raise typer.Exit(CHECK_FAILED)


def _row(found: SourceStanding) -> list[str]:
    newer = found.newer[0] if found.newer else ""
    to_do = {
        "behind": f"promptctl update {found.name}",
        "rewritten": f"it named {found.source.commit[:12]}, and names {(found.commit or '')[:12]} now: ask its owners",
        "gone": "its owners took it away: promptctl update NAME@REF names a different one",
        "current": f"promptctl update {found.name}@{newer}" if newer else "-",
        "pinned": "-",
        "unreachable": "-",
    }[found.standing]
    standing = f"{found.standing}, {newer} is newer" if newer and found.standing == "current" else found.standing
    return [found.name, found.source.at, standing, to_do]


def library(
    context: typer.Context,
    address: Annotated[str | None, argument("[URL@REF]", "A different repository; by default this workspace.")] = None,
    as_json: options.Json = False,
) -> None:
    """List what this workspace offers to others: the prompts that `share` of promptctl.yaml names, all without it."""
    found = options.workspace_of(context, asks=address is not None).vendoring.library(address)
    if as_json:
        say_json(found.as_dict())
    else:
        _say(found)
    tell_problems(found.problems)


def _say(found: Offering) -> None:
    if found.title:
        say(styled(found.title, sys.stdout, bold=True))
    if found.about:
        say_wrapped(found.about)
    if found.title or found.about:
        say()
    rows = [
        [each.id, each.description or each.name, ", ".join(each.inputs), len(each.datasets)] for each in found.prompts
    ]
    if rows:
        say_table(["Prompt", "What it does", "Inputs", "Datasets"], rows, right=["Datasets"], texts=["What it does"])
    is_licensed = f"licence {found.spdx}" if found.spdx else f"licence in {name_some(found.licences)}"
    licence = is_licensed if found.licence else "no licence file: others cannot know whether they may use it"
    share = (
        "no `share` in promptctl.yaml: all are offered" if found.share is None else f"share: {name_some(found.share)}"
    )
    tell(f"{count(len(found.prompts), 'prompt')}; {licence}; {share}")
