"""Labels, read: which version a label names now, which it named, and who moved it when and why."""

from __future__ import annotations

from promptctl.versions.label_chains import History, LabelState, Listing, current
from promptctl.versions.label_tags import LabelEvent

__all__ = ["History", "LabelEvent", "LabelState", "Listing", "current"]
