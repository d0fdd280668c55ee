"""Equality of two JSON values, and the place where they first differ."""

from __future__ import annotations

from typing import Any

from promptctl.assertions.outcome import shown
from promptctl.files.look_alikes import unseen_difference

# 0.3 differs from 0.2 by a little more than 0.1.
_ROUNDED = 1 + 1e-9


def first_difference(wanted: Any, got: Any, path: str = "$", tolerance: float = 0) -> str | None:
    """Return where and how `got` first differs from `wanted`, as a sentence; None if they are the same JSON value.

    Numbers may differ by the `tolerance`. Key order does not matter, nor whether a number is written 1 or 1.0; `true`
    is not 1, and `"10"` is not 10.

    >>> first_difference({"label": "bug"}, {"label": "billing"})
    '$.label: expected "bug", got "billing"'
    """
    found = _difference(wanted, got, tolerance)
    if found is None:
        return None
    text, steps = found
    at = path + "".join(reversed(steps))
    is_value = at == "$" and not (isinstance(wanted, list) and isinstance(got, list))
    return text if is_value else f"{at}: {text}"


def _difference(wanted: Any, got: Any, tolerance: float) -> tuple[str, list[str]] | None:
    """Return how two values first differ, and the steps that lead there, the last one first.

    The path is put together once it is known: with long keys, those of all values would take quadratic time.
    """
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in {**wanted, **got}:
            if key not in got or key not in wanted:
                expected, given = (shown(each[key]) if key in each else "nothing" for each in (wanted, got))
                return f"expected {expected}, got {given}", [f".{key}"]
            if found := _difference(wanted[key], got[key], tolerance):
                found[1].append(f".{key}")
                return found
        return None
    if isinstance(wanted, list) and isinstance(got, list):
        for index, (value, other) in enumerate(zip(wanted, got, strict=False)):
            if found := _difference(value, other, tolerance):
                found[1].append(f"[{index}]")
                return found
        return None if len(wanted) == len(got) else (f"expected {len(wanted)} items, got {len(got)}", [])
    kinds = _kind(wanted), _kind(got)
    is_near = kinds == ("number", "number") and tolerance > 0 and abs(wanted - got) <= tolerance * _ROUNDED
    if is_near or (kinds[0] == kinds[1] and wanted == got):
        return None
    # With its kind if that is what differs and both might look alike.
    noun = f"the {kinds[1]} " if kinds[0] != kinds[1] and "text" in kinds else ""
    unseen = unseen_difference(wanted, got) if kinds == ("text", "text") else None
    return f"expected {shown(wanted)}, got {noun}{shown(got)}" + (f"; {unseen}" if unseen else ""), []


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "text", dict: "object", list: "list", type(None): "null"}.get(type(value), type(value).__name__)
