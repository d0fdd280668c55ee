"""Rules about replies: JSON asked for in words, schemas that a provider refuses, examples that do not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from promptctl.errors import Place
from promptctl.files.document import Key
from promptctl.files.names import did_you_mean
from promptctl.linting.message_texts import MessageText
from promptctl.linting.prompt import LintedPrompt
from promptctl.linting.rules import Findings, LintFinding, finding
from promptctl.schemas.json_schema import Validator, types_of
from promptctl.schemas.keywords import schemas_in
from promptctl.schemas.words import path_text

# `Respond with a JSON object`: an instruction at the beginning of a sentence or a clause, and between its verb and
# `JSON` nothing but words of the form of a reply, so that JSON as a subject or as material is not taken for it.
_ADVERBS = r"(?:and|then|please|always|only|just|must|should|shall|you|now|finally|simply)\s{1,4}"
_BEGIN = (
    r"(?:(?:^|\n)[ \t]{0,20}(?:[-*\u2022]|\d{1,3}[.)])?[ \t]{0,8}|[.!?:;,*>\])][ \t]{0,4}|"
    rf"\b(?:and|then|please|always|only|just|must|should|shall|now)\s{{1,4}})(?:{_ADVERBS}){{0,3}}"
)
_VERB = r"(?:respond|reply|answer|return|output|produce|generate|emit|provide|give|send|write|print)"
_FILLER = (
    r"\*{0,2}(?:a|an|one|single|valid|strict|strictly|raw|pure|plain|the|this|following|only|just|with|as|in|using|"
    r"exactly|exclusively|solely|nothing|but|me|us|back|it|them|your|answer|response|reply|output|result|results|list|"
    r"array|of|well-formed|parsable|parseable|compact|minified|structured|formatted|format|object|to|the|user|form|"
    r"and)\*{0,2}"
)
_NO_REPLY = r"schemas?|lines?|ld|rpc|path|patch|pointer|parser|web|l\b|files?\b(?! with\b)|api|5\b"
_JSON = rf"\*{{0,2}}`?json`?\*{{0,2}}\b(?![- ]?(?:{_NO_REPLY}))"
_REPLY = r"(?:response|reply|answer|output)s?"
_MUST = r"(?:must|should|shall|has to|have to|needs to|is to|will)\s{1,4}(?:only |always |strictly )?"
_ASKED = re.compile(
    rf"{_BEGIN}{_VERB}[:,]?\s{{1,8}}(?:{_FILLER}[\s:,]{{1,8}}){{0,9}}{_JSON}"
    rf"|\b(?:your|the|each|every)\s{{1,4}}(?:whole |entire |final |full )?{_REPLY}\s{{1,4}}"
    rf"{_MUST}(?:be|contain|consist of|follow)\s{{1,4}}(?:{_FILLER}\s{{1,8}}){{0,6}}{_JSON}"
    rf"|\b{_REPLY}\s{{1,4}}(?:only\s{{1,4}})?(?:as|in)\s{{1,4}}(?:{_FILLER}\s{{1,8}}){{0,4}}{_JSON}",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|no|don't|avoid|without|if|when|unless|instead of|rather than)\b[^.\n]{0,40}$", re.IGNORECASE
)
_MOST_SEARCHED = 200_000
# What OpenAI's strict mode takes of JSON Schema: https://platform.openai.com/docs/guides/structured-outputs
_NOT_STRICT = (
    "allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "oneOf", "patternProperties",
    "unevaluatedProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedItems", "contains",
    "minContains", "maxContains", "uniqueItems", "prefixItems",
)  # fmt: skip
_STRICT = ("openai", "azure")
_MOST_SCHEMAS = 2_000
_MOST_EXAMPLES = 50


def in_words(prompt: LintedPrompt) -> Findings:
    """Find P301, once for a prompt."""
    if prompt.declared.output.schema is not None or prompt.data.get("response_format", {}).get("type") == "json_object":
        return
    for text in prompt.instructions:
        found = _asked_in(text.flat[:_MOST_SEARCHED])
        if found is not None:
            message = "JSON is asked for in words alone: nothing holds the model to it, or checks what it returns"
            github = "write `responseFormat: json_schema` with the schema as `jsonSchema`"
            hint = github if prompt.is_github else "declare it: `output: {schema: {$ref: NAME.schema.yaml}}`"
            yield finding("P301", message, text.place(found), hint)
            return


def _asked_in(flat: str) -> int | None:
    if "json" not in flat.lower():
        return None
    for found in _ASKED.finditer(flat):
        at = re.search("(?i)json", found[0])
        start = found.start() + (len(found[0]) - len(found[0].lstrip(" .!?:;,*>])\n")))
        line = flat[max(flat.rfind("\n", 0, start), start - 80, 0) : start]
        if at is not None and not _NOT.search(line):
            return found.start() + at.start()
    return None


def refused(prompt: LintedPrompt) -> Findings:
    """Find P302: of the output schema and of each tool that is strict."""
    facts, declared = prompt.facts, prompt.declared
    output = declared.output
    if output.schema is not None and output.is_strict and facts.provider:
        place = prompt.place("jsonSchema") if prompt.is_github else prompt.place("output", "schema")
        if not prompt.models.formats_has_schema(facts):
            message = f"`strict` holds no model to the schema here: {facts.id} takes none, and is asked in words"
            yield finding("P302", message, place, "remove `strict`, or name a model that takes a schema")
        elif facts.provider in _STRICT and not facts.is_own:
            yield from _faults(prompt, output.schema, "the output schema", place)
    for tool, source in zip(declared.tools, declared.tool_sources, strict=True):
        function = tool.get("function", {})
        if function.get("strict") is True and facts.provider in _STRICT and not facts.is_own:
            what = f"the arguments of the tool `{function['name']}`"
            yield from _faults(prompt, function.get("parameters", {}), what, source.place())


def _faults(prompt: LintedPrompt, schema: Mapping[str, Any], what: str, place: Place) -> Iterator[LintFinding]:
    """Yield the first fault: who mends it learns of the next."""
    fault = next(_strict_faults(schema), None)
    if fault is not None:
        path, message, hint = fault
        where = f" at `{path_text(path).lstrip('.')}`" if path else ""
        message = f"{prompt.facts.provider} refuses {what} in strict mode{where}: {message}"
        yield finding("P302", message, place, hint)


def _strict_faults(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[Key, ...], str, str]]:
    root = types_of(schema)
    if "anyOf" in schema or ("$ref" not in schema and root != ["object"]):
        yield (), "its root is no object", "put the value under a key of an object"
    stack: list[tuple[tuple[Key, ...], Any]] = [((), schema)]
    seen = 0
    while stack and seen < _MOST_SCHEMAS:
        path, each = stack.pop()
        seen += 1
        if not isinstance(each, Mapping):
            continue
        unknown = next((keyword for keyword in _NOT_STRICT if keyword in each), None)
        if unknown is not None:
            yield path, f"it does not know `{unknown}`", "write the schema without it; assertions can check the rest"
        properties = each.get("properties", {})
        if properties or "object" in types_of(each):
            if each.get("additionalProperties") is not False:
                yield path, "`additionalProperties: false` is missing", "add it to each object"
            missing = min(properties.keys() - set(each.get("required", ())), default=None)
            if missing is not None:
                hint = 'list it under `required`; what may be absent is `type: [string, "null"]`'
                yield path, f"`{missing}` is not required", hint
        stack += [((*path, *keys), below) for keys, below in schemas_in(each)]


def contradicting(prompt: LintedPrompt) -> Findings:
    """Find P303: messages of the assistant's, and objects in a text that is said to show an example."""
    schema = prompt.declared.output.schema
    if schema is None:
        return
    validator = Validator(schema)
    for text in prompt.texts:
        if text.role == "assistant" and all(not piece.is_value and piece.is_always_sent for piece in text.pieces):
            yield from _of_message(validator, text)
        elif text.role in ("system", "developer", "user"):
            yield from _of_examples(schema, validator, text)


def _of_message(validator: Validator, text: MessageText) -> Iterator[LintFinding]:
    shown = text.flat.strip()
    if not shown.startswith(("{", "[")):
        return  # words before the real question, which are no example of a reply
    hint = "mend the example: models follow examples more than schemas"
    try:
        value = json.loads(shown)
    except (ValueError, RecursionError):
        yield finding("P303", "this example of a reply is no JSON", text.place(0), hint)
        return
    faults = validator.problems(value)
    if faults:
        message = f"this example of a reply does not fit the output schema: {faults[0]}"
        yield finding("P303", message, text.place(0), hint)


_EXAMPLE = re.compile(
    r"(?i)(?:\bexample|\be\.g\.|\bfor instance|\bsample|\boutput|\breply|\bresponse|\banswer)[^\n{]{0,60}:?\s{0,4}"
    r"(?:```(?:json)?\s{0,4})?(\{)"
)
_STANDS_FOR = re.compile(r"\.\.\.|\u2026|<[^>]*>|\|\s*\w|\bTODO\b|^string$|^number$|^boolean$|^integer$")


def _of_examples(schema: Mapping[str, Any], validator: Validator, text: MessageText) -> Iterator[LintFinding]:
    flat = text.flat
    names = schema.get("properties", {})
    if "{" not in flat or not names or len(flat) > _MOST_SEARCHED:
        return
    for found in islice(_EXAMPLE.finditer(flat), _MOST_EXAMPLES):
        try:
            value, _ = json.JSONDecoder().raw_decode(flat[found.start(1) : found.start(1) + 20_000])
        except (ValueError, RecursionError):
            continue
        if not isinstance(value, dict) or _is_pattern(value):
            continue
        # A key that is nearly one of the schema's is a misspelling of it, so the object is an example all the same.
        if 2 * sum(key in names or did_you_mean(key, names) != "" for key in value) <= len(value):
            continue
        faults = validator.problems(value)
        if faults:
            message = f"this example of a reply does not fit the output schema: {faults[0]}"
            hint = "mend the example: models follow examples more than schemas"
            yield finding("P303", message, text.place(found.start(1)), hint)
            return


def _is_pattern(value: Any) -> bool:
    """Return True if some text of a value only stands for what belongs there: `<label>`, `...`, `low | high`."""
    if isinstance(value, dict):
        return any(map(_is_pattern, value.values()))
    if isinstance(value, list):
        return any(map(_is_pattern, value))
    return isinstance(value, str) and (_STANDS_FOR.search(value) is not None or "\ufffc" in value)
