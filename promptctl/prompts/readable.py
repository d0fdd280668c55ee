"""A prompt file as a person reads it: what it is, its parameters and inputs as tables, its messages as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.formats.prompt_file import read_prompt_file

_FIRST = ("name", "description", "status", "model", "template", "tags", "formerly")


def readable(data: bytes) -> str:
    """One line for each fact, and each message under a heading, so that a line-by-line diff of two versions reads well.

    Partials and schemas are named, not read: this is one file by itself. Raises `InvalidFiles`.
    """
    prompt = read_prompt_file(data, "prompt").data
    lines: list[str] = [f"{key}: {_short(prompt[key])}" for key in _FIRST if key in prompt]
    lines += _table("parameters", prompt.get("parameters") or {})
    lines += _table("inputs", prompt.get("inputs") or {})
    for message in prompt.get("messages", ()):
        lines += ["", *_message(message)]
    for key in ("output", "response_format", "tools", "metadata"):
        if prompt.get(key):
            lines += ["", f"── {key} ──", *json.dumps(prompt[key], ensure_ascii=False, indent=2).splitlines()]
    return "\n".join(lines) + "\n"


def _table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    if rows:
        width = max(len(name) for name in rows)
        yield from ("", f"── {title} ──")
        yield from (f"{name.ljust(width)}  {_short(value)}" for name, value in rows.items())


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    if "placeholder" in message:
        yield f"── the messages of {message['placeholder']} ──"
        return
    yield f"── {message.get('role')} ──"
    content = message.get("content")
    if isinstance(content, str):
        yield from content.rstrip("\n").split("\n")
        return
    for part in content or ():
        if part.get("type") == "text":
            yield from str(part.get("text", "")).rstrip("\n").split("\n")
        else:
            yield json.dumps(part, ensure_ascii=False)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
