"""Jinja's filters and Python's methods put on the account of a render."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from jinja2.utils import pass_context

from promptctl.templates.limits import NUMBER, SLOT, TEXT, Budget
from promptctl.templates.sizes import Size
from promptctl.templates.values import RenderContext, checked_integer, fault

# Called with the render's context, the value, and the arguments of the template.
Operation = Callable[..., Any]
# What becomes of a value before the function sees it, and of the result before the template does.
Step = Callable[[Budget, Any], Any]


_MANY = 4096


def charged(budget: Budget, made: Any) -> Any:
    """Return the result, charged by itself: what a list holds was there before."""
    if isinstance(made, str):
        budget.reserve(TEXT + len(made) * budget.unit, "the template")
    elif isinstance(made, (list, tuple)):
        budget.charge(TEXT + SLOT * len(made))
    elif isinstance(made, int):
        budget.charge(NUMBER)
        checked_integer(made)
    budget.tick()
    return made


def timed(budget: Budget, made: Any) -> Any:
    """Return a result that was there before, or that the function has charged."""
    budget.tick()
    return made


def listed(budget: Budget, made: Any) -> Any:
    """Return the result as a list, never a generator, charged by itself."""
    return charged(budget, list(made))


def weighed(budget: Budget, made: Any) -> Any:
    """Return the result as a list, charged with all that it holds."""
    items = list(made)
    budget.weigh(items)
    return timed(budget, items)


def _parts(budget: Budget, values: Any) -> Iterator[Any]:
    items = list(values) if isinstance(values, dict) else values
    for start in range(0, len(items), _MANY):
        budget.tick()
        yield items[start : start + _MANY]


def bounded(
    name: str,
    function: Callable[..., Any],
    *,
    read: Step | None = None,
    size: Size | None = None,
    result: Step | None = charged,
    is_watched: bool = False,
) -> Operation:
    """Return the function as an operation of a template: the value read, the result charged and within its bounds.

    A watched function goes through a list once, and is stopped on its way if it takes too long. Errors name the
    operation and no value.
    """
    # Jinja wraps functions that have an asynchronous twin, and marks those that ask for the context or environment.
    function = getattr(function, "__wrapped__", function)
    asked = getattr(getattr(function, "jinja_pass_arg", None), "name", None)

    def call(context: RenderContext, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget = context.budget
        if read is not None:
            value = read(budget, value)
        try:
            if size is not None and (amount := size(budget, value, *args, **kwargs)):
                budget.reserve(amount, f"`{name}`")
            if is_watched and len(value) > _MANY:
                value = chain.from_iterable(_parts(budget, value))
            if asked is None:
                made = function(value, *args, **kwargs)
            else:
                made = function(context if asked == "context" else context.environment, value, *args, **kwargs)
            return made if result is None else result(budget, made)
        except (TypeError, ValueError) as error:
            raise fault(f"`{name}` {_misuse(error)}") from None

    return pass_context(call)


def _misuse(error: TypeError | ValueError) -> str:
    """Return the words of Python's error without the function's name and without any value."""
    message = str(error)
    if " not supported between " in message:
        return "compares items of different kinds, or mappings, which cannot be sorted; name an `attribute`"
    if message.endswith((" in list", " in tuple")):
        return "found no such item in the list"
    words = message.partition("'")[0] if isinstance(error, ValueError) else message.rpartition("() ")[2]
    return f"cannot do this: {words}"
