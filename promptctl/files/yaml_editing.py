"""Edits a YAML file in its text: comments, order and style of everything else stay as they are."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.files.document import Document, Key
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import block_lines, inline, scalar

Keys = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """Puts a value at `keys`: in the place of one, as a mapping's last key, or at a list's length as its last item.

    Mappings that lack on the way are made. With `before`, a new key stands before the first of those that is there.
    """

    keys: Keys
    value: Any
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """Takes away the key or the item at `keys`, with the comments directly above it. It has to be there."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class RemoveItems:
    """Takes away several items of the list at `keys`, with the comments directly above each. One has to stay."""

    keys: Keys
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RenameKey:
    """Gives the key at `keys` a different name."""

    keys: Keys
    name: str


Edit = Set | Remove | RemoveItems | RenameKey


def edit_yaml(data: bytes, path: str, edits: Iterable[Edit]) -> bytes:
    """Return the file with the edits made in its text, one after another.

    Line ends stay. Raises `InvalidFiles` for a file that cannot be read, and `WorkspaceError` for one whose text
    does not allow an edit, or that lacks what is removed or renamed.
    """
    document = read_yaml(data, path)
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    for edit in edits:
        wanted = _edited(document, edit)
        if wanted == document.data:
            continue
        try:
            edited = _Text(text).with_edit(edit)
            document_after = read_yaml(edited.encode(), path)
            if document_after.data != wanted and not text.endswith("\n"):  # a text of lines came last, or does now
                edited = _Text(_Text(text).with_line_end()).with_edit(edit)
                document_after = read_yaml(edited.encode(), path)
        except (InvalidFiles, LookupError, ValueError) as error:
            raise _by_hand(document, edit) from error
        if document_after.data != wanted:
            raise _by_hand(document, edit)
        document, text = document_after, edited
    has_crlf = data.count(b"\r\n") == data.count(b"\n") > 0
    start = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    return start + (text.replace("\n", "\r\n") if has_crlf else text).encode()


def _by_hand(document: Document, edit: Edit) -> WorkspaceError:
    name = ".".join(str(key) for key in edit.keys)
    what = {
        Set: lambda: f"write `{name}: {inline(edit.value)[:200]}` by hand",  # type: ignore[union-attr]
        Remove: lambda: f"take `{name}` out by hand",
        RemoveItems: lambda: f"take {len(edit.places)} items of `{name}` out by hand",  # type: ignore[union-attr]
        RenameKey: lambda: f"rename `{name}` to `{edit.name}` by hand",  # type: ignore[union-attr]
    }
    return WorkspaceError(
        "this file cannot be edited in place", place=document.place(*edit.keys), hint=what[type(edit)]()
    )


def _edited(document: Document, edit: Edit) -> Any:
    """Return the data as it is to be after an edit."""
    data = copy.deepcopy(document.data)
    root = {"": data}
    if isinstance(edit, RemoveItems):
        items = _parent(root, ("", *edit.keys, 0), makes=False)[0]
        items[:] = [item for place, item in enumerate(items) if place not in edit.places]
        return root[""]
    holder, last = _parent(root, ("", *edit.keys), makes=isinstance(edit, Set))
    is_there = last in holder if isinstance(holder, dict) else isinstance(last, int) and 0 <= last < len(holder)
    if isinstance(edit, Set):
        if isinstance(holder, list) and last == len(holder):
            holder.append(edit.value)
        elif isinstance(holder, list) and not is_there:
            raise _by_hand(document, edit)
        else:
            holder[last] = copy.deepcopy(edit.value)
        return root[""]
    if not is_there or (isinstance(edit, RenameKey) and edit.name in holder):
        raise _by_hand(document, edit)
    if isinstance(edit, Remove):
        del holder[last]
        return root[""]
    items = {(edit.name if key == last else key): value for key, value in holder.items()}
    holder.clear()
    holder.update(items)
    return root[""]


def _parent(root: Any, keys: Keys, *, makes: bool) -> tuple[Any, Any]:
    for key, below in pairwise(keys):
        if makes and isinstance(root, dict) and root.get(str(key)) is None:
            root[key] = [] if isinstance(below, int) else {}
        root = root[key]
    return root, keys[-1]


class _Text:
    """A YAML text and its nodes, whose marks count characters of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._compose()

    def _compose(self) -> None:
        import yaml

        self._root = yaml.compose(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def with_edit(self, edit: Edit) -> str:
        """Return the text after an edit of it."""
        if isinstance(edit, RenameKey):
            key = _pair(self._node(edit.keys[:-1]), edit.keys[-1])[0]
            return self._with(key.start_mark.index, key.end_mark.index, scalar(edit.name))
        if isinstance(edit, Remove):
            return self._without(edit.keys)
        if isinstance(edit, RemoveItems):
            # From the last on, the places of those before it stay as they are; not in braces, where commas go too.
            for place in sorted(edit.places, reverse=True):
                self.text = self._without((*edit.keys, place))
                if self._node(edit.keys).flow_style:
                    self._compose()
            return self.text
        keys, value = edit.keys, edit.value
        while len(keys) > 1 and not self._has_members(
            keys[:-1]
        ):  # then the holder is written anew, with its one member
            value = [value] if isinstance(keys[-1], int) else {str(keys[-1]): value}
            keys = keys[:-1]
        if not self._has_members(()):
            start = self.text.replace("{}", "", 1)
            start += "" if not start.strip("\n") or start.endswith("\n") else "\n"
            return start.lstrip("\n") + "".join(f"{line}\n" for line in block_lines({str(keys[0]): value}))
        return self._with_value(keys, value, edit.before)

    def with_line_end(self) -> str:
        """Return the text with a line end, which is no part of the last value."""
        node: Any = self._root
        while node is not None and isinstance(node.value, list) and node.value:
            node = node.value[-1][1] if isinstance(node.value[-1], tuple) else node.value[-1]
        if getattr(node, "style", None) not in ("|", ">"):
            return f"{self.text}\n"
        start = node.start_mark.index + 1
        indicators = self.text[start:].partition("\n")[0].partition(" ")[0]
        return self._with(start, start + len(indicators), "-" + indicators.strip("+-")) + "\n"

    def _has_members(self, keys: Keys) -> bool:
        try:
            node = self._node(keys)
        except LookupError:
            return False
        return node is not None and isinstance(node.value, list) and bool(node.value)

    def _node(self, keys: Keys) -> Any:
        node = self._root
        for key in keys:
            node = _pair(node, key)[1]
        return node

    def _with(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    def _with_value(self, keys: Keys, value: Any, before: tuple[str, ...] = ()) -> str:
        parent = self._node(keys[:-1])
        try:
            key, node = _pair(parent, keys[-1])
        except LookupError:
            return self._added(parent, keys[-1], value, before)
        if parent.flow_style:
            return self._with(node.start_mark.index, node.end_mark.index, inline(value))
        head = self.text.index(":", key.end_mark.index) + 1 if key is not None else self._dash(node) + 1
        end, line_end = self._end(node), self._line_end(head)
        # A comment in the line of the key stays in it.
        beside = self.text[end:line_end] if end <= line_end else ""
        if end > line_end and getattr(node, "style", None) in ("|", ">"):
            beside = self.text[node.start_mark.index + 1 : line_end].lstrip("0123456789+-")
        elif end > line_end and node.start_mark.index > line_end:
            beside = self.text[head:line_end]
        comment = beside.rstrip() if beside.lstrip(" \t").startswith("#") else ""
        first, *rest = block_lines({"": value} if key is not None else [value])
        first = first.removeprefix('"":' if key is not None else "-")
        pad = " " * parent.start_mark.column
        rest = [pad + line if line else "" for line in rest]
        if end > line_end and rest[-1:] != [self.text[self._line_start(end) : end]]:
            # One beside the last of several lines goes with that line's item, or else is of the whole value.
            end, behind = self._line_end(end), self.text[end : self._line_end(end)].rstrip()
            comment += "" if getattr(node, "flow_style", None) is False else behind
        lines = [first + comment, *rest]
        return self._with(head, max(end, line_end if comment else 0), "\n".join(lines))

    def _added(self, parent: Any, key: Key, value: Any, before: tuple[str, ...]) -> str:
        named = parent.value if isinstance(key, str) else ()
        follower = next((each for each, _ in named if each.value in before), None)
        if parent.flow_style and follower is not None:
            return self._with(follower.start_mark.index, follower.start_mark.index, f"{scalar(key)}: {inline(value)}, ")
        if parent.flow_style:
            end = self._end(parent.value[-1][1] if isinstance(key, str) else parent.value[-1])
            return self._with(
                end, end, ", " + (f"{scalar(key)}: {inline(value)}" if isinstance(key, str) else inline(value))
            )
        pad = " " * parent.start_mark.column
        lines = [pad + line if line else "" for line in block_lines({key: value} if isinstance(key, str) else [value])]
        if follower is not None and self._begins_line(follower):
            at = self._with_comments(follower.start_mark.index)
            return self._with(at, at, "".join(f"{line}\n" for line in lines))
        at = self._line_end(self._end(parent))
        return self._with(at, at, "".join(f"\n{line}" for line in lines))

    def _without(self, keys: Keys) -> str:
        parent = self._node(keys[:-1])
        members = [pair if isinstance(pair, tuple) else (pair, pair) for pair in parent.value]
        if len(members) == 1:
            return self._with_value(keys[:-1], [] if isinstance(keys[-1], int) else {}) if len(keys) > 1 else "{}\n"
        number = keys[-1] if isinstance(keys[-1], int) else [key.value for key, _ in members].index(keys[-1])
        first, last = members[number]
        follower = members[number + 1][0] if number + 1 < len(members) else None
        start = first.start_mark.index
        if not parent.flow_style:
            start = self._dash(first) if isinstance(keys[-1], int) else start
            if not self.text[self._line_start(start) : start].strip():
                return self._with(self._with_comments(start), self._line_end(self._end(last)) + 1, "")
            if isinstance(keys[-1], int) and follower is not None:
                return self._with(start, self._dash(follower), "")
        if follower is not None:
            return self._with(start, follower.start_mark.index, "")
        return self._with(self._end(members[number - 1][1]), self._end(last), "")

    def _dash(self, item: Any) -> int:
        return self.text.rindex("-", 0, item.start_mark.index)

    def _begins_line(self, node: Any) -> bool:
        start = node.start_mark.index
        return not self.text[self._line_start(start) : start].strip()

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def _with_comments(self, at: int) -> int:
        """Return the start of the line at `at`, or of the comments directly above it that are not the file's head."""
        start = first = self._line_start(at)
        indent = self.text[start:at]
        while first > 0:
            above = self._line_start(first - 1)
            if not self.text.startswith(f"{indent}#", above):
                return first
            first = above
        return start

    def _end(self, node: Any) -> int:
        """Return the end of a value: without the comments, the empty lines and the line end behind it."""
        if getattr(node, "flow_style", None) is False and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        end = int(node.end_mark.index)
        if getattr(node, "style", None) in ("|", ">"):
            text = self.text[node.start_mark.index : end]
            keeps_all = "+" in text.partition("\n")[0].partition("#")[0]
            return end - len(text) + len(text.removesuffix("\n") if keeps_all else text.rstrip("\n"))
        return end


def _pair(node: Any, key: Key) -> tuple[Any, Any]:
    """Return a member of a node with its key, None for an item. Raises `LookupError` if it is not there."""
    if isinstance(key, int):
        return None, node.value[key]
    for each, value in node.value if node is not None and isinstance(node.value, list) else ():
        if each.value == key:
            return each, value
    raise LookupError(key)
