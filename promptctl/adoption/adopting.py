"""Prompts in code, adopted: found, given ids, checked against what the code sends, and proposed with the new calls.

The result holds proposed files, proposed changes of the code, and all that stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.adoption.found import FoundPrompt, SourceFinds, Unadoptable
from promptctl.adoption.rewriting import check_installed, rewritten_file
from promptctl.adoption.searching import search, source_files
from promptctl.catalogue.new_ids import refuse_link, refuse_other_repository
from promptctl.context import Context
from promptctl.counting import counted
from promptctl.errors import InvalidFiles, Place, PromptctlError, UsageError, WorkspaceError
from promptctl.files.names import BUILT_IN, id_problem
from promptctl.files.plain import record_data
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Overlay, read_file
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.formatting import format_file
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import declared_ids, load_prompt_file, prompt_paths
from promptctl.prompts.rendering import Renderer


@dataclass(frozen=True, slots=True)
class AdoptedPrompt:
    """A prompt of the code with the id and the path of its file. `call` is the code that renders it from there."""

    prompt: FoundPrompt
    id: str
    path: str
    call: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {"prompt": self.id, "file": self.path, **self.prompt.as_dict(), "write": self.call}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The prompts of the code below some paths. `files` is how many files were looked at; nothing is written yet."""

    files: int
    proposal: Proposal
    prompts: tuple[AdoptedPrompt, ...] = ()
    left: tuple[Unadoptable, ...] = ()

    @property
    def rewritten(self) -> int:
        """Count of the calls that the proposal changes."""
        return sum(each.prompt.rewrite is not None for each in self.prompts)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, without=("proposal",))


def adopt(context: Context, paths: Sequence[str | os.PathLike[str]], workspace: str | None = None) -> Adoption:
    """Return the prompts of the code at or below the paths, as files and changes of the code.

    `workspace` is `module:name` of the workspace that the program has open; by default each changed file opens its own.
    Raises `UsageError` for a path that is not there or not in the workspace, and if LibCST is not installed.
    """
    check_installed()
    _check_workspace(workspace)
    tree = context.work_tree_for("adopting prompts")
    below = [context.inside(path) for path in paths]
    files = source_files(tree.root, below, context.repository.git)
    found = search(tree.root, files)
    drafts = PromptFiles(tree)
    left = [unadoptable for each in found for unadoptable in (*each.left, *_problem(each))]
    kept: list[AdoptedPrompt] = []
    for each in counted([prompt for finds in found for prompt in finds.prompts], "prompts checked"):
        try:
            kept.append(drafts.add(each))
        except PromptctlError as error:
            left.append(Unadoptable(each.place, each.what, _why(error)))
    prompts, changes = _rewritten(tree, kept, workspace)
    return Adoption(
        files=len(files),
        proposal=Proposal((*drafts.changes, *changes)),
        prompts=tuple(prompts),
        left=tuple(sorted(left, key=lambda each: (each.place.path, each.place.line or 0))),
    )


class PromptFiles:
    """The files of adopted prompts, each at a path of its own; two prompts that are the same share one."""

    def __init__(self, tree: WorkTree) -> None:
        self._tree = tree
        self._taken = {name.casefold() for id_ in prompt_paths(tree) for name in (id_, *declared_ids(tree, id_))}
        self._ids: dict[str, AdoptedPrompt] = {}
        self._given: set[str] = set()
        self.changes: list[FileEdit] = []

    def add(self, found: FoundPrompt) -> AdoptedPrompt:
        """Give a prompt its file. Raises `PromptctlError` if the file would not say what the code sends."""
        text = yaml_text(found.data)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise WorkspaceError("its text has half a character, which no file can hold") from None
        same = self._ids.get(text)
        if same is not None:
            note = f"it says the same as line {same.prompt.place.line} of {same.prompt.place.path}, and shares its file"
            return AdoptedPrompt(replace(found, notes=(*found.notes, note)), same.id, same.path)
        id_, path, is_there = self._place(found, text)
        data = format_file(text.encode(), path, "prompt")
        _check(Overlay(self._tree, {path: data}), path, found)
        wish = found.names[0]
        notes = found.notes if id_ == wish else (*found.notes, f"`{wish}` is taken: its id is `{id_}`")
        notes = (*notes, f"{path} is there already") if is_there else notes
        made = AdoptedPrompt(replace(found, notes=notes), id_, path)
        self._ids[text] = made
        self._given.add(id_)
        if not is_there:
            self.changes.append(FileEdit(path, None, data))
        return made

    def _place(self, found: FoundPrompt, text: str) -> tuple[str, str, bool]:
        """Return the id and the path of a prompt, and True if the file is there and says just that."""
        for id_ in _candidates(found.names):
            if id_ in self._given or id_problem(id_) is not None or id_.startswith(BUILT_IN):
                continue
            path = self._tree.places.new_path(id_)
            if self._tree.places.folder_of(path) is None:
                continue
            if id_.casefold() in self._taken or any(
                os.path.lexists(self._tree.root / each) for each in self._tree.places.paths_of(id_)
            ):
                if self._says(path, text):
                    return id_, path, True
                continue
            refuse_link(self._tree, path)
            refuse_other_repository(self._tree, path)
            return id_, path, False
        raise WorkspaceError("no id could be found for it")

    def _says(self, path: str, text: str) -> bool:
        try:
            return self._tree.read(path) == format_file(text.encode(), path, "prompt")
        except (OSError, PromptctlError):
            return False


def _candidates(names: Sequence[str]) -> Iterator[str]:
    yield from names
    yield from (f"{names[0]}-{number}" for number in range(2, 1000))


def _check(tree: Overlay, path: str, found: FoundPrompt) -> None:
    """Raise `PromptctlError` if the file does not render to what the code sends."""
    prompt = load_prompt_file(tree, path)
    if found.expected is None:
        return
    rendered = Renderer(prompt).render(found.sample)
    if list(rendered.messages) != list(found.expected):
        raise WorkspaceError("a prompt file would not say the same as the code, to the last character")


def _rewritten(
    tree: WorkTree, prompts: Sequence[AdoptedPrompt], workspace: str | None
) -> tuple[list[AdoptedPrompt], list[FileEdit]]:
    """Return the prompts, and the changes of the files that ask for them."""
    by_file: dict[str, list[AdoptedPrompt]] = {}
    for each in prompts:
        by_file.setdefault(each.prompt.place.path, []).append(each)
    shown: list[AdoptedPrompt] = []
    changes: list[FileEdit] = []
    for path, of_file in by_file.items():
        data = read_file(tree.root / path)
        code = rewritten_file(data, [(each.prompt, each.id) for each in of_file], workspace)
        for each, call in zip(of_file, code.calls, strict=True):
            prompt = replace(each.prompt, rewrite=None, why=code.problem) if code.problem else each.prompt
            shown.append(replace(each, prompt=prompt, call=call))
        if code.data is not None:
            changes.append(FileEdit(path, data, code.data))
    return shown, changes


def _problem(found: SourceFinds) -> list[Unadoptable]:
    if found.problem is None:
        return []
    return [Unadoptable(Place(found.path), "the file", f"it cannot be read as code: {found.problem}")]


def _why(error: PromptctlError) -> str:
    if isinstance(error, InvalidFiles):
        return f"no prompt file can say it: {error.problems[0].message}"
    return error.message


def _check_workspace(workspace: str | None) -> None:
    module, sign, name = (workspace or "a:b").partition(":")
    if not sign or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(
            f"`{workspace}` names no workspace of a program", hint="write module:name, such as app.prompts:workspace"
        )
