"""The changes between two moments of a workspace, found before anything is evaluated."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.reached import datasets_reached, prompts_reached
from promptctl.differences.diff import PromptDiff, diff_prompts
from promptctl.differences.part_changes import compare_value
from promptctl.differences.renames import Named, renames_between, sources_of
from promptctl.differences.text_diff import lines_of
from promptctl.errors import Problem, PromptNotFound, WorkspaceError
from promptctl.files.names import (
    DATASETS,
    SETTINGS,
    is_calibration,
    is_dataset,
    is_human_labels,
    is_prompt_file,
    is_recording,
    recording_path,
)
from promptctl.files.tree import prompt_files
from promptctl.files.wording import name_some
from promptctl.git.tree_changes import changed_files, new_links, new_workspaces
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.git.walk import FileChange
from promptctl.models.gateway import REPLAY
from promptctl.prompts.checking import WorkspaceCheck, colliding
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.prompt import Prompt
from promptctl.reviews.change_notes import change_notes
from promptctl.reviews.dataset_changes import DatasetReading, compare_sides, problems_of
from promptctl.reviews.review import DatasetReview, PromptReview

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A prompt at one moment, or what is wrong with it; neither if there is no such file."""

    prompt: Prompt | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_there(self) -> bool:
        return self.prompt is not None or bool(self.problems)


@dataclass
class Changes:
    """The changes from `base` to `head`, each kind found on first use.

    Only files that the changed ones can reach are loaded. Datasets of both sides are read as `reading` says. If the
    `default_models` of both differ, each prompt without a model of its own has changed. With `is_replayed` recordings
    answer, whatever model a prompt names.
    """

    base: CommitTree
    head: CommitTree | WorkTree
    reading: DatasetReading
    default_models: tuple[str | None, str | None] = (None, None)
    is_replayed: bool = False
    _loaded: dict[tuple[int, str], _Loaded] = field(default_factory=dict)

    @cached_property
    def _changed(self) -> list[FileChange]:
        return [change for change in changed_files(self.base, self.head) if change.path != SETTINGS]

    @property
    def default_model(self) -> str | None:
        """The model that HEAD's prompts without one have once it is merged."""
        return self.default_models[1]

    @property
    def is_about_judges(self) -> bool:
        """True if calibrations changed."""
        return any(is_calibration(change.path) for change in self._changed)

    @cached_property
    def recordings(self) -> tuple[str, ...]:
        """The files of recorded replies."""
        return tuple(change.path for change in self._changed if is_recording(change.path))

    @property
    def nested_workspaces(self) -> tuple[str, ...]:
        """The settings of workspaces that HEAD puts among the prompts of this one."""
        new = (change.path for change in self._changed if change.before is None)
        return tuple(path for path in new if path.endswith(f"/{SETTINGS}") and self.head.places.folder_of(path))

    @cached_property
    def collisions(self) -> tuple[Problem, ...]:
        """The prompts of HEAD that are one file with another on some file systems, which those of BASE are not."""
        before, after = (
            [*colliding(filter(tree.places.stem, prompt_files(tree)), tree.places)] for tree in (self.base, self.head)
        )
        return tuple(each for each in after if each not in before)

    def notes(self) -> Iterator[str]:
        """Yield notes on files that nothing else shows, and on datasets that name prompts which HEAD does not have."""
        links, workspaces = (find(self.base, self.head) for find in (new_links, new_workspaces))
        yield from change_notes(self._changed, self.head.places, links, workspaces, self.prompts)
        yield from map(str, self.collisions)
        named = [(each.path, id_) for each in self.datasets if each.kind != "removed" for id_ in each.prompts]
        removed = [each.id for each in self.prompts if each.kind == "removed"]
        named += [(path, id_) for id_ in removed for path in self.stale.get(id_, ()) if is_dataset(path)]
        missing = [f"{id_} ({path})" for path, id_ in named if not self._load(self.head, id_).is_there]
        if missing:
            yield f"HEAD lacks prompts that its datasets test: {name_some(missing, _MOST_NAMED)}"

    def lines(self) -> Iterator[tuple[str, int]]:
        """Yield the path of each file named here that both sides have, and the first line of HEAD that differs."""
        paths = {*(each.path for each in self.prompts), *self.files, *(each.path for each in self.datasets)}
        for path in sorted(paths & {change.path for change in self._changed if change.before and change.after}):
            with suppress(WorkspaceError, FileNotFoundError):
                before, after = (
                    lines_of(tree.read(path).decode("utf-8", "replace")) for tree in (self.base, self.head)
                )
                both = zip(before, after, strict=False)
                same = next((at for at, (old, new) in enumerate(both) if old != new), len(before))
                yield path, max(1, min(same + 1, len(after)))

    # --- prompts ---------------------------------------------------------------------------------------------------

    def datasets_of(self, ids: Iterable[str]) -> list[DatasetReview]:
        """Return the datasets that differ, and the tests in the files of these prompts."""
        sides = [(self._load(self.base, id_).prompt, self._load(self.head, id_).prompt) for id_ in ids]
        own = [
            PromptReview(id=head.id, kind="changed", path=head.path, base=base, head=head)
            for base, head in sides
            if head is not None
        ]
        return [*self._changed_datasets(), *self._inline(own)]

    @cached_property
    def prompts(self) -> tuple[PromptReview, ...]:
        """The prompts that differ."""
        return tuple(each for each in self._reached if each.id in self._own_ids or not _is_the_same(each))

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The shared files, with the ids of the prompts that pull them in."""
        return {path: tuple(each.id for each in self._reached if path in each.through) for path in sorted(self._shared)}

    @cached_property
    def _shared(self) -> frozenset[str]:
        return frozenset(change.path for change in self._changed if _is_shared(change.path))

    @cached_property
    def _reached(self) -> list[PromptReview]:
        """The prompts that what changed can reach."""
        id_of = self.head.places.id
        reached = {id_ for path in prompts_reached(self.head, sorted(self._shared)) if (id_ := id_of(path)) is not None}
        ids = self._own_ids | reached
        before = {id_: self._load(self.base, id_) for id_ in ids}
        after = {id_: self._load(self.head, id_) for id_ in ids}
        gone = {id_ for id_ in ids if before[id_].is_there and not after[id_].is_there}
        new = sorted(id_ for id_ in ids if after[id_].is_there and not before[id_].is_there)
        former = self._renames(new, gone)
        reviews = (
            self._review(id_, before[former.get(id_, id_)], after[id_], former.get(id_))
            for id_ in sorted(ids - set(former.values()))
            if before[former.get(id_, id_)].is_there or after[id_].is_there
        )
        return list(reviews)

    def _review(self, id_: str, before: _Loaded, after: _Loaded, former_id: str | None) -> PromptReview:
        closure = {path for side in (before, after) if side.prompt for path in side.prompt.closure}
        sides = (before.prompt, after.prompt)
        kind = "added" if not before.is_there else "removed" if not after.is_there else "changed"
        return PromptReview(
            id=id_,
            kind="renamed" if former_id else kind,  # type: ignore[arg-type]
            path=next((side.path for side in reversed(sides) if side is not None), self._path_of(id_)),
            former_id=former_id,
            base=before.prompt,
            head=after.prompt,
            base_problems=before.problems,
            head_problems=after.problems or self._refused(before.prompt, after.prompt),
            through=tuple(sorted(closure & self._shared)),
            diff=self._diff(before.prompt, after.prompt) if before.prompt and after.prompt else None,
        )

    def _refused(self, before: Prompt | None, after: Prompt | None) -> tuple[Problem, ...]:
        """Return the errors that only `validate` reports of a prompt in HEAD, without those that BASE has as well."""
        base, head = self._checks
        found = _errors(head, after)
        known = {each.message for each in _errors(base, before)} if found else set()
        return tuple(each for each in found if each.message not in known)

    @cached_property
    def _checks(self) -> tuple[WorkspaceCheck, WorkspaceCheck]:
        return WorkspaceCheck(self.base), WorkspaceCheck(self.head)

    def _diff(self, before: Prompt, after: Prompt) -> PromptDiff:
        """Return what differs, the model that a prompt without one has by default included."""
        diff = diff_prompts(before, after)
        sides = before.model or self.default_models[0], after.model or self.default_models[1]
        if self.default_models[0] == self.default_models[1] or sides[0] == sides[1]:
            return diff
        return replace(diff, model=compare_value("model", *sides, absent=None), is_same_behaviour=False)

    def _renames(self, new: Iterable[str], gone: set[str]) -> dict[str, str]:
        """New id to the id that the prompt had: by its `formerly`, its bytes, its digest, or the commits between."""
        new = list(new)
        former = sources_of(
            [self._named(self.head, id_) for id_ in new],
            [self._named(self.base, id_) for id_ in sorted(gone)],
        )
        left = gone - set(former.values())
        git = self.base.git
        end = self.head.commit or git.head
        if left and len(former) < len(new) and end:
            head = self.head if isinstance(self.head, CommitTree) else CommitTree(git, end)
            moved = renames_between(self.base, head)
            former |= {id_: moved[id_] for id_ in new if id_ not in former and moved.get(id_) in left}
        return former

    def _named(self, tree: CommitTree | WorkTree, id_: str) -> Named:
        prompt, paths = self._load(tree, id_).prompt, tree.places.paths_of(id_)
        changes = [change for change in self._changed if change.path in paths]
        blobs = [change.after if tree is self.head else change.before for change in changes]
        return Named(
            id_, frozenset(filter(None, blobs)), prompt.digest if prompt else None, prompt.formerly if prompt else ()
        )

    def prompt_of_head(self, id_: str) -> Prompt | None:
        """Return a prompt as head has it; None if it cannot be loaded."""
        return self._load(self.head, id_).prompt

    def _load(self, tree: CommitTree | WorkTree, id_: str) -> _Loaded:
        key = (id(tree), id_)
        if key not in self._loaded:
            try:
                self._loaded[key] = _Loaded(load_prompt(tree, id_))
            except PromptNotFound:
                self._loaded[key] = _Loaded()
            except WorkspaceError as error:
                self._loaded[key] = _Loaded(problems=problems_of(error, self._path_of(id_)))
        return self._loaded[key]

    @cached_property
    def _own_ids(self) -> set[str]:
        """The ids of prompts whose own files changed, or came and went with the places of prompts.

        So are those of HEAD's prompts without a model of their own, if their default is not what it was.
        """
        was, now = self.base.places, self.head.places
        changed = {change.path for change in self._changed}
        paths = {*changed, *prompt_files(self.base), *prompt_files(self.head)} if was != now else changed
        ids = {path: (was.id(path), now.id(path)) for path in paths}
        own = {id_ for path, both in ids.items() if path in changed or both[0] != both[1] for id_ in both if id_}
        if self.default_models[0] != self.default_models[1]:
            loaded = {id_: self._load(self.head, id_).prompt for id_ in prompt_paths(self.head)}
            own |= {id_ for id_, prompt in loaded.items() if prompt is not None and prompt.model is None}
        return own

    def _path_of(self, id_: str) -> str:
        """Return the path of a prompt that cannot be loaded: the one that changed, or the first where it can be."""
        paths = [*self.head.places.paths_of(id_), *self.base.places.paths_of(id_)]
        return next((change.path for change in self._changed if change.path in paths), paths[0])

    # --- datasets --------------------------------------------------------------------------------------------------

    @cached_property
    def datasets(self) -> tuple[DatasetReview, ...]:
        """The datasets that differ, and the tests in the files of prompts that do."""
        found = [*self._changed_datasets(), *self._inline(self.prompts)]
        return tuple(sorted(found, key=lambda each: each.path))

    def why_untested(self, ids: Container[str | None]) -> str:
        """Return the reason why no dataset tests a prompt, by all its ids: HEAD may have taken its tests away."""
        gone = [dataset.path for dataset in self.datasets if any(id_ in ids for id_ in dataset.tested)]
        return f"no dataset tests it any more, since HEAD changed {', '.join(gone)}" if gone else "no dataset tests it"

    def _changed_datasets(self) -> list[DatasetReview]:
        below = [change for change in self._changed if change.path.startswith(DATASETS + "/")]
        own = {change.path: change for change in below if is_dataset(change.path)}
        no_rows = (is_dataset, is_recording, is_human_labels)
        beside = [change.path for change in below if not any(is_kind(change.path) for is_kind in no_rows)]
        former = _moved(own.values())
        paths = {*own, *datasets_reached(self.head, beside)} - set(former.values())
        found = []
        for path in sorted(paths):
            earlier = former.get(path)
            before = self.reading.at(self.base, earlier or path)
            after = self.reading.at(self.head, path)
            review = compare_sides(path, before, after, earlier)
            if review is not None:
                found.append(review)
        return found

    def _inline(self, prompts: Iterable[PromptReview]) -> list[DatasetReview]:
        """The tests that stand in prompt files."""
        found = []
        for prompt in prompts:
            before = self.reading.within(self.base, prompt.base)
            after = self.reading.within(self.head, prompt.head)
            if (before or after) and prompt.kind in ("changed", "renamed"):
                review = compare_sides(prompt.path, before, after)
                found += [review] if review is not None else []
        return found

    @cached_property
    def stale(self) -> dict[str, tuple[str, ...]]:
        """By the id of base of each prompt that head lacks, the datasets, or its own file, that still test it."""
        gone = {each.former_id or each.id: each for each in self.prompts if each.kind in ("removed", "renamed")}
        changed = {change.path for change in self._changed}
        testing = DatasetIndex(self.base, trusted=self.reading.trusted).testing(gone, skips_broken=True)
        found = {id_: [path for path in testing.get(id_, ()) if path not in changed] for id_ in sorted(gone)}
        for id_, each in gone.items():
            if each.kind == "removed" and each.base is not None and each.base.own_tests:
                found[id_].append(each.base.path)
        return {id_: tuple(paths) for id_, paths in found.items() if paths}

    @cached_property
    def tests(self) -> dict[str, tuple[str, ...]]:
        """The datasets to evaluate, by prompt. Prompts of a new or changed dataset are evaluated over it.

        One whose behaviour is another, or for which recordings answer that changed, is over all of its own.
        """
        changed = {each.id: each for each in self.prompts if each.head is not None and each.is_to_be_measured}
        testing = DatasetIndex(self.head).testing(changed, skips_broken=True)
        tests = {id_: testing.get(id_, []) for id_ in changed}
        for id_, prompt in changed.items():
            if prompt.head is not None and prompt.head.own_tests:
                tests[id_].append(prompt.head.path)
        for dataset in self.datasets:
            if dataset.kind == "removed" or not dataset.is_other_test:
                continue
            for id_ in dataset.prompts:
                if id_ not in changed and self.prompt_of_head(id_) is not None:
                    tests.setdefault(id_, []).append(dataset.path)
        tests |= self._answered_differently(changed)
        return {id_: tuple(paths) for id_, paths in sorted(tests.items())}

    def _answered_differently(self, besides: Container[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield the prompts that changed recordings may answer for, with all of their datasets."""
        if not self.recordings:
            return
        own = {recording_path(id_): id_ for tree in (self.base, self.head) for id_ in prompt_paths(tree)}
        for id_, paths in DatasetIndex(self.head).tested_prompts(skips_broken=True).items():
            prompt = self.prompt_of_head(id_)
            if prompt is None or prompt.status == "inactive" or id_ in besides:
                continue
            if all(own.get(path, id_) != id_ for path in self.recordings):
                continue
            if self.is_replayed or (prompt.model or self.default_model or "").startswith(REPLAY):
                yield id_, paths


def _is_shared(path: str) -> bool:
    """Return True if prompts may include the file: a partial, a schema, tools."""
    is_ours = path.endswith((".j2", ".yaml", ".yml", ".json"))
    return is_ours and not path.startswith(DATASETS + "/") and not is_prompt_file(path)


def _is_the_same(review: PromptReview) -> bool:
    """Return True if a prompt whose own file did not change is as it was."""
    if review.diff is not None:
        return review.diff.is_empty
    told = [[problem.message for problem in problems] for problems in (review.base_problems, review.head_problems)]
    return review.base is None and review.head is None and told[0] == told[1]


def _moved(changes: Iterable[FileChange]) -> dict[str, str]:
    """New path to old path, of files that are as they were but for their place."""
    changes = list(changes)
    gone = {change.before: change.path for change in changes if change.after is None}
    moved = {change.path: gone[change.after] for change in changes if change.before is None and change.after in gone}
    return {new: old for new, old in moved.items() if list(moved.values()).count(old) == 1}


def _errors(check: WorkspaceCheck, prompt: Prompt | None) -> list[Problem]:
    return [each for each in check.file(prompt.path) if each.severity == "error"] if prompt is not None else []
