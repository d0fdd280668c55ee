"""LiteLLM's dialect of `.prompt` files: Jinja, messages that begin with `System:`, and parameters beside the model."""

from __future__ import annotations

import re
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.dotprompt.inputs import inputs_of, written_inputs
from promptctl.exchange.dotprompt.settings import litellm_settings
from promptctl.exchange.drafts import ForeignContents, ImportNote, PromptDraft
from promptctl.exchange.front_matter import PromptText
from promptctl.template_languages.handlebars.scopes import Inputs, TagValue
from promptctl.templates import BadTemplate

_ROLE = re.compile(r"[ \t]*(System|User|Assistant):")
# Jinja, and nothing that Handlebars has: a statement, a comment, a filter.
_JINJA = re.compile(r"\{%[-+]?\s*[a-z]|\{#[^#]*#\}|\{\{[^{}|]*\|[^{}]*\}\}")
_HANDLEBARS = re.compile(r"\\\{\{|\{\{~?(?:[#/>^&!{]|(?:role|media|section|json|history)\b)")


def is_litellm(body: str) -> bool:
    """Return True for a body of this dialect: Jinja, or a first line that names a role, and no Handlebars."""
    if _HANDLEBARS.search(body):
        return False
    return _JINJA.search(body) is not None or _ROLE.match(body) is not None


def read_litellm(text: PromptText, wish: str) -> ForeignContents:
    """Return the prompt. Raises `InvalidFiles` if its Jinja does not parse."""
    from promptctl.templates.environment import PromptEnvironment
    from promptctl.templates.uses import variables

    result = litellm_settings(text)
    result.note("changed", [], "is LiteLLM's: Jinja, with a line such as `System:` before a message", part="dialect")
    inputs = inputs_of(text, result)
    messages = _messages(text, result.notes)
    problems: list[Problem] = []
    for message in messages:
        line = message.pop("line")
        try:
            PromptEnvironment().parse_text(message["content"])
        except BadTemplate as error:
            problems.append(
                Problem(error.message, text.place_of(line + (error.line or 1) - 1), error.hint, "bad-jinja")
            )
    if problems:
        raise InvalidFiles(problems)
    for message in messages:
        for name in sorted(variables(message["content"]), key=message["content"].find):
            value = inputs.value(name, frozenset())
            if value.is_optional or not inputs.is_declared:
                _default_to_nothing(name, value, inputs)
    if inputs.renamed:
        why = "stays as it is: LiteLLM writes `<`, `>`, `&` and quotes in a value as HTML has them"
        result.note("changed", [], why, part="{{…}}")
    written = written_inputs(inputs, result, history=None)
    data = {**result.data, **({"inputs": written} if written else {}), "messages": messages}
    return ForeignContents((PromptDraft(wish, data, text.source.place(1)),), notes=tuple(result.notes))


def _default_to_nothing(name: str, value: TagValue, inputs: Inputs) -> None:
    """Let an input be empty if it is not given, as LiteLLM prints it, if its schema allows a text."""
    if value.types in ((), ("string",)) and not (value.schema or {}).get("enum"):
        inputs.default_to(name, "")


def _messages(text: PromptText, notes: list[ImportNote]) -> list[dict[str, Any]]:
    """Return the messages as LiteLLM splits them: their lines without the blanks around."""
    messages: list[dict[str, Any]] = []
    for number, line in enumerate(text.body.split("\n"), 1):
        found = _ROLE.match(line)
        if found is not None or not messages:
            role = found[1].lower() if found else "user"
            messages.append({"role": role, "content": [], "line": number})
            part = f"{found[1]}:" if found else "text"
            notes.append(ImportNote("kept", part, f"is a message of the role {role}", text.place_of(number)))
        messages[-1]["content"].append(line[found.end() :].strip() if found else line.strip())
    for message in messages:
        message["content"] = "\n".join(message["content"]).strip()
    return [message for message in messages if message["content"]]
