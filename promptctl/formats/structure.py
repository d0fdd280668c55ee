"""The structure of each kind of file, made ready once."""

from __future__ import annotations

from functools import cache

from promptctl.formats.schemas import Kind, load_schema
from promptctl.schemas.structure import Structure


@cache
def structure_of(kind: Kind, definition: str | None = None) -> Structure:
    """Return the structure of a kind of file, or of one of its definitions (`case` of `dataset`)."""
    return Structure(load_schema(kind), definition)
