"""Edits log rules and experiments in the text of a `promptctl.yaml`: comments and all else stay as written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.formats.settings_file import Settings, read_settings

# An edit of the text: where it begins, where it ends, and the new text.
_Edit = tuple[int, int, str]


def with_log_rules(data: bytes, globs: Sequence[str], given: Mapping[str, Any]) -> bytes:
    """Return the file with the keys of `given` (`content`, `active`) set in the log rule of each glob.

    A rule of the same glob is changed where it stands; without one, a new rule is added as the last. Raises
    `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one whose rules cannot be told apart in its text.
    """
    before = read_settings(data)
    import yaml

    text = data.decode()
    with suppress(InvalidFiles, yaml.YAMLError, UnicodeError):
        for glob in globs:
            text = _with_rule(text, glob, given)
        new = text.encode()
        after = read_settings(new)
        if replace(after, log=()) == replace(before, log=()) and all(_holds(after, glob, given) for glob in globs):
            return new
    raise WorkspaceError(f"cannot edit the rules of {SETTINGS} in place", hint="write them under `log:` by hand")


def with_stopped(data: bytes, name: str, reason: str) -> bytes:
    """Return the file with an experiment of it stopped for a reason, of one line.

    Raises `InvalidFiles` for a file that is wrong, and `WorkspaceError` for one that cannot be edited in its text.
    """
    before = read_settings(data)
    import yaml

    text = data.decode()
    with suppress(InvalidFiles, yaml.YAMLError, UnicodeError, KeyError):
        experiment = _mapping(_mapping(_root(text))["experiments"])[name]
        word, at = json.dumps(reason, ensure_ascii=False), experiment.start_mark
        if (old := _mapping(experiment).get("stopped")) is not None:
            text = text[: old.start_mark.index] + word + text[old.end_mark.index :]
        elif experiment.flow_style:
            text = f"{text[: at.index + 1]}stopped: {word}, {text[at.index + 1 :]}"
        else:
            text = f"{text[: at.index]}stopped: {word}{_line_end(text)}{' ' * at.column}{text[at.index :]}"
        new = text.encode()
        wanted = tuple(replace(each, stopped=reason) if each.name == name else each for each in before.experiments)
        if read_settings(new) == replace(before, experiments=wanted):
            return new
    raise WorkspaceError(f"cannot edit {SETTINGS} in place", hint=f"write `stopped:` under `{name}` by hand")


def _holds(settings: Settings, glob: str, given: Mapping[str, Any]) -> bool:
    rule = next(rule for rule in reversed(settings.log) if rule.prompts == glob)
    has = {"content": rule.content, "active": rule.is_active}
    return all(has[key] == value for key, value in given.items())


def _with_rule(text: str, glob: str, given: Mapping[str, Any]) -> str:
    nodes = _mapping(_root(text))
    if "log" not in nodes:
        line = _line_end(text)
        return f"{text}{'' if not text or text.endswith(line) else line}log:{line}  - {_flow(glob, given)}{line}"
    rules = nodes["log"]
    rule = next((rule for rule in reversed(rules.value) if _mapping(rule)["prompts"].value == glob), None)
    edits = _changes(text, rule, given) if rule is not None else [_addition(text, rules, _flow(glob, given))]
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _changes(text: str, rule: Any, given: Mapping[str, Any]) -> list[_Edit]:
    """Return the edits that give an existing rule its keys: values are replaced, missing keys follow its glob."""
    keys = _mapping(rule)
    edits = [
        (keys[key].start_mark.index, keys[key].end_mark.index, _word(value))
        for key, value in given.items()
        if key in keys
    ]
    missing = [f"{key}: {_word(value)}" for key, value in given.items() if key not in keys]
    if missing and rule.flow_style:
        at = keys["prompts"].end_mark.index
        edits.append((at, at, "".join(f", {pair}" for pair in missing)))
    elif missing:
        edits.append(_new_lines(text, keys["prompts"], [" " * rule.start_mark.column + pair for pair in missing]))
    return edits


def _addition(text: str, rules: Any, rule: str) -> _Edit:
    """Return the edit that adds a rule as the last one."""
    last: Any = rules.value[-1] if rules.value else None
    if rules.flow_style:
        at = last.end_mark.index if last is not None else rules.end_mark.index - 1
        return at, at, f", {rule}" if last is not None else rule
    end = last
    while getattr(end, "flow_style", None) is False:  # comments below a block are not its own: it ends with its value
        end = end.value[-1][1]
    return _new_lines(text, end, [f"{' ' * rules.start_mark.column}- {rule}"])


def _new_lines(text: str, after: Any, lines: Sequence[str]) -> _Edit:
    at, end = text.find("\n", after.end_mark.index) + 1, _line_end(text)
    return (at, at, "".join(line + end for line in lines)) if at else (len(text), len(text), end + end.join(lines))


def _flow(glob: str, given: Mapping[str, Any]) -> str:
    rest = "".join(f", {key}: {_word(value)}" for key, value in given.items())
    return f"{{prompts: {json.dumps(glob, ensure_ascii=False)}{rest}}}"


def _word(value: str | bool) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _root(text: str) -> Any:
    import yaml

    return yaml.compose(text, Loader=yaml.SafeLoader)


def _mapping(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value} if node is not None else {}


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
