"""Reads a prompt's inputs from the command line: `-i name=value`, `-I name=path`, `--inputs FILE`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptctl.errors import InputError, UsageError
from promptctl.files.names import did_you_mean
from promptctl.files.yaml_reader import read_yaml
from promptctl.prompts.inputs import parse_input
from promptctl.prompts.prompt import Prompt

MAX_BYTES = 16 * 1024 * 1024


def read_inputs(prompt: Prompt, pairs: Sequence[str], files: Sequence[str], many: str | None) -> dict[str, Any]:
    """All inputs given on the command line. A name given twice is an error; `--inputs` is overridden by the others.

    Values of `-i` and `-I` are read by the input's declared type; `-` reads standard input.
    """
    given: dict[str, Any] = {}
    stdin_used_by: list[str] = []
    if many is not None:
        given.update(_read_mapping(many, stdin_used_by))
    named: set[str] = set()
    for text in pairs:
        name, value = _split(text, "-i")
        _claim(name, named, prompt)
        given[name] = parse_input(prompt.inputs[name], value)
    for text in files:
        name, path = _split(text, "-I")
        _claim(name, named, prompt)
        given[name] = parse_input(prompt.inputs[name], _read_text(path, stdin_used_by, f"-I {name}"))
    return given


def read_pairs(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """`k=v` options such as `--param` and `--meta`; a value that reads as JSON is that value, else text."""
    import json

    result: dict[str, Any] = {}
    for text in pairs:
        name, value = _split(text, option)
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


def _split(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{option} takes name=value, not {text!r}")
    return name, value


def _claim(name: str, named: set[str], prompt: Prompt) -> None:
    if name in named:
        raise UsageError(f"input {name!r} is given twice")
    if name not in prompt.inputs:
        hint = did_you_mean(name, prompt.inputs) or f"declared inputs: {', '.join(prompt.inputs) or 'none'}"
        raise InputError(f"{prompt.id} has no input {name!r}", hint=hint, names=[name])
    named.add(name)


def _read_text(path: str, stdin_used_by: list[str], option: str) -> str:
    if path == "-":
        if stdin_used_by:
            raise UsageError(f"standard input is already read by {stdin_used_by[0]}; {option} cannot read it again")
        stdin_used_by.append(option)
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{option}: cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{option}: {path} is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{option}: {path} is not UTF-8 text (byte {error.start})") from error


def _read_mapping(path: str, stdin_used_by: list[str]) -> Mapping[str, Any]:
    text = _read_text(path, stdin_used_by, "--inputs")
    data = read_yaml(text.encode(), "standard input" if path == "-" else path).data
    if not isinstance(data, dict):
        raise UsageError(f"--inputs: {path} holds no mapping of names to values")
    return data
