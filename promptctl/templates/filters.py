"""All filters of a template by name, and what to do without those of Jinja that are not among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptctl.templates.list_filters import LIST_FILTERS
from promptctl.templates.text_filters import TEXT_FILTERS
from promptctl.templates.value_filters import VALUE_FILTERS

if TYPE_CHECKING:
    from collections.abc import Callable

FILTERS: dict[str, Callable[..., Any]] = {**TEXT_FILTERS, **LIST_FILTERS, **VALUE_FILTERS}

REFUSED = {
    "random": "a prompt must be the same each time it is rendered",
    "filesizeformat": "write the size as it should read",
    "forceescape": "use `escape`",
    "pprint": "use `tojson(indent=2)`",
    "striptags": "strip the tags before the value is given",
    "urlize": "prompts hold no links",
    "xmlattr": "use `escape` on each value",
}
