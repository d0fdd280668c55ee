"""Edits log rules and experiments in the text of a `promptctl.yaml`: comments and all else stay as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.errors import WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.yaml_editing import Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import Inline
from promptctl.formats.settings_file import Settings, read_settings


def with_log_rules(data: bytes, globs: Sequence[str], given: Mapping[str, Any]) -> bytes:
    """Return the file with the keys of `given` (`content`, `active`) set in the log rule of each glob.

    A rule of the same glob is changed where it stands; without one, a new rule is added as the last. Raises
    `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one that cannot be edited in its text.
    """
    before = read_settings(data)
    rules = [rule["prompts"] for rule in (read_yaml(data, SETTINGS).data or {}).get("log") or ()]
    edits = []
    for glob in globs:
        if glob in rules:
            number = len(rules) - 1 - rules[::-1].index(glob)
            edits += [Set(("log", number, key), value) for key, value in given.items()]
        else:
            edits.append(Set(("log", len(rules)), Inline({"prompts": glob, **given})))
            rules.append(glob)
    new = edit_yaml(data, SETTINGS, edits)
    after = read_settings(new)
    if replace(after, log=()) == replace(before, log=()) and all(_holds(after, glob, given) for glob in globs):
        return new
    raise WorkspaceError(f"cannot edit the rules of {SETTINGS} in place", hint="write them under `log:` by hand")


def with_stopped(data: bytes, name: str, reason: str) -> bytes:
    """Return the file with an experiment of it stopped for a reason, of one line.

    Raises `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one that cannot be edited in its text.
    """
    before = read_settings(data)
    others = (read_yaml(data, SETTINGS).data or {}).get("experiments", {}).get(name)
    if others:
        new = edit_yaml(data, SETTINGS, [Set(("experiments", name, "stopped"), reason, before=tuple(others))])
        wanted = tuple(replace(each, stopped=reason) if each.name == name else each for each in before.experiments)
        if read_settings(new) == replace(before, experiments=wanted):
            return new
    raise WorkspaceError(f"cannot edit {SETTINGS} in place", hint=f"write `stopped:` under `{name}` by hand")


def _holds(settings: Settings, glob: str, given: Mapping[str, Any]) -> bool:
    rule = next(rule for rule in reversed(settings.log) if rule.prompts == glob)
    has = {"content": rule.content, "active": rule.is_active}
    return all(has[key] == value for key, value in given.items())
