"""Nodes of a Handlebars template: text, comments, tags that print, partials, blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from promptctl.errors import Place

TagFate = Literal["kept", "changed", "dropped"]


@dataclass(frozen=True, slots=True)
class PathNode:
    """A path: `depth` counts its `../`, `is_data` is its `@`, `is_scoped` a leading `this` or `.`."""

    keys: tuple[str, ...]
    depth: int = 0
    is_data: bool = False
    is_scoped: bool = False
    text: str = ""

    @property
    def is_bare(self) -> bool:
        """True for a plain name, which may be a helper's."""
        return len(self.keys) == 1 and not (self.depth or self.is_data or self.is_scoped)


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, number, true, false or null within a tag."""

    value: Any


@dataclass(frozen=True, slots=True)
class TagCall:
    """A tag: a path or a helper, what it is given in order, and by name. `text` is as it is written."""

    head: PathNode | Constant
    arguments: tuple[PathNode | Constant, ...]
    options: Mapping[str, PathNode | Constant]
    text: str
    place: Place


class TagNote(NamedTuple):
    """The fate of a part of a template: kept, changed or dropped, and how."""

    fate: TagFate
    part: str
    message: str
    place: Place


@dataclass(slots=True)
class PlainText:
    """Text between tags. `value` is what white space control leaves of the `original`."""

    original: str
    place: Place
    value: str = ""
    is_left_stripped: bool = False
    is_right_stripped: bool = False

    def __post_init__(self) -> None:
        self.value = self.original


@dataclass(slots=True)
class Comment:
    """A comment."""

    text: str
    place: Place
    strips: tuple[bool, bool]


@dataclass(slots=True)
class Print:
    """A tag that prints: `{{name}}`, `{{helper argument}}`."""

    call: TagCall
    strips: tuple[bool, bool]


@dataclass(slots=True)
class Partial:
    """A tag that puts a partial in its place; alone on its line, `indent` is what each line of it begins with."""

    call: TagCall
    strips: tuple[bool, bool]
    indent: str = ""


@dataclass(slots=True)
class Block:
    """A block: `{{#if x}}…{{else}}…{{/if}}`; `names` are those of `as |item index|`.

    `is_chained`: it was opened by `{{else if x}}` and ends with the block around it. Each pair of strips is of the `~`
    before and after a tag.
    """

    call: TagCall
    names: tuple[str, ...]
    opened: tuple[bool, bool]
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None
    turned: tuple[bool, bool] = (False, False)
    closed: tuple[bool, bool] = (False, False)
    is_chained: bool = False


Node = PlainText | Comment | Print | Partial | Block
