"""The makers of things: each move of a label with its evidence, and each line of a version with who put it live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from promptctl.browse.evaluations import verdict_of
from promptctl.browse.views import PageRequest, View

if TYPE_CHECKING:
    from promptctl import BlamedLine

# Evidence can also be an experiment, or words of whoever moved the label.
_EVALUATION = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}\b")


def label(request: PageRequest) -> View:
    """Return every move of a label, newest first, as far as this clone knows: no remote is asked."""
    name = request.needed("name")
    history = request.workspace.labels.log_here(name)
    events = history.events[::-1]
    values = {
        "name": name,
        "moves": list(zip(events, (*events[1:], None), strict=True)),
        "problems": history.problems,
        "now": events[0] if events else None,
        "evaluations": {event.evaluation: _EVALUATION.match(event.evaluation) for event in events},
    }
    return View("label.html", name, values)


def blame(request: PageRequest) -> View:
    """Return the page of what a ref or an execution is made of, the `of` of the address; raises what it raises."""
    wanted = request.needed("of")
    found = request.workspace.blame(wanted)
    said = [part for part in found.parts if part.kind in ("model", "parameter")]
    values = {
        "wanted": wanted,
        "blame": found,
        "said": said,
        "parts": [(part, list(_rows(part.lines))) for part in found.parts if part not in said],
        "evaluations_": [(row, verdict_of(request.workspace, row)) for row in found.evaluations],
        "changes": found.changes,
    }
    return View("blame.html", f"Behind {found.ref}", values)


def _rows(lines: Iterable[BlamedLine]) -> Iterator[tuple[BlamedLine, bool]]:
    """Yield each line, and whether the one above it was made by the same change."""
    before: object = None
    for line in lines:
        made_by = line.change, line.is_uncommitted
        yield line, made_by == before
        before = made_by
