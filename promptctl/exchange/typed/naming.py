"""Names and texts of a prompt as generated code may hold them."""

from __future__ import annotations

from promptctl.versions.prompt_at_version import PromptAtVersion


def marked_version(at: PromptAtVersion) -> int | None:
    """Return the number of the version that a ref names; None for the work tree, which the next commit would renumber.

    So what is exported of one content is one text, whenever it is.
    """
    return at.version.number if at.ref.at is not None else None


def shown(text: str) -> str:
    """Return a line of a comment: what is not seen is written as its number.

    >>> shown("a\\u2028b")
    'a\\\\u2028b'
    """
    return "".join(char if char == " " or char.isprintable() else _number(char) for char in text)


def _number(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
