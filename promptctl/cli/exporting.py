"""`promptctl export`: prompts in the format of a different tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option, refuse_given
from promptctl.cli.output import say_exactly, say_json, say_json_text, tell, tell_wrapped, warn
from promptctl.errors import CHECK_FAILED, UsageError, printable
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import Export

EXAMPLES = """\
  promptctl export support/triage@production --to dotprompt
  promptctl export --to promptfoo -o promptfoo/
  promptctl export --to ts -o src/prompts --check
"""


def export(
    context: typer.Context,
    refs: Annotated[
        list[str] | None,
        argument("[REF]...", "Prompts, at any version; by default all of the work tree.", completes="ref"),
    ] = None,
    format_: Annotated[
        str,
        option(
            "--to",
            "FORMAT",
            "The format to write: json, langfuse, mlflow, promptfoo, openai, prompty, dotprompt, github, ts, py.",
        ),
    ] = ...,  # type: ignore[assignment]
    output: Annotated[
        Path | None,
        option("-o", "--output", "FOLDER", "Write the files here; one alone is printed."),
    ] = None,
    lossy: Annotated[bool, option("--lossy", "Leave out what the format cannot say.")] = False,
    replace: Annotated[bool, option("--replace", "Overwrite files that say something else.")] = False,
    check: Annotated[
        bool, option("--check", "Write nothing; exit code 1 if a file in FOLDER is missing or differs.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write prompts in the format of a different tool. Exit code 1 if something would be lost, with the list of it."""
    if output is None:
        refuse_given(context, ["check", "replace"], "is about files that are there", "name their folder: -o FOLDER")
    workspace = options.workspace_of(context)
    from promptctl import ExportRequest

    found = workspace.exchange.export(ExportRequest(refs=refs or (), format=format_, allows_losses=lossy))
    differing = [] if output is None else found.differing(output)
    stale = found.stale(output) if check and output is not None else []
    if as_json:
        say_json({**found.as_dict(), "differing": [*differing, *stale]})
    else:
        _tell_losses(found)
    if found.exit_code:
        raise typer.Exit(found.exit_code)
    if check and output is not None:
        for path in differing:
            is_there = (output / path).exists()
            why = (
                "is not what would be exported: export again, with --replace"
                if is_there
                else "is missing: export again"
            )
            tell(f"{printable(str(output / path))} {why}")
        for path in stale:
            tell(f"{printable(str(output / path))} is of a prompt that is gone: remove it")
        raise typer.Exit(CHECK_FAILED if differing or stale else 0)
    if output is not None:
        _write(found, output, differing, replaces=replace)
    elif not as_json:
        _say(found)


def _tell_losses(found: Export) -> None:
    for loss in found.losses:
        tell_wrapped(str(loss), "  " if found.files else "")
    if not found.files:
        words = f"{count(len(found.losses), 'part')} cannot be said in the format {found.format}"
        warn(f"nothing was exported: {words}", "--lossy exports the rest without them")


def _say(found: Export) -> None:
    if len(found.files) > 1:
        names = ", ".join(found.files)
        raise UsageError(f"this is more than one file: {names}", hint="name a folder to write them to: -o FOLDER")
    for path, data in found.files.items():
        text = data.decode("utf-8", "surrogateescape").removesuffix("\n")
        say_it = say_json_text if path.endswith((".json", ".jsonl")) else say_exactly
        say_it(text)


def _write(found: Export, folder: Path, differing: list[str], *, replaces: bool) -> None:
    found.write(folder, replaces=replaces)
    for path in differing:
        tell(f"written  {printable(str(folder / path))}")
    if not differing:
        tell(f"{count(len(found.files), 'file')} in {printable(str(folder))}, as exported before")
