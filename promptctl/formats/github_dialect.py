"""GitHub Models' `.prompt.yml` files, read as they stand.

What they mean is what GitHub's own tools made of them (`gh models` and `actions/ai-inference`): `{{name}}` is replaced
once, without expressions, and stays if nothing is given for it; unknown keys are passed over, here with a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem, in_reading_order
from promptctl.files.document import Document
from promptctl.files.names import PLACEHOLDER, did_you_mean
from promptctl.formats.schemas import structure_of

# The code of a warning about a test or an evaluator that cannot be used: what is evaluated without it proves less.
UNUSABLE_TEST = "unusable-test"

_TESTS = ("testData", "evaluators")
_KNOWN_KEYS = ("name", "description", "model", "messages", "modelParameters", "responseFormat", "jsonSchema", *_TESTS)
_PARAMETERS = {
    "maxTokens": "max_tokens",
    "maxCompletionTokens": "max_completion_tokens",
    "topP": "top_p",
    "temperature": "temperature",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "reasoningEffort": "reasoning_effort",
    "stop": "stop",
    "seed": "seed",
}
_NOT_GITHUBS = "remove it, or write the prompt in promptctl's own format"
_SNAKE = frozenset(_PARAMETERS.values())
_REGISTRY_MODEL = re.compile(r"azureml://registries/(?:azureml?-)?([^/]+)/models/([^/]+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class GitHubPrompt:
    """A file of GitHub's dialect in the shape of a native one, its tests apart, and warnings."""

    data: Mapping[str, Any]
    inline_dataset: Mapping[str, Any] | None
    problems: tuple[Problem, ...]


def placeholders(text: str) -> list[str]:
    """Return the names that `{{name}}` stands for in a text, in reading order, each once."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))


def read_github_prompt(document: Document) -> GitHubPrompt:
    """Return a file of GitHub's dialect. Raises `InvalidFiles` for what makes it impossible to run."""
    reader = _Reader(document)
    data = reader.prompt()
    rows, evaluators = reader.rows(), reader.evaluators()
    errors = [problem for problem in reader.problems if problem.severity == "error"]
    if errors:
        raise InvalidFiles(in_reading_order(errors))
    data["inputs"] = _inputs(data["messages"], rows)
    dataset = {"testData": rows, "evaluators": evaluators} if rows or evaluators else None
    return GitHubPrompt(data, dataset, tuple(in_reading_order(reader.problems)))


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        # An optional key with nothing after it is one that is not there.
        self.data = {key: value for key, value in document.data.items() if value is not None or key == "messages"}
        self.problems: list[Problem] = []

    def prompt(self) -> dict[str, Any]:
        """Return the prompt in native shape; what is missing in it has been told as an error."""
        data = {key: value for key, value in self.data.items() if key not in _TESTS}
        self.problems += structure_of("github-prompt").check(self.document.over(data))
        self._warn_of_unknown_keys()
        if self.problems and any(problem.severity == "error" for problem in self.problems):
            return {"messages": []}
        native: dict[str, Any] = {
            "template": "simple",
            "messages": [{"role": message["role"], "content": message["content"]} for message in data["messages"]],
            "parameters": self._parameters(data.get("modelParameters", {})),
            **self._response(data),
        }
        for key in ("name", "description"):
            if data.get(key, "").strip():
                native[key] = data[key]
        if data.get("model", "").strip():
            native["model"] = _REGISTRY_MODEL.sub(r"\1/\2", data["model"].strip())
        return native

    def rows(self) -> list[Mapping[str, Any]]:
        """`testData`, without the rows that are no mapping."""
        return self._sound_items("testData", "row", "test row")

    def evaluators(self) -> list[Mapping[str, Any]]:
        """`evaluators`, without those that GitHub's tools would not have understood."""
        return self._sound_items("evaluators", "evaluator", "evaluator")

    def _sound_items(self, key: str, definition: str, noun: str) -> list[Mapping[str, Any]]:
        items = self.data.get(key, [])
        if not isinstance(items, list):
            hint = f"write a list of {noun}s"
            self._warn(f"`{key}` is not read: it is no list", self.document.place(key), hint, UNUSABLE_TEST)
            return []
        sound: list[Mapping[str, Any]] = []
        structure = structure_of("github-prompt", definition)
        for index in range(len(items)):
            part = self.document.part(key, index)
            problems = structure.check(part)
            if problems:
                first = problems[0]
                message = f"{noun} {index + 1} cannot be used: {first.message}"
                self._warn(message, first.place, first.hint, UNUSABLE_TEST)
            else:
                sound.append(part.data)
        return sound

    def _warn_of_unknown_keys(self) -> None:
        for key in self.document.data:
            if key not in _KNOWN_KEYS:
                self._warn_unread(key, _KNOWN_KEYS, (key,))
        messages = self.data.get("messages")
        for index, message in enumerate(messages if isinstance(messages, list) else []):
            for key in message if isinstance(message, dict) else ():
                if key not in ("role", "content"):
                    self._warn_unread(key, ("role", "content"), ("messages", index, key))

    def _warn_unread(self, key: str, known: Sequence[str], keys: tuple[str | int, ...]) -> None:
        hint = did_you_mean(key, known) or _NOT_GITHUBS
        message = f"`{key}` is not read: GitHub's prompt files have no such key"
        self._warn(message, self.document.key_place(*keys), hint, "unknown-key")

    def _parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for key, value in given.items():
            name = _PARAMETERS.get(key, key)
            place = self.document.key_place("modelParameters", key)
            if name not in _SNAKE:
                hint = did_you_mean(key, [*_PARAMETERS, *_SNAKE]) or _NOT_GITHUBS
                message = f"the parameter `{key}` is not sent: GitHub's prompt files have no such key"
                self._warn(message, place, hint, "unknown-key")
            elif name in parameters and parameters[name] != value:
                self._warn(f"`{key}` is given twice, in two spellings; the first one holds", place, "keep one of them")
            elif value is not None:
                parameters.setdefault(name, value)
        return parameters

    def _response(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`output` or `response_format` for `responseFormat` and `jsonSchema`."""
        form = data.get("responseFormat", "text")
        if form == "json_schema":
            schema = self._json_schema(data)
            return {} if schema is None else {"output": schema}
        if "jsonSchema" in data:
            place = self.document.key_place("jsonSchema")
            self._warn("`jsonSchema` is not sent", place, "write `responseFormat: json_schema` beside it")
        return {"response_format": {"type": "json_object"}} if form == "json_object" else {}

    def _json_schema(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        given = data.get("jsonSchema")
        if given is None:
            message = "`responseFormat: json_schema` needs `jsonSchema` beside it"
            hint = "add `jsonSchema`: JSON text with `name` and `schema`"
            self.problems.append(Problem(message, self.document.place("responseFormat"), hint, "invalid-schema"))
            return None
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError) as error:
                self._tell_broken_json(error)
                return None
        structure = structure_of("github-prompt", "namedSchema")
        problems = structure.check_data({"jsonSchema": given}, self.document.place("jsonSchema"))
        self.problems += problems
        if problems:
            return None
        return {"schema": given["schema"], "name": given["name"], "strict": given.get("strict") is True}

    def _tell_broken_json(self, error: Exception) -> None:
        place = self.document.text_place("jsonSchema")
        if isinstance(error, json.JSONDecodeError) and place.line is not None:
            lines = self.document.text_lines("jsonSchema")
            line = lines[error.lineno - 1] if lines else place.line + error.lineno - 1
            column = (place.column or 1) + error.colno - 1 if not lines else None
            place = replace(place, line=line, column=column)
        message = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep"
        hint = "`jsonSchema` is JSON as text: double quotes around names and texts, no comma after the last item"
        self.problems.append(Problem(f"`jsonSchema` is not JSON: {message}", place, hint, "not-json"))

    def _warn(self, message: str, place: Place | None, hint: str | None, code: str = "not-read") -> None:
        self.problems.append(Problem(message, place, hint, code, "warning"))


def _inputs(messages: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the variables as inputs of any type; required, unless the file's own test rows do without."""
    names = dict.fromkeys(name for message in messages for name in placeholders(message["content"]))
    return {name: {} if all(name in row for row in rows) else {"required": False} for name in names}
