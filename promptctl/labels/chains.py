"""The events of labels as this clone holds them: the last of one chain, a whole chain, the last of every chain.

Nothing here asks a remote. A chain is ordered by its numbers alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from promptctl.errors import GitError, HistoryIncomplete, Problem, RevisionNotFound
from promptctl.files.names import id_problem
from promptctl.labels.tags import (
    PREFIX,
    TAGS,
    LabelEvent,
    MalformedTag,
    chain_prefix,
    parse_event,
    parse_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from promptctl.git.repository import Git, GitRef

# Markers of events that no remote has accepted yet, under the same names as their tags.
UNPUSHED = "refs/promptctl/unpushed/"
CAN_BE_LABEL = re.compile(r"[a-z][a-z0-9-]*\Z")
_MAX_TAG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LabelState:
    """Where a label stands: the last event of its chain, and whether the remote has it.

    After a rename `event.prompt` can still be the earlier id.
    """

    prompt: str
    label: str
    event: LabelEvent
    is_unpushed: bool = False

    @property
    def is_live(self) -> bool:
        """Whether the label names a version; False after its removal."""
        return self.event.is_live

    @property
    def commit(self) -> str:
        """The full id of the commit it names."""
        return self.event.commit

    @property
    def version(self) -> str:
        """What that commit was called when the label was moved: `v7`."""
        return self.event.version

    @property
    def digest(self) -> str:
        """The digest recorded for it."""
        return self.event.digest

    @property
    def path(self) -> str:
        """The prompt's file there, relative to the repository's root."""
        return self.event.path

    @property
    def n(self) -> int:
        """How many events the label has had under its last id."""
        return self.event.n

    @property
    def oid(self) -> str:
        """The id of the last event's tag object."""
        return self.event.oid

    def as_dict(self) -> dict[str, Any]:
        """Return where the label stands, JSON-able: the prompt's id of today, and its last event."""
        return {
            **self.event.as_dict(),
            "prompt": self.prompt,
            "live": self.is_live,
            "pushed": not self.is_unpushed,
        }


@dataclass(frozen=True, slots=True)
class History:
    """Every event of one label, oldest first, those under earlier ids included; and the tags that are none."""

    events: tuple[LabelEvent, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The state of every label by (prompt id, label), removed ones included; and the labels that cannot be read."""

    states: Mapping[tuple[str, str], LabelState]
    problems: tuple[Problem, ...] = ()


def current(git: Git, prompt_id: str, label: str, formerly: Sequence[str] = ()) -> LabelState | None:
    """Where a label stands; None where it has no event here, under no id the prompt ever had.

    Two Git calls, whatever the number of tags. Raises `RevisionNotFound` where the label was removed, and `GitError`
    where its last event is not one that promptctl wrote, or does not follow the one before.
    """
    state = last_state(git, prompt_id, label, formerly)
    if state is not None and not state.is_live:
        event = state.event
        why = f": {event.reason}" if event.reason else ""
        raise RevisionNotFound(
            f"the label {label} of {prompt_id} was removed by {event.actor} on {event.date:%Y-%m-%d}{why}",
            hint=f"promptctl label log {prompt_id}@{label}",
        )
    return state


def last_state(git: Git, prompt_id: str, label: str, formerly: Sequence[str] = ()) -> LabelState | None:
    """As `current`, but a removed label is a state too."""
    ids = _ids(prompt_id, formerly) if CAN_BE_LABEL.match(label) else []
    prefixes = [chain_prefix(name, label) for name in ids]
    refs = git.refs(*prefixes, *(marker(prefix) for prefix in prefixes)) if ids else []
    unpushed = {ref.name for ref in refs if ref.name.startswith(UNPUSHED)}
    for prefix in prefixes:
        chain = _numbered(ref for ref in refs if ref.name.startswith(f"{prefix}/"))
        if chain:
            event = _last_event(git, chain, unpushed)
            return LabelState(prompt_id, label, event, is_unpushed=marker(event.name.ref) in unpushed)
    return None


def history(git: Git, prompt_id: str, label: str, formerly: Sequence[str] = ()) -> History:
    """Every event of a label in order; after a rename, the chain of the earlier id is its past."""
    ids = _ids(prompt_id, formerly) if CAN_BE_LABEL.match(label) else []
    refs = git.refs(*(chain_prefix(name, label) for name in ids)) if ids else []
    problems: list[Problem] = [odd_name(ref) for ref in refs if parse_name(ref.name) is None]
    chains: dict[str, list[LabelEvent]] = {name: [] for name in ids}
    for found in read_events(git, [ref for ref in refs if parse_name(ref.name) is not None]):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            chains[found.prompt].append(found)
    for chain in chains.values():
        chain.sort(key=lambda event: event.n)
    return History(tuple(_joined([chains[name] for name in ids if chains[name]])), tuple(problems))


def _joined(chains: Sequence[Sequence[LabelEvent]]) -> list[LabelEvent]:
    """The first chain, with whatever chain its first event was built on before it."""
    if not chains:
        return []
    events, rest = list(chains[0]), list(chains[1:])
    while rest:
        before = next((chain for chain in rest if events[0].previous in {event.oid for event in chain}), None)
        if before is None:
            break
        rest.remove(before)
        upto = next(i for i, event in enumerate(before) if event.oid == events[0].previous)
        events = [*before[: upto + 1], *events]
    return events


def listing(git: Git, formerly: Mapping[str, Sequence[str]] | None = None) -> Listing:
    """Every label of every prompt, in two Git calls, whatever their number.

    `formerly` maps a prompt's id to its earlier ids: their labels are given under the id of today.
    """
    refs = git.refs(PREFIX.rstrip("/"), UNPUSHED.rstrip("/"))
    unpushed = {ref.name for ref in refs if ref.name.startswith(UNPUSHED)}
    problems: list[Problem] = []
    chains: dict[tuple[str, str], dict[int, GitRef]] = {}
    for ref in refs:
        name = parse_name(ref.name)
        if name is not None:
            chains.setdefault((name.prompt, name.label), {})[name.n] = ref
        elif ref.name not in unpushed:
            problems.append(odd_name(ref))
    states: dict[tuple[str, str], LabelState] = {}
    last = read_events(git, [chain[max(chain)] for chain in chains.values()])
    for (key, chain), event in zip(chains.items(), last, strict=True):
        problem = event if isinstance(event, Problem) else _break_before(event, chain, unpushed)
        if problem is not None:
            problems.append(problem)
        elif isinstance(event, LabelEvent):
            states[key] = LabelState(*key, event, is_unpushed=marker(event.name.ref) in unpushed)
    return Listing(_renamed(states, formerly or {}), tuple(problems))


def _renamed(
    states: dict[tuple[str, str], LabelState], formerly: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], LabelState]:
    for today, earlier in formerly.items():
        for old in earlier:
            for key in [key for key in states if key[0] == old]:
                state = states.pop(key)
                states.setdefault((today, key[1]), LabelState(today, key[1], state.event, state.is_unpushed))
    return dict(sorted(states.items()))


def read_events(git: Git, refs: Sequence[GitRef]) -> list[LabelEvent | Problem]:
    """The event under each reference, or what is wrong with it, in one Git call."""
    found: list[LabelEvent | Problem] = []
    for ref, tag in zip(
        refs, git.objects.read_all([ref.object for ref in refs], max_bytes=_MAX_TAG_BYTES), strict=True
    ):
        try:
            found.append(parse_event(ref.name, tag))
        except MalformedTag as error:
            found.append(bad_tag(ref.name, error.code, error.words))
    return found


def bad_tag(ref: str, code: str, words: str) -> Problem:
    """A tag below `prompt/` that promptctl did not write, with the command that takes it away."""
    tag = ref.removeprefix(TAGS)
    # A stranger may have chosen the name, and the command is there to be pasted into a shell.
    remedy = f"git tag -d {quote(tag)}   (and where a remote has it: git push REMOTE --delete {quote(ref)})"
    return Problem(f"the tag {tag} is no event of a label: {words}", hint=remedy, code=code)


def odd_name(ref: GitRef) -> Problem:
    """A tag below `prompt/` whose name is none of ours; it counts for nothing."""
    return bad_tag(ref.name, "label-name", "its name is not <prompt>@<label>/<number>")


def recorded_otherwise(git: Git, prompt_id: str, number: int, digest: str) -> LabelEvent | None:
    """An event of any label of a prompt that recorded this version number for another digest.

    Numbers change where the default branch's first-parent line was rewritten; then the number alone names nothing.
    """
    if id_problem(prompt_id) is not None:
        return None
    refs = [ref for ref in git.refs(f"{PREFIX}{prompt_id}@*/*") if parse_name(ref.name) is not None]
    events = (event for event in read_events(git, refs) if isinstance(event, LabelEvent))
    return next((event for event in events if event.version == f"v{number}" and event.digest != digest), None)


def _ids(prompt_id: str, formerly: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys((prompt_id, *formerly)) if id_problem(name) is None]


def marker(ref: str) -> str:
    """The reference that marks a tag which no remote has accepted yet."""
    return ref.replace(PREFIX, UNPUSHED, 1)


def _numbered(refs: Iterable[GitRef]) -> dict[int, GitRef]:
    """The references of one chain by number; those with another name count for nothing."""
    names = ((parse_name(ref.name), ref) for ref in refs)
    return {name.n: ref for name, ref in names if name is not None}


def _last_event(git: Git, chain: Mapping[int, GitRef], unpushed: Set[str]) -> LabelEvent:
    event = read_events(git, [chain[max(chain)]])[0]
    problem = event if isinstance(event, Problem) else _break_before(event, chain, unpushed)
    if problem is not None:
        raise GitError(problem.message, hint=problem.hint)
    assert isinstance(event, LabelEvent)
    if event.n > 1 and event.n - 1 not in chain:
        # Git brought some of the label's tags, as a shallow clone does: then the last one may be missing as well.
        raise HistoryIncomplete(
            f"this clone holds only a part of what happened to {event.prompt}@{event.label}: "
            f"event {event.n - 1} is missing, and so may be those after event {event.n}",
            hint="bring every label with: promptctl label fetch",
        )
    return event


def _break_before(event: LabelEvent, chain: Mapping[int, GitRef], unpushed: Set[str]) -> Problem | None:
    """What is wrong with an event's link to the one before, as far as this clone holds that one."""
    before = chain.get(event.n - 1)
    if before is None or before.object == event.previous:
        return None
    if event.previous is not None and marker(before.name) in unpushed:
        words = (
            f"{event.prompt}@{event.label} was moved here and elsewhere: event {event.n - 1} is not pushed, "
            f"and event {event.n} follows another one"
        )
        hint = "promptctl label push   (takes back what was moved here, and shows what came first)"
        return Problem(words, hint=hint, code="label-lost-race")
    words = f"it says that it follows {event.previous or 'nothing'}, but event {event.n - 1} is {before.object}"
    return bad_tag(event.name.ref, "label-chain", words)
