"""Records each attempt in the workspace's log, by the workspace's rules, and never loses a paid answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from promptctl.log.records import Content, Entry, Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptctl.formats.settings_file import Settings
    from promptctl.log.store import Store


class LogRecorder:
    """Writes to one log. What a call asks for wins over the workspace's rules; `off` still keeps the totals.

    If the log cannot be written, `on_warning` is called, and the record is kept in a file that the next open takes in.
    """

    def __init__(self, log: Store, settings: Settings, on_warning: Callable[[str], None]) -> None:
        self._log = log
        self._settings = settings
        self._on_warning = on_warning

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt, durably, without holding up the event loop."""
        await asyncio.to_thread(self.save_now, execution, content)

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt, durably, before returning."""
        entry = Entry(execution, content or self.content_for(execution.prompt))
        warning = self._log.append([entry])
        if warning is not None:
            self._on_warning(str(warning))

    def content_for(self, prompt_id: str) -> Content:
        """Return how much of this prompt's calls the workspace's rules keep."""
        return self._settings.log_rule(prompt_id).kept
