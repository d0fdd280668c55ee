"""Events of a template: what it prints, in reading order, and what it does with each variable; nothing is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# A variable of the template and the steps below it: `user.name` is ("user", "name").
Path = tuple[str, ...]
# The step to any item of a list, and to any value of a mapping whose keys are not known.
ITEM, VALUE = "[]", "{}"

Act = Literal[
    "print",  # it becomes text: any scalar, and a list or mapping as JSON
    "text",  # an operation of text: `upper`, `.split()`, compared with a text in order
    "number",  # arithmetic, compared with a number in order, `round`
    "integer",  # `range(x)`, `x is odd`, a place in a list
    "added",  # one side of `+` or of an order whose other side says nothing
    "ordered",  # `max` and `min`, of numbers and of texts
    "list",  # looped over, `join`, `map`
    "mapping",  # `x.items()`, `dictsort`
    "sized",  # `length`, `first`, `[0]`, `… in x`: of a list, a text or a mapping
    "truth",  # `{% if x %}`
    "defined",  # `x is defined`
    "null",  # `x is none`
    "default",  # `x | default(…)`; `values` holds the default if it is a literal
    "equal",  # compared with the literals in `values`
    "is",  # asked for its type, named in `values`
    "messages",  # a placeholder's list of messages
    "when",  # a part of a message is left out if it is empty or not given
    "needed",  # it has to be there, whatever it is: `tojson`, compared with another variable
    "value",  # anything else: put into a list, passed on
]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of the template: of one value, of several conditions, or of something else, known by its `text` alone.

    `equal` is true if the value is one of `values`, with `is` as its `text` if it is that very one, as in `x is
    true`, which 1 is not; `order` if it is `lt`, `lteq`, `gt` or `gteq`, its `text`, to the number in `values`; a
    `constant` is true or false by its one value. If it `is_of_either`, a different value may stand in the place of
    that at `path`: `(x or "a") == "b"`.
    """

    kind: Literal["defined", "true", "equal", "order", "not", "and", "or", "constant", "other"]
    path: Path = ()
    values: tuple[Any, ...] = ()
    parts: tuple[Condition, ...] = ()
    text: str = ""
    is_of_either: bool = False

    def negated(self) -> Condition:
        """Return the condition that is true where this one is false."""
        if self.kind == "not":
            return self.parts[0]
        if self.kind in ("and", "or"):
            kind: Literal["and", "or"] = "or" if self.kind == "and" else "and"
            return Condition(kind, parts=tuple(part.negated() for part in self.parts))
        if self.kind == "constant":
            return Condition("constant", values=(not self.values[0],))
        return Condition("not", parts=(self,))

    def all_of(self) -> Iterator[Condition]:
        """Yield the conditions that all hold where this one holds."""
        if self.kind == "and":
            for part in self.parts:
                yield from part.all_of()
        else:
            yield self


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of an expression's value. `path` says which variable, or part of one, it is; () if it is computed.

    `sources` are the variables whose text is in it. `items` is any item of a computed list, `parts` are the places of
    a computed pair. It is used only where `holds` hold: `x | default("")` is `x` where `x` is defined. If it
    `is_either`, a different value may stand in the place of that at `path`.
    """

    path: Path = ()
    sources: tuple[Path, ...] = ()
    type: str = ""
    items: Origin | None = None
    parts: tuple[Origin, ...] = ()
    holds: tuple[Condition, ...] = ()
    is_either: bool = False

    def at(self, step: str) -> Origin:
        """Return the origin of an item or entry of this value."""
        if self.path:
            path = (*self.path, step)
            return Origin(path, (path,), holds=self.holds, is_either=self.is_either)
        if step == ITEM and self.items is not None:
            return self.items
        return Origin(sources=self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """`line` counts from 1 in the template's text. `holds` are the tests under which the template gets there."""

    line: int
    holds: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(_Event):
    """Literal text. It `is_repeated` within a loop."""

    text: str
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed(_Event):
    """A printed expression, with the variables whose text it prints; `filters` are those it goes through, in order."""

    sources: tuple[Path, ...]
    filters: tuple[str, ...] = ()
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(_Event):
    """One thing that the template does with a variable or a part of it."""

    path: Path
    act: Act
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(_Event):
    """An `if`, `elif`, `else` or inline `if`: taken where `holds` and `condition` hold.

    `holds` has the denials of the branches above it. An `else` has the constant true as its condition.
    """

    condition: Condition
    kind: Literal["if", "elif", "else", "inline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Include(_Event):
    """An include, with the variables that the template has set before it."""

    reference: str
    bindings: Mapping[str, Origin] = field(default_factory=dict)
    is_repeated: bool = False


Event = Text | Printed | Use | Branch | Include
