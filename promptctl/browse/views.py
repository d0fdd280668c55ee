"""A request to the pages, and its answer as data for a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from promptctl import parse_moment
from promptctl.browse.links import link
from promptctl.errors import PromptctlError, UsageError, printable

if TYPE_CHECKING:
    from promptctl.workspace import Workspace

T = TypeVar("T")
_MOST_DIGITS = 10


class Pager(NamedTuple):
    """The ways from one page of a list to others: addresses, None where there is no such page, and words for each."""

    back: str | None
    on: str | None
    words: tuple[str, str] = ("Newest", "Older")
    said: str = ""


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

    def given(self, *names: str) -> dict[str, str]:
        """Return the values of those names that have one."""
        return {name: value for name in names if (value := self.one(name)) is not None}

    def pager(self, page: str, given: Mapping[str, str], at: str | None) -> Pager:
        """Return the ways from a page of a list that begins `before` something; the next one begins before `at`."""
        back = link(page, **given) if self.one("before") else None
        return Pager(back, link(page, **given, before=at) if at else None)

    def part_of(self, rows: Sequence[T], most: int, page: str, given: Mapping[str, Any]) -> tuple[Sequence[T], Pager]:
        """Return the rows of a list from the `first` on that the address names, and the ways to its other pages."""
        first = min(self.number("first"), max(len(rows) - 1, 0)) // most * most
        shown = rows[first : first + most]

        def address(first: int) -> str:
            return link(page, **given, first=str(first) if first else None)

        return shown, Pager(
            address(first - most) if first else None,
            address(first + most) if first + most < len(rows) else None,
            ("Previous", "Next"),
            f"{first + 1:,} to {first + len(shown):,} of {len(rows):,}",
        )

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


def tried(read: Callable[[], T], default: T) -> tuple[T, PromptctlError | None]:
    """Return what can be read, or the default and why it cannot: a page shows what else it has."""
    try:
        return read(), None
    except PromptctlError as error:
        return default, error


Answer = Callable[[PageRequest], View]
