"""Ids for what is imported, made of the names that it had; and references that name it by its new ids and paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from promptctl.datasets.rows import written_assertions
from promptctl.files.free_names import plain_letters
from promptctl.files.names import MAX_ID_LENGTH, id_problem
from promptctl.files.plain import with_texts
from promptctl.template_languages import ours

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.]+")
_ROOM = 8  # characters for the number behind an id that is taken


def id_for(wish: str, otherwise: str = "prompt") -> str:
    """Return the id that is nearest to a wish; a wish that is an id already stays.

    >>> id_for("Support Triage (v2)"), id_for("support/triage"), id_for("Prüfung"), id_for("../../etc")
    ('support-triage-v2', 'support/triage', 'prufung', 'etc')
    """
    wish = wish.strip()
    if id_problem(wish) is None:
        return wish
    segments = [_segment(each) for each in re.split(r"[/\\]", wish)]
    found = "/".join(each for each in segments if each)[: MAX_ID_LENGTH - _ROOM].rstrip("/.-_")
    return found if found and id_problem(found) is None else otherwise


def _segment(text: str) -> str:
    words = re.sub(r"\.{2,}", ".", _NOT_IN_IDS.sub("-", plain_letters(text).lower())).strip("-._")
    return re.sub(r"(-?\.-?)+", ".", words).removesuffix(".lock")


def with_paths(data: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Return data of a prompt in which each include and each `$ref` of an old path names the new one."""
    found: dict[str, Any] = with_references(data, paths)
    if data.get("template", "jinja2") == "jinja2" and "messages" in data:
        found["messages"] = with_texts(data["messages"], lambda text: ours.with_paths(text, paths))
    return found


def with_references(data: Any, paths: Mapping[str, str]) -> Any:
    """Return data in which each `$ref` of an old path names the new one."""
    if isinstance(data, Mapping):
        return {
            key: paths.get(each, each) if key == "$ref" and isinstance(each, str) else with_references(each, paths)
            for key, each in data.items()
        }
    return [with_references(each, paths) for each in data] if isinstance(data, list | tuple) else data


def with_judges(data: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return data of a dataset in which an assertion that names a judge of this import names it by its id."""
    named = {wish: id_ for wish, id_ in ids.items() if wish != id_}
    made = deepcopy(dict(data)) if named else dict(data)
    for _, assertion in written_assertions(made):
        if isinstance(judge := assertion.get("prompt"), str) and judge in named:
            assertion["prompt"] = named[judge]
    return made
