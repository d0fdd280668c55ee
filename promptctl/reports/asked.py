"""The request behind a result: its inputs, the messages they were rendered into, and where the log has the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptctl.reports.wording import as_text

if TYPE_CHECKING:
    from promptctl.log.results import ResultRow
    from promptctl.log.store import Store

Messages = Sequence[Mapping[str, Any]]


class AskedMessages:
    """Reads the messages that results were asked with from the log, if it keeps them."""

    def __init__(self, log: Store) -> None:
        self._wanted: list[str] = []
        # One open log for all: it takes each id when it is asked for the next messages.
        self._found = log.messages(iter(self._wanted.pop, None))

    def of(self, row: ResultRow) -> Messages | None:
        """Return the rendered messages of a result; None if nothing was asked or the log does not keep them."""
        if row.execution_id is None:
            return None
        self._wanted.append(row.execution_id)
        return next(self._found)

    def as_dict(self, row: ResultRow) -> dict[str, Any]:
        """Return what `of` does under its key of a JSON document."""
        messages = self.of(row)
        return {"messages": None if messages is None else list(messages)}


def about_request(row: ResultRow) -> Iterator[tuple[str, str]]:
    """Yield the parts of a result's request, each with a name: inputs, what is expected, the call's id in the log."""
    for name, value in row.detail.inputs.items():
        yield f"input.{name}", as_text(value)
    if row.detail.expected is not None:
        yield "expected", as_text(row.detail.expected)
    if row.execution_id is not None:
        yield "execution", row.execution_id


def message_texts(messages: Messages | None) -> Iterator[tuple[str, str]]:
    """Yield the role and the text of each message; what is no text, such as a picture or a tool call, as JSON."""
    for message in messages or ():
        yield str(message.get("role")), as_text(message.get("content") or message.get("tool_calls") or "")


def content_texts(content: str | Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of a message before it is rendered; of a part that is no text, such as an image, its JSON."""

    def shown(part: Mapping[str, Any]) -> str:
        is_text = part.get("type") == "text" and part.keys() <= {"type", "text"}
        return str(part.get("text", "")) if is_text else f"[{as_text(part)}]"

    return [content] if isinstance(content, str) else [*map(shown, content)]
