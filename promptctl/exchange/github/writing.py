"""Native prompts as `.prompt.yml` files of GitHub Models, with every part that those cannot say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.datasets.github_rows import github_ids
from promptctl.datasets.matrix import InvalidMatrix, unfold
from promptctl.exchange.github.evaluators import LOWEST_RATING
from promptctl.exchange.written import (
    DatasetToWrite,
    ExportLoss,
    PromptToWrite,
    PromptWriter,
    Written,
    lost_dataset_keys,
    written_by,
)
from promptctl.files.names import PLACEHOLDER
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.github_dialect import PARAMETERS
from promptctl.prompts.prompt import Message
from promptctl.template_languages.jinja import pieces_of
from promptctl.template_languages.ours import own_pieces, template_line
from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece, kind_of
from promptctl.templates import BadTemplate
from promptctl.templates.reading import has_markup

_SAID_BY_TESTS = ("prompts", "defaults", "cases", "inputs", "matrix", "expected", "assert", "id", "metadata")
_NO_TEST = "is nothing that GitHub's tests have"
_EXPECTED = "{{expected}}"
_ANCHORED = (
    (re.compile(r"\(\?is\)\\A\\s\*(.+?)(?:\.\*\\S)?", re.DOTALL), "startsWith"),
    (re.compile(r"\(\?is\)(?:\\S\.\*)?(.+)\\s\*\\z", re.DOTALL), "endsWith"),
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NOT_PLAIN = re.compile(r"\\[A-Za-z0-9]|(?<!\\)(?:\\\\)*[][.^$*+?{}()|]")
_RATED = {None: "relevance", "judges/github-coherence": "coherence", "judges/github-fluency": "fluency"}
_RATED["judges/github-relevance"] = "relevance"


class RowsToWrite(PromptWriter):
    """The tests of one prompt in GitHub's words, and what those lack."""

    def data(self) -> dict[str, Any]:
        """Return `testData` and `evaluators`; neither if there is no dataset."""
        rows: list[dict[str, Any]] = []
        evaluators: list[dict[str, Any]] = []
        for dataset in self.given.datasets:
            self.losses += lost_dataset_keys(dataset, _SAID_BY_TESTS, _NO_TEST)
            writer = _DatasetRows(self.given, dataset)
            rows += writer.rows()
            evaluators += writer.evaluators()
            self.losses += writer.losses
        if len(self.given.datasets) > 1:
            others = ", ".join(f"`{each.path}`" for each in self.given.datasets)
            words = f"become one list of tests ({others}): each evaluator grades all of them"
            self.losses.append(ExportLoss("datasets", words, self.given.datasets[0].document.key_place()))
        return {**({"testData": rows} if rows else {}), **({"evaluators": evaluators} if evaluators else {})}


class _DatasetRows(PromptWriter):
    """The rows and evaluators of one dataset."""

    def __init__(self, given: PromptToWrite, dataset: DatasetToWrite) -> None:
        super().__init__(given, dataset)
        self._data = dataset.data

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each case, or each cell of its matrix."""
        rows = list(self._rows())
        if [case.get("id") for case in self._data["cases"]] != list(github_ids(rows)):
            self.lose("is lost: rows have no ids, and are called after what is in them", "cases", 0, part="cases.id")
        return rows

    def _rows(self) -> Iterator[dict[str, Any]]:
        defaults: Mapping[str, Any] = self._data.get("defaults", {})
        declared = self.prompt.inputs
        own = [index for index, case in enumerate(self._data["cases"]) if case.get("assert")]
        if own:
            words = f"of {len(own)} case{'s' * (len(own) > 1)} are lost: GitHub's evaluators grade all rows alike"
            self.lose(words, "cases", own[0], "assert", part="cases.assert")
        for index, case in enumerate(self._data["cases"]):
            given = {**defaults.get("inputs", {}), **case.get("inputs", {})}
            filled = {name: each.default for name, each in declared.items() if _has_default(each) and name not in given}
            expected = {"expected": case["expected"]} if "expected" in case else {}
            matrix = {**defaults.get("matrix", {}), **case.get("matrix", {})}
            try:
                cells = list(unfold(matrix)) if matrix else [("", {})]
            except InvalidMatrix as error:
                self.lose(f"cannot be written out: {error}", "cases", index, part="cases.matrix")
                continue
            if matrix:
                words = f"is written out as {len(cells)} rows: GitHub's tests have no lists of values"
                self.lose(words, "cases", index, part="cases.matrix")
            for _, values in cells:
                metadata = {**defaults.get("metadata", {}), **case.get("metadata", {})}
                yield {**metadata, **filled, **given, **values, **expected}

    def evaluators(self) -> Iterator[dict[str, Any]]:
        """Yield the evaluator of each assertion that has one."""
        assertions = self._data.get("defaults", {}).get("assert", ())
        for index, assertion in enumerate(assertions):
            at = ("defaults", "assert", index)
            part = f"defaults.assert.{index} ({assertion['type']})"
            for key, why in _OTHER_KEYS.items():
                if key in assertion:
                    self.lose(why, *at, key, part=f"{part}.{key}")
            made, why = _evaluator(assertion)
            if why:
                self.lose(why, *at, part=part)
            if made is not None:
                yield {"name": assertion.get("metric") or f"{assertion['type']}-{index + 1}", **made}
        reads = any(_EXPECTED in str(each.get("value", _EXPECTED)).replace(" ", "") for each in assertions)
        if any("expected" in case for case in self._data["cases"]) and not reads:
            yield {"name": "expected", "string": {"equals": _EXPECTED}}


_OTHER_KEYS = {
    "weight": "is lost: GitHub's evaluators all count the same",
    "path": "is lost: GitHub's evaluators look at the whole reply, so this one grades something else",
    "normalize": "is lost: GitHub's evaluators compare texts as they are",
    "tolerance": "is lost: GitHub's evaluators compare texts alone",
}


def _evaluator(assertion: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the evaluator of an assertion, if there is one that is like it, and what is lost."""
    type_, value = assertion["type"], assertion.get("value", _EXPECTED)
    if type_ == "answer-relevance" and assertion.get("prompt") in _RATED:
        is_same = assertion.get("threshold", 0.75) == LOWEST_RATING
        why = "" if is_same else "passes from a rating of 2 of 5 on there, whatever the `threshold`"
        return {"uses": f"github/{_RATED[assertion.get('prompt')]}"}, why
    if not isinstance(value, str):
        return None, "is lost: GitHub's evaluators compare texts alone"
    if type_ == "regex":
        return _anchored(value)
    test = {"equals": "equals", "contains": "contains", "icontains": "contains"}.get(type_)
    text = _github_text(value)
    if test is None or text is None:
        what = "has no evaluator like it" if test is None else "has a value that `{{name}}` alone cannot say"
        return None, f"is lost: it {what}"
    why = "takes upper and lower case for the same there" if type_ == "contains" else ""
    return {"string": {test: text}}, why


def _anchored(pattern: str) -> tuple[dict[str, Any] | None, str]:
    """Return the evaluator for a pattern that an import made of one."""
    plain = _github_text(pattern)
    for form, test in _ANCHORED:
        found = form.fullmatch(plain or "")
        if found and not _NOT_PLAIN.search(found[1]):
            return {"string": {test: _ESCAPED.sub(r"\1", found[1])}}, ""
    return None, "is lost: GitHub's evaluators have no regular expressions"


def _github_text(template: str) -> str | None:
    """Return a text with `{{name}}` in place of Jinja's expressions; None if those say more."""
    try:
        pieces = pieces_of(template)
    except BadTemplate:
        return None
    return None if any(_faults(pieces)) else "".join(map(_said, pieces))


def _has_default(input_: Any) -> bool:
    return not input_.is_required and isinstance(input_.default, str | int | float | bool | list | dict)


_CAMEL = {ours: theirs for theirs, ours in PARAMETERS.items()}
_ROLES = ("system", "developer", "user", "assistant")
_SAID = ("name", "description", "model", "parameters", "messages", "inputs", "template", "output", "response_format")
_FILLED_IN = "has `{{…}}` that is text: GitHub's files fill it in"
_NO_KEY = "is nothing that GitHub's files have"
_NO_SCHEMA = "is lost: GitHub's files do not declare their variables"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return one file for each prompt, its datasets among its tests."""
    return written_by(map(_Writer, prompts))


class _Writer(PromptWriter):
    def files(self) -> dict[str, bytes]:
        """Return the prompt's one file."""
        return {f"{self.prompt.id}.prompt.yml": yaml_text(self.data()).encode()}

    def data(self) -> dict[str, Any]:
        given, prompt = self.given.data, self.prompt
        data: dict[str, Any] = {key: given[key] for key in ("name", "description", "model") if given.get(key)}
        if parameters := dict(self._parameters()):
            data["modelParameters"] = parameters
        data |= self._response()
        data["messages"] = messages = list(self._messages())
        self.lose_unsaid(_SAID, _NO_KEY)
        self.lose_inputs(("required",) if prompt.engine == "simple" else (), _NO_SCHEMA)
        tests = RowsToWrite(self.given)
        data |= tests.data()
        self.losses += tests.losses
        is_said = not data.keys() <= {"name", "description", "model", "messages"}
        # A text that Jinja would act on needs a key that says whose file it is.
        if not is_said and any(has_markup(PLACEHOLDER.sub("", each["content"])) for each in messages):
            data["responseFormat"] = "text"
        return data

    def _parameters(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.prompt.parameters.items():
            if name in _CAMEL:
                yield _CAMEL[name], value
            else:
                self.lose("is no parameter of GitHub's files", "parameters", name)

    def _response(self) -> dict[str, Any]:
        output, prompt = self.prompt.output, self.prompt
        if output.schema is not None:
            if output.retries:
                self.lose("is lost: nothing asks again there", "output", "retries")
            named = {"name": output.name, "strict": output.is_strict, "schema": output.schema}
            text = json.dumps(named, ensure_ascii=False, indent=2) + "\n"
            return {"responseFormat": "json_schema", "jsonSchema": text}
        is_json = prompt.response_format is not None and prompt.response_format["type"] == "json_object"
        return {"responseFormat": "json_object"} if is_json else {}

    def _messages(self) -> Iterator[dict[str, Any]]:
        for index, message in enumerate(self.prompt.messages):
            at = ("messages", index)
            if not isinstance(message, Message):
                self.lose("is a place for messages: GitHub's files have texts alone", *at)
                continue
            if message.role not in _ROLES:
                self.lose(f"has the role `{message.role}`, which GitHub's files lack", *at)
                continue
            for key in message.extra:
                self.lose(_NO_KEY, *at, key)
            yield {"role": message.role, "content": self._content(message, index)}

    def _content(self, message: Message, index: int) -> str:
        if isinstance(message.content, str):
            return self._text(message.content, index)
        texts = [part["text"] for part in message.content if part["type"] == "text"]
        if len(texts) < len(message.content):
            self.lose("has parts that are no text: GitHub's files have texts alone", "messages", index, "content")
        elif len(texts) > 1:
            self.lose("has several parts, which become one text", "messages", index, "content")
        for at, part in enumerate(message.content):
            for key in part.keys() - {"type", "text"} if part["type"] == "text" else ():
                self.lose(_NO_KEY, "messages", index, "content", at, key)
        return "\n\n".join(self._text(text, index) for text in texts)

    def _text(self, template: str, index: int) -> str:
        """Return a text with GitHub's placeholders; what they cannot say stays as it is written here, and is told."""
        if self.prompt.engine == "simple":
            return template
        lose = self.lose_in("messages", index, "content")
        pieces = own_pieces(self.prompt, template, lose, "GitHub's files include nothing")
        faults = list(_faults(pieces))
        for why, line in faults:
            lose(why, template_line(template, self.prompt, line))
        return template if faults else "".join(map(_said, pieces))


def _faults(pieces: Sequence[Piece]) -> Iterator[tuple[str, int]]:
    """Yield why GitHub's placeholders cannot say a template, and the line of it."""
    line, texts = 1, ""
    for piece in pieces:
        if isinstance(piece, TextPiece):
            texts += piece.text
            line += piece.text.count("\n")
            continue
        texts += "\0"
        line = piece.line
        if isinstance(piece, VariablePiece) and not piece.filters and len(piece.path) == 1:
            continue
        yield f"has {kind_of(piece)}: GitHub's files know `{{{{name}}}}` alone", line
    if PLACEHOLDER.search(texts):
        yield _FILLED_IN, 1


def _said(piece: Piece) -> str:
    if isinstance(piece, TextPiece):
        return piece.text
    assert isinstance(piece, VariablePiece)
    return f"{{{{{piece.path[0]}}}}}"
