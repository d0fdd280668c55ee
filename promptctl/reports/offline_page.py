"""Pages that stand alone: data, style and scripts in one file, which loads nothing and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from promptctl.errors import HIDDEN, UsageError
from promptctl.git.outputs import check_output, replace_output

# ASCII, since no escape of JSON is needed in it then; JavaScript reads this pattern as Python does.
_HIDDEN = f"const HIDDEN = new RegExp({json.dumps(HIDDEN.pattern)}, 'gu');\n"
_SCRIPTS = ("dom.js", "filters.js", "charts.js", "review.js", "cases.js", "matrix.js", "page.js")


def offline_page(
    data: Mapping[str, Any],
    frame: str = "page.html",
    styles: Sequence[str] = ("page.css",),
    scripts: Sequence[str] = _SCRIPTS,
) -> Iterator[str]:
    """Yield a page around its data, in pieces; by default the page of evaluations.

    `frame`, `styles` and `scripts` name files of `page/`. The common head comes before the frame, which begins with its
    title, and the common look before the styles.
    """
    # The data goes in last: nothing of it is ever searched for a mark.
    head, rest = (asset("head.html") + asset(frame)).split("/*STYLE*/")
    middle, rest = rest.split("/*DATA*/")
    between, end = rest.split("/*SCRIPT*/")
    styles = ("look.css", *styles)
    yield from (head, *map(asset, styles), middle, _embedded(data), between, _HIDDEN, *map(asset, scripts), end)


def check_page(path: Path, what: str, hint: str) -> None:
    """Raise `UsageError` for a page whose file does not end in .html, and `WorkspaceError` for one of the workspace."""
    if path.suffix.lower() != ".html":
        raise UsageError(f"{path.name}: {what}", hint=hint)
    check_output(path)


def write_page(path: Path, parts: Iterable[str], *, new_mode: int = 0o644, keeps_mode: bool = True) -> None:
    """Write a page, whole or not at all. Raises `WorkspaceError` on failure."""
    encoded = (part.encode("utf-8", "replace") for part in parts)
    replace_output(path, encoded, new_mode=new_mode, keeps_mode=keeps_mode)


def asset(name: str) -> str:
    """Return a file of `page/`: a style, a script, or the frame of a page."""
    return (resources.files("promptctl.reports") / "page" / name).read_text(encoding="utf-8")


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that no reply can break out of: nothing in it can end the script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
