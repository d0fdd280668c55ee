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

from promptctl.errors import InvalidFiles, Place, Problem, in_reading_order, one_of_each_kind
from promptctl.files.document import Document
from promptctl.files.names import PLACEHOLDER, did_you_mean
from promptctl.files.wording import count
from promptctl.formats.schemas import structure_of

# The code of a warning about a test or an evaluator that cannot be used: what is evaluated without it proves less.
UNUSABLE_TEST = "unusable-test"

# The first of these that an evaluator holds is the one that counts.
STRING_TESTS = ("equals", "contains", "startsWith", "endsWith")
_ALL_STRING_TESTS = "`equals`, `contains`, `startsWith` and `endsWith`"

_EVALUATOR_KEYS = ("name", "string", "llm", "uses", "description")
_LLM_KEYS = ("modelId", "prompt", "systemPrompt", "choices")

_TESTS = ("testData", "evaluators")
_KNOWN_KEYS = ("name", "description", "model", "messages", "modelParameters", "responseFormat", "jsonSchema", *_TESTS)
PARAMETERS = {
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
# Keys that people write for GitHub's, with what to do.
_INSTEAD = {
    **dict.fromkeys(
        (
            "parameters",
            "config",
            "options",
            "settings",
            "temperature",
            "max-tokens",
            "max_tokens",
            "maxTokens",
            "top_p",
        ),
        "it goes under `modelParameters`",
    ),
    **dict.fromkeys(("response_format", "output"), "write `responseFormat: json_object` beside `messages`"),
    **dict.fromkeys(("schema", "json_schema", "output_schema"), "use `jsonSchema`"),
    **dict.fromkeys(("tests", "cases", "test_data", "examples"), "use `testData`"),
    **dict.fromkeys(("assert", "asserts", "evals"), "use `evaluators`"),
    "metadata": _NOT_GITHUBS,
}
# What GitHub's `string` evaluators never had, and the assertion of a dataset that does it.
_ASSERTIONS = {
    "json": "is-json", "isjson": "is-json", "is_json": "is-json", "jsonschema": "json-schema", "schema": "json-schema",
    "regex": "regex", "matches": "regex", "pattern": "regex", "notcontains": "not-contains", "notequals": "not-equals",
    "containsany": "contains-any", "containsall": "contains-all", "icontains": "icontains", "length": "word-count",
}  # fmt: skip
_SNAKE = frozenset(PARAMETERS.values())
_REGISTRY_MODEL = re.compile(r"azureml://registries/(?:azureml?-)?([^/]+)/models/([^/]+)(?:/.*)?")
# Providers whose registry has another name.
_PROVIDERS = {"azure-openai": "openai", "azureml": "microsoft"}


@dataclass(frozen=True, slots=True)
class GitHubPrompt:
    """A file of GitHub's dialect in the shape of a native one, its tests apart, and warnings."""

    data: Mapping[str, Any]
    inline_dataset: Mapping[str, Any] | None
    problems: tuple[Problem, ...]


def placeholders(text: str) -> list[str]:
    """Return the names that `{{name}}` stands for in a text, in reading order, each once."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))


def model_id(written: str) -> str:
    """Return the model's id as we have it, for an id of GitHub's or the address of a model in a registry.

    >>> model_id("azureml://registries/azure-openai/models/gpt-4.1/versions/2")
    'openai/gpt-4.1'
    """
    found = _REGISTRY_MODEL.fullmatch(written.strip())
    return f"{_PROVIDERS.get(found[1], found[1])}/{found[2]}" if found else written.strip()


def parameter_keys(data: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the keys at which a prompt file, native or GitHub's, sets the parameter that is `name` in native files."""
    given = data.get("modelParameters")
    if not isinstance(given, dict):
        return "parameters", name
    found = (key for key, value in given.items() if PARAMETERS.get(key, key) == name and value is not None)
    return "modelParameters", next(found, name)


def read_github_prompt(document: Document) -> GitHubPrompt:
    """Return a file of GitHub's dialect. Raises `InvalidFiles` for what makes it impossible to run."""
    reader = _Reader(document)
    data = reader.prompt()
    rows, evaluators = reader.rows(), reader.evaluators()
    errors = [problem for problem in reader.problems if problem.severity == "error"]
    if errors:
        raise InvalidFiles(in_reading_order(errors))
    data["inputs"] = _inputs(data["messages"], rows)
    reader.warn_of_ungraded(rows, evaluators)
    dataset = {"testData": rows, "evaluators": evaluators} if rows or evaluators else None
    return GitHubPrompt(data, dataset, tuple(one_of_each_kind(in_reading_order(reader.problems))))


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
            native["model"] = model_id(data["model"])
        return native

    def rows(self) -> list[Mapping[str, Any]]:
        """`testData`, without the rows that are no mapping."""
        return self._sound_items("testData", "row", "test row")

    def evaluators(self) -> list[Mapping[str, Any]]:
        """`evaluators`, without those that GitHub's tools would not have understood."""
        return self._sound_items("evaluators", "evaluator", "evaluator")

    def warn_of_ungraded(self, rows: Sequence[Mapping[str, Any]], evaluators: Sequence[Any]) -> None:
        """Warn of test rows that nothing grades; without any evaluator a row can say what it expects."""
        if evaluators and not rows:
            message, hint = "the evaluators grade nothing: there are no test rows", "add rows to `testData`"
            self._warn(message, self.document.place("evaluators"), hint, "not-evaluated")
        ungraded = [] if self.data.get("evaluators") else [row for row in rows if row.get("expected") in (None, "")]
        if ungraded:
            share = f"{len(ungraded)} of {count(len(rows), 'test row')}"
            message = f"nothing grades {share}: the file has no evaluator, and they say nothing under `expected`"
            hint = "add an evaluator to `evaluators`, or `expected` to each row"
            self._warn(message, self.document.place("testData"), hint, "not-evaluated")

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
                message, way_out = self._unusable(part, first)
                self._warn(f"{noun} {index + 1} cannot be used: {message}", first.place, way_out, UNUSABLE_TEST)
            else:
                sound.append(part.data)
                if key == "evaluators":
                    self._warn_of_unknown_tests(index, part.data)
        return sound

    def _warn_of_unknown_tests(self, index: int, evaluator: Mapping[str, Any]) -> None:
        for keys, known in ((("string",), STRING_TESTS), (("llm",), _LLM_KEYS), ((), _EVALUATOR_KEYS)):
            holder = evaluator.get(keys[0]) if keys else evaluator
            for key in holder if isinstance(holder, dict) else ():
                if key not in known:
                    message = f"`{key}` of evaluator {index + 1} is not checked: GitHub's evaluators have no such key"
                    place = self.document.key_place("evaluators", index, *keys, key)
                    self._warn(message, place, did_you_mean(key, known) or _NOT_GITHUBS, "unknown-key")

    def _unusable(self, item: Document, problem: Problem) -> tuple[str, str | None]:
        """Return why an item cannot be used and what to do, in better words for a test that GitHub did not have."""
        data = item.data
        if not isinstance(data, dict):
            return problem.message, problem.hint
        if data.keys().isdisjoint(("string", "llm", "uses")):
            meant = next(
                filter(None, (did_you_mean(key, ("string", "llm", "uses")) for key in data if key != "name")), ""
            )
            return "it has none of `string`, `llm` and `uses`", meant or "add one of them"
        tests = data.get("string")
        unknown = list(tests) if isinstance(tests, dict) and tests.keys().isdisjoint(STRING_TESTS) else []
        if not unknown:
            return problem.message, problem.hint
        if meant := did_you_mean(unknown[0], STRING_TESTS, mistakes=2):
            return f"`string` has no `{unknown[0]}`", meant
        assertion = _ASSERTIONS.get(unknown[0].lower())
        instead = f"the assertion `{assertion}`" if assertion else "assertions of many more types"
        hint = f"write the tests as a dataset below datasets/, which has {instead}; here there is {_ALL_STRING_TESTS}"
        return f"GitHub's `string` has no `{unknown[0]}`", hint

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
        hint = _INSTEAD.get(key) or did_you_mean(key, known) or _NOT_GITHUBS
        message = f"`{key}` is not read: GitHub's prompt files have no such key"
        self._warn(message, self.document.key_place(*keys), hint, "unknown-key")

    def _parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for key, value in given.items():
            name = PARAMETERS.get(key, key)
            place = self.document.key_place("modelParameters", key)
            if name not in _SNAKE:
                in_snake = key.replace("-", "_")
                known = [*PARAMETERS, *_SNAKE]
                meant = did_you_mean(in_snake, known, mistakes=max(1, len(key) // 4))
                beside = _INSTEAD.get(in_snake, "")
                hint = (beside if "`modelParameters`" not in beside else "") or meant or _NOT_GITHUBS
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
