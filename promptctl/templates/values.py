"""Values of a template, undefined ones too: how they become text, and how they are named in errors.

A template handles text, numbers, true and false, null, lists and mappings, and nothing else of Python. No error
shows a value, only its kind: inputs may be secret.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.utils import Namespace, missing

from promptctl.files.names import did_you_mean
from promptctl.files.wording import clip
from promptctl.templates.limits import MAX_INTEGER_BITS, SLOT, TEXT, Budget

# The budget travels among a render's variables, under a name that no template can write.
BUDGET = " budget"

MAX_INDENT = 16


class RenderContext(Context):
    """Jinja's context, with the budget of the render it belongs to."""

    def __init__(self, environment: Any, parent: Any, name: Any, blocks: Any, globals: Any = None) -> None:  # noqa: A002
        super().__init__(environment, parent, name, blocks, globals)
        self.budget: Budget = parent[BUDGET]


@dataclass(slots=True, eq=False)
class Bound:
    """Function or method that a template may call: through `PromptEnvironment.call` alone, never by itself."""

    function: Callable[..., Any]
    target: Any = None


def fault(message: str) -> TemplateRuntimeError:
    """Return an error of the template's author."""
    return TemplateRuntimeError(message)


def kind(value: Any) -> str:
    """Return the kind of a value with its article, for an error's text."""
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
    """Return a value as a prompt prints it: `true`, not Python's `True`; a list or mapping as JSON; null is refused.

    Jinja's own `Undefined` is the value of an inline `if` without `else`, and prints nothing:
    `{{ "," if not loop.last }}`. `label` is the expression the value came from. The text is charged only if it had to
    be made from a list or mapping.
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


def fail_undefined(value: Undefined, label: str | None = None) -> NoReturn:
    """Raise the error of using an undefined value; name the expression if the value alone does not say it."""
    if label and value._undefined_name != label and not value._undefined_hint:
        value._undefined_hint = f"`{label}` is not defined: {value._undefined_message}"
    value._fail_with_undefined_error()


def to_json(budget: Budget, value: Any, indent: int | None = None) -> str:
    """Return JSON as people read it: letters as they are, keys in their order. The text is charged."""
    if isinstance(value, Undefined):
        fail_undefined(value)
    if indent is not None:
        whole(indent, "indent", 0, MAX_INDENT)
    budget.weigh(value)
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent, default=_json_of)
    try:
        # White space grows with the depth: indented JSON is made piece by piece.
        text = budget.join([encoder.encode(value)] if indent is None else encoder.iterencode(value), "`tojson`")
    except ValueError:
        raise fault("a number that is infinite or not a number has no JSON") from None
    budget.tick()
    return text


def _json_of(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Undefined):
        fail_undefined(value, "an item of the list")
    raise fault(f"there is no JSON of this: it is {kind(value)}")


def checked_integer(value: int) -> int:
    """Return the same whole number, unless it is absurdly long."""
    if value.bit_length() > MAX_INTEGER_BITS:
        raise fault("a whole number has more than a thousand digits")
    return value


def whole(value: Any, name: str, minimum: int = 0, maximum: int = 1_000_000_000) -> int:
    """Return an argument that has to be a whole number within bounds."""
    if isinstance(value, Undefined):
        fail_undefined(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault(f"`{name}` is a whole number, not {kind(value)}")
    if not minimum <= value <= maximum:
        raise fault(f"`{name}` is a number from {minimum:,} to {maximum:,}")
    return value


class Unfit(TypeError):
    """Value that an operation does not take; the text is the end of a sentence that begins with its name."""


def number(_: Budget, value: Any) -> Any:
    """Return the value if it is a number."""
    return _one_of((int, float), value, "a number")


def mapping(_: Budget, value: Any) -> Any:
    """Return the value if it is a mapping."""
    return _one_of(dict, value, "a mapping")


def items_of(_: Budget, value: Any, label: str | None = None) -> Collection[Any]:
    """Return the value if it has items: those of a list, keys of a mapping, characters of a text. Refuse all others."""
    return () if type(value) is Undefined else _one_of((list, tuple, str, dict, range), value, "a list", label)


def listable(budget: Budget, value: Any) -> Collection[Any]:
    """Return the value if it has items, charged for those that a list of them makes anew."""
    if isinstance(value, (str, range)):
        budget.reserve(len(value) * (TEXT + SLOT), "the list")
    return items_of(budget, value)


def _one_of(types: type | tuple[type, ...], value: Any, wanted: str, label: str | None = None) -> Any:
    if isinstance(value, types):
        return value
    if isinstance(value, Undefined):
        fail_undefined(value, label)
    if label is None:
        raise Unfit(f"needs {wanted}, and this is {kind(value)}")
    raise fault(f"`{label}` is {kind(value)}, not {wanted}")


# Jinja's words, and ours.
_EMPTY = {
    "No first item, sequence was empty.": "`first`: the list is empty, so it has no first item",
    "No last item, sequence was empty.": "`last`: the list is empty, so it has no last item",
    "No aggregated item, sequence was empty.": "`max` and `min`: the list is empty, so no item is largest or smallest",
}


class _PromptUndefined(StrictUndefined):
    """Variable or item that is not there; its message names it, and what there is instead."""

    __slots__ = ()
    inputs: Mapping[str, bool] = {}

    @property
    def _undefined_message(self) -> str:
        name: Any = self._undefined_name
        if self._undefined_hint:
            return _EMPTY.get(self._undefined_hint, self._undefined_hint)
        if self._undefined_obj is missing:
            return self._message_of_variable(str(name))
        if isinstance(self._undefined_obj, dict):
            keys = [key for key in self._undefined_obj if isinstance(key, str)]
            return f"the mapping has no `{_cut(name)}`; it has {_listed(keys)}{meant(_cut(name), keys)}"
        if isinstance(name, int) and isinstance(self._undefined_obj, (list, tuple, str)):
            return f"there is no item {name}: it has {len(self._undefined_obj)}"
        return f"{kind(self._undefined_obj)} has no `{_cut(name)}` that a template can use"

    def _message_of_variable(self, name: str) -> str:
        is_required = self.inputs.get(name)
        if is_required is not None:
            return (
                f"`{name}` was not given; as it is optional, write `{name} | default('…')` or test `{name} is defined`"
            )
        known = f"the inputs are {_listed(list(self.inputs))}" if self.inputs else "the prompt declares no inputs"
        return f"`{name}` is not defined; {known}{meant(name, self.inputs)}"


def undefined_of(inputs: Mapping[str, bool]) -> type[Undefined]:
    """Return the class of undefined values for a prompt with these inputs."""
    return type("PromptUndefined", (_PromptUndefined,), {"__slots__": (), "inputs": dict(inputs)})


def _cut(name: Any) -> str:
    # Only text and numbers: what else there is may take forever to print.
    return clip(str(name) if isinstance(name, (str, int)) else kind(name), 40)


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{_cut(name)}`" for name in names[:12])
    return (shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")) or "none"


def meant(name: str, names: Iterable[str]) -> str:
    """Return the end of an error that says which of the names was meant; empty if none is near."""
    question = did_you_mean(name, names)
    return f"; {question}" if question else ""
