"""Rendering of a prompt and its inputs to the messages as they are sent.

Messages are rendered one by one and a value is never rendered again, so that no value can forge a role, close a
message or run as a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from promptctl.errors import InputError, RenderError
from promptctl.files.plain import Measure, plain
from promptctl.prompts.engines import Engine, PlaceOf, Scope
from promptctl.prompts.inputs import InputCheck
from promptctl.prompts.prompt import Message, Placeholder, Prompt, Rendered
from promptctl.templates.limits import Budget, RenderLimits

# A message, its content, or any value in it, ready to be filled in.
Fill = Callable[[Scope], Any]


class Renderer:
    """One prompt made ready to be rendered many times, by any number of threads and tasks at once.

    Raises `RenderError` if a template cannot be compiled.
    """

    def __init__(self, prompt: Prompt) -> None:
        self._check = InputCheck(prompt)
        engine = Engine(prompt)
        self._messages = [
            _placeholder(each) if isinstance(each, Placeholder) else _message(each, engine) for each in prompt.messages
        ]
        self._is_ascii = engine.is_ascii

    def render(self, inputs: Mapping[str, Any], *, limits: RenderLimits = RenderLimits()) -> Rendered:  # noqa: B008 (frozen)
        """Return the messages for these inputs, with declared defaults filled in.

        Raises `InputError` if inputs are missing, not declared or not of their schema, `RenderError` if a template
        fails, and `RenderLimitExceeded` if it takes too long or grows too large.
        """
        filled = self._check.fill(inputs)
        measure = filled.measure
        budget = Budget(limits, input_chars=measure.chars, is_ascii=self._is_ascii and measure.is_ascii)
        scope = Scope(filled.values, budget)
        messages = tuple(message for fill in self._messages for message in fill(scope))
        return Rendered(messages=messages, inputs=filled.values)


def _message(message: Message, engine: Engine) -> Fill:
    head, extra = message.role, dict(message.extra)
    content = _content(message, engine)

    def fill(scope: Scope) -> list[dict[str, Any]]:
        value = content(scope)
        if value == []:
            raise RenderError(
                "every part of the message was left out", place=message.place, hint="give it a part without `when`"
            )
        return [{"role": head, "content": value, **(plain(extra, Measure()) if extra else {})}]

    return fill


def _content(message: Message, engine: Engine) -> Fill:
    """Return a message's content made ready: a text, or parts of which some are left out."""
    if isinstance(message.content, str):
        return _ready(message.content, engine, message.place_of)
    parts: list[tuple[str | None, Fill]] = []
    for number, part in enumerate(message.content):
        place_of = partial(message.place_of, part=number if number < len(message.part_places) else None)
        sent = {key: value for key, value in part.items() if key != "when"}
        fill = _ready(sent, engine, place_of)
        parts.append((part.get("when"), _bare_sound(fill) if part.get("type") == "input_audio" else fill))
    return lambda scope: [fill(scope) for when, fill in parts if when is None or not _is_empty(scope.inputs.get(when))]


def _bare_sound(fill: Fill) -> Fill:
    """Return the part of a sound made ready: the protocol takes its base64 alone, not the data URL of a file."""

    def bare(scope: Scope) -> Any:
        from promptctl.files.media import without_data_url

        part = fill(scope)
        sound = part["input_audio"]
        return {**part, "input_audio": {**sound, "data": without_data_url(sound["data"])}}

    return bare


def _ready(value: Any, engine: Engine, place_of: PlaceOf) -> Fill:
    """Return a text, or any value within a part, made ready: its strings are templates."""
    if isinstance(value, str):
        return engine.ready(value, place_of)
    if isinstance(value, Mapping):
        fills = {key: _ready(item, engine, place_of) for key, item in value.items()}
        return lambda scope: {key: fill(scope) for key, fill in fills.items()}
    if isinstance(value, (list, tuple)):
        items = [_ready(item, engine, place_of) for item in value]
        return lambda scope: [fill(scope) for fill in items]
    return lambda _: value


def _is_empty(value: Any) -> bool:
    """Return true if a part that depends on this value is left out; 0 is a value."""
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
        return plain(given, Measure())  # type: ignore[no-any-return]

    return fill


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "it is not a mapping with `role` and `content`"
    role, content = message.get("role"), message.get("content")
    if role in ("system", "developer"):
        return f"its role is {role}, which only the prompt's own file may have"
    if role not in ("user", "assistant", "tool"):
        return "its role is not user, assistant or tool"
    is_call = content is None and role == "assistant" and message.get("tool_calls")
    parts = content if isinstance(content, list) else []
    are_parts = bool(parts) and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts)
    if isinstance(content, str) or is_call or are_parts:
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
