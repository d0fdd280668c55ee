"""Methods of text, lists and mappings that a template may call, and the functions it finds without asking.

Python's own bound methods never reach a template: it gets a `Bound`, which charges for what it makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2.runtime import LoopContext
from jinja2.utils import Namespace, pass_context

from promptctl.errors import RenderLimitExceeded
from promptctl.templates import sizes
from promptctl.templates.bounded import Operation, Step, bounded, charged, listed, timed
from promptctl.templates.limits import ENTRY, SLOT, TEXT
from promptctl.templates.values import Bound, RenderContext, fault, items_of, to_text, whole

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


def _methods(owner: type, names: str, size: sizes.Size | None = None, result: Step = charged) -> dict[str, Operation]:
    return {name: bounded(name, getattr(owner, name), size=size, result=result) for name in names.split()}


_TEXT = {
    # Their results are at most three times as long as the text, or no text at all.
    **_methods(str, "capitalize casefold lower upper swapcase title removeprefix removesuffix"),
    **_methods(str, "count find index startswith endswith isalnum isalpha isascii isdecimal isdigit isidentifier"),
    **_methods(str, "islower isnumeric isspace istitle isupper"),
    **_methods(str, "rfind rindex strip lstrip rstrip", sizes.compared),
    **_methods(str, "partition rpartition", sizes.parted),
    **_methods(str, "center ljust rjust zfill", sizes.padded),
    **_methods(str, "splitlines", sizes.lines, timed),
    **_methods(str, "expandtabs", sizes.expanded),
    "join": bounded("join", pass_context(joined), result=timed),
    "replace": bounded("replace", pass_context(replaced), result=timed),
    "split": bounded("split", pass_context(_splitting(str.split)), result=timed),
    "rsplit": bounded("rsplit", pass_context(_splitting(str.rsplit)), size=sizes.compared, result=timed),
}

METHODS: dict[type, dict[str, Operation]] = {
    str: _TEXT,
    dict: _methods(dict, "get", None, timed) | _methods(dict, "items keys values", sizes.entries, listed),
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
        for key, value in source.items() if isinstance(source, dict) else items_of(context.budget, source):
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
