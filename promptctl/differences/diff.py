"""The differences between two versions of a prompt, part by part, and the breaks that they cause.

Callers give inputs; consumers read replies and run the tools that a reply asks for. What changes no behaviour (title,
description, status, tags, metadata, tests) is `metadata`. Everything is plain data in a fixed order: equal prompts give
equal differences, byte for byte.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptctl.differences.breaks import Break, breaks_of_callers, breaks_of_consumers
from promptctl.differences.message_diff import MessageChange, compare_messages
from promptctl.differences.part_changes import (
    InputChange,
    OutputChange,
    PartialChange,
    ToolChange,
    compare_inputs,
    compare_output,
    compare_partials,
    compare_tools,
)
from promptctl.differences.value_changes import ValueChange, compare_mappings, compare_value
from promptctl.files.plain import bare_keys, canonical_json
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """Everything that differs between two versions of a prompt, or between two prompts.

    `is_same_behaviour` says that both digests are the same. `metadata` is what no digest covers. `engine` is the
    template engine, under the name that files give it.
    """

    old_digest: str
    new_digest: str
    is_same_behaviour: bool
    messages: tuple[MessageChange, ...] = ()
    partials: tuple[PartialChange, ...] = ()
    inputs: tuple[InputChange, ...] = ()
    model: ValueChange | None = None
    engine: ValueChange | None = None
    parameters: tuple[ValueChange, ...] = ()
    output: OutputChange | None = None
    response_format: tuple[ValueChange, ...] = ()
    tools: tuple[ToolChange, ...] = ()
    metadata: tuple[ValueChange, ...] = ()
    breaks_callers: tuple[Break, ...] = ()
    breaks_consumers: tuple[Break, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if nothing at all differs."""
        return not any(getattr(self, part) for part in _PARTS)

    def to_data(self) -> dict[str, Any]:
        """Return the whole as JSON's own types, keys in a fixed order."""
        return asdict(self, dict_factory=bare_keys)


_PARTS = ("messages", "partials", "inputs", "model", "engine", "parameters", "output", "response_format", "tools",
          "metadata")  # fmt: skip
_WORDS = ("id", "path", "name", "description", "status", "successor", "tags", "formerly", "copied_from",
          "dialect")  # fmt: skip


def diff_prompts(old: Prompt, new: Prompt) -> PromptDiff:
    """Return everything that differs from `old` to `new`, in an order that depends on the two alone."""
    inputs, words = compare_inputs(old.inputs, new.inputs)
    output = compare_output(old.output, new.output)
    tools = compare_tools(old.tools, new.tools)
    return PromptDiff(
        old_digest=old.digest,
        new_digest=new.digest,
        is_same_behaviour=old.digest == new.digest,
        messages=compare_messages(old.messages, new.messages),
        partials=compare_partials(old.partials, new.partials),
        inputs=inputs,
        model=compare_value("model", old.model, new.model, absent=None),
        engine=compare_value("template", old.engine, new.engine, absent=None),
        parameters=compare_mappings(old.parameters, new.parameters),
        output=output,
        response_format=compare_mappings(old.response_format or {}, new.response_format or {}),
        tools=tools,
        metadata=_metadata(old, new) + words,
        breaks_callers=breaks_of_callers(old, new, inputs),
        breaks_consumers=breaks_of_consumers(old, new, output, tools),
    )


def _metadata(old: Prompt, new: Prompt) -> tuple[ValueChange, ...]:
    changes = compare_mappings(_words(old), _words(new))
    # Cases can be many and say nothing of the prompt: that they differ is enough.
    has_other_tests = canonical_json(old.inline_dataset) != canonical_json(new.inline_dataset)
    return (*changes, ValueChange("tests", "changed")) if has_other_tests else changes


def _words(prompt: Prompt) -> dict[str, Any]:
    """Return what no digest covers."""
    words = {name: getattr(prompt, name) for name in _WORDS}
    return {**words, "output.schema_path": prompt.output.schema_path, "metadata": prompt.metadata}
