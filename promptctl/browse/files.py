"""A partial's or a schema's page: its text, and who uses it."""

from __future__ import annotations

from promptctl.browse.prompts import template_pieces
from promptctl.browse.views import PageRequest, View


def file(request: PageRequest) -> View:
    """Return the page about a file that prompts share."""
    found = request.workspace.life.shared_file(request.needed("path"))
    engine = "jinja2" if found.kind == "partial" else "none"
    return View("file.html", found.path, {"file": found, "pieces": list(template_pieces(found.text, engine))})
