"""Variables and items that are not there, and what there is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, Undefined
from jinja2.utils import missing

from promptctl.files.names import did_you_mean
from promptctl.templates.values import kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_NAME = 120


class _PromptUndefined(StrictUndefined):
    """Variable or item that is not there; its message names it, and what there is instead."""

    __slots__ = ()
    inputs: Mapping[str, bool] = {}

    @property
    def _undefined_message(self) -> str:
        name: Any = self._undefined_name
        if self._undefined_hint:
            return self._undefined_hint.replace("sequence was empty.", "the list is empty")  # as Jinja's filters say it
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
    text = str(name) if isinstance(name, (str, int)) else kind(name)
    return text if len(text) <= 40 else text[:39] + "…"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{_cut(name)}`" for name in names[:12])
    return (shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")) or "none"


def meant(name: str, names: Iterable[str]) -> str:
    """Return the end of an error that says which of the names was meant; empty if none is near."""
    question = did_you_mean(name, [known for known in names if len(known) <= _MAX_NAME][:200])
    return f"; {question}" if question else ""
