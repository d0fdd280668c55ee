"""The page of `blame`: who made each line of a version, what filled the rest, who put it live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from promptctl.browse.evaluations import verdict_of
from promptctl.browse.views import PageRequest, View

if TYPE_CHECKING:
    from promptctl import BlamedLine, LineChange


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


def _rows(lines: Iterable[BlamedLine]) -> Iterator[tuple[BlamedLine, LineChange | None, bool]]:
    """Yield each line with its change, and whether the line above it has the same."""
    before: object = lines
    for line in lines:
        yield line, line.change, line.change == before
        before = line.change
