"""Sources whose ref names a different commit by now, or which have newer tags: by asking for names alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.context import Context
from promptctl.errors import GitError
from promptctl.files.plain import record_data
from promptctl.vendoring.library import PEELED, TAG
from promptctl.vendoring.lock import Vendored, read_sources
from promptctl.vendoring.originals import asking_source

_VERSION = re.compile(r"(?P<name>.*?)(?P<v>v?)(?P<numbers>[0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?P<pre>-[0-9A-Za-z.-]+)?")
_MOST_NEWER = 20
_LONGEST_TAG = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStanding:
    """Standing of a source: `current`; `behind` its branch; its tag `rewritten`; its ref `gone`; `pinned` to a commit;
    or `unreachable`, for which `error` says why.

    `newer` are tags of higher versions, the highest first. `commit` is what the ref names there, None if it is gone.
    """

    name: str
    source: Vendored
    standing: Literal["current", "behind", "rewritten", "gone", "pinned", "unreachable"]
    commit: str | None
    newer: tuple[str, ...] = ()
    error: GitError | None = None

    @property
    def is_outdated(self) -> bool:
        """True if there is something to do."""
        return self.standing not in ("current", "pinned", "unreachable") or bool(self.newer)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        there = {name: getattr(self.source, name) for name in ("url", "ref", "commit")}
        prompts = list(self.source.prompts)
        return record_data(self, without=("source", "error"), **there, commit_there=self.commit, prompts=prompts)


def outdated(parts: Context) -> list[SourceStanding]:
    """Return how each source of the lock stands, sorted by name: repositories are asked for names, and no more."""
    tree = parts.work_tree_for("a look at the lock")
    names: dict[str, Mapping[str, str] | GitError] = {}
    found = []
    sources = read_sources(tree)
    branches: dict[str, set[str]] = {}
    for source in sources.values():
        branches.setdefault(source.url, set()).update([source.name] if source.name else [])
    for name, source in sorted(sources.items()):
        if source.url not in names:
            wanted = [each for each in sorted(branches[source.url]) if not each.startswith(TAG)]
            names[source.url] = _names(parts, source, wanted)
        known = names[source.url]
        if isinstance(known, GitError):
            found.append(SourceStanding(name=name, source=source, standing="unreachable", commit=None, error=known))
        else:
            found.append(_standing(name, source, known))
    return found


def _names(parts: Context, source: Vendored, branches: Sequence[str]) -> Mapping[str, str] | GitError:
    """Return the tags and these branches of a source's repository; the error if it cannot be asked."""
    try:
        with asking_source(parts, source) as outside:
            return outside.refs(*branches, f"{TAG}*")
    except GitError as error:
        return error


def _standing(name: str, source: Vendored, names: Mapping[str, str]) -> SourceStanding:
    if source.name is None:
        return SourceStanding(name=name, source=source, standing="pinned", commit=source.commit)
    is_tag = source.name.startswith(TAG)
    commit = names.get(source.name + PEELED, names.get(source.name))
    standing: Literal["current", "behind", "rewritten", "gone"] = "current"
    if commit != source.commit:
        standing = "gone" if commit is None else "rewritten" if is_tag else "behind"
    tags = [each.removeprefix(TAG) for each in names if each.startswith(TAG)] if is_tag else []
    newer = newer_tags(source.ref, tags)
    return SourceStanding(name=name, source=source, standing=standing, commit=commit, newer=newer)


def newer_tags(tag: str, tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of higher versions with the same name before the number, the highest first.

    One of a pre-release counts only for a tag that is one.

    >>> newer_tags("v1.2", ["v1.10", "v1.3.1", "v1.1", "kit-v2", "v2.0-rc1", "latest"])
    ('v1.10', 'v1.3.1')
    """
    mine = _version(tag.removeprefix(TAG))
    if mine is None:
        return ()
    found = []
    for each in set(tags):
        other = _version(each)
        if other is None or other["name"] != mine["name"] or (other["pre"] and not mine["pre"]):
            continue
        if _order(other) > _order(mine):
            found.append((_order(other), each))
    return tuple(each for _, each in sorted(found, reverse=True)[:_MOST_NEWER])


def _version(tag: str) -> re.Match[str] | None:
    return _VERSION.fullmatch(tag) if len(tag) <= _LONGEST_TAG else None


def _order(version: re.Match[str]) -> tuple[Any, ...]:
    numbers = [int(each) for each in version["numbers"].split(".")]
    pre = (version["pre"] or "").lstrip("-")
    parts = tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in pre.split(".")) if pre else ()
    return (*numbers, *([0] * (4 - len(numbers)))), not pre, parts
