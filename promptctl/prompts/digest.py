"""The digest, which names a prompt's version exactly, wherever and whenever it is computed.

It covers what decides the prompt's behaviour, as it is declared, and everything that this pulls in: template engine,
messages, partials, inputs, model, parameters, output, response format, tools. Title, description, status, tags,
metadata, earlier ids and tests are outside it, and so is what the model never sees of an input: its title,
description, examples and comment. What is left at its default counts like what says so.

Scheme 1 is SHA-256 over canonical JSON in UTF-8 (`promptctl.files.plain.canonical_json`). Output schemas and tools are
sent as they are written, and the order of their keys steers the model: they stand in it as JSON text in that order.
Line ends are LF. Golden vectors in the tests hold all this, since a digest that changed would renumber every history.
"""

from __future__ import annotations

import hashlib
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.prompts.closure import Declared
from promptctl.prompts.prompt import MISSING, Input, Output

SCHEME = "1"

_OF_NO_EFFECT = ("title", "description", "examples", "$comment")


def digest(declared: Declared) -> str:
    """Return the digest of what a prompt declares, scheme in front: `1:<64 hex digits>`."""
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
    data: dict[str, Any] = {"schema": {k: v for k, v in declared.schema.items() if k not in _OF_NO_EFFECT}}
    if declared.default is not MISSING:
        data["default"] = declared.default
    elif not declared.is_required:
        data["required"] = False
    return data


def _output(output: Output) -> dict[str, Any]:
    return {
        "schema": canonical_json(output.schema, keeps_order=True),
        "name": output.name,
        "strict": output.is_strict,
        "retries": output.retries,
    }
