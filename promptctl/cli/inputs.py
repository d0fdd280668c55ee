"""Reads a prompt's inputs from the command line: `-i name=value`, `-I name=path`, `--inputs FILE`.

A file gives its text, or if it is an image, a sound or a PDF, its data URL.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.cli.output import tell
from promptctl.errors import UsageError, printable

if TYPE_CHECKING:
    from promptctl import PromptAtVersion
    from promptctl.cli.options import InputOptions

MAX_BYTES = 16 * 1024 * 1024
_MOST_TEXT = 256 * 1024


def read_inputs(prompt: PromptAtVersion, given: InputOptions) -> dict[str, Any]:
    """Return all inputs given on the command line. `--inputs` is overridden by `-i` and `-I`; `-` is standard input.

    Raises `UsageError` for a name that is given twice or a file that cannot be read.
    """
    stdin_used_by: list[str] = []
    document = None if given.document is None else _read_file(given.document, stdin_used_by, "--inputs")
    texts: dict[str, str | bytes] = {}
    for text in given.pairs:
        name, value = _split(text, "-i")
        _claim(name, texts)
        texts[name] = value
    for text in given.files:
        name, path = _split(text, "-I")
        _claim(name, texts)
        texts[name] = _read_file(path, stdin_used_by, f"-I {name}")
    values = prompt.read_inputs(texts, document, "standard input" if given.document == "-" else given.document or "")
    for name, file in texts.items():
        value = values[name]
        if isinstance(file, bytes) and isinstance(value, str) and value.startswith("data:") and file[:5] != b"data:":
            tell(f"{name} is sent as a data URL: {value[5:].partition(';')[0]}, {len(file):,} bytes")
    return values


def read_pairs(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """Read `k=v` options such as `--param` and `--meta`: a value that is JSON as that, any other as text."""
    import json

    result: dict[str, Any] = {}
    for text in pairs:
        name, value = _split(text, option)
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


def read_text(path: str, option: str) -> str:
    """Return the text of a file that an option names. Raises `UsageError` for what is no text, or too long for one."""
    data = _read_file(path, [], option)
    if len(data) > _MOST_TEXT:
        raise UsageError(
            f"{option}: `{printable(path)}` is larger than {_MOST_TEXT >> 10} KiB", hint="give a part of it"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{option}: `{printable(path)}` is no text in UTF-8") from error


def _split(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        name = printable(text.strip("=")) or "name"
        hint = f"{option} {name}=…" + (f", or from a file: -I {name}=FILE" if option == "-i" else "")
        raise UsageError(f"{option} takes name=value, not `{printable(text)}`", hint=hint)
    return name, value


def _claim(name: str, given: Mapping[str, str | bytes]) -> None:
    if name in given:
        raise UsageError(f"input `{name}` is given twice", hint="give it once, with -i or with -I")


def _read_file(path: str, stdin_used_by: list[str], option: str) -> bytes:
    if path == "-":
        if stdin_used_by:
            raise UsageError(f"standard input is already read by {stdin_used_by[0]}; {option} cannot read it again")
        stdin_used_by.append(option)
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        from promptctl.workspace.given_files import read_given  # few commands are given a file

        try:
            return read_given(Path(path), MAX_BYTES)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise UsageError(f"{option}: `{printable(path)}` is larger than {MAX_BYTES >> 20} MiB") from error
            raise UsageError(f"{option}: cannot read `{printable(path)}`: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{option}: `{printable(path)}` is larger than {MAX_BYTES // 1024 // 1024} MiB")
    return data
