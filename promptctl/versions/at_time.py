"""The default branch, and the prompts' labels, as they were at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import HistoryIncomplete, RevisionNotFound
from promptctl.labels.chains import LabelTags, history, other_workspace
from promptctl.labels.tags import PREFIX, LabelName
from promptctl.labels.times import LiveAt, live_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from promptctl.labels.chains import Unasked
    from promptctl.labels.tags import LabelEvent
    from promptctl.versions.moment import Moment


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
        from promptctl.versions.line import unshallow_hint

        raise HistoryIncomplete(f"this clone is shallow: {line.name} does not reach back to {when}",
                                hint=unshallow_hint(line))  # fmt: skip
    raise RevisionNotFound(f"{line.name} had no commit by {when}", hint=f"git log --first-parent --reverse {line.name}")


def label_pasts(
    moment: Moment, ids: Sequence[str], time: datetime | None, unasked: Unasked | None = None
) -> list[LabelPast]:
    """Return each label of a prompt, given by its id of today and its earlier ones, with its state at a time, or now.

    Nothing is asked of a remote. Labels of a different workspace of the repository are left out.
    """
    places = [place for id_ in ids for place in moment.label_trust.places(f"{PREFIX}{id_}@*/*")]
    tags = LabelTags(moment.git.refs(*places), moment.label_trust)
    found = []
    for name in sorted({name for id_ in ids for name in tags.labels_of(id_)}):
        label = LabelName(ids[0], name, tuple(ids[1:]))
        events = history(moment.git, moment.label_trust, label, unasked).events
        if events and other_workspace(moment.git, events[-1]) is None:
            found.append(LabelPast(name, events, LiveAt(events[-1]) if time is None else live_at(events, time)))
    return found
