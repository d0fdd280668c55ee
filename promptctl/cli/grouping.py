"""`--by`: the names that calls are grouped by, and how a table shows each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from promptctl.cli.output import format_version
from promptctl.errors import UsageError, printable

if TYPE_CHECKING:
    from promptctl import CallTotals

_NAMES = ("prompt", "version", "label", "model", "provider", "user", "session", "source", "status", "experiment", "arm")
_PERIODS = ("day", "week", "month")
_METADATA = "metadata."
_DIMENSIONS: Mapping[str, str] = {**{name: name for name in _NAMES}, **{name: f"local_{name}" for name in _PERIODS}}
BY_HELP = f"One row for each of: {', '.join(_DIMENSIONS)}, metadata.KEY; joined by commas."


def dimensions(by: str | Sequence[str]) -> dict[str, str]:
    """Return what `--by` names, each with the dimension of the log that it means. Raises `UsageError`.

    Periods are of this machine's time.
    """
    texts = [by] if isinstance(by, str) else by
    names = [name.strip() for text in texts for name in text.split(",")]
    return {name: _dimension(name) for name in names}


def heading(name: str) -> str:
    """Return the heading of a group's column; a key of metadata stays as it is written."""
    return name if name.startswith(_METADATA) else name.capitalize()


def group_cell(row: CallTotals, name: str) -> Any:
    """Return what a table shows of a row's group."""
    return format_version(row.version_display or "-") if name == "version" else row.group[name]


def _dimension(name: str) -> str:
    if name in _DIMENSIONS:
        return _DIMENSIONS[name]
    if name.startswith(_METADATA) and name != _METADATA:
        return name
    known = [*_DIMENSIONS, "metadata.KEY"]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"the names are {', '.join(known)}"
    raise UsageError(f"--by cannot be `{printable(name)}`", hint=hint)
