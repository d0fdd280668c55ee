"""One more event at the end of a label's chain: the one place where tags of labels are made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from promptctl.errors import GitError, LabelRefused
from promptctl.git.commands import GitOutput, refusal
from promptctl.git.repository import Git, GitRef
from promptctl.labels.chains import LabelState, read_events
from promptctl.labels.remote import Remote, RemoteUnreachable, short, show_tags, words_of
from promptctl.labels.signers import HOW_TO_SIGN, is_signing, signed_tag
from promptctl.labels.tags import Action, Candidate, LabelEvent, LabelName, tag_bytes, tagger_actor
from promptctl.labels.trust import LabelTrust, known, marker

# In a draft, instead of what the tag object itself will say.
_NO_DATE = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be; reason and evaluation are single lines."""

    action: Action
    label: LabelName
    target: Candidate
    reason: str = ""
    evaluation: str = ""


def append(
    git: Git, remote: Remote | None, trust: LabelTrust, before: LabelState | None, draft: Draft
) -> tuple[LabelEvent, str | None]:
    """Make the event that follows `before`; returns it, and a note if the remote has it but this clone does not.

    Raises `LabelRefused` if a different event came first, or if the remote or this repository does not take it; no
    reference has changed then.
    """
    tag = _write_tag(git, before, draft, must_sign=trust.signers is not None)
    event = read_events(git, [tag], trust)[0]
    if not isinstance(event, LabelEvent):
        raise LabelRefused(f"{draft.label} was not moved: {event.message}", hint=HOW_TO_SIGN)
    if remote is None:
        created = update_refs(git, [f"create {ref} {tag.object}" for ref in (tag.name, marker(tag.name))])
        if created.status != 0 and _object_of(git, tag.name) != tag.object:
            raise _not_created(git, event, tag.name, created)
        return event, None
    # Tried before the remote is asked: a lock or a clashing name must not be found out after it has taken the event.
    kept = known(tag.name, remote.name)
    rehearsal = update_refs(git, ["start", f"create {kept} {tag.object}", "prepare", "abort"])
    if rehearsal.status != 0:
        raise _not_created(git, event, kept, rehearsal)
    _create_there(remote, event, tag, [GitRef(before.event.name.ref, before.event.oid)] if before is not None else [])
    created = update_refs(git, [f"create {kept} {tag.object}"])
    show_tags(git, {tag.name: tag.object})
    if created.status != 0 and _object_of(git, kept) != tag.object:
        return event, f"{remote.name} has the move, but it could not be stored here: run promptctl label fetch"
    return event, None


def identity(git: Git) -> str:
    """Return Git's identity line of the user, with the date. Raises `LabelRefused` if Git knows none."""
    output = git.run(["var", "GIT_COMMITTER_IDENT"], check=False)
    if output.status != 0:
        raise LabelRefused(
            f"a label's move is signed with a name, and Git knows none: {refusal(output).message}",
            hint='git config user.name "NAME" && git config user.email ADDRESS',
        )
    return output.stdout.decode("utf-8", "replace").rstrip("\n")


def _write_tag(git: Git, before: LabelState | None, draft: Draft, *, must_sign: bool) -> GitRef:
    prompt, target = draft.label.prompt, draft.target
    tagger = identity(git)
    event = LabelEvent(
        prompt=prompt,
        label=draft.label.label,
        # After a rename a new chain begins, built on the last event under the earlier id.
        n=before.event.n + 1 if before is not None and before.event.prompt == prompt else 1,
        action=draft.action,
        version=target.version,
        digest=target.digest,
        commit=target.commit,
        path=target.path,
        within=target.within,
        actor=tagger_actor(tagger),
        date=_NO_DATE,
        reason=draft.reason,
        evaluation=draft.evaluation,
        previous=before.event.oid if before is not None else None,
        oid="",
    )
    data = tag_bytes(event, tagger)
    if must_sign or is_signing(git):
        return GitRef(event.name.ref, signed_tag(git, event.name.ref, draft.target.commit, data))
    return GitRef(event.name.ref, git.run(["mktag"], input=data).text)


def _create_there(remote: Remote, event: LabelEvent, tag: GitRef, after: Sequence[GitRef]) -> None:
    """Push an event; after a failure, what the remote holds says whether it was taken and only the answer was lost."""
    output = remote.push([tag], after)
    if output.status == 0:
        return
    try:
        there = remote.tags()
    except RemoteUnreachable as error:
        raise LabelRefused(
            f"{remote.name} broke off, and whether it took {event.name} is not known; nothing was changed here",
            hint="promptctl label fetch shows it, as soon as the remote can be reached",
        ) from error
    if there.get(tag.name) == tag.object:
        return
    if tag.name in there:
        won = remote.event(tag.name, there[tag.name])
        with suppress(GitError):  # the refusal that follows is what matters
            remote.fetch()
        raise lost(event, won)
    for ref in after:
        if there.get(ref.name) != ref.object:
            state = "has a different object under" if ref.name in there else "has lost"
            raise LabelRefused(
                f"{event.prompt}@{event.label} was not moved: {remote.name} {state} the tag {short(ref.name)}",
                hint="promptctl label verify",
            )
    raise LabelRefused(
        f"{event.prompt}@{event.label} was not moved: {remote.name} refused: {words_of(output)}",
        hint="nothing was changed here or there",
    )


def lost(event: LabelEvent, won: LabelEvent | None) -> LabelRefused:
    """Return the refusal of a move that came second, with what came first."""
    chain, first = f"{event.prompt}@{event.label}", "a different tag took its place"
    if won is not None:
        how = f"moved it to {won.version}" if won.is_live else "removed it"
        first = f"{won.actor} {how} first" + (f": {won.reason}" if won.reason else "")
    return LabelRefused(
        f"{chain} was not {f'moved to {event.version}' if event.is_live else 'removed'}: {first}",
        hint=f"promptctl label log {chain}, and move it again if that still holds",
    )


def _not_created(git: Git, event: LabelEvent, ref: str, output: GitOutput) -> LabelRefused:
    """Return the reason why a tag could not be made here: a different event took its place, or Git's own words."""
    first = _object_of(git, ref)
    if first is not None:
        won = read_events(git, [GitRef(event.name.ref, first)])[0]
        return lost(event, won if isinstance(won, LabelEvent) else None)
    error = refusal(output)
    return LabelRefused(f"{event.prompt}@{event.label} was not moved: {error.message}", hint=error.hint)


def _object_of(git: Git, ref: str) -> str | None:
    return next((found.object for found in git.refs(ref) if found.name == ref), None)


def update_refs(git: Git, commands: Sequence[str]) -> GitOutput:
    """Change references by the commands of `git update-ref --stdin`, in one transaction: all of them or none."""
    asked = "".join(f"{command}\n" for command in commands).encode()
    return git.run(["update-ref", "--no-deref", "--stdin"], input=asked, check=False)
