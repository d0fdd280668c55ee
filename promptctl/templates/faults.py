"""Errors of a failed template in words for its author: the line and the cause, without any value."""

from __future__ import annotations

from traceback import walk_tb

from jinja2 import Template, TemplateError, TemplateNotFound

from promptctl.errors import RenderLimitExceeded
from promptctl.files.wording import clip

_MAX_MESSAGE = 400

_WORDS: dict[type[Exception] | tuple[type[Exception], ...], str] = {
    RenderLimitExceeded: "{error.message}",
    TemplateNotFound: "there is no partial `{error.name}`",
    TemplateError: "{error.message}",
    RecursionError: "the template is nested too deeply",
    MemoryError: "the template needs more memory than there is",
    ZeroDivisionError: "division by zero",
    OverflowError: "a number is too large",
    LookupError: "the template asks for an item that is not there",
    (TypeError, ValueError, AttributeError): "the template does what its values do not allow: {error}",
}


def line_of(error: BaseException) -> tuple[Template | None, int]:
    """Return the innermost template that the error went through, and its line there."""
    template: Template | None = None
    number = 1
    for frame, line in walk_tb(error.__traceback__):
        found = frame.f_globals.get("__jinja_template__")
        if found is not None:
            template, number = found, found.get_corresponding_lineno(line)
    return template, number


def in_words(error: Exception) -> str:
    """Return the error in words. Raises it again if a template cannot cause it."""
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return clip(words.format(error=error).replace(": do_", ": "), _MAX_MESSAGE)  # as Jinja names its filters
    raise error
