"""Versions in a registry: their place in its history, and names of labels, of which some are different ones here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from promptctl.errors import UsageError
from promptctl.exchange.drafts import Fate, ImportNote, RegistryVersion
from promptctl.exchange.registries.items import RegistryItem
from promptctl.files.free_names import plain_letters
from promptctl.promotion.rules import check_name

_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")
LATEST = "latest"


def label_for(wish: str) -> str:
    """Return the label that is nearest to a name; a name that a label may have stays.

    >>> label_for("production"), label_for("Team_A.eu"), label_for("v2"), label_for("3"), label_for("beef")
    ('production', 'team-a-eu', 'label-v2', 'label-3', 'label-beef')
    """
    if _is_allowed(wish):
        return wish
    plain = _NOT_IN_LABELS.sub("-", plain_letters(wish).lower()).strip("-")
    return plain if _is_allowed(plain) else f"label-{plain}".strip("-")


@dataclass(slots=True)
class VersionNotes:
    """Notes on one version of a prompt in a registry, and its place in the history there."""

    item: RegistryItem
    notes: list[ImportNote] = field(default_factory=list)

    def note(self, fate: Fate, key: str, message: str) -> None:
        """Add a note on a key of the version."""
        self.notes.append(self.item.note(fate, key, message))

    def registry(
        self, number: int, created_at: datetime | None, author: Any, message: Any, key: str, labels: Sequence[str]
    ) -> RegistryVersion:
        """Return the version's place in the history; `labels` are the names that it has under `key` there."""
        found = tuple(self._labels(key, labels))
        if found:
            self.note("kept", key, f"are labels: {', '.join(found)}")
        return RegistryVersion(
            number,
            created_at,
            author if isinstance(author, str) and author.strip() else None,
            message if isinstance(message, str) and message.strip() else None,
            found,
        )

    def _labels(self, key: str, wishes: Iterable[str]) -> dict[str, None]:
        """Return the labels for names, without `latest`, which every registry moves by itself."""
        found: dict[str, None] = {}
        for wish in wishes:
            label = label_for(wish)
            if wish.lower() == LATEST:
                continue
            if label != wish:
                self.note("changed", key, f"`{wish}` is the label `{label}`: no label here may have that name")
            found[label] = None
        return found


def _is_allowed(name: str) -> bool:
    try:
        check_name(name)
    except UsageError:
        return False
    return True
