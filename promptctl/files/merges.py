"""Markers that Git leaves where it could not merge: nothing around them is what anybody wrote."""

from __future__ import annotations

import re

from promptctl.errors import Place, Problem

# `=======` alone is no sign: it underlines a heading.
_MARKER = re.compile(r"^(<{7}|>{7}|\|{7})(?: [^\n]*)?\r?$", re.MULTILINE)
_INDENTED = re.compile(r"^([ \t]+)<{7}(?: .*)?$(?s:.*?)^\1={7}$(?s:.*?)^\1>{7}(?: .*)?$", re.MULTILINE)


def unresolved_merge(text: str, path: str, first_line: int = 1) -> Problem | None:
    """Return the problem of a text that holds markers of a merge, at the first of them; None if it holds none."""
    found = [match for match in _MARKER.finditer(text) if match[1] != "|" * 7]
    if not found:
        return None
    line = text.count("\n", 0, found[0].start()) + first_line
    more = max(0, sum(match[1] == "<" * 7 for match in found) - 1)
    message = "an unresolved merge begins here" + (f", and {more} more below" if more else "")
    hint = "keep one side and remove the markers, then git add the file; indent them if they are text"
    return Problem(message, Place(path, line, 1), hint, "unresolved-merge")


def indented_merge(text: str) -> int | None:
    """Return the line, from 1, of a whole conflict that was indented with the text around it; None without one."""
    found = _INDENTED.search(text) if "<<<<<<<" in text else None
    return None if found is None else text.count("\n", 0, found.start()) + 1
