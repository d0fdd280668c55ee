"""The differences between two versions of a prompt, part by part, and the breaks that they cause."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from promptctl.differences.ordering import longest_in_order
from promptctl.differences.part_changes import (
    InputChange,
    OutputChange,
    PartialChange,
    ToolChange,
    ValueChange,
    compare_inputs,
    compare_mappings,
    compare_output,
    compare_partials,
    compare_tools,
    compare_value,
    plain,
)
from promptctl.differences.text_diff import BoundedMatcher, Hunk, compare_lines, lines_of
from promptctl.files.plain import bare_keys, canonical_json
from promptctl.prompts.prompt import Message, Placeholder, Prompt
from promptctl.schemas.changes import compare_schemas
from promptctl.schemas.effects import SchemaChange


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


_OF_SCHEMA, _ANY_OBJECT = "JSON of a schema", "any JSON object"


@dataclass(frozen=True, slots=True)
class Break:
    """Something that worked with the old version and can fail with the new one."""

    part: Literal["prompt", "status", "input", "output", "response_format", "tool"]
    name: str
    reason: str

    @property
    def what(self) -> str:
        """The part by its name, as people read it."""
        return self.name if self.part == self.name else f"{self.part} {self.name}"


def breaks_of_callers(old: Prompt, new: Prompt, inputs: Sequence[InputChange]) -> tuple[Break, ...]:
    """Return what fails for callers who call the prompt as the old version wanted it."""
    return (*_status_breaks(old, new), *(found for change in inputs for found in _input_breaks(change)))


def breaks_of_consumers(
    old: Prompt, new: Prompt, output: OutputChange | None, tools: Sequence[ToolChange]
) -> tuple[Break, ...]:
    """Return what fails for consumers who read replies or run tools as the old version promised them."""
    return (
        *_form_breaks(old, new),
        *(Break("output", part.path, part.text) for part in (output.schema if output else ()) if part.breaks_readers),
        *(found for change in tools for found in _tool_breaks(change)),
    )


def _status_breaks(old: Prompt, new: Prompt) -> tuple[Break, ...]:
    if new.status != "inactive" or old.status == "inactive":
        return ()
    return (Break("status", "status", "an inactive prompt refuses to run"),)


def _input_breaks(change: InputChange) -> list[Break]:
    def found(reason: str) -> Break:
        return Break("input", change.name, reason)

    if change.kind == "removed":
        return [found("was removed: giving it is an error now")]
    must_be_given = change.required is not None and change.required.after is True
    if change.kind == "added":
        return [found("was added without a default: it must be given now")] if must_be_given else []
    breaks = []
    if must_be_given:
        breaks.append(
            found("must be given now: " + ("its default was removed" if change.default else "it was optional"))
        )
    return breaks + [found(_told(change.name, part)) for part in change.schema if part.breaks_writers]


def _form_breaks(old: Prompt, new: Prompt) -> list[Break]:
    """Return the break of replies that are of a different form; an object of a schema is still a JSON object."""
    before, after = _form(old), _form(new)
    if before == after:
        return []
    if {before, after} == {_OF_SCHEMA, _ANY_OBJECT}:
        schemas = (each.output.schema for each in (old, new))
        changes = compare_schemas(*({"type": "object"} if each is None else each for each in schemas))
        if not any(each.breaks_readers for each in changes):
            return []
    part: Literal["output", "response_format"] = "output" if _OF_SCHEMA in (before, after) else "response_format"
    name = "schema" if part == "output" else "type"
    return [Break(part, name, f"replies were {before} and are {after} now")]


def _form(prompt: Prompt) -> str:
    if prompt.output.schema is not None:
        return _OF_SCHEMA
    kind = str((prompt.response_format or {}).get("type", "text"))
    return {"text": "free text", "json_object": _ANY_OBJECT}.get(kind, kind)


def _tool_breaks(change: ToolChange) -> list[Break]:
    if change.kind == "added":
        return [Break("tool", change.name, "was added: the code that runs tools must know it")]
    return [Break("tool", change.name, _told("", part)) for part in change.parameters if part.breaks_readers]


def _told(name: str, change: SchemaChange) -> str:
    """Return a change of a schema with the place it concerns, unless that is the whole value."""
    return change.text if change.path == "$" else f"{name}{change.path[1:]}: {change.text}".removeprefix(".")


Kind = Literal["added", "removed", "moved", "role", "text", "extra"]
Item = Message | Placeholder

# Messages this alike are one message rewritten, wherever they are.
_ALIKE = 0.5
# More pairs than this are matched by role and place alone: comparing every text with every other takes too long.
_MOST_PAIRS = 400
_MOST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class MessageChange:
    """One message or placeholder that differs.

    `kinds` says how; `before` and `after` are its places in the lists, counted from 1, None if it is not there. A
    placeholder has no role; `placeholder` names its input. `hunks` are the lines of its text that differ, all of them
    for one added or removed.
    """

    kinds: tuple[Kind, ...]
    before: int | None
    after: int | None
    role_before: str | None = None
    role_after: str | None = None
    placeholder: str | None = None
    hunks: tuple[Hunk, ...] = ()
    extra: tuple[ValueChange, ...] = ()


def compare_messages(old: Sequence[Item], new: Sequence[Item]) -> tuple[MessageChange, ...]:
    """Return every message that differs, in the new order; a removed one comes after what came before it."""
    pairs = _pairs(old, new)
    stayed = {pairs[index] for index in longest_in_order([j for _, j in pairs])}
    changes = [_change(old[i], new[j], i, j, has_moved=(i, j) not in stayed) for i, j in pairs]
    changes += [_change(old[i], None, i, None) for i in _unpaired(old, pairs, 0)]
    changes += [_change(None, new[j], None, j) for j in _unpaired(new, pairs, 1)]
    return tuple(sorted((change for change in changes if change.kinds), key=lambda change: _position(change, stayed)))


def _position(change: MessageChange, stayed: set[tuple[int, int]]) -> tuple[int, int, int]:
    """Return the place of a change in the list: a removed message comes after the last one before it that stayed."""
    if change.after is not None:
        return change.after, 0, 0
    assert change.before is not None
    return max((j + 1 for i, j in stayed if i + 1 < change.before), default=0), 1, change.before


def _pairs(old: Sequence[Item], new: Sequence[Item]) -> list[tuple[int, int]]:
    """Pair old items with new ones: first those that are equal, then those that are alike."""
    old_keys, new_keys = [_key(item) for item in old], [_key(item) for item in new]
    blocks = BoundedMatcher(None, old_keys, new_keys, autojunk=False).get_matching_blocks()
    pairs = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    anchors = list(pairs)
    waiting: dict[str, list[int]] = {}
    for j in reversed(_unpaired(new, pairs, 1)):
        waiting.setdefault(new_keys[j], []).append(j)
    pairs += [(i, waiting[old_keys[i]].pop()) for i in _unpaired(old, pairs, 0) if waiting.get(old_keys[i])]
    left, right = _unpaired(old, pairs, 0), _unpaired(new, pairs, 1)
    if len(left) * len(right) > _MOST_PAIRS:
        return sorted(pairs + _in_place(old, new, left, right, anchors))
    for _, _, i, j in sorted(_alike(old, new, left, right, anchors)):
        if i in left and j in right:
            pairs.append((i, j))
            left.remove(i)
            right.remove(j)
    return sorted(pairs)


def _alike(
    old: Sequence[Item], new: Sequence[Item], left: list[int], right: list[int], anchors: list[tuple[int, int]]
) -> list[tuple[float, int, int, int]]:
    """Return pairs that can be one message rewritten, as (how unlike, how far away, old index, new index)."""
    found = []
    for gap, role, i in _candidates(old, left, 0, anchors):
        for other_gap, other_role, j in _candidates(new, right, 1, anchors):
            before, after = old[i], new[j]
            assert isinstance(before, Message)
            assert isinstance(after, Message)
            # Between the same two unchanged messages, the same role is enough: its text may be rewritten.
            is_in_place = (gap, role) == (other_gap, other_role)
            likeness = _likeness(before, after)
            if is_in_place or likeness >= _ALIKE:
                found.append((-likeness - 0.25 * is_in_place, abs(i - j), i, j))
    return found


def _in_place(
    old: Sequence[Item], new: Sequence[Item], left: list[int], right: list[int], anchors: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Pair messages of one role between the same two unchanged messages, in their order, whatever they say."""
    waiting: dict[tuple[int, str], list[int]] = {}
    for gap, role, j in reversed(_candidates(new, right, 1, anchors)):
        waiting.setdefault((gap, role), []).append(j)
    pairs = []
    for gap, role, i in _candidates(old, left, 0, anchors):
        if waiting.get((gap, role)):
            pairs.append((i, waiting[gap, role].pop()))
    return pairs


def _candidates(
    items: Sequence[Item], indexes: list[int], side: int, anchors: list[tuple[int, int]]
) -> list[tuple[int, str, int]]:
    """Return messages that have no counterpart yet, as (number of unchanged ones before it, role, index)."""
    places = sorted(anchor[side] for anchor in anchors)
    messages = ((index, items[index]) for index in indexes)
    return [(bisect_left(places, i), item.role, i) for i, item in messages if isinstance(item, Message)]


def _unpaired(items: Sequence[Item], pairs: list[tuple[int, int]], side: int) -> list[int]:
    paired = {pair[side] for pair in pairs}
    return [index for index in range(len(items)) if index not in paired]


def _likeness(before: Message, after: Message) -> float:
    """Return the share of two messages' words that is the same, from 0 to 1."""
    words = ["\n".join(_lines(message)).split()[:_MOST_WORDS] for message in (before, after)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=len(words[0]) > 200)
    return matcher.ratio() if matcher.real_quick_ratio() >= _ALIKE else 0.0


def _change(
    before: Item | None, after: Item | None, i: int | None, j: int | None, *, has_moved: bool = False
) -> MessageChange:
    """Compare an old item with the new one it became; at least one of them is there."""
    kinds: list[Kind] = ["moved"] if has_moved else []
    if before is None or after is None:
        kinds = ["added"] if before is None else ["removed"]
    places = None if i is None else i + 1, None if j is None else j + 1
    if isinstance(before, Placeholder) or isinstance(after, Placeholder):
        item = before if isinstance(before, Placeholder) else after
        return MessageChange(tuple(kinds), *places, placeholder=item.input if isinstance(item, Placeholder) else None)
    hunks = compare_lines(_lines(before) if before else [], _lines(after) if after else [])
    extra = compare_mappings(before.extra if before else {}, after.extra if after else {})
    if before and after:
        kinds += ["role"] if before.role != after.role else []
        kinds += ["text"] if hunks else []
        kinds += ["extra"] if extra else []
    roles = before.role if before else None, after.role if after else None
    return MessageChange(tuple(kinds), *places, *roles, None, hunks, extra)


def _key(item: Item) -> str:
    """Return a key that equal items share."""
    if isinstance(item, Placeholder):
        return json.dumps(["placeholder", item.input])
    return json.dumps(["message", item.role, _lines(item), plain(item.extra)], sort_keys=True)


def _lines(message: Message) -> list[str]:
    """Return the content as lines: text as it is, each part of a different kind as JSON under a line that names it."""
    if isinstance(message.content, str):
        return lines_of(message.content)
    lines: list[str] = []
    for number, part in enumerate(message.content, 1):
        lines.append(f"[part {number}: {part.get('type', 'unknown')}]")
        lines += _part_lines(part)
    return lines


def _part_lines(part: Mapping[str, Any]) -> list[str]:
    if set(part) == {"type", "text"} and isinstance(part["text"], str):
        return lines_of(part["text"])
    rest = {key: plain(value) for key, value in part.items() if key != "type"}
    return json.dumps(rest, indent=2, sort_keys=True, ensure_ascii=False).split("\n")
