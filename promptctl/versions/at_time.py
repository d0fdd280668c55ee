"""The default branch, and the prompts' labels, as they were at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from promptctl.errors import HistoryIncomplete, RevisionNotFound, UsageError
from promptctl.files.names import did_you_mean
from promptctl.labels.chains import LabelTags, Unasked, history, other_workspace
from promptctl.labels.tags import PREFIX, LabelEvent, LabelName
from promptctl.labels.times import LiveAt, live_at
from promptctl.versions.former_ids import all_former_ids, former_ids, id_of_today, renames
from promptctl.versions.line import unshallow_hint
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import Ref


@dataclass(frozen=True, slots=True)
class LabelPast:
    """Every event of one label of a prompt, oldest first, with the one in force at a time."""

    label: str
    events: Sequence[LabelEvent]
    live: LiveAt


def commit_at(moment: Moment, time: datetime) -> str:
    """Return the commit that the default branch was at, at a time: its last one that was committed by then.

    Raises `RevisionNotFound` if it had none yet, and `HistoryIncomplete` if a shallow clone does not reach back so far.
    """
    line = moment.line
    args = ["--first-parent", "--max-count=1", f"--min-age={int(time.timestamp())}", line.tip, "--"]
    found = moment.git.run(["rev-list", *args]).text
    if found:
        return found
    when = f"{time:%Y-%m-%d %H:%M} UTC"
    if moment.is_shallow:
        raise HistoryIncomplete(f"this clone is shallow: {line.name} does not reach back to {when}",
                                hint=unshallow_hint(line.remote))  # fmt: skip
    raise RevisionNotFound(f"{line.name} had no commit by {when}", hint=f"git log --first-parent --reverse {line.name}")


def ref_at(moment: Moment, ref: Ref, time: datetime, unasked: Unasked | None = None) -> tuple[Ref, LabelEvent | None]:
    """Return the ref, with a commit, that a label or the default branch named at a time; and the label's move.

    Raises `UsageError` for a ref that has no past of its own, and `RevisionNotFound` if it named nothing then.
    """
    if ref.at is None:
        return Ref(ref.prompt, commit_at(moment, time)), None
    if ref.label is None:
        raise UsageError(
            f"`{ref}` has no past that is on record: it is no label",
            hint=f"write {ref.prompt}@production, or {ref.prompt} for the default branch",
        )
    today = id_of_today(moment, ref.prompt)
    pasts = {past.label: past for past in label_pasts(moment, (today, *former_ids(moment, today)), time, unasked)}
    past, when = pasts.get(ref.label), f"{time:%Y-%m-%d %H:%M} UTC"
    if past is None:
        if error := moment.unknown_labels():
            raise error
        raise RevisionNotFound(
            f"`{ref.prompt}` has no label `{ref.label}`",
            hint=did_you_mean(ref.label, list(pasts), f"{ref.prompt}@{{}}") or f"promptctl label list {ref.prompt}",
        )
    event = past.live.event
    if event is None or not event.is_live:
        why = "it was removed before" if event is not None else "its first move came later"
        raise RevisionNotFound(f"`{ref}` named nothing at {when}: {why}", hint=f"promptctl label log {ref}")
    return Ref(today, event.commit), event


def live_versions(
    moment: Moment, time: datetime, *, prompt: str | None, label: str | None, unasked: Unasked | None = None
) -> set[tuple[str, str]]:
    """Return the (prompt, digest) that labels named at a time, the prompts by every id that they have or had.

    With a `prompt` or a `label`, those of it alone. Raises `HistoryIncomplete` if this clone never fetched labels.
    """
    if error := moment.unknown_labels():
        raise error
    former = all_former_ids(moment)
    today = renames(former)
    labelled = {chain.removeprefix(PREFIX).rpartition("@")[0] for chain in moment.label_tags.chains}
    ids = {today.get(id_, id_) for id_ in labelled} if prompt is None else {today.get(prompt, prompt)}
    found = set()
    for id_ in ids:
        every = (id_, *former.get(id_, ()))
        for past in label_pasts(moment, every, time, unasked, moment.label_tags):
            event = past.live.event
            if label in (None, past.label) and event is not None and event.is_live:
                found |= {(each, event.digest) for each in every}
    return found


def label_pasts(
    moment: Moment,
    ids: Sequence[str],
    time: datetime | None,
    unasked: Unasked | None = None,
    tags: LabelTags | None = None,
) -> list[LabelPast]:
    """Return each label of a prompt, given by its id of today and its earlier ones, with its state at a time, or now.

    Nothing is asked of a remote. Labels of a different workspace of the repository are left out.
    """
    if tags is None:
        places = [place for id_ in ids for place in moment.label_trust.places(f"{PREFIX}{id_}@*/*")]
        tags = LabelTags(moment.git.refs(*places), moment.label_trust)
    found = []
    for name in sorted({name for id_ in ids for name in tags.labels_of(id_)}):
        label = LabelName(ids[0], name, tuple(ids[1:]))
        events = history(moment.git, moment.label_trust, label, unasked, tags).events
        if events and other_workspace(moment.git, events[-1]) is None:
            found.append(LabelPast(name, events, LiveAt(events[-1]) if time is None else live_at(events, time)))
    return found
