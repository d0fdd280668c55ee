"""Checks of one prompt whose files could all be read: templates, variables, schemas, defaults."""

from __future__ import annotations

from collections.abc import Iterator

from promptctl.errors import Place, Problem, one_of_each_kind
from promptctl.files.merges import indented_merge
from promptctl.files.names import MAX_SUGGESTIONS, did_you_mean
from promptctl.formats.github_dialect import placeholders
from promptctl.prompts.closure import Declared, message_texts, named_outside_templates
from promptctl.prompts.prompt import MISSING
from promptctl.prompts.variable_use import unfilled_variables, used_variables
from promptctl.schemas.checks import schema_problems
from promptctl.schemas.json_schema import TOGETHER_S, Allowance, Validator, types_of
from promptctl.schemas.references import SchemaSource
from promptctl.templates.reading import check_syntax


def problems_of_prompt(resolved: Declared, prompt_id: str) -> Iterator[Problem]:
    """Yield every problem of the prompt that does not keep its files from being read."""
    for text, keys in message_texts(resolved.file.data["messages"]):
        if (line := indented_merge(text)) is not None:
            place = resolved.file.document.line_place(line, *keys)
            hint = "keep one side and remove the markers, unless they are text for the model"
            yield Problem("the message holds an unresolved merge", place, hint, "unresolved-merge", "warning")
    if resolved.file.dialect == "github":
        yield from one_of_each_kind(_problems_of_test_rows(resolved))
        return
    faults: list[Problem] = []
    if resolved.is_jinja:
        faults += _problems_of_templates(resolved)
        yield from faults
    # What a template that does not parse uses is not known.
    yield from (each for each in _problems_of_variables(resolved) if not faults or each.code != "unused")
    yield from _problems_of_schemas(resolved)
    yield from _problems_of_status(resolved, prompt_id)
    if prompt_id in resolved.file.data.get("formerly", ()):
        place = resolved.file.document.place("formerly")
        yield Problem(f"`{prompt_id}` is what the prompt is named now", place, "remove it", "formerly-itself")


def _problems_of_status(resolved: Declared, prompt_id: str) -> Iterator[Problem]:
    data, document = resolved.file.data, resolved.file.document
    successor = data.get("successor")
    if successor == prompt_id:
        hint = "name a different prompt, or remove it"
        yield Problem(f"`{prompt_id}` is its own successor", document.place("successor"), hint, "wrong-successor")
    elif data.get("status") == "deprecated":
        hint = f"use {successor}" if successor else f"say what to use: promptctl deprecate {prompt_id} --use OTHER"
        yield Problem(f"`{prompt_id}` is deprecated", document.place("status"), hint, "deprecated", "warning")


def unused_inputs(resolved: Declared) -> Iterator[Problem]:
    """Yield the problem of each input, in a file of GitHub's of each column of the tests, that nothing uses."""
    is_github = resolved.file.dialect == "github"
    found = _problems_of_test_rows(resolved) if is_github else _problems_of_variables(resolved)
    return (problem for problem in found if problem.code == "unused")


def problems_of_partial(text: str, path: str) -> Iterator[Problem]:
    """Yield the problem of a partial that is no sound template."""
    fault = check_syntax(text)
    if fault is not None:
        yield Problem(fault[0], Place(path, fault[1]), fault[2], "bad-template")


def _problems_of_templates(resolved: Declared) -> Iterator[Problem]:
    for text, _, place_of in resolved.templates():
        if (fault := check_syntax(text)) is not None:
            yield Problem(fault[0], place_of(fault[1]), fault[2], "bad-template")


def _problems_of_variables(resolved: Declared) -> Iterator[Problem]:
    data, inputs = resolved.file.data, resolved.inputs
    used = used_variables(resolved)
    is_simple = data.get("template") == "simple"
    undeclared = sorted(used.keys() - inputs.keys(), key=lambda name: (used[name].path, used[name].line or 0, name))
    for number, name in enumerate(undeclared):
        meant = did_you_mean(name, inputs) if number < MAX_SUGGESTIONS else ""
        hint = meant or f"declare it: `inputs: {{{name}: {{type: string}}}}`"
        if is_simple:
            message = f"`{name}` is not declared under `inputs`, so `{{{{{name}}}}}` is sent as it stands"
            yield Problem(message, used[name], hint, "undeclared", "warning")
        else:
            yield Problem(f"`{name}` is not declared under `inputs`", used[name], hint, "undeclared")
    not_filled = dict(unfilled_variables(resolved, inputs))
    yield from not_filled.values()
    outside = {name for name, _ in named_outside_templates(data["messages"])}
    for name in inputs.keys() - used.keys() - outside - not_filled.keys():
        hint = "remove it, or use it in a message"
        yield Problem(f"the input `{name}` is used nowhere", inputs[name].place, hint, "unused", "warning")


def _problems_of_schemas(resolved: Declared) -> Iterator[Problem]:
    document, allowance = resolved.file.document, Allowance(TOGETHER_S)
    for name, declared in resolved.inputs.items():
        problems = schema_problems(declared.schema, SchemaSource(document, ("inputs", name)), is_closed=True)
        yield from problems
        if not problems and declared.default is not MISSING:
            place = document.place("inputs", name, "default")
            for path, text in Validator(declared.schema).faults(declared.default, allowance):
                message = f"the default of `{name}` does not fit its schema: `{name}{path}` {text}"
                yield Problem(message, place, "change the default, or the schema", "wrong-default")
    yield from _problems_of_placeholders(resolved)
    output = resolved.output
    if output.schema is not None:
        yield from schema_problems(output.schema, SchemaSource(document, ("output", "schema")))
    for tool, source in zip(resolved.tools, resolved.tool_sources, strict=True):
        if tool["type"] == "function" and "parameters" in tool["function"]:
            yield from schema_problems(tool["function"]["parameters"], source.below("function", "parameters"))


def _problems_of_placeholders(resolved: Declared) -> Iterator[Problem]:
    """A placeholder stands for a list of messages, so its input must be able to be one."""
    for index, message in enumerate(resolved.file.data["messages"]):
        declared = resolved.inputs.get(message.get("placeholder", ""))
        types = types_of(declared.schema) if declared is not None else []
        if declared is not None and types and "array" not in types:
            place = resolved.file.document.place("messages", index, "placeholder")
            hint = f"declare it as a list of messages: `{declared.name}: {{type: array}}`"
            message_text = f"the placeholder `{declared.name}` is declared as {' or '.join(types)}"
            yield Problem(message_text, place, hint, "wrong-placeholder")


def _problems_of_test_rows(resolved: Declared) -> Iterator[Problem]:
    """Yield mismatches of a GitHub file's test rows and variables: names without a value, values that nothing uses."""
    rows = (resolved.file.inline_dataset or {}).get("testData") or ()
    document = resolved.file.document
    named = {name for message in resolved.file.data["messages"] for name in placeholders(message["content"])}
    for index, row in enumerate(rows):
        place = document.place("testData", index)
        for name in sorted(named - row.keys()):
            message = f"test row {index + 1} gives no `{name}`, so `{{{{{name}}}}}` is sent as it stands"
            yield Problem(message, place, f"add `{name}` to the row", "missing-input", "warning")
    given = {name for row in rows for name in row}
    not_filled = dict(unfilled_variables(resolved, named | given))
    yield from not_filled.values()
    unused = given - named - {"expected"} - not_filled.keys()
    for name in sorted(unused) if rows and named else ():
        message = f"the test rows give `{name}`, which no message uses"
        yield Problem(message, document.place("testData"), "remove it, or use it", "unused", "warning")
