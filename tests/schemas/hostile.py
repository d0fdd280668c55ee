"""Schemas that only a stranger writes."""

from __future__ import annotations

from typing import Any


def slow(parts: int = 40) -> dict[str, Any]:
    """A schema that no check of any value comes to the end of."""
    twice = ({"$ref": f"#/$defs/a{n + 1}"} for n in range(parts))
    branches = {f"a{n}": {"if": each, "then": each, "else": each} for n, each in enumerate(twice)}
    return {"$defs": {**branches, f"a{parts}": {"type": "string"}}, "allOf": [{"$ref": "#/$defs/a0"}]}
