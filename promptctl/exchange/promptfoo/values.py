"""The `vars` of a test: files read, texts that name other variables filled in, lists as a matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.exchange.promptfoo.named_files import is_code, matching
from promptctl.exchange.promptfoo.providers import loaded
from promptctl.exchange.promptfoo.spots import Spot

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ROUNDS = 5
_LONGEST = 1 << 20
_MEDIA = re.compile(r"\.(?:jpe?g|png|gif|bmp|webp|svg|mp4|webm|ogg|mov|avi|wmv|mkv|m4v|pdf|mp3|wav)\Z", re.IGNORECASE)
_WITH_FILES = "name it under `files:` in the case, by its path below datasets/"


class Unusable(ValueError):
    """A test whose values cannot be had here."""


def read_values(test: Spot, *, expands: bool = True) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return the values of a test, and those of which there are several. Raises `Unusable`, and `InvalidFiles`."""
    given = test.get("vars")
    if given is None:
        return {}, {}
    single: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    for spot in _mappings(given):
        for name in spot.value:
            values = _values(spot.at(name), name, expands=expands)
            if isinstance(values, _Several):
                several[name] = values
            else:
                single[name] = values
    return _filled(single, test), several


class _Several(list[Any]):
    """Values of one variable, each for a test of its own."""


def _mappings(given: Spot) -> list[Spot]:
    """Return the mappings that `vars` is, or that the files it names hold."""
    if isinstance(given.value, dict):
        return [given]
    found: list[Spot] = []
    for entry in given.items():
        if not isinstance(entry.value, str):
            raise Unusable("its `vars` are no mapping")
        for source in matching(entry.source, entry.value.removeprefix("file://"), entry.place.line):
            if not source.path.endswith((".yaml", ".yml", ".json")):
                raise Unusable(f"its `vars` are in {source.shown}, which is neither YAML nor JSON")
            found.append(Spot.of(source, entry.notes))
    if not all(isinstance(each.value, dict) for each in found):
        raise Unusable("its `vars` are no mapping")
    return found


def _values(spot: Spot, name: str, *, expands: bool) -> Any:
    value = spot.value
    # A list is one value unless its first item is a text.
    if isinstance(value, list) and expands and value and isinstance(value[0], str):
        found: list[Any] = []
        for item in spot.items():
            inner = _value(item, name)
            found += inner if isinstance(inner, _Several) else [inner]
        unique = [each for index, each in enumerate(found) if each not in found[:index]]
        if len(unique) < len(found):
            spot.note("changed", f"vars.{name}", "gives a value twice, which is tested once")
        if len(unique) == 1:
            return unique[0]
        spot.note("changed", f"vars.{name}", "is a `matrix`: one case for each of its values")
        return _Several(unique)
    return _value(spot, name)


def _value(spot: Spot, name: str) -> Any:
    value = spot.value
    if not isinstance(value, str):
        return value
    if value.startswith("package:"):
        raise Unusable(f"`vars.{name}` is code of a package, which is not run here")
    if not value.startswith("file://"):
        return value.removesuffix("\n")
    path = value.removeprefix("file://")
    if is_code(path):
        raise Unusable(f"`vars.{name}` is made by code, which is not run here")
    if _MEDIA.search(path):
        spot.note("dropped", f"vars.{name}", "is a file that is no text", _WITH_FILES)
        raise Unusable(f"`vars.{name}` is a file that is no text")
    texts = [_of_file(spot, source.path, source.text) for source in matching(spot.source, path, spot.place.line)]
    spot.note("changed", f"vars.{name}", "is the content of the file that it names")
    return texts[0] if len(texts) == 1 else _Several(texts)


def _of_file(spot: Spot, path: str, text: str) -> Any:
    is_data = path.endswith((".yaml", ".yml")) and "*" not in spot.value
    return loaded(spot).value if is_data else text.strip()


def _filled(values: Mapping[str, Any], test: Spot) -> dict[str, Any]:
    """Return the values with `{{name}}` of other ones filled in, as promptfoo does before it renders."""
    filled = dict(values)
    texts = [name for name, value in filled.items() if isinstance(value, str) and "{{" in value]
    if not texts:
        return filled
    for _ in range(_ROUNDS):
        for name in texts:
            text = _VARIABLE.sub(
                lambda found: filled[found[1]] if isinstance(filled.get(found[1]), str) else found[0], filled[name]
            )
            if len(text) > _LONGEST:
                raise Unusable(f"`vars.{name}` grows without end")
            if text != filled[name]:
                test.note("changed", f"vars.{name}", "has the values of other variables written into it")
            filled[name] = text
    for name in texts:
        if "{{" in filled[name] or "{%" in filled[name]:
            test.note("changed", f"vars.{name}", "is kept as text: a value is never a template here")
    return filled
