"""What a failed template's exception says to its author: which line, and what, without any value in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import TemplateError, TemplateNotFound

if TYPE_CHECKING:
    from jinja2 import Template

_MAX_MESSAGE = 400


def line_of(error: BaseException) -> tuple[Template | None, int]:
    """The innermost template that the error went through, and its line there."""
    template: Template | None = None
    line = 1
    trace = error.__traceback__
    while trace is not None:
        found = trace.tb_frame.f_globals.get("__jinja_template__")
        if found is not None:
            template, line = found, found.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return template, line


def told(error: Exception) -> str:
    """The error in words. Raises it again where it is none that a template can cause."""
    if isinstance(error, TemplateNotFound):
        return f"there is no partial `{error.name}`"
    if isinstance(error, TemplateError):
        text = error.message or "the template failed"
    elif isinstance(error, ZeroDivisionError):
        text = "division by zero"
    elif isinstance(error, OverflowError):
        text = "a number is too large"
    elif isinstance(error, (TypeError, ValueError, AttributeError)):
        text = f"the template does what its values do not allow: {error}"
    elif isinstance(error, LookupError):
        text = "the template asks for an item that is not there"
    else:
        raise error
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
