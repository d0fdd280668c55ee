"""Makes a case of a dataset out of a logged execution, without touching anything else in the file."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptctl.datasets.dataset import Dataset
from promptctl.errors import LogError, UsageError, WorkspaceError
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.tree import Overlay
from promptctl.files.writing import replace_file
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.git.trees import WorkTree
from promptctl.log.records import Execution
from promptctl.log.redaction import REDACTED
from promptctl.log.store import Store
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import SENSITIVE_MARKS


@dataclass(frozen=True, slots=True)
class Added:
    """A case that was added: its id, and the file that it stands in.

    `is_redacted` says that the log had replaced a secret in it, so that it is not the text of the call, and `is_masked`
    the same of a sensitive input.
    """

    case_id: str
    path: str
    is_redacted: bool = False
    is_masked: bool = False


def add_case(
    root: Path,
    path: str,
    log: Store,
    wanted: str,
    *,
    case_id: str | None = None,
    tags: tuple[str, ...] = (),
    expects_reply: bool = False,
    limits: DatasetLimits = DEFAULT_LIMITS,
) -> Added:
    """Append a case with the execution's inputs to the dataset at `path` (relative to `root`).

    If the dataset names another file for its cases, it is added there. The case is checked before anything is
    written. Raises `LogError` if the log kept no inputs, `UsageError` if the dataset does not test that prompt or
    has a case of that id, and `WorkspaceError` if the file is not one that a case can be added to.
    """
    found = log.execution(wanted)
    if found.inputs is None:
        raise LogError(
            f"the log kept only the numbers of execution {found.id[-8:]}, not its inputs",
            hint="keep them from now on: `log: [{prompts: '*', content: full}]` in promptctl.yaml",
        )
    tree = WorkTree(root)
    dataset = Dataset.open(tree, path, code="skip", limits=limits)
    if dataset.header.prompts and found.prompt not in dataset.header.prompts:
        raise UsageError(f"{path} tests {', '.join(dataset.header.prompts)}, and the execution is of {found.prompt}")
    chosen = case_id or f"from-{found.id[-8:]}"
    if any(case.id == chosen for case in dataset.cases()):
        raise UsageError(f"{path} has a case {chosen} already", hint="name the new one: --id CASE")
    entry = _entry(found, chosen, tags, expects_reply=expects_reply)
    cases_path = _cases_path(tree, path)
    if cases_path.endswith(".jsonl"):
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        _check(tree, path, (cases_path, line), found.prompt, limits)
        _append(root / cases_path, line)
    elif cases_path == path and path.endswith(DATASET_SUFFIXES):
        new = _with_item(tree.read(path).decode(), entry, path).encode()
        _check(tree, path, (path, new), found.prompt, limits)
        replace_file(root / path, [new])
    else:
        raise WorkspaceError(f"{cases_path}: a case is added to .yaml and .jsonl files only")
    written = json.dumps(entry)
    is_masked = any(mark in written for mark in SENSITIVE_MARKS)
    return Added(chosen, cases_path, is_redacted=REDACTED in written, is_masked=is_masked)


def _entry(found: Execution, case_id: str, tags: tuple[str, ...], *, expects_reply: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": case_id}
    if tags:
        entry["tags"] = list(tags)
    entry["inputs"] = dict(found.inputs or {})
    if expects_reply and found.reply is not None:
        try:
            entry["expected"] = json.loads(found.reply)
        except ValueError:
            entry["expected"] = found.reply
    return entry


def _cases_path(tree: WorkTree, path: str) -> str:
    """Return the file that holds the dataset's cases: its own, or the one that it names."""
    if not path.endswith(DATASET_SUFFIXES):
        return path
    return read_dataset_file(tree.read(path), path).cases_path or path


def _with_item(text: str, entry: dict[str, Any], path: str) -> str:
    """Return the file with the case after the last one; JSON on one line each is YAML too."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if re.match(r"cases:[ \t]*(#.*)?$", line.rstrip())), None)
    if start is None:
        raise WorkspaceError(
            f"{path}: its cases are not a list under a line `cases:`", hint="write each on lines of its own"
        )
    end = next((number for number in range(start + 1, len(lines)) if re.match(r"[^\s#-]", lines[number])), len(lines))
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    first = next((line for line in lines[start + 1 : end] if line.lstrip().startswith("- ")), "  - ")
    indent = " " * (len(first) - len(first.lstrip()))
    item = [f"{indent}- id: {json.dumps(entry['id'])}{end_of_line}"]
    item += [
        f"{indent}  {key}: {json.dumps(value, ensure_ascii=False)}{end_of_line}"
        for key, value in entry.items()
        if key != "id"
    ]
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += end_of_line
    return "".join([*lines[:end], *item, *lines[end:]])


def _check(tree: WorkTree, path: str, change: tuple[str, bytes], prompt_id: str, limits: DatasetLimits) -> None:
    """Nothing is written that could not be read back."""
    dataset = Dataset.open(Overlay(tree, *change), path, code="skip", limits=limits)
    problems = [each for each in dataset.check(load_prompt(tree, prompt_id)) if each.severity == "error"]
    if problems:
        first = problems[0]
        hint = "add --expect-reply, or an assertion under `defaults`" if first.code == "no-assertion" else first.hint
        raise WorkspaceError(f"the case does not fit: {first.message}", place=first.place, hint=hint)


def _append(file: Path, line: bytes) -> None:
    with file.open("r+b", buffering=0) as opened:
        size = opened.seek(0, os.SEEK_END)
        if size:
            opened.seek(size - 1)
            line = line if opened.read(1) == b"\n" else b"\n" + line
        try:
            is_whole = opened.write(line) == len(line)
            reason = "it could not be written whole"
        except OSError as error:
            is_whole, reason = False, str(error.strerror)
        if not is_whole:
            opened.truncate(size)
            raise WorkspaceError(f"cannot write {file}: {reason}")
