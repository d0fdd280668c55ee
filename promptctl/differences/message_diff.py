"""Two lists of messages compared: which message became which, and what changed in it."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from promptctl.differences.ordering import longest_in_order
from promptctl.differences.text_diff import BoundedMatcher, Hunk, compare_lines, lines_of
from promptctl.differences.value_changes import ValueChange, compare_mappings, plain
from promptctl.prompts.prompt import Message, Placeholder

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
