"""The JSON Schemas of the `--json` documents: made from the shapes beside them, and what holds outputs to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

FOLDER = Path(__file__).parent.parent / "promptctl/reports/json"
MAYBE = "maybe "
# A webhook is sent the first, an application stores the second, and any command may print the third.
NO_COMMANDS = {"budget alert", "message metadata", "failure"}
_SHAPES = yaml.load((FOLDER / "shapes.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
DOCUMENTS = {*_SHAPES["documents"]}
PLAIN = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "time": {"type": "string", "format": "date-time"},
    "any": {},
}


def schemas(shapes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (2020-12) of each document, by file name."""
    documents = shapes["documents"]
    made = {}
    for command, shape in documents.items():
        schema = Maker(shapes)
        body = schema.of(shape)
        made[file_name(command)] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"promptctl {command}{'' if command in NO_COMMANDS else ' --json'}",
            **body,
            "$defs": {name: schema.used[name] for name in sorted(schema.used)},
        }
    return made


def file_name(command: str) -> str:
    """Return the name of the schema of a document."""
    return command.replace(" --", "-").replace(" ", "-") + ".schema.json"


def fits(command: str, document: Any) -> None:
    """Raise `ValidationError` if the output of a command is not as its schema says."""
    _validator(file_name(command)).validate(document)


def command_of(arguments: Sequence[str]) -> str | None:
    """Return the name of the document that these arguments of promptctl print; None if there is none.

    >>> command_of(["label", "lock", "--check"]), command_of(["run", "triage"])
    ('label lock --check', 'run')
    """
    named: list[list[str]] = [name.split() for name in DOCUMENTS if name not in NO_COMMANDS]
    meant = [words for words in named if words[0] in arguments[:1] and {*words} <= {*arguments}]
    meant.sort(key=lambda words: (len(words), "--dry-run" in words))
    return " ".join(meant[-1]) if meant else None


@cache
def _validator(file: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / file).read_text(encoding="utf-8")))


class Maker:
    """Makes the schema of one document, and keeps the named shapes that it uses."""

    def __init__(self, shapes: Mapping[str, Any]) -> None:
        self.used: dict[str, Any] = {}
        self._shapes = shapes

    def of(self, shape: Any) -> dict[str, Any]:
        if isinstance(shape, list):
            return {"type": "array", "items": self.of(shape[0])}
        if isinstance(shape, Mapping):
            return self._object(shape)
        name = str(shape)
        if name.startswith(MAYBE):
            found = self.of(name.removeprefix(MAYBE))
            if "type" in found:
                return {**found, "type": [found["type"], "null"]}
            return {"anyOf": [found, {"type": "null"}]}
        if "|" in name:
            return {"enum": [None if part == "null" else part for part in name.split(" | ")]}
        if name in PLAIN:
            return dict(PLAIN[name])
        if name not in self.used:
            self.used[name] = {}
            self.used[name] = self.of(self._shapes[name])
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, shape: Mapping[str, Any]) -> dict[str, Any]:
        keys = self._keys(shape)
        others = keys.pop("*", None)
        properties = {key.removeprefix(MAYBE): self.of(type_) for key, type_ in keys.items()}
        if self._shapes.get("metadata") not in (shape, self._shapes.get(shape.get("+", ""))):
            check_keys(properties)
        return {
            "type": "object",
            "properties": properties,
            "required": [key for key in keys if not key.startswith(MAYBE)],
            "additionalProperties": False if others is None else self.of(others),
        }

    def _keys(self, shape: Mapping[str, Any]) -> dict[str, Any]:
        keys = dict(shape)
        inherited = keys.pop("+", None)
        return {**self._keys(self._shapes[inherited]), **keys} if inherited else keys


def check_keys(properties: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `ValueError` for a key that says something else than the same key in another document.

    The metadata of a message is not asked: applications store it as it is. A list may be a column of versions.
    """
    if "version_display" in properties and "version" not in properties:
        raise ValueError("`version_display` is the text of `version`, which is missing")
    for key, schema in properties.items():
        type_ = schema.get("items", schema).get("type")
        types = {*type_} if isinstance(type_, list) else {type_}
        if "boolean" in types and key.startswith(("is_", "has_")):
            raise ValueError(f"`{key}`: a boolean is called without its verb")
        if key == "id" or key.endswith("_id"):
            raise ValueError(f"`{key}`: an id is called after what it is of, such as `execution`")
        is_number = key.endswith("_nano_usd") or (key == "version" and "items" not in schema)
        if is_number and not types <= {"integer", "null"}:
            raise ValueError(f"`{key}` is an integer or null")


def texts() -> dict[str, str]:
    """Return the files as they should be, by name."""
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in schemas(_SHAPES).items()}


def main() -> None:
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
