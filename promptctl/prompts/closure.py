"""The closure of a prompt file: what it declares with the partials, schemas and tools that it names; its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.document import Document, Key
from promptctl.files.names import PROMPTS, PathRefused, did_you_mean, resolve_path
from promptctl.files.plain import canonical_json
from promptctl.files.sources import Sources
from promptctl.formats.prompt_file import PromptFile, read_prompt_file
from promptctl.formats.schemas import structure_of
from promptctl.prompts.prompt import MISSING, Input, Output
from promptctl.schemas.keywords import FORMS
from promptctl.schemas.references import SchemaSource, bundle, follow
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

JINJA_WORDS = frozenset(
    ("False", "None", "True", "and", "else", "false", "if", "in", "is", "loop", "none", "not", "or", "range", "self",
     "true")
)  # fmt: skip

# A partial that includes one that includes one: deeper than this nobody can follow.
MAX_DEPTH = 10

SCHEME = "1"  # of digests
# Keywords of an input's schema that are for people alone: no digest covers them.
INPUT_WORDS = ("title", "description", "examples", "$comment")


@dataclass(frozen=True, slots=True)
class Declared:
    """A prompt file with the files it names read and bundled in. `source` is the file as it was read.

    `tool_sources` say where each tool is written, `partials` are by their paths below the folder `base`.
    """

    source: bytes
    file: PromptFile
    inputs: Mapping[str, Input]
    output: Output
    tools: tuple[Mapping[str, Any], ...]
    tool_sources: tuple[SchemaSource, ...]
    partials: Mapping[str, str]
    base: str = PROMPTS

    @property
    def is_jinja(self) -> bool:
        """True if its messages are templates of Jinja."""
        return bool(self.file.data.get("template", "jinja2") == "jinja2")

    def templates(self) -> Iterator[tuple[str, str, Callable[[int], Place]]]:
        """Yield each text of messages and each partial, with the path of its file, and what places a line of it."""
        for text, keys in message_texts(self.file.data["messages"]):
            yield text, self.file.path, self.file.document.line_placer(*keys)
        for name, text in self.partials.items():
            yield text, f"{self.base}/{name}", partial(Place, f"{self.base}/{name}")


def resolve(path: str, sources: Sources) -> Declared | None:
    """Return the prompt at `path` with all that it names; None if the file itself cannot be read.

    Problems are added to `sources`, whose `paths` are then the closure.
    """
    data = sources.bytes_of(path, Place(path), "prompt")
    if data is None:
        return None
    found = sources.made("prompt", path, data, lambda: _read(data, path, with_places=sources.is_for_people))
    if not isinstance(found, PromptFile):
        sources.problems += found
        return None
    sources.problems += found.problems
    return _Resolver(data, found, sources).resolved()


def message_texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[Key, ...]]]:
    """Yield each text of the messages that is a template, with the keys that it stands under in the file."""
    for index, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, str):
            yield content, ("messages", index, "content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            for text, keys in part_texts(part):
                yield text, ("messages", index, "content", number, *keys)


def named_outside_templates(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[Key, ...]]]:
    """Yield each input that the messages name as a `placeholder` or in a part's `when`, with the keys it is under."""
    for index, message in enumerate(messages):
        content = message.get("content")
        if message.get("placeholder"):
            yield message["placeholder"], ("messages", index, "placeholder")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("when"):
                yield part["when"], ("messages", index, "content", number, "when")


def part_texts(part: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each text of a content part that is a template, with its keys; `type` and `when` are none."""
    for key, value in part.items():
        if isinstance(value, dict):
            yield from ((text, (key, name)) for name, text in value.items() if isinstance(text, str))
        elif isinstance(value, str) and key not in ("type", "when"):
            yield value, (key,)


def _read(data: bytes, path: str, *, with_places: bool) -> PromptFile | tuple[Problem, ...]:
    try:
        file = read_prompt_file(data, path)
    except InvalidFiles as error:
        return error.problems
    # A cache holds many: without the places, which take most of the memory.
    return file if with_places else replace(file, document=Document(file.data, path))


class _Resolver:
    def __init__(self, source: bytes, file: PromptFile, sources: Sources) -> None:
        self._source = source
        self._file = file
        self._data = file.data
        self._document = file.document.over(file.data)
        self._sources = sources
        self._base = sources.base_of(file.path)

    def resolved(self) -> Declared:
        inputs = self._inputs()
        is_jinja = self._data.get("template", "jinja2") == "jinja2"
        if is_jinja:
            self._check_names(inputs)
        self._check_uses(inputs)
        partials = Partials(self._sources, self._base)
        if is_jinja:
            for text, keys in message_texts(self._data["messages"]):
                partials.include_all(text, self._file.path, self._document.line_placer(*keys))
        texts = dict(sorted(partials.texts.items()))
        output, (tools, sources) = self._output(), self._tools()
        return Declared(self._source, self._file, inputs, output, tools, sources, texts, partials.base)

    def _inputs(self) -> dict[str, Input]:
        inputs: dict[str, Input] = {}
        for name, given in self._data.get("inputs", {}).items():
            # A list is JSON Schema's own `required`, for the keys of an object; ours is true or false.
            ours = {"default", "sensitive"} | ({"required"} if isinstance(given.get("required"), bool) else set())
            for key in given.keys() - FORMS.keys() - ours:  # one that hides nothing must not look as if it did
                if hint := did_you_mean(key, ["sensitive"]):
                    place = self._document.key_place("inputs", name, key)
                    self._tell(f"unknown key `{key}` in `inputs.{name}`", place, hint, "unknown-key")
            inputs[name] = Input(
                name=name,
                schema=bundle(SchemaSource(self._document, ("inputs", name)), self._sources, ours),
                default=given.get("default", MISSING),
                is_required="default" not in given and given.get("required") is not False,
                is_sensitive=given.get("sensitive") is True,
                place=self._document.key_place("inputs", name),
            )
        return inputs

    def _check_names(self, inputs: Mapping[str, Input]) -> None:
        for name, declared in inputs.items():
            if not name.isidentifier() or name in JINJA_WORDS:
                hint = "use letters, digits and `_`, and no word of Jinja's own"
                self._tell(f"`{name}` cannot be the name of a Jinja variable", declared.place, hint, "wrong-name")

    def _check_uses(self, inputs: Mapping[str, Input]) -> None:
        """Report inputs that are named outside the templates and not declared."""
        for name, keys in named_outside_templates(self._data["messages"]):
            if name not in inputs:
                hint = f"declare it: `inputs: {{{name}: {{type: {'string' if keys[-1] == 'when' else 'array'}}}}}`"
                self._tell(f"`{name}` is not declared under `inputs`", self._document.place(*keys), hint, "undeclared")

    def _output(self) -> Output:
        given = self._data.get("output")
        if given is None:
            return Output()
        return Output(
            schema=bundle(SchemaSource(self._document, ("output", "schema")), self._sources),
            schema_path=self._path_of(given["schema"]),
            name=given.get("name", "output"),
            is_strict=given.get("strict", False),
            retries=given.get("retries", 0),
        )

    def _path_of(self, schema: Mapping[str, Any]) -> str | None:
        """Return the file that the schema is nothing but a reference to."""
        path = str(schema.get("$ref", "")).partition("#")[0] if len(schema) == 1 else ""
        try:
            return resolve_path(path, self._file.path, self._base)
        except PathRefused:
            return None

    def _tools(self) -> tuple[tuple[Mapping[str, Any], ...], tuple[SchemaSource, ...]]:
        """Return the sound tools, and where each is written."""
        made = [(tool, source) for source in self._tool_sources() if (tool := self._tool(source))]
        tools = tuple(tool for tool, _ in made)
        self._check_distinct(tools)
        return tools, tuple(source for _, source in made)

    def _tool_sources(self) -> Iterator[SchemaSource]:
        for index, given in enumerate(self._data.get("tools", ())):
            source = SchemaSource(self._document, (), ("tools", index))
            target = follow(given["$ref"], source, self._sources, "tool") if "$ref" in given else source
            if target is not None:
                found = target.data
                yield from map(target.below, range(len(found))) if isinstance(found, list) else [target]

    def _tool(self, source: SchemaSource) -> Mapping[str, Any]:
        """Return the tool with the schema of its arguments bundled; empty if it is none."""
        keys = (*source.base, *source.keys)
        problems = structure_of("prompt", "tool").check(source.document.part(*keys))
        self._sources.problems += problems
        tool: Mapping[str, Any] = {} if problems else source.data
        if tool.get("type") != "function" or "parameters" not in tool["function"]:
            return tool
        arguments = bundle(SchemaSource(source.document, (*keys, "function", "parameters")), self._sources)
        return {**tool, "function": {**tool["function"], "parameters": arguments}}

    def _check_distinct(self, tools: Sequence[Mapping[str, Any]]) -> None:
        names = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._tell(f"two tools are named `{name}`", self._document.place("tools"), "rename one", "duplicate-tool")

    def _tell(self, message: str, place: Place | None, hint: str, code: str) -> None:
        self._sources.problems.append(Problem(message, place, hint, code))


class Partials:
    """Collector of partials: `texts` by their path below `base`. Problems are added to those of the sources.

    `sound` says how deep the includes of a partial go, by its path, if nothing is wrong with any of them: who checks
    all partials need not read such a one for each that includes it. What is found is added.
    """

    def __init__(self, sources: Sources, base: str, sound: dict[str, int] | None = None) -> None:
        self._sources = sources
        self.base = base
        self._sound = sound
        self.texts: dict[str, str] = {}

    def include_all(
        self, text: str, path: str, place_of: Callable[[int], Place], chain: tuple[str, ...] = ()
    ) -> int | None:
        """Read what a template's text includes; return how deep that goes, None if something is wrong with it.

        `path` is its file; `place_of` returns the place of each of its lines; `chain` holds its includers' paths.
        """
        try:
            found = includes(text)
        except BadTemplate as error:
            self._report(error.message, place_of(error.line), error.hint, "bad-template")
            return None
        known, depths = self._sound or {}, [0]
        for reference, line in found:
            place = place_of(line)
            target = self._sources.locate(reference, path, place)
            depth = None
            if target in chain:
                self._report(f"{target} includes itself", place, "break the circle", "circular-include")
            elif target is not None and (target in known or target.removeprefix(self.base + "/") not in self.texts):
                if len(chain) + 1 + known.get(target, 0) > MAX_DEPTH:
                    words = f"partials include each other more than {MAX_DEPTH} deep"
                    self._report(words, place, "flatten them", "too-deep")
                else:
                    depth = known[target] if target in known else self._read(target, place, (*chain, target))
            depths.append(-1 if depth is None else depth + 1)
        return max(depths) if -1 not in depths else None

    def _read(self, path: str, place: Place, chain: tuple[str, ...]) -> int | None:
        data = self._sources.bytes_of(path, place, "partial")
        if data is None:
            return None
        text = self._sources.made("partial", path, data, lambda: decode_partial(data, path))
        if isinstance(text, Problem):
            self._sources.problems.append(text)
            return None
        if self._sources.is_for_people and "<<<<<<<" in text:
            from promptctl.files.merges import unresolved_merge

            if (merge := unresolved_merge(text, path)) is not None:
                self._sources.problems.append(merge)
        self.texts[path.removeprefix(self.base + "/")] = _kept_once(text)
        depth = self.include_all(text, path, lambda line: Place(path, line), chain)
        if self._sound is not None and depth is not None:
            self._sound[path] = depth
        return depth

    def _report(self, message: str, place: Place, hint: str, code: str) -> None:
        self._sources.problems.append(Problem(message, place, hint, code))


def decode_partial(data: bytes, path: str) -> str | Problem:
    """Return a partial's text (UTF-8, a byte order mark left out, line ends as LF), or the problem if it is none."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        from promptctl.files.yaml_problems import not_utf8

        return not_utf8(path, data, error)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Problem("the file holds a NUL character", Place(path, line), "remove it", "forbidden-character")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def digest(declared: Declared) -> str:
    """Return the digest of what a prompt declares, scheme in front: `1:<64 hex digits>`.

    It names a prompt's version exactly, wherever and whenever it is computed. It covers what decides the prompt's
    behaviour, as it is declared, and everything that this pulls in: template engine, messages, partials, inputs, model,
    parameters, output, response format, tools. Title, description, status, tags, metadata, earlier ids and tests are
    outside it, and so is what the model never sees of an input: its title, description, examples and comment. What is
    left at its default counts like what says so.

    Scheme 1 is SHA-256 over canonical JSON in UTF-8 (`promptctl.files.plain.canonical_json`). Output schemas and tools
    are sent as they are written, and the order of their keys steers the model: they stand in it as JSON text in that
    order. Line ends are LF. Golden vectors in the tests hold all this, since a digest that changed would renumber every
    history.
    """
    text = canonical_json(_as_data(declared))
    return f"{SCHEME}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _as_data(declared: Declared) -> dict[str, Any]:
    data, output = declared.file.data, declared.output
    # A GitHub file declares no inputs: they are read off its messages, and off its tests, which no digest covers.
    inputs = declared.inputs if declared.file.dialect == "native" else {}
    parts: dict[str, Any] = {
        "template": data.get("template", "jinja2"),
        "messages": data["messages"],
        "model": data.get("model"),
        "parameters": data.get("parameters"),
        "inputs": {name: _input(each) for name, each in inputs.items()},
        "output": None if output.schema is None else _output(output),
        "response_format": data.get("response_format"),
        "tools": [canonical_json(tool, keeps_order=True) for tool in declared.tools],
        "partials": declared.partials,
    }
    # A key that a later version adds must leave the digests of prompts without it as they are.
    return {key: value for key, value in parts.items() if value}


def _input(declared: Input) -> dict[str, Any]:
    data: dict[str, Any] = {"schema": {k: v for k, v in declared.schema.items() if k not in INPUT_WORDS}}
    if declared.default is not MISSING:
        data["default"] = declared.default
    elif not declared.is_required:
        data["required"] = False
    return data


@lru_cache(maxsize=8)
def _kept_once(text: str) -> str:
    """Return the equal text that is held already, so that prompts which share a large partial do not hold it each."""
    return text


def _output(output: Output) -> dict[str, Any]:
    return {
        "schema": canonical_json(output.schema, keeps_order=True),
        "name": output.name,
        "strict": output.is_strict,
        "retries": output.retries,
    }
