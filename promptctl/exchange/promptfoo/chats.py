"""Chats that promptfoo's prompts hold, as JSON, YAML or one text, with their templates in Jinja."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.openai.conversations import MESSAGE_KEYS, ROLES
from promptctl.exchange.promptfoo.spots import Notes, Spot
from promptctl.files.foreign_yaml import read_foreign_yaml
from promptctl.files.plain import texts_in, with_texts
from promptctl.files.strict_json import strict_json
from promptctl.template_languages.nunjucks import jinja_of_nunjucks
from promptctl.templates import BadTemplate

_IN_JINJA = "write it in Jinja, as templates are here, and import again"


def listed(value: Any) -> list[Any]:
    """Return the messages of data, which may hold them under `messages`. Raises `BadTemplate` if there are none."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list) or not value:
        raise BadTemplate("it is data, but no list of messages", 1)
    return value


def chat(text: str) -> Any:
    """Return the messages that a text holds as JSON or YAML, as promptfoo finds them; None for a plain text."""
    stripped = text.lstrip()
    if re.match(r"\[\s*\{|\{\s*\"", stripped) and not stripped.startswith(("{{", "{%")):
        try:
            return strict_json(stripped)
        except json.JSONDecodeError:
            message = "it is JSON with template code outside of its texts"
            raise BadTemplate(message, 1, hint="write it as messages, and give a list as `placeholder:`") from None
        except ValueError as error:
            raise BadTemplate(f"it is JSON that cannot be read: {error}", 1) from None
    if stripped.startswith("- role:"):
        try:
            return read_foreign_yaml(stripped.encode(), "prompt").data
        except InvalidFiles as error:
            raise BadTemplate(f"it is a list of messages that is no YAML: {error.message}", 1) from None
    return None


class ChatTranslator:
    """Makes messages of ours; what is changed in their templates is noted."""

    def __init__(self, part: str, spot: Spot, notes: Notes) -> None:
        self._part, self._spot, self._notes = part, spot, notes

    def message(self, item: Any) -> dict[str, Any]:
        """Return a message. Raises `BadTemplate`."""
        if not isinstance(item, Mapping) or item.get("role") not in ROLES:
            role = item.get("role") if isinstance(item, Mapping) else None
            raise BadTemplate(
                f"a message has the role `{role}`, which is none here" if role else "a message is none", 1
            )
        message = {"role": item["role"]}
        content = item.get("content")
        if isinstance(content, str):
            message["content"] = self.text(content)
        elif isinstance(content, list):
            message["content"] = with_texts(content, self.text, ("type",))
        elif not item.get("tool_calls"):
            raise BadTemplate("a message has no content that is a text, or a list of parts", 1)
        for key in item:
            if key in ("name", "tool_calls", "tool_call_id"):
                message[key] = item[key]
            elif key not in MESSAGE_KEYS:
                self._notes.add("dropped", f"{self._part}: {key}", "is no key of a message", self._spot.place)
        return message

    def text(self, text: str) -> str:
        """Return a template for Jinja. Raises `BadTemplate` at the first thing that is JavaScript's."""
        found = jinja_of_nunjucks(text)
        if found.problems:
            first = found.problems[0]
            raise BadTemplate(first.message, first.line, hint=_IN_JINJA)
        for change in found.changes:
            self._notes.add("changed", self._part, change.message, self._spot.text_line(change.line))
        return found.text


def texts_of(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each template in messages: contents, and the texts of their parts."""
    for message in messages:
        for part in [message["content"]] if isinstance(message.get("content"), str) else message.get("content", ()):
            yield from texts_in({**part, "type": None} if isinstance(part, Mapping) else part)
