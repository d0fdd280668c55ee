"""The filters that take or make lists, numbers and mappings; each makes a list at once, never a generator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Undefined

from promptctl.prompts.sandbox import methods
from promptctl.prompts.sandbox.limits import NUMBER, SLOT, TEXT
from promptctl.prompts.sandbox.tests import TESTS
from promptctl.prompts.sandbox.text_filters import TEXT_FILTERS
from promptctl.prompts.sandbox.values import (
    RenderContext,
    checked_integer,
    fail_undefined,
    fault,
    items_of,
    kind,
    to_json,
    to_text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Group(NamedTuple):
    """One group of `groupby`: what its items have in common, and the items."""

    grouper: Any
    list: Any


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
    items = items_of(value)
    return items[0] if len(items) else context.environment.undefined("the list is empty, so it has no first item")


def last(context: RenderContext, value: Any, /) -> Any:
    """The last item."""
    items = items_of(value)
    return items[-1] if len(items) else context.environment.undefined("the list is empty, so it has no last item")


def as_list(context: RenderContext, value: Any, /) -> list[Any]:
    """A list of the items, keys or characters."""
    return _kept(context, items_of(value))


def reverse(context: RenderContext, value: Any, /) -> Any:
    """Back to front."""
    if isinstance(value, str):
        return context.budget.charge_text(value[::-1])
    return _kept(context, items_of(value)[::-1])


def join(context: RenderContext, value: Any, /, d: Any = "", attribute: Any = None) -> str:
    """The items as text, with `d` between them."""
    values = items_of(value)
    if attribute is not None:
        values = [_attribute(context, item, attribute) for item in values]
    return str(methods.join(context.budget, to_text(context.budget, d), values))


def items(context: RenderContext, value: Any, /) -> list[tuple[Any, Any]]:
    """The entries of a mapping as pairs."""
    return list(methods.METHODS[dict]["items"](context.budget, _mapping(value, "items")))


def dictsort(
    context: RenderContext,
    value: Any,
    /,
    case_sensitive: bool = False,
    by: str = "key",
    reverse: bool = False,
) -> list[tuple[Any, Any]]:
    """The entries of a mapping as pairs, sorted by `key` or `value`."""
    if by not in ("key", "value"):
        raise fault("`by` of dictsort is 'key' or 'value'")
    place = 0 if by == "key" else 1
    pairs = items(context, value)
    return _sorted(context, pairs, lambda pair: _folded(pair[place], case_sensitive), reverse)


def sort(
    context: RenderContext,
    value: Any,
    /,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    """Sorted; `attribute` may name several, parted by commas."""
    names = attribute.split(",") if isinstance(attribute, str) else [attribute]

    def key(item: Any) -> Any:
        return [_folded(_attribute(context, item, name), case_sensitive) for name in names]

    return _sorted(context, items_of(value), key, reverse)


def groupby(
    context: RenderContext,
    value: Any,
    /,
    attribute: Any,
    default: Any = None,
    case_sensitive: bool = False,
) -> list[Group]:
    """The items in groups that share an attribute, as pairs `(grouper, list)`, sorted by it."""

    def key(item: Any) -> Any:
        return _folded(_attribute(context, item, attribute, default), case_sensitive)

    groups: list[Group] = []
    for item in _sorted(context, items_of(value), key, reverse=False):
        if not groups or key(groups[-1].list[0]) != key(item):
            groups.append(Group(_attribute(context, item, attribute, default), []))
        groups[-1].list.append(item)
        context.budget.charge(4 * SLOT)
    context.budget.weigh(groups)
    return groups


def unique(context: RenderContext, value: Any, /, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """Without the items that were there before."""
    seen: set[str] = set()
    kept: list[Any] = []
    for item in items_of(value):
        mark = _folded(_attribute(context, item, attribute), case_sensitive)
        # Texts only: hashes of numbers can be chosen to collide.
        key = mark if isinstance(mark, str) else "\0" + to_json(context.budget, _plain_number(mark))
        context.budget.charge(4 * SLOT)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return _kept(context, kept)


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
        result += _number(_attribute(context, item, attribute))
        context.budget.charge(NUMBER)
        if isinstance(result, int):
            checked_integer(result)
    return result


def batch(context: RenderContext, value: Any, /, linecount: int, fill_with: Any = None) -> list[list[Any]]:
    """The items in rows of `linecount`, the last filled up with `fill_with`."""
    width = whole(linecount, "linecount", 1)
    values = items_of(value)
    context.budget.reserve((len(values) // width + 1) * TEXT, "`batch`")
    rows = [list(values[start : start + width]) for start in range(0, len(values), width)]
    if fill_with is not None and rows:
        missing = width - len(rows[-1])
        context.budget.reserve(missing * SLOT, "`batch`")
        rows[-1] += [fill_with] * missing
    context.budget.weigh(rows)
    return rows


def slices(context: RenderContext, value: Any, /, slices: int, fill_with: Any = None) -> list[list[Any]]:
    """The items in so many columns of nearly equal length."""
    count = whole(slices, "slices", 1)
    values = items_of(value)
    context.budget.reserve(count * (TEXT + SLOT), "`slice`")
    size, longer = divmod(len(values), count)
    columns, start = [], 0
    for number in range(count):
        stop = start + size + (number < longer)
        columns.append(list(values[start:stop]))
        if fill_with is not None and number >= longer and longer:
            columns[-1].append(fill_with)
        start = stop
    context.budget.weigh(columns)
    return columns


def map_items(context: RenderContext, value: Any, /, *args: Any, **kwargs: Any) -> list[Any]:
    """An attribute of each item (`attribute=`, `default=`), or each item through the filter named."""
    made: list[Any] = []
    if not args:
        name, fallback = kwargs.pop("attribute", None), kwargs.pop("default", None)
        if name is None or kwargs:
            raise fault("`map` takes a filter's name, or `attribute=` and `default=`")
        step: Callable[[Any], Any] = lambda item: _attribute(context, item, name, fallback)  # noqa: E731
    else:
        chosen = FILTERS.get(args[0]) if isinstance(args[0], str) else None
        if chosen is None:
            raise fault("`map` takes the name of a filter")
        step = lambda item: chosen(context, item, *args[1:], **kwargs)  # noqa: E731
    for item in items_of(value):
        made.append(step(item))
        context.budget.charge(NUMBER)
    context.budget.weigh(made)
    return made


def select(context: RenderContext, value: Any, /, *test: Any) -> list[Any]:
    """The items that pass the test, or that are true."""
    return _filtered(context, value, test, wanted=True)


def reject(context: RenderContext, value: Any, /, *test: Any) -> list[Any]:
    """The items that do not pass the test."""
    return _filtered(context, value, test, wanted=False)


def selectattr(context: RenderContext, value: Any, /, attribute: Any, *test: Any) -> list[Any]:
    """The items whose attribute passes the test, or is true."""
    return _filtered(context, value, test, wanted=True, attribute=attribute)


def rejectattr(context: RenderContext, value: Any, /, attribute: Any, *test: Any) -> list[Any]:
    """The items whose attribute does not pass the test."""
    return _filtered(context, value, test, wanted=False, attribute=attribute)


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
        if isinstance(value, str) and len(value) <= NUMBER * NUMBER:
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
        return float(value) if isinstance(value, (str, int, float)) else default
    except (ValueError, OverflowError):
        return default


def _kept(context: RenderContext, values: Iterable[Any]) -> list[Any]:
    """A list of values that were there before: only the list itself is new."""
    size = len(values)  # type: ignore[arg-type]
    context.budget.reserve(TEXT + size * (SLOT + (TEXT if isinstance(values, (str, range)) else 0)), "the list")
    context.budget.tick()
    return list(values)


def _mapping(value: Any, name: str) -> dict[Any, Any]:
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    if not isinstance(value, dict):
        raise fault(f"`{name}` takes a mapping, not {kind(value)}")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    if not isinstance(value, (int, float)):
        raise fault(f"a number is needed, and this is {kind(value)}")
    return value


def _plain_number(value: Any) -> Any:
    """1.0 and true as 1, which they equal."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def _folded(value: Any, case_sensitive: bool) -> Any:
    return value.lower() if isinstance(value, str) and not case_sensitive else value


def _attribute(context: RenderContext, item: Any, path: Any, fallback: Any = None) -> Any:
    """The item at a path such as `user.name` or `0.id`; the item itself where there is no path."""
    if path is None:
        return item
    for part in path.split(".") if isinstance(path, str) else [path]:
        item = context.environment.getitem(item, int(part) if isinstance(part, str) and part.isdecimal() else part)
        if fallback is not None and isinstance(item, Undefined):
            return fallback
    return item


def _sorted(context: RenderContext, values: Iterable[Any], key: Callable[[Any], Any], reverse: Any) -> list[Any]:
    budget = context.budget
    keyed = []
    for item in values:
        keyed.append((key(item), item))
        budget.charge(2 * TEXT)
    try:
        keyed.sort(key=lambda pair: pair[0], reverse=bool(reverse))
    except TypeError:
        raise fault(
            "the items cannot be sorted: they are of different kinds, or mappings; name an `attribute`"
        ) from None
    budget.tick()
    return [item for _, item in keyed]


def _extreme(context: RenderContext, choose: Any, value: Any, case_sensitive: Any, attribute: Any) -> Any:
    values = items_of(value)
    if not len(values):
        return context.environment.undefined("the list is empty, so it has no smallest or largest item")

    def key(item: Any) -> Any:
        context.budget.charge(SLOT)
        return _folded(_attribute(context, item, attribute), case_sensitive)

    chosen = choose(values, key=key)
    context.budget.tick()
    return chosen


def _filtered(
    context: RenderContext, value: Any, test: tuple[Any, ...], *, wanted: bool, attribute: Any = None
) -> list[Any]:
    check: Callable[..., Any] = bool
    if test:
        found = TESTS.get(test[0]) if isinstance(test[0], str) else None
        if found is None:
            raise fault("`select` and `reject` take the name of a test, such as 'defined' or 'equalto'")
        check = found
    kept = []
    for item in items_of(value):
        if bool(check(_attribute(context, item, attribute), *test[1:])) is wanted:
            kept.append(item)
        context.budget.charge(NUMBER)
        context.budget.tick()
    return _kept(context, kept)


FILTERS: dict[str, Callable[..., Any]] = {
    **TEXT_FILTERS,
    "abs": absolute,
    "attr": attr,
    "batch": batch,
    "count": length,
    "d": default,
    "default": default,
    "dictsort": dictsort,
    "first": first,
    "float": to_float,
    "groupby": groupby,
    "int": to_integer,
    "items": items,
    "join": join,
    "last": last,
    "length": length,
    "list": as_list,
    "map": map_items,
    "max": maximum,
    "min": minimum,
    "reject": reject,
    "rejectattr": rejectattr,
    "reverse": reverse,
    "round": rounded,
    "select": select,
    "selectattr": selectattr,
    "slice": slices,
    "sort": sort,
    "sum": total,
    "unique": unique,
}

# Jinja's own filters that have no place in a prompt, and why.
REFUSED = {
    "random": "a prompt must be the same each time it is rendered",
    "filesizeformat": "write the size as it should read",
    "forceescape": "use `escape`",
    "pprint": "use `tojson(indent=2)`",
    "striptags": "strip the tags before the value is given",
    "urlize": "prompts hold no links",
    "xmlattr": "use `escape` on each value",
}
