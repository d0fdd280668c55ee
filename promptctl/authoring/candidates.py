"""Candidates: a prompt's file with other texts in it, checked before anybody is asked with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from promptctl.authoring.trials import EditedFile, trial_plan
from promptctl.calls.call import Target, merge_parameters
from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.errors import PromptctlError, UsageError, WorkspaceError
from promptctl.evaluations.plan import Plan
from promptctl.files.names import did_you_mean
from promptctl.files.plain import texts_in
from promptctl.files.yaml_editing import Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.prompts.closure import message_texts
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.prompts.rendering import Renderer
from promptctl.templates.reading import has_markup, split_markup

MOST_CHARACTERS = 20_000
PARAMETERS = "parameters"
# Parameters that say how a reply is drawn; others say what it costs, or whom it is sent to.
_SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_EDITED_ROLES = ("system", "developer", "user")
# A text of a case that is shorter, or of fewer words, may stand in a prompt by chance: a label, a name, a greeting.
_LEAST_LEAK, _FEWEST_WORDS = 16, 3

Texts = Mapping[str, str]
"""The texts of a candidate by the names of its components."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a prompt's file that may be edited: where it stands there, its text, and what it is in words."""

    keys: tuple[str | int, ...]
    text: str
    about: str
    is_template: bool = False


def components_of(prompt: Prompt, data: bytes, *, with_parameters: bool = False) -> dict[str, Component]:
    """Return the parts that may be edited, by name: messages and descriptions of tools, and if asked parameters.

    Messages of the assistant are left out, as they are examples; so are those that are nothing but variables, unless
    there are no others. Raises `UsageError` if nothing is left.
    """
    file = read_yaml(data, prompt.path).data
    messages = dict(_messages(file))
    worded = {name: each for name, each in messages.items() if _has_words(each)}
    found = {**(worded or messages), **dict(_tools(file))}
    if with_parameters and prompt.dialect == "native":
        given = {name: value for name, value in prompt.parameters.items() if name in _SAMPLING}
        about = f"the parameters by which replies are drawn, a JSON object of numbers: {', '.join(_SAMPLING)}"
        found[PARAMETERS] = Component((PARAMETERS,), json.dumps(given), about)
    if not found:
        raise UsageError(
            f"nothing of {prompt.id} can be edited: it has no message of its own with a text",
            hint=f"write what the model is to do into {prompt.path}",
        )
    return found


def _messages(file: Mapping[str, Any]) -> Iterator[tuple[str, Component]]:
    for text, keys in message_texts(file["messages"]):
        _, at, _, *below = keys
        role = file["messages"][at].get("role")
        if role in _EDITED_ROLES and below[1:] in ([], ["text"]):
            name, about = f"message {int(at) + 1} ({role})", f"the {role} message"
            if below:
                name, about = f"{name}, part {int(below[0]) + 1}", f"a part of {about}"
            yield name, Component(keys, text, about, is_template=True)


def _tools(file: Mapping[str, Any]) -> Iterator[tuple[str, Component]]:
    for at, tool in enumerate(file.get("tools") or ()):
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(function.get("description"), str):
            about = f"the description of the tool {function.get('name')}, by which the model decides when to call it"
            keys = ("tools", at, "function", "description")
            yield f"tool {function.get('name')}", Component(keys, function["description"], about)


def _has_words(component: Component) -> bool:
    return any(character.isalpha() for plain in split_markup(component.text)[::2] for character in plain)


@dataclass(frozen=True, slots=True)
class EditedPrompt:
    """A prompt with other texts, and the bytes that its file would have."""

    prompt: Prompt
    data: bytes


class Candidates:
    """Makes candidates of one prompt, that of a plan, and says what is wrong with one.

    `cases` are those whose texts no candidate may hold; candidates are rendered with the `shown` among them. Raises
    `WorkspaceError` for a file that cannot be edited in place.
    """

    def __init__(
        self, context: Context, plan: Plan, components: Mapping[str, Component], cases: Sequence[Case], shown: set[str]
    ) -> None:
        self._plan = plan
        self._cases = cases
        self._shown = shown
        self.components = components
        path = plan.target.prompt.path
        self._file = EditedFile(context.repository.work_tree, path)
        self.original = self._file.data
        # A file whose text allows no edit is found out before a model is asked for any.
        edit_yaml(self.original, path, [Set(each.keys, f"{each.text}.\n\n.") for each in components.values()])

    @property
    def inputs(self) -> Iterable[str]:
        """The names of the prompt's inputs."""
        return self._plan.target.prompt.inputs

    @property
    def texts(self) -> dict[str, str]:
        """The texts of the prompt as it is."""
        return {name: component.text for name, component in self.components.items()}

    def made(self, texts: Texts) -> EditedPrompt:
        """Return the candidate of these texts. Raises `WorkspaceError` if its file is wrong or cannot be edited."""
        prompt = self._plan.target.prompt
        edits = [
            Set(component.keys, self._parameters(texts[name]) if name == PARAMETERS else texts[name])
            for name, component in self.components.items()
            if texts[name] != component.text
        ]
        if not edits:
            return EditedPrompt(prompt, self.original)
        data = edit_yaml(self.original, prompt.path, edits)
        return EditedPrompt(self._file.prompt(data), data)

    def plan(self, candidate: EditedPrompt, ids: Iterable[str]) -> Plan:
        """Return the plan that evaluates a candidate on these cases."""
        sent = self._sent(self._plan.target, candidate.prompt)
        return trial_plan(self._plan, candidate.prompt, ids, sent)

    def problems(self, texts: Texts) -> list[str]:
        """Return what is wrong with these texts, in words for whoever wrote them; of cases not shown, nothing."""
        for name, text in texts.items():
            if found := list(self._of_text(name, text)):
                return found
        try:
            candidate = self.made(texts)
        except WorkspaceError as error:
            return [problem.message for problem in error.problems_of("")]
        return list(self._of_file(candidate)) or list(self._unrendered(candidate))

    def _of_text(self, name: str, text: str) -> Iterator[str]:
        before = self.components[name].text
        if text == before:
            return
        if len(text) > max(MOST_CHARACTERS, len(before)):
            yield f"it has {len(text):,} characters, and may have {MOST_CHARACTERS:,} at most"
        if not text.strip():
            yield "it is empty"
        if any(not (character.isprintable() or character in "\n\t" or character in before) for character in text):
            yield "it holds control characters, or marks of direction"
        if name == PARAMETERS:
            try:
                self._parameters(text)
            except ValueError as error:
                yield str(error)
        elif not self.components[name].is_template and has_markup(text):
            yield "it holds `{{` or `{%`, and is no template"
        else:
            yield from self._leaks(before, text)

    def _leaks(self, before: str, text: str) -> Iterator[str]:
        """Yield the problem of a text that repeats one of the cases: it would be tested on what it was told."""
        had, has = _folded(before), _folded(text)
        for leak in self._of_cases:
            if leak in has and leak not in had:
                yield "it repeats the text of a case that it is tested on; say what cases have in common instead"
                return

    @cached_property
    def _of_cases(self) -> frozenset[str]:
        texts = (text for case in self._cases for text in (*texts_in(case.inputs), *texts_in(case.expected)))
        folded = {_folded(text) for text in texts}
        return frozenset(each for each in folded if len(each) >= _LEAST_LEAK and each.count(" ") >= _FEWEST_WORDS - 1)

    def _of_file(self, candidate: EditedPrompt) -> Iterator[str]:
        path, before = candidate.prompt.path, self._plan.target.prompt
        yield from self._file.new_problems(candidate.data)
        if added := sorted(set(candidate.prompt.closure) - set(before.closure)):
            yield f"it includes {', '.join(each for each in added if each != path)}, which the prompt does not"

    def _unrendered(self, candidate: EditedPrompt) -> Iterator[str]:
        renderer = Renderer(candidate.prompt)
        for case in self._cases:
            if case.id in self._shown:
                try:
                    renderer.render(case.inputs)
                except PromptctlError as error:
                    yield f"it cannot be rendered with the inputs of a case: {error.message}"
                    return

    def _parameters(self, text: str) -> dict[str, Any]:
        """Return the parameters of the file with those of the text. Raises `ValueError` for what none may be."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is no JSON object: {error}") from error
        if not isinstance(given, dict):
            raise ValueError("it is no JSON object")
        for name, value in given.items():
            if name not in _SAMPLING:
                raise ValueError(
                    f"`{name}` may not be changed: {did_you_mean(name, _SAMPLING) or ', '.join(_SAMPLING)}"
                )
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"`{name}` is no number")
        kept = {name: value for name, value in self._plan.target.prompt.parameters.items() if name not in _SAMPLING}
        return {**kept, **given}

    def _sent(self, target: Target, prompt: Prompt) -> dict[str, Any]:
        """Return the parameters that are sent: those of the plan, with what the candidate changes."""
        before = target.prompt.parameters
        changed = {name: value for name, value in prompt.parameters.items() if before.get(name, MISSING) != value}
        gone = before.keys() - prompt.parameters.keys()
        return merge_parameters(
            {name: value for name, value in target.parameters.items() if name not in gone},
            replace(prompt, parameters=changed),
        )


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
