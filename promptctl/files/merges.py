"""Markers that Git leaves where it could not merge: nothing around them is what anybody wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from promptctl.errors import Place, Problem

_MARKER = re.compile(r"([ \t]*)(<{7}|={7}|>{7})(?: .*)?\r?\n?")


def unresolved_merge(text: str, path: str, *, is_data: bool = False) -> Problem | None:
    """Return the problem of a text that holds whole conflicts, at the first of them; None if it holds none.

    In data a marker by itself is one, as what is left of a conflict: none of its lines may look so.
    """
    lines = text.split("\n")
    found = [line for line, indent in conflicts(lines) if not indent]
    if is_data and not found:
        found = [number for number, line in enumerate(lines, 1) if is_marker(line)][:1]
    return merge_problem(Place(path, found[0], 1), len(found) - 1) if found else None


def indented_merge(text: str) -> int | None:
    """Return the line, from 1, of a whole conflict that was indented with the text around it; None without one."""
    if "<<<<<<<" not in text:
        return None
    return next((line for line, indent in conflicts(text.split("\n")) if indent), None)


def is_marker(line: str) -> bool:
    """Return True for a line that begins or ends a conflict, if it is no text: for files in which no line is."""
    marker = _MARKER.fullmatch(line)
    # `=======` alone is no sign: it underlines a heading.
    return marker is not None and not marker[1] and marker[2][0] != "="


def conflicts(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the line, from 1, on which each whole conflict begins, and its indent, in one pass.

    A conflict is whole if its three markers have the same indent. One of them by itself is text.
    """
    # By indent: the line on which a conflict begins, and the marker that comes next.
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, 1):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            continue
        indent, sign = marker[1], marker[2][0]
        first, awaited = begun.get(indent, (number, "<"))
        if sign == "<":
            begun[indent] = number, "="
        elif sign == awaited == "=":
            begun[indent] = first, ">"
        elif sign == awaited:
            del begun[indent]
            yield first, indent


def merge_problem(place: Place, more: int = 0) -> Problem:
    """Return the problem of a conflict that begins there, with so many below it."""
    message = "an unresolved merge begins here" + (f", and {more} more below" if more else "")
    hint = "keep one side and remove the markers, then git add the file; indent them if they are text"
    return Problem(message, place, hint, "unresolved-merge")
