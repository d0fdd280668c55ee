"""Values of assertions that depend on the case: any text in them may be a template."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from promptctl.assertions.outcome import Ungraded
from promptctl.errors import Place, RenderError
from promptctl.prompts.engines import Engine, Scope
from promptctl.prompts.prompt import Prompt
from promptctl.templates.bad_template import BadTemplate
from promptctl.templates.limits import Budget, RenderLimits
from promptctl.templates.reading import has_markup, includes, variables

# An engine belongs to a prompt; a value's has no inputs declared and no partials.
_NO_PROMPT = Prompt(id="value", path="value", digest="", name="value", messages=())
_MARKS = ("{{", "{%", "{#")
# `{{ expected.label }}` and its like, which most templated values are: read without a template engine.
_PATH = re.compile(
    r"\{\{[-+]?\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\d{1,9}\]|\[\"[^\"\\{}]*\"\]|\['[^'\\{}]*'\])*)\s*[-+]?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[[\"']([^\"']*)[\"']\]")
# A template that asks whether a variable is there can do without it.
_ASKS = re.compile(r"\bdefined\b|\bdefault\b|\|\s*d\b")

Context = Mapping[str, Any]
Render = Callable[[Context], Any]


class InvalidTemplate(ValueError):
    """A text that is no template; the message says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: constant, or rendered for each case.

    `typed` gives it with the type of a lone expression (`"{{ expected.count }}"` gives a number), `text` as text.
    `names` are the variables that it cannot do without.
    """

    constant: Any = None
    typed: Render | None = None
    text: Render | None = None
    names: frozenset[str] = frozenset()

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every case."""
        return self.typed is None

    def for_case(self, context: Context, *, as_text: bool) -> Any:
        """The value for a case whose names are `context`. Raises `Ungraded` where the template fails."""
        render = self.text if as_text and self.text is not None else self.typed
        if render is None:
            return self.constant
        try:
            return render(context)
        except RenderError as error:
            raise Ungraded(f"`value` cannot be rendered: {error.message}") from error


def compile_value(written: Any) -> Value:
    """A value ready to be given for any case; texts within lists and mappings are templates too.

    Raises `InvalidTemplate`.
    """
    if isinstance(written, str):
        return _compile_text(written)
    if isinstance(written, list):
        items = [compile_value(item) for item in written]
        if all(item.is_constant for item in items):
            return Value(written)
        return Value(typed=lambda context: [_typed(item, context) for item in items], names=_names(items))
    if isinstance(written, Mapping):
        members = {key: compile_value(item) for key, item in written.items()}
        if all(member.is_constant for member in members.values()):
            return Value(written)
        return Value(
            typed=lambda context: {key: _typed(member, context) for key, member in members.items()},
            names=_names(list(members.values())),
        )
    return Value(written)


def _typed(value: Value, context: Context) -> Any:
    return value.constant if value.typed is None else value.typed(context)


def _names(values: list[Value]) -> frozenset[str]:
    return frozenset().union(*(value.names for value in values))


def _compile_text(text: str) -> Value:
    if not has_markup(text):
        return Value(text)
    names, render = _template(text)
    lone = _lone_expression(text)
    if lone is None:
        return Value(typed=render, text=render, names=names)
    path = _PATH.fullmatch(text.strip())
    typed = _walk(path.group(1), path.group(2)) if path else _as_json(lone)
    # The line ends around a lone expression are YAML's, not the author's.
    text_render = _template(text.strip())[1]
    return Value(typed=typed, text=text_render, names=names)


def _lone_expression(text: str) -> str | None:
    """What stands between the braces where the text is one expression and nothing else."""
    stripped = text.strip()
    inner = stripped[2:-2]
    is_lone = stripped.startswith("{{") and stripped.endswith("}}") and not any(m in inner for m in (*_MARKS, "}}"))
    return inner.strip().removeprefix("-").removesuffix("-").strip() if is_lone else None


def _walk(root: str, rest: str) -> Render:
    steps = [int(index) if index else name or key for name, index, key in _STEP.findall(rest)]

    def walk(context: Context) -> Any:
        node: Any = context
        path = ""
        for step in (root, *steps):
            path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".lstrip(".")
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                raise Ungraded(f"`value` cannot be rendered: there is no {path} in this case") from None
        return node

    return walk


def _as_json(expression: str) -> Render:
    """The expression's value with its type, carried through the template engine as JSON."""
    render = _template("{{ (" + expression + ") | tojson }}")[1]
    return lambda context: json.loads(render(context))


@lru_cache(maxsize=1024)
def _template(text: str) -> tuple[frozenset[str], Render]:
    """The variables that a template cannot do without, and what renders it. Raises `InvalidTemplate`."""
    try:
        if includes(text):
            raise InvalidTemplate("it includes another file, which a value cannot")
        named = frozenset(variables(text))
        fill = Engine(_NO_PROMPT).ready(text, lambda line: Place("", line))
    except BadTemplate as error:
        raise InvalidTemplate(_with_line(error.message, error.line)) from error
    except RenderError as error:
        raise InvalidTemplate(_with_line(error.message, error.place.line if error.place else None)) from error
    names = frozenset() if _ASKS.search(text) else named

    def render(context: Context) -> str:
        missing = sorted(name for name in names if name not in context)
        if missing:
            raise Ungraded(f"`value` cannot be rendered: there is no {missing[0]} in this case")
        chars = sum(len(value) for value in context.values() if isinstance(value, str))
        return fill(Scope(context, Budget(RenderLimits(), input_chars=chars)))

    return names, render


def _with_line(message: str, line: int | None) -> str:
    return message if line is None or line == 1 else f"{message} (line {line})"
