"""The table of all pages: the address of each, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping

from promptctl.browse.catalogue import catalogue
from promptctl.browse.comparing import diff
from promptctl.browse.files import file
from promptctl.browse.labels import label
from promptctl.browse.prompts import prompt
from promptctl.browse.views import Answer

ROUTES: Mapping[str, Answer] = {
    "": catalogue,
    "prompt": prompt,
    "diff": diff,
    "label": label,
    "file": file,
}

NAVIGATION: Mapping[str, str] = {
    "": "Prompts",
}
"""The pages that every page names, in this order, by their address."""
