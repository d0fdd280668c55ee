"""The end of a prompt's life, and the way back: active, deprecated with a successor, inactive, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from promptctl.catalogue.copying import KEYS_BELOW
from promptctl.catalogue.new_ids import refuse_other_repository
from promptctl.catalogue.references import Reference, references_to
from promptctl.catalogue.renaming import not_read
from promptctl.catalogue.shared_files import closures_of
from promptctl.context import Context
from promptctl.datasets.human_labels import labels_folder
from promptctl.errors import LabelRefused, UsageError, WorkspaceError
from promptctl.files.names import DATASETS, is_dataset, is_human_labels, is_recording
from promptctl.files.plain import record_data
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import Tree, is_there
from promptctl.files.wording import name_some
from promptctl.files.yaml_editing import Edit, Remove, Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.calibration_file import own_calibration
from promptctl.formats.dataset_file import DatasetFile, read_dataset_file
from promptctl.labels.chains import LabelState
from promptctl.prompts.loading import load_prompt, no_such_prompt, path_in, prompt_paths
from promptctl.prompts.prompt import Prompt, Status
from promptctl.versions.former_ids import live_labels
from promptctl.versions.prompt_at_version import check_id

# What would not work any more without the prompt.
_NEEDING = ("judge", "experiment", "successor")
# What is taken out with the prompt: rules of `log` and `lint` whole, of others the id, which is the last key.
_TAKEN_OUT = {"dataset": 0, "log": 1, "budget": 0, "lint": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A prompt's status as it is proposed. `notes` are for people: what still runs, and what names it."""

    prompt: str
    was: Status
    status: Status
    successor: str | None
    proposal: Proposal
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, without=("proposal",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A prompt's deletion as it is proposed: `datasets` test it alone and go with it, `references` are edited.

    `labels` still name a version of it, and are to be removed with the `reason`; see `Life.write`.
    """

    prompt: str
    path: str
    proposal: Proposal
    datasets: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    labels: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, without=("proposal",), reason=self.reason or None)


def set_status(parts: Context, prompt_id: str, status: Status, successor: str | None = None) -> Retired:
    """Return the change of a prompt's status in its file. Nothing is written; one that has it changes nothing.

    A `successor` of before stays with a prompt that is not active. Raises `PromptNotFound`, `InvalidFiles`,
    `UsageError` for a successor that is the prompt itself or not active, and `WorkspaceError` for a file of GitHub's
    dialect.
    """
    tree = parts.work_tree_for("a change of a prompt's status")
    check_id(prompt_id)
    prompt = parts.prompt(prompt_id).prompt
    refuse_other_repository(tree, prompt.path)
    if prompt.dialect == "github":
        hint = "a prompt in promptctl's own form has one: write it in that"
        raise WorkspaceError(f"{prompt.path} is of GitHub's dialect, which has no status", hint=hint)
    if successor is not None:
        _check_successor(tree, prompt_id, successor)
    edits: list[Edit] = []
    if status != "active":
        edits.append(Set(("status",), status, before=("successor", "formerly", "copied_from", *KEYS_BELOW)))
        if successor is not None:
            edits.append(Set(("successor",), successor, before=("formerly", "copied_from", *KEYS_BELOW)))
    else:
        edits += [Set(("status",), status)] if prompt.status != "active" else []
        edits += [Remove(("successor",))] if prompt.successor else []
    data = edit_yaml(tree.read(prompt.path), prompt.path, edits)
    return Retired(
        prompt=prompt_id,
        was=prompt.status,
        status=status,
        successor=None if status == "active" else successor or prompt.successor,
        proposal=Proposal((change_of(tree, prompt.path, data),)),
        notes=tuple(_notes_on_status(parts, tree, prompt, status)),
    )


def _check_successor(tree: Tree, prompt_id: str, successor: str) -> None:
    if successor == prompt_id:
        raise UsageError(f"`{prompt_id}` cannot be its own successor", hint="name a different prompt")
    other = load_prompt(tree, successor)
    if other.status != "active":
        hint = f"name {other.successor}" if other.successor not in (None, prompt_id) else "name a prompt that is active"
        raise UsageError(f"`{successor}` is {other.status} itself", hint=hint)


def _notes_on_status(parts: Context, tree: Tree, prompt: Prompt, status: Status) -> Iterator[str]:
    if status == prompt.status:
        yield f"`{prompt.id}` is {status} already"
    if labels := [f"{each.label} {each.version}" for each in live_labels(parts.now(), parts.warn).get(prompt.id, ())]:
        yield f"its labels name versions of before, with the status that those have: {', '.join(labels)}"
    if status == "active":
        return
    for each in references_to(tree, prompt.id):
        if each.kind in _NEEDING:
            yield f"{each.words} still names it: {each.place}"


def delete(
    parts: Context, prompt_id: str, live: Sequence[LabelState], *, reason: str = "", is_forced: bool = False
) -> Deleted:
    """Return the deletion of a prompt's file, of the datasets that test it alone, and of what else names it.

    Nothing is written. `live` are the labels that name a version of it. Raises `PromptNotFound`; `LabelRefused` if
    there are any, unless `is_forced` for a reason; `UsageError` for a force without one; and `WorkspaceError` if a
    judge, an experiment or a prompt needs it.
    """
    tree = parts.work_tree_for("a deletion")
    check_id(prompt_id)
    path = path_in(tree, prompt_id)
    if path is None:
        raise no_such_prompt(prompt_id, prompt_paths(tree), tree.places)
    refuse_other_repository(tree, path)
    if is_forced and not reason.strip():
        raise UsageError("--force needs a reason", hint='say why: --reason "…"')
    broken: list[str] = []
    found = [each for each in references_to(tree, prompt_id, broken=broken) if each.path != path]
    _refuse_vendored(prompt_id, found)
    refuse_needed(prompt_id, [each for each in found if each.kind in _NEEDING])
    if live and not is_forced:
        raise named_by_labels(prompt_id, live)
    alone = [each for each in found if each.kind == "dataset" and len(_dataset(tree, each.path).prompts) == 1]
    datasets = [each.path for each in alone]
    _refuse_rules(parts, datasets)
    changes = [change_of(tree, path, None), *_without_datasets(tree, datasets)]
    if (calibration := own_calibration(tree, prompt_id)) is not None:
        changes.append(change_of(tree, calibration, None))
    edited, notes = _edited(tree, [each for each in found if each.path not in datasets], changes)
    return Deleted(
        prompt=prompt_id,
        path=path,
        proposal=Proposal(tuple(changes)),
        datasets=tuple(datasets),
        references=tuple(edited),
        labels=tuple(f"{prompt_id}@{each.label}" for each in live),
        reason=reason,
        notes=(*notes, *_lost(parts, path), *_left_alone(tree, path), *not_read(broken, prompt_id)),
    )


def _lost(parts: Context, path: str) -> Iterator[str]:
    """Yield words on a file that Git cannot bring back as it is."""
    moment = parts.now()
    if moment.head is None:
        yield f"{path} is in no commit: nothing keeps it"
    elif moment.blobs_here.get(path) != moment.tree_at(moment.head).blob(path):
        yield f"{path} is not as HEAD has it: nothing keeps what is in it now"


def _left_alone(tree: Tree, path: str) -> Iterator[str]:
    """Yield words on the files that no other prompt uses."""
    closures = closures_of(tree, prompt_paths(tree).values())
    used = {each for other, closure in closures.items() if other != path for each in closure.paths}
    for each in closures[path].paths[1:] if path in closures else ():
        if each not in used and is_there(tree, each):
            yield f"{each} is used by no other prompt; it stays"


def _refuse_vendored(prompt_id: str, found: Sequence[Reference]) -> None:
    """Raise `WorkspaceError` for a prompt of another repository, whose files and lock go together."""
    for each in found:
        if each.kind == "vendored":
            message = f"`{prompt_id}` is of another repository, as {each.words} says"
            raise WorkspaceError(message, place=each.place, hint=f"promptctl remove {prompt_id}")


def refuse_needed(prompt_id: str, needing: Sequence[Reference]) -> None:
    """Raise `WorkspaceError` if anything needs the prompt."""
    if needing:
        places = name_some([f"{each.words} ({each.place})" for each in needing])
        hint = "let it name a different prompt, or take it out, first"
        raise WorkspaceError(f"`{prompt_id}` is needed: {places}", place=needing[0].place, hint=hint)


def named_by_labels(prompt_id: str, live: Sequence[LabelState]) -> LabelRefused:
    """Return the error of a deletion of what these labels name."""
    named = name_some([f"{prompt_id}@{each.label} ({each.version})" for each in live])
    one = "s" if len(live) == 1 else ""
    return LabelRefused(
        f"`{prompt_id}` is not deleted: {named} still name{one} a version of it",
        hint=f'promptctl label remove {prompt_id}@{live[0].label} --reason "…"\n'
        f'or do both: promptctl delete {prompt_id} --force --reason "…"',
    )


def _refuse_rules(parts: Context, datasets: Sequence[str]) -> None:
    """Raise `WorkspaceError` if a rule of a label asks for an evaluation on a dataset that would go."""
    for label, rule in parts.settings.labels.rules.items():
        named = (rule.dataset or "").removeprefix("./")
        if named and (named in datasets or f"{DATASETS}/{named}" in datasets):
            message = f"{named} tests it alone, and the label `{label}` asks for an evaluation on it"
            raise WorkspaceError(message, hint="name a different dataset in promptctl.yaml first")


def _dataset(tree: Tree, path: str) -> DatasetFile:
    return read_dataset_file(tree.read(path), path)


def _without_datasets(tree: Tree, going: Sequence[str]) -> Iterator[FileEdit]:
    """Yield the deletion of datasets, of people's labels of them, and of their rows unless they are more than that."""
    yield from (change_of(tree, path, None) for path in going)
    for rows in dict.fromkeys(_dataset(tree, path).cases_path for path in going):
        others = (each for each in tree.paths(DATASETS) if is_dataset(each) and each not in going)
        if rows is None or is_recording(rows) or is_human_labels(rows):
            continue
        if not any(rows.rpartition("/")[2].encode() in tree.read(each) for each in others):
            yield change_of(tree, rows, None)
    for folder in dict.fromkeys(map(labels_folder, going)):
        for each in tree.paths(folder):
            if each.rpartition("/")[0] == folder:
                whole = change_of(tree, each, None)
                yield replace(whole, after=_labels_of_others(whole.before or b"", going))


def _labels_of_others(data: bytes, going: Sequence[str]) -> bytes | None:
    """Return a file of labels without those of datasets; None if it has of no other, as one named alike could be."""
    named = [(line, _dataset_of(line)) for line in data.splitlines(keepends=True)]
    if all(other in (None, *going) for _, other in named):
        return None
    return b"".join(line for line, other in named if other not in going)


def _dataset_of(line: bytes) -> str | None:
    with suppress(ValueError, RecursionError):
        label = json.loads(line)
        found = label.get("dataset") if isinstance(label, dict) else None
        return found if isinstance(found, str) else None
    return None


def _edited(tree: Tree, found: Sequence[Reference], changes: list[FileEdit]) -> tuple[list[Reference], list[str]]:
    """Add to `changes` what takes the references out; return those, and words on those that stay."""
    edited: list[Reference] = []
    notes: list[str] = []
    named = [each for each in found if each.kind in _TAKEN_OUT and not each.is_glob]
    for path in dict.fromkeys(each.path for each in named):
        data = tree.read(path)
        # The last first: what is taken out moves what follows it.
        for each in [each for each in named if each.path == path][::-1]:
            if each.kind == "budget" and _is_alone(data, path, each):
                notes.append(f"{each.words} ({each.place}) is for this prompt alone: take it out, or it stays unused")
                continue
            data = edit_yaml(data, path, [Remove(each.keys[: len(each.keys) - _TAKEN_OUT[each.kind]])])
            edited.append(each)
        changes.append(change_of(tree, path, data))
    return edited[::-1], notes


def _is_alone(data: bytes, path: str, reference: Reference) -> bool:
    return len(read_yaml(data, path).part(*reference.keys[:-1]).data) == 1
