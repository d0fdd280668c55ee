"""The datasets of a tree, and which of them tests which prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from promptctl.datasets.reached import may_name, naming_pattern
from promptctl.errors import DatasetNotFound, InvalidFiles, Problem, UsageError, WorkspaceError
from promptctl.files.names import DATASET_SUFFIXES, DATASETS, ROW_SUFFIXES, did_you_mean, is_dataset, is_prompt_file
from promptctl.files.tree import Tree
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.prompts.loading import load_prompt_file, prompt_paths, prompts_not_checked_out
from promptctl.prompts.prompt import Prompt

if TYPE_CHECKING:
    from promptctl.assertions.preparing import CodeUse, Preparer
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset, Memory


# The order in which a name without a suffix is looked for: the file with a header before the one with its rows.
_SUFFIXES = (*DATASET_SUFFIXES, *ROW_SUFFIXES)
# What stands in a prompt's own file that holds tests.
_TESTS = naming_pattern(("testData", "evaluators"))
# Searching the text of each file for more names than these takes longer than parsing it.
_MOST_SEARCHED_FOR = 20


class DatasetIndex:
    """The datasets of one tree, each read and parsed once on first use, and the prompts that they test.

    Made once for each command and passed along: what changes on disk afterwards is not seen. `code` says what becomes
    of `python` assertions, `trusted` where judges are read from.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        code: CodeUse = "skip",
        trusted: Tree | None = None,
        limits: DatasetLimits = DEFAULT_LIMITS,
    ) -> None:
        self.tree = tree
        self._trusted = trusted
        self._code: CodeUse = code
        self._limits = limits
        self._opened: dict[str, Dataset] = {}
        self.broken: dict[str, WorkspaceError] = {}

    @cached_property
    def files(self) -> Sequence[str]:
        """Every file below `datasets/`, sorted."""
        return list(self.tree.paths(DATASETS))

    @cached_property
    def _preparer(self) -> Preparer:
        from promptctl.assertions.preparing import Preparer  # names of datasets are listed without it

        return Preparer(self.tree, code=self._code, trusted=self._trusted, limits=self._limits)

    @cached_property
    def _memory(self) -> Memory:
        from promptctl.datasets.dataset import Memory

        return Memory()

    def open(self, path: str, prompt: Prompt | None = None) -> Dataset:
        """Return the dataset at a path, or the tests in the file of `prompt` if that is its path.

        Raises `InvalidFiles` as `Dataset.open` does, and `DatasetNotFound` if the prompt's file has no tests.
        """
        from promptctl.datasets.dataset import Dataset

        if prompt is not None and path == prompt.path:
            inline = Dataset.of_prompt(prompt, self.tree, self._trusted, self._limits)
            if inline is None:
                raise DatasetNotFound(
                    f"`{path}` holds no tests", hint=f"name a dataset that tests {prompt.id}, or none to use all"
                )
            return inline
        if path not in self._opened:
            self._opened[path] = Dataset.open_with(self._preparer, self._memory, self.tree, path)
        return self._opened[path]

    def checked(self, path: str, prompt: Prompt) -> Dataset:
        """Return what `open` returns, checked to its last row; raises `InvalidFiles` with all its problems."""
        dataset = self.open(path, prompt)
        problems = dataset.check(prompt)
        if any(problem.severity == "error" for problem in problems):
            raise InvalidFiles(problems)
        return dataset

    def paths(self) -> list[str]:
        """Return the path of every dataset, sorted, without those in prompt files."""
        return [path for path in self.files if is_dataset(path)]

    @property
    def left_out(self) -> str | None:
        """The datasets that a sparse checkout left out, in words; None if it left out none."""
        from promptctl.git.trees import left_out

        return left_out(self.tree, is_dataset, "dataset")

    def testing(self, prompts: Collection[str] | None = None, *, skips_broken: bool = False) -> dict[str, list[str]]:
        """Return the paths of the dataset files that test each of these prompts, or any prompt, sorted.

        Of a few prompts only the datasets that may name one of them are opened. Raises the error of a dataset whose
        header cannot be read, as nobody knows which prompts it tests; if it `skips_broken` ones, they are in `broken`.
        """
        found: dict[str, list[str]] = {}
        for path in self._candidates(prompts):
            try:
                tested = self.open(path).header.prompts
            except WorkspaceError as error:
                if not skips_broken:
                    raise
                self.broken[path] = error
                continue
            for prompt in dict.fromkeys(tested):
                if prompts is None or prompt in prompts:
                    found.setdefault(prompt, []).append(path)
        return found

    def tested_prompts(
        self, prompts: Collection[str] | None = None, *, skips_broken: bool = False
    ) -> dict[str, list[str]]:
        """Return what `testing` returns, sorted by id, and the prompts' own files that hold tests.

        A prompt's file that may hold tests and cannot be read is treated as a dataset that cannot be.
        """
        found = self.testing(prompts, skips_broken=skips_broken)
        for id_, path in prompt_paths(self.tree).items():
            if prompts is None or id_ in prompts:
                try:
                    if may_name(self.tree.read(path), _TESTS) and load_prompt_file(self.tree, path).own_tests:
                        found.setdefault(id_, []).append(path)
                except WorkspaceError as error:
                    if not skips_broken:
                        raise
                    self.broken[path] = error
        return dict(sorted(found.items()))

    def missing_prompt(self, prompt: str) -> list[Problem]:
        """Return a problem for each prompt that is not there and that a dataset tests together with this one."""
        known = {*prompt_paths(self.tree), *prompts_not_checked_out(self.tree)}
        return [
            each for path in self.testing([prompt]).get(prompt, ()) for each in self.open(path).missing_prompts(known)
        ]

    def named(self, name: str, inside: Callable[[str], str]) -> str:
        """Return the path of the dataset that a user names: by path, or below `datasets/` with or without its suffix.

        `inside` makes a path of the current folder one of the workspace. Raises `DatasetNotFound` with the nearest
        names.
        """
        known = [path for path in self.files if path.endswith(_SUFFIXES)]
        for path in (name, f"{DATASETS}/{name}", *(f"{DATASETS}/{name}{suffix}" for suffix in _SUFFIXES)):
            if path in known:
                return path
        with suppress(UsageError):
            path = inside(name)
            if path in known:
                return path
        short = [path.removeprefix(DATASETS + "/") for path in known]
        hint = did_you_mean(name, [*(each.rpartition(".")[0] for each in short), *short, *known])
        raise DatasetNotFound(f"there is no dataset `{name}`", hint=hint or "promptctl dataset list shows all")

    def tested_by(self, prompts: Iterable[str], names: Iterable[str], inside: Callable[[str], str]) -> list[str]:
        """Return the prompts that one of the datasets tests; these are named as for `named`, or by prompt files."""
        paths = {name if is_prompt_file(name) else self.named(name, inside) for name in names}
        tested = self.tested_prompts(skips_broken=True)
        return [prompt for prompt in prompts if paths.intersection(tested.get(prompt, ()))]

    def _candidates(self, prompts: Collection[str] | None) -> list[str]:
        """Return the dataset files that may test one of the prompts."""
        paths = self.paths()
        if prompts is None or len(prompts) > _MOST_SEARCHED_FOR:
            return paths
        pattern = naming_pattern(prompts)
        return [path for path in paths if path in self._opened or self._may_name(path, pattern)] if prompts else []

    def _may_name(self, path: str, pattern: re.Pattern[bytes]) -> bool:
        try:
            return may_name(self.tree.read(path), pattern)
        except (WorkspaceError, OSError):  # whoever opens it reports why it cannot be read
            return True


def dataset_index(context: Context, code: CodeUse = "refuse") -> DatasetIndex:
    """Return the one index of a context's datasets with this use of `python` assertions."""
    made = context.shared(_indexes)
    if code not in made:
        limits = context.settings.limits
        made[code] = DatasetIndex(context.tree, code=code, trusted=context.trusted_judges, limits=limits)
    return made[code]


def _indexes(_: Context) -> dict[CodeUse, DatasetIndex]:
    return {}
