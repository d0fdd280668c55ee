"""Templates of prompts: read, checked, and rendered in a sandbox on a budget."""

from __future__ import annotations

_BRACES_HINT = (
    "braces that are text go between {% raw %} and {% endraw %}; "
    "`template: simple` fills in {{name}} alone, `template: none` nothing"
)


class BadTemplate(ValueError):
    """Error of a template that cannot be used. `line` counts from 1 in the text of the template of that name.

    `hint` is what to do; how braces are written, if nothing better is known.
    """

    def __init__(self, message: str, line: int = 1, name: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.name = name
        self.hint = hint or _BRACES_HINT
