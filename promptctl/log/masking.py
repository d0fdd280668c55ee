"""Values of sensitive inputs, kept out of everything that is stored: a keyed hash or a mark stands in their place."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, fields, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from promptctl.files.names import SENSITIVE_KEY
from promptctl.files.plain import canonical_json
from promptctl.log.encoding import to_json
from promptctl.log.redaction import SHORTEST_SECRET, forms_of
from promptctl.log.secrets import Secret
from promptctl.prompts.prompt import HASHED, MISSING, SENSITIVE, Prompt

if TYPE_CHECKING:
    from promptctl.log.records import Execution
    from promptctl.log.results import ResultRow

_KEY_BYTES = 32
_SHORT = 5
# An excerpt of a value, such as the start of one that was cut, is known by so many characters of it in a row.
_EXCERPT = 16
_BLANK = "\0"
_STEP = 8
_MOST_LINES = 200
_MOST_GRAMS = 65_536
# Messages of more words than this are not compared.
_MOST_WORDS = 2_000
# Fields of an execution that no model, provider or caller writes freely: names by which rows are found and joined.
_FIXED = frozenset((
    "id", "call_id", "started_at", "source", "prompt", "prompt_name", "version_display", "digest", "commit", "label",
    "provider", "model", "price_source", "reply_source", "status", "error_type", "evaluation_id", "case_id",
    "tool_version", "kept_content", "corrections", "user", "session", "output", "mask",
))  # fmt: skip
# Those whose numbers a model or a caller may have taken from a value.
_WITH_NUMBERS = frozenset(("tool_calls", "call_metadata"))
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class _Needle(NamedTuple):
    """A form of a value to look for, in lower case; one that is short is hidden only where it is a word of its own."""

    form: str
    mark: str
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Mask:
    """Hides the values of one call's sensitive inputs, by name in `values`, in all that is stored of the call.

    `stand_ins` take their place where messages are rendered once more to be stored. `folder` holds the key.
    `declared` are the inputs' schemas as JSON: a key that stands in them is no part of a value. `messages` are those of
    one attempt as they are stored, None for the attempt's own.
    """

    folder: Path
    values: Mapping[str, Any]
    stand_ins: Mapping[str, Any]
    declared: str = ""
    messages: Sequence[Mapping[str, Any]] | None = None
    _made: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, prompt: Prompt, inputs: Mapping[str, Any], outer: Mask | None = None) -> Mask:
        """Return the mask of these inputs and of an outer one: a judge is shown what another prompt was given."""
        values, stand_ins = (dict(outer.values), dict(outer.stand_ins)) if outer is not None else ({}, {})
        # An input that the prompt does not declare may be a sensitive one whose name was mistyped.
        values |= {str(name): value for name, value in inputs.items() if name not in prompt.inputs}
        for name in prompt.sensitive:
            value = inputs.get(name, prompt.inputs[name].default)
            stand_ins[name] = _stand_in(prompt.inputs[name].schema, _mark(name))
            if value is not MISSING:
                values[name] = value
        schemas = to_json([prompt.inputs[name].schema for name in prompt.sensitive])
        if outer is None:
            return cls(folder, values, stand_ins, schemas)
        return cls(folder, values, stand_ins, outer.declared + schemas, _made=dict(outer._made))

    def inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs as they are stored: equal values of one workspace have equal hashes."""
        return {
            name if str(name).isidentifier() else self.text(str(name)): (
                self._hash(value) if name in self.values else self.data(value, numbers=True)
            )
            for name, value in given.items()
        }

    def for_rendering(self, filled: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of which the messages to store are rendered."""
        return {
            name: self.stand_ins[name] if name in self.stand_ins else self.data(value, numbers=True)
            for name, value in filled.items()
        }

    def learn(self, sent: Sequence[Mapping[str, Any]], stored: Sequence[Mapping[str, Any]]) -> None:
        """Look from now on also for what the templates made of the values: it is sent, and not stored."""
        known = [_folded(leaf) for leaf, _ in self._leaves if isinstance(leaf, str)]
        for before, after in zip(sent, stored, strict=True):
            for made in _differing(_text_of(before), _text_of(after)):
                if len(made) >= _SHORT and not any(_folded(made) in each for each in known):
                    self._made[_folded(made)] = f"{SENSITIVE}]"
        self.__dict__.pop("_needles", None)
        self.__dict__.pop("_grams", None)

    def text(self, text: str) -> str:
        """Return the text without the values; the very same object if they are not in it."""
        finding = _Finding(_folded(text))
        finding.find_excerpts(self._grams)
        for needle in self._needles:
            finding.find(needle)
        return finding.hidden_in(text) if finding.spans else text

    def name(self, name: str | None) -> str | None:
        """Return a name by which calls are joined: its hash if a value is in it."""
        return name if name is None or self.text(name) == name else self._hash(name)

    def data(self, data: Any, *, numbers: bool = False) -> Any:
        """Return JSON-like data without the values, in keys and texts, and with `numbers` in numbers too."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {
                self.text(str(name)): (
                    _mark(name) if numbers and name in self.values else self.data(each, numbers=numbers)
                )
                for name, each in data.items()
            }
        if isinstance(data, list | tuple):
            return [self.data(each, numbers=numbers) for each in data]
        is_number = numbers and isinstance(data, int | float) and not isinstance(data, bool)
        return self._numbers.get(data, data) if is_number else data

    def execution(self, execution: Execution) -> Execution:
        """Return an attempt as it is stored."""
        free = {each.name: getattr(execution, each.name) for each in fields(execution) if each.name not in _FIXED}
        masked = {name: self.data(value, numbers=name in _WITH_NUMBERS) for name, value in free.items()}
        if execution.inputs is not None:
            masked["inputs"] = self.inputs(execution.inputs)
        if self.messages is not None:
            masked["messages"] = self.messages
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
                assertions=self.data(detail.assertions),
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
        key = _key_in(self.folder)
        return token_hex(32) if key is None else hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()

    def _text_or_none(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def _hash(self, value: Any) -> str:
        key = _key_in(self.folder)
        if key is None:
            return f"{SENSITIVE}]"
        try:
            text = canonical_json(value)
        except (TypeError, ValueError, RecursionError):
            text = to_json(value)
        return HASHED + hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    @cached_property
    def _leaves(self) -> list[tuple[str | int | float, str]]:
        return [(leaf, _mark(name)) for name, value in self.values.items() for leaf in _leaves_of(value, self.declared)]

    @cached_property
    def _grams(self) -> dict[str, dict[str, tuple[int, str]]]:
        """The beginnings of excerpts: for so many characters, each form that has them, with their place and its mark.

        Long values together have so many, whatever their size.
        """
        forms = {needle.form: needle.mark for needle in self._needles if len(needle.form) > _EXCERPT}
        step = max(_STEP, sum(map(len, forms)) // _MOST_GRAMS)
        found: dict[str, dict[str, tuple[int, str]]] = {}
        for form, mark in forms.items():
            for start in range(0, len(form) - _EXCERPT + 1, step):
                found.setdefault(form[start : start + _EXCERPT], {}).setdefault(form, (start, mark))
        return found

    @cached_property
    def _numbers(self) -> dict[int | float, str]:
        return {leaf: mark for leaf, mark in self._leaves if not isinstance(leaf, str)}

    @cached_property
    def _needles(self) -> list[_Needle]:
        """The forms of all values, the longest first."""
        found = {
            form: _Needle(form, mark, is_whole)
            for leaf, mark in self._leaves
            for form, is_whole in _forms(leaf if isinstance(leaf, str) else to_json(leaf))
        }
        found = {form: _Needle(form, mark, is_whole=False) for form, mark in self._made.items()} | found
        return sorted(found.values(), key=lambda needle: -len(needle.form))


def _mark(name: str) -> str:
    return f"{SENSITIVE}: {name}]"


def _stand_in(schema: Any, mark: str) -> Any:
    """Return what is rendered in the place of a value, made of its schema alone, so that nothing of it can show."""
    schema = schema if isinstance(schema, Mapping) else {}
    if schema.get("type") == "array":
        return [_stand_in(schema.get("items"), mark)]
    if schema.get("type") == "object" and isinstance(schema.get("properties"), Mapping):
        return {name: _stand_in(each, mark) for name, each in schema["properties"].items()}
    return mark


def _leaves_of(value: Any, declared: str) -> Iterator[str | int | float]:
    """Yield the texts, their lines, numbers and own keys of a value; true, false and null are words of any text.

    A text of very many lines is known by its excerpts.
    """
    if isinstance(value, Mapping):
        keys = (str(key) for key in value if to_json(str(key)) not in declared)
        value = [*(key for key in keys if len(key) >= _SHORT), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _leaves_of(each, declared)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value
        lines = value.splitlines() if isinstance(value, str) else []
        if 1 < len(lines) <= _MOST_LINES:
            yield from (line for line in map(str.strip, lines) if len(line) >= _SHORT)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _forms(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the forms of a text to look for; each is hidden in any case of its letters."""
    bare = text.strip()
    if not bare:
        return
    lines = bare.replace("\r\n", "\n")
    spaced = {bare, lines, lines.replace("\n", "\r\n"), " ".join(bare.split())}
    once = {escaped for form in spaced for escaped in _as_json(form)}
    twice = {escaped for form in once for escaped in _as_json(form)}  # JSON in JSON, such as a quoted request
    for form in {bare.upper(), *spaced, *once, *twice, *map(html.escape, spaced)}:
        yield _folded(form), len(bare) < _SHORT
    if len(bare) >= SHORTEST_SECRET:
        with suppress(UnicodeEncodeError):  # half a surrogate pair, which nothing encodes
            for plain in {bare, lines.replace("\n", "\r\n")}:
                for form, _ in forms_of(Secret("", plain)):
                    yield _folded(form), False


def _as_json(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


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
    start = _common(words, others)
    words, others = words[start:], others[start:]
    end = _common(words[::-1], others[::-1])
    words, others = words[: len(words) - end], others[: len(others) - end]
    if max(len(words), len(others)) <= _MOST_WORDS:
        for kind, begin, until, _, _ in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
            if kind != "equal":
                yield "".join(words[begin:until]).strip()


def _folded(text: str) -> str:
    """Return the text in lower case, each character in its place."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(each if len(each.lower()) != 1 else each.lower() for each in text)
    return lower.replace("ς", "σ")


class _Finding:
    """The places of values in one folded text. What was found is blanked out there, so that it is found once."""

    def __init__(self, folded: str) -> None:
        self._folded = folded
        self.spans: list[tuple[int, int, str]] = []

    def find(self, needle: _Needle) -> None:
        """Find each place of a form."""
        form, at = needle.form, self._folded.find(needle.form)
        while at >= 0:
            end = at + len(form)
            is_inside = _goes_on(self._folded, at - 1, at) or _goes_on(self._folded, end - 1, end)
            if not (needle.is_whole and is_inside):
                self._take(at, end, needle.mark)
            at = self._folded.find(form, end if self._folded[at] == _BLANK else at + 1)

    def find_excerpts(self, grams: Mapping[str, Mapping[str, tuple[int, str]]]) -> None:
        """Find each part of a form that is long enough to be known, before any line within it is taken."""
        folded, covered = self._folded, dict[str, int]()
        found: list[tuple[int, int, str]] = []
        for at in range(len(folded) - _EXCERPT + 1) if grams else ():
            for form, (start, mark) in grams.get(folded[at : at + _EXCERPT], {}).items():
                if at + _EXCERPT > covered.get(form, 0):
                    before = _common(form[:start][::-1], folded[max(0, at - start) : at][::-1])
                    covered[form] = at + _common(form[start:], folded[at : at + len(form)])
                    found.append((at - before, covered[form], mark))
        found.sort(reverse=True)
        while found:  # those that overlap are one
            begin, end, mark = found.pop()
            while found and found[-1][0] < end:
                end = max(end, found.pop()[1])
            self._take(begin, end, mark)

    def hidden_in(self, text: str) -> str:
        """Return the text with marks for what was found."""
        pieces, done = [], 0
        for begin, end, mark in sorted(self.spans):
            pieces += [text[done:begin], mark]
            done = max(done, end)
        return "".join([*pieces, text[done:]])

    def _take(self, begin: int, end: int, mark: str) -> None:
        self.spans.append((begin, end, mark))
        self._folded = f"{self._folded[:begin]}{_BLANK * (end - begin)}{self._folded[end:]}"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many characters or words two texts begin alike with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (left, right) in pairs if left != right), min(len(one), len(other)))


def _goes_on(text: str, left: int, right: int) -> bool:
    """Return True if a word or a number goes on from one character to the next; scripts without case have no words."""
    return (
        left >= 0
        and right < len(text)
        and all(each.isdigit() or each.upper() != each for each in text[left : right + 1])
    )


def _key_in(folder: Path) -> bytes | None:
    """Return the key of the hashes, made by whoever needs it first; None if it cannot be read or made."""
    path = folder / SENSITIVE_KEY
    with suppress(OSError):
        if not path.exists():
            _make_key(path)
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    return None


def _make_key(path: Path) -> None:
    """Make the key, whole or not at all; if another process is quicker, its key holds."""
    draft = path.with_name(f"{path.name}.{token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(token_bytes(_KEY_BYTES))
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
