"""Reads a JSON Schema as data: the schemas in it, its references, and what it says that we cannot keep to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from promptctl.files.names import did_you_mean
from promptctl.schemas.keywords import TYPES, BadPattern, compiled
from promptctl.schemas.messages import path_text

Path = tuple[str | int, ...]

MAX_SCHEMAS = 2000
MAX_DEPTH = 64

_ONE = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items", "extends", "disallow"})
_NAMED = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})

# Keywords that take other than schemas, of all drafts; for telling a typo from a keyword of someone's own.
_OTHER = frozenset(
    {
        "$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$ref",
        "$schema", "$vocabulary", "const", "contentEncoding", "contentMediaType", "default", "dependentRequired",
        "deprecated", "description", "divisibleBy", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum",
        "format", "id", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems",
        "minLength", "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required", "title", "type",
        "uniqueItems", "writeOnly",
        # in wide use, and no typos of the above
        "discriminator", "example", "nullable", "optional", "order", "xml",
    }
)  # fmt: skip
KEYWORDS = _ONE | _MANY | _NAMED | _OTHER

_UNSUPPORTED = {
    "unevaluatedProperties": "write `additionalProperties: false` beside the `properties` it is about",
    "unevaluatedItems": "write `items: false` beside the `prefixItems` it is about",
    "$recursiveRef": "write `$ref`",
    "$dynamicRef": "write `$ref`",
}


def subschemas(root: Any) -> Iterator[tuple[Path, Any, int]]:
    """Every schema in `root`, itself first, and every place that a `$ref` leads to; each once, with path and depth."""
    stack: list[tuple[Path, Any, int]] = [((), root, 0)]
    seen: set[int] = set()
    while stack:
        path, schema, depth = stack.pop()
        yield path, schema, depth
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        inner = list(_inner(schema))
        target = resolve(root, schema.get("$ref"))
        if isinstance(target, Mapping) and id(target) not in seen:
            stack.append(((*path, "$ref"), target, depth))
        stack.extend(((*path, *step), each, depth + 1) for step, each in reversed(inner))


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword, value in schema.items():
        if keyword in _MANY and isinstance(value, list):
            yield from (((keyword, index), each) for index, each in enumerate(value) if _is_schema(each))
        elif keyword in _ONE and _is_schema(value):
            yield (keyword,), value
        elif keyword in _NAMED and isinstance(value, Mapping):
            yield from (((keyword, name), each) for name, each in value.items() if _is_schema(each))


def _is_schema(value: Any) -> bool:
    return isinstance(value, (Mapping, bool))


def resolve(root: Any, reference: Any) -> Any:
    """The part of `root` that a reference such as `#/$defs/user` or `#user` names; None where there is none."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return _anchored(root, reference[1:])
    found = root
    for part in unquote(reference[2:]).split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _anchored(root: Any, anchor: str) -> Any:
    stack = [root]
    while stack:
        schema = stack.pop()
        if isinstance(schema, Mapping):
            if anchor in (schema.get("$anchor"), schema.get("$dynamicAnchor")):
                return schema
            stack.extend(each for _, each in _inner(schema))
    return None


def types_of(schema: Mapping[str, Any]) -> list[str]:
    """The types a value of this schema may have, in the schema's order; empty where it does not say."""
    return _types(schema, schema, 0)


def _types(schema: Any, root: Mapping[str, Any], depth: int) -> list[str]:
    if not isinstance(schema, Mapping) or depth > 8:
        return []
    named = schema.get("type")
    if named is not None:
        names = named if isinstance(named, list) else [named]
        return [name for name in names if name in TYPES]
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(allowed, list):
        return list(
            dict.fromkeys(name for value in allowed for name in TYPES if name != "number" and TYPES[name](value))
        )
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            return list(dict.fromkeys(name for each in schema[keyword] for name in _types(each, root, depth + 1)))
    for each in schema.get("allOf", ()):
        found = _types(each, root, depth + 1)
        if found:
            return found
    return _types(resolve(root, schema.get("$ref")), root, depth + 1)


def schema_problems(root: Any) -> list[str]:
    """What this schema says that we cannot, or should not, keep to; each with the path of the schema it is in."""
    problems: list[str] = []
    for count, (path, schema, depth) in enumerate(subschemas(root), 1):
        if count > MAX_SCHEMAS or depth > MAX_DEPTH:
            problems.append(
                f"$: the schema has more than {MAX_SCHEMAS:,} parts, or is more than {MAX_DEPTH} levels deep"
            )
            break
        if isinstance(schema, Mapping):
            problems.extend(f"${path_text(path)}: {text}" for text in _problems_of(schema, root))
    return list(dict.fromkeys(problems))


def _problems_of(schema: Mapping[str, Any], root: Any) -> Iterator[str]:
    yield from _type_problems(schema.get("type"))
    yield from _reference_problems(schema.get("$ref"), root)
    yield from _pattern_problems(schema)
    yield from _keyword_problems(schema)


def _type_problems(named: Any) -> Iterator[str]:
    for name in named if isinstance(named, list) else [named]:
        if isinstance(name, str) and name not in TYPES and name != "any":  # draft 3 has `any`
            meant = did_you_mean(name[:40], TYPES)
            yield f"{name[:40]!r} is no type of JSON Schema" + (f"; {meant}" if meant else "")


def _reference_problems(reference: Any, root: Any) -> Iterator[str]:
    if not isinstance(reference, str):
        return
    if not reference.startswith("#"):
        yield f"`$ref: {reference[:80]}` is not in this schema, and nothing is ever fetched"
    elif not _is_schema(resolve(root, reference)):
        yield f"`$ref: {reference[:80]}` leads nowhere"


def _pattern_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    patterns = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    if isinstance(schema.get("patternProperties"), Mapping):
        patterns.extend(schema["patternProperties"])
    for pattern in patterns:
        try:
            compiled(pattern)
        except BadPattern as error:
            yield (
                f"the pattern {pattern[:80]} cannot be used: {error} "
                "(patterns are RE2's: no lookaround, no back-references, no repetition above 1000)"
            )


def _keyword_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    for keyword in schema:
        if keyword in _UNSUPPORTED:
            yield f"`{keyword}` is not supported: {_UNSUPPORTED[keyword]}"
            continue
        # Annotations of other tools are no typos, so only a name nearly spelled as a keyword is taken for one.
        is_ours = keyword in KEYWORDS or keyword.startswith(("x-", "$")) or len(keyword) > 40
        if not is_ours and (meant := did_you_mean(keyword, KEYWORDS, mistakes=1)):
            yield f"`{keyword}` is no keyword of JSON Schema; {meant}"
