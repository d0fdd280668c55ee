"""Everything wrong with the labels of a repository, here and at its remote: names, chains, targets, branches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from promptctl.errors import Problem, WorkspaceError, quote
from promptctl.files.names import PROMPTS
from promptctl.files.sources import Cache
from promptctl.git.kept_trees import TREES_KEPT, CommitTrees
from promptctl.git.repository import Git, GitRef
from promptctl.labels.chains import LabelTags, bad_tag, odd_name, read_events
from promptctl.labels.remote import Remote, short
from promptctl.labels.tags import LabelEvent, parse_name
from promptctl.labels.trust import LabelTrust, known, marker

_PROMPTS_FOLDER = re.compile(rf"(?:^|/)({PROMPTS}/)")


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything wrong with the labels here, by name, and the events that were read.

    Warnings are facts that a person should know and that harm nothing.
    """

    problems: list[Problem]
    events: list[LabelEvent]


def verify(git: Git, trust: LabelTrust, remote: Remote | None = None) -> Audit:
    """Check the labels here, and with a remote also those there. Labels are to be fetched before.

    Rules, evidence and signatures are not looked at: what held when an event was made is for `promotion/` to say.
    """
    tags = LabelTags.read(git, trust)
    named = [tag for chain in tags.chains.values() for tag in chain.values()]
    found = read_events(git, named)
    events = [event for event in found if isinstance(event, LabelEvent)]
    problems = [odd_name(ref) for ref in tags.odd] + [problem for problem in found if isinstance(problem, Problem)]
    problems += _chains(events, {ref.name: ref.object for ref in named})
    problems += _actors(events)
    problems += _targets(git, events)
    problems += _branches(git, events)
    if remote is not None:
        here = {ref.name: ref.object for ref in named}
        problems += _remote(remote.name, here, remote.tags(), events, tags.unpushed.keys())
        problems += [_stray(remote.name, ref, here.get(ref.name)) for ref in tags.strays]
    return Audit(problems, events)


def _actors(events: Iterable[LabelEvent]) -> list[Problem]:
    """Return events that say they were made by somebody who is not the tag's own tagger."""
    words = "its tagger is {}, but it says that it was moved by {}"
    return [
        bad_tag(event.name.ref, "label-actor", words.format(event.tagger, event.actor))
        for event in events
        if not event.is_by_actor
    ]


def _stray(remote: str, stray: GitRef, counting: str | None) -> Problem:
    """Return the problem of a tag that another fetch brought, or a hand made: it counts for nothing."""
    tag = short(stray.name)
    if counting is None:
        words = f"the tag {tag} is here, but {remote} is not known to have had it: it counts for nothing"
    else:
        words = (
            f"the tag {tag} is {stray.object[:12]} here: {counting[:12]}, which {remote} had, is the one that counts"
        )
    return Problem(words, hint=f"git tag -d {quote(tag)}", code="label-stray", severity="warning")


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
    found = git.objects.read_all([f"{event.commit}:{event.path}" for event in events], max_bytes=0)
    held = [event for event, file in zip(events, found, strict=True) if file is not None and file.kind == "blob"]
    digests = _digests(git, held)
    for event in events:
        tag, hint = short(event.name.ref), f"promptctl label set {event.prompt}@{event.label} VERSION"
        digest = digests.get(event.oid)
        if isinstance(digest, WorkspaceError):  # of this event alone: the others are checked
            problems.append(bad_tag(event.name.ref, "label-path", digest.message))
        elif event.oid not in digests:
            words = f"{tag} names the commit {event.commit[:12]}, which has no file {event.path}"
            problems.append(Problem(words, hint=hint, code="label-path"))
        elif digest != event.digest:
            words = f"{tag} recorded a different text from the one {event.path} has in the commit {event.commit[:12]}"
            problems.append(Problem(words, hint=hint, code="label-digest"))
    return problems


def _digests(git: Git, events: Sequence[LabelEvent]) -> dict[str, str | WorkspaceError | None]:
    """Return the digest of each event's file, by tag object; None if the file is unsound.

    Each is read in whichever workspace of the repository it lies in, those of one commit after each other.
    """
    from promptctl.prompts.loading import closure_of

    trees = CommitTrees(git)
    cache: Cache = {}
    found: dict[str, str | WorkspaceError | None] = {}
    left = iter(sorted(events, key=lambda event: event.commit))
    while some := list(islice(left, TREES_KEPT)):
        prefixes = [_prefix(git, event) for event in some]
        opened = [trees.at(event.commit, prefix) for event, prefix in zip(some, prefixes, strict=True)]
        trees.read_ahead([(tree, event.path) for tree, event in zip(opened, some, strict=True)])
        for event, prefix, tree in zip(some, prefixes, opened, strict=True):
            path = event.path.removeprefix(prefix)
            try:
                found[event.oid] = closure_of(tree, path, cache=cache).digest
            except WorkspaceError as error:
                found[event.oid] = error
    return found


def _prefix(git: Git, event: LabelEvent) -> str:
    """Return the folder of the workspace that an event's file lies in, as `CommitTree` takes it."""
    prefix = event.workspace or "" if event.within else git.prefix
    if event.within or event.path.startswith(f"{prefix}{PROMPTS}/"):
        return prefix
    found = _PROMPTS_FOLDER.search(event.path)
    return event.path[: found.start(1)] if found else ""


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
        if parse_name(ref) is None:
            problems.append(odd_name(GitRef(ref, there[ref])))
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
            hint = f"to restore it: git push {remote} {quote(f'{known(ref, remote)}:{ref}')}"
        else:
            words = f"{tag} is {there[ref][:12]} at {remote}, but {here[ref][:12]} here: one of them was replaced"
            code = "label-differs"
            hint = f"to restore it: git push --force {remote} {quote(f'{known(ref, remote)}:{ref}')}"
            if here[ref] not in followed:
                both = f"{quote(f'+{ref}:{ref}')} {quote(f'+{ref}:{known(ref, remote)}')}"
                hint += f"\nto take theirs: git fetch {remote} {both}"
        is_warning = code == "label-unpushed"
        problems.append(Problem(words, hint=hint, code=code, severity="warning" if is_warning else "error"))
    return problems
