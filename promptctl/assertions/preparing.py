"""From an assertion as it is written to one that is ready to grade; once for each that is different."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from promptctl.assertions import code
from promptctl.assertions.assertion import Assertion, Kind
from promptctl.assertions.judges import load_judge
from promptctl.assertions.kinds import KINDS, NOT, OTHER_NAMES, kind_of, known_types
from promptctl.assertions.outcome import shown
from promptctl.assertions.paths import InvalidPath, compile_path
from promptctl.assertions.shapes import Shape
from promptctl.assertions.structure import SCHEMA
from promptctl.assertions.values import InvalidTemplate, Value, compile_value
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.canonical_json import content_digest, written_json
from promptctl.files.names import DATASETS, PathRefused, did_you_mean, resolve_path
from promptctl.files.tree import Tree
from promptctl.files.yaml_reader import read_yaml
from promptctl.prompts.prompt import MISSING, Prompt

COMMON = frozenset({"type", "value", "path", "weight", "metric", "assert"})
_MOST_KEPT = 4096

Locate = Callable[..., Place]
# Code that assertions name: an error, run (importing its file already is), or found and not run by who only looks.
CodeUse = Literal["refuse", "run", "skip"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with an assertion, by the keys that lead to it from there."""

    keys: tuple[str | int, ...]
    message: str
    code: str
    hint: str | None = None

    def problem(self, locate: Locate) -> Problem:
        """The fault at its place in a file."""
        return Problem(self.message, locate(*self.keys), self.hint, self.code)


class _Faulty(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Preparer:
    """Prepares the assertions of a tree's datasets. Equal ones are prepared once, however many cases hold them."""

    def __init__(self, tree: Tree, *, code: CodeUse = "refuse") -> None:
        self._tree = tree
        self._code_use = code
        self._judges: dict[str, Prompt] = {}
        self._kept: dict[str, tuple[Assertion | None, tuple[Fault, ...]]] = {}

    def prepare(
        self, path: str, specs: Sequence[Mapping[str, Any]], locate: Locate, problems: list[Problem]
    ) -> tuple[Assertion, ...]:
        """Return the assertions of a list called `assert` in the file at `path`; problems are added to `problems`."""
        prepared: list[Assertion] = []
        for index, spec in enumerate(specs):
            assertion, faults = self._prepare(spec, path)
            if assertion is not None:
                prepared.append(assertion)
            problems += [fault.problem(lambda *keys, at=index: locate("assert", at, *keys)) for fault in faults]
        return tuple(prepared)

    def _prepare(self, spec: Mapping[str, Any], path: str) -> tuple[Assertion | None, tuple[Fault, ...]]:
        key = written_json(spec)
        if '"./' in key:  # a path from the file's own folder
            key = f"{path}\0{key}"
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = self._make(spec, path)
        return kept

    def _make(self, spec: Mapping[str, Any], path: str) -> tuple[Assertion | None, tuple[Fault, ...]]:
        type_ = spec["type"]
        kind = kind_of(type_)
        if kind is None:
            return None, (_unknown_type(type_),)
        faults = list(_misplaced(spec, type_, kind))
        parts: list[Any] = []
        for part in (self._value, self._options, self._find, self._own):
            try:
                parts.append(part(spec, kind, path))
            except _Faulty as faulty:
                faults.append(faulty.fault)
        if faults:
            return None, tuple(faults)
        given, options, find, (own, own_faults) = parts
        if own_faults:
            return None, own_faults
        problem = kind.check(given.ready, options) if kind.check and given.ready is not MISSING else None
        if problem:
            return None, (Fault(("value",), problem, "bad-value"),)
        assertion = _assertion(spec, kind, given, options, find, own)
        try:
            judge = self._judge(assertion)
        except _Faulty as faulty:
            return None, (faulty.fault,)
        # Another judge may find otherwise: what it found is not what this one would.
        return assertion if judge is None else replace(assertion, digest=content_digest([assertion.digest, judge])), ()

    def _value(self, spec: Mapping[str, Any], kind: Kind, path: str) -> _Given:
        """The value in the form the kind grades with, or what will give it for each case."""
        shape = kind.value
        if shape is None:
            return _Given(None)
        if kind.takes_code:
            return self._code(spec["type"], spec.get("value"), path)
        if "value" not in spec:
            return _Given(None) if not shape.is_required else _Given(MISSING, reads_expected=True)
        written = spec["value"]
        if shape is SCHEMA and isinstance(written, Mapping) and isinstance(written.get("$ref"), str):
            written = self._file(written["$ref"], path)
        value = _compiled(written) if shape.is_templated else Value(written)
        if not value.is_constant:
            return _Given(MISSING, value, resolved=written, names=value.names)
        return _Given(_read(shape, value.constant, "value"), resolved=written)

    def _code(self, type_: str, reference: Any, path: str) -> _Given:
        if self._code_use == "refuse":
            message = f"{type_} runs code of this workspace, which it may not"
            hint = f"pass {code.FLAG} where you trust the workspace, or use another assertion"
            raise _Faulty(Fault(("type",), message, "code-not-allowed", hint))
        try:
            take = code.load_function if self._code_use == "run" else code.name_function
            function, digest = take(reference, self._tree, path)
        except (ValueError, PathRefused) as error:
            raise _Faulty(Fault(("value",), f"`value` {error}", "bad-code")) from error
        return _Given(function, resolved=[reference, digest])

    def _file(self, reference: str, holder: str) -> Any:
        """The JSON Schema that `$ref` names, below `datasets/`."""
        keys = ("value", "$ref")
        if reference.startswith("#"):
            raise _Faulty(Fault(keys, "a schema cannot be a reference to itself", "bad-reference"))
        try:
            path = resolve_path(reference, holder, DATASETS)
            data = read_yaml(self._tree.read(path), path).data
        except PathRefused as refused:
            raise _Faulty(Fault(keys, refused.message, "bad-reference", refused.hint)) from refused
        except FileNotFoundError:
            hint = "schemas of datasets lie below datasets/; a prompt's own is used where `value` is left out"
            raise _Faulty(Fault(keys, f"there is no file {path}", "missing-schema", hint)) from None
        except WorkspaceError as error:
            raise _Faulty(Fault(keys, f"{path} cannot be used: {error}", "bad-schema", error.hint)) from error
        return data

    def _options(self, spec: Mapping[str, Any], kind: Kind, _path: str) -> dict[str, Any]:
        options = {name: _read(shape, spec[name], name) for name, shape in kind.options.items() if name in spec}
        missing = [name for name in kind.required if name not in spec]
        if missing:
            raise _Faulty(Fault(("type",), f"{spec['type']} needs `{missing[0]}`", "missing-key"))
        return options

    def _judge(self, assertion: Assertion) -> str | None:
        """The digest of the prompt that judges, None where none does; it asks for nothing that a judge is not given."""
        kind, prompt_id = assertion.kind, assertion.judge_prompt
        if kind.judged is None or kind.grade is not None or prompt_id is None:
            return None
        try:
            prompt = self._judges.get(prompt_id) or load_judge(self._tree, prompt_id)
        except WorkspaceError as error:
            message = f"the judge's prompt {prompt_id} cannot be used: {error}"
            raise _Faulty(Fault(("prompt",), message, "bad-judge", error.hint)) from error
        self._judges[prompt_id] = prompt
        asked = [each.name for each in prompt.inputs.values() if each.is_required and each.default is MISSING]
        unknown = [name for name in asked if name not in kind.offers]
        if unknown:
            message = f"the judge's prompt {prompt_id} asks for the input {unknown[0]}, which it is not given"
            hint = f"it may declare {', '.join(sorted(kind.offers))}"
            raise _Faulty(Fault(("prompt",), message, "bad-judge", hint))
        return prompt.digest

    def _find(self, spec: Mapping[str, Any], _kind: Kind, _path: str) -> Callable[[Any], Any] | None:
        try:
            return compile_path(spec["path"]) if "path" in spec else None
        except InvalidPath as error:
            raise _Faulty(Fault(("path",), f"`path` is not JSONPath: {error}", "bad-path")) from error

    def _own(self, spec: Mapping[str, Any], kind: Kind, path: str) -> tuple[tuple[Assertion, ...], tuple[Fault, ...]]:
        """The assertions of a set, with the faults of any of them."""
        if not kind.takes_assertions:
            return (), ()
        own: list[Assertion] = []
        faults: list[Fault] = []
        for index, inner in enumerate(spec.get("assert") or ()):
            assertion, inner_faults = self._prepare(inner, path)
            if assertion is not None:
                own.append(assertion)
            faults += [Fault(("assert", index, *f.keys), f.message, f.code, f.hint) for f in inner_faults]
        if not faults and (spec.get("threshold") == 0 or not any(assertion.weight for assertion in own)):
            faults.append(Fault(("assert",), "no assertion of the set decides anything", "no-assertion"))
        return tuple(own), tuple(faults)


@dataclass(frozen=True, slots=True)
class _Given:
    """What `value` comes to. `resolved` is what decides the outcome: a schema's content, not its file's name."""

    ready: Any
    value: Value | None = None
    resolved: Any = None
    reads_expected: bool = False
    names: frozenset[str] = frozenset()


def _assertion(
    spec: Mapping[str, Any],
    kind: Kind,
    given: _Given,
    options: Mapping[str, Any],
    find: Callable[[Any], Any] | None,
    own: tuple[Assertion, ...],
) -> Assertion:
    names = given.names.union(*(inner.names for inner in own))
    reads = given.reads_expected or "expected" in names or any(inner.reads_expected for inner in own)
    decides = {**spec, "value": given.resolved, "assert": [inner.digest for inner in own]}
    return Assertion(
        type=spec["type"],
        kind=kind,
        ready=given.ready,
        value=given.value,
        find=find,
        weight=float(spec.get("weight", 1.0)),
        metric=spec.get("metric"),
        is_negated=spec["type"].startswith(NOT),
        options=options,
        assertions=own,
        needs_judge=kind.judged is not None and (kind.grade is None or any(inner.needs_judge for inner in own)),
        reads_expected=reads,
        names=names - {"expected", "output"},
        digest=content_digest(decides),
    )


def _misplaced(spec: Mapping[str, Any], type_: str, kind: Kind) -> Iterator[Fault]:
    """Keys that mean nothing to this type: what is written and not heeded is a mistake."""
    for key in spec:
        if key in kind.options or (key in COMMON and key not in ("value", "path", "assert")):
            continue
        is_taken = {"value": kind.value is not None, "path": kind.takes_path, "assert": kind.takes_assertions}
        if is_taken.get(key):
            continue
        takes = [*(name for name, taken in is_taken.items() if taken), *kind.options]
        hint = f"beside type, weight and metric it takes {', '.join(takes) or 'nothing'}"
        yield Fault((key,), f"{type_} takes no `{key}`", "misplaced-key", hint)


def _unknown_type(type_: Any) -> Fault:
    name = str(type_)
    other = OTHER_NAMES.get(name.removeprefix(NOT))
    meant = f"did you mean `{other}`?" if other else did_you_mean(name, known_types())
    hint = meant or f"the types are {', '.join(KINDS)}"
    return Fault(("type",), f"there is no assertion type {shown(name)}", "unknown-assertion", hint)


def _compiled(written: Any) -> Value:
    try:
        return compile_value(written)
    except InvalidTemplate as error:
        hint = "to write {{ or {% as text, put it between {% raw %} and {% endraw %}"
        raise _Faulty(Fault(("value",), f"`value` is no template: {error}", "bad-template", hint)) from error


def _read(shape: Shape, value: Any, key: str) -> Any:
    try:
        return shape.read(value)
    except (ValueError, InvalidFiles) as error:
        raise _Faulty(Fault((key,), f"`{key}` {error}", "bad-value")) from error
