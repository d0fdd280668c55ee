"""Whether two JSON values are the same, and where they first differ."""

from __future__ import annotations

from typing import Any

from promptctl.assertions.outcome import shown


def first_difference(wanted: Any, got: Any, path: str = "$") -> str | None:
    """Where and how `got` first differs from `wanted`, as a sentence; None where they are the same JSON value.

    Key order does not matter, nor whether a number is written 1 or 1.0; `true` is not 1, and `"10"` is not 10.

    >>> first_difference({"label": "bug"}, {"label": "billing"})
    '$.label: expected "bug", got "billing"'
    """
    if isinstance(wanted, dict) and isinstance(got, dict):
        return _difference_of_objects(wanted, got, path)
    if isinstance(wanted, list) and isinstance(got, list):
        return _difference_of_lists(wanted, got, path)
    if _kind(wanted) == _kind(got) and wanted == got:
        return None
    where = "" if path == "$" else f"{path}: "
    return f"{where}expected {shown(wanted)}, got {_got(wanted, got)}"


def _difference_of_objects(wanted: dict[str, Any], got: dict[str, Any], path: str) -> str | None:
    for key, value in wanted.items():
        if key not in got:
            return f"{path}.{key}: expected {shown(value)}, got nothing"
        difference = first_difference(value, got[key], f"{path}.{key}")
        if difference:
            return difference
    extra = next((key for key in got if key not in wanted), None)
    return None if extra is None else f"{path}.{extra}: expected nothing, got {shown(got[extra])}"


def _difference_of_lists(wanted: list[Any], got: list[Any], path: str) -> str | None:
    for index, (value, other) in enumerate(zip(wanted, got, strict=False)):
        difference = first_difference(value, other, f"{path}[{index}]")
        if difference:
            return difference
    if len(wanted) == len(got):
        return None
    return f"{path}: expected {len(wanted)} items, got {len(got)}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "text", dict: "object", list: "list", type(None): "null"}.get(type(value), type(value).__name__)


def _got(wanted: Any, got: Any) -> str:
    """The other value, with its kind where that is what differs and both might look alike."""
    kinds = _kind(wanted), _kind(got)
    return shown(got) if kinds[0] == kinds[1] or "text" not in kinds else f"the {kinds[1]} {shown(got)}"
