"""Templates of prompts: read, checked, and rendered in a sandbox on a budget."""

from __future__ import annotations


class BadTemplate(ValueError):
    """Error of a template that cannot be used. `line` counts from 1 in the text of the template of that name.

    `hint` is what to do if it is known.
    """

    def __init__(self, message: str, line: int = 1, name: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.name = name
        self.hint = hint
