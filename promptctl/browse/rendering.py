"""Pages from templates: everything that stands in them is text, however it looks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from promptctl.browse import links
from promptctl.browse.contents import Room, content, dataset_name, mark_of, snippet, visible, with_breaks, with_code
from promptctl.browse.views import View
from promptctl.reports.wording import (
    as_text,
    count,
    format_cost,
    format_count,
    format_latency,
    format_share,
    format_spent,
    format_tokens,
    percent,
    short_cost,
    untold_note,
    without_address,
    without_commit,
)

_CHUNK = 32 * 1024


def moment(time: str | datetime | None) -> str:
    """Return a time as people here read it, to the minute; `-` for none."""
    if time is None:
        return "-"
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    shown = f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"
    return Markup('<time datetime="{}">{}</time>').format(moment.astimezone(UTC).isoformat(), shown)


@pass_context
def shown_content(context: Context, value: Any) -> Markup:
    """Return a content as far as the page has room for it."""
    return content(value, context["room"])


def version(display: str | None) -> str:
    """Return a version without its commit: `v7` of `v7 (3f2a9c1)`."""
    return without_commit(display or "no version")


def pretty(value: Any) -> str:
    """Return JSON with one line for each member, as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


_FILTERS = {
    "text": as_text,
    "many": count,
    "cost": short_cost,
    "exact_cost": format_cost,
    "number": format_count,
    "latency": format_latency,
    "share": format_share,
    "tokens": format_tokens,
    "percent": percent,
    "moment": moment,
    "person": without_address,
    "pretty": pretty,
    "version": version,
    "content": shown_content,
    "dataset_name": dataset_name,
    "mark_of": mark_of,
    "snippet": snippet,
    "with_breaks": with_breaks,
    "with_code": with_code,
}


class Rendering:
    """Renders views. `program` is what the commands to copy begin with; `navigation` are the pages named on each."""

    def __init__(self, workspace_name: str, program: str, navigation: Mapping[str, str]) -> None:
        self._environment = environment = Environment(
            loader=PackageLoader("promptctl.browse", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=visible,
        )
        environment.filters.update(_FILTERS)
        environment.globals.update(
            links.LINKS,
            command=partial(links.command, program=program),
            spent=partial(format_spent, form=short_cost),
            untold_note=untold_note,
            navigation=navigation,
            workspace_name=workspace_name,
        )

    def write(
        self, view: View, here: str = "", section: str | None = None, notes: tuple[str, ...] = ()
    ) -> Iterator[bytes]:
        """Yield the page in pieces of some size, each as soon as it is there.

        `here` is its address, and `section` that of the page of the navigation that it stands below.
        """
        template = self._environment.get_template(view.template)
        held: list[str] = []
        size = 0
        told = {"title": view.title, "here": here, "section": section, "notes": notes, "room": Room()}
        for text in template.generate(view.values, **told):
            held.append(text)
            size += len(text)
            if size >= _CHUNK:
                yield "".join(held).encode("utf-8", "replace")
                held, size = [], 0
        yield "".join(held).encode("utf-8", "replace")

    def end(self, words: str) -> bytes:
        """Return the end of a page that cannot go on, with why."""
        return Markup('<p class="note">This page ends here: {}</p>').format(visible(words)).encode()
