"""Replies of calls, written to the recordings of their prompt without secrets and sensitive inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from promptctl.context import Context
from promptctl.errors import WorkspaceError
from promptctl.files.names import recording_path
from promptctl.models.gateway import Reply, Request

_CHANGED = "not the reply itself: a {} in it was replaced"


def recording_file(context: Context, prompt_id: str) -> Path:
    """Return the file that a prompt's replies are recorded in."""
    return context.recordings_folder / recording_path(prompt_id).rpartition("/")[2]


def reply_recording(context: Context, prompt_id: str) -> Callable[[Request, Reply], None]:
    """Return a function that writes a prompt's replies to its file of recordings, without secrets.

    A reply that is paid for reaches who asked, whatever becomes of its recording: a failure is told, and told once.
    """
    from promptctl.models.recordings import Recording

    context.work_tree_for("a recording")
    recording = Recording(recording_file(context, prompt_id), prompt_id, redact=context.redactor.redact_data)
    redactor = context.redactor
    told: set[str] = set()

    def record(request: Request, reply: Reply) -> None:
        allowed = request.to_keep(reply)
        kept = replace(
            allowed,
            text=redactor.redact(allowed.text),
            tool_calls=redactor.redact_data(list(allowed.tool_calls)),
            finish_reason=allowed.finish_reason and redactor.redact(allowed.finish_reason),
        )
        has_secret = (kept.text, list(kept.tool_calls)) != (allowed.text, list(allowed.tool_calls))
        what = "secret" if has_secret else None if allowed is reply else "sensitive input"
        try:
            recording.add(request, kept, note=what and _CHANGED.format(what))
        except WorkspaceError as error:
            warning = f"the reply was not recorded: {error}"
            if warning not in told:
                told.add(warning)
                context.warn(warning)

    return record
