"""The methods of text, lists and mappings that a template may call, and the functions it finds without asking.

Python's own bound methods never reach a template: it gets a `Bound`, which asks for the size of what it will make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2.runtime import LoopContext
from jinja2.utils import Namespace

from promptctl.errors import RenderLimitExceeded
from promptctl.templates.limits import ENTRY, SLOT, TEXT, Budget
from promptctl.templates.values import Bound, fault, items_of, to_text, whole

Method = Callable[..., Any]

# Comparisons of one operation that compares each place of a text with each of another: a tenth of a second.
_MAX_COMPARISONS = 1 << 28

_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

_MAX_RANGE = 100_000


def _made(name: str) -> Method:
    """A method of text whose result is at most three times as long as the text, or no text at all."""
    method = getattr(str, name)

    def call(budget: Budget, text: str, *args: Any) -> Any:
        made = method(text, *args)
        budget.charge(TEXT + (len(made) * budget.unit if isinstance(made, str) else 0))
        budget.tick()
        return made

    return call


def _compared(name: str) -> Method:
    """A method of text whose time is the product of the text's length and its argument's."""
    method = getattr(str, name)

    def call(budget: Budget, text: str, *args: Any) -> Any:
        if args and isinstance(args[0], str) and len(text) * len(args[0]) > _MAX_COMPARISONS:
            raise RenderLimitExceeded(f"`{name}` compares two texts that are too long for it")
        made = method(text, *args)
        budget.charge(TEXT + (len(text) * budget.unit if isinstance(made, (str, tuple)) else 0))
        budget.tick()
        return made

    return call


def _justified(name: str) -> Method:
    method = getattr(str, name)

    def call(budget: Budget, text: str, width: int, *fill: str) -> Any:
        whole(width, "width", -1_000_000_000)
        budget.reserve_text(max(width, len(text)), f"`{name}`")
        return method(text, width, *fill)

    return call


def replace(budget: Budget, text: str, old: str, new: str, count: int = -1) -> str:
    """`text` with `old` replaced by `new`, at most `count` times where it is not negative."""
    found = text.count(old) if old else len(text) + 1
    if count >= 0:
        found = min(found, count)
    budget.reserve_text(len(text) + found * max(len(new) - len(old), 0), "`replace`")
    return text.replace(old, new, count)


def strip(budget: Budget, text: str, chars: str | None = None, method: Method = str.strip) -> str:
    """`text` without the characters of `chars` (white space) at its ends."""
    if chars is not None and len(text) * len(chars) > _MAX_COMPARISONS:
        raise RenderLimitExceeded("`strip` is given too many characters")
    stripped = budget.charge_text(method(text, chars))
    budget.tick()
    return stripped


def _stripped(method: Method) -> Method:
    return lambda budget, text, chars=None: strip(budget, text, chars, method)


def _split(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1, method: Method = str.split) -> Any:
    if sep is not None and method is str.rsplit and len(text) * len(sep) > _MAX_COMPARISONS:
        raise RenderLimitExceeded("`rsplit` compares two texts that are too long for it")
    most = budget.max_value // (TEXT + SLOT)
    parts = method(text, sep, most if maxsplit < 0 else min(maxsplit, most))
    budget.reserve(len(parts) * (TEXT + SLOT) + len(text) * budget.unit, "`split`")
    return parts


def _rsplit(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1) -> Any:
    return _split(budget, text, sep, maxsplit, str.rsplit)


def _splitlines(budget: Budget, text: str, keepends: bool = False) -> Any:
    lines = 1 + sum(text.count(char) for char in _LINE_BREAKS)
    budget.reserve(lines * (TEXT + SLOT) + len(text) * budget.unit, "`splitlines`")
    return text.splitlines(bool(keepends))


def _expandtabs(budget: Budget, text: str, tabsize: int = 8) -> str:
    budget.reserve_text(len(text) + text.count("\t") * whole(tabsize, "tabsize"), "`expandtabs`")
    return text.expandtabs(tabsize)


def join(budget: Budget, separator: str, values: Any) -> str:
    """The values as text, with the separator between them."""
    texts: list[str] = []
    chars = 0
    for value in items_of(values):
        texts.append(to_text(budget, value, "an item of the list"))
        chars += len(texts[-1]) + len(separator)
        budget.charge(SLOT)
        if chars * budget.unit > budget.max_value:
            break
    budget.reserve_text(chars, "`join`")
    return separator.join(texts)


_SHORT = (
    "capitalize casefold lower upper swapcase title removeprefix removesuffix "
    "count find index startswith endswith "
    "isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isspace istitle isupper"
)

_TEXT: dict[str, Method] = {
    **{name: _made(name) for name in _SHORT.split()},
    **{name: _compared(name) for name in ("partition", "rfind", "rindex", "rpartition")},
    **{name: _justified(name) for name in ("center", "ljust", "rjust", "zfill")},
    "strip": _stripped(str.strip),
    "lstrip": _stripped(str.lstrip),
    "rstrip": _stripped(str.rstrip),
    "replace": replace,
    "split": _split,
    "rsplit": _rsplit,
    "splitlines": _splitlines,
    "expandtabs": _expandtabs,
    "join": join,
}


def _get(budget: Budget, mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    budget.charge(TEXT)
    return mapping.get(key, default)


def _view(name: str) -> Method:
    method = getattr(dict, name)

    def call(budget: Budget, mapping: dict[Any, Any]) -> Any:
        budget.reserve(TEXT + (TEXT + 3 * SLOT) * len(mapping), f"`{name}`")
        return list(method(mapping))

    return call


def _timed(name: str, owner: type) -> Method:
    method = getattr(owner, name)

    def call(budget: Budget, value: Any, *args: Any) -> Any:
        try:
            result = method(value, *args)
        except ValueError:  # Python's message shows the value
            raise fault(f"`{name}` found no such item in the list") from None
        budget.charge(TEXT)
        budget.tick()
        return result

    return call


METHODS: dict[type, dict[str, Method]] = {
    str: _TEXT,
    dict: {"get": _get, **{name: _view(name) for name in ("items", "keys", "values")}},
    **{owner: {name: _timed(name, owner) for name in ("count", "index")} for owner in (list, tuple)},
    LoopContext: {name: _timed(name, LoopContext) for name in ("cycle", "changed")},
}

LOOP_ATTRIBUTES = frozenset(
    "index index0 revindex revindex0 first last length depth depth0 previtem nextitem".split()  # noqa: SIM905
)


def _range(budget: Budget, _: None, *bounds: int) -> range:
    numbers = range(*(whole(bound, "range", -1_000_000_000) for bound in bounds))
    if len(numbers) > _MAX_RANGE:
        raise RenderLimitExceeded(f"`range` has more than {_MAX_RANGE:,} numbers")
    budget.charge(TEXT)
    return numbers


def _dict(budget: Budget, _: None, /, *pairs: Any, **entries: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for source in pairs:
        for pair in source.items() if isinstance(source, dict) else items_of(source):
            key, value = pair
            if not isinstance(key, str):
                raise fault("the keys of `dict` are text")
            made[key] = value
            budget.charge(ENTRY)
    made.update(entries)
    budget.weigh(made)
    return made


def _namespace(budget: Budget, _: None, /, *mapping: Any, **variables: Any) -> Namespace:
    return Namespace(_dict(budget, None, *mapping, **variables))


FUNCTIONS: dict[str, Bound] = {
    "range": Bound("range", _range),
    "dict": Bound("dict", _dict),
    "namespace": Bound("namespace", _namespace),
}
