"""Addresses of pages, relative to each other, and commands to copy. A page can be linked before it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from promptctl.errors import printable, quote


def link(page: str, **values: str | Sequence[str] | None) -> str:
    """Return the address of a page with what it is asked: `link("prompt", ref="support/triage@v3")`.

    >>> link("prompt", ref="a/b c", other=None)
    'prompt?ref=a%2Fb+c'
    """
    given = urlencode({name: value for name, value in values.items() if value is not None}, doseq=True)
    return f"{page or './'}?{given}" if given else page or "./"


def command(*words: str, program: str = "promptctl") -> str | None:
    """Return a command line to copy, quoted for a shell; None if a word could do harm when it is pasted.

    >>> command("label", "set", "support/triage@production", "v3", "--reason", "it's better")
    'promptctl label set support/triage@production v3 --reason \\'it\\'"\\'"\\'s better\\''
    """
    if any(printable(word) != word for word in words):
        return None
    return f"{program} {' '.join(map(quote, words))}"


_OF_ONE = {
    "prompt": "ref", "label": "name", "file": "path", "execution": "id", "dataset": "path", "evaluation": "id",
    "experiment": "name", "budget": "name",
}  # fmt: skip
LINKS: Mapping[str, Callable[..., str]] = {
    "link": link,
    "diff": lambda old, new: link("diff", old=old, new=new),
    **{f"{page}_link": lambda value, page=page, key=key: link(page, **{key: value}) for page, key in _OF_ONE.items()},
}
"""Makers of addresses, by their names in templates: `prompt_link("support/triage@v3")`, and so for each thing."""
