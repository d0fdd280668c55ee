"""The operators `+ * ** % ~` and slices, each asked for its size before it makes anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from promptctl.errors import RenderLimitExceeded
from promptctl.templates.limits import MAX_INTEGER_BITS, SLOT, TEXT, Budget
from promptctl.templates.values import RenderContext, checked_integer, fault, kind, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NUMBERS = (int, float)

# One conversion of `"%-10s"`: widths are numbers, never `*`.
_CONVERSION = re.compile(r"%(?:\(([^()]*)\))?([#0 +-]*)(\d*)(?:\.(\d*))?[hlL]?([diouxXeEfFgGs%])")
_MAX_WIDTH = 1000


def add(budget: Budget, left: Any, right: Any) -> Any:
    """`left + right` of two numbers, two texts or two lists."""
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        return _number(left + right)
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


def multiply(budget: Budget, left: Any, right: Any) -> Any:
    """`left * right` of two numbers, or a text or list times a number."""
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
        return left * right
    if isinstance(left, int):
        left, right = right, left
    if isinstance(right, int) and isinstance(left, str):
        budget.reserve_text(len(left) * max(right, 0), "`*`")
        return left * right
    if isinstance(right, int) and isinstance(left, (list, tuple)):
        budget.reserve(TEXT + SLOT * len(left) * max(right, 0), "`*`")
        repeated = left * right
        budget.weigh(repeated)
        return repeated
    return left * right


def power(_: Budget, left: Any, right: Any) -> Any:
    """`left ** right` of two numbers."""
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(max(left.bit_length(), 1) * abs(right))
    return left**right


def remainder(budget: Budget, left: Any, right: Any) -> Any:
    """`left % right` of two numbers, or a text with its conversions filled in."""
    if isinstance(left, str):
        if isinstance(right, dict):
            return fill_conversions(budget, left, (), right)
        return fill_conversions(budget, left, right if isinstance(right, tuple) else (right,), {})
    return left % right


def fill_conversions(budget: Budget, text: str, values: tuple[Any, ...], named: dict[str, Any]) -> str:
    """`text` with its printf conversions (`%s`, `%05.1f`, `%(name)s`) filled in from `values` or `named`."""
    pieces: list[str] = []
    chars = 0
    for piece in _filled(budget, text, values, named):
        pieces.append(piece)
        chars += len(piece)
        budget.charge(TEXT)
        if chars * budget.unit > budget.max_value:
            break
    budget.reserve_text(chars, "`format`")
    return "".join(pieces)


def _filled(budget: Budget, text: str, values: tuple[Any, ...], named: dict[str, Any]) -> Iterator[str]:
    used, position = 0, 0
    while (found := text.find("%", position)) >= 0:
        match = _CONVERSION.match(text, found)
        if match is None:
            raise fault("a `%` in the text is no conversion such as `%s` or `%05.1f`; write `%%` for the sign itself")
        yield text[position:found]
        position = match.end()
        name, letter = match[1], match[5]
        if letter == "%":
            yield "%"
        elif name is not None:
            if name not in named:
                raise fault(f"the text names `{name[:40]}`, for which no value is given")
            yield _convert(budget, match, named[name])
        else:
            if used >= len(values):
                raise fault("the text has more conversions than there are values")
            yield _convert(budget, match, values[used])
            used += 1
    if used < len(values):
        raise fault("there are more values than the text has conversions")
    yield text[position:]


def _convert(budget: Budget, match: re.Match[str], value: Any) -> str:
    _, flags, width, precision, letter = match.groups()
    for digits in (width, precision or ""):
        if len(digits) > 4 or int(digits or 0) > _MAX_WIDTH:
            raise RenderLimitExceeded(f"a conversion in `format` is wider than {_MAX_WIDTH} characters")
    if letter == "s":
        value = to_text(budget, value)
    elif isinstance(value, int):
        checked_integer(value)
    directive = f"%{flags}{width}{'' if precision is None else '.' + precision}{letter}"
    return str(directive % (value,))


def join_text(context: RenderContext, first: Any, *rest: Any) -> str:
    """`first ~ second ~ …`: everything as text."""
    budget = context.budget
    texts = [to_text(budget, first), *(to_text(budget, value) for value in rest)]
    budget.reserve_text(sum(map(len, texts)), "`~`")
    return "".join(texts)


def take_slice(context: RenderContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]` of a text or list."""
    budget = context.budget
    if not isinstance(value, (str, list, tuple, range)):
        raise fault(f"only text and lists have slices; this is {kind(value)}")
    part = value[slice(start, stop, step)]
    budget.charge(TEXT + len(part) * (budget.unit if isinstance(part, str) else SLOT))
    return part


def _number(value: Any) -> Any:
    return checked_integer(value) if isinstance(value, int) else value


def _check_bits(bits: int) -> None:
    if bits > MAX_INTEGER_BITS:
        raise RenderLimitExceeded("a whole number would have more than a thousand digits")


BINARY: dict[str, Callable[[Budget, Any, Any], Any]] = {"+": add, "*": multiply, "**": power, "%": remainder}
