"""A prompt file as a person reads it: what it is, its parameters and inputs as tables, its messages as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.files.wording import as_text
from promptctl.formats.prompt_file import read_prompt_file

_FIRST = ("name", "description", "status", "successor", "model", "template", "tags", "formerly", "copied_from")
_TABLES = ("parameters", "inputs")
# Written as escapes in the file, these would act on the terminal that shows the text.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def readable(data: bytes) -> str:
    """Return the prompt with one line for each fact, so that a line-by-line diff of two versions reads well.

    Partials and schemas are named, not read: this is one file by itself. Raises `InvalidFiles`.
    """
    file = read_prompt_file(data, "prompt")
    prompt = file.data
    lines: list[str] = [f"{key}: {as_text(prompt[key])}" for key in _FIRST if key in prompt]
    for key in _TABLES:
        lines += _table(key, prompt.get(key) or {})
    for message in prompt.get("messages", ()):
        lines += ["", *_message(message)]
    rest = {key: value for key, value in prompt.items() if key not in (*_FIRST, *_TABLES, "messages")}
    for key, value in (rest | dict(file.inline_dataset or {})).items():
        if value:
            lines += ["", f"── {key} ──", *json.dumps(value, ensure_ascii=False, indent=2).splitlines()]
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], "\n".join(lines)) + "\n"


def _table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    if rows:
        width = max(len(name) for name in rows)
        yield from ("", f"── {title} ──")
        yield from (f"{name.ljust(width)}  {as_text(value)}" for name, value in rows.items())


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    if "placeholder" in message:
        yield f"── the messages of {message['placeholder']} ──"
    else:
        yield f"── {message.get('role')} ──"
    for key, value in message.items():
        if key not in ("role", "content", "placeholder"):
            yield f"{key}: {as_text(value)}"
    content = message.get("content")
    if isinstance(content, str):
        yield from content.rstrip("\n").split("\n")
        return
    for part in content or ():
        if part.get("type") == "text":
            yield from str(part.get("text", "")).rstrip("\n").split("\n")
        else:
            yield as_text(part)
