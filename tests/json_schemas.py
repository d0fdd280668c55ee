"""Write the JSON Schema of each command's `--json` document from the shapes beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "promptctl/reports/json"
MAYBE = "maybe "
# A webhook is sent the first, an application stores the second, and any command may print the third.
_NO_COMMANDS = {"budget alert", "message metadata", "failure"}
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
        made[f"{command.replace(' --', '-').replace(' ', '-')}.schema.json"] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"promptctl {command}{'' if command in _NO_COMMANDS else ' --json'}",
            **body,
            "$defs": {name: schema.used[name] for name in sorted(schema.used)},
        }
    return made


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
        return {
            "type": "object",
            "properties": {key.removeprefix(MAYBE): self.of(type_) for key, type_ in keys.items()},
            "required": [key for key in keys if not key.startswith(MAYBE)],
            "additionalProperties": False if others is None else self.of(others),
        }

    def _keys(self, shape: Mapping[str, Any]) -> dict[str, Any]:
        keys = dict(shape)
        inherited = keys.pop("+", None)
        return {**self._keys(self._shapes[inherited]), **keys} if inherited else keys


def texts() -> dict[str, str]:
    """Return the files as they should be, by name."""
    shapes = yaml.safe_load((FOLDER / "shapes.yaml").read_text(encoding="utf-8"))
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in schemas(shapes).items()}


def main() -> None:
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
