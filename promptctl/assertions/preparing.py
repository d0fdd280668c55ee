"""From an assertion as it is written to one that is ready to grade; once for each that is different."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from promptctl.assertions.assertion import NOT, Assertion, InvalidTemplate, Kind, Value, code_size, codes, compile_value
from promptctl.assertions.code import find_function
from promptctl.assertions.judges import load_judge
from promptctl.assertions.kinds import KINDS, OTHER_NAMES, kind_of, known_types
from promptctl.assertions.outcome import shown
from promptctl.assertions.paths import Find, InvalidPath, compile_path
from promptctl.assertions.shapes import Shape
from promptctl.assertions.structure import SCHEMA
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.names import DATASETS, PathRefused, did_you_mean, resolve_path
from promptctl.files.plain import content_digest, written_json
from promptctl.files.tree import Tree
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.schemas.json_schema import Allowance

_MOST_KEPT = 4096
# Of all datasets of one command; each template has a share of its own. Compiling so much takes some ten seconds.
_MOST_CODE = 200_000
# The inputs of all cases of one command together, besides 5 ms for each case.
CHECKING_S = 60.0

Locate = Callable[..., Place]
# Code that assertions name: an error, run (importing its file already is), found and not run by who only looks, or the
# same with the assertions left out of their cases.
CodeUse = Literal["refuse", "run", "skip", "leave-out"]


class AssertionFault(Exception):
    """Something wrong with an assertion, by the keys that lead to it from there."""

    def __init__(self, keys: tuple[str | int, ...], message: str, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.code = code
        self.hint = hint

    def problem(self, locate: Locate) -> Problem:
        """Return the fault at its place in a file."""
        return Problem(str(self), locate(*self.keys), self.hint, self.code)

    def below(self, *keys: str | int) -> AssertionFault:
        """Return the same fault of an assertion that is at these keys of its set."""
        return AssertionFault((*keys, *self.keys), str(self), self.code, self.hint)


class Preparer:
    """Prepares the assertions of a tree's datasets. Equal ones are prepared once, however many cases hold them.

    Judges are read from `trusted` where that has them, or the tree is trusted itself; see `load_judge`. `limits` are
    those of each dataset.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        code: CodeUse = "refuse",
        trusted: Tree | None = None,
        limits: DatasetLimits = DEFAULT_LIMITS,
    ) -> None:
        self._tree = tree
        self._trusted = trusted
        self.limits = limits
        self.code_use = code
        self._templates: set[int] = set()
        self._code_size = 0
        self.checking = Allowance(CHECKING_S)
        self._judges: dict[str, Prompt] = {}
        self._kept: dict[str, Assertion | tuple[AssertionFault, ...]] = {}

    def prepare(
        self, path: str, specs: Sequence[Mapping[str, Any]], locate: Locate, problems: list[Problem]
    ) -> tuple[Assertion, ...]:
        """Return the assertions of a list called `assert` in the file at `path`; problems are added to `problems`."""
        made: list[Assertion] = []
        if (problem := too_many(specs, self.limits, locate)) is not None:
            problems.append(problem)
            return ()
        for index, spec in enumerate(specs):
            found = self._prepared(spec, path)
            if isinstance(found, Assertion):
                made.append(found)
            else:
                problems += [fault.problem(lambda *keys, at=index: locate("assert", at, *keys)) for fault in found]
        return tuple(made)

    def _prepared(self, spec: Mapping[str, Any], path: str) -> Assertion | tuple[AssertionFault, ...]:
        key = written_json(spec)
        if '"./' in key:  # a path from the file's own folder
            key = f"{path}\0{key}"
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = self._made(spec, path)
        return kept

    def _made(self, spec: Mapping[str, Any], path: str) -> Assertion | tuple[AssertionFault, ...]:
        kind = kind_of(spec["type"])
        if kind is None:
            return (_unknown_type(spec["type"]),)
        faults = list(_misplaced(spec, kind))
        parts: list[Any] = []
        for part in (self._value, self._options, self._find):
            try:
                parts.append(part(spec, kind, path))
            except AssertionFault as fault:
                faults.append(fault)
        own = self._own(spec, path, faults) if kind.takes_assertions else ()
        if faults:
            return tuple(faults)
        (ready, value, resolved), options, find = parts
        problem = kind.check(ready, options) if kind.check and ready is not MISSING else None
        if problem:
            return (AssertionFault(("value",), problem, "bad-value"),)
        assertion = Assertion(
            type=spec["type"],
            kind=kind,
            ready=ready,
            value=value,
            find=find,
            weight=float(spec.get("weight", 1.0)),
            metric=spec.get("metric"),
            options=options,
            assertions=own,
            digest=content_digest({**spec, "value": resolved, "assert": [inner.digest for inner in own]}),
            rubric=_rubric(spec, kind, resolved),
        )
        try:
            judge = self._judge(assertion)
        except AssertionFault as fault:
            return (fault,)
        # A different judge may find differently: what it found is not what this one would.
        return assertion if judge is None else replace(assertion, digest=content_digest([assertion.digest, judge]))

    def _value(self, spec: Mapping[str, Any], kind: Kind, path: str) -> tuple[Any, Value | None, Any]:
        """Return the value in the form the kind grades with, or what renders it for each case.

        The third is what decides the outcome: a schema's content, not its file's name.
        """
        shape, written = kind.value, spec.get("value")
        if shape is None:
            return None, None, None
        if kind.takes_code:
            function, digest = self._code(spec["type"], written, path)
            return function, None, [written, digest]
        if "value" not in spec:
            return (MISSING if shape.is_required else None), None, None
        if shape is SCHEMA and isinstance(written, Mapping) and isinstance(written.get("$ref"), str):
            written = self._file(written["$ref"], path)
        value = self._compiled(written) if shape.is_templated else Value(written)
        return (_read(shape, written, "value"), None, written) if value.render is None else (MISSING, value, written)

    def _compiled(self, written: Any) -> Value:
        for text in codes(written):
            if hash(text) not in self._templates:
                self._templates.add(hash(text))
                self._code_size += code_size(text)
            if self._code_size > _MOST_CODE:
                message = f"the templates of assertions hold more than {_MOST_CODE:,} characters of code"
                hint = "write what differs from case to case as inputs or `expected`, and name it in one template"
                raise AssertionFault(("value",), message, "too-much-code", hint)
        try:
            return compile_value(written)
        except InvalidTemplate as error:
            hint = "to write {{ or {% as text, put it between {% raw %} and {% endraw %}"
            raise AssertionFault(("value",), f"`value` is no template: {error}", "bad-template", hint) from error

    def _code(self, type_: str, reference: Any, path: str) -> tuple[Callable[..., Any], str]:
        if self.code_use == "refuse":
            message = f"{type_} runs code of this workspace, which it may not"
            hint = "--allow-code runs it, if you trust the workspace; --leave-out-code checks everything else"
            raise AssertionFault(("type",), message, "code-not-allowed", hint)
        try:
            return find_function(reference, self._tree, path, is_run=self.code_use == "run")
        except (ValueError, PathRefused) as error:
            raise AssertionFault(("value",), f"`value` {error}", "bad-code") from error

    def _file(self, reference: str, holder: str) -> Any:
        """Return the JSON Schema that `$ref` names, below `datasets/`."""
        keys = ("value", "$ref")
        if reference.startswith("#"):
            raise AssertionFault(keys, "a schema cannot be a reference to itself", "bad-reference")
        try:
            path = resolve_path(reference, holder, DATASETS)
            return read_yaml(self._tree.read(path), path).data
        except PathRefused as refused:
            raise AssertionFault(keys, refused.message, "bad-reference", refused.hint) from refused
        except FileNotFoundError:
            hint = "schemas of datasets are below datasets/; a prompt's own is used if `value` is left out"
            raise AssertionFault(keys, f"there is no file {path}", "missing-schema", hint) from None
        except WorkspaceError as error:
            raise AssertionFault(keys, f"{path} cannot be used: {error}", "bad-schema", error.hint) from error

    def _options(self, spec: Mapping[str, Any], kind: Kind, _path: str) -> dict[str, Any]:
        options = {name: _read(shape, spec[name], name) for name, shape in kind.options.items() if name in spec}
        missing = next((name for name in kind.required if name not in spec), None)
        if missing is not None:
            raise AssertionFault(("type",), f"{spec['type']} needs `{missing}`", "missing-key")
        return options

    def _find(self, spec: Mapping[str, Any], _kind: Kind, _path: str) -> Find | None:
        try:
            return compile_path(spec["path"]) if "path" in spec else None
        except InvalidPath as error:
            hint = "write for example $.label, $.items[0].name or $['a key']"
            raise AssertionFault(("path",), f"`path` is not JSONPath: {error}", "bad-path", hint) from error

    def _own(self, spec: Mapping[str, Any], path: str, faults: list[AssertionFault]) -> tuple[Assertion, ...]:
        """Return the assertions of a set; the faults of any of them are added to `faults`."""
        found = [self._prepared(inner, path) for inner in spec.get("assert") or ()]
        own = tuple(each for each in found if isinstance(each, Assertion))
        for index, each in enumerate(found):
            if not isinstance(each, Assertion):
                faults += [fault.below("assert", index) for fault in each]
        if not faults and (spec.get("threshold") == 0 or not any(assertion.weight for assertion in own)):
            faults.append(AssertionFault(("assert",), "no assertion of the set decides anything", "no-assertion"))
        return own

    def _judge(self, assertion: Assertion) -> str | None:
        """Return the digest of the judge's prompt, if it has one; it may ask for nothing that a judge is not given."""
        prompt_id = assertion.judge_prompt
        if prompt_id is None:
            return None
        try:
            prompt = self._judges.get(prompt_id) or load_judge(self._tree, prompt_id, self._trusted)
        except WorkspaceError as error:
            message = f"the judge's prompt {prompt_id} cannot be used: {error}"
            raise AssertionFault(("prompt",), message, "bad-judge", error.hint) from error
        self._judges[prompt_id] = prompt
        offers = assertion.kind.offers
        for each in prompt.inputs.values():
            if each.is_required and each.name not in offers:
                message = f"the judge's prompt {prompt_id} asks for the input {each.name}, which it is not given"
                hint = f"it may declare {', '.join(sorted(offers))}"
                raise AssertionFault(("prompt",), message, "bad-judge", hint)
        return prompt.digest


def too_many(
    specs: Sequence[Mapping[str, Any]], limits: DatasetLimits, locate: Locate, more: Sequence[Assertion] = ()
) -> Problem | None:
    """Return the problem of more assertions in a case than may be, those of sets and `more` included; None if fewer."""
    count = _count(specs) + sum(len(each.all) for each in more)
    if count <= limits.assertions:
        return None
    message = f"the case has {count:,} assertions, at most {limits.assertions:,} are graded"
    hint = "split it, or raise `limits: {assertions: …}` in promptctl.yaml"
    return Problem(message, locate("assert"), hint, "too-many-assertions")


def _count(specs: Sequence[Mapping[str, Any]]) -> int:
    return sum(1 + _count(each.get("assert") or ()) for each in specs)


OWN_METRICS = ("passed", "pass share", "score")
"""Metrics that every comparison has; an assertion's metric of such a name would be taken for it."""


def _misplaced(spec: Mapping[str, Any], kind: Kind) -> Iterator[AssertionFault]:
    """Yield a fault for each key that means nothing to this type: what is written and not heeded is a mistake."""
    takes = [*(["value"] if kind.value else []), *(["path"] if kind.takes_path else []), *kind.options]
    takes += ["assert"] if kind.takes_assertions else []
    for key in spec:
        if key not in ("type", "weight", "metric", *takes):
            hint = f"beside type, weight and metric it takes {', '.join(takes) or 'nothing'}"
            yield AssertionFault((key,), f"{spec['type']} takes no `{key}`", "misplaced-key", hint)
    if (metric := spec.get("metric")) in OWN_METRICS:
        why = f"`{metric}` is a number that every evaluation has, of all assertions together"
        yield AssertionFault(("metric",), why, "reserved-metric", "give the metric a name of its own")


def _rubric(spec: Mapping[str, Any], kind: Kind, resolved: Any) -> str:
    """Return the digest of what is asked of a judge, as it is written: not who judges, nor what it counts."""
    if kind.judged is None or kind.takes_assertions:
        return ""
    about_judge = ("prompt", "model", "weight", "metric")
    return content_digest({**{key: spec[key] for key in spec if key not in about_judge}, "value": resolved})


def _unknown_type(type_: Any) -> AssertionFault:
    name = str(type_)
    other = OTHER_NAMES.get(name.removeprefix(NOT))
    meant = f"did you mean `{other}`?" if other else did_you_mean(name, known_types())
    hint = meant or f"the types are {', '.join(KINDS)}"
    return AssertionFault(("type",), f"there is no assertion type {shown(name)}", "unknown-assertion", hint)


def _read(shape: Shape, value: Any, key: str) -> Any:
    try:
        return shape.read(value)
    except (ValueError, InvalidFiles) as error:
        raise AssertionFault((key,), f"`{key}` {error}", "bad-value") from error
