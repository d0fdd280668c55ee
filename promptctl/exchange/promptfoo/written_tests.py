"""Datasets of a prompt as promptfoo's `defaultTest` and `tests`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.assertions.assertion import NOT
from promptctl.datasets.matrix import InvalidMatrix, unfold
from promptctl.exchange.promptfoo.providers import provider_of
from promptctl.exchange.promptfoo.scripts import PARSED
from promptctl.exchange.written import DatasetToWrite, PromptToWrite, PromptWriter, lost_dataset_keys
from promptctl.files.plain import texts_in
from promptctl.prompts.prompt import MISSING
from promptctl.template_languages.nunjucks_writing import nunjucks_of_jinja

_ACTING = re.compile(r"\s*(?:file://|package:|exec:|python:|javascript:|https?://\S+\.(?:js|py)\b)", re.IGNORECASE)
_SAID = ("name", "prompts", "description", "defaults", "cases", "inputs", "matrix", "expected", "assert", "threshold",
         "metadata", "output", "id", "tags")  # fmt: skip
_NO_KEY = "is nothing that promptfoo's tests have"
_EXPECTED = "{{ expected }}"
# Lists of texts stay one value each.
_AS_IT_IS = {"disableVarExpansion": True}
# Types that promptfoo does not have, with what to say of them.
_NOT_THERE = {"classify", "json-schema", "tool-call", "ends-with"}
_LOST_OPTIONS = ("normalize", "tolerance", "prompt", "choices", "question", "accept")
_TEXT = (
    "equals", "contains", "icontains", "starts-with", "contains-any", "contains-all", "icontains-any",
    "icontains-all", "regex",
)  # fmt: skip


class WrittenTests(PromptWriter):
    """The tests of one prompt in promptfoo's words, and what those lack."""

    def data(self) -> dict[str, Any]:
        """Return `defaultTest` and `tests`; neither if there is no dataset."""
        inputs = self.prompt.inputs
        declared = {name: each.default for name, each in inputs.items() if each.default is not MISSING}
        tests: list[dict[str, Any]] = []
        default: dict[str, Any] = {}
        filled_in: set[str] = set()
        is_one = len(self.given.datasets) == 1
        for dataset in self.given.datasets:
            losses = lost_dataset_keys(dataset, _SAID, _NO_KEY)
            is_told = dataset.data.get("description") == self.prompt.description
            self.losses += (loss for loss in losses if not (is_told and loss.part == "description"))
            writer = _DatasetTests(self.given, dataset, filled_in)
            given = dict(writer.defaults())
            common = {"vars": {**declared, **given.pop("vars", {})}, **given}
            found = list(writer.tests(common))
            self.losses += writer.losses
            tests += found if is_one else (_merged(common, test) for test in found)
            default = common if is_one else {}
        default = default or ({"vars": declared} if declared else {})
        default = {key: value for key, value in default.items() if value}
        if any(map(_would_expand, default.get("vars", {}).values())):
            default["options"] = dict(_AS_IT_IS)
        return {**({"defaultTest": default} if default else {}), **({"tests": tests} if tests else {})}


class _DatasetTests(PromptWriter):
    """The tests of one dataset; `filled_in` are the variables of which it was told that promptfoo fills them in."""

    def __init__(self, given: PromptToWrite, dataset: DatasetToWrite, filled_in: set[str]) -> None:
        super().__init__(given, dataset)
        self._data, self._filled_in = dataset.data, filled_in

    def defaults(self) -> Iterator[tuple[str, Any]]:
        """Yield what holds for all tests, by its keys."""
        defaults: Mapping[str, Any] = self._data.get("defaults", {})
        if (acting := _acting(defaults)) is not None:
            self.lose(f"say `{acting}`, which promptfoo would load or run: they are left out", "defaults")
            defaults = {}
        yield "vars", dict(defaults.get("inputs", {}))
        self._tell_filled_in(defaults.get("inputs", {}), "defaults", "inputs")
        if assertions := self._assertions(defaults.get("assert", ()), ("defaults", "assert")):
            yield "assert", assertions
        for key in ("threshold", "metadata"):
            if key in defaults:
                yield key, defaults[key]

    def tests(self, common: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the tests, as they are beside what is common to all."""
        defaults: Mapping[str, Any] = self._data.get("defaults", {})
        reads = any(map(_reads_expected, defaults.get("assert", ())))
        for index, case in enumerate(self._data["cases"]):
            test: dict[str, Any] = {}
            values, own = dict(case.get("inputs", {})), [*case.get("assert", ())]
            if "expected" in case:
                values["expected"] = case["expected"]
                if not reads and not any(map(_reads_expected, own)):
                    is_text = isinstance(case["expected"], str)
                    own.append({"type": "equals", "value": _EXPECTED if is_text else case["expected"]})
            if (acting := _acting([values, own, case.get("matrix", {}), case.get("metadata", {})])) is not None:
                # Not even `--lossy` writes it: a value of a case would become code, or a file of the machine.
                why = f"says `{acting}`, which promptfoo would load or run: the case is left out"
                self.lose(why, "cases", index, part=f"cases.{case.get('id', index + 1)}")
                continue
            self._tell_filled_in({**case.get("matrix", {}), **values}, "cases", index)
            if assertions := self._assertions(own, ("cases", index, "assert")):
                test["assert"] = assertions
            test |= {"threshold": case["threshold"]} if "threshold" in case else {}
            test |= {"providerOutput": case["output"]} if case.get("output") is not None else {}
            id_ = str(case.get("id", f"case-{index + 1}"))
            tags = [*defaults.get("tags", ()), *case.get("tags", ())]
            metadata = {**case.get("metadata", {}), **({"tags": tags} if tags else {})}
            matrix = {**defaults.get("matrix", {}), **case.get("matrix", {})}
            matrix = {name: each for name, each in matrix.items() if name not in values}
            for ending, cell in self._cells(matrix, {**common["vars"], **values}, index):
                own_id = {"id": id_ + ending} if case.get("description") else {}
                whole: dict[str, Any] = {"description": case.get("description") or id_ + ending}
                given = {**values, **cell}
                whole |= {"vars": given} if given else {}
                if any(map(_would_expand, (given if ending else values).values())):
                    whole["options"] = dict(_AS_IT_IS)
                yield {**whole, **test, **({"metadata": {**own_id, **metadata}} if own_id or metadata else {})}

    def _tell_filled_in(self, values: Mapping[str, Any], *at: str | int) -> None:
        """Put down each variable, once, that has a value which promptfoo renders before it puts it in."""
        for name, value in values.items():
            if name not in self._filled_in and any("{{" in text or "{%" in text for text in texts_in(value)):
                self._filled_in.add(name)
                words = "has braces in a value, which is text here: promptfoo fills them in"
                self.lose(words, *at, part=f"cases.inputs.{name}")

    def _cells(
        self, matrix: Mapping[str, Any], values: Mapping[str, Any], index: int
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return the values of a matrix as lists, if promptfoo makes the same tests of those; else one by one."""
        if not matrix:
            return [("", {})]
        is_plain = all(isinstance(each, str) for several in matrix.values() for each in several)
        if is_plain and not any(map(_would_expand, values.values())):
            return [("", dict(matrix))]
        try:
            cells = list(unfold(matrix))
        except InvalidMatrix as error:
            self.lose(f"cannot be written out: {error}", "cases", index, part="cases.matrix")
            return []
        words = f"is written out as {len(cells)} tests: promptfoo makes tests of lists of texts alone"
        self.lose(words, "cases", index, part="cases.matrix")
        return cells

    def _assertions(self, given: Any, at: tuple[str | int, ...]) -> list[dict[str, Any]]:
        made = (self._assertion(each, (*at, index)) for index, each in enumerate(given))
        return [each for each in made if each is not None]

    def _assertion(self, assertion: Mapping[str, Any], at: tuple[str | int, ...]) -> dict[str, Any] | None:
        type_ = assertion["type"]
        plain = type_.removeprefix(NOT)
        part = f"assert ({type_})"
        if plain == "python" or plain in _NOT_THERE:
            self.lose("is lost: promptfoo has no assertion like it", *at, part=part)
            return None
        made: dict[str, Any] = {"type": type_}
        for key in _LOST_OPTIONS:
            if key in assertion:
                self.lose("is lost: promptfoo's assertion has no such option", *at, key, part=f"{part}.{key}")
        if plain == "assert-set":
            inner = self._assertions(assertion["assert"], (*at, "assert"))
            if type_.startswith(NOT) or not inner:
                self.lose("is lost: promptfoo negates no set, and has none that is empty", *at, part=part)
                return None
            made["assert"] = inner
        value = assertion.get("value", _EXPECTED if plain in _TEXT or plain == "levenshtein" else None)
        if value is not None:
            made["value"] = self._value(value, part, at)
        for key in ("threshold", "weight", "metric"):
            if key in assertion:
                made[key] = assertion[key]
        if "model" in assertion:
            made["provider"] = self._grader(assertion["model"], plain, part, at)
        if "path" in assertion:
            self._path(assertion["path"], made, part, at)
        return made

    def _value(self, value: Any, part: str, at: tuple[str | int, ...]) -> Any:
        if isinstance(value, str):
            written, findings = nunjucks_of_jinja(value)
            for finding in findings:
                self.lose(finding.message, *at, part=f"{part}.value")
            return written
        if isinstance(value, list):
            return [self._value(each, part, at) for each in value]
        return value

    def _grader(self, model: str, plain: str, part: str, at: tuple[str | int, ...]) -> str:
        if plain == "similar" and model.startswith("openai/"):
            return f"openai:embedding:{model.removeprefix('openai/')}"
        provider = provider_of(model)
        if provider is None:
            self.lose("is asked through a proxy of LiteLLM there", *at, part=f"{part}.model")
        return provider or f"litellm:{model}"

    def _path(self, path: str, made: dict[str, Any], part: str, at: tuple[str | int, ...]) -> None:
        steps = path.removeprefix("$")
        if any(sign in steps for sign in ("*", "..", "?", ":", "-")):
            self.lose("is lost: only plain steps are an expression of JavaScript", *at, part=f"{part}.path")
            return
        made["transform"] = PARSED + steps


def _acting(value: Any) -> str | None:
    """Return the beginning of a text that promptfoo loads, runs or fetches where a value is expected; None without."""
    return next((found[0].strip() for text in texts_in(value) if (found := _ACTING.match(text))), None)


def _would_expand(value: Any) -> bool:
    """Return True for a list of which promptfoo would make a test of each item."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _merged(common: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test with what holds for all of its dataset written into it."""
    found = {**{key: common[key] for key in ("threshold",) if key in common}, **test}
    found["vars"] = {**common["vars"], **test.get("vars", {})}
    for key, empty in (("assert", []), ("metadata", {})):
        both = [common.get(key, empty), test.get(key, empty)]
        whole: Any = [*both[0], *both[1]] if key == "assert" else {**both[0], **both[1]}
        found |= {key: whole} if whole else {}
    return found


def _reads_expected(assertion: Mapping[str, Any]) -> bool:
    if "assert" in assertion:
        return any(map(_reads_expected, assertion["assert"]))
    plain = assertion["type"].removeprefix(NOT)
    stands_in = "value" not in assertion and plain in (*_TEXT, "levenshtein", "factuality", "llm-rubric", "similar")
    return stands_in or "expected" in str(assertion.get("value", ""))
