"""Pages from templates: everything that stands in them is text, however it looks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from promptctl.browse import links
from promptctl.browse.views import View
from promptctl.reports.wording import (
    as_text,
    count,
    format_bytes,
    format_cost,
    format_count,
    format_latency,
    format_share,
    format_spent,
    format_tokens,
    percent,
)

_CHUNK = 32 * 1024
_FILTERS = {
    "text": as_text,
    "many": count,
    "bytes": format_bytes,
    "cost": format_cost,
    "number": format_count,
    "latency": format_latency,
    "share": format_share,
    "tokens": format_tokens,
    "percent": percent,
}


def moment(time: Any) -> str:
    """Return a time as people read it, in UTC to the minute: `2026-11-29 16:20 UTC`; `-` for none."""
    if time is None:
        return "-"
    if not isinstance(time, str):
        from datetime import UTC

        time = time.astimezone(UTC).isoformat()
    return f"{time[:16].replace('T', ' ')} UTC"


def pretty(value: Any) -> str:
    """Return JSON with one line for each member, as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


class Rendering:
    """Renders views. `program` is what the commands to copy begin with; `navigation` are the pages named on each."""

    def __init__(self, workspace_name: str, program: str, navigation: Mapping[str, str]) -> None:
        self._environment = environment = Environment(
            loader=FunctionLoader(asset_of_pages),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters.update(_FILTERS, moment=moment, pretty=pretty)
        environment.globals.update(
            links.LINKS,
            command=partial(links.command, program=program),
            spent=format_spent,
            navigation=navigation,
            workspace_name=workspace_name,
        )

    def write(self, view: View, page: str = "", notes: tuple[str, ...] = ()) -> Iterator[bytes]:
        """Yield the page in pieces of some size, each as soon as it is there; `page` is the one it is of."""
        template = self._environment.get_template(view.template)
        held: list[str] = []
        size = 0
        for text in template.generate(view.values, title=view.title, page=page, notes=notes):
            held.append(text)
            size += len(text)
            if size >= _CHUNK:
                yield "".join(held).encode("utf-8", "replace")
                held, size = [], 0
        yield "".join(held).encode("utf-8", "replace")


def asset_of_pages(name: str) -> str:
    """Return a template of `pages/`."""
    return (resources.files("promptctl.browse") / "pages" / name).read_text(encoding="utf-8")
