"""What can be known of a template without rendering it: its includes, its variables, whether it is well formed.

Jinja2 is imported by the functions that need it, so that text with no template in it costs nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from promptctl.templates.bad_template import BadTemplate

if TYPE_CHECKING:
    from promptctl.templates.environment import PromptEnvironment

# Tags that name another template. Text without any of them has no includes, and needs no parser to know it.
_NAMES_A_TEMPLATE = re.compile(r"\{%[-+]?\s*(?:include|extends|import|from|block)\b")

# What to do where braces were meant as text.
BRACES_HINT = (
    "braces that are text go between {% raw %} and {% endraw %}; "
    "`template: simple` fills in {{name}} alone, `template: none` nothing"
)


def has_markup(text: str) -> bool:
    """Whether there is anything in the text for a template engine to do."""
    return "{{" in text or "{%" in text or "{#" in text


def includes(text: str) -> list[tuple[str, int]]:
    """The names this template includes, as written, each with its line; in reading order, repeats kept.

    Raises `BadTemplate` where the text does not parse, and where a template is named by anything but a literal
    (or by `extends`, `import`, `from`, `block`): what a prompt consists of must be known without running it.

    >>> includes('Be kind.' + chr(10) + '{% include "support/tone.j2" %}')
    [('support/tone.j2', 2)]
    """
    if not _NAMES_A_TEMPLATE.search(text):
        return []
    from jinja2 import nodes

    found = [
        (str(node.template.value), node.lineno)
        for node in _environment().parse_text(text).find_all(nodes.Include)
        if isinstance(node.template, nodes.Const)
    ]
    return sorted(found, key=lambda include: include[1])


def variables(text: str) -> set[str]:
    """The variables this template reads and does not set itself: roots only (`user.name` gives `user`).

    Includes are not followed. Raises `BadTemplate`.

    >>> sorted(variables("{% set who = user.name %}{{ who }} asks about {{ topic }}"))
    ['topic', 'user']
    """
    if not has_markup(text):
        return set()
    from jinja2.meta import find_undeclared_variables

    return find_undeclared_variables(_environment().guarded(text))


def assigned(text: str) -> set[str]:
    """The variables this template sets for what follows in it, its includes among them: `set`, `for`, `with`, `macro`.

    Raises `BadTemplate`.
    """
    if "{%" not in text:
        return set()
    from jinja2 import nodes

    tree = _environment().parse_text(text)
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}
    return names | {node.name for node in tree.find_all(nodes.Macro)}


def check_syntax(text: str) -> tuple[str, int] | None:
    """What is wrong with this template and in which of its lines; None where it can be rendered."""
    if not has_markup(text):
        return None
    try:
        _environment().compile_text(text)
    except BadTemplate as error:
        return error.message, error.line
    return None


def _environment() -> PromptEnvironment:
    from promptctl.templates.environment import PromptEnvironment

    return PromptEnvironment()
