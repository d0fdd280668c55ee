"""Names and texts of a prompt as generated code may hold them."""

from __future__ import annotations

import re
from collections.abc import Callable

from promptctl.versions.prompt_at_version import PromptAtVersion


def marked_version(at: PromptAtVersion) -> int | None:
    """Return the number of the version that a ref names; None for the work tree, which the next commit would renumber.

    So what is exported of one content is one text, whenever it is.
    """
    return at.version.number if at.ref.at is not None else None


# Controls, blanks that look like one or like nothing, marks that turn text around, halves of characters, private ones.
# A list of its own: what Python calls printable grows with its version, and one prompt is to give one text.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff"
    r"\ufff9-\uffff\ud800-\uf8ff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)


def shown(text: str) -> str:
    """Return a line of a comment, or a part of a literal of Python: what is not seen is written as its number.

    >>> shown("a\\u2028b")
    'a\\\\u2028b'
    """
    return with_numbers(text, lambda code: f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def with_numbers(text: str, number: Callable[[int], str]) -> str:
    """Return a text in which characters that are not seen are numbers."""
    return _UNSEEN.sub(lambda found: number(ord(found[0])), text)
