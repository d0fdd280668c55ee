"""The open workspace: one for each process."""

from __future__ import annotations

import atexit
import logging
from functools import cache

from django.conf import settings

import promptctl


@cache
def workspace() -> promptctl.Workspace:
    """Return this process's workspace. It keeps connections, compiled templates and the labels that it has read."""
    warn = logging.getLogger(__name__).warning
    opened = promptctl.open_workspace(settings.PROMPTS, snapshot=settings.PROMPTS_SNAPSHOT, on_warning=warn)
    atexit.register(opened.close)
    return opened
