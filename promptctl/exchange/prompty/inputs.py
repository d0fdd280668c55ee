"""The inputs of a Prompty file, declared or only used, with the values of its sample."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from promptctl.exchange.prompty.header import PromptyHeader
from promptctl.exchange.prompty.properties import KINDS, RICH, declared_kind, kind_of, named_properties, schema_of
from promptctl.files.document import Key
from promptctl.templates.events import ITEM, Use

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Uses of a variable that hold without a value for it; and those to which nothing is as good as an empty value.
_GUARDED = frozenset(("default", "defined", "when", "messages"))
_EMPTY = {"string": "", "array": [], "object": {}, "boolean": False}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
}  # fmt: skip


class InputsReader:
    """Reads `inputs` and `sample`. `kinds` are the inputs that stand for more than text, by their names."""

    def __init__(self, header: PromptyHeader, version: int) -> None:
        self._header = header
        self._version = version
        self._declared: dict[str, tuple[Any, tuple[Key, ...]]] = {}
        self._sample: dict[str, Any] = {}
        self._sampled: list[tuple[Key, ...]] = []
        self._found: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self.schemas: dict[str, Any] = {}

    def read(self) -> None:
        """Read what is declared. Raises `InvalidFiles`."""
        self._read_sample()
        for name, prop, keys in named_properties(self._header, self._header.data.get("inputs") or {}, ("inputs",)):
            if not _NAME.fullmatch(name):
                self._header.drop(keys, f"`{name}` is no name that a template can use")
                continue
            self._declared[name] = prop, keys
            kind = declared_kind(prop)
            if kind in RICH:
                self.kinds[name] = kind
                continue
            self.schemas[name] = schema_of(self._header, prop, keys)
            self._take_sample(name, prop, keys)
        for name, value in self._sample.items():
            self.schemas.setdefault(name, {"type": KINDS[kind_of(value)]} if value is not None else {})

    def declared(self, events: Iterable[Use]) -> dict[str, Any]:
        """Return the inputs of the native prompt: those that are declared, and those that its messages use."""
        uses: dict[str, list[Use]] = {}
        for event in events:
            uses.setdefault(event.path[0], []).append(event)
        for name, (prop, keys) in self._declared.items():
            self._found[name] = self._input(name, prop, keys, uses.get(name, []))
        for name in [name for name in uses if name not in self._found]:
            schema = self._found[name] = dict(self.schemas.get(name, {}))
            message = "is used and not declared: "
            if name in self.kinds:
                schema |= {"type": "array", "default": []}
                message += "messages, by default none"
            elif name in self._sample:
                message += "it is of the type that its sample has"
            else:
                said = self._optional(schema, uses[name], is_said=False)
                message += "any value is taken" + (f"; it {said}" if said else "")
            self._header.note("changed", (name,), message, None, uses[name][0].line)
        for name in [each for each in self._sample if each not in self._found]:
            del self._sample[name]
            self._header.drop(("sample", name), "no message uses it")
        order = [*self._declared, *uses]
        return {name: self._found[name] for name in dict.fromkeys(order) if name in self._found}

    def is_optional(self, name: str) -> bool:
        """Return True for an input that the file says may be left out."""
        prop, _ = self._declared.get(name, ({}, ()))
        return isinstance(prop, dict) and prop.get("required") is False

    def case(self) -> dict[str, Any] | None:
        """Return the sample as the inputs of a case; None if there is none, or it lacks an input that is required."""
        case = {name: value for name, value in self._sample.items() if name in self._found}
        if not case:
            return None
        missing = [name for name, each in self._found.items() if _is_required(each) and name not in case]
        names = ", ".join(f"`{name}`" for name in missing)
        for keys in self._sampled:
            if missing:
                words = f"is written as `examples`: as a case it lacks {names}"
            elif keys == ("sample",):
                words = (
                    "is a case of a dataset, which any reply passes; Prompty also ran with it where inputs were missing"
                )
            else:
                words = "is an input of a case of a dataset, which any reply passes"
            self._header.note("changed", keys, words)
        if not missing:
            return case
        for name, value in case.items():
            self._found[name].setdefault("examples", [value])
        return None

    def _read_sample(self) -> None:
        sample = self._header.data.get("sample")
        if isinstance(sample, str):
            found = self._header.source.beside(sample, self._header.place("sample").line)
            sample = found.json("write a mapping of inputs", "the sample is no JSON")
        if sample is None:
            return
        if not isinstance(sample, dict):
            raise self._header.refuse(("sample",), "is no mapping of inputs")
        self._sample = dict(sample)
        self._sampled.append(("sample",))

    def _take_sample(self, name: str, prop: Any, keys: tuple[Key, ...]) -> None:
        """Take the sample that version 1 has within an input; a bare value is one as well."""
        if isinstance(prop, dict) and prop.get("sample") is not None:
            self._sample.setdefault(name, prop["sample"])
            self._sampled.append((*keys, "sample"))
        elif not isinstance(prop, dict) and self._version == 1:
            self._sample.setdefault(name, prop)
            self._sampled.append(keys)

    def _input(self, name: str, prop: Any, keys: tuple[Key, ...], uses: list[Use]) -> dict[str, Any]:
        kind = self.kinds.get(name)
        required = prop.get("required") if isinstance(prop, dict) else None
        default = prop.get("default") if isinstance(prop, dict) else None if self._version == 1 else prop
        if kind is not None:
            return self._rich(kind, prop, required, default, keys)
        schema = dict(self.schemas[name])
        self._fit(schema, default, self._sample.get(name), keys)
        if default is not None:
            schema["default"] = default
        elif required is not True and name not in self._sample:
            said = self._optional(schema, uses, is_said=required is False)
            if said:
                hint = "add a `default` if it may be left out" if said.startswith("must") else None
                self._header.note("changed", keys, said, hint)
        self._header.note("kept", keys, f"the input `{name}`")
        return schema

    def _rich(self, kind: str, prop: Any, required: Any, default: Any, keys: tuple[Key, ...]) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array" if kind == "thread" else "string"}
        if isinstance(prop, dict) and prop.get("description"):
            schema["description"] = prop["description"]
        if required is False and default is None:
            schema["required"] = False
        elif kind == "thread" and required is not True:
            schema["default"] = default if isinstance(default, list) else []
        elif default is not None:
            schema["default"] = default
        words = {"thread": "stands for messages", "image": "is an image's URL", "audio": "is a sound in base64"}
        self._header.note("kept", keys, f"the input {words.get(kind, 'is a file in base64')}")
        return schema

    def _fit(self, schema: dict[str, Any], default: Any, sample: Any, keys: tuple[Key, ...]) -> None:
        """Take the type out of a schema that the file's own values do not have: Prompty never checks them."""
        kind = schema.get("type")
        for value in (default, sample):
            if value is None or not isinstance(kind, str):
                continue
            if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
                for key in ("type", "items", "properties", "required"):
                    schema.pop(key, None)
                self._header.note(
                    "changed", keys, f"any value is taken: a value in the file is of another type than {kind}"
                )
                return

    def _optional(self, schema: dict[str, Any], uses: Collection[Use], *, is_said: bool) -> str:
        """Add what stands for no value: nothing if all uses expect that, else an empty one if it prints the same.

        Return what is different from Prompty then, as a clause; nothing if all is the same.
        """
        kind = schema.get("type")
        if not any(each.act not in _GUARDED and not _is_under(each, "defined") for each in uses):
            schema["required"] = False
            return ""
        if needs_value(uses, kind) and not (is_said and kind == "string"):
            return "must be given here; Prompty prints nothing in its place"
        if isinstance(kind, str) and kind in _EMPTY and not (kind == "object" and schema.get("required")):
            schema["default"] = _EMPTY[kind]
            return "is empty where it is not given, which prints the same"
        if isinstance(kind, str):
            schema["type"] = [kind, "null"]
        schema["default"] = None
        return "is null where it is not given, which prints the same"


def needs_value(uses: Collection[Use], kind: Any) -> bool:
    """Return True if one of these uses of an input prints something else, or fails, without a value for it."""
    return any(
        each.act not in _GUARDED
        and each.act != "truth"
        and not (kind == "array" and (each.act == "list" or each.path[1:2] == (ITEM,)))
        and not _is_under(each, "defined")
        and not _is_under(each, "true")
        for each in uses
    )


def _is_under(use: Use, kind: str) -> bool:
    """Return True if a variable is used only where a test of it holds."""
    return any(
        each.kind == kind and each.path[:1] == use.path[:1] for condition in use.holds for each in condition.all_of()
    )


def _is_required(schema: Mapping[str, Any]) -> bool:
    return "default" not in schema and schema.get("required") is not False
