"""Faults of syntax in words for a template's author: what is wrong, on which line, and what to write."""

from __future__ import annotations

import re

from promptctl.files.names import did_you_mean
from promptctl.templates import BadTemplate

_TAG = re.compile(r"\{%[-+]?\s*(\w+)([^%]*)")
_BLOCKS = ("if", "for", "set", "macro", "with", "filter", "call", "raw")
_TAGS = (*_BLOCKS, "else", "elif", "include", *(f"end{name}" for name in _BLOCKS))

# What Jinja says, what we say, and what to do; None where the braces may well be text.
_WORDS = (
    (r"expected token '?end of print statement'?, got '?([^']+?)'?$", "`{0}` is one thing too many here", None),
    (r"Expected an expression, got 'end of print", "there is nothing between `{{{{` and `}}}}`", "name an input there"),
    (r"unexpected char ['\"](['\"])", "a quote (`{0}`) is never closed", "close it"),
    (r"unexpected char '(\\[xuU]\w+)'", "`{0}`, a character that nobody sees, is in this expression", "remove it"),
    (r"unexpected char '(.)'", "`{0}` is no part of an expression", None),
    (r"^unexpected '(\})'$", "`{0}` is not expected here", "`{{` is closed by `}}`"),
)


def bad_template(message: str, line: int, text: str, name: str | None) -> BadTemplate:
    """Return the error for the fault that Jinja's message tells of in a text."""
    if found := re.search(r"unknown tag '(\w+)'(?:.*closed is '(\w+)')?", message):
        told, hint = _unknown_tag(found[1], found[2])
        return BadTemplate(told, line, name, hint)
    if found := re.search(r"closed is '(\w+)'", message):
        told, hint = f"`{{% {found[1]} … %}}` is never closed", f"add `{{% end{found[1]} %}}` where it ends"
        return BadTemplate(told, _opened_on(text, found[1]) or line, name, hint)
    for sign, words, hint in _WORDS:
        if found := re.search(sign, message):
            return BadTemplate(words.format(*found.groups()), line, name, hint)
    return BadTemplate(re.sub(r"'([^'\s]+)'", r"`\1`", message.rstrip(".")), line, name)


def _opened_on(text: str, tag: str) -> int | None:
    """Return the line of the last tag of this name that nothing closes."""
    opened: list[int] = []
    for match in _TAG.finditer(text):
        if match[1] == tag and not (tag == "set" and "=" in match[2]):
            opened.append(text.count("\n", 0, match.start()) + 1)
        elif match[1] == f"end{tag}" and opened:
            opened.pop()
    return opened[-1] if opened else None


def _unknown_tag(tag: str, block: str | None) -> tuple[str, str | None]:
    """Return what is wrong with a tag that Jinja did not expect, and what to do; `block` is what is open."""
    opening = tag.removeprefix("end")
    if opening != tag and opening in _BLOCKS:
        if block:
            return f"`{{% {tag} %}}` stands where `{{% end{block} %}}` belongs", f"close `{block}` first"
        return f"`{{% {tag} %}}` closes nothing", f"remove it, or open it above with `{{% {opening} … %}}`"
    if tag in ("else", "elif"):
        return f"`{{% {tag} %}}` belongs to no `if` here", "remove it, or open one above with `{% if … %}`"
    return f"there is no tag `{tag}`", did_you_mean(tag, _TAGS) or None
