"""Plain values compared: parameters, response formats, metadata, and what else is neither a text nor a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.files.canonical_json import canonical_json

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value that differs. `name` leads to it through mappings with dots; what is not there is None."""

    name: str
    kind: Kind
    before: Any = None
    after: Any = None


def compare_mappings(before: Mapping[str, Any], after: Mapping[str, Any], name: str = "") -> tuple[ValueChange, ...]:
    """Every value that differs, key by key and down through mappings; keys in the old order, then the new ones."""
    changes: list[ValueChange] = []
    for key in [*before, *(key for key in after if key not in before)]:
        path = f"{name}.{key}" if name else str(key)
        if key not in after:
            changes.append(ValueChange(path, "removed", before=plain(before[key])))
        elif key not in before:
            changes.append(ValueChange(path, "added", after=plain(after[key])))
        elif isinstance(before[key], Mapping) and isinstance(after[key], Mapping):
            changes += compare_mappings(before[key], after[key], path)
        else:
            changes += compare_values(path, before[key], after[key])
    return tuple(changes)


def compare_values(name: str, before: Any, after: Any) -> tuple[ValueChange, ...]:
    """The change of one value, if any; None and empty are values, `1` and `1.0` are the same."""
    if canonical_json(before) == canonical_json(after):
        return ()
    return (ValueChange(name, "changed", plain(before), plain(after)),)


def compare_optional(name: str, before: Any, after: Any) -> ValueChange | None:
    """The change of one value where None means that there is none."""
    if before is None or after is None:
        kind: Kind = "added" if before is None else "removed"
        return None if before is after else ValueChange(name, kind, plain(before), plain(after))
    return next(iter(compare_values(name, before, after)), None)


def plain(value: Any) -> Any:
    """The value as JSON's own types, apart from whatever holds it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
