"""The page about one prompt at one version: everything that a person wants to know of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from promptctl.catalogue.history import made_by
from promptctl.catalogue.references import Reference, references_to
from promptctl.context import Context
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import WorkspaceError
from promptctl.files.plain import record_data
from promptctl.files.wording import clip
from promptctl.formats.settings_file import LogRule
from promptctl.git.commits import CommitInfo
from promptctl.labels.chains import LabelState
from promptctl.labels.tags import LabelEvent
from promptctl.log.call_totals import REUSED_SOURCES, CallTotals
from promptctl.log.records import Execution
from promptctl.log.stamps import parse_moment, refuse_to_come
from promptctl.prompts.loading import declared_ids
from promptctl.prompts.prompt import MISSING, Input, Message, Placeholder, Prompt
from promptctl.versions.at_time import ref_at
from promptctl.versions.former_ids import former_ids, live_labels
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, parse_ref

UnaskedThen = Callable[[Moment, Sequence[LabelEvent]], Set[str]]
"""Returns the tag objects of those moves that were made when no signature was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One prompt at one version, with what the workspace knows around it.

    `made` is the commit that made the version, or that uncommitted changes are based on. `labels` are the prompt's
    live ones, whatever version they name. `datasets` are paths of the work tree; `named_by` are the other places there
    that name the prompt, and `copies` the prompts that were copied from it. `totals` and `latest` are those of
    the version that was `asked` for after the @ of a ref, or of every version, under every id that the prompt had; None
    if it was never called. `log_rule` says how much is kept of its calls. `at` is the time that the version is of, None
    for now, and `move` that of the label which named it then; labels, datasets and calls are of now at any `at`, and
    calls of every version. `vendored_from` is the name and the ref of the repository that the prompt was taken from.
    """

    at_version: PromptAtVersion
    made: CommitInfo | None = None
    labels: Sequence[LabelState] = ()
    datasets: Sequence[str] = ()
    totals: CallTotals | None = None
    latest: Execution | None = None
    asked: str | None = None
    named_by: Sequence[Reference] = ()
    copies: Sequence[str] = ()
    at: str | None = None
    move: LabelEvent | None = None
    log_rule: LogRule | None = None
    vendored_from: str | None = None

    @property
    def prompt(self) -> Prompt:
        """The prompt as it was then."""
        return self.at_version.prompt

    def input_rows(self) -> list[tuple[str, str, str, str]]:
        """Return name, type, default and description of each input."""
        return [_input_row(declared) for declared in self.prompt.inputs.values()]

    def output_rows(self) -> list[tuple[str, str, str, str]]:
        """Return name, type, `required` or `optional` and description of each property of the reply."""
        schema = self.prompt.output.schema or {}
        properties = schema.get("properties")
        required = schema.get("required", ())
        rows = []
        for name, part in properties.items() if isinstance(properties, Mapping) else ():
            part = part if isinstance(part, Mapping) else {}
            need = "required" if name in required else "optional"
            rows.append((str(name), type_of(_target(part, schema)), need, str(part.get("description", ""))))
        return rows

    def tool_rows(self) -> list[tuple[str, str]]:
        """Return each tool as it is called, and its description."""
        return [_tool_row(tool) for tool in self.prompt.tools]

    @property
    def output_type(self) -> str | None:
        """The type of the reply, in a few words; None without an output schema."""
        return None if self.prompt.output.schema is None else type_of(self.prompt.output.schema)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""

        prompt, version, model = self.prompt, self.at_version.version, self.at_version.model
        without = ("at_version", "latest", "asked", "at", "move", "log_rule")
        return {
            "prompt": prompt.id,
            **{name: getattr(prompt, name) for name in ("name", "description", "status", "successor", "copied_from")},
            "tags": list(prompt.tags),
            "formerly": list(prompt.formerly),
            "path": prompt.path,
            "dialect": prompt.dialect,
            **version.as_dict(),
            "note": version.note,
            "model": model,
            "provider": model.partition("/")[0] if model else None,
            "parameters": dict(prompt.parameters),
            "template": prompt.engine,
            "inputs": [_input_as_dict(declared) for declared in prompt.inputs.values()],
            "messages": [_message_as_dict(item) for item in prompt.messages],
            "partials": sorted(prompt.partials),
            "uses": list(prompt.closure[1:]),
            "output": _output_as_dict(prompt),
            "response_format": dict(prompt.response_format) if prompt.response_format is not None else None,
            "tools": [dict(tool) for tool in prompt.tools],
            "metadata": dict(prompt.metadata),
            **record_data(self, without=without, latest_call=self.latest),
            **({} if self.at is None else {"at": self.at, "move": self.move and self.move.as_dict()}),
        }


def page(
    parts: Context,
    ref: str,
    at: str | None = None,
    unasked: UnaskedThen | None = None,
) -> Page:
    """Return the page about what a ref names, or named at a time; see `ref_at`.

    Raises what resolving the ref raises. Whatever else is missing is left out.
    """
    moment, move = parts.now(), None
    if at is None:
        at_version = parts.prompt(ref)
    else:
        at = parse_moment(at)
        refuse_to_come(at)
        then, move = ref_at(moment, parse_ref(ref), datetime.fromisoformat(at), unasked and partial(unasked, moment))
        at_version = parts.prompt(str(then))
        version = replace(at_version.version, label=None if move is None else move.label)
        at_version = replace(at_version, version=version)
    prompt = at_version.prompt
    former = former_ids(moment, prompt.id)
    made = None
    with suppress(WorkspaceError):
        made = made_by(parts, at_version, moment)
    asked = None if at is not None else parse_ref(ref).at
    totals, latest = _calls(parts, prompt.id, former, asked and at_version.version.digest)
    tree = parts.repository.work_tree
    named = [
        each
        for each in references_to(tree, prompt.id, whole=False, former=former)
        if each.kind != "dataset" and not each.is_glob and each.path != prompt.path
    ]
    return Page(
        at_version=at_version,
        made=made,
        labels=live_labels(moment, parts.warn).get(prompt.id, ()),
        datasets=_datasets(parts, prompt),
        totals=totals,
        latest=latest,
        asked=asked,
        named_by=[each for each in named if each.kind != "copy"],
        copies=sorted(each.name for each in named if each.kind == "copy"),
        at=at,
        move=move,
        log_rule=parts.settings_now.log_rule(prompt.id, *declared_ids(tree, prompt.id)),
    )


def _datasets(parts: Context, prompt: Prompt) -> tuple[str, ...]:
    """Return the datasets of the work tree that test the prompt; one that is wrong is for `validate` to report."""
    inline = [prompt.path] if prompt.own_tests else []
    testing = DatasetIndex(parts.repository.work_tree).testing([prompt.id], skips_broken=True)
    return (*inline, *testing.get(prompt.id, ()))


def _calls(
    parts: Context, prompt: str, former: Sequence[str], digest: str | None
) -> tuple[CallTotals | None, Execution | None]:
    """Return the totals and the latest call of a version, or of all without a digest."""
    if parts.log.is_new:
        return None, None
    from promptctl.log.filter import Filter

    wanted = Filter(prompt=prompt, digest=digest, renames=dict.fromkeys(former, prompt))
    rows = parts.log.totals(wanted, by=("prompt",))
    latest = parts.log.latest_call(prompt, tuple(former))
    if digest and latest is not None and latest.digest != digest:
        found = parts.log.page(replace(wanted, source="app")).executions
        latest = next((each for each in found if each.reply_source not in REUSED_SOURCES), None)
    return (rows[0] if rows else None), latest


def _input_as_dict(declared: Input) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": declared.name,
        "type": type_of(declared.schema),
        "required": declared.is_required,
        "description": declared.description,
        "schema": dict(declared.schema),
    }
    if declared.is_sensitive:
        data["sensitive"] = True
    return data if declared.default is MISSING else {**data, "default": declared.default}


def _input_row(declared: Input) -> tuple[str, str, str, str]:
    if declared.default is not MISSING:
        default = declared.default
        need = f"= {default if isinstance(default, str) else json.dumps(default, ensure_ascii=False, default=str)}"
    else:
        need = "required" if declared.is_required else "optional"
    if declared.is_sensitive:
        need += ", sensitive"
    return declared.name, type_of(declared.schema), clip(need, 40), declared.description


def _target(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference within the schema names; the schema itself if it is none."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
        return schema
    found = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
    return found if isinstance(found, Mapping) else schema


def _tool_row(tool: Mapping[str, Any]) -> tuple[str, str]:
    function = tool.get("function", tool)
    parameters = function.get("parameters", {})
    required = parameters.get("required", ())
    names = [name if name in required else f"{name}?" for name in parameters.get("properties", {})]
    return f"{function.get('name', tool.get('type', '?'))}({', '.join(names)})", str(function.get("description", ""))


def type_of(schema: Mapping[str, Any]) -> str:
    """Return a schema's type in a few words: `string`, `array of string`, `billing | refund`, `any`."""
    if "const" in schema:
        return str(schema["const"])
    choices = schema.get("enum")
    if isinstance(choices, list):
        return " | ".join(map(str, choices))
    named = schema.get("type")
    if isinstance(named, list):
        return " | ".join(map(str, named))
    if named == "array" and isinstance(schema.get("items"), Mapping):
        inner = type_of(schema["items"])
        return "array" if inner == "any" else f"array of {inner}"
    for union in ("anyOf", "oneOf"):
        if isinstance(schema.get(union), list):
            parts = [type_of(part) if isinstance(part, Mapping) else "any" for part in schema[union]]
            return " | ".join(dict.fromkeys(parts))
    return str(named) if named else "any"


def _message_as_dict(item: Message | Placeholder) -> dict[str, Any]:
    if isinstance(item, Placeholder):
        return {"placeholder": item.input}
    content = item.content if isinstance(item.content, str) else [dict(part) for part in item.content]
    return {"role": item.role, "content": content, **item.extra}


def _output_as_dict(prompt: Prompt) -> dict[str, Any] | None:
    output = prompt.output
    if output.schema is None:
        return None
    return {
        "schema": dict(output.schema),
        "path": output.schema_path,
        "name": output.name,
        "strict": output.is_strict,
        "retries": output.retries,
    }
