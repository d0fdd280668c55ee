"""Values of a template: how they become text, and how they are named in errors.

A template handles text, numbers, true and false, null, lists and mappings, and nothing else of Python. No error
shows a value, only its kind: inputs may be secret.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateRuntimeError, Undefined
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.utils import Namespace

from promptctl.templates.limits import MAX_INTEGER_BITS, TEXT, Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

# The budget travels among a render's variables, under a name that no template can write.
BUDGET = " budget"

MAX_INDENT = 16


class RenderContext(Context):
    """Jinja's context, with the budget of the render it belongs to."""

    def __init__(
        self,
        environment: Any,
        parent: dict[str, Any],
        name: str | None,
        blocks: dict[str, Any],
        globals: Any = None,  # noqa: A002
    ) -> None:
        super().__init__(environment, parent, name, blocks, globals)
        self.budget: Budget = parent[BUDGET]


class Bound:
    """A function or method that a template may call: through `PromptEnvironment.call` alone, never by itself."""

    __slots__ = ("function", "name", "target")

    def __init__(self, name: str, function: Any, target: Any = None) -> None:
        self.name = name
        self.function = function
        self.target = target


def fault(message: str) -> TemplateRuntimeError:
    """An error of the template's author."""
    return TemplateRuntimeError(message)


def kind(value: Any) -> str:
    """What a value is, with its article, for an error's text."""
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return "not a value that a template can use"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "text"),
    (bool, "true or false"),
    ((int, float, complex), "a number"),
    (type(None), "null"),
    ((list, tuple, range), "a list"),
    (dict, "a mapping"),
    (Undefined, "undefined"),
    (Bound, "a function"),
    (Macro, "a macro"),
    (LoopContext, "the loop itself"),
    (Namespace, "a namespace"),
)


def to_text(budget: Budget, value: Any, label: str = "this") -> str:
    """A value as it stands in a prompt: `true`, not Python's `True`; a list or mapping as JSON; null is refused.

    Jinja's own `Undefined` is what an inline `if` without `else` gives, and has no text: `{{ "," if not loop.last }}`.
    `label` is the expression the value came from. The text is not charged, unless it had to be made from a list.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(checked_integer(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise fault(f"`{label}` is infinite or not a number")
        return repr(value)
    if isinstance(value, (list, tuple, dict, range)):
        return to_json(budget, value)
    if type(value) is Undefined:
        return ""
    if isinstance(value, Undefined):
        fail_undefined(value, label)
    if value is None:
        raise fault(f"`{label}` is null, which has no text: write `{label} | default('…', true)`, or test it with `if`")
    remedy = "; call it with ()" if isinstance(value, (Bound, Macro)) else ""
    raise fault(f"`{label}` is {kind(value)}, which has no text{remedy}")


def fail_undefined(value: Undefined, label: str) -> NoReturn:
    """Raise the error of using an undefined value, naming the expression where the value alone does not tell."""
    if value._undefined_name != label and not value._undefined_hint:
        value._undefined_hint = f"`{label}` is not defined: {value._undefined_message}"
    value._fail_with_undefined_error()


def to_json(budget: Budget, value: Any, indent: int | None = None) -> str:
    """JSON as people read it: letters as they are, keys in their order. The text is charged."""
    if indent is not None:
        if not isinstance(indent, int) or not 0 <= indent <= MAX_INDENT:
            raise fault(f"`indent` of tojson is a number from 0 to {MAX_INDENT}")
        budget.reserve(_indentation(budget, value, indent), "tojson")
    budget.weigh(value)
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False, default=_json_of)
    except ValueError:
        raise fault("a number that is infinite or not a number has no JSON") from None
    budget.tick()
    return budget.charge_text(text)


def _json_of(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Undefined):
        fail_undefined(value, "an item of the list")
    raise fault(f"there is no JSON of this: it is {kind(value)}")


def _indentation(budget: Budget, value: Any, indent: int) -> int:
    """The white space that indented JSON of this value holds, in bytes: depth times width for each item."""
    total = 0
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, dict):
            item = list(item.values())
        if isinstance(item, (list, tuple, range)):
            total += (len(item) + 1) * (1 + depth * indent) * budget.unit + TEXT
            if total > budget.max_value:
                return total
            stack.extend((child, depth + 1) for child in item)
    return total


def checked_integer(value: int) -> int:
    """The same whole number, where it is not absurdly long."""
    if value.bit_length() > MAX_INTEGER_BITS:
        raise fault("a whole number has more than a thousand digits")
    return value


def whole(value: Any, name: str, minimum: int = 0, maximum: int = 1_000_000_000) -> int:
    """An argument that has to be a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault(f"`{name}` is a whole number, not {kind(value)}")
    if not minimum <= value <= maximum:
        raise fault(f"`{name}` is a number from {minimum:,} to {maximum:,}")
    return value


def items_of(value: Any, label: str = "this") -> Sequence[Any]:
    """The items of a list, the keys of a mapping or the characters of a text; anything else is refused."""
    if isinstance(value, (list, tuple, str, range)):
        return value
    if isinstance(value, dict):
        return list(value)
    if type(value) is Undefined:
        return ()
    if isinstance(value, Undefined):
        fail_undefined(value, label)
    raise fault(f"`{label}` is {kind(value)}, not a list")
