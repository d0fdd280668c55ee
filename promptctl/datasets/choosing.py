"""Which datasets each prompt of a command is evaluated on: those that test it, or those that are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptctl.datasets.dataset import Dataset
from promptctl.datasets.finding import dataset_path, datasets_of, is_meant_for
from promptctl.errors import InvalidFiles, UsageError, WorkspaceError
from promptctl.files.names import DATASETS, prompt_id
from promptctl.files.tree import Tree
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetChoice:
    """The datasets of one command, out of one tree whatever the versions of its prompts.

    `names` are those that the user names, by path or as for `dataset_path`, which `inside` belongs to; a prompt's own
    path names the tests in its file. `prompts` are the ids of all prompts of the command. `is_of_own` leaves out for
    each of them what does not test it.
    """

    tree: Tree
    inside: Callable[[str], str]
    names: Sequence[str] = ()
    prompts: frozenset[str] = frozenset()
    is_of_own: bool = False
    allows_code: bool = False

    def of(self, prompt: Prompt) -> list[Dataset]:
        """The prompt's datasets, checked to their last row.

        Raises `InvalidFiles` with what is wrong with one, `UsageError` where none of those that are named is for this
        one of several prompts, and `WorkspaceError` where none is named and there is none.
        """
        if self.names:
            return [self.open(path, prompt) for path in self._named_for(prompt)]
        datasets = [self.open(path, prompt) for path in self._own_of(prompt)]
        inline = Dataset.of_prompt(prompt, self.tree)
        if inline is not None:
            datasets.append(_checked(inline, prompt))
        if not datasets:
            raise WorkspaceError(
                f"no dataset tests {prompt.id}",
                hint=f"write one to {DATASETS}/ with `prompts: [{prompt.id}]`, or name one: --dataset FILE",
            )
        return datasets

    def open(self, path: str, prompt: Prompt) -> Dataset:
        """The dataset at a path, or the tests in the prompt's own file, checked for the prompt."""
        if path == prompt.path:
            inline = Dataset.of_prompt(prompt, self.tree)
            if inline is None:
                raise WorkspaceError(
                    f"{path} holds no tests any more", hint=f"evaluate {prompt.id} anew: promptctl eval {prompt.id}"
                )
            return _checked(inline, prompt)
        return _checked(Dataset.open(self.tree, path, allow_code=self.allows_code), prompt)

    def _named_for(self, prompt: Prompt) -> list[str]:
        own = prompt.path if prompt.inline_dataset is not None else None
        others = self.prompts - {prompt.id}
        paths = [
            name if name == own or prompt_id(name) in others else dataset_path(self.tree, name, self.inside)
            for name in self.names
        ]
        if self.is_of_own:
            testing = (*self._own_of(prompt), own)
            return [path for path in paths if path in testing]
        if not others:
            return paths
        meant = [path for path in paths if path == own or is_meant_for(self.tree, path, prompt.id)]
        if not meant:
            raise UsageError(
                f"none of the datasets that are named is for {prompt.id}",
                hint=f"name it under their `prompts:`, or evaluate {prompt.id} by itself",
            )
        return meant

    def _own_of(self, prompt: Prompt) -> list[str]:
        return [each.header.path for each in datasets_of(self.tree) if prompt.id in each.header.prompts]


def _checked(dataset: Dataset, prompt: Prompt) -> Dataset:
    problems = dataset.check(prompt)
    if any(problem.severity == "error" for problem in problems):
        raise InvalidFiles(problems)
    return dataset
