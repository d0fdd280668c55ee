"""`promptctl render`: the messages exactly as `run` would send them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from promptctl.cli import options
from promptctl.cli.output import say, say_json, styled, tell
from promptctl.cli.text_difference import shortened

if TYPE_CHECKING:
    from promptctl import RenderedPrompt

_ROLE_COLOURS = {"system": "magenta", "developer": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}


def render(
    context: typer.Context,
    ref: options.Ref,
    inputs: options.InputOptions,
    as_json: options.Json = False,
) -> None:
    """Render a prompt: print the messages exactly as run would send them."""
    workspace = options.workspace_of(context)
    at_version = workspace.prompt(ref)
    options.tell_unknown(at_version.version)
    options.end_waiting(context)  # an input may come from the terminal
    rendered = at_version.render(inputs.read(at_version))
    if as_json:
        say_json(rendered.as_dict())
    else:
        _show(rendered)


def role_heading(role: str, note: str = "") -> str:
    """Return the line above a message."""
    text = f"── {role}{f' ({note})' if note else ''} ──"
    return styled(text, sys.stdout, fg=_ROLE_COLOURS.get(role), bold=True)


def _show(rendered: RenderedPrompt) -> None:
    for message in rendered.messages:
        say(role_heading(str(message["role"])))
        say(_text(message).rstrip("\n"))
        say()
    prompt = rendered.prompt
    about = [prompt.id, rendered.version.display, rendered.model or "no model"]
    about += [f"{key}={json.dumps(value)}" for key, value in prompt.parameters.items()]
    tell(styled(" · ".join(about), sys.stderr, dim=True))


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = [content] if isinstance(content, str) else [_part(part) for part in content or ()]
    parts += [f"[calls {json.dumps(call, ensure_ascii=False)}]" for call in message.get("tool_calls") or ()]
    return "\n".join(parts)


def _part(part: Mapping[str, Any]) -> str:
    if part.get("type") == "text":
        return str(part.get("text", ""))
    return f"[{shortened(part, width=200)}]"
