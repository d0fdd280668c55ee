"""Writes evaluations to a file, in the format that its name asks for; whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from promptctl.errors import UsageError, WorkspaceError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.log.store import Log

Writer = Callable[[Log, Sequence[Evaluation]], Iterator[str]]


def write_report(path: Path, log: Log, evaluations: Sequence[Evaluation]) -> None:
    """Write the evaluations with every result. The suffix chooses: .json .jsonl .csv .md .xml .html.

    Results are read from the log as they are written, so that any number of them fits. Raises `UsageError` for
    another suffix and `WorkspaceError` where the file cannot be written; a file that was there then stays as it was.
    """
    writer = writer_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(writer(log, evaluations))
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror}") from error


def writer_for(path: Path) -> Writer:
    """What writes the format of a file of this name."""
    suffix = path.suffix.lower()
    if suffix == ".html":
        from promptctl.reports.html import html_page

        return html_page
    if suffix in (".md", ".markdown"):
        from promptctl.reports.markdown import markdown

        return markdown
    if suffix == ".xml":
        from promptctl.reports.junit import junit

        return junit
    from promptctl.reports import rows

    writers: dict[str, Writer] = {".json": rows.json_document, ".jsonl": rows.json_lines, ".csv": rows.csv_table}
    if suffix not in writers:
        raise UsageError(
            f"{path.name}: no report has the suffix {suffix or '(none)'}",
            hint="use .json, .jsonl, .csv, .md, .xml (JUnit) or .html",
        )
    return writers[suffix]
