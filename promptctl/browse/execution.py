"""One execution: everything that was sent and answered, and what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl import Filter
from promptctl.browse.contents import indented, message_parts
from promptctl.browse.views import PageRequest, View
from promptctl.errors import PromptctlError
from promptctl.reports.hidden_parts import ABOUT, pieces
from promptctl.reports.wording import as_text

if TYPE_CHECKING:
    from promptctl import Execution
    from promptctl.workspace import Workspace

_MOST_PARTS = 200
_WITH_REPLY = ("ok", "invalid_output")
_SHOWN_APART = frozenset((
    "inputs", "messages", "reply", "tool_calls", "output", "reasoning", "feedback", "scores", "corrections", "metadata",
    "parameters", "call_metadata", "usage_details", "error_message",
))  # fmt: skip


def execution(request: PageRequest) -> View:
    """Return the page of one execution. Raises `LogError` for an id that is not in the log."""
    workspace = request.workspace
    found = workspace.log.execution(request.needed("id"))
    values = {
        "call": found,
        "ref": ref_of(found),
        "messages": _messages(found),
        "attempts": list(workspace.log.executions(Filter(call_id=found.call_id)))[::-1],
        "tool_calls": found.tool_calls[:_MOST_PARTS],
        "is_indented": indented(found.reply or "") != (found.reply or ""),
        "hidden": hidden_in(found),
        "tools": _tools(workspace, found),
        "later_price": workspace.costs.later_price(found),
        "fields": [(name, value) for name, value in found.as_dict().items() if _is_field(name, value)],
        "has_reply": found.status in _WITH_REPLY,
    }
    return View("execution.html", f"Call of {found.prompt}", values)


def ref_of(found: Execution) -> str:
    """Return the ref of the version that ran, as far as it has a name: `support/triage@v7`."""
    if found.version is not None and not found.is_dirty:
        return f"{found.prompt}@v{found.version}"
    return f"{found.prompt}@{found.commit[:12]}" if found.commit and not found.is_dirty else found.prompt


def _messages(found: Execution) -> Sequence[tuple[str, Sequence[tuple[str, Any]]]]:
    """Return the messages that were sent, as many as a page can show: the role and the contents of each."""
    shown, left = [], _MOST_PARTS
    for message in found.messages or ():
        if left > 0:
            parts = list(islice(message_parts(message), left))
            shown.append((str(message.get("role")), parts))
            left -= max(1, len(parts))
    return shown


def hidden_in(found: Execution) -> list[str]:
    """Return what the marks for hidden parts mean that stand in the contents of a call; none if nothing is hidden."""
    texts = (found.inputs, found.messages, found.reply, found.reasoning, list(found.tool_calls), found.error_message)
    kinds = {kind for text in texts if text for _, kind in pieces(as_text(text))}
    return [about for kind, about in ABOUT.items() if kind in kinds]


def _tools(workspace: Workspace, found: Execution) -> Sequence[Any]:
    """Return the tools that the version declares: a log keeps none. None are known if Git has the version no more."""
    if found.commit is None or found.is_dirty:
        return ()
    with suppress(PromptctlError):
        return tuple(workspace.prompt(f"{found.prompt}@{found.commit}").prompt.tools)
    return ()


def _is_field(name: str, value: object) -> bool:
    return name not in _SHOWN_APART and value not in (None, "", [], {})
