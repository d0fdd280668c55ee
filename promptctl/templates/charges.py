# ruff: noqa: ARG001 (each size is asked with all that the operation itself is given)
"""Charges of operations: sizes in bytes of what filters and methods make, reserved before, and results charged after.

Some sizes refuse what would take long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import Any

from jinja2.utils import pass_context

from promptctl.errors import RenderLimitExceeded
from promptctl.templates.limits import NUMBER, SLOT, TEXT, Budget
from promptctl.templates.values import RenderContext, Unfit, checked_integer, fault, number, whole

# Called with the render's context, the value, and the arguments of the template.
Operation = Callable[..., Any]
# What becomes of a value before the function sees it, and of the result before the template does.
Step = Callable[[Budget, Any], Any]
# Bytes of what an operation makes, by the budget, the value and the arguments.
Size = Callable[..., int]

# The longest path of an `attribute`.
MAX_PATH = 200

# Comparisons of one operation that compares each place of a text with each of another: a tenth of a second.
_MAX_COMPARISONS = 1 << 28

_WORDS = re.compile(r"[^ \t\n\r\v\f]+")
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def compared(budget: Budget, text: str, other: Any = None, *rest: Any) -> int:
    """Refuse two texts whose lengths multiplied are too many comparisons."""
    if isinstance(other, str) and len(text) * len(other) > _MAX_COMPARISONS:
        raise RenderLimitExceeded("the template compares two texts that are too long for it")
    return 0


def parted(budget: Budget, text: str, separator: str) -> int:
    """Size of the parts of a text."""
    return compared(budget, text, separator) + 3 * TEXT + len(text) * budget.unit


def padded(budget: Budget, text: str, width: int = 80, fill: str = " ") -> int:
    """Size of a text padded to a width."""
    return TEXT + max(whole(width, "width", -1_000_000_000), len(text)) * budget.unit


def lines(budget: Budget, text: str, keepends: bool = False) -> int:
    """Size of the lines of a text."""
    count = 1 + sum(text.count(char) for char in _LINE_BREAKS)
    return count * (TEXT + SLOT) + len(text) * budget.unit


def indented(budget: Budget, text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> int:
    """Size of a text, and of its lines, moved right."""
    count, margin = text.count("\n") + 1, len(width) if isinstance(width, str) else whole(width, "width", 0, 1000)
    return count * (2 * TEXT + SLOT) + (len(text) + count * margin) * budget.unit


def expanded(budget: Budget, text: str, tabsize: int = 8) -> int:
    """Size of a text whose tabs become spaces."""
    return TEXT + (len(text) + text.count("\t") * whole(tabsize, "tabsize")) * budget.unit


def titled(budget: Budget, text: str) -> int:
    """Size of the words of a text."""
    return TEXT + len(text) * (SLOT + TEXT) // 2


def truncated(
    budget: Budget, text: str, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> int:
    """Size of a text cut to a length."""
    if isinstance(length, int) and length < len(end):
        raise fault(f"`length` of `truncate` is at least {len(end)}, the length of its `end`")
    return TEXT + min(whole(length, "length"), len(text) + whole(leeway, "leeway")) * budget.unit


def wrapped(
    budget: Budget,
    text: str,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
    break_on_hyphens: bool = True,
) -> int:
    """Size of a text broken into lines; refuse long words, of which each piece broken off copies the rest."""
    breaks = sum(text.count(char) for char in " \t-" + _LINE_BREAKS) + len(text) // whole(width, "width", 1) + 1
    size = breaks * (2 * TEXT + len(wrapstring) * budget.unit) + len(text) * (SLOT + budget.unit)
    if size <= budget.max_value:
        copied = sum((match.end() - match.start()) ** 2 for match in _WORDS.finditer(text)) // width
        if copied > _MAX_COMPARISONS:
            raise RenderLimitExceeded("`wordwrap` is given words that are too long for it")
    return size


def escaped(budget: Budget, text: str) -> int:
    """Size of a text with HTML entities."""
    return TEXT + (len(text) + 4 * sum(text.count(sign) for sign in "&<>\"'")) * budget.unit


def quoted(budget: Budget, value: str | Mapping[str, str]) -> int:
    """Size of a text quoted for a URL, or of a mapping as a query."""
    pairs = value.items() if isinstance(value, Mapping) else [(value, "")]
    return sum(TEXT + 3 * (len(key) + len(item)) * budget.unit for key, item in pairs)


def rounded(budget: Budget, value: float, precision: int = 0, method: str = "common") -> int:
    """Size of a rounded number; refuse a power of ten that is no small number."""
    whole(precision, "precision", -300, 300)
    return NUMBER


def looked_up(place: int) -> Size:
    """Return the size of looking at an attribute of each item, which has this place among the arguments."""

    def size(budget: Budget, values: Collection[Any], *args: Any, **kwargs: Any) -> int:
        path = args[place] if len(args) > place else kwargs.get("attribute")
        steps = 1
        if isinstance(path, str):
            if len(path) > MAX_PATH:
                raise fault(f"`attribute` is longer than {MAX_PATH} characters")
            steps += path.count(".") + path.count(",")
        budget.charge(len(values) * NUMBER * steps)
        return 0

    return size


def summed(budget: Budget, values: Collection[Any], attribute: Any = None, start: Any = 0) -> int:
    """Size of a sum; a list to begin with would be copied for each item."""
    number(budget, start)
    return looked_up(0)(budget, values, attribute)


def ordered(
    budget: Budget, values: Collection[Any], reverse: Any = False, case_sensitive: Any = False, attribute: Any = None
) -> int:
    """Size of sorting: a key for each item, and for each attribute but one all items in small letters."""
    looked_up(0)(budget, values, attribute)
    for _ in range(2 * attribute.count(",") if isinstance(attribute, str) else 0):
        budget.weigh(values)
    _compare(budget, len(values))
    return 0


def grouped(
    budget: Budget, values: Collection[Any], attribute: Any, default: Any = None, case_sensitive: Any = False
) -> int:
    """Size of sorting and grouping: the default may be the key of each item, in small letters."""
    looked_up(0)(budget, values, attribute)
    _compare(budget, 3 * len(values))
    return len(values) * len(default) * budget.unit if isinstance(default, str) else 0


def _compare(budget: Budget, count: int) -> None:
    budget.charge(2 * count * (TEXT + SLOT * count.bit_length()))


def entries(budget: Budget, mapping: Mapping[Any, Any], *args: Any, **kwargs: Any) -> int:
    """Size of a list with a pair for each entry of a mapping."""
    return TEXT + (TEXT + 3 * SLOT) * len(mapping)


def batched(budget: Budget, values: Collection[Any], linecount: int, fill_with: Any = None) -> int:
    """Size of the last row of `linecount`, which is filled up."""
    return whole(linecount, "linecount", 1) * SLOT


def sliced(budget: Budget, values: Collection[Any], slices: int, fill_with: Any = None) -> int:
    """Size of the columns themselves."""
    return whole(slices, "slices", 1) * (TEXT + SLOT)


# Items between two looks at the clock.
_MANY = 4096


def charged(budget: Budget, made: Any) -> Any:
    """Return the result, charged by itself: what a list holds was there before."""
    if isinstance(made, str):
        budget.reserve(TEXT + len(made) * budget.unit, "the template")
    elif isinstance(made, (list, tuple)):
        budget.charge(TEXT + SLOT * len(made))
    elif isinstance(made, int):
        budget.charge(NUMBER)
        checked_integer(made)
    budget.tick()
    return made


def timed(budget: Budget, made: Any) -> Any:
    """Return a result that was there before, or that the function has charged."""
    budget.tick()
    return made


def listed(budget: Budget, made: Any) -> Any:
    """Return the result as a list, never a generator, charged by itself."""
    return charged(budget, list(made))


def weighed(budget: Budget, made: Any) -> Any:
    """Return the result as a list, charged with all that it holds."""
    items = list(made)
    budget.weigh(items)
    return timed(budget, items)


def _parts(budget: Budget, values: Any) -> Iterator[Any]:
    items = list(values) if isinstance(values, dict) else values
    for start in range(0, len(items), _MANY):
        budget.tick()
        yield items[start : start + _MANY]


def bounded(
    name: str,
    function: Callable[..., Any],
    *,
    read: Step | None = None,
    size: Size | None = None,
    result: Step | None = charged,
    is_watched: bool = False,
) -> Operation:
    """Return the function as an operation of a template: the value read, the result charged and within its bounds.

    A watched function goes through a list once, and is stopped on its way if it takes too long. Errors name the
    operation and no value.
    """
    # Jinja wraps functions that have an asynchronous twin, and marks those that ask for the context or environment.
    function = getattr(function, "__wrapped__", function)
    asked = getattr(getattr(function, "jinja_pass_arg", None), "name", None)

    def call(context: RenderContext, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget = context.budget
        try:
            if read is not None:
                value = read(budget, value)
            if size is not None and (amount := size(budget, value, *args, **kwargs)):
                budget.reserve(amount, f"`{name}`")
            if is_watched and len(value) > _MANY:
                value = chain.from_iterable(_parts(budget, value))
            if asked is None:
                made = function(value, *args, **kwargs)
            else:
                made = function(context if asked == "context" else context.environment, value, *args, **kwargs)
            return made if result is None else result(budget, made)
        except (TypeError, ValueError) as error:
            raise fault(f"`{name}` {_misuse(error)}") from None

    return pass_context(call)


def _misuse(error: TypeError | ValueError) -> str:
    """Return the words of Python's error without the function's name and without any value."""
    message = str(error)
    if isinstance(error, Unfit):
        return message
    if message.startswith("unsupported operand"):
        return "needs numbers, and an item of the list is not a number"
    if " not supported between " in message:
        return "compares items of different kinds, or mappings, which cannot be sorted; name an `attribute`"
    if message.endswith((" in list", " in tuple")):
        return "found no such item in the list"
    words = message.partition("'")[0] if isinstance(error, ValueError) else message.rpartition("() ")[2]
    return f"cannot do this: {words}"
