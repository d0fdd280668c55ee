"""Makes a case of a dataset out of a logged execution, without touching anything else in the file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from promptctl.errors import LogError, UsageError, WorkspaceError
from promptctl.evaluations.datasets import Dataset
from promptctl.formats.writing import replace_file
from promptctl.log.queries import execution
from promptctl.log.records import Execution
from promptctl.log.store import Log
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.tree import MemoryTree
from promptctl.versions.trees import WorkTree


def add_case(
    root: Path,
    path: str,
    log: Log,
    wanted: str,
    *,
    case_id: str | None = None,
    tags: tuple[str, ...] = (),
    expects_reply: bool = False,
) -> str:
    """Append a case with the execution's inputs to the dataset at `path` (relative to `root`) and give its id.

    The new text is checked as a whole before the file is replaced. Raises `LogError` where the log kept no inputs,
    `UsageError` where the dataset does not test that prompt or has a case of that id, and `WorkspaceError` where the
    file is not one that a case can be added to.
    """
    found = execution(log, wanted)
    if found.inputs is None:
        raise LogError(
            f"the log kept only the numbers of execution {found.id[-8:]}, not its inputs",
            hint="keep them from now on: `log: [{prompts: '*', content: full}]` in promptctl.yaml",
        )
    tree = WorkTree(root)
    dataset = Dataset.open(tree, path, is_read_only=True)
    if dataset.header.prompts and found.prompt not in dataset.header.prompts:
        raise UsageError(f"{path} tests {', '.join(dataset.header.prompts)}, and the execution is of {found.prompt}")
    chosen = case_id or f"from-{found.id[-8:]}"
    if any(case.id == chosen for case in dataset.cases()):
        raise UsageError(f"{path} has a case {chosen} already", hint="name the new one: --id CASE")
    entry = _entry(found, chosen, tags, expects_reply=expects_reply)
    if path.endswith(".csv"):
        raise WorkspaceError(f"{path}: a case is added to .yaml and .jsonl files only")
    file = root / path
    old = file.read_bytes()
    new = _with_line(old, entry) if path.endswith(".jsonl") else _with_item(old, entry, path)
    _check(tree, path, new, found.prompt)
    replace_file(file, [new])
    return chosen


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


def _with_line(old: bytes, entry: dict[str, Any]) -> bytes:
    gap = b"" if not old or old.endswith(b"\n") else b"\n"
    return old + gap + json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _with_item(old: bytes, entry: dict[str, Any], path: str) -> bytes:
    """The file with the case behind the last one; JSON on one line each is YAML too."""
    text = old.decode("utf-8")
    lines = text.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if re.match(r"cases:[ \t]*(#.*)?$", line)), None)
    if start is None:
        raise WorkspaceError(
            f"{path}: its cases are not a list under a line `cases:`", hint="add the case to the file that it names"
        )
    end = next((number for number in range(start + 1, len(lines)) if re.match(r"[^\s#-]", lines[number])), len(lines))
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    first = next((line for line in lines[start + 1 : end] if line.lstrip().startswith("- ")), "  - ")
    indent = " " * (len(first) - len(first.lstrip()))
    item = [f"{indent}- id: {json.dumps(entry['id'])}\n"]
    item += [
        f"{indent}  {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in entry.items() if key != "id"
    ]
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], *item, *lines[end:]]).encode()


def _check(tree: WorkTree, path: str, new: bytes, prompt_id: str) -> None:
    """Nothing is written that could not be read back."""
    files: dict[str, str | bytes] = {path: new}
    for folder in ("datasets", "prompts"):
        files |= {each: tree.read(each) for each in tree.paths(folder) if each != path and not each.endswith(".jsonl")}
    dataset = Dataset.open(MemoryTree(files), path, is_read_only=True)
    problems = [each for each in dataset.check(load_prompt(tree, prompt_id)) if each.severity == "error"]
    if problems:
        first = problems[0]
        raise WorkspaceError(f"the case does not fit: {first.message}", place=first.place, hint=first.hint)
