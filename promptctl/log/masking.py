"""Values of sensitive inputs, kept out of everything that is stored: a keyed hash or a mark stands in their place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from promptctl.files.wording import alike_until
from promptctl.log.encoding import to_json
from promptctl.log.keyed_hashes import hash_of, keyed_hash
from promptctl.log.sensitive_values import SHORT, Leaf, ValueFinder, folded, leaves_of
from promptctl.prompts.prompt import HASHED, MISSING, SENSITIVE, SENSITIVE_MARKS, Placeholder, Prompt

if TYPE_CHECKING:
    from promptctl.log.feedback import Feedback
    from promptctl.log.records import Execution
    from promptctl.log.results import ResultRow

# Messages of more words than this are not compared.
_MOST_WORDS = 2_000
# Fields of an execution that no model, provider or caller writes freely: names by which rows are found and joined.
_FIXED = frozenset((
    "id", "call_id", "started_at", "source", "prompt", "prompt_name", "version_display", "digest", "commit", "label",
    "provider", "model", "price_source", "reply_source", "status", "error_type", "evaluation_id", "case_id",
    "tool_version", "experiment", "arm", "arm_key", "kept_content", "corrections", "user", "session", "output", "mask",
    "keeps",
))  # fmt: skip
# What an outcome of an assertion says beside what it quotes.
_OF_ASSERTIONS = frozenset(("type", "metric", "judge", "judge_prompt", "calibration", "execution_ids"))
# Words of the chat-completions protocol: keys, and below `role` and `type` what a message or a part is.
_PROTOCOL = frozenset((
    "role", "content", "name", "tool_calls", "tool_call_id", "type", "id", "index", "function", "arguments", "text",
    "image_url", "url", "detail", "input_audio", "data", "format", "file", "file_id", "file_data", "filename",
    "refusal", "system", "developer", "user", "assistant", "tool", "embed",
))  # fmt: skip
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, eq=False)
class Mask:
    """Hides the values of one call's sensitive inputs, by name in `values`, in all that is stored of the call.

    `stand_ins` take their place where messages are rendered once more to be stored. `folder` holds the key.
    `declared` are the inputs' schemas as JSON: a key that stands in them is no part of a value. `placed` are the names
    of inputs that are lists of messages. `messages` are those of one attempt as they are stored, None for the attempt's
    own.
    """

    folder: Path
    values: Mapping[str, Any]
    stand_ins: Mapping[str, Any]
    declared: str = ""
    placed: frozenset[str] = frozenset()
    messages: Sequence[Mapping[str, Any]] | None = None
    _made: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, prompt: Prompt, inputs: Mapping[str, Any], outer: Mask | None = None) -> Mask:
        """Return the mask of these inputs and of an outer one: a judge is shown what another prompt was given."""
        outer = outer or cls(folder, {}, {})
        values, stand_ins = dict(outer.values), dict(outer.stand_ins)
        placed = frozenset(each.input for each in prompt.messages if isinstance(each, Placeholder))
        # An input that the prompt does not declare may be a sensitive one whose name was mistyped.
        values |= {str(name): value for name, value in inputs.items() if name not in prompt.inputs}
        for name in prompt.sensitive:
            value = inputs.get(name, prompt.inputs[name].default)
            stand_ins[name] = _stand_in(prompt.inputs[name].schema, _mark(name))
            if value is not MISSING:
                values[name] = _said(value) if name in placed else value
        schemas = [prompt.inputs[name].schema for name in prompt.sensitive]
        declared = outer.declared + to_json([*schemas, *(_PROTOCOL if placed else ())])
        return cls(folder, values, stand_ins, declared, placed | outer.placed, _made=dict(outer._made))

    def inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs as they are stored: equal values of one workspace have equal hashes."""
        return {
            name if str(name).isidentifier() else self.text(str(name)): (
                hash_of(self.folder, value) if name in self.values else self._input(name, value)
            )
            for name, value in given.items()
        }

    def for_rendering(self, filled: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of which the messages to store are rendered."""
        return {
            name: self.stand_ins[name] if name in self.stand_ins else self._input(name, value)
            for name, value in filled.items()
        }

    def as_placed(self, name: str, sent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages of an input as they are stored: as many, each with its role."""
        if name in self.stand_ins:
            return [{"role": message["role"], "content": _mark(name)} for message in sent]
        return [self.conversation(message, numbers=True) for message in sent]

    def learn(self, sent: Sequence[Mapping[str, Any]], stored: Sequence[Mapping[str, Any]]) -> None:
        """Look from now on also for what the templates made of the values: it is sent, and not stored."""
        known = [folded(leaf) for leaf, _ in self._leaves if isinstance(leaf, str)]
        for before, after in zip(sent, stored, strict=True):
            for made in _differing(_text_of(before), _text_of(after)):
                if len(made) >= SHORT and not any(folded(made) in each for each in known):
                    self._made[folded(made)] = f"{SENSITIVE}]"
        self.__dict__.pop("_finder", None)

    def text(self, text: str) -> str:
        """Return the text without the values; the very same object if they are not in it."""
        return self._finder.hidden_in(text)

    def name(self, name: str | None) -> str | None:
        """Return a name by which calls are joined: its hash if a value is in it."""
        return name if name is None or self.text(name) == name else hash_of(self.folder, name)

    def conversation(self, messages: Any, *, numbers: bool = False) -> Any:
        """Return messages or tool calls without the values; words of the protocol stay, so that they are still such."""
        return self.data(messages, numbers=numbers, words=_PROTOCOL)

    def data(self, data: Any, *, numbers: bool = False, words: Collection[str] = ()) -> Any:
        """Return JSON-like data without the values, in keys and texts, and with `numbers` in numbers too.

        `words` stay as they are where they are keys, roles or types.
        """
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {
                name if name in words else self.text(str(name)): (
                    each
                    if _is_kind(name, each, words)
                    else _mark(name)
                    if numbers and name in self.values and name not in words
                    else self.data(each, numbers=numbers, words=words)
                )
                for name, each in data.items()
            }
        if isinstance(data, list | tuple):
            return [self.data(each, numbers=numbers, words=words) for each in data]
        is_number = numbers and isinstance(data, int | float) and not isinstance(data, bool)
        return self._numbers.get(data, data) if is_number else data

    def execution(self, execution: Execution) -> Execution:
        """Return an attempt as it is stored."""
        free = {each.name: getattr(execution, each.name) for each in fields(execution) if each.name not in _FIXED}
        masked = {name: self.data(value, numbers=name == "call_metadata") for name, value in free.items()}
        masked["tool_calls"] = self.conversation(execution.tool_calls, numbers=True)
        if execution.inputs is not None:
            masked["inputs"] = self.inputs(execution.inputs)
        if execution.messages is not None:
            masked["messages"] = self.conversation(execution.messages) if self.messages is None else self.messages
        user, session = self.name(execution.user), self.name(execution.session)
        return replace(execution, **masked, user=user, session=session, mask=None)

    def result(self, result: ResultRow) -> ResultRow:
        """Return the result of a case as it is stored and shown."""
        detail = result.detail
        return replace(
            result,
            output=self._text_or_none(result.output),
            error_message=self._text_or_none(result.error_message),
            detail=replace(
                detail,
                reason=self.text(detail.reason),
                assertions=[self._graded(each) for each in detail.assertions],
                inputs=self.inputs(detail.inputs),
                expected=self.data(detail.expected, numbers=True),
            ),
        )

    def storing(self, messages: Sequence[Mapping[str, Any]] | None) -> Mask:
        """Return the same for an attempt whose messages are stored as these."""
        other = copy(self)  # with what was found of the values
        other.__dict__["messages"] = messages
        return other

    def keyed(self, digest: str) -> str:
        """Return a digest that nobody can compute from a guess at the values without the key; one of its own if none.

        That of equal digests is equal, so that what is kept under it is found again.
        """
        return keyed_hash(self.folder, digest.encode()) or token_hex(32)

    def _input(self, name: str, value: Any) -> Any:
        return self.conversation(value, numbers=True) if name in self.placed else self.data(value, numbers=True)

    def _graded(self, graded: Mapping[str, Any]) -> dict[str, Any]:
        """Return an assertion's outcome: what it quotes without the values."""
        quoted = {name: self.data(each) for name, each in graded.items() if name not in _OF_ASSERTIONS}
        parts = {"parts": [self._graded(each) for each in graded["parts"]]} if "parts" in graded else {}
        return {**graded, **quoted, **parts}

    def _text_or_none(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    @cached_property
    def _leaves(self) -> list[tuple[Leaf, str]]:
        return [(leaf, _mark(name)) for name, value in self.values.items() for leaf in leaves_of(value, self.declared)]

    @cached_property
    def _finder(self) -> ValueFinder:
        return ValueFinder(self._leaves, self._made)

    @cached_property
    def _numbers(self) -> dict[int | float, str]:
        return {leaf: mark for leaf, mark in self._leaves if not isinstance(leaf, str)}


def _mark(name: str) -> str:
    return f"{SENSITIVE}: {name}]"


def _is_kind(name: str, value: Any, words: Collection[str]) -> bool:
    """Return True if a key and its value say what a message or a part of one is."""
    return name in ("role", "type") and isinstance(value, str) and value in words


def _said(messages: Any) -> Any:
    """Return what messages say: not that they are such."""
    if isinstance(messages, list | tuple):
        return [_said(each) for each in messages]
    if not isinstance(messages, Mapping):
        return messages
    return {name: _said(each) for name, each in messages.items() if not _is_kind(name, each, _PROTOCOL)}


def _stand_in(schema: Any, mark: str) -> Any:
    """Return what is rendered in the place of a value, made of its schema alone, so that nothing of it can show."""
    schema = schema if isinstance(schema, Mapping) else {}
    if schema.get("type") == "array":
        return [_stand_in(schema.get("items"), mark)]
    if schema.get("type") == "object" and isinstance(schema.get("properties"), Mapping):
        return {name: _stand_in(each, mark) for name, each in schema["properties"].items()}
    return mark


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _differing(sent: str, stored: str) -> Iterator[str]:
    """Yield the parts of a sent message that the stored one does not have."""
    if sent == stored:
        return
    words, others = _WORDS.findall(sent), _WORDS.findall(stored)
    start = alike_until(words, others)
    words, others = words[start:], others[start:]
    end = alike_until(words[::-1], others[::-1])
    words, others = words[: len(words) - end], others[: len(others) - end]
    if max(len(words), len(others)) <= _MOST_WORDS:
        for kind, begin, until, _, _ in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
            if kind != "equal":
                yield "".join(words[begin:until]).strip()


def allowed(given: Feedback, found: Execution, folder: Path) -> tuple[Feedback, str | None]:
    """Return what may be kept of feedback on an execution, and why its words may not, if so.

    The key of the workspace is in `folder`. The log never had the values of sensitive inputs, so it cannot look for
    them in what people write of such a call: nothing of that is kept, and of a person's name its hash, as calls for
    that person have it.
    """
    written = to_json([found.inputs, found.messages])
    is_sensitive = any(mark in written for mark in SENSITIVE_MARKS)
    if given.by is not None and (is_sensitive or (found.user or "").startswith(HASHED)):
        hashed = hash_of(folder, given.by)
        given = replace(given, by=hashed if is_sensitive or hashed == found.user else given.by)
    if (given.comment is None and given.expected is None) or (found.kept_content == "full" and not is_sensitive):
        return given, None
    why = "the log rule of the call keeps no contents"
    if is_sensitive:
        why = "the call has sensitive inputs, which a comment or a correction may repeat"
    elif found.kept_content == "pruned":
        why = "the contents of the call were pruned or erased"
    return replace(given, comment=None, expected=None), why
