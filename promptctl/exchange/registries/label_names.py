"""Names of labels: those of a registry that no label here may have get the nearest one that is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from promptctl.errors import UsageError
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
    plain = _NOT_IN_LABELS.sub("-", wish.lower()).strip("-")
    return plain if _is_allowed(plain) else f"label-{plain}".strip("-")


def labels_for(wishes: Iterable[str], changed: Callable[[str, str], None]) -> tuple[str, ...]:
    """Return the labels for the names that a version has in a registry, without `latest`, which every registry moves.

    `changed` is called for each that has a different name here.
    """
    found: dict[str, None] = {}
    for wish in wishes:
        if wish.lower() == LATEST:
            continue
        label = label_for(wish)
        if label != wish:
            changed(wish, label)
        found[label] = None
    return tuple(found)


def _is_allowed(name: str) -> bool:
    try:
        check_name(name)
    except UsageError:
        return False
    return True
