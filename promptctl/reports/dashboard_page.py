"""The dashboard as one self-contained page that works offline: answers, charts over time, filters, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptctl.errors import UsageError
from promptctl.reports.offline_page import check_page, offline_page, write_page

_SCRIPTS = ("facts", "charts", "parts", "sections", "more")


def write_dashboard(path: Path, document: Mapping[str, Any]) -> Path:
    """Write the page of a dashboard's document, and return the file: `path`, or the index.html of the folder `path`.

    Raises `UsageError` for a suffix other than .html, and `WorkspaceError` on failure.
    """
    file = check_dashboard_path(path)
    # A page with messages and replies is for the eyes that the log is for, whoever could read an earlier one.
    mode = 0o600 if document["with_content"] else 0o644
    write_page(file, dashboard_page(document), new_mode=mode, keeps_mode=not document["with_content"])
    return file


def check_dashboard_path(path: Path) -> Path:
    """Return the file that the page goes to. Raises `UsageError` for a suffix other than .html.

    Raises `WorkspaceError` for a file of the workspace itself.
    """
    if path.name == "-":
        raise UsageError("a page is not printed: `-` is no file", hint="-o dashboard.html")
    file = path / "index.html" if path.is_dir() or not path.suffix else path
    check_page(file, "a dashboard is written as .html, or to a folder", "-o dashboard.html")
    return file


def dashboard_page(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page. Every text of the document is shown as text, never as HTML; it may load and send nothing."""
    scripts = ("dom.js", *(f"dashboard-{name}.js" for name in _SCRIPTS), "dashboard.js")
    yield from offline_page(document, "dashboard.html", ("dashboard.css",), scripts)
