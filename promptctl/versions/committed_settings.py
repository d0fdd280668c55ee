"""The settings that hold for everyone: `promptctl.yaml` as the default branch has it, not as a work tree does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.errors import InvalidFiles, Place
from promptctl.files.names import SETTINGS
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.git.objects import is_object_id

if TYPE_CHECKING:
    from promptctl.git.repository import Git
    from promptctl.versions.line import Line
    from promptctl.versions.moment import Moment


def committed_settings(moment: Moment, *, is_fresh: bool = False) -> Settings | None:
    """Return what `promptctl.yaml` says on the default branch; None if that branch has no such file.

    With `is_fresh` the remote is asked for its branch of now, so that a rule that was added there holds here at
    once; if it cannot be asked, what was fetched last counts. Raises `HistoryIncomplete` if this clone does not have
    the branch, and `InvalidFiles` if the file there is wrong.
    """
    line = moment.line
    tip = (_tip_at_remote(moment.git, line) if is_fresh else None) or line.tip
    try:
        data = moment.tree_at(tip).read(SETTINGS)
    except FileNotFoundError:
        return None
    try:
        return read_settings(data, SETTINGS)
    except InvalidFiles as error:
        where = f"{line.name}:{SETTINGS}"
        problems = [
            replace(each, place=replace(each.place, path=where) if each.place else Place(where))
            for each in error.problems
        ]
        raise InvalidFiles(problems) from error


def _tip_at_remote(git: Git, line: Line) -> str | None:
    """Return the commit that the line's branch has at its remote, fetched here; None if it cannot be known."""
    if not line.ref.startswith("refs/remotes/"):
        return None
    remote, branch = line.ref.removeprefix("refs/remotes/").split("/", 1)
    ref = f"refs/heads/{branch}"
    listed = git.run(["ls-remote", "--quiet", "--refs", "--end-of-options", remote, ref], check=False)
    tips = [fields[0] for fields in (text.split("\t") for text in listed.lines()) if fields[-1] == ref]
    if listed.status != 0 or not tips or not is_object_id(tips[0]):
        return None
    if git.objects.read(tips[0], max_bytes=0) is None:
        fetch = ["fetch", "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--recurse-submodules=no"]
        git.run([*fetch, "--end-of-options", remote, ref], check=False)
    return tips[0] if git.objects.read(tips[0], max_bytes=0) is not None else None
