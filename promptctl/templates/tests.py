"""The tests of a template: `is defined`, `is none`, `is divisibleby(3)` …

Written anew, as Jinja's own ask Python for what is not theirs to ask: its `odd` formats text, its `lower` prints lists.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined

from promptctl.templates.values import fault, kind

if TYPE_CHECKING:
    from collections.abc import Callable


def is_defined(value: Any) -> bool:
    """The variable has a value, be it null."""
    return not isinstance(value, Undefined)


def is_undefined(value: Any) -> bool:
    """The variable has no value."""
    return isinstance(value, Undefined)


def is_none(value: Any) -> bool:
    """The value is null."""
    return value is None


def is_boolean(value: Any) -> bool:
    """The value is true or false."""
    return isinstance(value, bool)


def is_true(value: Any) -> bool:
    """The value is true itself."""
    return value is True


def is_false(value: Any) -> bool:
    """The value is false itself."""
    return value is False


def is_integer(value: Any) -> bool:
    """The value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_float(value: Any) -> bool:
    """The value is a number with a fraction."""
    return isinstance(value, float)


def is_number(value: Any) -> bool:
    """The value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_string(value: Any) -> bool:
    """The value is text."""
    return isinstance(value, str)


def is_mapping(value: Any) -> bool:
    """The value is a mapping."""
    return isinstance(value, dict)


def is_sequence(value: Any) -> bool:
    """The value has items: a list, a text or a mapping."""
    return isinstance(value, (list, tuple, str, dict, range))


def is_lower(value: Any) -> bool:
    """The text has small letters only."""
    return isinstance(value, str) and value.islower()


def is_upper(value: Any) -> bool:
    """The text has capital letters only."""
    return isinstance(value, str) and value.isupper()


def is_odd(value: Any) -> bool:
    """The number is odd."""
    return bool(_whole(value) % 2)


def is_even(value: Any) -> bool:
    """The number is even."""
    return not _whole(value) % 2


def is_divisible(value: Any, number: Any) -> bool:
    """The number is divisible by another."""
    return not _whole(value) % _whole(number)


def is_in(value: Any, container: Any) -> bool:
    """The list, text or mapping holds the value."""
    return bool(value in container)


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise fault(f"a whole number is needed, and this is {kind(value)}")
    return value


TESTS: dict[str, Callable[..., Any]] = {
    "boolean": is_boolean,
    "defined": is_defined,
    "divisibleby": is_divisible,
    "even": is_even,
    "false": is_false,
    "float": is_float,
    "in": is_in,
    "integer": is_integer,
    "iterable": is_sequence,
    "lower": is_lower,
    "mapping": is_mapping,
    "none": is_none,
    "number": is_number,
    "odd": is_odd,
    "sameas": operator.is_,
    "sequence": is_sequence,
    "string": is_string,
    "true": is_true,
    "undefined": is_undefined,
    "upper": is_upper,
    **dict.fromkeys(("eq", "equalto", "=="), operator.eq),
    **dict.fromkeys(("ne", "!="), operator.ne),
    **dict.fromkeys(("gt", "greaterthan", ">"), operator.gt),
    **dict.fromkeys(("lt", "lessthan", "<"), operator.lt),
    **dict.fromkeys(("ge", ">="), operator.ge),
    **dict.fromkeys(("le", "<="), operator.le),
}

# The tests whose time grows with what they are given.
SLOW = frozenset({"in", "lower", "upper"}) | {name for name, test in TESTS.items() if test.__module__ == "_operator"}
