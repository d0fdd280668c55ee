"""The three template engines, each as a text made ready once and filled in many times: jinja2, simple, none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from promptctl.errors import Place, RenderError, RenderLimitExceeded
from promptctl.files.names import PROMPTS
from promptctl.templates.bad_template import BadTemplate
from promptctl.templates.reading import BRACES_HINT, has_markup

if TYPE_CHECKING:
    from jinja2 import Template

    from promptctl.prompts.prompt import Prompt
    from promptctl.templates.environment import PromptEnvironment
    from promptctl.templates.limits import Budget

PLACEHOLDER = re.compile(r"\{\{([\w.-]+)\}\}")

# What is told of an error that is a limit passed; its own message where there is none.
_LIMITS: dict[type[Exception], str] = {
    RenderLimitExceeded: "",
    RecursionError: "the template is nested too deeply",
    MemoryError: "the template needs more memory than there is",
}

# Jinja turns every line end into this one; text that needs no Jinja is to be the same.
_NEWLINE = re.compile(r"\r\n?")

_NOTHING = object()


class Scope:
    """What the texts of one render share: the inputs, the account, and how much text there is so far."""

    __slots__ = ("budget", "chars", "inputs", "variables")

    def __init__(self, inputs: Mapping[str, Any], variables: dict[str, Any], budget: Budget) -> None:
        self.inputs = inputs
        self.variables = variables
        self.budget = budget
        self.chars = 0

    def count(self, chars: int) -> None:
        """Note so much more text. Raises `RenderLimitExceeded`."""
        self.chars += chars
        if self.chars > self.budget.max_output:
            self.budget.check_output(self.chars)


# A text that is ready to be filled in; and where in the prompt's file a line of it stands.
Fill = Callable[[Scope], str]
PlaceOf = Callable[[int], Place | None]


class Engine:
    """Makes the texts of one prompt ready."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._jinja: _Jinja | None = None
        if prompt.engine == "jinja2":
            self._jinja = _Jinja(prompt)

    @property
    def functions(self) -> dict[str, Any]:
        """What a template finds besides the inputs."""
        return self._jinja.functions if self._jinja else {}

    def ready(self, text: str, place_of: PlaceOf) -> Fill | str:
        """A text ready to be filled in; the text itself where there is nothing to fill in. Raises `RenderError`."""
        if self._prompt.engine == "none":
            return text
        if not has_markup(text):
            return text if self._jinja is None else _NEWLINE.sub("\n", text)
        if self._jinja is not None:
            return self._jinja.ready(text, place_of)
        return _simple(text, self._prompt.inputs)


def _simple(text: str, names: Mapping[str, Any]) -> Fill | str:
    """`{{name}}` in one pass over the names of inputs; any other braces stay as they are."""
    pieces = PLACEHOLDER.split(text)
    if not any(name in names for name in pieces[1::2]):
        return text

    def fill(scope: Scope) -> str:
        made: list[str] = []
        chars = 0
        for index, piece in enumerate(pieces):
            value = scope.inputs.get(piece, _NOTHING) if index % 2 else _NOTHING
            if value is _NOTHING:
                made.append(f"{{{{{piece}}}}}" if index % 2 else piece)
            else:
                made.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            chars += len(made[-1])
            if chars > scope.budget.max_output:
                break
        scope.count(chars)
        return "".join(made)

    return fill


class _Jinja:
    """The Jinja templates of one prompt, and its partials, compiled."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._name = prompt.path.removeprefix(PROMPTS + "/")
        self._environment: PromptEnvironment | None = None
        self.functions: dict[str, Any] = {}

    def ready(self, text: str, place_of: PlaceOf) -> Fill:
        environment = self._environment or self._open()
        try:
            template = environment.compile_text(text, self._name)
        except BadTemplate as error:
            raise RenderError(error.message, place=place_of(error.line), hint=BRACES_HINT) from None
        return self._fill(environment, template, place_of)

    def _open(self) -> PromptEnvironment:
        """Compile the partials. Only now: a prompt without templates needs no Jinja."""
        from promptctl.templates.environment import PromptEnvironment
        from promptctl.templates.methods import FUNCTIONS

        prompt = self._prompt
        environment = PromptEnvironment(
            {each.name: each.is_required for each in prompt.inputs.values()}, prompt.partials
        )
        for name in prompt.partials:
            try:
                environment.get_template(name)
            except BadTemplate as error:
                place = Place(f"{PROMPTS}/{name}", error.line)
                raise RenderError(error.message, place=place, hint=BRACES_HINT) from None
        self._environment = environment
        self.functions = dict(FUNCTIONS)
        return environment

    def _fill(self, environment: PromptEnvironment, template: Template, place_of: PlaceOf) -> Fill:
        def fill(scope: Scope) -> str:
            chunks: list[str] = []
            try:
                for chunk in environment.chunks(template, scope.variables, scope.budget):
                    chunks.append(chunk)
                    scope.count(len(chunk))
                return "".join(chunks)
            except Exception as error:
                raise _failed(error, template, place_of) from None

        return fill


def _failed(error: Exception, template: Template, place_of: PlaceOf) -> RenderError:
    from promptctl.templates.faults import line_of, told

    where, line = line_of(error)
    place = place_of(line) if where is None or where is template else Place(f"{PROMPTS}/{where.name}", line)
    for kind, message in _LIMITS.items():
        if isinstance(error, kind):
            message = message or str(error)
            return RenderLimitExceeded(message, place=place, hint="make the template or its inputs smaller")
    return RenderError(told(error), place=place)
