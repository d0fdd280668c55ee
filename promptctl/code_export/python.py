"""Python: a module for each prompt whose functions ask the model, with types of its inputs and of its output."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from unicodedata import normalize

from promptctl.code_export.naming import shown
from promptctl.code_export.shapes import (
    Choice,
    Field,
    Keys,
    ListOf,
    NamedShape,
    OneOf,
    Plain,
    Shape,
    Shapes,
    signature_of,
)
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.free_names import FreeNames
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion

_BASICS = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "any": "Any",
    "never": "Never", "message": "Mapping[str, Any]",
}  # fmt: skip
_TYPING = ("Any", "Literal", "Never", "NotRequired", "TypeAlias")
_COLLECTIONS = ("Mapping", "Sequence")
_QUOTE = re.compile(r'"(?="|\Z)')
_WORDS = frozenset((*_TYPING, *_COLLECTIONS, "TypedDict", "Unpack", "str", "int", "float", "bool", "list", "dict"))
"""The names of types that modules use, which no type of theirs may have."""
_TAKEN = {"Inputs", "Output", "Execution", "Workspace", "REF", "DIGEST", *_WORDS, *keyword.kwlist}

_CALLS = '''\
def run(workspace: Workspace, /, **inputs: Unpack[Inputs]) -> {returned}:
    """Ask the model, and return {reply}. Raises as `Workspace.run` does."""
    return output_of(workspace.run(REF, {given}))


async def arun(workspace: Workspace, /, **inputs: Unpack[Inputs]) -> {returned}:
    """`run`, awaited."""
    return output_of(await workspace.arun(REF, {given}))


def output_of(execution: Execution, /) -> {returned}:
    """Return the reply of an execution of this prompt, as `run` does."""
    return {output}
'''
_RENAMED = '''\
_NAMES = {names}


def given(inputs: Inputs, /) -> dict[str, Any]:
    """Return the inputs by the names that the prompt has for them."""
    return {{_NAMES.get(name, name): value for name, value in inputs.items()}}


'''


def modules(prompts: Sequence[PromptAtVersion]) -> dict[str, bytes]:
    """Return the modules, and the packages that hold them. Raises `InvalidFiles` for two of one name."""
    made: dict[str, bytes] = {}
    ids: dict[str, str] = {}
    problems: list[Problem] = []
    for each in prompts:
        name = module_name(each.prompt.id)
        for path in (name, *map(str, PurePosixPath(name).parents)):
            if (path == name and path in ids) or (path in ids and ids[path] != f"{path}/"):
                problems.append(_collision(each.prompt, ids[path]))
            ids.setdefault(path, each.prompt.id if path == name else f"{path}/")
        for folder in PurePosixPath(name).parents:
            made[str(folder / "__init__.py")] = b'"""Prompts, as `promptctl export --to py` writes them."""\n'
        made[f"{name}.py"] = _module(each).encode()
    if problems:
        raise InvalidFiles(problems)
    return made


def _collision(prompt: Prompt, other: str) -> Problem:
    message = f"the module of `{prompt.id}` would have the name of `{other}`"
    return Problem(message, None, "export them to two folders", "same-module")


def module_name(prompt_id: str) -> str:
    """Return the path of a prompt's module without its ending.

    >>> module_name("support/refund-reply")
    'support/refund_reply'
    """
    return "/".join(identifier(part) for part in prompt_id.split("/"))


def identifier(text: str) -> str:
    """Return a text as a name of Python.

    >>> identifier("class"), identifier("a.b"), identifier("1")
    ('class_', 'a_b', '_1')
    """
    if text.isidentifier() and normalize("NFKC", text) == text:
        return f"{text}_" if keyword.iskeyword(text) else text
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
    return identifier(f"_{name}" if name[0].isdigit() else name)


def _module(at: PromptAtVersion) -> str:
    prompt = at.prompt
    shapes = Shapes(taken=FreeNames(_TAKEN, sign=""))
    inputs, output = signature_of(prompt, shapes)
    names, inputs = _renamed(inputs)
    types = PythonTypes(shapes)
    types.define("Inputs", inputs, _about_inputs(prompt, names), is_given=True)
    types.define("Output", output, f"The reply of {prompt.id}")
    types.define_named()
    has_schema = prompt.output.schema is not None
    calls = _CALLS.format(
        returned="Output | None" if has_schema and prompt.tools else "Output",
        reply=_reply(prompt),
        given="given(inputs)" if names else "inputs",
        output='cast("Output", execution.output)' if has_schema else 'execution.reply or ""',
    )
    if has_schema and prompt.tools:
        calls = calls.replace('cast("Output", ', 'cast("Output | None", ')
    renamed = _RENAMED.format(names=types.constant(names)) if names else ""
    imported = ["TYPE_CHECKING", "TypedDict", "Unpack", *types.used, *(["Any"] if names else [])]
    if has_schema:
        imported.append("cast")
    return "\n".join([
        *_header(at),
        docstring([prompt.name, prompt.description if prompt.description != prompt.name else "", prompt.retirement]),
        "",
        "from __future__ import annotations",
        "",
        *(["from collections.abc import " + ", ".join(types.used_collections)] if types.used_collections else []),
        f"from typing import {', '.join(sorted(set(imported), key=_import_order))}",
        "",
        "if TYPE_CHECKING:",
        "    from promptctl import Execution, Workspace",
        "",
        f"REF = {types.constant(str(at.ref))}",
        f"DIGEST = {types.constant(prompt.digest)}",
        *(f"\n\n{each}" for each in types.definitions),
        "",
        "",
        renamed + calls,
    ])  # fmt: skip


def _import_order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _header(at: PromptAtVersion) -> list[str]:
    return [
        f"# Generated by `promptctl export {shown(str(at.ref))} --to py`. Do not edit: change the prompt.",
        f"# Digest {at.prompt.digest}",
        "# ruff: noqa",
        "# fmt: off",
    ]


def _renamed(inputs: Keys) -> tuple[dict[str, str], Keys]:
    """Return the inputs by names that keyword arguments can have, and the prompt's own name of each that differs."""
    taken = {each.name for each in inputs.fields}
    names: dict[str, str] = {}
    fields: list[Field] = []
    for each in inputs.fields:
        name = identifier(each.name)
        while name != each.name and name in taken:
            name += "_"
        if name != each.name:
            taken.add(name)
            names[name] = each.name
        fields.append(Field(name, each.shape, each.is_required, each.description, each.default))
    return names, Keys(tuple(fields))


def _about_inputs(prompt: Prompt, names: dict[str, str]) -> str:
    said = "".join(f"\n`{own}` is given as `{name}`." for name, own in names.items())
    return f"Inputs of {prompt.id}{said}"


def _reply(prompt: Prompt) -> str:
    if prompt.output.schema is None:
        return "its reply"
    return "its reply as data, checked against the output schema" + ("; None if it calls tools" if prompt.tools else "")


class PythonTypes:
    """Definitions of one module's types, and the names that they import."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._definitions: dict[str, str] = {}
        self._names: set[str] = set()
        self._given: set[str] = set()

    @property
    def definitions(self) -> list[str]:
        """The definitions, in the order in which they were asked for."""
        return list(self._definitions.values())

    @property
    def used(self) -> list[str]:
        """The names that the definitions take from `typing`."""
        return [name for name in _TYPING if name in self._names]

    @property
    def used_collections(self) -> list[str]:
        """The names that the definitions take from `collections.abc`."""
        return [name for name in _COLLECTIONS if name in self._names]

    def define(self, name: str, shape: Shape, about: str, *, is_given: bool = False) -> None:
        """Define a type by its name: a `TypedDict`, or an alias of anything else."""
        self._definitions[name] = ""  # its place, before those that it needs
        if isinstance(shape, Keys) and (shape.fields or name == "Inputs"):
            made = self._typed_dict(name, shape, about, is_given)
        else:
            self._names.add("TypeAlias")
            text = self.text(shape, name, is_given=is_given)
            made = f"{name}: TypeAlias = {_quoted(text)}\n{docstring([about])}".rstrip("\n")
        self._definitions[name] = made

    def define_named(self) -> None:
        """Define the types that schemas name themselves."""
        for name, shape in reversed(self._shapes.named.items()):
            self.define(name, shape, "", is_given=name in self._given)

    def constant(self, value: Any) -> str:
        """Return plain data as an expression of Python."""
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.constant(key)}: {self.constant(each)}" for key, each in value.items()) + "}"
        return _quoted(value) if isinstance(value, str) else repr(value)

    def _use(self, name: str) -> str:
        self._names.add(name)
        return name

    def text(self, shape: Shape, path: str, *, is_given: bool = False) -> str:
        """Return a type as it is written; `path` names what in it needs a name."""
        match shape:
            case Plain(name):
                text = _BASICS[name]
                self._names |= {word for word in (*_TYPING, *_COLLECTIONS) if word in text}
                return text
            case Choice(values):
                return f"{self._use('Literal')}[{', '.join(self.constant(value) for value in values)}]"
            case ListOf(item):
                outer = self._use("Sequence") if is_given else "list"
                return f"{outer}[{self.text(item, f'{path}Item', is_given=is_given)}]"
            case OneOf(options):
                return " | ".join(dict.fromkeys(self.text(each, path, is_given=is_given) for each in options))
            case NamedShape(name):
                if is_given:
                    self._given.add(name)
                return name
            case Keys():
                return self._keys(shape, path, is_given)

    def _keys(self, shape: Keys, path: str, is_given: bool) -> str:
        if shape.fields:
            name = self._shapes.free_name(path)
            self.define(name, shape, "", is_given=is_given)
            return name
        rest = self._use("Never") if shape.rest is None else self.text(shape.rest, f"{path}Value", is_given=is_given)
        return f"{self._use('Mapping') if is_given else 'dict'}[str, {rest}]"

    def _typed_dict(self, name: str, shape: Keys, about: str, is_given: bool) -> str:
        types = [(each, self._field(each, name, is_given)) for each in shape.fields]
        names = [each.name for each in shape.fields]
        if not all(map(_is_plain, names)) or any(name in self._shapes.taken for name in names):
            return self._called(name, types, about)
        lines = [f"class {name}(TypedDict):"]
        if about or not types:
            lines += [docstring([about], "    "), ""] if about else ["    pass"]
        for each, text in types:
            lines.append(f"    {each.name}: {text}")
            if told := docstring(_told(each), "    "):
                lines.append(told)
        return "\n".join(lines).rstrip("\n")

    def _called(self, name: str, types: Sequence[tuple[Field, str]], about: str) -> str:
        """Return the definition for keys that no attribute can have."""
        lines = [*_comment([about]), f"{name} = TypedDict({_quoted(name)}, {{"]
        for each, text in types:
            lines += _comment(_told(each), "    ")
            lines.append(f"    {_quoted(each.name)}: {_quoted(text)},")
        return "\n".join([*lines, "})"])

    def _field(self, each: Field, owner: str, is_given: bool) -> str:
        text = self.text(each.shape, f"{owner} {each.name}", is_given=is_given)
        return text if each.is_required else f"{self._use('NotRequired')}[{text}]"


def _is_plain(name: str) -> bool:
    """Return True for a key that the body of a class can name: no word of Python's, nothing that it would mangle."""
    is_name = name.isidentifier() and not keyword.iskeyword(name) and normalize("NFKC", name) == name
    return is_name and not name.startswith("__")


def _told(each: Field) -> list[str]:
    return [each.description, f"By default {each.default}." if each.default is not None else ""]


def docstring(texts: Sequence[str], indent: str = "") -> str:
    """Return a docstring of texts, a paragraph each, which no text of it can end; empty without any.

    >>> docstring(['ends \"\"\" here'])
    '\"\"\"ends \\\\"\\\\"\" here\"\"\"'
    """
    paragraphs = [[_literal(line) for line in text.splitlines() if line.strip()] for text in texts]
    lines = [line for number, part in enumerate(filter(None, paragraphs)) for line in (["", *part] if number else part)]
    if not lines:
        return ""
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    return "\n".join(
        [f'{indent}"""{lines[0]}', *(f"{indent}{line}" if line else "" for line in lines[1:]), f'{indent}"""']
    )


def _literal(line: str) -> str:
    """Return a line of a docstring in which no two quotes stand together, and none at the end."""
    return shown(_QUOTE.sub(r'\\"', line.strip().replace("\\", "\\\\")))


def _comment(texts: Sequence[str], indent: str = "") -> list[str]:
    return [f"{indent}# {shown(line)}" for text in texts for line in text.splitlines() if line.strip()]


def _quoted(text: str) -> str:
    """Return a text as a literal; whatever is not seen is written as its number."""
    return '"' + shown(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) + '"'
