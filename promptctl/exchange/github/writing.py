"""Native prompts as `.prompt.yml` files of GitHub Models, with every part that those cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.github.rows import RowsToWrite
from promptctl.exchange.lost_parts import lost_inputs, lost_keys
from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.written import PromptToWrite, Written
from promptctl.files.names import PLACEHOLDER
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.github_dialect import PARAMETERS
from promptctl.prompts.prompt import Message
from promptctl.template_languages.ours import own_pieces
from promptctl.template_languages.pieces import (
    CodePiece,
    IfPiece,
    IncludePiece,
    LoopPiece,
    Piece,
    TextPiece,
    VariablePiece,
)
from promptctl.templates.reading import has_markup

_CAMEL = {ours: theirs for theirs, ours in PARAMETERS.items()}
_ROLES = ("system", "developer", "user", "assistant")
_SAID = ("name", "description", "model", "parameters", "messages", "inputs", "template", "output", "response_format")
_KINDS: Mapping[type, str] = {
    IfPiece: "a condition",
    LoopPiece: "a loop",
    IncludePiece: "an include",
    VariablePiece: "a filter, or a part of a variable",
}
_FILLED_IN = "has `{{…}}` that is text: GitHub's files fill it in"
_NO_KEY = "is nothing that GitHub's files have"
_NO_SCHEMA = "is lost: GitHub's files do not declare their variables"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return one file for each prompt, its datasets among its tests."""
    files: dict[str, bytes] = {}
    losses: list[ExportLoss] = []
    for prompt in prompts:
        writer = _Writer(prompt)
        files[f"{prompt.prompt.id}.prompt.yml"] = yaml_text(writer.data()).encode()
        losses += writer.losses
    return Written(files, tuple(losses))


class _Writer:
    def __init__(self, prompt: PromptToWrite) -> None:
        self._of = prompt
        self.losses: list[ExportLoss] = []

    def data(self) -> dict[str, Any]:
        given, prompt = self._of.data, self._of.prompt
        data: dict[str, Any] = {key: given[key] for key in ("name", "description", "model") if given.get(key)}
        if parameters := dict(self._parameters()):
            data["modelParameters"] = parameters
        data |= self._response()
        data["messages"] = messages = list(self._messages())
        self.losses += lost_keys(given, self._of.document, _SAID, _NO_KEY)
        said = ("required",) if prompt.engine == "simple" else ()
        self.losses += lost_inputs(self._of, said, _NO_SCHEMA)
        tests = RowsToWrite(self._of)
        data |= tests.data()
        self.losses += tests.losses
        is_said = not data.keys() <= {"name", "description", "model", "messages"}
        # A text that Jinja would act on needs a key that says whose file it is.
        if not is_said and any(has_markup(PLACEHOLDER.sub("", each["content"])) for each in messages):
            data["responseFormat"] = "text"
        return data

    def _lose(self, part: str, why: str, *at: str | int) -> None:
        self.losses.append(ExportLoss(part, why, self._of.document.key_place(*at)))

    def _parameters(self) -> Iterator[tuple[str, Any]]:
        for name, value in self._of.prompt.parameters.items():
            if name in _CAMEL:
                yield _CAMEL[name], value
            else:
                self._lose(f"parameters.{name}", "is no parameter of GitHub's files", "parameters", name)

    def _response(self) -> dict[str, Any]:
        output, prompt = self._of.prompt.output, self._of.prompt
        if output.schema is not None:
            if output.retries:
                self._lose("output.retries", "is lost: nothing asks again there", "output", "retries")
            named = {"name": output.name, "strict": output.is_strict, "schema": output.schema}
            text = json.dumps(named, ensure_ascii=False, indent=2) + "\n"
            return {"responseFormat": "json_schema", "jsonSchema": text}
        is_json = prompt.response_format is not None and prompt.response_format["type"] == "json_object"
        return {"responseFormat": "json_object"} if is_json else {}

    def _messages(self) -> Iterator[dict[str, Any]]:
        for index, message in enumerate(self._of.prompt.messages):
            at = ("messages", index)
            if not isinstance(message, Message):
                self._lose(f"messages.{index}", "is a place for messages: GitHub's files have texts alone", *at)
                continue
            if message.role not in _ROLES:
                self._lose(f"messages.{index}", f"has the role `{message.role}`, which GitHub's files lack", *at)
                continue
            for key in message.extra:
                self._lose(f"messages.{index}.{key}", _NO_KEY, *at, key)
            yield {"role": message.role, "content": self._content(message, index)}

    def _content(self, message: Message, index: int) -> str:
        if isinstance(message.content, str):
            return self._text(message.content, index)
        texts = [part["text"] for part in message.content if part["type"] == "text"]
        if len(texts) < len(message.content):
            words = "has parts that are no text: GitHub's files have texts alone"
            self._lose(f"messages.{index}.content", words, "messages", index, "content")
        elif len(texts) > 1:
            words = "has several parts, which become one text"
            self._lose(f"messages.{index}.content", words, "messages", index, "content")
        for at, part in enumerate(message.content):
            for key in part.keys() - {"type", "text"} if part["type"] == "text" else ():
                self._lose(f"messages.{index}.content.{at}.{key}", _NO_KEY, "messages", index, "content", at, key)
        return "\n\n".join(self._text(text, index) for text in texts)

    def _text(self, template: str, index: int) -> str:
        """Return a text with GitHub's placeholders; what they cannot say stays as it is written here, and is told."""
        prompt = self._of.prompt
        if prompt.engine == "simple":
            return template
        pieces = own_pieces(
            prompt, template, lambda why, line: self._tell(why, index, line), "GitHub's files include nothing"
        )
        faults = list(_faults(pieces))
        for why, line in faults:
            self._tell(why, index, line)
        return template if faults else "".join(map(_said, pieces))

    def _tell(self, why: str, index: int, line: int) -> None:
        place = self._of.document.line_place(line, "messages", index, "content")
        self.losses.append(ExportLoss(f"messages.{index}.content", why, place))


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
        kind = piece.kind if isinstance(piece, CodePiece) else _KINDS.get(type(piece), "an expression")
        yield f"has {kind}: GitHub's files know `{{{{name}}}}` alone", line
    if PLACEHOLDER.search(texts):
        yield _FILLED_IN, 1


def _said(piece: Piece) -> str:
    if isinstance(piece, TextPiece):
        return piece.text
    assert isinstance(piece, VariablePiece)
    return f"{{{{{piece.path[0]}}}}}"
