"""Marks on the axis of time: moves of labels, new versions, and what happened to budgets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from promptctl.context import Context
from promptctl.dashboard.time_axis import moment_text, seconds_of
from promptctl.errors import GitError, HistoryIncomplete, PromptNotFound
from promptctl.files.plain import record_data
from promptctl.files.wording import without_address
from promptctl.labels.chains import other_workspace, read_events
from promptctl.labels.tags import LabelEvent
from promptctl.log.filter import Filter

_MOST, _MOST_EVENTS = 300, 1_000
_TOLD = ("blocked", "disabled", "exceeded", "enabled", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened at a moment (UTC, ISO 8601), and that may be why numbers changed then.

    `text` says what, of the `prompt` if there is one.
    """

    at: str
    kind: Literal["label", "version", "budget"]
    text: str
    prompt: str | None = None
    label: str | None = None
    version_display: str | None = None
    by: str | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self)


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks, oldest first, and notes on those that cannot be known here.

    `named` has what each label of each prompt named from when on, oldest first, also before the marks; None once it was
    removed.
    """

    marks: tuple[Mark, ...] = ()
    left_out: int = 0
    notes: tuple[str, ...] = ()
    named: Mapping[tuple[str, str], Sequence[tuple[float, str | None]]] = field(default_factory=dict)


def marks(context: Context, prompts: Collection[str], wanted: Filter, since: str, until: str) -> Marks:
    """Return the marks of these prompts and of all budgets in a stretch of time.

    What this clone or this workspace has no history for is left out, and a note says why.
    """
    notes: list[str] = []
    found: list[Mark] = []
    named: dict[tuple[str, str], list[tuple[float, str | None]]] = {}
    try:
        found += _versions(context, prompts, notes)
        for prompt, event in _label_moves(context, prompts, wanted):
            found.append(_mark(prompt, event))
            version = None if event.action == "remove" else event.version
            named.setdefault((prompt, event.label), []).append((event.date.timestamp(), version))
    except GitError as error:
        notes.append(f"label moves and versions are not marked: {error.message}")
    found += _budget_events(context)
    alike = (replace(mark, at=moment_text(seconds_of(mark.at))) for mark in found)
    # Within one second a version comes before the label that names it.
    inside = sorted(
        (mark for mark in alike if since <= mark.at < until),
        key=lambda mark: (mark.at, mark.kind != "version", mark.text, mark.prompt or ""),
    )
    return Marks(tuple(inside[-_MOST:]), max(0, len(inside) - _MOST), tuple(notes), named)


def _versions(context: Context, prompts: Collection[str], notes: list[str]) -> Iterator[Mark]:
    moment = context.now()
    if not moment.is_versioned:
        raise GitError("the workspace is not in a Git repository")
    for prompt in prompts:
        with suppress(PromptNotFound):  # called once, and in no file any more
            try:
                entries = context.repository.versions_of(prompt, moment)
            except HistoryIncomplete as error:
                notes.append(f"new versions are not marked: {error.message}")
                return
            for entry in entries:
                if entry.made is not None and entry.number is not None:
                    version = f"v{entry.number}"
                    yield Mark(
                        at=entry.made.utc_date,
                        kind="version",
                        text=f"{version}: {entry.made.subject}",
                        prompt=prompt,
                        version_display=version,
                        by=without_address(entry.made.author),
                        reason=entry.made.subject,
                    )


def _label_moves(context: Context, prompts: Collection[str], wanted: Filter) -> list[tuple[str, LabelEvent]]:
    """Return the moves of all labels, oldest first, each with today's id of its prompt."""
    moment = context.now()
    tags = moment.label_tags
    refs = [ref for chain in tags.chains.values() for ref in chain.values()]
    events = (each for each in read_events(moment.git, refs, moment.label_trust) if isinstance(each, LabelEvent))
    ours = ((wanted.current_id(each.prompt), each) for each in events if other_workspace(moment.git, each) is None)
    return sorted(((id_, each) for id_, each in ours if id_ in prompts), key=lambda move: (move[1].date, move[1].n))


def _mark(prompt: str, event: LabelEvent) -> Mark:
    text = f"{event.label} removed" if event.action == "remove" else f"{event.label} → {event.version}"
    return Mark(
        at=event.utc_date,
        kind="label",
        text=f"{text} ({event.action})" if event.action == "rollback" else text,
        prompt=prompt,
        label=event.label,
        version_display=event.version,
        by=without_address(event.actor),
        reason=event.reason or None,
    )


def _budget_events(context: Context) -> Iterator[Mark]:
    if not context.log.is_new:
        for event in context.log.budget_events(limit=_MOST_EVENTS):
            if event.kind in _TOLD:
                yield Mark(at=event.at, kind="budget", text=event.words, reason=event.reason)
