"""The datasets that a command evaluates a prompt on: those named, or those that test it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from promptctl.datasets.index import DatasetIndex
from promptctl.errors import UsageError, WorkspaceError
from promptctl.files.names import DATASETS, is_prompt_file
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True)
class DatasetChoice:
    """The datasets of one command, from one tree whatever the versions of its prompts.

    `names` are those that the user names, as for `DatasetIndex.named`, which `inside` belongs to; the path of a
    prompt's own file names the tests in it. `prompts` are the ids of all prompts of the command. `is_of_own` leaves
    out for each of them what does not test it. If it `skips_broken` datasets, those that nobody can read are left out.
    """

    index: DatasetIndex
    inside: Callable[[str], str]
    names: Sequence[str] = ()
    prompts: frozenset[str] = frozenset()
    is_of_own: bool = False
    skips_broken: bool = False

    def paths_of(self, prompt: Prompt) -> list[str]:
        """Return the paths of the prompt's datasets.

        Raises `DatasetNotFound` for a name of none, `UsageError` if none of those that are named is for this one of
        several prompts, and `WorkspaceError` if none is named and none tests it.
        """
        paths = self._named_for(prompt) if self.names else self._own_of(prompt)
        if not paths and not self.names:
            begin = f"promptctl new {prompt.id} begins one in {DATASETS}/, or name one: --dataset FILE"
            raise WorkspaceError(f"no dataset tests {prompt.id}", hint=self.index.left_out or begin)
        return paths

    def _named_for(self, prompt: Prompt) -> list[str]:
        id_of = self.index.tree.places.id
        found = (name if id_of(name) in self.prompts else self.index.named(name, self.inside) for name in self.names)
        paths = list(dict.fromkeys(found))
        if self.is_of_own:
            testing = self._own_of(prompt)
            return [path for path in paths if path in testing]
        if self.prompts <= {prompt.id}:
            return paths
        meant = [path for path in paths if self._is_meant_for(path, prompt)]
        if not meant:
            raise UsageError(
                f"none of the datasets that are named is for {prompt.id}",
                hint=f"name it under their `prompts:`, or evaluate {prompt.id} by itself",
            )
        return meant

    def _is_meant_for(self, path: str, prompt: Prompt) -> bool:
        """Return True if the dataset names the prompt or none, or is the prompt's own file."""
        if is_prompt_file(path):
            return path == prompt.path
        prompts = self.index.open(path).header.prompts
        return not prompts or prompt.id in prompts

    def _own_of(self, prompt: Prompt) -> list[str]:
        inline = [prompt.path] if prompt.own_tests else []
        return [*self._testing.get(prompt.id, ()), *inline]

    @cached_property
    def _testing(self) -> dict[str, list[str]]:
        return self.index.testing(self.prompts, skips_broken=self.skips_broken)
