"""Every label tag, checked: against its own name, the event before it, the commit it names, and the remote."""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING

from promptctl.errors import Problem
from promptctl.files.names import PROMPTS
from promptctl.git.trees import CommitTree
from promptctl.labels.chains import LabelTags, bad_tag, marker, odd_name, read_events
from promptctl.labels.remote import short
from promptctl.labels.tags import LabelEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from promptctl.files.sources import Cache
    from promptctl.git.repository import Git
    from promptctl.labels.remote import Remote

_PROMPTS_FOLDER = re.compile(rf"(?:^|/)({PROMPTS}/)")


def verify(git: Git, remote: Remote | None = None) -> list[Problem]:
    """Return everything wrong with the labels here, by name; with a remote, also with those there.

    Labels are to be fetched before. Warnings are facts that a person should know and that harm nothing.
    """
    tags = LabelTags.read(git)
    named = [tag for chain in tags.chains.values() for tag in chain.values()]
    found = read_events(git, named)
    events = [event for event in found if isinstance(event, LabelEvent)]
    problems = [odd_name(ref) for ref in tags.odd] + [problem for problem in found if isinstance(problem, Problem)]
    problems += _chains(events, {ref.name: ref.object for ref in named})
    problems += _targets(git, events)
    problems += _branches(git, events)
    if remote is not None:
        here = {ref.name: ref.object for ref in (*named, *tags.odd)}
        problems += _remote(remote.name, here, remote.tags(), events, tags.unpushed.keys())
    return problems


def _chains(events: Sequence[LabelEvent], objects: Mapping[str, str]) -> list[Problem]:
    """Return gaps in the numbers, and events that do not follow the one before."""
    problems: list[Problem] = []
    known = set(objects.values())
    for event in events:
        tag = short(event.name.ref)
        if event.n == 1:
            if event.previous is not None and event.previous not in known:
                words = f"{tag} follows {event.previous[:12]}, an event that is not here"
                problems.append(Problem(words, hint="promptctl label fetch", code="label-gap"))
            continue
        before = f"{event.name.chain}/{event.n - 1}"
        if before not in objects:
            words = f"{short(before)} is missing, but {tag} is there"
            problems.append(Problem(words, hint="promptctl label fetch", code="label-gap"))
        elif objects[before] != event.previous:
            said = event.previous[:12] if event.previous else "nothing"
            words = f"it says that it follows {said}, but event {event.n - 1} is {objects[before][:12]}"
            problems.append(bad_tag(event.name.ref, "label-chain", words))
    return problems


def _targets(git: Git, events: Sequence[LabelEvent]) -> list[Problem]:
    """Return commits that do not hold the prompt, or hold a different text from the one that the event recorded."""
    problems: list[Problem] = []
    cache: Cache = {}
    found = git.objects.read_all([f"{event.commit}:{event.path}" for event in events], max_bytes=0)
    for event, file in zip(events, found, strict=True):
        tag, hint = short(event.name.ref), f"promptctl label set {event.prompt}@{event.label} VERSION"
        if file is None or file.kind != "blob":
            words = f"{tag} names the commit {event.commit[:12]}, which has no file {event.path}"
            problems.append(Problem(words, hint=hint, code="label-path"))
        elif _digest(git, event, cache) != event.digest:
            words = f"{tag} recorded a different text from the one {event.path} has in the commit {event.commit[:12]}"
            problems.append(Problem(words, hint=hint, code="label-digest"))
    return problems


def _digest(git: Git, event: LabelEvent, cache: Cache) -> str | None:
    """Return the digest of an event's file, in whichever workspace of the repository; None if it is unsound."""
    from promptctl.prompts.loading import closure_of

    prefix = git.prefix
    if not event.path.startswith(f"{prefix}{PROMPTS}/"):
        found = _PROMPTS_FOLDER.search(event.path)
        prefix = event.path[: found.start(1)] if found else ""
    return closure_of(CommitTree(git, event.commit, prefix), event.path.removeprefix(prefix), cache=cache).digest


def _branches(git: Git, events: Sequence[LabelEvent]) -> list[Problem]:
    """Return labels whose commit no branch holds any more: the tags alone keep it."""
    commits = list(dict.fromkeys(event.commit for event in events))
    asked = "\n".join([*commits, ""]).encode()
    args = ["rev-list", "--ignore-missing", "--stdin", "--not", "--branches", "--remotes"]
    lonely = set(git.run(args, input=asked).lines()) if commits else set()
    last = {event.name.chain: event for event in sorted(events, key=lambda event: event.n)}
    return [
        Problem(
            f"{event.prompt}@{event.label} names {event.commit[:12]}, which is on no branch that is known here "
            "(squashed, rewritten or not fetched); its tag keeps it",
            code="label-off-branch",
            severity="warning",
        )
        for event in last.values()
        if event.is_live and event.commit in lonely
    ]


def _remote(
    remote: str,
    here: Mapping[str, str],
    there: Mapping[str, str],
    events: Iterable[LabelEvent],
    unpushed: Set[str],
) -> list[Problem]:
    """Return the tags that differ between this clone and the remote."""
    followed = {event.previous for event in events}
    problems: list[Problem] = []
    for ref in sorted({*here, *there}):
        if here.get(ref) == there.get(ref):
            continue
        tag, is_unpushed = short(ref), marker(ref) in unpushed
        if ref not in here:
            words, hint, code = f"{tag} is at {remote}, but not here", "promptctl label fetch", "label-not-here"
        elif ref not in there and is_unpushed:
            words, hint, code = f"{tag} is not pushed yet", "promptctl label push", "label-unpushed"
        elif is_unpushed:
            words, hint, code = (
                f"{tag} came too late: {remote} has a different one",
                "promptctl label push",
                "label-lost-race",
            )
        elif ref not in there:
            words, code = f"{tag} is here, but {remote} does not have it", "label-lost"
            hint = f"to restore it: git push {remote} {quote(ref)}"
        else:
            words = f"{tag} is {there[ref][:12]} at {remote}, but {here[ref][:12]} here: one of them was replaced"
            code = "label-differs"
            hint = f"to restore it: git push --force {remote} {quote(ref)}"
            if here[ref] not in followed:
                hint += f"\nto take theirs: git fetch {remote} {quote(f'+{ref}:{ref}')}"
        is_warning = code == "label-unpushed"
        problems.append(Problem(words, hint=hint, code=code, severity="warning" if is_warning else "error"))
    return problems
