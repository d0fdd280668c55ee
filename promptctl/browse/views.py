"""A request to the pages, and its answer as data for a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from promptctl import parse_moment
from promptctl.errors import PromptctlError, UsageError, printable

if TYPE_CHECKING:
    from promptctl.workspace import Workspace

T = TypeVar("T")
_MOST_DIGITS = 10


@dataclass(frozen=True, slots=True)
class PageRequest:
    """An address that was asked for: the workspace it is of, and what stands after its `?`."""

    workspace: Workspace
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def one(self, name: str) -> str | None:
        """Return the last value of a name; None if there is none, or an empty one, as a form sends it."""
        return (self.query.get(name) or [""])[-1].strip() or None

    def needed(self, name: str) -> str:
        """Return the value of a name. Raises `UsageError` without one."""
        if (value := self.one(name)) is None:
            raise UsageError(f"the address lacks `{name}`")
        return value

    def number(self, name: str) -> int:
        """Return the value of a name as a whole number; 0 without one."""
        value = self.one(name) or "0"
        if not (value.isascii() and value.isdigit() and len(value) < _MOST_DIGITS):
            raise UsageError(f"`{name}` is a whole number, not `{printable(value)}`")
        return int(value)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a name that is not empty."""
        return tuple(filter(None, (value.strip() for value in self.query.get(name, ()))))


@dataclass(frozen=True, slots=True)
class View:
    """A page as data: its template below `pages/`, its title, and the values of the template.

    Values may be iterators: a template is written to the browser as it is rendered.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


def with_moments(given: Mapping[str, str]) -> dict[str, Any]:
    """Return values of a form with `since` and `until` read as times of this machine's zone. Raises `UsageError`."""
    return {
        name: parse_moment(value, zone=None) if name in ("since", "until") else value for name, value in given.items()
    }


def check_word(name: str, value: str | None, known: Iterable[str]) -> None:
    """Raise `UsageError` for a value of an address that is none of the known words."""
    if value is not None and value not in (words := list(known)):
        raise UsageError(f"`{printable(value)}` is no {name}", hint=f"it is one of {', '.join(filter(None, words))}")


def tried(read: Callable[[], T], default: T) -> tuple[T, str | None]:
    """Return what can be read, or the default and why it cannot: a page shows what else it has."""
    try:
        return read(), None
    except PromptctlError as error:
        return default, f"{error}{f' ({error.hint})' if error.hint else ''}"


Answer = Callable[[PageRequest], View]
