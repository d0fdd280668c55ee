"""The filters that make lists of lists and mappings; each makes its list at once, never a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Undefined

from promptctl.templates import methods
from promptctl.templates.items import MAX_PATH, attribute_of, folded, relisted
from promptctl.templates.limits import NUMBER, SLOT, TEXT
from promptctl.templates.tests import TESTS
from promptctl.templates.values import RenderContext, fail_undefined, fault, items_of, kind, to_json, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Group(NamedTuple):
    """One group of `groupby`: what its items have in common, and the items."""

    grouper: Any
    list: Any


def as_list(context: RenderContext, value: Any, /) -> list[Any]:
    """A list of the items, keys or characters."""
    return relisted(context, items_of(value))


def reverse(context: RenderContext, value: Any, /) -> Any:
    """Back to front."""
    if isinstance(value, str):
        return context.budget.charge_text(value[::-1])
    return relisted(context, items_of(value)[::-1])


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
    return _sorted(context, pairs, lambda pair: folded(pair[place], case_sensitive), reverse)


def sort(
    context: RenderContext,
    value: Any,
    /,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    """Sorted; `attribute` may name several, parted by commas."""
    names = attribute[: MAX_PATH + 1].split(",") if isinstance(attribute, str) else [attribute]

    def key(item: Any) -> Any:
        return [folded(attribute_of(context, item, name), case_sensitive) for name in names]

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
        return folded(attribute_of(context, item, attribute, default), case_sensitive)

    groups: list[Group] = []
    for item in _sorted(context, items_of(value), key, reverse=False):
        if not groups or key(groups[-1].list[0]) != key(item):
            groups.append(Group(attribute_of(context, item, attribute, default), []))
        groups[-1].list.append(item)
        context.budget.charge(4 * SLOT)
    context.budget.weigh(groups)
    return groups


def unique(context: RenderContext, value: Any, /, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """Without the items that were there before."""
    seen: set[str] = set()
    kept: list[Any] = []
    for item in items_of(value):
        mark = folded(attribute_of(context, item, attribute), case_sensitive)
        # Texts only: hashes of numbers can be chosen to collide.
        key = mark if isinstance(mark, str) else "\0" + to_json(context.budget, _plain_number(mark))
        context.budget.charge(4 * SLOT)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return relisted(context, kept)


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
        step: Callable[[Any], Any] = lambda item: attribute_of(context, item, name, fallback)  # noqa: E731
    else:
        chosen = context.environment.filters.get(args[0]) if isinstance(args[0], str) else None
        if chosen is None or args[0].startswith(" "):
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


def _mapping(value: Any, name: str) -> dict[Any, Any]:
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    if not isinstance(value, dict):
        raise fault(f"`{name}` takes a mapping, not {kind(value)}")
    return value


def _plain_number(value: Any) -> Any:
    """1.0 and true as 1, which they equal."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


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
        if bool(check(attribute_of(context, item, attribute), *test[1:])) is wanted:
            kept.append(item)
        context.budget.charge(NUMBER)
        context.budget.tick()
    return relisted(context, kept)


LIST_FILTERS: dict[str, Callable[..., Any]] = {
    "batch": batch,
    "dictsort": dictsort,
    "groupby": groupby,
    "items": items,
    "list": as_list,
    "map": map_items,
    "reject": reject,
    "rejectattr": rejectattr,
    "reverse": reverse,
    "select": select,
    "selectattr": selectattr,
    "slice": slices,
    "sort": sort,
    "unique": unique,
}
