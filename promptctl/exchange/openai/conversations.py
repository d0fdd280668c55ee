"""Many conversations as one prompt and a dataset: what all of them begin with is the prompt, the rest are inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.drafts import Source
from promptctl.files.plain import with_texts
from promptctl.template_languages.jinja import constant_text

ROLES = ("system", "developer", "user", "assistant", "tool")
MESSAGE_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")
_INSTRUCTIONS = ("system", "developer")
_MOST_PROBLEMS = 20
_MEND = "mend the line, or take it out"
QUESTION, REST, SYSTEM = "input", "conversation", "system"


@dataclass(frozen=True)
class Conversation:
    """Messages that a model answers, with the line of the file that they stand on."""

    messages: Sequence[Mapping[str, Any]]
    line: int


@dataclass
class SharedPrompt:
    """The prompt of many conversations, and of each one the inputs that make it of the prompt."""

    messages: list[dict[str, Any]]
    inputs: dict[str, Any]
    cases: list[dict[str, Any]] = field(default_factory=list)
    words: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The keys of a prompt file for it."""
        if self.inputs:
            return {"inputs": self.inputs, "messages": self.messages}
        return {"template": "none", "messages": self.messages}


def conversation_of(row: Mapping[str, Any]) -> Any:
    """Return the messages of a row: its own, those of its request, or the input of a sample."""
    body = row.get("body")
    if isinstance(body, Mapping):
        return body.get("messages")
    if "messages" in row:
        return row["messages"]
    given = row.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def conversation_rows(source: Source) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows of a file of JSON Lines with their lines. Raises `InvalidFiles` for bad lines, or without any."""
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    for number, row, why in source.json_lines():
        if not isinstance(row, dict):
            fault = "the line is not a JSON object" + (f": {why}" if why else "")
        elif (why := fault_of(conversation_of(row))) is not None:
            fault = f"this is no conversation: {why}"
        else:
            rows.append((number, row))
            continue
        problems.append(Problem(fault, source.place(number), _MEND, "not-imported"))
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidFiles(problems)
    if not rows:
        raise source.refuse("the file holds no conversation", 1)
    return rows


def fault_of(messages: Any) -> str | None:
    """Return why these are no messages that can be asked, as a clause; None if they are."""
    if not isinstance(messages, list) or not messages:
        return "there is no list of messages"
    for number, message in enumerate(messages, 1):
        role = message.get("role") if isinstance(message, Mapping) else None
        if role not in ROLES:
            return f"message {number} has the role `{role}`, which is none" if role else f"message {number} has no role"
        content = message.get("content")
        is_said = isinstance(content, str) or (isinstance(content, list) and content)
        if not is_said and not message.get("tool_calls"):
            return f"message {number} has no content"
    return None


def plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without the keys that no prompt has here."""
    return {key: message[key] for key in MESSAGE_KEYS if message.get(key) is not None}


def unknown_keys(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the keys of messages that no prompt has here."""
    yield from (key for message in messages for key in message if key not in MESSAGE_KEYS and message[key] is not None)


def late_instruction(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return True for an instruction after other messages: only a prompt's own file may give those, never an input."""
    count = _instructions(messages)
    return any(message["role"] in _INSTRUCTIONS for message in messages[count:])


def alike(conversations: Sequence[Conversation]) -> list[list[int]]:
    """Return the positions of conversations that one prompt can ask: those that begin with like instructions."""
    groups: dict[str, list[int]] = {}
    for index, each in enumerate(conversations):
        opening = each.messages[: _instructions(each.messages)]
        kinds = [message["role"] if _is_text(message) else message for message in opening]
        groups.setdefault(json.dumps(kinds, sort_keys=True), []).append(index)
    return list(groups.values())


def shared_prompt(conversations: Sequence[Conversation]) -> SharedPrompt:
    """Return one prompt for conversations that are `alike`: what all begin with, then inputs for what differs.

    An instruction that differs is the input `system`; a lone question at the end is `input`, anything else that follows
    is given as messages.
    """
    whole = [[plain(message) for message in each.messages] for each in conversations]
    if all(each == whole[0] for each in whole):
        return SharedPrompt(list(whole[0]), {}, [{} for _ in whole], "is the same in all of them")
    start = _instructions(whole[0])
    messages: list[dict[str, Any]] = []
    inputs: dict[str, Any] = {}
    cases: list[dict[str, Any]] = [{} for _ in whole]
    for at in range(start):
        if all(each[at] == whole[0][at] for each in whole):
            messages.append(_escaped(whole[0][at]))
            continue
        name = SYSTEM if SYSTEM not in inputs else f"{SYSTEM}_{at + 1}"
        messages.append({"role": whole[0][at]["role"], "content": f"{{{{ {name} }}}}"})
        inputs[name] = {"type": "string"}
        for case, each in zip(cases, whole, strict=True):
            case[name] = each[at]["content"]
    rests = [each[start:] for each in whole]
    common = _common(rests)
    messages += map(_escaped, rests[0][:common])
    rests = [each[common:] for each in rests]
    if any(rests):
        is_question = all(len(rest) == 1 and _is_question(rest[0]) for rest in rests)
        name = QUESTION if is_question else REST
        inputs[name] = {"type": "string" if is_question else "array"}
        messages.append({"role": "user", "content": f"{{{{ {name} }}}}"} if is_question else {"placeholder": name})
        for case, rest in zip(cases, rests, strict=True):
            case[name] = rest[0]["content"] if is_question else rest
    names = " and ".join(f"`{name}`" for name in inputs)
    return SharedPrompt(messages, inputs, cases, f"is what they have in common; what differs is given as {names}")


def _instructions(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return with how many instructions a conversation begins."""
    return next((at for at, each in enumerate(messages) if each["role"] not in _INSTRUCTIONS), len(messages))


def _common(whole: Sequence[Sequence[Mapping[str, Any]]]) -> int:
    """Return with how many equal messages all begin."""
    shortest = min(map(len, whole))
    return next((at for at in range(shortest) if any(each[at] != whole[0][at] for each in whole)), shortest)


def _is_question(message: Mapping[str, Any]) -> bool:
    return message["role"] == "user" and _is_text(message)


def _is_text(message: Mapping[str, Any]) -> bool:
    return message.keys() == {"role", "content"} and isinstance(message["content"], str)


def _escaped(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose texts stay as they are when they are read as templates."""
    if message.get("content") is None:
        return dict(message)
    return {**message, "content": with_texts(message["content"], constant_text, ("type",))}
