"""Forms of a reply: what a model cannot be asked for by `response_format` is asked for in the messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ALONE = "and nothing else: no words around it, no code fence."


@dataclass(frozen=True, slots=True)
class ReplyFormats:
    """The forms of a reply that a model takes as `response_format`: a JSON Schema, any JSON object.

    `pairs_json_object` says that any JSON object is asked for beside a schema in the messages.
    """

    has_schema: bool = True
    has_json_object: bool = True
    pairs_json_object: bool = False

    def asked(
        self, messages: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any] | None
    ) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]:
        """Return the messages and the `response_format` that ask for the form of reply that a prompt declares."""
        kind = None if wanted is None else wanted.get("type")
        if kind == "json_schema" and wanted is not None and not self.has_schema:
            schema = json.dumps(wanted["json_schema"]["schema"], ensure_ascii=False)
            said = f"Reply with one JSON value that fits this JSON Schema, {_ALONE}\n{schema}"
            return _told(messages, said), {"type": "json_object"} if self._pairs(wanted) else None
        if kind == "json_object" and not self.has_json_object:
            return _told(messages, f"Reply with one JSON object, {_ALONE}"), None
        return messages, wanted

    def _pairs(self, wanted: Mapping[str, Any]) -> bool:
        return self.pairs_json_object and wanted["json_schema"]["schema"].get("type") == "object"


def _told(messages: Sequence[Mapping[str, Any]], said: str) -> list[Mapping[str, Any]]:
    """Return the messages with an instruction at the end of the first one, if that is the system's."""
    first = messages[0] if messages else {}
    if first.get("role") not in ("system", "developer"):
        return [{"role": "system", "content": said}, *messages]
    content = first.get("content")
    if isinstance(content, str):
        return [{**first, "content": f"{content.rstrip()}\n\n{said}"}, *messages[1:]]
    return [{**first, "content": [*(content or ()), {"type": "text", "text": said}]}, *messages[1:]]
