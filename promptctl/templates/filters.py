"""Filters and tests of a template: Jinja's own on the account of the render, and our own versions of some.

Ours replace those whose results or time would still grow (`format`, `indent`, `join`, `replace`, `unique`,
`wordcount`), that print values as Python does (`string`, `tojson`), or that reach Python's attributes (`attr`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import markupsafe
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import pass_context

from promptctl.templates import charges
from promptctl.templates.charges import Operation, Size, Step, bounded, charged, listed, timed, weighed
from promptctl.templates.limits import ENTRY, Budget
from promptctl.templates.operations import fill_conversions, joined, replaced
from promptctl.templates.values import (
    RenderContext,
    Unfit,
    fault,
    items_of,
    listable,
    mapping,
    number,
    to_json,
    to_text,
)

Test = Callable[..., bool]

REFUSED = {
    "random": "a prompt must be the same each time it is rendered",
    "filesizeformat": "write the size as it should read",
    "forceescape": "use `escape`",
    "pprint": "use `tojson(indent=2)`",
    "striptags": "strip the tags before the value is given",
    "urlize": "prompts hold no links",
    "xmlattr": "use `escape` on each value",
}

_WORD = re.compile(r"\w+")


def _quotable(budget: Budget, value: Any) -> str | dict[str, str]:
    if isinstance(value, dict):
        return {to_text(budget, key): to_text(budget, item) for key, item in value.items()}
    return to_text(budget, value)


def _attr(context: RenderContext, value: Any, name: str) -> Any:
    return context.environment.getattr(value, name)


def _format(context: RenderContext, text: str, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        raise fault("`format` takes values by place or by name, not both")
    return fill_conversions(context.budget, text, args, kwargs)


def _join(context: RenderContext, values: Any, d: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        values = FILTERS["map"](context, values, attribute=attribute)
    return joined(context, to_text(context.budget, d), values)


def _tojson(context: RenderContext, value: Any, indent: int | None = None) -> str:
    return to_json(context.budget, value, indent)


def _unique(
    context: RenderContext, values: Collection[Any], case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    keys = values if attribute is None else FILTERS["map"](context, values, attribute=attribute)
    kept: dict[str, Any] = {}
    for key, item in zip(keys, values, strict=True):
        # Texts only: hashes of numbers can be chosen to collide. 1.0 and true are 1, which they equal.
        if isinstance(key, str):
            mark = key if case_sensitive else key.lower()
        elif isinstance(key, bool) or (isinstance(key, float) and key.is_integer()):
            mark = f"\0{int(key)}"
        else:
            mark = "\0" + to_json(context.budget, key)
        context.budget.charge(ENTRY)
        kept.setdefault(mark, item)
    return list(kept.values())


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    margin = width if isinstance(width, str) else " " * width
    top, *rest = text.split("\n")
    moved = [margin + line if line or blank else line for line in rest]
    return "\n".join([margin + top if first else top, *moved])


def safe(value: Any) -> Any:
    """Return the value itself: nothing is escaped unless asked for."""
    return value


def _escape(text: str) -> str:
    return str(markupsafe.escape(text))  # no `Markup`, which would escape what it meets


def _mapped(budget: Budget, values: Collection[Any], *args: Any, **kwargs: Any) -> int:
    if args[0] not in FILTERS if args else "attribute" not in kwargs:
        raise fault("`map` takes the name of a filter, or `attribute=` and `default=`")
    return charges.looked_up(1)(budget, values, *args, **kwargs)


def _tested(_budget: Budget, _values: Collection[Any], *test: Any) -> int:
    """Size of choosing items by a test. Jinja itself would overlook a wrong one of an empty list, and other names."""
    if test and test[0] not in TESTS:
        raise fault("`select` and `reject` take the name of a test, such as 'defined' or 'equalto'")
    return 0


def _tested_at(budget: Budget, values: Collection[Any], attribute: Any, *test: Any) -> int:
    """Size of choosing items by a test of their attribute."""
    return _tested(budget, values, *test) + charges.looked_up(0)(budget, values, attribute)


def _reverse(values: Any) -> Any:
    return (list(values) if isinstance(values, dict) else values)[::-1]


def _wordcount(context: RenderContext, text: str) -> int:
    count = 0
    for count, _ in enumerate(_WORD.finditer(text), 1):
        if count % 4096 == 0:
            context.budget.tick()
    return count


def _jinja(name: str, read: Step | None, size: Size | None = None, result: Step | None = charged) -> Operation:
    """Return Jinja's filter of that name, bounded. All of its filters of lists go through them once."""
    return bounded(name, JINJA_FILTERS[name], read=read, size=size, result=result, is_watched=read is listable)


def _ours(name: str, function: Callable[..., Any], read: Step | None = None) -> Operation:
    return bounded(name, pass_context(function), read=read, result=timed)


FILTERS: dict[str, Operation] = {
    # of any value
    "attr": _ours("attr", _attr),
    "default": JINJA_FILTERS["default"],
    "float": JINJA_FILTERS["float"],
    "int": _jinja("int", None),
    "safe": safe,
    "tojson": _ours("tojson", _tojson),
    # of numbers
    "abs": _jinja("abs", number),
    "round": _jinja("round", number, charges.rounded),
    # of text
    **{name: _jinja(name, to_text) for name in ("capitalize", "lower", "upper")},
    "center": _jinja("center", to_text, charges.padded),
    "escape": bounded("escape", _escape, read=to_text, size=charges.escaped, result=timed),
    "format": _ours("format", _format, read=to_text),
    "indent": bounded("indent", _indent, read=to_text, size=charges.indented, result=timed),
    "replace": _ours("replace", replaced, read=to_text),
    "string": bounded("string", lambda text: text, read=to_text, result=timed),
    "title": _jinja("title", to_text, charges.titled),
    "trim": _jinja("trim", to_text, charges.compared),
    "truncate": _jinja("truncate", to_text, charges.truncated, timed),
    "urlencode": _jinja("urlencode", _quotable, charges.quoted),
    "wordcount": _ours("wordcount", _wordcount, read=to_text),
    "wordwrap": _jinja("wordwrap", to_text, charges.wrapped),
    # of lists and mappings
    "batch": _jinja("batch", listable, charges.batched, weighed),
    "dictsort": _jinja("dictsort", mapping, charges.entries),
    "first": _jinja("first", items_of, None, None),
    "groupby": _jinja("groupby", listable, charges.grouped, weighed),
    "items": bounded("items", dict.items, read=mapping, size=charges.entries, result=listed),
    "join": _ours("join", _join, read=items_of),
    "last": _jinja("last", items_of, None, None),
    "length": bounded("length", len, read=items_of, result=None),
    "list": _jinja("list", listable),
    "map": _jinja("map", listable, _mapped, weighed),
    **{name: _jinja(name, listable, charges.looked_up(1), timed) for name in ("max", "min")},
    **{name: _jinja(name, listable, _tested, listed) for name in ("reject", "select")},
    **{name: _jinja(name, listable, _tested_at, listed) for name in ("rejectattr", "selectattr")},
    "reverse": bounded("reverse", _reverse, read=items_of),
    "slice": _jinja("slice", listable, charges.sliced, weighed),
    "sort": _jinja("sort", listable, charges.ordered),
    "sum": _jinja("sum", listable, charges.summed),
    "unique": _ours("unique", _unique, read=items_of),
}
FILTERS |= {"count": FILTERS["length"], "d": FILTERS["default"], "e": FILTERS["escape"]}


# Tests: Jinja's own, without those that ask about Python.
def _of_numbers(name: str, test: Test) -> Test:
    def call(context: RenderContext, *numbers: Any) -> bool:
        try:
            for each in numbers:
                number(context.budget, each)
        except Unfit as error:
            raise fault(f"`{name}` {error}") from None
        return test(*numbers)

    return pass_context(call)


def _timed(test: Test) -> Test:
    def call(context: RenderContext, value: Any, *args: Any) -> bool:
        passed = test(value, *args)
        context.budget.tick()
        return passed

    return pass_context(call)


def _of_text(test: Test) -> Test:
    return lambda value: isinstance(value, str) and test(value)


_OF_PYTHON = ("callable", "escaped", "filter", "test")

_JINJA_TESTS: dict[str, Any] = dict(JINJA_TESTS)
TESTS: dict[str, Test] = {name: test for name, test in _JINJA_TESTS.items() if name not in _OF_PYTHON}
# Jinja's `odd` fills in a text's conversions: `'%1000000000d' is odd`.
TESTS |= {name: _of_numbers(name, TESTS[name]) for name in ("divisibleby", "even", "odd")}
# Jinja's would print any other value: a namespace that holds others twice, and so on, takes all memory.
TESTS |= {name: _of_text(TESTS[name]) for name in ("lower", "upper")}
# Their time grows with what they are given.
TESTS |= {name: _timed(test) for name, test in TESTS.items() if name == "in" or test.__module__ == "_operator"}
