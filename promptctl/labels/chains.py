"""The events of labels as this clone holds them: the last of one chain, a whole chain, the last of every chain.

Nothing here asks a remote. A chain is ordered by its numbers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from promptctl.errors import GitError, HistoryIncomplete, LabelRefused, Problem, RevisionNotFound, quote
from promptctl.files.names import SETTINGS, id_problem
from promptctl.files.wording import version_keys
from promptctl.git.repository import Git, GitRef
from promptctl.labels.signers import unsigned
from promptctl.labels.tags import PREFIX, TAGS, LabelEvent, LabelName, MalformedTag, parse_event, parse_name
from promptctl.labels.trust import UNPUSHED, LabelTrust, known, marker

_MAX_TAG_BYTES = 64 * 1024
_MOST_CHAINS = 1000

Unasked = Callable[["Sequence[LabelEvent]"], "Set[str]"]
"""Returns the tag objects of those events that were made when no signature was asked for."""
Chain = dict[int, "GitRef"]
"""The tags of one label by the numbers of their events."""


@dataclass(frozen=True, slots=True)
class LabelState:
    """The state of a label: the last event of its chain.

    After a rename `event.prompt` can still be the earlier id. `is_unpushed` says that no remote has the event yet.
    `today` is its version as it is called by now, if it had no number when the label was moved.
    """

    prompt: str
    label: str
    event: LabelEvent
    is_unpushed: bool = False
    today: str | None = None

    @property
    def is_live(self) -> bool:
        """True if the label names a version; False after its removal."""
        return self.event.is_live

    @property
    def commit(self) -> str:
        """The full id of the commit it names."""
        return self.event.commit

    @property
    def version(self) -> str:
        """The version that the commit is, as far as that is known, or was when the label was moved: `v7`."""
        return self.today or self.event.version

    @property
    def digest(self) -> str:
        """The digest recorded for it."""
        return self.event.digest

    def as_dict(self) -> dict[str, Any]:
        """Return the state JSON-able: the prompt's id of today, and its last event."""
        return {
            **self.event.as_dict(),
            "prompt": self.prompt,
            **version_keys(self.version),
            "live": self.is_live,
            "pushed": not self.is_unpushed,
        }


@dataclass(frozen=True, slots=True)
class History:
    """Every event of one label, oldest first, also those under earlier ids; and the problems of other tags."""

    events: tuple[LabelEvent, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The state of every label by (prompt id, label), removed ones included; and the labels that cannot be read."""

    states: Mapping[tuple[str, str], LabelState]
    problems: tuple[Problem, ...] = ()


class LabelTags:
    """The tags below `prompt/` of this clone, sorted out by label.

    `chains` holds the tags of each label that count by what their references begin with, `odd` those whose name is none
    of ours, `unpushed` the markers of events that no remote has accepted yet. `strays` are tags that count for nothing:
    the remote of labels is not known to have them.
    """

    def __init__(self, refs: Iterable[GitRef], trust: LabelTrust) -> None:
        self.trust = trust
        self.chains: dict[str, Chain] = {}
        self.odd: list[GitRef] = []
        self.strays: list[GitRef] = []
        found = {ref.name: ref.object for ref in refs}
        self.unpushed = {name: oid for name, oid in found.items() if name.startswith(UNPUSHED)}
        tags = {name: oid for name, oid in found.items() if name.startswith(PREFIX)}
        counting = tags
        if trust.remote is not None:
            start = known(PREFIX, trust.remote)
            counting = {PREFIX + name.removeprefix(start): oid for name, oid in found.items() if name.startswith(start)}
            counting |= {name: oid for name, oid in tags.items() if self.unpushed.get(marker(name)) == oid}
            self.strays = [GitRef(name, oid) for name, oid in tags.items() if counting.get(name) != oid]
        for tag, oid in sorted(counting.items()):
            name = parse_name(tag)
            if name is None:
                self.odd.append(GitRef(tag, oid))
            else:
                self.chains.setdefault(name.chain, {})[name.n] = GitRef(tag, oid)

    @classmethod
    def read(cls, git: Git, trust: LabelTrust, label: LabelName | None = None) -> LabelTags:
        """Read the tags of one label, or of all, in one Git call; in none if there are none."""
        # So many former ids, more than a command line holds, that reading all is quicker.
        prefixes = [PREFIX] if label is None or len(label.chains) > _MOST_CHAINS else label.chains
        places = [place for prefix in prefixes for place in trust.places(prefix)]
        return cls(git.refs(*places) if git.may_have(*places) else [], trust)

    def labels_of(self, prompt: str) -> list[str]:
        """Return the names of a prompt's labels."""
        return [chain.rpartition("@")[2] for chain in self.chains if chain.startswith(f"{PREFIX}{prompt}@")]


def current(git: Git, trust: LabelTrust, label: LabelName, tags: LabelTags | None = None) -> LabelState | None:
    """Return the state of a label; None if it has no event here under any id that the prompt ever had.

    `tags` are those of this clone, if they are known. Raises `RevisionNotFound` if the label was removed, and
    `LabelRefused` if its last event is not one that promptctl wrote, or does not follow the one before, and `GitError`
    if its tag is lost.
    """
    state = last_state(git, trust, label, tags)
    if state is not None and not state.is_live:
        event = state.event
        why = f": {event.reason}" if event.reason else ""
        raise RevisionNotFound(
            f"the label `{label.label}` of `{label.prompt}` was removed by {event.actor} on {event.date:%Y-%m-%d}{why}",
            hint=f"promptctl label log {label}",
        )
    return state


def last_state(git: Git, trust: LabelTrust, label: LabelName, tags: LabelTags | None = None) -> LabelState | None:
    """Return what `current` does; a removed label is a state too."""
    tags = tags or LabelTags.read(git, trust, label)
    chain = next((tags.chains[name] for name in label.chains if name in tags.chains), None)
    if chain is None:
        return None
    last = chain[max(chain)]
    event = read_events(git, [last], trust)[0]
    problem = event if isinstance(event, Problem) else _break_before(event, chain, tags.unpushed.keys())
    if problem is not None:
        is_lost = git.objects.read(last.object, max_bytes=0) is None
        raise (GitError if is_lost else LabelRefused)(problem.message, hint=problem.hint)
    assert isinstance(event, LabelEvent)
    if event.n > 1 and event.n - 1 not in chain:
        # Git brought some of the label's tags, as a shallow clone does: then the last one may be missing as well.
        raise HistoryIncomplete(
            f"this clone holds only a part of what happened to {event.prompt}@{event.label}: "
            f"event {event.n - 1} is missing, and so may be those after event {event.n}",
            hint="bring every label with: promptctl label fetch",
        )
    return LabelState(label.prompt, label.label, event, is_unpushed=marker(event.name.ref) in tags.unpushed)


def history(
    git: Git, trust: LabelTrust, label: LabelName, unasked: Unasked | None = None, tags: LabelTags | None = None
) -> History:
    """Return every event of a label in order; after a rename, the chain of the earlier id is its past.

    An event whose signature does not count is among them if it was `unasked` of a signature. If such an event is the
    last one, it is a problem as well, as the label names nothing by it. `tags` are those of this clone, if known.
    """
    tags = tags or LabelTags.read(git, trust, label)
    problems = [odd_name(ref) for ref in tags.odd]
    chains = []
    for name in label.chains:
        chain = tags.chains.get(name, {})
        found = read_events(git, [chain[n] for n in sorted(chain)])
        problems += [each for each in found if isinstance(each, Problem)]
        chains.append([each for each in found if isinstance(each, LabelEvent)])
    events = _joined([chain for chain in chains if chain])
    bad = _unsigned(git, trust, events)
    allowed = unasked(events) if bad and unasked is not None else set()
    problems += [each for oid, each in bad.items() if oid not in allowed or oid == events[-1].oid]
    return History(tuple(each for each in events if each.oid not in bad or each.oid in allowed), tuple(problems))


def _joined(chains: Sequence[Sequence[LabelEvent]]) -> list[LabelEvent]:
    """Return the first chain, preceded by the chain that its first event was built on."""
    events = list(chains[0]) if chains else []
    rest = list(chains[1:])
    while events:
        before = next((chain for chain in rest if events[0].previous in {event.oid for event in chain}), None)
        if before is None:
            break
        rest.remove(before)
        upto = next(i for i, event in enumerate(before) if event.oid == events[0].previous)
        events = [*before[: upto + 1], *events]
    return events


def listing(git: Git, tags: LabelTags, formerly: Mapping[str, Sequence[str]] | None = None) -> Listing:
    """Return every label of every prompt, in two Git calls, whatever their number.

    `formerly` maps a prompt's id to its earlier ids: their labels are given under the id of today.
    """
    problems = [odd_name(ref) for ref in tags.odd]
    states: dict[tuple[str, str], LabelState] = {}
    last = read_events(git, [chain[max(chain)] for chain in tags.chains.values()], tags.trust)
    for chain, event in zip(tags.chains.values(), last, strict=True):
        problem = event if isinstance(event, Problem) else _break_before(event, chain, tags.unpushed.keys())
        if problem is not None:
            problems.append(problem)
        elif isinstance(event, LabelEvent):
            is_unpushed = marker(event.name.ref) in tags.unpushed
            states[event.prompt, event.label] = LabelState(event.prompt, event.label, event, is_unpushed)
    for today, earlier in (formerly or {}).items():
        for old in earlier:
            for key in [key for key in states if key[0] == old]:
                state = states.pop(key)
                states.setdefault((today, key[1]), replace(state, prompt=today))
    return Listing(dict(sorted(states.items())), tuple(problems))


def other_workspace(git: Git, event: LabelEvent) -> str | None:
    """Return the other workspace of the repository that a label belongs to (`apps/bot/`, or `.` for its root).

    None if the label is this workspace's, or of one that was moved to here.
    """
    if event.workspace in (None, git.prefix):
        return None
    # A workspace that was moved is not at its old place any more, and was not at the new one before.
    is_other = _is_workspace(git, git.head, event.workspace) or _is_workspace(git, event.commit, git.prefix)
    return (event.workspace or ".") if is_other else None


def living_workspace(git: Git, event: LabelEvent) -> str | None:
    """Return what `other_workspace` does, but None if that workspace was removed: its labels are free to be moved."""
    other = other_workspace(git, event)
    return other if other is not None and _is_workspace(git, git.head, event.workspace) else None


def _is_workspace(git: Git, commit: str | None, folder: str | None) -> bool:
    return git.objects.read_all([f"{commit}:{folder}{SETTINGS}"], max_bytes=0)[0] is not None


def refuse_other_workspace(git: Git, label: LabelName, event: LabelEvent) -> None:
    """Raise `RevisionNotFound` if a label, at this event, belongs to a different workspace of the repository."""
    other = other_workspace(git, event)
    if other is not None:
        raise RevisionNotFound(
            f"the label `{label}` belongs to the prompt of the same id in the workspace {other}",
            hint=f"promptctl -C {quote(str(git.root / other))} label list"
            if living_workspace(git, event)
            else f"that workspace was removed; move the label to a version of this prompt: promptctl label set {label}",
        )


def read_events(git: Git, refs: Sequence[GitRef], trust: LabelTrust | None = None) -> list[LabelEvent | Problem]:
    """Read the event under each reference, or what is wrong with it, in one Git call.

    With `trust`, an event whose signature does not count is wrong.
    """
    found: list[LabelEvent | Problem] = []
    tags = git.objects.read_all([ref.object for ref in refs], max_bytes=_MAX_TAG_BYTES)
    for ref, tag in zip(refs, tags, strict=True):
        try:
            found.append(parse_event(ref.name, tag))
        except MalformedTag as error:
            found.append(bad_tag(ref.name, error.code, error.words))
    if trust is not None:
        bad = _unsigned(git, trust, [event for event in found if isinstance(event, LabelEvent)])
        found = [bad.get(each.oid, each) if isinstance(each, LabelEvent) else each for each in found]
    return found


def _unsigned(git: Git, trust: LabelTrust, events: Sequence[LabelEvent]) -> dict[str, Problem]:
    """Return the problems of the events whose signature does not count, by their tag objects."""
    if trust.signers is None:
        return {}
    bad = unsigned(git, trust, [(event.oid, event.address) for event in events])
    bad |= {each.oid: f"its tagger is {each.tagger}, not {each.actor}" for each in events if not each.is_by_actor}
    return {each.oid: bad_move(each, "label-unsigned", bad[each.oid]) for each in events if each.oid in bad}


def bad_tag(ref: str, code: str, words: str) -> Problem:
    """Return the problem of a tag below `prompt/` that promptctl did not write, with the command that removes it."""
    tag = ref.removeprefix(TAGS)
    # A stranger may have chosen the name, and the command is there to be pasted into a shell.
    remedy = f"git tag -d {quote(tag)}   (and where a remote has it: git push REMOTE --delete {quote(ref)})"
    return Problem(f"the tag {tag} is no event of a label: {words}", hint=remedy, code=code)


def bad_move(event: LabelEvent, code: str, words: str) -> Problem:
    """Return the problem of an event that breaks what was asked of it: what is there stays, the next move mends it."""
    hint = f"promptctl label set {event.prompt}@{event.label} VERSION makes the next move as it is asked"
    return Problem(f"the move {event.name} does not hold: {words}", hint=hint, code=code)


def odd_name(ref: GitRef) -> Problem:
    """Return the problem of a tag below `prompt/` whose name is none of ours; it counts for nothing."""
    return bad_tag(ref.name, "label-name", "its name is not <prompt>@<label>/<number>")


def recorded_otherwise(git: Git, trust: LabelTrust, prompt_id: str, number: int, digest: str) -> LabelEvent | None:
    """Return an event of any label of a prompt that recorded this version number for a different digest.

    Numbers change if the default branch's first-parent line was rewritten; then the number alone names nothing.
    """
    if id_problem(prompt_id) is not None:
        return None
    tags = LabelTags(git.refs(*trust.places(f"{PREFIX}{prompt_id}@*/*")), trust)
    refs = [ref for chain in tags.chains.values() for ref in chain.values()]
    events = (event for event in read_events(git, refs) if isinstance(event, LabelEvent))
    return next((event for event in events if event.version == f"v{number}" and event.digest != digest), None)


def _break_before(event: LabelEvent, chain: Mapping[int, GitRef], unpushed: Set[str]) -> Problem | None:
    """Return the problem of an event that does not follow the one before, as far as this clone has that one."""
    before = chain.get(event.n - 1)
    if before is None or before.object == event.previous:
        return None
    if event.previous is not None and marker(before.name) in unpushed:
        words = (
            f"{event.prompt}@{event.label} was moved here and elsewhere: event {event.n - 1} is not pushed, "
            f"and event {event.n} follows a different one"
        )
        hint = "promptctl label push   (takes back what was moved here, and shows what came first)"
        return Problem(words, hint=hint, code="label-lost-race")
    words = f"it says that it follows {event.previous or 'nothing'}, but event {event.n - 1} is {before.object}"
    return bad_tag(event.name.ref, "label-chain", words)
