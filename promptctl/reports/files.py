"""Writes evaluations to a file, in the format that its name asks for; whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import GitError, UsageError

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.evaluation import Evaluation

    Writer = Callable[..., Iterator[str]]
    """Takes the log and the evaluations."""


# The module of each format, imported when a file of it is written, and its function there.
_WRITERS: Mapping[str, str] = {
    ".json": "rows.json_document",
    ".jsonl": "rows.json_lines",
    ".csv": "rows.csv_table",
    ".md": "markdown.markdown",
    ".markdown": "markdown.markdown",
    ".xml": "junit.junit",
    ".html": "html.html_page",
}


def write_report(path: Path, context: Context, evaluations: Sequence[Evaluation]) -> None:
    """Write the evaluations with every result. The suffix chooses: .json .jsonl .csv .md .xml .html.

    Results are read from the log as they are written, so that any number of them fits. Raises `UsageError` for
    another suffix and `WorkspaceError` if the file cannot be written; a file that was there then stays as it was.
    """
    from promptctl.git.outputs import replace_output

    writer, log = writer_for(path), context.log
    if path.suffix.lower() == ".html" and len({each.row.id for each in evaluations}) == 1:
        from promptctl.evaluations.trend import trend_of

        try:
            writer = partial(writer, trend=trend_of(context, evaluations[0].row))
        except GitError as error:
            context.warn(f"the page has no trend: {error.message}")
    replace_output(path, (part.encode("utf-8", "replace") for part in writer(log, evaluations)))


def check_report_path(path: Path) -> None:
    """Find out, before an evaluation is paid for, that its report could not be written.

    Raises `UsageError`, and `WorkspaceError` for a file that no output replaces.
    """
    check_place(path)
    writer_for(path)


def check_place(path: Path) -> None:
    """Find out, before anything is paid for, that no report could be written there, whatever its format.

    Raises `UsageError`, and `WorkspaceError` for a file that no output replaces.
    """
    from promptctl.git.outputs import check_output

    folder = path.absolute().parent
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", hint=f"name a file in it: {path / 'report.html'}")
        check_output(path)
        while not folder.exists():
            folder = folder.parent
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"{path} cannot be written in {folder}: {error.strerror}") from error


def writer_for(path: Path) -> Writer:
    """Return the writer for the format of a file of this name. Raises `UsageError` for a suffix that has none."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"{path.name}: no report has the suffix {suffix or '(none)'}",
            hint="use .json, .jsonl, .csv, .md, .xml (JUnit) or .html",
        )
    module, _, name = _WRITERS[suffix].partition(".")
    writer: Writer = getattr(import_module(f"promptctl.reports.{module}"), name)
    return writer
