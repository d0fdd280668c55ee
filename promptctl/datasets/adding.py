"""Makes a case of a dataset out of a logged execution, without touching anything else in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles, LogError, UsageError, WorkspaceError
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import Overlay
from promptctl.files.yaml_editing import Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.git.trees import WorkTree
from promptctl.log.feedback import as_expected
from promptctl.log.records import Execution
from promptctl.log.redaction import REDACTED
from promptctl.log.store import Store
from promptctl.prompts.loading import load_prompt, path_in
from promptctl.prompts.prompt import MISSING, SENSITIVE_MARKS, Prompt

if TYPE_CHECKING:
    from promptctl.datasets.splitting import Split

_MOST_BYTES = 1 << 30
# Line ends of YAML 1.1, and characters that YAML takes only escaped.
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


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
    file = CaseFile(root, path, limits)
    if file.prompts and found.prompt not in file.prompts:
        message = f"{path} tests {', '.join(file.prompts)}, and the execution is of {found.prompt}"
        raise UsageError(message, hint="name a dataset that tests it, or write it under `prompts:` of this one")
    chosen = case_id or case_name(found.id)
    if any(case.id == chosen for case in file.cases()):
        raise UsageError(f"{path} has a case {chosen} already", hint="name the new one: --id CASE")
    expected = as_expected(found.reply) if expects_reply and found.reply is not None else MISSING
    entry = case_of(found, chosen, tags, expected)
    Proposal((file.change([entry], found.prompt),)).write(root)
    written = json.dumps(entry)
    is_masked = any(mark in written for mark in SENSITIVE_MARKS)
    return Added(chosen, file.path, is_redacted=REDACTED in written, is_masked=is_masked)


class CaseFile:
    """The file that cases of the dataset at `path` (relative to `root`) are added to: its own, or one that it names.

    Without a file there, one begins for the prompt `new_for`. Raises `WorkspaceError` if it is not one that a case can
    be added to.
    """

    def __init__(self, root: Path, path: str, limits: DatasetLimits, *, new_for: str | None = None) -> None:
        self._dataset_path, self._limits = path, limits
        self._tree = WorkTree(root)
        self._head = None if new_for is None else f"prompts: [{json.dumps(new_for)}]\ncases:\n"
        self._dataset = Dataset.open(self._tree, path, code="skip", limits=limits) if new_for is None else None
        self.prompts = self._dataset.header.prompts if self._dataset else (str(new_for),)
        self.path = path if new_for is not None else _cases_path(self._tree, path)
        self._is_lines = self.path.endswith(".jsonl")
        if not (self._is_lines or (self.path == path and path.endswith(DATASET_SUFFIXES))):
            raise WorkspaceError(f"{self.path}: a case is added to .yaml and .jsonl files only")

    def cases(self) -> Iterator[Case]:
        """Yield the cases that are there."""
        yield from self._dataset.cases() if self._dataset else ()

    @property
    def split(self) -> Split | None:
        """The draw of the cases into parts, if there is one."""
        return self._dataset.split if self._dataset else None

    @property
    def has_default_assertions(self) -> bool:
        """True if every reply is checked, whatever a case says."""
        return bool(self._dataset and self._dataset.default_data.get("assert"))

    def bare(self, inputs: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
        """Return inputs without those that have their default, of the dataset or else of the prompt."""
        given = self._dataset.default_data.get("inputs", {}) if self._dataset else {}
        usual = {**{each.name: each.default for each in prompt.inputs.values()}, **given}
        return {name: value for name, value in inputs.items() if name not in usual or usual[name] != value}

    def check(self, entry: Mapping[str, Any], prompt: str) -> None:
        """Raise `WorkspaceError` if a case does not fit the prompts that are tested, whatever the other cases are."""
        self._check(self._with([entry], is_alone=True), prompt)

    def change(self, entries: Sequence[Mapping[str, Any]], prompt: str) -> FileEdit:
        """Return the change that appends cases. Raises `WorkspaceError` if one does not fit the prompt."""
        data = self._with(entries)
        self._check(data, prompt)
        if self._is_lines and self._head is None:
            before = self._tree.read(self.path, max_bytes=_MOST_BYTES)
            data = before + (b"" if before.endswith(b"\n") or not before else b"\n") + data
        return FileEdit(self.path, None, data) if self._head else change_of(self._tree, self.path, data)

    def _with(self, entries: Sequence[Mapping[str, Any]], *, is_alone: bool = False) -> bytes:
        """Return the file with the cases, or the lines to append to it."""
        if self._is_lines:
            return "".join(f"{_as_json(entry)}\n" for entry in entries).encode()
        text = self._head or self._tree.read(self.path).decode()
        return _with_items(text, entries, self.path, is_alone=is_alone).encode()

    def _check(self, data: bytes, prompt: str) -> None:
        dataset = Dataset.open(
            Overlay(self._tree, {self.path: data}), self._dataset_path, code="skip", limits=self._limits
        )
        tested = [each for each in self.prompts if path_in(self._tree, each)] or [prompt]
        found = (each for id_ in tested for each in dataset.check(load_prompt(self._tree, id_)))
        problems = [each for each in found if each.severity == "error"]
        if problems:
            first = problems[0]
            hint = (
                "add --expect-reply, or an assertion under `defaults`" if first.code == "no-assertion" else first.hint
            )
            raise WorkspaceError(f"the case does not fit: {first.message}", place=first.place, hint=hint)


def case_name(execution_id: str) -> str:
    """Return the id of the case that is made of an execution."""
    return f"from-{execution_id[-8:]}"


def case_of(found: Execution, case_id: str, tags: Sequence[str], expected: Any = MISSING) -> dict[str, Any]:
    """Return an execution as a case of a dataset's file."""
    entry: dict[str, Any] = {"id": case_id}
    if tags:
        entry["tags"] = list(tags)
    entry["inputs"] = dict(found.inputs or {})
    return entry if expected is MISSING else {**entry, "expected": expected}


def _as_json(value: Any) -> str:
    """Return JSON that is YAML too, on one line for every reader. Raises `WorkspaceError` for what is none."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        message = "the case does not fit: it has half a character, a number that is none, or too many levels"
        raise WorkspaceError(message, hint="write this case by hand") from error
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _cases_path(tree: WorkTree, path: str) -> str:
    """Return the file that holds the dataset's cases: its own, or the one that it names."""
    if not path.endswith(DATASET_SUFFIXES):
        return path
    return read_dataset_file(tree.read(path), path).cases_path or path


def _with_items(text: str, entries: Sequence[Mapping[str, Any]], path: str, *, is_alone: bool) -> str:
    """Return the file with the cases after the last one, or in the place of all."""
    made, before = _with_lines(text, entries, is_alone=is_alone), [] if is_alone else _cases_in(text, path)
    after = [] if made is None else _cases_in(made, path)
    if made is not None and len(after) == len(before) + len(entries) and after[: len(before)] == before:
        return made
    # A list in brackets, such as JSON has, or a last case whose text goes on where no line of it should be.
    sets = [Set(("cases", len(before) + at), dict(entry)) for at, entry in enumerate(entries)]
    return edit_yaml(text.encode(), path, [Set(("cases",), list(entries))] if is_alone else sets).decode()


def _cases_in(text: str, path: str) -> list[Any]:
    """Return the cases in a dataset's text, whatever they hold; none if it is no YAML."""
    try:
        return read_yaml(text.encode(), path).data.get("cases") or []
    except InvalidFiles:
        return []


def _with_lines(text: str, entries: Sequence[Mapping[str, Any]], *, is_alone: bool) -> str | None:
    """Return the file with lines for the cases, each key on one, as JSON is YAML too; None for cases in brackets."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    lines = re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", text)
    start = next((number for number, line in enumerate(lines) if re.match(r"cases:[ \t]*(#.*)?$", line.rstrip())), None)
    if start is None:
        return None
    end = next((number for number in range(start + 1, len(lines)) if re.match(r"[^\s#-]", lines[number])), len(lines))
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    first = next((line for line in lines[start + 1 : end] if line.lstrip().startswith("- ")), "  - ")
    indent = " " * (len(first) - len(first.lstrip()))
    items = []
    for entry in entries:
        items.append(f"{indent}- id: {json.dumps(entry['id'])}{end_of_line}")
        items += [f"{indent}  {key}: {_as_json(value)}{end_of_line}" for key, value in entry.items() if key != "id"]
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += end_of_line
    return "".join([*lines[: start + 1 if is_alone else end], *items, *lines[end:]])
