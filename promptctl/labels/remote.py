"""The remote that holds the labels for everyone: fetched from by an explicit refspec, pushed to as a compare-and-swap.

A plain `git fetch` brings only the tags of commits that come along, and keeps silent about a tag that differs here.
A plain `git push` of event n succeeds without event n-1. So both are said in full, and no message of Git's is matched:
after a failure, what the remote holds decides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from promptctl.errors import GitError, HistoryIncomplete, Problem, WorkspaceError
from promptctl.files.names import did_you_mean
from promptctl.files.writing import replace_file
from promptctl.git.commands import GitOutput, refusal
from promptctl.git.repository import Git, GitRef
from promptctl.labels.chains import read_events
from promptctl.labels.tags import PREFIX, TAGS, LabelEvent, parse_name
from promptctl.labels.trust import LabelTrust, known, marker

_FETCH = ("fetch", "--quiet", "--no-tags", "--no-prune", "--no-prune-tags", "--no-write-fetch-head",
          "--recurse-submodules=no", "--end-of-options")  # fmt: skip
_PUSH = ("push", "--porcelain", "--atomic", "--no-follow-tags", "--no-signed", "--recurse-submodules=no")
# Beside Git's own files, as it is knowledge about this clone: when labels were last fetched from each remote.
_FETCHED = "promptctl/labels-known.json"
# In how many pieces tags are fetched if some are damaged: enough to find a few among thousands.
_MOST_FETCHES = 60


class RemoteUnreachable(GitError):
    """The remote did not answer, or refused to answer us."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A tag that is one object here and a different one at the remote; both are full ids."""

    ref: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of a fetch: references that count from now on, and those that differ and were left alone.

    `refused` are those that Git did not store, with its words about the first.
    """

    remote: str
    added: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The moves that were added, as people name them: `support/triage@production/8`."""
        return [ref.removeprefix(PREFIX) for ref in self.added]

    def as_dict(self) -> dict[str, Any]:
        """Return the result JSON-able, with stable keys."""
        conflicts = [{"tag": each.ref, "here": each.here, "there": each.there} for each in self.conflicts]
        return {"remote": self.remote, "added": self.names, "conflicts": conflicts}


def remote_meant(git: Git, named: str | None, command: str) -> str:
    """Return the remote that a user or the settings named, or else the only one there is.

    Raises `GitError` if there is none, or several; `command` is what a remote would be named for.
    """
    names = git.remotes()
    if named is not None or len(names) == 1:
        return named or names[0]
    if not names:
        raise GitError("this repository has no remote for labels", hint="git remote add NAME ADDRESS")
    raise GitError(
        f"promptctl.yaml names no remote for labels, and there are several: {', '.join(names)}",
        hint=f"name one: {command} --remote {names[0]}, or `labels: {{remote: {names[0]}}}` in promptctl.yaml",
    )


class Remote:
    """One configured remote. Raises `GitError` if no remote of that name is configured; an address is not a name."""

    def __init__(self, git: Git, name: str) -> None:
        names = git.remotes()
        if name not in names:
            known = f"the remotes here are {', '.join(names)}" if names else "this repository has no remote"
            hint = did_you_mean(name, names) or "git remote add NAME ADDRESS"
            raise GitError(f"no remote is named `{name}`; {known}", hint=hint)
        self.name = name
        self._git = git

    def fetch(self, *, tags_count: bool = False) -> Fetched:
        """Bring every label of the remote, to be known as its own; an event that differs here is left and reported.

        What is known stays, whatever becomes of it at the remote. With `tags_count` every tag here is an event. Raises
        `RemoteUnreachable`.
        """
        there = self.tags()
        before = {ref.name: ref.object for ref in self._git.refs(*LabelTrust(self.name).places())}
        # Odd names count for nothing, and could stand in the way of others as files.
        new = [ref for ref in there if known(ref, self.name) not in before and parse_name(ref) is not None]
        words = self._store(new)
        stored = {ref.name for ref in self._git.refs(known(PREFIX, self.name).rstrip("/"))} if new else set()
        refused = {ref: words for ref in new if known(ref, self.name) not in stored}
        new = [ref for ref in new if ref not in refused]
        there = {ref: oid for ref, oid in there.items() if ref not in refused}
        kept = {ref: before.get(known(ref, self.name), oid) for ref, oid in there.items() if ref not in before}
        show_tags(self._git, {ref: oid for ref, oid in kept.items() if parse_name(ref) is not None})
        _note_fetch(self._git, self.name)
        conflicts = []
        for ref, oid in there.items():
            held = before.get(marker(ref)) or before.get(known(ref, self.name)) or (tags_count and before.get(ref))
            if held and held != oid:
                conflicts.append(Conflict(ref, held, oid))
        counted = {ref: before.get(marker(ref)) or (tags_count and before.get(ref)) for ref in new}
        added = tuple(ref for ref in new if counted[ref] != there[ref])
        return Fetched(self.name, added, tuple(conflicts), refused)

    def _store(self, refs: Sequence[str]) -> str:
        """Fetch tags, to be known as the remote's; return Git's words about the first that it does not store.

        One that is damaged keeps out all that are asked for with it, so then each half is asked for alone.
        """
        words, asked = "", [refs] if refs else []
        for _ in range(_MOST_FETCHES):
            if not asked:
                break
            some = asked.pop()
            wanted = "".join(f"{ref}:{known(ref, self.name)}\n" for ref in some).encode()
            output = self._git.run([*_FETCH[:-1], "--stdin", "--end-of-options", self.name], input=wanted, check=False)
            if output.status != 0:
                words = words or refusal(output).message
                self.tags()  # a remote that is gone now is not asked again and again
                half = len(some) // 2
                asked += [some[half:], some[:half]] if half else []
        return words

    def tags(self) -> dict[str, str]:
        """Return the references below `prompt/` that the remote holds now, with the ids of their objects."""
        listed = _listed(self._git, self.name, "--refs", f"{PREFIX}*")
        return {ref: oid for ref, oid in listed if ref.startswith(PREFIX)}

    def off_branches(self, commits: Iterable[str]) -> list[str]:
        """Return those of the commits that are on no branch of the remote.

        Raises `HistoryIncomplete` if this clone is too shallow to know.
        """
        heads = {oid: ref for ref, oid in _listed(self._git, self.name, "--heads")}
        off = [commit for commit in dict.fromkeys(commits) if not self._is_reached(commit, heads)]
        if not off:
            return []
        known = self._git.objects.read_all(list(heads), max_bytes=0)
        unknown = [ref for ref, found in zip(heads.values(), known, strict=True) if found is None]
        if unknown:
            self._git.run([*_FETCH, self.name, *unknown], check=False)
            off = [commit for commit in off if not self._is_reached(commit, heads)]
        if off and self._git.is_shallow:
            raise HistoryIncomplete(
                f"this clone is too shallow to know whether {off[0][:12]} is on a branch of {self.name}",
                hint=f"git fetch --unshallow {self.name}",
            )
        return off

    def push(self, new: Sequence[GitRef], after: Sequence[GitRef] = ()) -> GitOutput:
        """Create references at the remote, all or none, if none of them is there and `after` are as given."""
        leases = [f"--force-with-lease={ref.name}:{ref.object}" for ref in after]
        leases += [f"--force-with-lease={ref.name}:" for ref in new]
        refspecs = [f"{ref.object}:{ref.name}" for ref in (*after, *new)]
        of_mirror = ("-c", f"remote.{self.name}.mirror=false")  # which would push everything, and takes no refspec
        return self._git.run([*of_mirror, *_PUSH, *leases, "--end-of-options", self.name, *refspecs], check=False)

    def event(self, ref: str, oid: str) -> LabelEvent | None:
        """Return the event that a tag of the remote records, without storing the tag here; None if it is no event."""
        if self._git.objects.read(oid, max_bytes=0) is None:
            self._git.run([*_FETCH, self.name, ref], check=False)
        found = read_events(self._git, [GitRef(ref, oid)])[0]
        return None if isinstance(found, Problem) else found

    def _is_reached(self, commit: str, heads: Iterable[str]) -> bool:
        asked = "\n".join([commit, *(f"^{head}" for head in heads), ""]).encode()
        output = self._git.run(["rev-list", "--max-count=1", "--ignore-missing", "--stdin"], input=asked, check=False)
        return output.status == 0 and not output.stdout


def tip_of(git: Git, remote: str, branch: str) -> str | None:
    """Return the commit that a branch has at a remote now, fetched here; None if it cannot be known."""
    ref = f"refs/heads/{branch}"
    with suppress(RemoteUnreachable):
        tip = dict(_listed(git, remote, "--refs", ref)).get(ref)  # of those that end like it
        if tip is not None and git.objects.read(tip, max_bytes=0) is None:
            git.run([*_FETCH, remote, ref], check=False)
        if tip is not None and git.objects.read(tip, max_bytes=0) is not None:
            return tip
    return None


def _listed(git: Git, remote: str, kind: str, *patterns: str) -> list[tuple[str, str]]:
    """Return the references of a kind that a remote has, with their objects. Raises `RemoteUnreachable`."""
    output = git.run(["ls-remote", "--quiet", kind, "--end-of-options", remote, *patterns], check=False)
    if output.status != 0:
        error = refusal(output)
        raise RemoteUnreachable(f"{remote} cannot be asked: {error.message}", hint=error.hint)
    return [(ref, oid) for oid, _, ref in (line.partition("\t") for line in output.lines())]


def show_tags(git: Git, tags: Mapping[str, str]) -> None:
    """Make tags of events that are known, for people to see; a name that a different tag has is left to that."""
    asked = "".join(f"create {ref} {oid}\n" for ref, oid in tags.items()).encode()
    if tags and git.run(["update-ref", "--no-deref", "--stdin"], input=asked, check=False).status != 0:
        for ref, oid in tags.items():
            git.run(["update-ref", "--no-deref", ref, oid, "0" * len(oid)], check=False)


def words_of(output: GitOutput) -> str:
    """Return the words of the remote, or else of Git, about a push that was refused, as one line."""
    lines = [line.strip() for line in output.stderr.splitlines()]
    said = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    refused = [line.split("\t")[-1] for line in output.lines() if line.startswith("!")]
    fatal = [line.partition(": ")[2] for line in lines if line.startswith(("fatal: ", "error: "))]
    return "; ".join(dict.fromkeys(part for part in ([*said, *refused] or fatal) if part)) or "no reason was given"


def last_fetch(git: Git, remote: str) -> datetime | None:
    """Return the time when promptctl last fetched labels from a remote; None if it never did."""
    seconds = _notes(git).get(remote)
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None


def short(ref: str) -> str:
    """Return a tag's reference as people write it: `prompt/support/triage@production/8`."""
    return ref.removeprefix(TAGS)


def _note_fetch(git: Git, remote: str) -> None:
    notes = _notes(git) | {remote: int(time.time())}
    # A repository may only be read: labels then count as never fetched, and are fetched again.
    with suppress(WorkspaceError):
        replace_file(git.shared_folder / _FETCHED, [json.dumps(notes).encode() + b"\n"])


def _notes(git: Git) -> dict[str, int]:
    try:
        notes = json.loads((git.shared_folder / _FETCHED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
