"""The tested prompts that are not what they were in an earlier tree, or that are tested differently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from promptctl.datasets.index import DatasetIndex
from promptctl.errors import InvalidFiles, PromptNotFound, WorkspaceError
from promptctl.files.names import RECORDINGS, recording_path
from promptctl.files.tree import Tree
from promptctl.formats.calibration_file import calibration_path
from promptctl.formats.settings_file import Settings
from promptctl.models.gateway import REPLAY
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.prompt import Prompt

if TYPE_CHECKING:
    from promptctl.datasets.dataset import Dataset

_NONE = (Settings(), Settings())
_MOST_BYTES = 1 << 30  # a file of recordings has no limit of its own


def changed_since(
    index: DatasetIndex,
    earlier: Tree,
    *,
    skips_broken: bool = False,
    settings: tuple[Settings, Settings] = _NONE,
    is_replayed: bool = False,
) -> list[str]:
    """Return the tested prompts that are not what they were in an earlier tree, or of which a dataset is not.

    A prompt is its digest, and what answers for it, judges its replies and lets judges decide by the `settings` then
    and now. Recordings count if it `is_replayed`, or if a model of them answers or judges.
    """
    before = _Side(DatasetIndex(earlier, limits=settings[1].limits), settings[0], is_replayed=is_replayed)
    now = _Side(index, settings[1], is_replayed=is_replayed)
    tested = index.tested_prompts(skips_broken=skips_broken)
    return [id_ for id_, paths in tested.items() if before.asked_of(id_, paths) != now.asked_of(id_, paths)]


class _Side:
    """One of the two trees, with its settings."""

    def __init__(self, index: DatasetIndex, settings: Settings, *, is_replayed: bool) -> None:
        self._index, self._settings, self._is_replayed = index, settings, is_replayed
        self._datasets: dict[str, Dataset | None] = {}
        self._hashes: dict[str, object] = {}

    def asked_of(self, prompt_id: str, paths: Iterable[str]) -> object:
        """Return a key that is equal for an equal prompt with equal tests; one that is wrong or missing equals none."""
        settings, prompt = self._settings, None
        with suppress(PromptNotFound, InvalidFiles):
            prompt = load_prompt(self._index.tree, prompt_id)
        answers = None if prompt is None else settings.answers(prompt.model)
        found = [self._dataset(path, prompt) for path in paths]
        tests = [object() if each is None else (each.asks, each.header.prompts) for each in found]
        datasets = [each for each in found if each is not None and each.judges]
        models = {judge.model or settings.judging_model for each in datasets for judge in each.judges}
        judging = {each: (settings.answers(each), settings.model_rule(each or "").judge_parameters) for each in models}
        rule = settings.gate.calibrated if datasets else None
        files = {path for each in datasets if rule or each.header.calibrated for path in _calibrations(each)}
        if self._is_replayed or any(each and each.startswith(REPLAY) for each in (answers and answers[0], *models)):
            files |= self._recordings(prompt_id)
        return prompt and (prompt.digest, answers), tests, judging, rule, {path: self._hash(path) for path in files}

    def _dataset(self, path: str, prompt: Prompt | None) -> Dataset | None:
        """Return the dataset, counted; None if it is wrong or missing."""
        if path not in self._datasets:
            self._datasets[path] = None
            with suppress(FileNotFoundError, WorkspaceError):
                dataset = self._index.open(path, prompt)
                if not any(problem.severity == "error" for problem in dataset.check()):
                    self._datasets[path] = dataset
        return self._datasets[path]

    def _recordings(self, prompt_id: str) -> set[str]:
        """Return the prompt's own file of recordings, and those that are no prompt's own, which may be of any."""
        return self._shared_recordings | {recording_path(prompt_id)}

    @cached_property
    def _shared_recordings(self) -> set[str]:
        tree = self._index.tree
        return {*tree.paths(RECORDINGS)} - {recording_path(id_) for id_ in prompt_paths(tree)}

    def _hash(self, path: str) -> object:
        if path not in self._hashes:
            self._hashes[path] = None
            with suppress(FileNotFoundError, WorkspaceError):
                data = self._index.tree.read(path, max_bytes=_MOST_BYTES)
                # Whoever checks files out decides on their line ends.
                self._hashes[path] = sha256(data.replace(b"\r\n", b"\n")).digest()
        return self._hashes[path]


def _calibrations(dataset: Dataset) -> Iterator[str]:
    from promptctl.assertions.judging import EMBEDDER  # most datasets have no judges

    yield from (calibration_path(judge.prompt_id or EMBEDDER.id) for judge in dataset.judges)
