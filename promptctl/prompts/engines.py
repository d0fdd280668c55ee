"""Template engines of a prompt: each makes a text ready once, to be filled in many times (jinja2, simple, none)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from promptctl.errors import Place, RenderError, RenderLimitExceeded
from promptctl.files.names import PLACEHOLDER, PROMPTS
from promptctl.templates import BadTemplate
from promptctl.templates.limits import TEXT, Budget
from promptctl.templates.reading import has_markup, plain_pieces

if TYPE_CHECKING:
    from jinja2 import Template

    from promptctl.prompts.prompt import Prompt
    from promptctl.templates.environment import PromptEnvironment


class Scope(NamedTuple):
    """Inputs and account that the texts of one render share."""

    inputs: Mapping[str, Any]
    budget: Budget


# A text that is ready to be filled in; and the place of one of its lines in the prompt's file.
Fill = Callable[[Scope], str]
PlaceOf = Callable[[int], Place | None]


class Engine:
    """Engine of one prompt. `is_ascii` says if all text it has made ready prints nothing but ASCII by itself."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._environment: PromptEnvironment | None = None
        self.is_ascii = all(_is_ascii(text) for text in prompt.partials.values())

    def ready(self, text: str, place_of: PlaceOf) -> Fill:
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

    def _plain(self, pieces: Sequence[str], text: str, place_of: PlaceOf) -> Fill:
        """Return a text of plain variables made ready, which is compiled only when one of them is no text."""
        join = _filling(partial(_joined, pieces), place_of)
        compiled = cache(lambda: self._compiled(text, place_of))

        def fill(scope: Scope) -> str:
            are_texts = all(scope.inputs.get(name).__class__ is str for name in pieces[1::2])
            return join(scope) if are_texts else compiled()(scope)

        return fill

    def _compiled(self, text: str, place_of: PlaceOf) -> Fill:
        own = self._prompt.path.removeprefix(PROMPTS + "/")
        try:
            environment = self._opened()
            template = environment.compile_text(text, own)
        except BadTemplate as error:
            place = place_of(error.line) if error.name == own else Place(f"{PROMPTS}/{error.name}", error.line)
            raise RenderError(error.message, place=place, hint=error.hint) from None
        return _filling(partial(environment.chunks, template), place_of, template)

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


def _filling(pieces: Callable[..., Iterator[str]], place_of: PlaceOf, template: Template | None = None) -> Fill:
    def fill(scope: Scope) -> str:
        try:
            return scope.budget.emit(pieces(*scope))
        except Exception as error:
            raise _failed(error, template, place_of) from None

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


def _failed(error: Exception, template: Template | None, place_of: PlaceOf) -> RenderError:
    from promptctl.templates.faults import in_words, line_of

    where, line = line_of(error)
    place = place_of(line) if where is None or where is template else Place(f"{PROMPTS}/{where.name}", line)
    if isinstance(error, RenderLimitExceeded | RecursionError | MemoryError):
        return RenderLimitExceeded(in_words(error), place=place, hint="make the template or its inputs smaller")
    return RenderError(in_words(error), place=place)
