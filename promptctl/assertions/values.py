"""Values of assertions that depend on the case: any text in them may be a template."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Ungraded
from promptctl.assertions.paths import plain_steps
from promptctl.errors import Place, RenderError
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.rendering import Engine, Scope
from promptctl.templates import BadTemplate
from promptctl.templates.limits import Budget, RenderLimits
from promptctl.templates.reading import has_markup, includes, plain_pieces
from promptctl.templates.uses import variables

# An engine belongs to a prompt; a value's has no inputs declared and no partials.
_NO_PROMPT = Prompt(id="value", path="value", digest="", name="value", messages=())
_LONE = re.compile(r"\{\{[-+]?((?:(?!\{\{|\{%|\{#|\}\}).)*?)[-+]?\}\}", re.DOTALL)
_LIMITS = RenderLimits()
_MARKUP = re.compile(r"\{[{%]")
_TEMPLATE_SHARE = 80
_ROOT = re.compile(r"[A-Za-z_]\w*")
# A template that asks whether a variable is there can do without it.
_ASKS = re.compile(r"\bdefined\b|\bdefault\b|\|\s*d\b")

Context = Mapping[str, Any]


class InvalidTemplate(ValueError):
    """A text that is no template; the message says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: constant, or rendered for each case.

    `render` takes the names of the case, its effort and `as_text`; without it a lone expression keeps its type
    (`"{{ expected.count }}"` renders to a number). `names` are the variables that it cannot do without.
    """

    constant: Any = None
    render: Callable[..., Any] | None = None
    names: frozenset[str] = frozenset()

    def for_case(self, context: Context, effort: Effort, *, as_text: bool) -> Any:
        """Return the value for a case whose names are `context`. Raises `Ungraded` if the template fails."""
        if self.render is None:
            return self.constant
        try:
            return self.render(context, effort, as_text=as_text)
        except RenderError as error:
            effort.tick()
            raise Ungraded(f"`value` cannot be rendered: {error.message}") from error


def compile_value(written: Any) -> Value:
    """Return a value ready for any case; texts within lists and mappings are templates too.

    Raises `InvalidTemplate`.
    """
    if isinstance(written, str) and has_markup(written):
        return _compile_text(written)
    if not isinstance(written, (list, Mapping)):
        return Value(written)
    keys = list(written) if isinstance(written, Mapping) else None
    parts = [compile_value(item) for item in (written.values() if isinstance(written, Mapping) else written)]
    if all(part.render is None for part in parts):
        return Value(written)

    def render(context: Context, effort: Effort, **_as_text: bool) -> Any:
        values = [part.for_case(context, effort, as_text=False) for part in parts]
        return values if keys is None else dict(zip(keys, values, strict=True))

    return Value(render=render, names=frozenset().union(*(part.names for part in parts)))


def codes(written: Any) -> Iterator[str]:
    """Yield each text of a value that has to be compiled."""
    if isinstance(written, str):
        if has_markup(written) and plain_pieces(written) is None:
            yield written
    elif isinstance(written, (list, Mapping)):
        for item in written.values() if isinstance(written, Mapping) else written:
            yield from codes(item)


def code_size(text: str) -> int:
    """Return how much there is to compile in a text: its characters within markup, and a share for each template."""
    pieces = _MARKUP.split(text)[1:]
    return _TEMPLATE_SHARE + sum(piece.find("}") + 1 or len(piece) for piece in pieces)


def _compile_text(text: str) -> Value:
    lone = _LONE.fullmatch(text.strip())
    if lone is None:
        names, fill = _template(text)
        return Value(render=lambda context, effort, **_: fill(context, effort), names=names)
    # The line ends around a lone expression are YAML's, not the author's.
    names, fill = _template(text.strip())
    typed = _typed(lone[1].strip())
    return Value(
        render=lambda context, effort, as_text: (fill if as_text else typed)(context, effort),
        names=names,
    )


def _typed(expression: str) -> Callable[[Context, Effort], Any]:
    """Return what gives an expression's value with its type, carried through the template engine as JSON.

    `expected.label` and its like, which most of them are, need no engine.
    """
    root = _ROOT.match(expression)
    steps = None if root is None else plain_steps("$" + expression[root.end() :])
    if root is None or steps is None:
        render = _template("{{ (" + expression + ") | tojson }}")[1]
        return lambda context, effort: json.loads(render(context, effort))
    name = root[0]

    def walk(context: Context, _: Effort) -> Any:
        node: Any = context
        path = ""
        for step in (name, *steps):
            path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".lstrip(".")
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                raise Ungraded(f"`value` cannot be rendered: there is no {path} in this case") from None
        return node

    return walk


@lru_cache(maxsize=1024)
def _template(text: str) -> tuple[frozenset[str], Callable[[Context, Effort], str]]:
    """Return the variables that a template cannot do without, and what renders it. Raises `InvalidTemplate`."""
    try:
        if includes(text):
            raise InvalidTemplate("it includes another file, which a value cannot")
        named = frozenset(variables(text))
        fill = Engine(_NO_PROMPT).ready(text, lambda line: Place("", line))
    except (BadTemplate, RenderError) as error:
        line = error.line if isinstance(error, BadTemplate) else error.place.line if error.place else None
        where = "" if line is None or line == 1 else f" (line {line})"
        raise InvalidTemplate(error.message + where) from error
    names = frozenset() if _ASKS.search(text) else named

    def render(context: Context, effort: Effort) -> str:
        missing = sorted(name for name in names if name not in context)
        if missing:
            raise Ungraded(f"`value` cannot be rendered: there is no {missing[0]} in this case")
        chars = sum(len(value) for value in context.values() if isinstance(value, str))
        effort.tick()
        limits = replace(_LIMITS, time_s=min(_LIMITS.time_s, effort.left_s))
        return fill(Scope(context, Budget(limits, input_chars=chars)))

    return names, render
