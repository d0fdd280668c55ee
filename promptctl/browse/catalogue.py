"""The first page: the prompts of the workspace, searched and filtered."""

from __future__ import annotations

from promptctl import PromptFilter
from promptctl.browse.views import PageRequest, View


def catalogue(request: PageRequest) -> View:
    """Return the list of prompts that the address asks for."""
    wanted = PromptFilter(search=request.one("search"))
    return View("catalogue.html", "Prompts", {"found": request.workspace.prompts(wanted), "wanted": wanted})
