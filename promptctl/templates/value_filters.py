"""The filters that make one value: an item, a number, a text of a list."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined

from promptctl.templates import methods
from promptctl.templates.items import attribute_of, folded
from promptctl.templates.limits import NUMBER, SLOT
from promptctl.templates.values import (
    RenderContext,
    checked_integer,
    fail_undefined,
    fault,
    items_of,
    kind,
    to_text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest text that is read as a number.
_MAX_DIGITS = 1000


def default(_: RenderContext, value: Any, /, default_value: Any = "", boolean: bool = False) -> Any:
    """Another value where this one is undefined; with `boolean`, also where it is null, false or empty."""
    if isinstance(value, Undefined) or (boolean and not value):
        return default_value
    return value


def attr(context: RenderContext, value: Any, /, name: str) -> Any:
    """The item or method of that name."""
    return context.environment.getattr(value, name)


def length(_: RenderContext, value: Any, /) -> int:
    """How many items, entries or characters."""
    if isinstance(value, dict):
        return len(value)
    return len(items_of(value))


def first(context: RenderContext, value: Any, /) -> Any:
    """The first item."""
    if isinstance(value, dict) and value:
        return next(iter(value))
    items = items_of(value)
    return items[0] if len(items) else context.environment.undefined("the list is empty, so it has no first item")


def last(context: RenderContext, value: Any, /) -> Any:
    """The last item."""
    if isinstance(value, dict) and value:
        return next(reversed(value))
    items = items_of(value)
    return items[-1] if len(items) else context.environment.undefined("the list is empty, so it has no last item")


def join(context: RenderContext, value: Any, /, d: Any = "", attribute: Any = None) -> str:
    """The items as text, with `d` between them."""
    values = items_of(value)
    if attribute is not None:
        values = [attribute_of(context, item, attribute) for item in values]
    return str(methods.join(context.budget, to_text(context.budget, d), values))


def minimum(context: RenderContext, value: Any, /, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The smallest item."""
    return _extreme(context, min, value, case_sensitive, attribute)


def maximum(context: RenderContext, value: Any, /, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The largest item."""
    return _extreme(context, max, value, case_sensitive, attribute)


def total(context: RenderContext, value: Any, /, attribute: Any = None, start: float = 0) -> Any:
    """The sum of numbers."""
    result = _number(start)
    for item in items_of(value):
        result += _number(attribute_of(context, item, attribute))
        context.budget.charge(NUMBER)
        if isinstance(result, int):
            checked_integer(result)
    return result


def absolute(_: RenderContext, value: Any, /) -> Any:
    """The number without its sign."""
    return abs(_number(value))


def rounded(_: RenderContext, value: Any, /, precision: int = 0, method: str = "common") -> Any:
    """The number rounded: `common`, `ceil` or `floor`."""
    places, number = whole(precision, "precision", -300, 300), _number(value)
    if method == "common":
        return round(float(number), places)
    if method not in ("ceil", "floor"):
        raise fault("`method` of round is 'common', 'ceil' or 'floor'")
    scale = 10.0**places
    return (math.ceil if method == "ceil" else math.floor)(number * scale) / scale


def to_integer(_: RenderContext, value: Any, /, default: Any = 0, base: int = 10) -> Any:
    """A whole number, or `default` where the value is none."""
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    try:
        if isinstance(value, str) and len(value) <= _MAX_DIGITS:
            try:
                return checked_integer(int(value, whole(base, "base", 2, 36)))
            except ValueError:
                return checked_integer(int(float(value)))
        return checked_integer(int(value)) if isinstance(value, (int, float)) else default
    except (ValueError, OverflowError):
        return default


def to_float(_: RenderContext, value: Any, /, default: Any = 0.0) -> Any:
    """A number, or `default` where the value is none."""
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    try:
        if isinstance(value, str) and len(value) > _MAX_DIGITS:
            return default
        return float(value) if isinstance(value, (str, int, float)) else default
    except (ValueError, OverflowError):
        return default


def _number(value: Any) -> Any:
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    if not isinstance(value, (int, float)):
        raise fault(f"a number is needed, and this is {kind(value)}")
    return value


def _extreme(context: RenderContext, choose: Any, value: Any, case_sensitive: Any, attribute: Any) -> Any:
    values = items_of(value)
    if not len(values):
        return context.environment.undefined("the list is empty, so it has no smallest or largest item")

    def key(item: Any) -> Any:
        context.budget.charge(SLOT)
        return folded(attribute_of(context, item, attribute), case_sensitive)

    chosen = choose(values, key=key)
    context.budget.tick()
    return chosen


VALUE_FILTERS: dict[str, Callable[..., Any]] = {
    "abs": absolute,
    "attr": attr,
    "count": length,
    "d": default,
    "default": default,
    "first": first,
    "float": to_float,
    "int": to_integer,
    "join": join,
    "last": last,
    "length": length,
    "max": maximum,
    "min": minimum,
    "round": rounded,
    "sum": total,
}
