"""The commits and labels that the versions of a registry become, in the order of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from promptctl.errors import UNSEEN, Place
from promptctl.exchange.drafts import RegistryVersion
from promptctl.files.plain import utc
from promptctl.files.wording import clip
from promptctl.git.commit_stream import NewCommit, Person

# Names that no mail can be sent to: the domain is kept free for that (RFC 2606).
_NO_ADDRESS = "no-address@registry.invalid"
_WITH_ADDRESS = re.compile(r"\s*([^<>]*?)\s*<\s*([^<>\s@]+@[^<>\s@]+)\s*>\s*\Z")
_ADDRESS = re.compile(r"[^<>\s@]+@[^<>\s@]+\.[^<>\s@.]+\Z")
# Characters that control a terminal, or turn or hide what is beside them.
_NOT_IN_MESSAGES = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f]|{UNSEEN.pattern}")
_WIDEST_OFFSET = timedelta(hours=14)  # which is as far as Git takes one
_TRAILER = "Imported-From"
_MOST_SUBJECT = 101


@dataclass(frozen=True, slots=True)
class PlacedPast:
    """Every version of one prompt that a registry kept, with the id and the path that it has here.

    `registry` is the registry's name, `wish` the prompt's name there; `partials` are paths of its foreign file's.
    """

    registry: str
    wish: str
    prompt: str
    path: str
    versions: Sequence[tuple[RegistryVersion, bytes]]
    place: Place | None = None
    partials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryVersion:
    """One version on its way to a commit: the prompt's id and file, and when and by whom it was made.

    `date` is that of the version, or of the one before it if it has none or an earlier one.
    """

    past: PlacedPast
    registry: RegistryVersion
    data: bytes
    date: datetime

    @property
    def author(self) -> Person:
        """The author; with an address that says that there is none if the registry had none."""
        return author_of(self.registry.author)

    @property
    def subject(self) -> str:
        """The first line of the commit's message."""
        return clip(self._message.split("\n", 1)[0].strip(), _MOST_SUBJECT)

    @property
    def utc_date(self) -> str:
        """The date in UTC, whatever the registry's zone."""
        return utc(self.date)

    @property
    def message(self) -> str:
        """The commit's message: the version's own, and where it comes from."""
        own, number = self._message, self.registry.number
        body = own.partition("\n")[2].strip("\n") if self.subject == own.partition("\n")[0].strip() else own
        source = f"{_TRAILER}: {self.past.registry}, {_line(self.past.wish)}, version {number}"
        return "\n\n".join(part for part in (self.subject, body, source) if part) + "\n"

    @property
    def _message(self) -> str:
        said = _NOT_IN_MESSAGES.sub(" ", (self.registry.message or "").replace("\r\n", "\n")).strip()
        return said or f"Import version {self.registry.number} of {self.past.prompt}"

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "prompt": self.past.prompt,
            "version": self.registry.number,
            "date": self.utc_date,
            "author": str(self.author),
            "subject": self.subject,
            "path": self.past.path,
            "labels": list(self.registry.labels),
        }


@dataclass(frozen=True, slots=True)
class HistoryLabel:
    """A label that a version had in the registry.

    `at` is the place of that version among those of the history, None if it is a commit already.
    """

    prompt: str
    label: str
    registry: str
    number: int
    at: int | None

    @property
    def reason(self) -> str:
        """The reason that the label's event gives."""
        return f"imported from {self.registry}, version {self.number}"


@dataclass(frozen=True, slots=True)
class RegistryHistory:
    """The versions that become commits, oldest first, with the files that the first commit needs besides.

    `files` are partials. `there` counts versions that the branch has already.
    """

    versions: tuple[HistoryVersion, ...] = ()
    labels: tuple[HistoryLabel, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    there: int = 0

    @property
    def is_empty(self) -> bool:
        """True if there is no version to write."""
        return not self.versions

    @property
    def is_nothing(self) -> bool:
        """True if no registry kept anything of what is imported."""
        return not self.versions and not self.there

    @property
    def newest(self) -> dict[str, bytes]:
        """Every file as it is after the last commit, by its path."""
        return {**self.files, **{each.past.path: each.data for each in self.versions}}

    def commits(self, prefix: str) -> list[NewCommit]:
        """Return the commits; `prefix` leads from the repository's root to the workspace."""
        found: list[NewCommit] = []
        for each in self.versions:
            files = {each.past.path: each.data} if found else {**self.files, each.past.path: each.data}
            placed = {prefix + path: data for path, data in files.items()}
            found.append(NewCommit(placed, each.date, each.message, each.author))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "commits": [each.as_dict() for each in self.versions],
            "labels": [{"prompt": each.prompt, "label": each.label, "version": each.number} for each in self.labels],
            "already_there": self.there,
        }


@dataclass(frozen=True, slots=True)
class FilesThere:
    """The files that the branch has, of those that an import writes.

    `messages_at` returns the messages of the commits that changed a file, the last one first.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    messages_at: Callable[[str], str] = lambda _: ""


def imported_numbers(messages: str, registry: str, wish: str) -> list[int]:
    """Return the versions of a registry's prompt as which the messages of commits say that something was imported.

    >>> imported_numbers("Kinder\\n\\nImported-From: Langfuse, greet, version 2\\n", "Langfuse", "greet")
    [2]
    """
    source = re.escape(f"{_TRAILER}: {registry}, {_line(wish)}, version ")
    return [int(number) for number in re.findall(rf"^{source}(\d{{1,9}})$", messages, re.MULTILINE)]


def plan_history(
    pasts: Sequence[PlacedPast], files: Mapping[str, bytes], there: FilesThere, now: datetime
) -> RegistryHistory:
    """Return the versions in the order of time, those of one prompt in the order of their numbers.

    Of a prompt that is `there` as one of its versions, later ones follow.
    """
    versions: list[HistoryVersion] = []
    skipped = 0
    for past in pasts:
        fresh = list(_fresh(past, there))
        skipped += len(past.versions) - len(fresh)
        versions += _dated(past, fresh, now)
    versions.sort(key=lambda each: (each.date, each.past.prompt, each.registry.number))
    needed = {path: data for path, data in files.items() if there.files.get(path) != data}
    return RegistryHistory(tuple(versions), tuple(_labels(pasts, versions)), needed if versions else {}, skipped)


def _fresh(past: PlacedPast, there: FilesThere) -> Iterator[tuple[RegistryVersion, bytes]]:
    ordered = sorted(past.versions, key=lambda each: each[0].number)
    now = there.files.get(past.path)
    known = [registry.number for registry, data in ordered if data == now]
    if len(known) > 1:  # the text of one came back as that of a different one
        said = imported_numbers(there.messages_at(past.path), past.registry, past.wish)
        known = next(([each] for each in said if each in known), known)
    yield from (each for each in ordered if each[0].number > max(known, default=0))


def _dated(
    past: PlacedPast, versions: Iterable[tuple[RegistryVersion, bytes]], now: datetime
) -> Iterator[HistoryVersion]:
    versions = list(versions)
    dates = [registry.created_at for registry, _ in versions if registry.created_at is not None]
    last = dates[0] if dates else now
    for registry, data in versions:
        last = max(last, registry.created_at) if registry.created_at is not None else last
        is_wide = abs(last.utcoffset() or timedelta()) > _WIDEST_OFFSET
        yield HistoryVersion(past, registry, data, last.astimezone(UTC if is_wide else last.tzinfo or UTC))


def _labels(pasts: Sequence[PlacedPast], versions: Sequence[HistoryVersion]) -> Iterator[HistoryLabel]:
    places = {(each.past.path, each.registry.number): at for at, each in enumerate(versions)}
    for past in sorted(pasts, key=lambda each: each.prompt):
        newest: dict[str, RegistryVersion] = {}
        for registry, _ in sorted(past.versions, key=lambda each: each[0].number):
            newest |= dict.fromkeys(registry.labels, registry)
        for label, registry in newest.items():
            at = places.get((past.path, registry.number))
            yield HistoryLabel(past.prompt, label, past.registry, registry.number, at)


def author_of(name: str | None) -> Person:
    """Return who a registry names, as an author.

    >>> str(author_of("Ada <ada@example.com>")), str(author_of("ada@example.com")), str(author_of("clx1"))
    ('Ada <ada@example.com>', 'ada <ada@example.com>', 'clx1 <no-address@registry.invalid>')
    """
    name = _line(name or "")
    if (found := _WITH_ADDRESS.match(name)) is not None:
        return Person(found[1] or found[2].partition("@")[0], found[2])
    if _ADDRESS.match(name):
        return Person(name.partition("@")[0], name)
    return Person(name or "unknown", _NO_ADDRESS)


def _line(text: str) -> str:
    return " ".join(_NOT_IN_MESSAGES.sub(" ", text).split())
