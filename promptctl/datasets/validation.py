"""Checks the files of a workspace, each dataset with the prompts that it tests, in one go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from promptctl.assertions.judges import load_judge
from promptctl.assertions.preparing import Preparer
from promptctl.counting import counted
from promptctl.datasets.dataset import Dataset, Memory
from promptctl.datasets.human_labels import check_labels
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.questions import Questions, have_labels_changed
from promptctl.errors import (
    MissingKey,
    ModelConfigurationError,
    Place,
    Problem,
    WorkspaceError,
    in_reading_order,
    one_of_each_kind,
    printable,
    quote,
)
from promptctl.files.names import (
    DATASET_SUFFIXES,
    DATASETS,
    LOCK,
    RECORDINGS,
    SETTINGS,
    did_you_mean,
    is_calibration,
    is_dataset,
    is_human_labels,
)
from promptctl.files.tree import Tree, is_there
from promptctl.files.wording import count
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.calibration_file import read_calibration_file
from promptctl.labels.lock import MAX_LOCK, read_lock
from promptctl.labels.signers import SIGNERS, signer_problems
from promptctl.models.model_settings import Models
from promptctl.prompts.checking import WorkspaceCheck, chosen_files, files_of
from promptctl.prompts.prompt import Prompt

_MODEL = re.compile(r"""["']?model["']?\s*:""")


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The number of files checked, and their problems in reading order, warnings among them."""

    files: int
    problems: tuple[Problem, ...]


def validate_workspace(tree: Tree, paths: Sequence[str] = ()) -> ValidationReport:
    """Check every file, or those at or below `paths` and what they name; cases are checked to the last row.

    Raises `UsageError` for a path that names no file of the workspace.
    """
    check = WorkspaceCheck(tree)
    preparer, models = Preparer(tree, code="skip", limits=check.settings.limits), Models(check.settings, {})
    others = [path for path in (SIGNERS, LOCK) if is_there(tree, path)]
    files = [*files_of(tree), *others]
    kinds = f"those are promptctl.yaml, prompts, schemas and partials in {tree.places.words}, and datasets/**/*.yaml"
    files = chosen_files(files, paths, "file of the workspace that can be checked", kinds)
    named = [each for path in files for each in check.named_by(path)] if paths else []
    checked = dict.fromkeys([*files, *named])
    problems: list[Problem] = []
    for path in counted(checked, "checking files", len(checked)):
        if path in others:
            problems += _check_lock(tree) if path == LOCK else []
            continue
        if is_human_labels(path):
            problems += _check_labels(check, tree, preparer, path)
            continue
        if is_calibration(path):
            problems += _check_calibration(check, tree, path)
            continue
        problems += _check_dataset(check, tree, preparer, path) if is_dataset(path) else check.file(path)
        problems += _bare_questions(check, tree, path)
        problems += _unknown_models(check, models, tree, path)
    if not paths:
        problems += _check_recordings(tree)
    if not paths or SETTINGS in checked:
        problems += _idle_globs(check, models)
    if not paths or not checked.keys().isdisjoint((SETTINGS, SIGNERS)):
        signers = tree.read(SIGNERS).decode("utf-8", "replace") if SIGNERS in others else None
        problems += signer_problems(signers, is_asked=check.settings.labels.is_signed)
    among = check.among_files()
    problems += [each for each in among if not paths or (each.place is not None and each.place.path in checked)]
    return ValidationReport(len(files), tuple(in_reading_order(dict.fromkeys(problems))))


def _check_lock(tree: Tree) -> Sequence[Problem]:
    """Return why the lock cannot be read, or its labels; what it has of other repositories `add --verify` checks."""
    try:
        read_lock(tree.read(LOCK, max_bytes=MAX_LOCK))
    except FileNotFoundError:  # it has no labels
        return []
    except WorkspaceError as error:
        return error.problems_of(LOCK)
    return []


def _check_recordings(tree: Tree) -> list[Problem]:
    """Return what is wrong with the folder of recordings, as when it is a link."""
    try:
        tree.paths(RECORDINGS)
    except WorkspaceError as error:
        return list(error.problems_of(RECORDINGS))
    return []


def _check_calibration(check: WorkspaceCheck, tree: Tree, path: str) -> Iterator[Problem]:
    """Yield what is wrong with a file of a judge's agreement with people, or that it holds no longer."""
    from promptctl.assertions.judging import EMBEDDER

    try:
        judge, calibrations = read_calibration_file(tree, path)
        digest = EMBEDDER.digest if judge == EMBEDDER.id else load_judge(tree, judge).digest
    except WorkspaceError as error:
        yield from error.problems_of(path)
    else:
        hint = f"measure it again: promptctl judge calibrate {judge}"
        if any(each.judge_digest != digest for each in calibrations):
            message = f"{judge} has changed since its agreement with people was measured"
            yield Problem(message, Place(path), hint, "stale-calibration", "warning")
        index = DatasetIndex(tree, limits=check.settings.limits)
        for each in calibrations:
            try:
                if have_labels_changed(index, each):
                    message = f"the labels that {judge} was measured on ({each.model}, {each.rubric_type}) have changed"
                    yield Problem(message, Place(path), hint, "stale-calibration", "warning")
            except WorkspaceError:
                continue  # the dataset or its labels are checked by themselves


def _unknown_models(check: WorkspaceCheck, models: Models, tree: Tree, path: str) -> Iterator[Problem]:
    """Yield the warning of a prompt's or the settings' model that is written without a provider and is not known."""
    prompt = check.prompt_at(path)
    model = check.settings.model if path == SETTINGS else prompt and prompt.model
    if not model or "/" in model:
        return
    try:
        models.settings_of(model)
    except MissingKey:
        return
    except ModelConfigurationError as error:
        lines = tree.read(path).decode("utf-8", "replace").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if _MODEL.match(text)), None)
        yield Problem(error.message, Place(path, line), error.hint, "unknown-model", "warning")


def _idle_globs(check: WorkspaceCheck, models: Models) -> Iterator[Problem]:
    """Yield the warning of each glob of a price or a budget that no model's id can match."""
    settings = check.settings
    globs = [
        (
            glob,
            f"the price of `{printable(glob)}` is of no model",
            next(iter(settings.price_places.get(glob, ())), None),
        )
        for glob in settings.prices
    ]
    for rule in settings.budgets:
        globs += [(glob, f"`{glob}` of the budget `{rule.name}` matches no model", rule.place) for glob in rule.models]
    if not globs:
        return
    asked = {prompt.model.partition("/")[0] for prompt in map(check.prompt, check.prompts) if prompt and prompt.model}
    for glob, message, place in globs:
        hint = models.hint_for_idle(glob) if glob.partition("/")[0] not in asked else None
        if hint is not None:
            yield Problem(message, place or Place(SETTINGS), hint, "no-match", "warning")


def _bare_questions(check: WorkspaceCheck, tree: Tree, path: str) -> list[Problem]:
    """Return the warning of a file with texts that parsers of YAML 1.1, PyYAML's own among them, do not read."""
    places = check.bare_questions(path)
    with suppress(WorkspaceError, FileNotFoundError):
        if places is None and path.endswith(DATASET_SUFFIXES) and b"?" in (data := tree.read(path)):
            places = tuple(read_yaml(data, path).bare_questions()) if b"{" in data or b"[" in data else ()
    message = "an unquoted text with `?` in braces or brackets: not every parser of YAML reads it"
    return one_of_each_kind(Problem(message, at, "put it in quotes", "bare-question", "warning") for at in places or ())


def _check_dataset(check: WorkspaceCheck, tree: Tree, preparer: Preparer, path: str) -> Iterable[Problem]:
    """Return what is wrong with a dataset and its cases, for each prompt that it tests."""
    try:
        dataset = Dataset.open_with(preparer, Memory(cases=0), tree, path)
    except WorkspaceError as error:
        return error.problems_of(path)
    found = (check.prompt(id_) for id_ in dataset.header.prompts if id_ in check.prompts)
    against: list[Prompt | None] = [prompt for prompt in found if prompt is not None] or [None]
    missing = dataset.missing_prompts(check.known)
    return [*missing, *(problem for prompt in against for problem in dataset.check(prompt)), *dataset.held_out_again()]


def _check_labels(check: WorkspaceCheck, tree: Tree, preparer: Preparer, path: str) -> Iterator[Problem]:
    """Yield what is wrong with a file of people's labels, and the warning of labels that do not count any more."""
    try:
        labels, problems = check_labels(tree, path)
    except WorkspaceError as error:
        yield from error.problems_of(path)
        return
    yield from problems
    for name in dict.fromkeys(label.dataset for label in labels):
        of_it = [label for label in labels if label.dataset == name]
        if not is_there(tree, name):
            known = [each for each in tree.paths(DATASETS) if is_dataset(each)]
            hint = did_you_mean(name, known) or "if it was renamed, rename it in the labels and move them along"
            yield Problem(f"there is no dataset {name}", of_it[0].place, hint, "missing-dataset")
            continue
        with suppress(WorkspaceError):  # of a dataset that is wrong, its own check says so
            dataset = Dataset.open_with(preparer, Memory(), tree, name)
            prompts = (check.prompt(id_) for id_ in dataset.header.prompts if id_ in check.prompts)
            found = Questions(dataset, filter(None, prompts)).labelled(of_it)
            for reason, aside in found.set_aside.items():
                message = f"{count(len(aside), 'label')} of {name} no longer counts: {reason}"
                message = message if len(aside) == 1 else message.replace("counts:", "count:")
                hint = f"label again (promptctl judge label {quote(name)}), and remove the lines of old labels"
                yield Problem(message, aside[0].place, hint, "outdated-label", "warning")
