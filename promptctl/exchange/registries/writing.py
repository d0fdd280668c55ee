"""Prompts of ours on their way to a registry: their messages, and what of them no registry keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from promptctl.exchange.written import PromptToWrite, PromptWriter
from promptctl.files.free_names import first_free
from promptctl.template_languages.double_braces import Clause, double_brace_text
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.ours import own_pieces, template_line, with_partials
from promptctl.template_languages.pieces import IncludePiece, Piece, TextPiece

_NOWHERE = {
    "name": "is a title, and a registry has only a name",
    "description": "has no place there",
    "status": "has no place there: whoever fetches the prompt is not told",
    "successor": "has no place there",
    "formerly": "has no place there",
    "copied_from": "has no place there",
}
Include = Callable[[str], str]
Write = Callable[[str, list[Clause]], str]


class PromptForRegistry(PromptWriter):
    """One prompt on its way.

    `include` returns what stands in a text in place of an include, by its path; without it, partials are written out.
    """

    def __init__(self, given: PromptToWrite, include: Include | None = None) -> None:
        super().__init__(given)
        self.include = include

    def lose_what_no_registry_keeps(self, optional: Collection[str] = ()) -> None:
        """Put down everything beside messages, model, output and tools.

        `optional` are the inputs that may be left out there, as templates ask whether they have a value.
        """
        data = self.given.data
        for key, message in _NOWHERE.items():
            if key in data and not (key == "status" and data[key] == "active"):
                self.lose(message, key)
        for name, schema in data.get("inputs", {}).items():
            plain = [("required", name not in optional), *([("type", "array")] if self._is_placeholder(name) else [])]
            keys = [key for key, value in schema.items() if (key, value) not in plain]
            if name in optional and not {"required", "default"} & schema.keys():
                keys.append("required")
            told = ", ".join(f"`{key}`" for key in keys)
            if told:
                self.lose(f"is a variable without {told} there", "inputs", name)
        output = data.get("output", {})
        if "retries" in output:
            self.lose("has no place there", "output", "retries")

    def _is_placeholder(self, name: str) -> bool:
        return any(each.get("placeholder") == name for each in self.given.data["messages"])

    def messages(self, write: Write) -> Iterator[dict[str, Any]]:
        """Yield each message with its text as `write` makes it of ours; placeholders as they are."""
        for at, message in enumerate(self.given.data["messages"]):
            if "placeholder" in message:
                yield {"placeholder": message["placeholder"]}
                continue
            for key in message.keys() - {"role", "content"}:
                self.lose("has no place there", "messages", at, key, part=f"messages[{at}].{key}")
            yield {"role": message["role"], "content": self._text(message.get("content"), at, write)}

    def _text(self, content: Any, at: int, write: Write) -> str:
        keys, part = ("messages", at, "content"), f"messages[{at}].content"
        is_whole = not isinstance(content, list)
        if isinstance(content, list):
            texts = [part["text"] for part in content if part["type"] == "text"]
            others = ", ".join(dict.fromkeys(part["type"] for part in content if part["type"] != "text"))
            what = f"is text alone there, without {others}" if others else "is one text there"
            self.lose(what, *keys, part=part)
            content = "\n\n".join(texts)
        said: list[Clause] = []
        whole, more = self.whole(content or "", said), list[Clause]()
        text = write(whole, more)
        is_own = whole == content
        said += more if is_own else [(why, template_line(content or "", self.prompt, line)) for why, line in more]
        for clause, line in dict.fromkeys(said):
            self.lose(clause, *keys, part=part, line=line if is_whole else None)
        return text

    def double_braces(self, text: str, said: list[Clause]) -> str:
        """Return a text of the prompt with `{{name}}` alone, and put down in `said` what is left out."""
        pieces = own_pieces(self.prompt, text, lambda why, line: said.append((why, line)))
        return double_brace_text(map(self._included, pieces), said)

    def jinja(self, text: str) -> str:
        """Return a text of the prompt as Jinja: as it is written, if it is that."""
        prompt = self.prompt
        return text if prompt.engine == "jinja2" else jinja_text(own_pieces(prompt, text, lambda *_: None))

    def whole(self, text: str, said: list[Clause]) -> str:
        """Return a text of the prompt with its partials written out, if nothing stands for includes."""
        if self.include is not None or self.prompt.engine != "jinja2":
            return text
        why = "nothing is included there"
        return with_partials(self.prompt, text, lambda clause, line: said.append((clause, line)), why)

    def _included(self, piece: Piece) -> Piece:
        if isinstance(piece, IncludePiece) and self.include is not None:
            return TextPiece(self.include(piece.path))
        return piece


def model_config_of(given: PromptToWrite) -> dict[str, Any]:
    """Return the model, its parameters and the tools of a prompt as the one object that a registry has for them."""
    model = {"model": given.data["model"]} if "model" in given.data else {}
    tools = {"tools": [dict(tool) for tool in given.prompt.tools]} if given.prompt.tools else {}
    return {**model, **given.data.get("parameters", {}), **tools}


def metadata_without(data: Mapping[str, Any], own: str) -> dict[str, Any]:
    """Return the metadata of a prompt file without what an import from the registry put there."""
    return {key: value for key, value in data.get("metadata", {}).items() if key != own}


def file_name(name: str, given: PromptToWrite, taken: Mapping[str, bytes]) -> str:
    """Return the name of a prompt's file, with its version if a different version of it is there already."""
    path = f"{name}.json"
    if path not in taken:
        return path
    version = given.at.version
    word = f"v{version.number}" if version.number else (version.commit or "dirty")[:7]
    return first_free(f"{name}.{word}.json", taken.__contains__, ending=".json")


def json_bytes(data: Any) -> bytes:
    """Return a JSON file as exports write it."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
