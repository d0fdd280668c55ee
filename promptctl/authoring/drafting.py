"""The files of a new prompt, made of a reply's data: the prompt, its first dataset, and what is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from promptctl.calls.shipped import shipped_prompt
from promptctl.catalogue.new_ids import new_prompt_path, refuse_link
from promptctl.context import Context
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.splitting import GENERATED
from promptctl.datasets.validation import validate_workspace
from promptctl.errors import HIDDEN, InputError, InvalidFiles, Problem, RenderError, UsageError
from promptctl.files.names import DATASET_SUFFIXES, DATASETS, did_you_mean, is_dataset
from promptctl.files.plain import record_data, texts_in
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Tree
from promptctl.files.wording import shown
from promptctl.files.yaml_writing import Inline
from promptctl.formats.formatting import file_of
from promptctl.git.trees import WorkTree
from promptctl.linting.linting import lint_prompt
from promptctl.log.records import Execution
from promptctl.prompts.loading import load_prompt_file
from promptctl.prompts.rendering import Renderer
from promptctl.schemas.json_schema import Validator
from promptctl.versions.prompt_at_version import PromptAtVersion

GENERATE = "authoring/generate"
TYPES = ("string", "integer", "number", "boolean", "array", "object")
_OTHER_TYPES = {
    **dict.fromkeys(("str", "text"), "string"),
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"<([A-Za-z][\w.-]*)>")
# A text with one of these keywords in its schema is no free one.
_BOUNDED = frozenset(("enum", "const", "format", "pattern"))
_EDGE = "edge"
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The order for a new prompt.

    `inputs` are those that it must have, name to type. `context` and `examples` are texts for the model; with `source`
    the new prompt begins as that one.
    """

    prompt_id: str
    describe: str = ""
    context: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    examples: Sequence[str] = ()
    source: PromptAtVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrompt:
    """Proposed files of a new prompt: nothing is written yet.

    `path` and `dataset` are those of its two files, `warnings` what could be better about them, and `execution` the
    last attempt of the call that wrote them, None without a model.
    """

    prompt: str
    path: str
    dataset: str
    proposal: Proposal
    warnings: tuple[Problem, ...] = ()
    execution: Execution | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys; what concerns a model is null without one."""
        execution = self.execution
        return record_data(
            self,
            without=("proposal", "execution"),
            model=execution and execution.model,
            attempts=execution and execution.attempt,
            cost_nano_usd=execution and execution.cost_nano_usd,
            execution=execution and execution.id,
        )


def read_inputs(texts: Sequence[str]) -> dict[str, str]:
    """Return inputs written as `name:type`, or as `name` for a text. Raises `UsageError`."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, type_ = text.partition(":")
        name, type_ = name.strip(), type_.strip() or "string"
        if not _NAME.fullmatch(name):
            hint = "a name is made of letters, digits and `_`, and a type may follow: ticket:string"
            raise UsageError(f"{shown(name)} names no input", hint=hint)
        if type_ not in TYPES:
            meant = f"did you mean `{_OTHER_TYPES[type_]}`?" if type_ in _OTHER_TYPES else did_you_mean(type_, TYPES)
            raise UsageError(
                f"there is no type {shown(type_)} for the input `{name}`", hint=meant or f"one of {', '.join(TYPES)}"
            )
        if name in found:
            raise UsageError(f"the input `{name}` is named twice", hint="name it once")
        found[name] = type_
    return found


class Drafts:
    """Drafts of one new prompt: checks the data of each reply, and keeps the last one that can be used, if any can.

    Raises `UsageError` for an id that is none or is taken, and `WorkspaceError` for a path through a link.
    """

    def __init__(self, context: Context, brief: Brief, *, is_generated: bool) -> None:
        self._tree: WorkTree = context.work_tree_for("a new prompt")
        self._settings = context.settings
        self._brief = brief
        self._is_generated = is_generated
        self._has_warned = False
        self.path = new_prompt_path(self._tree, brief.prompt_id)
        self.dataset = new_dataset_path(self._tree, brief.prompt_id)
        schema = shipped_prompt(GENERATE).prompt.output.schema if is_generated else None
        self._shape = Validator(schema or {})
        self.proposal = Proposal()
        self.warnings: tuple[Problem, ...] = ()

    def check(self, value: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a reply's data, in words for the model. Warnings alone are told once."""
        if misfits := list(self._shape.problems(value)):  # the workspace's own generator may have a different schema
            return misfits
        errors: list[str] = []
        found: list[Problem] = []
        proposal = Proposal()
        try:
            errors += self._faults(value)
            if not errors:
                proposal = self._proposal(value)
                found += self._problems(proposal.over(self._tree), value)
        except InvalidFiles as invalid:
            found += invalid.problems
        except (ValueError, RecursionError) as error:
            errors.append(f"it cannot be written as YAML: {error}")
        found = list({(each.message, each.place): each for each in found}.values())  # two checks may say the same
        warnings = tuple(each for each in found if each.severity == "warning")
        errors += [_in_words(each, proposal) for each in found if each.severity == "error"]
        if not errors:
            self.proposal, self.warnings = proposal, warnings
        if warnings and (errors or not self._has_warned):
            self._has_warned = True
            errors += [_in_words(each, proposal) for each in warnings]
        return errors

    def _faults(self, value: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is wrong with the data itself."""
        if found := HIDDEN.search("".join(texts_in(value, with_keys=True))):
            yield f"it holds the control character U+{ord(found[0]):04X}: leave it out"
        yield from (f"`{role}` is empty" for role in ("system", "user") if not value[role].strip())
        names = [each["name"] for each in value["inputs"]]
        yield from (f"the input `{name}` is given twice" for name in dict.fromkeys(names) if names.count(name) > 1)
        schemas = {each["name"]: each["schema"] for each in value["inputs"]}
        for name, type_ in self._brief.inputs.items():
            if name not in schemas:
                yield f"the input `{name}` was asked for, and is not among `inputs`"
            elif schemas[name].get("type") != type_:
                yield f"the input `{name}` must have the type `{type_}`"
        for each in value["inputs"]:
            if not each["required"] and "default" not in each["schema"] and "required" in each["schema"]:
                yield f"the input `{each['name']}` is not required, and so needs a `default` in its schema"
        if self._is_generated and not any(_EDGE in case["tags"] for case in value["cases"]):
            yield f"no case has the tag `{_EDGE}`: add cases of odd inputs, such as an empty one"

    def _proposal(self, value: Mapping[str, Any]) -> Proposal:
        prompt = file_of(self.path, _prompt_data(value, self._brief), "prompt")
        dataset = dataset_data(value, self._brief, is_generated=self._is_generated)
        return Proposal(
            (FileEdit(self.path, None, prompt), FileEdit(self.dataset, None, file_of(self.dataset, dataset, "dataset")))
        )

    def _problems(self, tree: Tree, value: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what is wrong with the files: as `validate` says; if nothing is, as `lint` says, and when rendered."""
        report = validate_workspace(tree, [self.path, self.dataset])
        yield from report.problems
        if any(each.severity == "error" for each in report.problems):
            return
        yield from lint_prompt(tree, self.path, self._settings, datetime.now(UTC).date())
        yield from _bare_inputs(value)
        prompt = load_prompt_file(tree, self.path)
        allowed = self._brief.source.prompt.closure if self._brief.source else ()
        for path in prompt.closure[1:]:
            if path not in allowed:
                yield Problem(f"the prompt takes in the file {path}: write its text out instead", code="names-a-file")
        renderer = Renderer(prompt)
        for case in Dataset.open(tree, self.dataset, limits=self._settings.limits).cases(prompt):
            try:
                renderer.render(case.inputs)
            except (InputError, RenderError) as error:
                yield Problem(f"the case `{case.id}` cannot be rendered: {error.message}", error.place, error.hint)
        if prompt.output.schema is not None:
            validator = Validator(prompt.output.schema)
            whole = (each for each in value["cases"] if "expected" in each and not each.get("assert"))
            for given in whole:
                for misfit in validator.problems(given["expected"]):
                    yield Problem(f"the case `{given['id']}` expects what does not fit `output_schema`: {misfit}")


def _in_words(problem: Problem, proposal: Proposal) -> str:
    """Return a problem for a model, which knows no lines of files: with the line itself."""
    place, line = problem.place, ""
    for change in proposal.changes:
        if place is not None and place.path == change.path and place.line is not None and change.after is not None:
            lines = change.after.decode().split("\n")
            line = f" (at `{lines[place.line - 1].strip()[:_SHOWN]}`)" if place.line <= len(lines) else ""
    return f"{problem.message}{line}" + (f"; {problem.hint}" if problem.hint else "")


def _bare_inputs(value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the warning of each free text of the user's message outside of tags: it would read as instructions."""
    for each in value["inputs"]:
        name, schema = each["name"], each["schema"]
        if schema.get("type", "string") != "string" or not _BOUNDED.isdisjoint(schema):
            continue
        for found in re.finditer(rf"\{{\{{-?\s*{re.escape(name)}\b[^}}]*\}}\}}", value["user"]):
            opened = [tag[1] for tag in _TAG.finditer(value["user"], 0, found.start())]
            if not any(f"</{tag}>" in value["user"][found.end() :] for tag in opened):
                message = f"`{name}` stands in `user` outside of tags, where its text reads as instructions"
                yield Problem(message, None, f"put it between <{name}> and </{name}>", "bare-input", "warning")
                break


def new_dataset_path(tree: WorkTree, prompt_id: str) -> str:
    """Return the path of a prompt's first dataset. Raises `UsageError` if it cannot be one, or a file is there."""
    path = f"{DATASETS}/{prompt_id}{DATASET_SUFFIXES[0]}"
    if not is_dataset(path):
        raise UsageError(f"{path} would not be read as a dataset", hint="choose a different id")
    for suffix in DATASET_SUFFIXES:
        taken = f"{DATASETS}/{prompt_id}{suffix}"
        if os.path.lexists(tree.root / taken):
            raise UsageError(f"there is a dataset {taken} already", hint="choose a different id, or move the file")
    refuse_link(tree, path)
    return path


def _prompt_data(value: Mapping[str, Any], brief: Brief) -> dict[str, Any]:
    data: dict[str, Any] = {"name": value["name"], "description": value["description"]}
    if value["tags"]:
        data["tags"] = list(dict.fromkeys(value["tags"]))
    if brief.source is not None:
        old = brief.source.prompt
        kept = {"model": old.model, "parameters": dict(old.parameters), "tools": [dict(tool) for tool in old.tools]}
        data |= {key: each for key, each in kept.items() if each}
    if value["inputs"]:
        data["inputs"] = {each["name"]: _input(each) for each in value["inputs"]}
    data["messages"] = [{"role": role, "content": _message(value[role])} for role in ("system", "user")]
    if value["output_schema"] is not None:
        data["output"] = {"retries": 1, "schema": value["output_schema"]}
    return data


def _input(given: Mapping[str, Any]) -> dict[str, Any]:
    schema = given["schema"]
    first = {"type": schema["type"]} if "type" in schema else {}
    found = {**first, "description": given["description"], **schema}
    if not given["required"] and "default" not in schema:
        found["required"] = False
    return found


def _message(text: str) -> str:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return lines[0] if len(lines) == 1 else "".join(f"{line}\n" for line in lines)


def dataset_data(value: Mapping[str, Any], brief: Brief, *, is_generated: bool) -> dict[str, Any]:
    """Return the content of a first dataset, with the `cases` of a reply."""
    marks = [GENERATED] if is_generated else []
    cases = [
        {"id": case["id"], "tags": list(dict.fromkeys([*case["tags"], *marks])), "inputs": case["inputs"]}
        | {key: case[key] for key in ("expected",) if key in case}
        | {key: [Inline(each) for each in case[key]] for key in ("assert",) if key in case}
        for case in value["cases"]
    ]
    return {"prompts": [brief.prompt_id], "description": f"First cases of {value['name']}.", "cases": cases}
