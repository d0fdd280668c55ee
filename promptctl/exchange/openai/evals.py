"""OpenAI evals: an entry of the registry with its samples as a prompt and a dataset that grades as its class did."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import DatasetDraft, ForeignContents, ImportNote, NotesOn, PromptDraft, Source
from promptctl.exchange.openai.conversations import (
    Conversation,
    alike,
    conversation_of,
    conversation_rows,
    late_instruction,
    shared_prompt,
)
from promptctl.files.free_names import FreeNames
from promptctl.files.plain import with_texts
from promptctl.files.strict_json import strict_json
from promptctl.files.wording import count
from promptctl.template_languages.jinja import constant_text

_CLASS = re.compile(r"evals\.elsuite\.([\w.]+):(\w+)\Z")
_VERSION = re.compile(r"\.[A-Za-z][\w-]*\.[\w-]+\Z")
_READ_ARGS = ("samples_jsonl", "ignore_case", "modelgraded_spec", "eval_type", "metaprompt")
_PLACES = ("../data", "data", "..", ".")
_NEEDS_NO_IDEAL = "JsonValidator"
_BY_HAND = "write its samples as a dataset, with assertions that say what its code checked"

Assertions = list[dict[str, Any]]


def is_one(source: Source) -> bool:
    """Return True for a YAML file of the registry: entries with a `class` of `evals`."""
    if not source.path.endswith((".yaml", ".yml")) or b"class" not in source.data:
        return False
    return any(True for _ in _entries(source.mapping))


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in data.items():
        is_entry = isinstance(entry, dict) and isinstance(entry.get("class"), str)
        if is_entry and (":" in entry["class"]) and ("args" in entry or entry["class"].startswith("evals.")):
            yield name, entry


def read(source: Source) -> ForeignContents:
    """Return each eval whose class is known here. Raises `InvalidFiles` if there is none, or samples are missing."""
    data = source.document.data
    if not isinstance(data, dict):
        raise source.refuse("a file of the registry of evals is a mapping", 1, _BY_HAND)
    reader = _Registry(source)
    for name, entry in _entries(data):
        reader.add(name, entry)
    for name, entry in data.items():
        if isinstance(entry, dict) and "id" in entry and "class" not in entry:
            reader.note("kept", f"names the eval `{entry['id']}`", name)
        elif not isinstance(entry, dict) or "class" not in entry:
            reader.note("dropped", "is no eval", name)
    if not reader.prompts:
        why = next((note for note in reader.notes if note.fate == "dropped"), None)
        words = f": `{why.part}` {why.message}" if why else ""
        raise source.refuse(f"no eval of it can be written here{words}", 1, _BY_HAND)
    return ForeignContents(tuple(reader.prompts), tuple(reader.datasets), notes=tuple(reader.notes))


class _Registry(NotesOn):
    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._described = {
            entry["id"]: entry
            for entry in source.document.data.values()
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
        self._names = FreeNames()
        self.prompts: list[PromptDraft] = []
        self.datasets: list[DatasetDraft] = []

    def add(self, name: str, entry: Mapping[str, Any]) -> None:
        """Read one eval; one whose class is code of its own is dropped by name."""
        args = entry.get("args") if isinstance(entry.get("args"), dict) else {}
        assert isinstance(args, dict)
        found = _CLASS.match(entry["class"])
        grading = _GRADINGS.get(_kind(found[2], args)) if found else None
        part = f"{name}: class"
        if found is None or grading is None:
            kind = f"`{entry['class']}`"
            if found and found[2] == "ModelBasedClassify":
                kind = f"the model-graded spec `{args.get('modelgraded_spec')}`"
            self.note("dropped", f"is {kind}, which has no counterpart here", name, "class", part=part, hint=_BY_HAND)
            return
        words_of_class, make = grading
        samples, needs_none = self._samples(name, args), found[2] == _NEEDS_NO_IDEAL
        rows = [(line, row) for line, row in _rows(samples) if needs_none or self._has_ideal(samples, line, row)]
        if not rows:
            return
        entry_of = self._described.get(name, {})
        description = {"description": entry_of["description"]} if isinstance(entry_of.get("description"), str) else {}
        place = self.document.key_place(name)
        conversations = [Conversation(conversation_of(row), line) for line, row in rows]
        for group in alike(conversations):
            shared = shared_prompt([conversations[index] for index in group])
            wish = self._names.take(_VERSION.sub("", name))
            cases = [
                {
                    "id": f"line-{rows[index][0]}",
                    **({"inputs": inputs} if inputs else {}),
                    "assert": make(rows[index][1]),
                }
                for index, inputs in zip(group, shared.cases, strict=True)
            ]
            self.prompts.append(PromptDraft(wish, {**description, **shared.data}, place))
            self.datasets.append(DatasetDraft(wish, {"prompts": [wish], **description, "cases": cases}, place))
            words = f"{count(len(cases), 'case')}; the prompt {shared.words}"
            self.note("changed", words, name, "args", part=f"{name}: samples")
        self.note("changed", words_of_class, name, "class", part=part)
        self._tell_rest(name, args, entry_of)

    def _tell_rest(self, name: str, args: Mapping[str, Any], described: Mapping[str, Any]) -> None:
        for key in args:
            if key not in _READ_ARGS:
                self.note("dropped", "has no counterpart here", name, "args", key, part=f"{name}: {key}")
        for key, value in described.items():
            if key == "description":
                self.note("kept", "stays", name, part=f"{name}: description")
            elif key not in ("id", "metrics") and value:
                self.note("dropped", "has no counterpart here", name, part=f"{name}: {key}")

    def _samples(self, name: str, args: Mapping[str, Any]) -> Source:
        """Return the file of samples: in `data` beside the folder of evals, as in the registry, or beside this file."""
        path = args.get("samples_jsonl")
        line = self.document.place(name, "args").line
        if not isinstance(path, str):
            raise self.source.refuse(f"the eval `{name}` names no `samples_jsonl`", line, _BY_HAND)
        if path.startswith(("http:", "https:", "gs:", "s3:", "az:")):
            raise self.source.refuse(f"the samples of `{name}` are at an address; nothing is ever fetched", line)
        for folder in _PLACES:
            try:
                return self.source.beside(posixpath.join(folder, path), line)
            except InvalidFiles:
                continue
        message = f"there is no file `{path}`, neither in `../data` nor beside this one"
        hint = "import the folder `registry`, which holds `evals` and `data`"
        raise self.source.refuse(message, line, hint, "no-file")

    def _has_ideal(self, samples: Source, line: int, row: Mapping[str, Any]) -> bool:
        """Return True for a sample with something to compare replies with; any other is dropped by its line."""
        if _texts(row):
            return True
        words = "the sample has none, so nothing would decide its case"
        self.notes.append(ImportNote("dropped", "ideal", words, samples.place(line), "add it to the sample"))
        return False


def _rows(samples: Source) -> list[tuple[int, dict[str, Any]]]:
    rows = conversation_rows(samples)
    for line, row in rows:
        if late_instruction(conversation_of(row)):
            words = "the sample has an instruction after other messages, which only a prompt's own file may give"
            raise samples.refuse(words, line, "take the line out, and write it as a prompt of its own")
    return rows


def _kind(class_: str, args: Mapping[str, Any]) -> str:
    """Return the key of `_GRADINGS` for an eval of a class."""
    if class_ == "ModelBasedClassify":
        return f"spec {args.get('modelgraded_spec')}"
    return f"{class_}, ignoring case" if class_ == "Includes" and args.get("ignore_case") else class_


def _ideals(row: Mapping[str, Any]) -> list[Any]:
    ideal = row.get("ideal")
    return list(ideal) if isinstance(ideal, list) else [ideal]


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [str(each) for each in _ideals(row) if each not in (None, "")]


def _match(row: Mapping[str, Any]) -> Assertions:
    texts = _texts(row)
    if len(texts) == 1:
        return [{"type": "starts-with", "value": _constant(texts[0])}]
    return [{"type": "regex", "value": _constant(rf"\A\s*(?:{'|'.join(map(re.escape, texts))})")}]


def _any(type_: str, row: Mapping[str, Any]) -> Assertions:
    texts = _constant(_texts(row))
    return [{"type": type_, "value": texts[0]} if len(texts) == 1 else {"type": f"{type_}-any", "value": texts}]


def _json_match(row: Mapping[str, Any]) -> Assertions:
    checks = [{"type": "equals", "value": _constant(_parsed(each))} for each in _ideals(row)]
    return checks if len(checks) == 1 else [{"type": "assert-set", "threshold": 1 / len(checks), "assert": checks}]


def _judged(type_: str, key: str, row: Mapping[str, Any]) -> Assertions:
    return [{"type": type_, "value": _constant(str(row.get(key) or "\n".join(_texts(row))))}]


# What each class, or model-graded spec, is here: in words, and as the assertions of a sample.
_GRADINGS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Assertions]]] = {
    "Match": (
        "`Match` is `starts-with` (of several ideals a `regex`); white space before the reply is left aside",
        _match,
    ),
    "Includes": ("`Includes` is `contains`", partial(_any, "contains")),
    "Includes, ignoring case": ("`Includes` with `ignore_case` is `icontains`", partial(_any, "icontains")),
    "FuzzyMatch": (
        "`FuzzyMatch` is `icontains`: it also took a reply that is part of the ideal, and left out punctuation",
        partial(_any, "icontains"),
    ),
    "JsonMatch": ("`JsonMatch` is `equals`", _json_match),
    _NEEDS_NO_IDEAL: ("`JsonValidator` is `is-json`", lambda _: [{"type": "is-json"}]),
    "spec fact": (
        "the model-graded spec `fact` is `factuality`, by promptctl's own judge",
        partial(_judged, "factuality", ""),
    ),
    "spec closedqa": (
        "the model-graded spec `closedqa` is `llm-rubric`, by promptctl's own judge",
        partial(_judged, "llm-rubric", "criteria"),
    ),
}


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return strict_json(value)
    except ValueError:
        return value


def _constant(value: Any) -> Any:
    """Return a value whose texts stay as they are when they are read as templates."""
    return with_texts(value, constant_text)
