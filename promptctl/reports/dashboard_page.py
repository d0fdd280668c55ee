"""The dashboard as one self-contained page that works offline: answers, charts over time, filters, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptctl.errors import UsageError
from promptctl.files.writing import check_output, replace_output
from promptctl.reports.offline_page import offline_page

_SCRIPTS = ("facts", "charts", "parts", "sections", "more")


def write_dashboard(path: Path, document: Mapping[str, Any]) -> Path:
    """Write the page of a dashboard's document, and return the file: `path`, or the index.html of the folder `path`.

    Raises `UsageError` for a suffix other than .html, and `WorkspaceError` on failure.
    """
    file = check_dashboard_path(path)
    parts = (part.encode("utf-8", "replace") for part in dashboard_page(document))
    # A page with messages and replies is for the eyes that the log is for, whoever could read an earlier one.
    mode = 0o600 if document["has_content"] else 0o644
    replace_output(file, parts, new_mode=mode, keeps_mode=not document["has_content"])
    return file


def check_dashboard_path(path: Path) -> Path:
    """Return the file that the page goes to. Raises `UsageError` for a suffix other than .html.

    Raises `WorkspaceError` for a file of the workspace itself.
    """
    is_folder = path.is_dir() or not path.suffix
    if not is_folder and path.suffix.lower() != ".html":
        raise UsageError(f"{path.name}: a dashboard is written as .html, or to a folder", hint="-o dashboard.html")
    file = path / "index.html" if is_folder else path
    check_output(file)
    return file


def dashboard_page(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page. Every text of the document is shown as text, never as HTML; it may load and send nothing."""
    scripts = ("dom.js", *(f"dashboard-{name}.js" for name in _SCRIPTS), "dashboard.js")
    yield from offline_page(document, "dashboard.html", ("dashboard.css",), scripts)
