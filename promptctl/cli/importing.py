"""`promptctl import`: files of other tools as files of ours, with the fate of every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import tell, tell_problems, tell_wrapped
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.errors import Place, printable
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import ImportedSource, ImportReport

_MOST_PASSED_OVER = 10
_MOST_FILES_SHOWN = 5
EXAMPLES = """\
  promptctl import promptfooconfig.yaml --dry-run
  promptctl import old-prompts/ --into legacy --yes
  promptctl import triage.prompty --as support/triage
"""


@dataclass(frozen=True, slots=True)
class PlacingOptions:
    """Options for where it is written."""

    heading: ClassVar[str] = "Where it goes"
    into: Annotated[str, option("--into", "FOLDER", "Begin every id with this folder.")] = ""
    id_: Annotated[str | None, option("--as", "ID", "The id of the only prompt.")] = None
    replaces: Annotated[bool, option("--replace", "Overwrite files of the same id; without it a number is added.")] = (
        False
    )
    latest: Annotated[
        bool,
        option("--latest", "Of a registry's prompts, write the newest version alone, and not each as a commit."),
    ] = False


def import_files(
    context: typer.Context,
    paths: Annotated[list[str], argument("PATH...", "Files of other tools, or folders of them.")],
    format_: Annotated[
        str | None,
        option(
            "--from",
            "FORMAT",
            "Their format; by default told from each file's content: json, langfuse, mlflow, semantic-kernel, langchain, promptfoo, openai-evals, openai-chat, prompty, dotprompt, llm, github, prompthub, markdown.",
        ),
    ] = None,
    placing: PlacingOptions = PlacingOptions(),
    all_notes: Annotated[
        bool,
        option("--all-notes", "Also list what was kept as it is, not only what was changed or dropped."),
    ] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Write prompts, datasets and schemas of other tools' files, and say what became of every part.

    Nothing of a foreign file is run or fetched. Exit code 3 if one was refused; the others are imported all the same.
    """
    workspace = options.workspace_of(context)
    from promptctl import ImportRequest

    request = ImportRequest(
        paths=paths,
        format=format_,
        into=placing.into,
        id=placing.id_,
        replaces=placing.replaces,
        latest=placing.latest,
    )
    report = workspace.exchange.import_files(request)
    if not wanted.as_json:
        _tell(report, all_notes=all_notes)
    if not report.history.is_nothing:
        from promptctl.cli.history_output import offer_history

        offer_history(workspace, report, wanted)
        raise typer.Exit(report.exit_code)
    offer(workspace, report.proposal, wanted, report.as_dict)
    if report.proposal.is_empty and not wanted.as_json:
        is_there = report.sources and not report.refused
        tell("nothing to write: everything is there already" if is_there else "nothing to write")
    raise typer.Exit(report.exit_code)


def _tell(report: ImportReport, *, all_notes: bool) -> None:
    for source in report.sources:
        _tell_source(source, all_notes=all_notes)
    tell_problems(report.refused)
    tell_problems(report.warnings)
    left = [
        f"{count(report.ours, 'file')} of promptctl's own" if report.ours else "",
        f"{count(len(report.passed_over), 'file')} of no known format" if report.passed_over else "",
    ]
    if any(left):
        tell(f"passed over: {', '.join(filter(None, left))}")
    shown = report.passed_over if all_notes or len(report.passed_over) <= _MOST_PASSED_OVER else ()
    for path in shown:
        tell(f"  {printable(path)}")
    if len(shown) < len(report.passed_over):
        tell("  --all-notes lists them")
    if len(report.sources) > 1:
        tell(_total(report))


def _total(report: ImportReport) -> str:
    """Return the one line that is read of an import of many files."""
    sources = [source.as_dict() for source in report.sources]
    fates = (f"{sum(each['counts'][fate] for each in sources)} {fate}" for fate in ("kept", "changed", "dropped"))
    into = count(len({path for each in sources for path in each["files"]}), "file")
    refused = {problem.place.path for problem in report.refused if problem.place}
    return f"{count(len(sources), 'file')} read as {into}: {', '.join(fates)}" + (
        f"; {count(len(refused), 'file')} refused" if refused else ""
    )


def _tell_source(source: ImportedSource, *, all_notes: bool) -> None:
    counts = source.as_dict()["counts"]
    words = ", ".join(f"{number} {fate}" for fate, number in counts.items())
    files = ", ".join(source.files[:_MOST_FILES_SHOWN]) or "no file of its own"
    more = (
        f" and {count(len(source.files) - _MOST_FILES_SHOWN, 'more file')}"
        if len(source.files) > _MOST_FILES_SHOWN
        else ""
    )
    tell(f"{source.path}: {source.format}, {files}{more} ({words})")
    notes = [note for note in source.notes if all_notes or note.fate != "kept"]
    notes.sort(
        key=lambda note: (
            (note.place.path != source.path, note.place.path, note.place.line or 0) if note.place else (False, "", 0)
        )
    )
    places = [_within(note.place, source.path) for note in notes]
    width = max((len(place) for place in places if "/" not in place), default=0)
    for place, note in zip(places, notes, strict=True):
        tell_wrapped(f"{place:<{width}}  {note}" + (f"; {note.hint}" if note.hint else ""), "  ")


def _within(place: Place | None, path: str) -> str:
    """Return a place below the name of its file; one in a different file with that one's path."""
    if place is None or place.path != path:
        return str(place or "")
    return ":".join(str(number) for number in (place.line, place.column) if number is not None)
