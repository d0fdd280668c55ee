"""What filters share: the attribute they are asked to look at, and lists of what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Undefined

from promptctl.templates.limits import SLOT, TEXT
from promptctl.templates.values import RenderContext, fault

if TYPE_CHECKING:
    from collections.abc import Iterable

# The longest path of an `attribute`.
MAX_PATH = 200


def attribute_of(context: RenderContext, item: Any, path: Any, fallback: Any = None) -> Any:
    """The item at a path such as `user.name` or `0.id`; the item itself where there is no path."""
    if path is None:
        return item
    if isinstance(path, str) and len(path) > MAX_PATH:
        raise fault(f"`attribute` is longer than {MAX_PATH} characters")
    for part in path.split(".") if isinstance(path, str) else [path]:
        item = context.environment.getitem(item, int(part) if isinstance(part, str) and part.isdecimal() else part)
        if fallback is not None and isinstance(item, Undefined):
            return fallback
    return item


def folded(value: Any, case_sensitive: bool) -> Any:
    """A text without the difference of capital letters, unless that matters."""
    return value.lower() if isinstance(value, str) and not case_sensitive else value


def relisted(context: RenderContext, values: Iterable[Any]) -> list[Any]:
    """A list of values that were there before: only the list itself is new."""
    size = len(values)  # type: ignore[arg-type]
    context.budget.reserve(TEXT + size * (SLOT + (TEXT if isinstance(values, (str, range)) else 0)), "the list")
    context.budget.tick()
    return list(values)
