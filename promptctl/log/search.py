"""Full text over kept contents: what a query asks for, which words a text has, and where the match is."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from promptctl.errors import UsageError, printable
from promptctl.files.wording import clip
from promptctl.log.records import Execution

# Scripts without spaces: each of their characters is a word, and a text of them a phrase.
_UNSPACED = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|(?:[^\\W_{_UNSPACED}]|[\u0300-\u036f])+")
_ASCII_WORD = re.compile("[a-z0-9]+")
# What SQLite's tokenizer `ascii` takes for a word, so that a scan and the index agree.
_TOKEN = re.compile("[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")
_LONGEST_WORD = 200
_TERM = re.compile(r'"([^"]*)"(\*?)|(\S+)')
_NAMES_OF_OURS = frozenset({"role", "type", "id"})
_BEFORE, _AFTER, _AROUND = 30, 90, 2000


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Words and phrases that a content must all have, in any case and without accents; each with whether it is the
    beginning of a word.
    """

    terms: tuple[tuple[str, bool], ...]

    @property
    def expression(self) -> str:
        """The query as FTS5 takes it."""
        return " AND ".join(f'"{words}" *' if is_prefix else f'"{words}"' for words, is_prefix in self.terms)

    def is_in(self, texts: Sequence[str]) -> bool:
        """Return True if every term is in one of the texts, which are as `words_of` returns them."""
        padded = [f" {text} " for text in texts]
        return all(
            any((f" {words}" if is_prefix else f" {words} ") in text for text in padded)
            for words, is_prefix in self.terms
        )


@dataclass(frozen=True, slots=True)
class FoundCall:
    """An execution that a search found, the content that has the match, and the text around it on one line."""

    execution: Execution
    found_in: str
    before: str
    match: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys: those of `log list`, and where the match is."""
        around = {"found_in": self.found_in, "before": self.before, "match": self.match, "after": self.after}
        return {**self.execution.as_row(), **around}


@dataclass(frozen=True, slots=True)
class Searched:
    """The executions that a search found, newest first, and the reason if the contents were read without an index.

    `indexed` is the share of the log that the index covers yet. With `is_cut`, reading ended early: older executions
    were not looked at.
    """

    executions: tuple[Execution, ...]
    no_index: str | None = None
    indexed: float = 1.0
    is_cut: bool = False


def parse_query(text: str) -> TextQuery:
    """Read words, "phrases" and prefix*; every other sign is taken as it is in a text, where it only parts words.

    Raises `UsageError` for a text without a word.

    >>> parse_query('refund "not charged" bill*').terms
    (('refund', False), ('not charged', False), ('bill', True))
    """
    terms = []
    for quoted, star, plain in _TERM.findall(text):
        if words := words_of(plain or quoted):
            terms.append((words, bool(star) or plain.endswith("*")))
    if not terms:
        raise UsageError(
            f"`{printable(text)}` has no word to search for",
            hint="promptctl log list --search TEXT finds any characters",
        )
    return TextQuery(tuple(dict.fromkeys(terms)))


def words_of(text: str) -> str:
    """Return the words of a text as they are compared, with one space between them.

    >>> words_of("It's CAFÉ-au-lait, 東京")
    'it s cafe au lait 東 京'
    """
    if text.isascii():
        words = _ASCII_WORD.findall(text.lower())
    else:
        words = _TOKEN.findall(" ".join(map(_folded, _WORD.findall(text))))
    return " ".join([word for word in words if len(word) <= _LONGEST_WORD])


def texts_of(contents: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each content, without the names that JSON and our records give its parts."""
    return {name: _text(name, value) for name, value in contents.items() if value is not None}


def find(execution: Execution, query: TextQuery, *, most: int | None = None) -> FoundCall:
    """Return where in an execution's contents the query's first term is; in so many characters of each at `most`."""
    reasoning = [{"text": execution.reasoning}] if execution.reasoning else []
    contents = {
        "reply": execution.reply,
        "inputs": execution.inputs,
        "messages": execution.messages,
        "tool_calls": [*reasoning, *execution.tool_calls],
    }
    texts: dict[str, str] = {}
    for words, is_prefix in query.terms:
        for name, value in contents.items():
            if value is None:
                continue
            if name not in texts:
                texts[name] = _text(name, value, most)
            text = texts[name]
            if place := _place(text, words.split(), is_prefix=is_prefix):
                start, end = place
                before, after = _one_line(text[max(0, start - _AROUND) : start]), _one_line(text[end : end + _AROUND])
                return FoundCall(
                    execution,
                    name,
                    ("…" if len(before) > _BEFORE else "") + before[-_BEFORE:],
                    _one_line(text[start:end]),
                    clip(after, _AFTER),
                )
    return FoundCall(execution, "reply", "", "", "")


def _place(text: str, words: Sequence[str], *, is_prefix: bool) -> tuple[int, int] | None:
    """Return begin and end of the first place that has these words one after another."""
    if text.isascii():
        long = f"[a-z0-9]{{{_LONGEST_WORD + 1},}}[^a-z0-9]+"  # is no word for the index
        wanted = f"[^a-z0-9]+(?:{long})*".join(map(re.escape, words))
        place = re.search(f"(?<![a-z0-9]){wanted}{'[a-z0-9]*' if is_prefix else '(?![a-z0-9])'}", text.lower())
        return place and place.span()
    found: list[tuple[str, int, int]] = []
    for match in _WORD.finditer(text):
        found += [(word, *match.span()) for word in words_of(match[0]).split()]
        run = found[-len(words) :]
        if [word for word, _, _ in run[:-1]] != list(words[:-1]) or len(run) < len(words):
            continue
        if run[-1][0] == words[-1] or (is_prefix and run[-1][0].startswith(words[-1])):
            return run[0][1], run[-1][2]
    return None


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join([each for each in parts if not unicodedata.combining(each)]).casefold()


def _text(name: str, value: Any, most: int | None = None) -> str:
    pieces = _pieces(value, has_names=name in ("reply", "tool_calls"))
    return "\n".join(pieces if most is None else _beginning(pieces, most))


def _beginning(pieces: Iterator[str], most: int) -> Iterator[str]:
    """Yield pieces until there are so many characters."""
    for piece in pieces:
        yield piece[:most]
        most -= len(piece)
        if most <= 0:
            return


def _pieces(value: Any, *, has_names: bool) -> Iterator[str]:
    """Yield the texts within a value, in one loop: nested generators would take a step for each level of each text."""
    under_way: list[Iterator[tuple[Any, bool | None]]] = [iter([(value, has_names)])]
    while under_way:
        for each, is_named in under_way[-1]:
            if is_named is None:
                yield each
            elif isinstance(each, Mapping):
                under_way.append(_members(each, is_named=is_named))
                break
            elif not isinstance(each, str):
                if not isinstance(each, Sequence):
                    yield json.dumps(each)
                    continue
                under_way.append(zip(each, repeat(is_named)))
                break
            elif each[:1] in ("{", "[") and (read := _read_json(each)) is not None:
                under_way.append(iter([(read, True)]))
                break
            elif not (each.startswith("data:") and ";base64," in each[:200]):
                yield each
        else:
            under_way.pop()


def _members(value: Mapping[Any, Any], *, is_named: bool) -> Iterator[tuple[Any, bool | None]]:
    """Yield the values of a mapping; before each its name, with None: it is a text as it is."""
    for name, each in value.items():
        if name not in _NAMES_OF_OURS:
            if is_named:
                yield str(name), None
            yield each, is_named


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
