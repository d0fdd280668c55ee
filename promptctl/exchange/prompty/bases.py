"""`base:` of Prompty 1: a file whose model, settings and sample hold where the file that names it says nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from promptctl.exchange.prompty.header import DEEPEST, PromptyHeader, read_header
from promptctl.exchange.source import Source

_TEXTS = ("name", "description", "version")
_LISTS = ("authors", "tags")
_OF_MODEL = ("configuration", "connection", "parameters", "options", "response")


def header_with_base(source: Source, depth: int = 0) -> PromptyHeader:
    """Return the header and body of a file, with what it takes from its base. Raises `InvalidFiles`."""
    header = read_header(source)
    reference = header.data.get("base")
    if reference is None:
        return header
    line = header.place("base").line
    if not isinstance(reference, str):
        raise header.refuse(("base",), "is no path of a file")
    if depth >= DEEPEST:
        raise source.refuse(f"files name one another more than {DEEPEST} deep, or in a circle", line)
    beside = source.beside(reference, line)
    base = header_with_base(beside, depth + 1)
    if base.body:  # it is a prompt of its own, too
        source.named.discard(beside.path)
    if isinstance(base.data.get("sample"), str):
        base.data["sample"] = posixpath.join(posixpath.dirname(reference), base.data["sample"])
    taken = _taken(header.data, base.data)
    header.data |= taken
    header.notes += [note for note in base.notes if note.part.partition(".")[0] in taken]
    words = ", ".join(f"`{key}`" for key in taken)
    header.note(
        "changed", ("base",), f"gives {words} as far as this file does not say them" if taken else "adds nothing"
    )
    return header


def _taken(top: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a file that are different with its base."""
    found: dict[str, Any] = {key: base[key] for key in _TEXTS if base.get(key) and not top.get(key)}
    for key in _LISTS:
        lists = [each.get(key) or [] for each in (base, top)]
        if all(isinstance(each, list) for each in lists):
            found[key] = [*lists[0], *(each for each in lists[1] if each not in lists[0])]
    model, of_base = top.get("model") or {}, base.get("model")
    if isinstance(model, dict) and isinstance(of_base, dict):
        api = {"api": of_base["api"]} if "api" in of_base else {}
        parts = {key: _over(model.get(key), of_base[key]) for key in _OF_MODEL if key in of_base}
        found["model"] = {**api, **model, **parts}
    if base.get("sample"):
        found["sample"] = _over(top.get("sample"), base["sample"])
    return {key: value for key, value in found.items() if value and value != top.get(key)}


def _over(top: Any, base: Any) -> Any:
    return {**base, **top} if isinstance(top, dict) and isinstance(base, dict) else top or base
