"""What can be known of a template without rendering it: its includes, its variables, whether it is well formed.

Jinja2 is imported by the functions that need it, so that text with no template in it costs nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import nodes

# Tags that name another template. Text without any of them has no includes, and needs no parser to know it.
_NAMES_A_TEMPLATE = re.compile(r"\{%[-+]?\s*(?:include|extends|import|from|block)\b")


class BadTemplate(ValueError):
    """A template that cannot be used. `line` counts from 1 in the template's own text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def includes(text: str) -> list[tuple[str, int]]:
    """The names this template includes, as written, each with its line; in reading order, repeats kept.

    Raises `BadTemplate` where the text does not parse, and where a template is named by anything but a literal
    (or by `extends`, `import`, `from`, `block`): what a prompt consists of must be known without running it.
    """
    if not _NAMES_A_TEMPLATE.search(text):
        return []
    from jinja2 import nodes

    return [(str(node.template.value), node.lineno) for node in _parse(text).find_all(nodes.Include)]  # type: ignore[attr-defined]


def variables(text: str) -> set[str]:
    """The variables this template reads and does not set itself: roots only (`user.name` gives `user`).

    Includes are not followed. Raises `BadTemplate`.
    """
    if "{{" not in text and "{%" not in text:
        return set()
    from jinja2 import meta

    return set(meta.find_undeclared_variables(_parse(text)))


def check_syntax(text: str) -> tuple[str, int] | None:
    """What is wrong with this template and in which of its lines; None where it can be compiled."""
    try:
        _parse(text)
    except BadTemplate as error:
        return error.message, error.line
    return None


def _parse(text: str) -> nodes.Template:
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        tree = ImmutableSandboxedEnvironment(optimized=False).parse(text)
    except TemplateSyntaxError as error:
        raise BadTemplate(error.message or "the template does not parse", error.lineno) from None
    except RecursionError:
        raise BadTemplate("the template is nested too deeply", 1) from None
    for node in tree.find_all((nodes.Extends, nodes.Import, nodes.FromImport, nodes.Block, nodes.Include)):
        literal = isinstance(node, nodes.Include) and isinstance(node.template, nodes.Const)
        if not literal or not isinstance(node.template.value, str):  # type: ignore[attr-defined]
            raise BadTemplate("only {% include %} of a literal name can name another template", node.lineno)
    return tree
