"""From a prompt and its inputs to the messages as they are sent.

Messages are rendered one by one and a value is never rendered again, so that no value can forge a role, close a
message or run as a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptctl.errors import InputError, RenderError, RenderLimitExceeded
from promptctl.prompts.engines import Engine, PlaceOf, Scope
from promptctl.prompts.inputs import InputCheck
from promptctl.prompts.prompt import Message, Placeholder, Prompt, Rendered
from promptctl.templates.limits import Budget, Limits

__all__ = ["Limits", "Renderer", "render"]

_ROLES = ("user", "assistant", "tool")

# What a part, or a whole value in one, becomes; _DROPPED where its `when` says so.
Fill = Callable[[Scope], Any]

_DROPPED = object()


class Renderer:
    """One prompt made ready to be rendered many times, by any number of threads and tasks at once.

    Raises `RenderError` where a template cannot be compiled.
    """

    def __init__(self, prompt: Prompt) -> None:
        self._check = InputCheck(prompt)
        engine = Engine(prompt)
        self._messages = [
            _placeholder(each) if isinstance(each, Placeholder) else _message(each, engine) for each in prompt.messages
        ]
        self._functions = engine.functions
        self._is_ascii = _is_ascii(prompt)

    def render(self, inputs: Mapping[str, Any], *, limits: Limits = Limits()) -> Rendered:  # noqa: B008 (frozen)
        """The messages for these inputs, with declared defaults filled in.

        Raises `InputError` where inputs are missing, not declared or not of their schema, `RenderError` where a
        template fails, and `RenderLimitExceeded` where it takes too long or grows too large.
        """
        filled = self._check.fill(inputs)
        measure = filled.measure
        budget = Budget(limits, input_chars=measure.chars, is_ascii=self._is_ascii and measure.is_ascii)
        scope = Scope(filled.values, {**self._functions, **filled.values}, budget)
        messages: list[dict[str, Any]] = []
        for fill in self._messages:
            messages.extend(fill(scope))
        return Rendered(messages=tuple(messages), inputs=filled.values)


def render(prompt: Prompt, inputs: Mapping[str, Any], *, limits: Limits = Limits()) -> Rendered:  # noqa: B008 (frozen)
    """Render once. A caller with many sets of inputs makes a `Renderer` and keeps it."""
    return Renderer(prompt).render(inputs, limits=limits)


def _message(message: Message, engine: Engine) -> Fill:
    head, extra = message.role, dict(message.extra)
    content = _content(message, engine)

    def fill(scope: Scope) -> list[dict[str, Any]]:
        try:
            value = content(scope)
        except RenderLimitExceeded as error:
            raise RenderLimitExceeded(error.message, place=error.place or message.place, hint=error.hint) from None
        if value == []:
            raise RenderError(
                "every part of the message was left out", place=message.place, hint="give it a part without `when`"
            )
        return [{"role": head, "content": value, **_copied(extra)}]

    return fill


def _content(message: Message, engine: Engine) -> Fill:
    """A message's content made ready: a text, or parts of which some are left out."""
    if isinstance(message.content, str):
        return _ready(message.content, engine, message.place_of)
    parts = []
    for number, part in enumerate(message.content):
        index = number if number < len(message.part_places) else None
        parts.append(_part(part, engine, lambda line, index=index: message.place_of(line, index)))  # type: ignore[misc]
    return lambda scope: [value for part in parts if (value := part(scope)) is not _DROPPED]


def _part(part: Mapping[str, Any], engine: Engine, place_of: PlaceOf) -> Fill:
    fills = {key: _ready(value, engine, place_of) for key, value in part.items() if key not in ("type", "when")}
    keys = [key for key in part if key != "when"]
    condition = part.get("when")

    def fill(scope: Scope) -> Any:
        if condition is not None and _is_empty(scope.inputs.get(condition)):
            return _DROPPED
        return {key: fills[key](scope) if key in fills else part[key] for key in keys}

    return fill


def _ready(value: Any, engine: Engine, place_of: PlaceOf) -> Fill:
    """A text, or any value within a part, made ready: its strings are templates."""
    if isinstance(value, str):
        ready = engine.ready(value, place_of)
        return (lambda _: ready) if isinstance(ready, str) else ready
    if isinstance(value, Mapping):
        fills = {key: _ready(item, engine, place_of) for key, item in value.items()}
        return lambda scope: {key: fill(scope) for key, fill in fills.items()}
    if isinstance(value, (list, tuple)):
        items = [_ready(item, engine, place_of) for item in value]
        return lambda scope: [fill(scope) for fill in items]
    return lambda _: value


def _is_empty(value: Any) -> bool:
    """Whether a part that depends on this value is left out; 0 is a value."""
    return value is None or value is False or (isinstance(value, (str, list, dict)) and not value)


def _placeholder(placeholder: Placeholder) -> Fill:
    def fill(scope: Scope) -> list[dict[str, Any]]:
        given = scope.inputs.get(placeholder.input)
        if given is None:
            return []
        if not isinstance(given, list):
            raise _refused(placeholder, "is a list of messages, each with `role` and `content`")
        for index, message in enumerate(given):
            problem = _message_problem(message)
            if problem:
                raise _refused(placeholder, f"has a message that cannot be sent, number {index + 1}: {problem}")
        return _copied(given)  # type: ignore[no-any-return]

    return fill


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "it is no mapping with `role` and `content`"
    role = message.get("role")
    if role in ("system", "developer"):
        return f"its role is {role}, which only the prompt's own file may have"
    if role not in _ROLES:
        return "its role is none of user, assistant, tool"
    content = message.get("content")
    if isinstance(content, str) or (content is None and role == "assistant" and message.get("tool_calls")):
        return None
    if (
        isinstance(content, list)
        and content
        and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in content)
    ):
        return None
    return "its content is neither text nor a list of parts, each with a `type`"


def _refused(placeholder: Placeholder, problem: str) -> InputError:
    name = placeholder.input
    return InputError(
        f"`{name}` {problem}",
        place=placeholder.place,
        hint=f"""for example -i {name}='[{{"role": "user", "content": "Hello"}}]'""",
        names=[name],
    )


def _copied(value: Any) -> Any:
    """A copy of plain data, so that no caller can change what the next render gives."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(item) for item in value]
    return value


def _is_ascii(prompt: Prompt) -> bool:
    """Whether no template can print anything but ASCII by itself; an escape in a literal might."""
    texts = [
        *prompt.partials.values(),
        *(text for each in prompt.messages if isinstance(each, Message) for text in _texts(each.content)),
    ]
    return all(text.isascii() and "\\" not in text for text in texts)


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, Mapping):
        return [text for value in content.values() for text in _texts(value)]
    if isinstance(content, (list, tuple)):
        return [text for value in content for text in _texts(value)]
    return []
