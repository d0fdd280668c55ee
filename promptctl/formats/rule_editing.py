"""Edits log rules and experiments in the text of a `promptctl.yaml`: comments and all else stay as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.errors import WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.yaml_editing import Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import Inline
from promptctl.formats.settings_file import read_settings


def with_log_rules(data: bytes, globs: Sequence[str], given: Mapping[str, Any]) -> bytes:
    """Return the file with the keys of `given` (`content`, `active`) set in the log rule of each glob.

    A rule of the same glob is changed where it stands; without one, a new rule is added as the last. Raises
    `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one that cannot be edited in its text.
    """
    read_settings(data)
    rules = [rule["prompts"] for rule in (read_yaml(data, SETTINGS).data or {}).get("log") or ()]
    edits = []
    for glob in globs:
        if glob in rules:
            number = len(rules) - 1 - rules[::-1].index(glob)
            edits += [Set(("log", number, key), value) for key, value in given.items()]
        else:
            edits.append(Set(("log", len(rules)), Inline({"prompts": glob, **given})))
            rules.append(glob)
    return edit_yaml(data, SETTINGS, edits)


def with_stopped(data: bytes, name: str, reason: str) -> bytes:
    """Return the file with an experiment of it stopped for a reason, of one line.

    Raises `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one that cannot be edited in its text.
    """
    read_settings(data)
    others = (read_yaml(data, SETTINGS).data or {}).get("experiments", {}).get(name)
    if not others:
        raise WorkspaceError(f"{SETTINGS} has no experiment `{name}`", hint="promptctl experiment list")
    return edit_yaml(data, SETTINGS, [Set(("experiments", name, "stopped"), reason, before=tuple(others))])
