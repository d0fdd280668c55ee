"""YAML of other tools, with what our own files refuse: anchors, aliases and merge keys, written out within bounds.

Everything else is as `yaml_reader` has it: places, YAML 1.2's core schema, no tags, no duplicate keys. An alias is the
value of its anchor, at the anchor's place; what aliases multiply a file to is counted before it is made.
"""

from __future__ import annotations

from typing import Any

from promptctl.errors import Problem
from promptctl.files.document import Document
from promptctl.files.yaml_reader import DocumentBuilder, StopReading, decoded

MAX_BYTES = 16 << 20
MAX_VALUES = 1_000_000
# Long texts count as several values, since aliases can repeat them too.
_TEXT_OF_A_VALUE = 64
_MERGE = "<<"
_MERGED = "write a mapping after `<<`, or a list of mappings: `<<: *name`"


def read_foreign_yaml(data: bytes, path: str) -> Document:
    """Read one YAML document of another tool; `data` is None if the file holds none. Raises `InvalidFiles`.

    Its data is a tree of shared parts: nothing may be changed in place.
    """
    return _ExpandingBuilder(decoded(data, path, MAX_BYTES), path).document()


class _ExpandingBuilder(DocumentBuilder):
    """Puts the value of its anchor in place of each alias. `_values` counts as if each had been written out."""

    max_collections = MAX_VALUES

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        # The value, its node, the values in it, and how deep they are nested.
        self._anchors: dict[str, tuple[Any, Any, int, int]] = {}
        self._open: set[str] = set()
        self._values = self._deepest = 0

    def _value(self, event: Any, depth: int) -> tuple[Any, Any]:
        if event.__class__ is self._events.AliasEvent:
            return self._alias(event, depth)
        before = self._values
        self._count(event, 1 + len(getattr(event, "value", "")) // _TEXT_OF_A_VALUE, depth)
        name = event.anchor
        if name is None:
            return super()._value(event, depth)
        event.anchor = None
        outer, self._deepest = self._deepest, depth
        self._open.add(name)
        value, node = super()._value(event, depth)
        self._open.discard(name)
        self._anchors[name] = value, node, self._values - before, self._deepest - depth
        self._deepest = max(outer, self._deepest)
        return value, node

    def _alias(self, event: Any, depth: int) -> tuple[Any, Any]:
        name = event.anchor
        if name not in self._anchors or name in self._open:
            is_cycle = name in self._open
            message = f"`*{name}` {'stands within the value that it names' if is_cycle else 'names no anchor above it'}"
            hint = "write the value out" if is_cycle else f"write `&{name}` before the value that is meant"
            self._report(Problem(message, self._place(event), hint, "alias"))
            return None, event
        value, node, values, levels = self._anchors[name]
        self._count(event, values, depth + levels)
        return value, node

    def _count(self, event: Any, values: int, depth: int) -> None:
        self._values += values
        self._deepest = max(self._deepest, depth)
        if self._values > MAX_VALUES:
            message = f"the file holds more than {MAX_VALUES:,} values once its aliases are written out"
            hint = "keep many tests in a .jsonl or .csv file"
            self.problems.append(Problem(message, self._place(event), hint, "too-large"))
            raise StopReading
        if depth > self.max_depth:
            self._stop_too_deep(event)

    def _odd_key(self, event: Any, key: str) -> None:
        if key != _MERGE:
            super()._odd_key(event, key)

    def _mapping(self, start: Any, depth: int) -> tuple[dict[str, Any], Any]:
        data, node = super()._mapping(start, depth)
        nodes = node[1]
        if _MERGE not in nodes or nodes[_MERGE][0].style:
            return data, node
        merge_key, merged = nodes.pop(_MERGE)
        for value, child in _mappings(data.pop(_MERGE), merged):
            if not isinstance(value, dict):
                self._report(Problem("what `<<` merges is no mapping", self._place(merge_key), _MERGED, "merge-key"))
                break
            for key, each in value.items():
                if key not in data:
                    data[key], nodes[key] = each, child[1][key]
        return data, node


def _mappings(value: Any, node: Any) -> list[tuple[Any, Any]]:
    return list(zip(value, node[1], strict=True)) if isinstance(value, list) else [(value, node)]
