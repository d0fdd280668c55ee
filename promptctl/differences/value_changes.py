"""Plain values compared: parameters, response formats, metadata, whatever is neither a text nor a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.files.plain import canonical_json
from promptctl.prompts.prompt import MISSING

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value that differs. `name` leads to it through mappings with dots; what is not there is None."""

    name: str
    kind: Kind
    before: Any = None
    after: Any = None


def compare_mappings(before: Mapping[str, Any], after: Mapping[str, Any], name: str = "") -> tuple[ValueChange, ...]:
    """Return every value that differs, down through mappings; keys in the old order, then the new ones."""
    changes: list[ValueChange] = []
    for key in [*before, *(key for key in after if key not in before)]:
        path = f"{name}.{key}" if name else str(key)
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += compare_mappings(old, new, path)
        elif (found := compare_value(path, old, new)) is not None:
            changes.append(found)
    return tuple(changes)


def compare_value(name: str, before: Any, after: Any, absent: Any = MISSING) -> ValueChange | None:
    """Return the change of one value, None if there is none; `1` and `1.0` are the same.

    `absent` is what says that there is no value: with MISSING, None and empty are values.
    """
    if before is absent or after is absent:
        if before is absent and after is absent:
            return None
        is_new = before is absent
        return ValueChange(name, "added", after=plain(after)) if is_new else ValueChange(name, "removed", plain(before))
    if canonical_json(before) == canonical_json(after):
        return None
    return ValueChange(name, "changed", plain(before), plain(after))


def plain(value: Any) -> Any:
    """Return a copy of the value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
