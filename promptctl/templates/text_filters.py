"""The filters that make or change text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined
from markupsafe import escape as escape_markup

from promptctl.templates import methods
from promptctl.templates.limits import SLOT, TEXT
from promptctl.templates.operators import fill_conversions
from promptctl.templates.values import RenderContext, fail_undefined, fault, to_json, to_text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WORD_START = re.compile(r"([-\s({\[<]+)")
_WORD = re.compile(r"\w+")


def string(context: RenderContext, value: Any, /) -> str:
    """The value as text, as it would be printed."""
    text = to_text(context.budget, value)
    context.budget.charge(TEXT)
    return text


def upper(context: RenderContext, value: Any, /) -> str:
    """In capital letters."""
    return context.budget.charge_text(string(context, value).upper())


def lower(context: RenderContext, value: Any, /) -> str:
    """In small letters."""
    return context.budget.charge_text(string(context, value).lower())


def capitalize(context: RenderContext, value: Any, /) -> str:
    """The first letter capital, all others small."""
    return context.budget.charge_text(string(context, value).capitalize())


def title(context: RenderContext, value: Any, /) -> str:
    """Each word with a capital first letter."""
    text = string(context, value)
    context.budget.reserve(len(text) * (SLOT + TEXT) // 2 + TEXT, "`title`")
    words = _WORD_START.split(text)
    return context.budget.charge_text("".join(word[0].upper() + word[1:].lower() for word in words if word))


def trim(context: RenderContext, value: Any, /, chars: str | None = None) -> str:
    """Without white space, or the characters given, at both ends."""
    return methods.strip(context.budget, string(context, value), chars)


def replace(context: RenderContext, value: Any, /, old: Any, new: Any, count: int | None = None) -> str:
    """With one text replaced by another, everywhere or `count` times."""
    most = -1 if count is None else whole(count, "count")
    return methods.replace(context.budget, string(context, value), string(context, old), string(context, new), most)


def center(context: RenderContext, value: Any, /, width: int = 80) -> str:
    """In the middle of a line so many characters wide."""
    text = string(context, value)
    context.budget.reserve_text(max(whole(width, "width"), len(text)), "`center`")
    return text.center(width)


def indent(
    context: RenderContext,
    value: Any,
    /,
    width: int | str = 4,
    first: bool = False,
    blank: bool = False,
) -> str:
    """Each line but the first moved right; `first` and `blank` include the first and the empty lines."""
    text = string(context, value)
    margin = width if isinstance(width, str) else " " * whole(width, "width", 0, 1000)
    lines = text.count("\n") + 1
    context.budget.reserve(
        lines * (2 * TEXT + SLOT) + (len(text) + lines * len(margin)) * context.budget.unit, "`indent`"
    )
    moved = [
        margin + line if (line or blank) and (number or first) else line for number, line in enumerate(text.split("\n"))
    ]
    return "\n".join(moved)


def truncate(
    context: RenderContext,
    value: Any,
    /,
    length: int = 255,
    killwords: bool = False,
    end: str = "...",
    leeway: int = 5,
) -> str:
    """Cut to `length` characters, `end` included, at a space unless `killwords`."""
    text, end = string(context, value), string(context, end)
    if whole(length, "length") < len(end):
        raise fault(f"`length` of truncate is at least {len(end)}, the length of `end`")
    if len(text) <= length + whole(leeway, "leeway"):
        return text
    cut = text[: length - len(end)]
    return context.budget.charge_text((cut if killwords else cut.rsplit(" ", 1)[0]) + end)


def wordcount(context: RenderContext, value: Any, /) -> int:
    """How many words."""
    count = 0
    for _ in _WORD.finditer(string(context, value)):
        count += 1
        if count % 4096 == 0:
            context.budget.charge(4096)
    return count


def wordwrap(
    context: RenderContext,
    value: Any,
    /,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
) -> str:
    """Broken into lines of at most `width` characters, at spaces; line breaks already there are kept."""
    text, budget = string(context, value), context.budget
    whole(width, "width", 1)
    joint = string(context, wrapstring)
    most = text.count(" ") + text.count("\n") + len(text) // width + 1
    budget.reserve(most * (TEXT + 2 * SLOT) + (len(text) + most * len(joint)) * budget.unit, "`wordwrap`")
    paragraphs = [joint.join(_wrapped(line, width, break_long_words)) for line in text.split("\n")]
    budget.tick()
    return "\n".join(paragraphs)


def _wrapped(line: str, width: int, break_long_words: bool) -> Iterator[str]:
    row: list[str] = []
    used = 0
    for word in line.split():
        if row and used + 1 + len(word) > width:
            yield " ".join(row)
            row, used = [], 0
        whole_rows = (len(word) - 1) // width * width if break_long_words else 0
        yield from (word[start : start + width] for start in range(0, whole_rows, width))
        used += len(word) - whole_rows + (1 if row else 0)
        row.append(word[whole_rows:])
    yield " ".join(row)


def format_text(context: RenderContext, value: Any, /, *args: Any, **kwargs: Any) -> str:
    """The value as a printf pattern with the arguments filled in: `"%05.1f" | format(price)`."""
    if args and kwargs:
        raise fault("`format` takes values by place or by name, not both")
    return fill_conversions(context.budget, string(context, value), args, kwargs)


def urlencode(context: RenderContext, value: Any, /) -> str:
    """Quoted for a URL; a mapping as a query."""
    from urllib.parse import quote, quote_plus

    budget = context.budget
    if isinstance(value, dict):
        pairs = ((string(context, key), string(context, item)) for key, item in value.items())
        text = "&".join(f"{quote_plus(key)}={quote_plus(item)}" for key, item in pairs)
    else:
        text = string(context, value)
        budget.reserve(TEXT + 3 * len(text) * budget.unit, "`urlencode`")
        text = quote(text, safe="/")
    return budget.charge_text(text)


def escape(context: RenderContext, value: Any, /) -> str:
    """With `& < > " '` as HTML entities, so that a value cannot close a tag around it."""
    text = string(context, value)
    longer = sum(text.count(sign) for sign in "&<>\"'")
    context.budget.reserve_text(len(text) + 4 * longer, "`escape`")
    return str(escape_markup(text))


def safe(_: RenderContext, value: Any, /) -> Any:
    """The value itself: nothing is escaped here unless asked for."""
    return value


def tojson(context: RenderContext, value: Any, /, indent: int | None = None) -> str:
    """As JSON: letters as they are, keys in their order, `indent` spaces a level where given."""
    if isinstance(value, Undefined):
        fail_undefined(value, "this")
    return to_json(context.budget, value, indent)


TEXT_FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": capitalize,
    "center": center,
    "e": escape,
    "escape": escape,
    "format": format_text,
    "indent": indent,
    "lower": lower,
    "replace": replace,
    "safe": safe,
    "string": string,
    "title": title,
    "tojson": tojson,
    "trim": trim,
    "truncate": truncate,
    "upper": upper,
    "urlencode": urlencode,
    "wordcount": wordcount,
    "wordwrap": wordwrap,
}
