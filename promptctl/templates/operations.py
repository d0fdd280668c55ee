"""Operations of template code besides filters: methods of text, lists and mappings, functions, operators and slices.

Each is charged before it makes anything. Python's own bound methods never reach a template: it gets a `Bound`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Undefined
from jinja2.runtime import LoopContext
from jinja2.utils import Namespace, missing, pass_context

from promptctl.errors import RenderLimitExceeded
from promptctl.templates import charges
from promptctl.templates.charges import Operation, Size, Step, bounded, charged, listed, timed
from promptctl.templates.limits import ENTRY, MAX_INTEGER_BITS, SLOT, TEXT, Budget
from promptctl.templates.values import (
    Bound,
    RenderContext,
    checked_integer,
    fail_undefined,
    fault,
    items_of,
    kind,
    to_text,
    whole,
)

_MAX_RANGE = 100_000


def replaced(context: RenderContext, text: str, old: Any, new: Any, count: int | None = None) -> str:
    """Return the text with `old` replaced by `new`, everywhere or `count` times."""
    budget = context.budget
    old, new = to_text(budget, old), to_text(budget, new)
    most = -1 if count is None else whole(count, "count", -1)
    found = text.count(old) if old else len(text) + 1
    longer = min(found, found if most < 0 else most) * max(len(new) - len(old), 0)
    budget.reserve_text(len(text) + longer, "`replace`")
    return text.replace(old, new, most)


def _splitting(method: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def split(context: RenderContext, text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
        budget = context.budget
        most = budget.max_value // (TEXT + SLOT)
        parts = method(text, sep, most if maxsplit < 0 else min(maxsplit, most))
        budget.reserve(len(parts) * (TEXT + SLOT) + len(text) * budget.unit, "`split`")
        return parts

    return split


def joined(context: RenderContext, separator: str, values: Any) -> str:
    """Return the values as one text, with the separator between them."""
    budget = context.budget
    texts = (to_text(budget, value, "an item of the list") for value in items_of(budget, values))
    return budget.join(texts, "`join`", separator)


def _methods(owner: type, names: str, size: Size | None = None, result: Step = charged) -> dict[str, Operation]:
    return {name: bounded(name, getattr(owner, name), size=size, result=result) for name in names.split()}


_TEXT = {
    # Their results are at most three times as long as the text, or no text at all.
    **_methods(str, "capitalize casefold lower upper swapcase title removeprefix removesuffix"),
    **_methods(str, "count find index startswith endswith isalnum isalpha isascii isdecimal isdigit isidentifier"),
    **_methods(str, "islower isnumeric isspace istitle isupper"),
    **_methods(str, "rfind rindex strip lstrip rstrip", charges.compared),
    **_methods(str, "partition rpartition", charges.parted),
    **_methods(str, "center ljust rjust zfill", charges.padded),
    **_methods(str, "splitlines", charges.lines, timed),
    **_methods(str, "expandtabs", charges.expanded),
    "join": bounded("join", pass_context(joined), result=timed),
    "replace": bounded("replace", pass_context(replaced), result=timed),
    "split": bounded("split", pass_context(_splitting(str.split)), result=timed),
    "rsplit": bounded("rsplit", pass_context(_splitting(str.rsplit)), size=charges.compared, result=timed),
}

METHODS: dict[type, dict[str, Operation]] = {
    str: _TEXT,
    dict: _methods(dict, "get", None, timed) | _methods(dict, "items keys values", charges.entries, listed),
    list: _methods(list, "count index", None, timed),
    tuple: _methods(tuple, "count index", None, timed),
    LoopContext: _methods(LoopContext, "cycle changed", None, timed),
}

ATTRIBUTES: dict[type, frozenset[str]] = {
    LoopContext: frozenset(
        "index index0 revindex revindex0 first last length depth depth0 previtem nextitem".split()  # noqa: SIM905
    ),
    tuple: frozenset({"grouper", "list"}),  # of the pairs that `groupby` makes
}


def _range(context: RenderContext, _: None, *bounds: int) -> range:
    numbers = range(*(whole(bound, "range", -1_000_000_000) for bound in bounds))
    if len(numbers) > _MAX_RANGE:
        raise RenderLimitExceeded(f"`range` has more than {_MAX_RANGE:,} numbers")
    context.budget.charge(TEXT)
    return numbers


def _dict(context: RenderContext, _: None, /, *pairs: Any, **entries: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for source in pairs:
        for key, value in source.items() if isinstance(source, dict) else items_of(context.budget, source, "this"):
            if not isinstance(key, str):
                raise fault("the keys of `dict` are text")
            made[key] = value
            context.budget.charge(ENTRY)
    made.update(entries)
    context.budget.weigh(made)
    return made


def _namespace(context: RenderContext, _: None, /, *mapping: Any, **variables: Any) -> Namespace:
    return Namespace(_dict(context, None, *mapping, **variables))


FUNCTIONS: dict[str, Bound] = {"range": Bound(_range), "dict": Bound(_dict), "namespace": Bound(_namespace)}


# One conversion of `"%-10s"`, or a sign that is none: widths are numbers, never `*`.
_CONVERSION = re.compile(
    r"%(?:\((?P<name>[^()]*)\))?"
    r"(?P<form>[#0 +-]*(?P<width>\d*)(?:\.(?P<precision>\d*))?)[hlL]?(?P<letter>[diouxXeEfFgGs%])|%"
)
_MAX_WIDTH = 1000


def operate(budget: Budget, operator: str, left: Any, right: Any) -> Any:
    """Return `left operator right`, for the operators of `BINARY`."""
    budget.charge(SLOT)
    for side in (left, right):
        if isinstance(side, Undefined):
            side._fail_with_undefined_error()
        if side is None:
            raise fault(f"`{operator}` has null on one side")
    made = BINARY[operator](budget, left, right)
    return checked_integer(made) if isinstance(made, int) else made


def _add(budget: Budget, left: Any, right: Any) -> Any:
    """Return `left + right` of two numbers, two texts or two lists."""
    if isinstance(left, str) and isinstance(right, str):
        budget.reserve_text(len(left) + len(right), "`+`")
        return left + right
    if isinstance(left, (list, tuple)) and type(left) is type(right):
        budget.reserve(TEXT + SLOT * (len(left) + len(right)), "`+`")
        joined = [*left, *right] if isinstance(left, list) else (*left, *right)
        budget.weigh(joined)
        return joined
    if isinstance(left, str) or isinstance(right, str):
        raise fault(f"`+` does not join {kind(left)} and {kind(right)}: `~` joins anything as text")
    return left + right


def _multiply(budget: Budget, left: Any, right: Any) -> Any:
    """Return `left * right` of two numbers, or a text or list times a number."""
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int):
            each = budget.unit if isinstance(many, str) else SLOT
            budget.reserve(TEXT + each * len(many) * max(times, 0), "`*`")
            repeated = many * times
            if not isinstance(repeated, str):
                budget.weigh(repeated)
            return repeated
    return left * right


def _power(_: Budget, left: Any, right: Any) -> Any:
    """Return `left ** right` of two numbers."""
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(max(left.bit_length(), 1) * abs(right))
    return left**right


def _remainder(budget: Budget, left: Any, right: Any) -> Any:
    """Return `left % right` of two numbers, or a text with its conversions filled in."""
    if isinstance(left, str):
        if isinstance(right, dict):
            return fill_conversions(budget, left, (), right)
        return fill_conversions(budget, left, right if isinstance(right, tuple) else (right,), {})
    return left % right


def fill_conversions(budget: Budget, text: str, values: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Return the text with its printf conversions (`%s`, `%05.1f`, `%(name)s`) filled in from `values` or `named`."""
    return budget.join(_filled(budget, text, values, named), "`format`")


def _filled(budget: Budget, text: str, values: tuple[Any, ...], named: dict[str, Any]) -> Iterator[str]:
    position, rest = 0, iter(values)
    for match in _CONVERSION.finditer(text):
        yield text[position : match.start()]
        position = match.end()
        name, letter = match["name"], match["letter"]
        if letter is None:
            raise fault("a `%` in the text is no conversion such as `%s` or `%05.1f`; write `%%` for the sign itself")
        if letter == "%":
            yield "%"
            continue
        value = next(rest, missing) if name is None else named.get(name, missing)
        if value is missing:
            raise fault("the text has more conversions than there are values" + (f": no `{name[:40]}`" if name else ""))
        yield _convert(budget, match, value)
    if next(rest, missing) is not missing:
        raise fault("there are more values than the text has conversions")
    yield text[position:]


def _convert(budget: Budget, match: re.Match[str], value: Any) -> str:
    for digits in (match["width"], match["precision"] or ""):
        if len(digits) > 4 or int(digits or 0) > _MAX_WIDTH:
            raise RenderLimitExceeded(f"a conversion in `format` is wider than {_MAX_WIDTH} characters")
    if match["letter"] == "s":
        value = to_text(budget, value)
    elif isinstance(value, int):
        checked_integer(value)
    return str(f"%{match['form']}{match['letter']}" % (value,))


def join_text(context: RenderContext, first: Any, *rest: Any) -> str:
    """Return `first ~ second ~ …`, everything as text."""
    budget = context.budget
    return budget.join([to_text(budget, value) for value in (first, *rest)], "`~`")


def take_slice(context: RenderContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """Return `value[start:stop:step]` of a text or list."""
    budget = context.budget
    if isinstance(value, Undefined):
        fail_undefined(value)
    if not isinstance(value, (str, list, tuple, range)):
        raise fault(f"only text and lists have slices; this is {kind(value)}")
    part = value[slice(start, stop, step)]
    budget.charge(TEXT + len(part) * (budget.unit if isinstance(part, str) else SLOT))
    return part


def _check_bits(bits: int) -> None:
    if bits > MAX_INTEGER_BITS:
        raise RenderLimitExceeded("a whole number would have more than a thousand digits")


BINARY: dict[str, Callable[[Budget, Any, Any], Any]] = {"+": _add, "*": _multiply, "**": _power, "%": _remainder}
