"""The table of all pages: the address of each, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping

from promptctl.browse.catalogue import catalogue
from promptctl.browse.views import Answer

ROUTES: Mapping[str, Answer] = {
    "": catalogue,
}

NAVIGATION: Mapping[str, str] = {
    "": "Prompts",
}
"""The pages that every page names, in this order, by their address."""
