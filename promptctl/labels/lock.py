"""`promptctl.lock.yaml`: the labels as a committed file, which a pull request shows and a clone without tags reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.names import LABEL, LOCK, id_problem
from promptctl.files.wording import version_keys
from promptctl.files.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from promptctl.labels.chains import LabelState

MAX_LOCK = 16 << 20
AGAIN = "write it again: promptctl label lock"

_SCHEME = 1
_TOP = """\
# Written by `promptctl label lock`. The tags of the labels are the truth: `promptctl label verify` compares.
scheme: 1
labels:
"""
# What `promptctl add` writes comes last, so that each command rewrites its own part alone.
_VENDORED = re.compile(r"(?m)^vendored:")
_FORMS: Mapping[str, str] = {
    "version": r"v[0-9?][0-9a-f v+=()]{0,60}",
    "commit": r"[0-9a-f]{40}(?:[0-9a-f]{24})?",
    "digest": r"[0-9]{1,9}:[0-9a-f]{64}",
}


@dataclass(frozen=True, slots=True)
class LockedLabel:
    """A label as the lock has it: the version it named, and the number of the event that moved it there."""

    name: str
    version: str
    commit: str
    digest: str
    event: int
    place: Place | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The version as people read it."""
        return self.version if " " in self.version else f"{self.version} ({self.commit[:7]})"

    def as_dict(self) -> dict[str, Any]:
        """Return the label JSON-able, with stable keys."""
        return {
            "name": self.name,
            **version_keys(self.version),
            **{name: getattr(self, name) for name in ("commit", "digest", "event")},
        }


@dataclass(frozen=True, slots=True)
class LockHere:
    """The labels of the lock of a `commit`, by their names; `doubt` is the reason why they are not believed, if any."""

    labels: Mapping[str, LockedLabel]
    commit: str
    doubt: str


def locked(states: Iterable[LabelState]) -> dict[str, LockedLabel]:
    """Return what a lock of these labels holds, by `support/triage@production`, sorted: those that name a version."""
    found = [
        LockedLabel(f"{each.prompt}@{each.label}", _plain(each.event.version), each.commit, each.digest, each.event.n)
        for each in states
        if each.is_live
    ]
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}


def lock_text(labels: Mapping[str, LockedLabel]) -> str:
    """Return the text of a lock: the same for the same labels, one line for each thing that can change."""
    rows = "".join(
        f"  {each.name}:\n    version: {each.version}\n    commit: {each.commit}\n    digest: {each.digest}\n"
        f"    event: {each.event}\n"
        for each in labels.values()
    )
    return _TOP + (rows or "  {}\n")


def with_labels(data: bytes | None, labels: Mapping[str, LockedLabel]) -> bytes:
    """Return a lock with these labels in the place of its own; the prompts of others that it holds stay."""
    return (lock_text(labels) + vendored_part(data)).encode()


def with_vendored(data: bytes | None, text: str) -> bytes | None:
    """Return a lock with this text in the place of what it says of other repositories; None if nothing is left."""
    kept = "" if data is None else data.decode("utf-8").replace("\r\n", "\n").removesuffix(vendored_part(data))
    kept = kept if "\nlabels:" in kept else ""
    return (kept + text).encode() if kept or text else None


def vendored_part(data: bytes | None) -> str:
    """Return the end of a lock that says which prompts are of other repositories; empty if none does."""
    text = "" if data is None else data.decode("utf-8", "replace").replace("\r\n", "\n")
    found = _VENDORED.search(text)
    if found is None:
        return ""
    start = found.start()
    while start and text.startswith("#", before := text.rfind("\n", 0, start - 1) + 1):
        start = before  # the comment above it is its own
    return text[start:]


def read_lock(data: bytes) -> dict[str, LockedLabel]:
    """Return the labels of a lock by their names.

    Raises `InvalidFiles` if they are not as `label lock` writes them, and `FileNotFoundError` if it holds none, as one
    that is there for prompts of other repositories alone.
    """
    document = read_yaml(data, LOCK)
    given = document.data if isinstance(document.data, dict) else {}
    if "vendored" in given and "labels" not in given:
        raise FileNotFoundError(LOCK)
    if given.get("scheme") != _SCHEME:
        words = f"this promptctl reads locks of scheme {_SCHEME}"
        raise InvalidFiles([Problem(words, document.place("scheme"), AGAIN, "lock-scheme")])
    labels = given.get("labels")
    found: dict[str, LockedLabel] = {}
    problems = []
    for name, label in (labels if isinstance(labels, dict) else {}).items():
        prompt, _, at = str(name).partition("@")
        place = document.key_place("labels", name)
        if not _is_whole(label) or id_problem(prompt) is not None or not LABEL.match(at):
            problems.append(Problem(f"`{name}` is not as `label lock` writes it", place, AGAIN, "lock-label"))
        else:
            found[name] = LockedLabel(name, **label, place=place)
    if problems:
        raise InvalidFiles(problems)
    return found


def compare_lock(lock: Mapping[str, LockedLabel], now: Mapping[str, LockedLabel]) -> list[Problem]:
    """Return where a lock says something else than the tags do now."""
    problems = []
    for name in sorted({*lock, *now}):
        was, tag = lock.get(name), now.get(name)
        if was is None and tag is not None:
            words, place = f"{name} is {tag.shown} by its tag, and missing here", Place(LOCK)
        elif was is not None and was != tag:
            by_tag = "names nothing" if tag is None else f"is {tag.shown}, event {tag.event},"
            words, place = (
                f"{name} {by_tag} by its tag, and {was.shown}, event {was.event}, here",
                was.place or Place(LOCK),
            )
        else:
            continue
        problems.append(Problem(words, place, "promptctl label lock", "lock-differs"))
    return problems


def _plain(version: str) -> str:
    """Return a version as it is written; what promptctl would not call one is unknown."""
    return version if re.fullmatch(_FORMS["version"], version) else "v?"


def _is_whole(label: Any) -> bool:
    return (
        isinstance(label, dict)
        and label.keys() == {*_FORMS, "event"}
        and all(isinstance(label[key], str) and re.fullmatch(form, label[key]) for key, form in _FORMS.items())
        and type(label["event"]) is int
        and label["event"] > 0
    )
