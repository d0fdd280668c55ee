"""The datasets of a workspace: the cases that prompts are evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import (
    DatasetNotFound,
    GitError,
    InvalidFiles,
    Problem,
    PromptctlError,
    RevisionNotFound,
    UsageError,
    WorkspaceError,
    printable,
    quote,
)
from promptctl.files.names import DATASET_SUFFIXES, DATASETS, SETTINGS, did_you_mean, id_problem, is_dataset
from promptctl.formats.settings_file import Settings

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.adding import Added
    from promptctl.datasets.cases import Case
    from promptctl.datasets.dataset import Dataset, Header
    from promptctl.datasets.drawing import DrawnSplit
    from promptctl.datasets.duplicates import Duplicates
    from promptctl.datasets.from_log import CaseSample, CasesFromLog
    from promptctl.datasets.index import DatasetIndex
    from promptctl.git.trees import CommitTree
    from promptctl.log.filter import Filter
    from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """One dataset of the work tree: its header and the number of its cases, each None if it cannot be read.

    `error` is then the reason.
    """

    path: str
    header: Header | None
    cases: int | None = None
    error: WorkspaceError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        unknown: dict[str, Any] = {"dataset": self.path, "prompts": [], "description": None, "min_pass": None}
        about = _about(self.header) if self.header else unknown
        return about | {"cases": self.cases, "error_message": str(self.error) if self.error else None}


@dataclass(frozen=True, slots=True)
class DatasetCases:
    """A dataset with its cases, whose inputs are as the first prompt that it tests takes them.

    `parts` are those of its split by the ids of cases, None for a case that is in none; empty without a split.
    """

    header: Header
    cases: tuple[Case, ...]
    parts: Mapping[str, str | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return _about(self.header) | {"cases": [_case(case) for case in self.cases]}


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """The problems of a dataset, to its last case; `cases` is their number, None if there are errors."""

    path: str
    cases: int | None
    problems: tuple[Problem, ...]


class Datasets:
    """Reads datasets of the work tree, and adds cases. One is named by its path, or by its name below `datasets/`.

    A name that there is not raises `DatasetNotFound`; a file that is wrong raises `InvalidFiles`.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[DatasetSummary]:
        """Return the datasets, sorted by path; those inside prompt files are not among them."""
        index = self._index()
        return [_summary(index, path) for path in index.paths()]

    def paths(self) -> list[str]:
        """Return the path of each dataset in `all`, without opening any."""
        return self._index().paths()

    def cases(self, name: str, *, leaves_out_code: bool = False) -> DatasetCases:
        """Return a dataset with all its cases; with `leaves_out_code` without those that need code to be decided."""
        from promptctl.datasets.cases import CodeLeftOut
        from promptctl.prompts.loading import load_prompt

        index, rest_of = self._index(), CodeLeftOut().rest_of if leaves_out_code else None
        dataset = index.open(index.named(name, self._context.inside))

        def found(cases: Iterable[Case]) -> DatasetCases:
            kept, split = tuple(filter(rest_of, cases)), dataset.split
            parts = {case.id: split.part(case) for case in kept} if split else {}
            return DatasetCases(dataset.header, kept, parts)

        with suppress(WorkspaceError):
            for prompt in dataset.header.prompts[:1]:
                return found(dataset.cases(load_prompt(index.tree, prompt)))
        return found(dataset.cases())

    def check(self, name: str) -> DatasetCheck:
        """Check a dataset to its last case, with every prompt that it tests. Raises `DatasetNotFound`."""
        context, index = self._context.fresh(), self._index()
        path, known = index.named(name, context.inside), context.prompt_ids()
        try:
            dataset = index.open(path)
            prompts: list[Any] = [context.prompt(each).prompt for each in dataset.header.prompts if each in known]
            problems = dict.fromkeys(problem for prompt in prompts or [None] for problem in dataset.check(prompt))
        except WorkspaceError as unread:
            return DatasetCheck(path, None, tuple(unread.problems_of(path)))
        missing = dataset.missing_prompts(known)
        again = dataset.held_out_again()
        return DatasetCheck(path, None if missing else dataset.count, (*missing, *problems, *again))

    def add(
        self,
        name: str,
        execution: str,
        *,
        case_id: str | None = None,
        tags: Sequence[str] = (),
        expects_reply: bool = False,
    ) -> Added:
        """Append a case made from an execution of the log; comments and order of the file stay as they are.

        Raises `LogError` if the log kept no inputs of it, and `UsageError` if the dataset does not test its prompt.
        """
        from promptctl.datasets.adding import add_case

        context = self._context
        context.work_tree_for("a new case")
        try:
            path = self._index().named(name, context.inside)
        except DatasetNotFound as error:
            self._hint_to_begin(name, error)
            raise
        added = add_case(
            context.root,
            path,
            context.log,
            execution,
            case_id=case_id,
            tags=tuple(tags),
            expects_reply=expects_reply,
            limits=context.settings.limits,
        )
        if added.is_redacted:
            self._warn_of_secret(added.case_id)
        if added.is_masked:
            context.warn(
                f"case {added.case_id} holds marks for sensitive inputs, which the log never had; put made-up values"
            )
        return added

    def from_log(self, name: str, wanted: Filter, sample: CaseSample | None = None) -> CasesFromLog:
        """Return cases made of a sample of the calls that the filter means; people's corrections are what is expected.

        They are calls of the prompts that the dataset tests. A dataset that is not there begins for the one prompt that
        the filter names. Raises `UsageError` for an order that cannot be, `DatasetNotFound`, and `WorkspaceError` for a
        file that cannot take cases. Nothing is written: `Workspace.write` does that with its `proposal`.
        """
        from promptctl.datasets.adding import CaseFile
        from promptctl.datasets.from_log import CaseSample, cases_from_log
        from promptctl.prompts.loading import load_prompt
        from promptctl.workspace.log import Log

        context = self._context
        tree = context.work_tree_for("a new case")
        path, new_for = self._named_or_new(name, wanted.prompt)
        file = CaseFile(context.root, path, context.settings.limits, new_for=new_for)
        if wanted.prompt is None and not wanted.prompts:
            wanted = replace(wanted, prompts=file.prompts)
        meant = Log(context).meant(wanted)
        found = cases_from_log(file, context.log, meant, sample or CaseSample(), lambda id_: load_prompt(tree, id_))
        for each in found.added:
            if each.is_redacted:
                self._warn_of_secret(str(each.case_id))
        return found

    def dedupe(self, name: str, threshold: float = 0.9) -> Duplicates:
        """Return the cases of a dataset that are like another one, and the proposal that takes them out of the file.

        `threshold` is the share of equal characters from which long texts are alike; 1 leaves equal ones alone. A case
        that must pass, or of which a different reply is expected, is found and stays.
        """
        from promptctl.datasets.duplicates import duplicates_of

        if not 0.5 <= threshold <= 1:
            raise UsageError(f"{threshold:g} is no threshold: texts are alike from 0.5 to 1")
        self._context.work_tree_for("a change of a dataset")
        return duplicates_of(self._index().tree, *self._sound(name), threshold)

    def split(self, name: str, seed: int | None = None) -> DrawnSplit:
        """Return the split of a dataset into `train`, `choose` and `held_out`, and the proposal that keeps it there.

        Without a seed the one that stands in the file stays, or else the first is taken whose parts are even. Cases
        that are alike come into one part. Raises `WorkspaceError` for too few cases, with how many are needed.
        """
        from promptctl.datasets.drawing import split_dataset

        if seed is not None and seed < 0:
            raise UsageError(f"{seed} is no seed: give a whole number from 0 on")
        self._context.work_tree_for("a change of a dataset")
        return split_dataset(self._index().tree, *self._sound(name), seed)

    def _sound(self, name: str) -> tuple[Dataset, Prompt | None]:
        """Return a dataset without problems, and the first prompt that it tests; raises `InvalidFiles`."""
        from promptctl.prompts.loading import load_prompt

        index = self._index()
        dataset = index.open(index.named(name, self._context.inside))
        prompt = next((load_prompt(index.tree, each) for each in dataset.header.prompts[:1]), None)
        problems = [each for each in dataset.check(prompt) if each.severity == "error"]
        if problems:
            raise InvalidFiles(problems)
        return dataset, prompt

    def _warn_of_secret(self, case: str) -> None:
        self._context.warn(f"case {case} holds [redacted]: the log replaced a secret there; put a made-up value")

    def _hint_to_begin(self, name: str, error: DatasetNotFound) -> None:
        """Add the command that begins the dataset to the hint, for the prompt of its name if there is one."""
        from promptctl.prompts.loading import prompt_paths

        stem = name.removeprefix(f"{DATASETS}/").removesuffix(".yaml")
        id_ = stem if stem in prompt_paths(self._context.repository.work_tree) else "ID"
        joint = "" if str(error.hint).endswith("?") else ";"
        error.hint = f"{error.hint}{joint} to begin one: promptctl dataset from-log {quote(name)} --prompt {id_}"

    def _named_or_new(self, name: str, prompt: str | None) -> tuple[str, str | None]:
        """Return the path of a dataset and, if it is not there, the prompt that it begins for, which must be there."""
        from promptctl.prompts.loading import load_prompt

        try:
            return self._index().named(name, self._context.inside), None
        except DatasetNotFound as error:
            if prompt is None or id_problem(prompt) is not None:
                self._hint_to_begin(name, error)
                raise
            load_prompt(self._context.repository.work_tree, prompt)
            stem = name.removeprefix(f"{DATASETS}/")
            path = f"{DATASETS}/{stem if stem.endswith(DATASET_SUFFIXES) else f'{stem}.yaml'}"
            if id_problem(stem) is not None or not is_dataset(path):
                hint = "write it so: support/worst"
                raise UsageError(f"`{printable(name)}` cannot name a new dataset", hint=hint) from None
            return path, prompt

    def path_for(self, prompt: str, name: str | None = None) -> tuple[str, str | None]:
        """Return the path of the dataset that new cases of a prompt are for and, if it is not there, the prompt.

        It is the one that is named, or the one that tests the prompt, and has no problems. Raises `UsageError` if
        several do, or if the one that is named tests others, and `InvalidFiles`.
        """
        if name is not None:
            path, new_for = self._named_or_new(name, prompt)
        else:
            testing = self._index().testing({prompt}).get(prompt, [])
            if len(testing) > 1:
                raise UsageError(f"{prompt} is tested by {', '.join(testing)}", hint="name one: --dataset FILE")
            path, new_for = (testing[0], None) if testing else self._named_or_new(prompt, prompt)
        if new_for is None:
            prompts = self._sound(path)[0].header.prompts
            if prompts and prompt not in prompts:
                raise UsageError(
                    f"{path} tests {', '.join(prompts)}, not {prompt}", hint="name it under its `prompts:`"
                )
        return path, new_for

    def tested_prompts(self) -> list[str]:
        """Return the ids of the prompts that a dataset tests, sorted."""
        return list(self._index().tested_prompts())

    def changed_since(
        self,
        revision: str,
        datasets: Sequence[str] = (),
        on_broken: Callable[[PromptctlError], None] | None = None,
        *,
        is_replayed: bool = False,
    ) -> list[str]:
        """Return the tested prompts that changed since HEAD left a revision, or one of whose datasets did.

        So did a prompt that the settings have answered or judged by a different model, or asked in a different way, or
        of which a recording is different if it `is_replayed`, or a calibration of a judge that needs one to decide.
        With `datasets` only those that one of these tests. `on_broken` is given the error of a dataset that cannot be
        read, which is raised without it. Raises `GitError` outside Git.
        """
        from promptctl.datasets.changed import changed_since
        from promptctl.versions.line import unshallow_hint

        repository = self._context.repository
        if repository.git is None:
            raise GitError("the workspace is not in a Git repository, so nothing can be compared", hint="git init")
        index = self._index()
        tip, left = self._fork_of(revision)
        if left is None and repository.git.is_shallow:
            fetch = unshallow_hint(repository.git.usual_remote())
            told = f"this clone does not reach to where HEAD left {revision}, so what changed is since its tip"
            self._context.warn(f"{told}; to bring the history: {fetch}")
        earlier = repository.tree_at(left or tip)
        settings = self._settings_at(earlier), self._context.settings
        is_skipping = on_broken is not None
        changed = changed_since(index, earlier, skips_broken=is_skipping, settings=settings, is_replayed=is_replayed)
        if not (changed or datasets) and (words := index.left_out):
            self._context.warn(words)
        old, new = (each.model or "none" for each in settings)
        if old != new:
            told = f"{SETTINGS} has changed since {revision}: model: {old} → {new}"
            self._context.warn(f"{told}; a comparison asks {new} for both versions of a prompt without a model")
        if on_broken is not None:
            for error in index.broken.values():
                on_broken(error)
        return index.tested_by(changed, datasets, self._context.inside) if datasets else changed

    def left_at(self, revision: str) -> str:
        """Return the full id of the commit at which HEAD left a revision, or that of the revision if none is known.

        Raises `RevisionNotFound`, and `GitError` outside Git.
        """
        tip, left = self._fork_of(revision)
        return left or tip

    def _fork_of(self, revision: str) -> tuple[str, str | None]:
        """Return a revision's commit, and the one at which HEAD left it, None if this clone holds none."""
        from promptctl.git.commits import fork_point

        moment, tip = self._context.fresh().now(), self._commit_of(revision)
        return tip, None if moment.head is None else fork_point(moment.git, tip, moment.head, is_work_tree=True)

    def _settings_at(self, tree: CommitTree) -> Settings:
        """Return the settings of a tree; those of now if they cannot be read."""
        from promptctl.versions.committed_settings import settings_of

        try:
            return settings_of(tree) or Settings()
        except InvalidFiles:
            return self._context.settings

    def _commit_of(self, revision: str) -> str:
        from promptctl.versions.line import missing_hint

        moment = self._context.fresh().now()
        try:
            return moment.commit_of(revision)
        except RevisionNotFound as error:
            meant = did_you_mean(revision, moment.branches)
            error.hint = error.hint or meant or missing_hint(moment.git, moment.work_tree, revision)
            raise

    def _index(self) -> DatasetIndex:
        from promptctl.datasets.index import DatasetIndex

        context = self._context
        return DatasetIndex(context.repository.work_tree, limits=context.settings.limits)


def _summary(index: DatasetIndex, path: str) -> DatasetSummary:
    header = None
    try:
        dataset = index.open(path)
        header = dataset.header
        return DatasetSummary(path, header, sum(1 for _ in dataset.cases()))
    except WorkspaceError as error:
        return DatasetSummary(path, header, error=error)


def _about(header: Header) -> dict[str, Any]:
    return {
        "dataset": header.path,
        "prompts": list(header.prompts),
        "description": header.description,
        "min_pass": header.min_pass,
    }


def _case(case: Case) -> dict[str, Any]:
    from promptctl.prompts.prompt import MISSING

    return {
        "case": case.id,
        "tags": list(case.tags),
        "inputs": dict(case.inputs),
        "expected": None if case.expected is MISSING else case.expected,
        "assertions": [assertion.type for assertion in case.assertions],
        "must_pass": case.must_pass,
        "xfail": case.xfail,
        "case_digest": case.content_hash,
    }
