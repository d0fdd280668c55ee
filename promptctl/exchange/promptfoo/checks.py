"""promptfoo's assertions as ours: the names are the same, and what has no counterpart is dropped by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.assertions.assertion import NOT
from promptctl.assertions.kinds import KINDS
from promptctl.assertions.shapes import read_pattern
from promptctl.errors import InvalidFiles
from promptctl.exchange.promptfoo.providers import loaded, model_of
from promptctl.exchange.promptfoo.scripts import checked, transformed_path
from promptctl.exchange.promptfoo.spots import Spot
from promptctl.files.foreign_yaml import read_foreign_yaml
from promptctl.files.plain import texts_in, with_texts
from promptctl.template_languages.jinja import constant_text
from promptctl.template_languages.nunjucks import jinja_of_nunjucks
from promptctl.templates import BadTemplate
from promptctl.templates.uses import variables

_SAME = {"model-graded-factuality": "factuality", "model-graded-closedqa": "llm-rubric", "g-eval": "llm-rubric",
         "similar:cosine": "similar", "is-valid-json": "is-json"}  # fmt: skip
_CODE = ("javascript", "python", "ruby", "webhook")
_LISTS = ("contains-any", "contains-all", "icontains-any", "icontains-all")
_SCHEMAS = ("is-json", "contains-json")
_JUDGED = ("llm-rubric", "factuality", "answer-relevance", "similar")
_THRESHOLDS = ("latency", "cost", "levenshtein", "similar", "llm-rubric", "answer-relevance", "assert-set")
_G_EVAL_THRESHOLD = 0.7
_KNOWN = ("type", "value", "threshold", "weight", "metric", "provider", "transform", "assert", "rubricPrompt", "config")
_DEEPEST = 5
_REMOTE = ("http://", "https://", "huggingface://")
_BY_CODE = "write it as `python` in a file of yours below datasets/, which runs with --allow-code"


@dataclass
class Checks:
    """Reads assertions. `names` says which variables are called something else here; `graders` the models to judge."""

    templates: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    graders: Mapping[str, str] = field(default_factory=dict)
    path: str | None = ""

    def read(self, given: Spot | None, depth: int = 0) -> list[dict[str, Any]]:
        """Return the assertions of a list; a note says what became of each type."""
        return [made for spot in given.items() if (made := self._one(spot, depth))] if given is not None else []

    def with_options(self, options: Spot | None, part: str) -> Checks:
        """Return the reader for tests with these `options`: their transform and their grader."""
        if options is None or not isinstance(options.value, dict):
            return self
        path, graders = self.path, dict(self.graders)
        if (script := options.get("transform") or options.get("postprocess")) is not None:
            path = self._path(script, "", f"{part}.transform")
        if (provider := options.get("provider")) is not None:
            graders |= self._graders(provider, f"{part}.provider")
        for key in options.value:
            if key not in ("transform", "postprocess", "provider", "disableVarExpansion"):
                options.at(key).note("dropped", f"{part}.{key}", _OPTIONS.get(key, "has no counterpart here"))
        return replace(self, path=path, graders=graders)

    def _graders(self, spot: Spot, part: str, wanted: str | None = None) -> dict[str, str]:
        """Return the models that judge texts and embeddings, of those that are `wanted`."""
        given = spot.value
        if isinstance(given, dict) and {"text", "embedding"} & given.keys():
            both = [(kind, spot.get(kind)) for kind in ("text", "embedding")]
            return {kind: model for kind, each in both if each and (model := self._model(each, part))}
        id_ = given.get("id") if isinstance(given, dict) else given
        kind = "embedding" if "embed" in str(id_) else "text"
        if wanted not in (None, kind):
            words = "a model of embeddings" if wanted == "embedding" else "a model that answers"
            spot.note("dropped", part, f"`{id_}` is not {words}, which is what this assertion takes")
            return {}
        model = self._model(spot, part)
        return {kind: model} if model else {}

    def _model(self, spot: Spot, part: str) -> str | None:
        id_ = spot.value.get("id") if isinstance(spot.value, dict) else spot.value
        model = model_of(id_) if isinstance(id_, str) else None
        if model is None:
            hint = "name the model that judges: `model:` in the assertion, or --judge"
            spot.note("dropped", part, f"`{id_}` is no model that is known here", hint)
        else:
            spot.note("changed", part, f"is the judge `{model}`")
        if isinstance(spot.value, dict) and spot.value.get("config"):
            hint = "a judge's parameters are those of its prompt, and `judge_parameters` in promptctl.yaml"
            spot.at("config").note("dropped", f"{part}.config", "is not asked of a judge here", hint)
        return model

    def _path(self, script: Spot, before: str | None, part: str) -> str | None:
        """Return the JSONPath of a transform over that of an earlier one; None for code that says more."""
        found = transformed_path(script.value) if isinstance(script.value, str) else None
        if found is None or before is None:
            words = "is code, which is not run here: assertions on what it makes are left out"
            script.note("dropped", part, words, _BY_CODE)
            return None
        words = f"is the `path` of assertions: `{found}`" if found else "is how assertions read replies anyway"
        script.note("changed", part, words)
        return before + found.removeprefix("$") if before else found

    def _one(self, spot: Spot, depth: int) -> dict[str, Any] | None:
        spot = self._referenced(spot)
        if not isinstance(spot.value, dict) or not isinstance(spot.value.get("type"), str):
            spot.note("dropped", "assert", "has no type")
            return None
        written = spot.value["type"]
        negation = NOT if written.startswith(NOT) else ""
        type_ = _SAME.get(written.removeprefix(NOT), written.removeprefix(NOT))
        part = f"assert: {written}"
        if type_ in _CODE:
            return self._script(spot, negation, part)
        if type_ not in KINDS or type_ == "classify":
            hint = "write what it checks as an assertion that is there: docs/evaluate.md lists them"
            spot.note("dropped", part, "is no assertion here", hint)
            return None
        path = self.path
        if (script := spot.get("transform")) is not None:
            path = self._path(script, self.path, f"{part}.transform")
        if path is None and KINDS[type_].takes_path:
            spot.note("dropped", part, "checks what code makes of the reply", _BY_CODE)
            return None
        plain = {"type": negation + type_}
        made = self._set(spot, plain, depth) if type_ == "assert-set" else self._valued(spot, plain, type_, part)
        if made is None:
            return None
        made |= {"path": path} if path and KINDS[type_].takes_path else {}
        made |= self._options(spot, type_, part)
        fate = "kept" if written == made["type"] else "changed"
        spot.note(fate, part, "stays" if fate == "kept" else f"is `{made['type']}`")  # type: ignore[arg-type]
        return made

    def _referenced(self, spot: Spot) -> Spot:
        for _ in range(_DEEPEST):
            reference = spot.value.get("$ref") if isinstance(spot.value, dict) else None
            if not isinstance(reference, str):
                return spot
            name = reference.removeprefix("#/assertionTemplates/")
            if name not in self.templates:
                break
            spot = replace(spot, value=self.templates[name])
        return spot

    def _script(self, spot: Spot, negation: str, part: str) -> dict[str, Any] | None:
        value = spot.value.get("value")
        made = checked(value) if isinstance(value, str) and part.endswith("javascript") and self.path == "" else None
        if made is None or (negation and made["type"].startswith(NOT)):
            spot.note("dropped", part, "is code of that project, which is not run here", _BY_CODE)
            return None
        value = made["value"]
        made["value"] = constant_text(value) if isinstance(value, str) else value
        made = {**made, "type": negation + made["type"], **self._options(spot, "equals", part)}
        spot.note("changed", part, f"is `{made['type']}`")
        return made

    def _set(self, spot: Spot, made: dict[str, Any], depth: int) -> dict[str, Any] | None:
        inner = self.read(spot.get("assert"), depth + 1) if depth < _DEEPEST else []
        if not inner:
            spot.note("dropped", "assert: assert-set", "has no assertion that is there here")
            return None
        return {**made, "assert": inner}

    def _valued(self, spot: Spot, made: dict[str, Any], type_: str, part: str) -> dict[str, Any] | None:
        given = spot.get("value")
        if given is None:
            if KINDS[type_].value is None or type_ in (*_SCHEMAS, "answer-relevance"):
                return made
            spot.note("dropped", part, "has no value to compare with")
            return None
        try:
            value = self._value(given, type_)
        except ValueError as error:
            given.note("dropped", part, str(error))
            return None
        if KINDS[type_].value is None:
            return made
        if type_ == "regex" and not _has_markup(value):
            try:
                read_pattern(value)
            except ValueError as error:
                given.note("dropped", part, f"its value {error}")
                return None
        return {**made, "value": value}

    def _value(self, given: Spot, type_: str) -> Any:
        value: Any = given.value
        if isinstance(value, str) and value.startswith("file://"):
            value = _of_file(given)
        if isinstance(value, str) and value.startswith(_REMOTE):
            raise ValueError("names an address; nothing is ever fetched")
        if type_ in _SCHEMAS:
            return _schema(given, value)
        if type_ == "word-count" and isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if type_ in _LISTS and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if type_ in _JUDGED and isinstance(value, list):
            value = "\n".join(f"- {each}" for each in value)
        return with_texts(value, self._template)

    def _template(self, text: str) -> str:
        """Return a text as Jinja's. Raises `ValueError` for code of JavaScript."""
        found = jinja_of_nunjucks(text, self.names)
        if found.problems:
            raise ValueError(f"is a template: {found.problems[0].message}")
        return found.text

    def _options(self, spot: Spot, type_: str, part: str) -> dict[str, Any]:
        data, made = spot.value, dict[str, Any]()
        is_g_eval = data["type"].removeprefix(NOT) == "g-eval"
        if type_ in _THRESHOLDS and isinstance(data.get("threshold"), int | float):
            made["threshold"] = data["threshold"]
        elif is_g_eval:
            made["threshold"] = _G_EVAL_THRESHOLD
        if isinstance(data.get("weight"), int | float) and data["weight"] != 1:
            made["weight"] = data["weight"]
        if isinstance(data.get("metric"), str) and data["metric"]:
            made["metric"] = data["metric"]
        if type_ in _JUDGED:
            kind, provider = "embedding" if type_ == "similar" else "text", spot.get("provider")
            own = self._graders(provider, f"{part}.provider", kind) if provider else self.graders
            model = own.get(kind)
            made |= {"model": model} if model else {}
        for key in data:
            if key not in _KNOWN or (key in ("rubricPrompt", "config") and data[key]):
                hint = "write it as a judge's prompt, and name it: `prompt:`" if key == "rubricPrompt" else None
                spot.at(key).note("dropped", f"{part}.{key}", "has no counterpart here", hint)
        return made


_OPTIONS = {
    "prefix": "is no part of a test here: write it into the prompt",
    "suffix": "is no part of a test here: write it into the prompt",
    "rubricPrompt": "is no part of a test here: write it as a judge's prompt, and name it in assertions",
    "transformVars": "is code, which is not run here",
}


def _has_markup(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _of_file(given: Spot) -> Any:
    path = given.value.removeprefix("file://")
    if not path.endswith((".txt", ".md", ".json", ".yaml", ".yml", ".csv", ".xml", ".html")):
        raise ValueError("is in a file of code, which is not run here")
    if path.endswith((".json", ".yaml", ".yml")):
        return loaded(given).value
    return given.source.beside(path, given.place.line).text.removesuffix("\n")


def _schema(given: Spot, value: Any) -> Any:
    """Return the JSON Schema that a value is, or that its text says. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            value = read_foreign_yaml(value.encode(), given.source.shown).data
        except InvalidFiles as error:
            raise ValueError(f"its schema is neither JSON nor YAML: {error.message}") from None
    if not isinstance(value, dict):
        raise ValueError("its value is no JSON Schema")
    return value


def used_names(value: Any) -> Iterator[str]:
    """Yield the variables that the templates in a value use, as far as they can be read."""
    for text in filter(_has_markup, texts_in(value)):
        found = jinja_of_nunjucks(text)
        if not found.problems:
            with suppress(BadTemplate):
                yield from variables(found.text)
