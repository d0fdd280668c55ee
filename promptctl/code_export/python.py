"""Python: a module for each prompt whose functions ask the model, with types of its inputs and of its output."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from unicodedata import normalize

from promptctl.code_export.naming import shown
from promptctl.code_export.python_types import WORDS, PythonTypes, docstring
from promptctl.code_export.shapes import Field, Keys, Shapes, signature_of
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.free_names import FreeNames
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion

_TAKEN = {"Inputs", "Output", "Execution", "Workspace", "REF", "DIGEST", *WORDS, *keyword.kwlist}

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
