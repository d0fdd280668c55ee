"""Cases that a model writes for a prompt: checked, unlike those that are there, and marked as generated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promptctl.authoring.author import Author, AuthorOptions
from promptctl.calls.account import spent
from promptctl.calls.call import CallOptions, masking
from promptctl.calls.dry_run import DryRun, dry_run
from promptctl.context import Context
from promptctl.datasets.adding import CaseFile
from promptctl.datasets.likeness import Known
from promptctl.datasets.splitting import GENERATED, TRAIN
from promptctl.errors import (
    HIDDEN,
    Incomplete,
    InputError,
    InvalidOutput,
    ModelError,
    PromptctlError,
    RenderError,
    UsageError,
    WorkspaceError,
)
from promptctl.files.free_names import first_free, slug
from promptctl.files.names import did_you_mean
from promptctl.files.plain import record_data, texts_in
from promptctl.files.proposal import Proposal
from promptctl.prompts.prompt import Message, Prompt
from promptctl.prompts.rendering import Renderer
from promptctl.schemas.json_schema import Validator

WRITE_CASES = "authoring/cases"
KINDS = ("diverse", "edge", "adversarial", "injection")
# Cases of one reply: more of them are cut, or become alike.
_MOST_AT_ONCE = 10
# Replies in a row without a case that could be used.
_MOST_IDLE = 2
# Cases that are shown to the model, and characters of each.
_MOST_SHOWN, _LONGEST_SHOWN = 30, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCases:
    """Cases that a model wrote for a prompt, with the change that adds them: nothing is written yet.

    `alike` is how many it wrote that are like another case, and were left out. `stopped` says why there are fewer than
    asked for.
    """

    prompt: str
    kind: str
    asked: int
    path: str
    cases: tuple[Mapping[str, Any], ...]
    alike: int
    stopped: str | None
    cost_nano_usd: int | None
    proposal: Proposal

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        ids = [each["id"] for each in self.cases]
        return record_data(self, without=("path", "proposal"), dataset=self.path, cases=ids)


async def write_cases(
    context: Context, prompt: Prompt, file: CaseFile, kind: str, count: int, options: AuthorOptions
) -> WrittenCases:
    """Return cases of one kind for a prompt, as a model writes them; nothing is written to the file.

    The model sees the prompt and, if the dataset has a split, cases of its part `train` without the values of sensitive
    inputs: never any other. A case that does not fit the prompt is asked for again; one that is like a case that is
    there is left out. Raises `UsageError` for a kind that there is not and for a prompt without inputs, and what
    `Author.ask` raises if not one case came.
    """
    author = _author(context, prompt, kind, options)
    written = _Written(context, prompt, file, kind, count)
    cost: int | None = 0
    stopped: str | None = None
    idle = 0
    while len(written.entries) < count and idle < _MOST_IDLE and stopped is None:
        before = len(written.entries)
        failure: PromptctlError | None = None
        try:
            execution = await author.ask(WRITE_CASES, written.order(), written.check)
        except (InvalidOutput, ModelError, Incomplete) as error:
            if not written.entries:
                raise
            failure, execution = error, error.execution
            stopped = None if isinstance(error, InvalidOutput) else error.message
        added = spent(execution, failure)
        cost = None if cost is None or added is None else cost + added
        idle = idle + 1 if len(written.entries) == before else 0
    if stopped is None and len(written.entries) < count:
        stopped = f"{_MOST_IDLE} replies in a row brought no case that could be used and is not there"
    changes = (file.change(written.entries, prompt.id),) if written.entries else ()
    return WrittenCases(
        prompt=prompt.id,
        kind=kind,
        asked=count,
        path=file.path,
        cases=tuple(written.entries),
        alike=written.alike,
        stopped=stopped,
        cost_nano_usd=cost,
        proposal=Proposal(changes),
    )


def estimate_cases(
    context: Context, prompt: Prompt, file: CaseFile, kind: str, count: int, options: AuthorOptions
) -> DryRun:
    """Return what `write_cases` would ask if every case can be used, and what that could cost."""
    author = _author(context, prompt, kind, options)
    first = author.call(WRITE_CASES, _Written(context, prompt, file, kind, count).order(), is_dry_run=True)
    return replace(dry_run(context, first), calls=-(-count // _MOST_AT_ONCE))


def _author(context: Context, prompt: Prompt, kind: str, options: AuthorOptions) -> Author:
    """Return who is to write cases. Raises `UsageError` for a kind that there is not and a prompt without inputs."""
    if kind not in KINDS:
        raise UsageError(
            f"there is no kind of cases `{kind}`", hint=did_you_mean(kind, KINDS) or f"the kinds are {', '.join(KINDS)}"
        )
    if not prompt.inputs:
        raise UsageError(f"{prompt.id} has no inputs, so no two of its cases could differ", hint="declare its `inputs`")
    author = Author(context, options)
    author.prompt(WRITE_CASES)
    return author


class _Written:
    """The cases written so far for one order, and the check of each reply."""

    def __init__(self, context: Context, prompt: Prompt, file: CaseFile, kind: str, count: int) -> None:
        self._prompt, self._file, self._kind, self._count = prompt, file, kind, count
        self._renderer = Renderer(prompt)
        self._output = Validator(prompt.output.schema) if prompt.output.schema is not None else None
        cases, split = list(file.cases()), file.split
        self._ids = {id_ for case in cases for id_ in (case.id, case.id.partition("[")[0])}
        self._there = Known(file.bare(case.inputs, prompt) for case in cases)
        seen = [case for case in cases if split is not None and split.part(case) == TRAIN]
        shown = [_without_sensitive(context, prompt, case.inputs) for case in seen[:_MOST_SHOWN]]
        self._shown = [json.dumps(each, ensure_ascii=False) for each in shown]
        self.entries: list[dict[str, Any]] = []
        self.alike = 0

    def order(self) -> dict[str, Any]:
        """Return the inputs of the prompt that asks for the next cases."""
        prompt = self._prompt
        own = [json.dumps(each["inputs"], ensure_ascii=False) for each in self.entries]
        messages = [each for each in prompt.messages if isinstance(each, Message)]
        texts = [(each.role, each.content) for each in messages]
        schema = prompt.output.schema
        return {
            "prompt": "\n\n".join(
                f"[{role}]\n{content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)}"
                for role, content in texts
            ),
            "inputs": [
                {"name": each.name, "schema": dict(each.schema), "required": each.is_required}
                for each in prompt.inputs.values()
            ],
            "output": "" if schema is None else json.dumps(schema, ensure_ascii=False),
            "kind": self._kind,
            "count": str(min(_MOST_AT_ONCE, self._count - len(self.entries))),
            "needs_check": not self._file.has_default_assertions,
            "known": [each[:_LONGEST_SHOWN] for each in [*self._shown, *own]],
        }

    def check(self, value: Mapping[str, Any]) -> list[str]:
        """Take the cases of a reply that can be used; return what is wrong with the others, in words for the model."""
        cases = value.get("cases") if isinstance(value, Mapping) else None
        if not isinstance(cases, list) or not all(map(_is_case, cases)):  # the schema of a workspace's own prompt
            return ["it has no list `cases` of objects with an `id` and with `inputs`"]
        problems: list[str] = []
        for given in cases:
            if len(self.entries) == self._count:
                return []
            fault = self._take(given)
            if fault is not None:
                problems.append(f"the case `{given['id']}`: {fault}")
        return [*problems, "reply with the corrected cases alone; the others are kept"] if problems else []

    def _take(self, given: Mapping[str, Any]) -> str | None:
        """Take a case unless it is like one that is there. Return what is wrong with it, if anything is."""
        if found := HIDDEN.search("".join(texts_in(given, with_keys=True))):
            return f"it holds the control character U+{ord(found[0]):04X}: leave it out"
        entry: dict[str, Any] = {
            "id": self._free_id(given["id"]),
            "description": " ".join(str(given.get("about", "")).split()),
            "tags": [GENERATED, self._kind],
            "inputs": given["inputs"],
        }
        entry |= {key: given[key] for key in ("expected", "assert") if key in given}
        if self._output is not None and "expected" in given and not given.get("assert"):
            for misfit in self._output.problems(given["expected"]):
                return f"`expected` does not fit the prompt's schema: {misfit}"
        try:
            self._file.check(entry, self._prompt.id)
            self._renderer.render(given["inputs"])
        except WorkspaceError as error:
            if "nothing decides" in error.message:
                return "it says neither `expected` nor `assert`"
            return f"{error.message}; {error.hint}" if error.hint else error.message
        except (InputError, RenderError) as error:
            return error.message
        bare = self._file.bare(given["inputs"], self._prompt)
        if self._there.like(bare) is not None:
            self.alike += 1
            return None
        self._there.add(bare)
        self._ids.add(entry["id"])
        self.entries.append(entry)
        return None

    def _free_id(self, wanted: str) -> str:
        return first_free(slug(wanted, self._kind), self._ids.__contains__)


def _without_sensitive(context: Context, prompt: Prompt, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inputs that the prompt declares, with marks in place of the values of sensitive ones, in all texts."""
    mask = masking(context, prompt, inputs, CallOptions()).mask
    shown = inputs if mask is None else mask.for_rendering(inputs)
    return {name: value for name, value in shown.items() if name in prompt.inputs}


def _is_case(given: Any) -> bool:
    return isinstance(given, Mapping) and isinstance(given.get("id"), str) and isinstance(given.get("inputs"), Mapping)
