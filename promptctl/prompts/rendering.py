"""Rendering of a prompt and its inputs to the messages as they are sent.

Messages are rendered one by one and a value is never rendered again, so that no value can forge a role, close a
message or run as a template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from promptctl.errors import InputError, Place, RenderError, RenderLimitExceeded
from promptctl.files.names import PLACEHOLDER
from promptctl.files.plain import Measure, plain
from promptctl.prompts.inputs import MESSAGES_EXAMPLE, InputCheck
from promptctl.prompts.prompt import SENSITIVE, Message, Placeholder, Prompt, Rendered
from promptctl.templates import BadTemplate
from promptctl.templates.limits import TEXT, Budget, RenderLimits
from promptctl.templates.reading import has_markup, plain_pieces

if TYPE_CHECKING:
    from jinja2 import Template

    from promptctl.templates.environment import PromptEnvironment


class Scope(NamedTuple):
    """Inputs and account that the texts of one render share."""

    inputs: Mapping[str, Any]
    budget: Budget


# A text that is ready to be filled in; and the place of one of its lines in the prompt's file.
FillText = Callable[[Scope], str]
PlaceOf = Callable[[int], Place | None]
# A message, its content, or any value in it, ready to be filled in.
Fill = Callable[[Scope], Any]


class Hide(Protocol):
    """Makes what the messages to store are rendered of."""

    def for_rendering(self, filled: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the inputs to fill in."""

    def as_placed(self, name: str, sent: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return the messages of an input, as many as were sent."""


class Engine:
    """Template engine of one prompt (jinja2, simple, none): makes a text ready once, to be filled in many times.

    `is_ascii` says if all text it has made ready prints nothing but ASCII by itself."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._environment: PromptEnvironment | None = None
        self.is_ascii = all(_is_ascii(text) for text in prompt.partials.values())

    def ready(self, text: str, place_of: PlaceOf) -> FillText:
        """Return the text ready to be filled in. Raises `RenderError`."""
        self.is_ascii = self.is_ascii and _is_ascii(text)
        if self._prompt.engine == "simple":
            return _filling(partial(_simple, PLACEHOLDER.split(text)), place_of)
        if self._prompt.engine == "none":
            return lambda _: text
        plain = text.replace("\r\n", "\n").replace("\r", "\n")  # as Jinja does
        if not has_markup(text):
            return lambda _: plain
        if (pieces := plain_pieces(plain)) is not None:
            return self._plain(pieces, text, place_of)
        return self._compiled(text, place_of)

    def _plain(self, pieces: Sequence[str], text: str, place_of: PlaceOf) -> FillText:
        """Return a text of plain variables made ready, which is compiled only when one of them is no text."""
        join = _filling(partial(_joined, pieces), place_of)
        compiled = cache(lambda: self._compiled(text, place_of))

        def fill(scope: Scope) -> str:
            are_texts = all(scope.inputs.get(name).__class__ is str for name in pieces[1::2])
            return join(scope) if are_texts else compiled()(scope)

        return fill

    def _compiled(self, text: str, place_of: PlaceOf) -> FillText:
        base = f"{self._prompt.base}/"
        own = self._prompt.path.removeprefix(base)
        try:
            environment = self._opened()
            template = environment.compile_text(text, own)
        except BadTemplate as error:
            place = place_of(error.line) if error.name == own else Place(base + (error.name or ""), error.line)
            raise RenderError(error.message, place=place, hint=error.hint) from None
        return _filling(partial(environment.chunks, template), place_of, template, base)

    def _opened(self) -> PromptEnvironment:
        """Return the environment with the partials compiled. Only now: a prompt without templates needs no Jinja."""
        if self._environment is None:
            from promptctl.templates.environment import PromptEnvironment

            inputs = {each.name: each.is_required for each in self._prompt.inputs.values()}
            environment = PromptEnvironment(inputs, self._prompt.partials)
            for name in self._prompt.partials:
                environment.get_template(name)
            self._environment = environment
        return self._environment


def _is_ascii(text: str) -> bool:
    return text.isascii() and "\\" not in text  # an escape in a literal may print any character


def _filling(
    pieces: Callable[..., Iterator[str]], place_of: PlaceOf, template: Template | None = None, base: str = ""
) -> FillText:
    def fill(scope: Scope) -> str:
        try:
            return scope.budget.emit(pieces(*scope))
        except Exception as error:
            failed = _failed(error, template, place_of, base)
        raise failed  # outside, so that what the template had made goes with its own error

    return fill


def _joined(pieces: Sequence[str], inputs: Mapping[str, Any], budget: Budget) -> Iterator[str]:
    """Fill plain variables in, whose values are text."""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield piece
        else:
            budget.charge(TEXT + len(inputs[piece]) * budget.unit)
            yield inputs[piece]


def _simple(pieces: Sequence[str], inputs: Mapping[str, Any], _: Budget) -> Iterator[str]:
    """Fill `{{name}}` in, in one pass over the names of inputs; any other braces stay as they are."""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield piece
        elif piece not in inputs:
            yield f"{{{{{piece}}}}}"
        else:
            value = inputs[piece]
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _failed(error: Exception, template: Template | None, place_of: PlaceOf, base: str) -> RenderError:
    from promptctl.templates.faults import in_words, line_of

    where, line = line_of(error)
    place = place_of(line) if where is None or where is template else Place(base + (where.name or ""), line)
    if isinstance(error, RenderLimitExceeded | RecursionError | MemoryError):
        return RenderLimitExceeded(in_words(error), place=place, hint="make the template or its inputs smaller")
    return RenderError(in_words(error), place=place)


class Renderer:
    """One prompt made ready to be rendered many times, by any number of threads and tasks at once.

    Raises `RenderError` if a template cannot be compiled.
    """

    def __init__(self, prompt: Prompt) -> None:
        self._check = InputCheck(prompt)
        engine = Engine(prompt)
        self._declared = prompt.messages
        self._messages = [
            _placeholder(each) if isinstance(each, Placeholder) else _message(each, engine) for each in prompt.messages
        ]
        self._is_ascii = engine.is_ascii

    def render(
        self,
        inputs: Mapping[str, Any],
        *,
        hide: Hide | None = None,
        limits: RenderLimits = RenderLimits(),  # noqa: B008 (frozen)
    ) -> Rendered:
        """Return the messages for these inputs, with declared defaults filled in.

        With `hide` they are rendered once more, of what it makes of the inputs, so that what is stored cannot hold what
        it leaves out: as many messages, with the same roles. One that these do not fit is stored as `[sensitive]`.

        Raises `InputError` if inputs are missing, not declared or not of their schema, `RenderError` if a template
        fails, and `RenderLimitExceeded` if it takes too long or grows too large.
        """
        filled = self._check.fill(inputs)
        measure = filled.measure
        budget = Budget(limits, input_chars=measure.chars, is_ascii=self._is_ascii and measure.is_ascii)
        scope = Scope(filled.values, budget)
        messages = tuple(message for fill in self._messages for message in fill(scope))
        stored = None if hide is None else self._stored(scope, hide, Budget(limits, input_chars=measure.chars))
        return Rendered(messages=messages, inputs=filled.values, stored=stored)

    def _stored(self, sent: Scope, hide: Hide, budget: Budget) -> tuple[dict[str, Any], ...]:
        scope = Scope(hide.for_rendering(sent.inputs), budget)
        messages: list[dict[str, Any]] = []
        for declared, fill in zip(self._declared, self._messages, strict=True):
            if isinstance(declared, Placeholder):
                messages += hide.as_placed(declared.input, fill(sent))
                continue
            try:
                messages += fill(scope)
            except Exception:  # a template that counts with a number, say, finds a mark in its place
                messages.append({"role": declared.role, "content": f"{SENSITIVE}]"})
        return tuple(messages)


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
            problem = message_problem(message)
            if problem:
                raise _refused(placeholder, f"has a message that cannot be sent, number {index + 1}: {problem}")
        return plain(given, Measure())  # type: ignore[no-any-return]

    return fill


def message_problem(message: Any, *, may_instruct: bool = False) -> str | None:
    """Return what keeps a message from being sent, as a clause; only one that `may_instruct` has the role `system`."""
    if not isinstance(message, dict):
        return "it is not a mapping with `role` and `content`"
    role, content = message.get("role"), message.get("content")
    if role in ("system", "developer") and not may_instruct:
        return f"its role is {role}, which only the prompt's own file may have"
    if role not in ("system", "developer", "user", "assistant", "tool"):
        return f"its role is not {'system, developer, ' if may_instruct else ''}user, assistant or tool"
    is_call = content is None and role == "assistant" and message.get("tool_calls")
    parts = content if isinstance(content, list) else []
    if any(isinstance(part, dict) and "when" in part for part in parts):
        return "it has a part with `when`, which only a prompt's file may have"
    are_parts = bool(parts) and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts)
    if isinstance(content, str) or is_call or are_parts:
        return None
    return "its content is neither text nor a list of parts, each with a `type`"


def _refused(placeholder: Placeholder, problem: str) -> InputError:
    name = placeholder.input
    return InputError(
        f"`{name}` {problem}",
        place=placeholder.place,
        hint=f"for example -i {name}={MESSAGES_EXAMPLE}",
        names=[name],
    )
