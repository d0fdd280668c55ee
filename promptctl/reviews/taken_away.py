"""Tests that HEAD takes away, or lacks since BASE gained them: whole datasets, cases, and what was asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from promptctl.differences.diff import diff_prompts
from promptctl.files.names import is_prompt_file
from promptctl.files.wording import count, name_some
from promptctl.reviews.change_notes import likely_renames
from promptctl.reviews.changes import Changes
from promptctl.reviews.dataset_changes import DatasetReading
from promptctl.reviews.range import ReviewRange
from promptctl.reviews.review import DatasetReview, PromptReview, ReviewedCase
from promptctl.schemas.json_schema import check_schema

_MOST = 20
_Test = Callable[[ReviewedCase, ReviewedCase], bool]
_WEAKER: dict[str, _Test] = {
    "no longer must pass": lambda before, after: before.must_pass and not after.must_pass,
    "expected to fail": lambda before, after: after.is_xfail and not before.is_xfail,
    "free to pass, whatever `xfail` says": lambda before, after: (
        before.is_xfail_strict and after.is_xfail and not after.is_xfail_strict
    ),
    "answered by the dataset itself": lambda before, after: after.output not in (None, before.output),
    # Cases of one cluster are one piece of evidence: of enough cases in one, no test can show a loss.
    "grouped with other cases": lambda before, after: after.cluster not in (None, before.cluster),
    "asserting less": lambda before, after: (
        after.assertions < before.assertions
        or (after.assertions == before.assertions and after.threshold < before.threshold)
    ),
}
# Not among those: of a case that BASE edits as well, either is an edit.
_EDITED: dict[str, _Test] = {
    "edited that must pass": lambda before, after: (
        before.must_pass
        and before.content != after.content
        and not (
            before.asked == after.asked and before.threshold == after.threshold and before.assertions < after.assertions
        )
    )
}
# Nor: where a judge decides no longer, no comparison of results says anything of what it was asked.
_JUDGED: dict[str, _Test] = {"decided by fewer judges": lambda before, after: before.judging.is_undone(after.judging)}


def taken_away(
    datasets: Sequence[DatasetReview], prompts: Sequence[PromptReview], stale: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Each in a sentence without its full stop. Prompts that are removed themselves need no test.

    One that HEAD may have renamed is not removed: a new prompt stands for it; see `successors`. `stale` are datasets,
    by a prompt of base that they test, which did not change. A case that only moved, to another id or another dataset
    of the prompt, is not gone. One whose content is another under the same id is told among the dataset's changes:
    whether it asks for less is for people to see, unless it has the same assertions but some, or must pass: such a case
    may gain assertions only.
    """
    names = _names_of(datasets, prompts)
    told = [line for dataset in datasets if dataset.before for line in _TakenAway(dataset, datasets, names).lines()]
    for old, paths in stale.items():
        now = name_some(names.then(names.now([old])))
        for path in paths if now else ():
            is_own = is_prompt_file(path)
            left = f"{path} still names {old}, and no longer tests {now}"
            told.append(f"the tests in {path} were removed" if is_own else left)
    told += _doubtful_heirs(datasets, prompts)
    told = list(dict.fromkeys(told))
    more = [f"{len(told) - _MOST} more of the kind"] if len(told) > _MOST else []
    return (*told[:_MOST], *more)


def looser_outputs(
    datasets: Sequence[DatasetReview],
    prompts: Sequence[PromptReview],
    tests: Mapping[str, Sequence[str]],
    stale: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Yield each prompt that may reply what BASE's output schema refuses, and has `tests`; as `taken_away`.

    A reply that does not fit its prompt's output schema fails every case, whatever its dataset asserts. A removed
    prompt that nothing tested has no successor here.
    """
    by_id = {prompt.id: prompt for prompt in prompts}
    sides = {prompt.id: prompt.base for prompt in prompts}
    tested = {*stale, *(id_ for each in datasets for id_ in each.tested)}
    sides |= {new: by_id[old].base for old, new in successors(datasets, prompts).items() if old in tested}
    for id_, base in sides.items():
        head = by_id[id_].head
        if base is None or head is None or not tests.get(id_):
            continue
        if base.output.schema is None or check_schema(base.output.schema):  # with one that is none nothing is asked
            continue
        diff = diff_prompts(base, head)
        changes = diff.output.schema if diff.output is not None else ()
        narrowed = {(each.path, each.text) for each in changes if each.effect == "narrowed"}
        breaks = [(each.name, each.reason) for each in diff.breaks_consumers if each.part == "output"]
        if told := [f"{name}: {reason}" for name, reason in breaks if (name, reason) not in narrowed]:
            yield f"replies to {id_} may be what the output schema of BASE refuses ({name_some(told)})"


def undecided_now(datasets: Sequence[DatasetReview], prompts: Sequence[PromptReview]) -> tuple[str, ...]:
    """Return where judges that decided in BASE decide no longer, as one that has no licence does; as `taken_away`."""
    names = _names_of(datasets, prompts)
    looked = (
        _TakenAway(each, datasets, names)
        for each in datasets
        if any(case.judging.deciding for case in each.before.values())
    )
    return tuple(dict.fromkeys(line for each in looked for line in each.undecided()))


def _names_of(datasets: Sequence[DatasetReview], prompts: Sequence[PromptReview]) -> _Names:
    former = {prompt.former_id: prompt.id for prompt in prompts if prompt.former_id}
    removed = {prompt.id for prompt in prompts if prompt.kind == "removed"}
    return _Names(former, successors(datasets, prompts), removed)


def successors(datasets: Sequence[DatasetReview], prompts: Sequence[PromptReview]) -> dict[str, str]:
    """Return by the id of each removed prompt that was tested the new one that may be it.

    That is the one that says nearly the same, or else one that has a test of its; any, if none is like it: a branch
    that rewrites what it renames takes the tests away all the same.
    """
    new = sorted(prompt.id for prompt in prompts if prompt.kind == "added")
    removed = [prompt.id for prompt in prompts if prompt.kind == "removed"] if new else []
    likely = {old: prompt.id for old, prompt in likely_renames(prompts).items()} if removed else {}
    for old in removed:
        own = [each for each in datasets if old in each.tested]
        likely.setdefault(old, next((id_ for id_ in new if _is_tested_alike(id_, own, datasets)), new[0]))
    return likely


def _doubtful_heirs(datasets: Sequence[DatasetReview], prompts: Sequence[PromptReview]) -> Iterator[str]:
    """Yield where a new prompt has the tests of a removed one, and another new one, which may be it, has none.

    A prompt that passes them all would hide the one that callers get. With `formerly` it is a rename, and compared.
    """
    new = [prompt for prompt in prompts if prompt.kind == "added"]
    tested = {id_ for dataset in datasets if dataset.kind != "removed" for id_ in dataset.prompts}
    untested = [each.id for each in new if each.id not in tested and not (each.head and each.head.own_tests)]
    known = likely_renames(prompts) if untested else {}
    for old in (each.id for each in prompts if untested and each.kind == "removed" and each.id not in known):
        own = [each for each in datasets if old in each.tested]
        if own and (heirs := [each.id for each in new if _is_tested_alike(each.id, own, datasets)]):
            yield (
                f"the tests of {old} test {name_some(heirs)} now, and {name_some(untested)}, which may stand for it, "
                f"has none: `formerly: [{old}]` in one of them says which does"
            )


def is_weaker(before: ReviewedCase, after: ReviewedCase) -> bool:
    """Return True if a case asks for less than another in any way that is known."""
    return any(test(before, after) for test in (*_WEAKER.values(), *_JUDGED.values()))


def _is_tested_alike(new: str, own: Sequence[DatasetReview], datasets: Sequence[DatasetReview]) -> bool:
    ids = {id_ for dataset in own for id_ in dataset.before}
    contents = {case.content for dataset in own for case in dataset.before.values()}
    return any(
        dataset in own
        or not ids.isdisjoint(dataset.after)
        or any(case.content in contents for case in dataset.after.values())
        for dataset in datasets
        if new in dataset.prompts and dataset.kind != "removed"
    )


def _bar(dataset: DatasetReview) -> float:
    return dataset.min_pass[1] or 0.0


class _Names:
    """Ids that the prompts of base have in head."""

    def __init__(self, former: Mapping[str, str], supposed: Mapping[str, str], removed: set[str]) -> None:
        self._former = {**former, **supposed}
        self._supposed = supposed
        self._removed = removed

    def now(self, ids: Iterable[str]) -> list[str]:
        """The ids of those that are still there."""
        return sorted({self._former.get(id_, id_) for id_ in ids} - self._removed)

    def then(self, ids: Iterable[str]) -> list[str]:
        """The same ids, each with the one that it had; of one that only may have been renamed, that one first."""
        former = {new: old for old, new in self._former.items()}
        return [self._told(id_, former[id_]) if id_ in former else id_ for id_ in ids]

    def _told(self, new: str, old: str) -> str:
        return f"{old} ({new} may stand for it)" if old in self._supposed else f"{new} (was {old})"


class _TakenAway:
    """Looks for what became of one dataset of base."""

    def __init__(self, dataset: DatasetReview, datasets: Sequence[DatasetReview], names: _Names) -> None:
        self._dataset = dataset
        self._datasets = datasets
        self._names = names
        self._prompts = names.now(dataset.tested)
        self._known: dict[str, set[str]] = {}
        self._cases = {prompt: self._cases_of(prompt) for prompt in self._prompts}

    def lines(self) -> Iterator[str]:
        path = self._dataset.former_path or self._dataset.path
        gone = [prompt for prompt in self._prompts if not self._is_tested(prompt) and self._lost(prompt)]
        if gone and is_prompt_file(path):
            yield f"the tests in {path} were removed"
        elif gone:
            was = "was removed, which tested" if self._dataset.kind == "removed" else "no longer tests"
            yield f"{path} {was} {name_some(self._names.then(gone))}"
        lost = {id_: None for prompt in self._prompts if prompt not in gone for id_ in self._lost(prompt)}
        if lost:
            yield f"{path} lost {count(len(lost), 'case')} ({name_some(list(lost))})"
        for prompt in self._prompts:
            yield from self._weaker(prompt, path, _WEAKER | _EDITED)
            yield from self._lower_bars(prompt, path)
            yield from self._freed_judges(prompt, path)

    def undecided(self) -> Iterator[str]:
        """Yield the cases in which fewer judges decide."""
        for prompt in self._prompts:
            yield from self._weaker(prompt, self._dataset.former_path or self._dataset.path, _JUDGED)

    def _weaker(self, prompt: str, path: str, tests: Mapping[str, _Test]) -> Iterator[str]:
        for what, is_weaker in tests.items():
            ids = [id_ for id_, case in self._dataset.before.items() if self._is_weaker(prompt, id_, case, is_weaker)]
            if ids:
                yield f"{path}: {count(len(ids), 'case')} {what} ({name_some(ids)})"

    def _lower_bars(self, prompt: str, path: str) -> Iterator[str]:
        """Each lower `min_pass` that counts for a case of this dataset: that of its home which asks for most."""
        old = self._dataset.min_pass[0]
        homes = [self._homes(prompt, id_, case) for id_, case in self._dataset.before.items()]
        best = {(kept.min_pass[1] or 0.0, kept.path) for found in homes if found for kept in [max(found, key=_bar)]}
        for new, home in sorted(best):
            if old is not None and new < old:
                yield f"{path}: min_pass {old:g} → {new:g}" + (f" in {home}" if home != path else "")

    def _freed_judges(self, prompt: str, path: str) -> Iterator[str]:
        """Yield where judges that decide need to agree less with people than the dataset asked for."""
        old = self._dataset.calibrated[0]
        if old is None:
            return
        cases = self._dataset.before.items()
        homes = {home.path: home for id_, case in cases for home in self._homes(prompt, id_, case)}
        for home, kept in sorted(homes.items()):
            new = kept.calibrated[1]
            if new is None or new.with_other(old) != new:
                asked = "nothing" if new is None else new.words
                yield f"{path}: of its judges is asked {old.words} → {asked}" + (f" in {home}" if home != path else "")

    def _is_tested(self, prompt: str) -> bool:
        return self._dataset.kind != "removed" and prompt in self._dataset.prompts

    def _testing(self, prompt: str) -> list[DatasetReview]:
        return [each for each in self._datasets if each.kind != "removed" and prompt in each.prompts]

    def _cases_of(self, prompt: str) -> dict[str, list[ReviewedCase]]:
        """The prompt's cases of head by their content, of every dataset that differs."""
        found: dict[str, list[ReviewedCase]] = {}
        for dataset in self._testing(prompt):
            for case in dataset.after.values():
                found.setdefault(case.content, []).append(case)
        return found

    def _lost(self, prompt: str) -> list[str]:
        """The cases of which this prompt has none that is the same, nor one of the same id here."""
        present = self._cases[prompt]
        here = self._dataset.after if self._is_tested(prompt) else {}
        return [id_ for id_, case in self._dataset.before.items() if case.content not in present and id_ not in here]

    def _is_weaker(self, prompt: str, id_: str, case: ReviewedCase, is_weaker: _Test) -> bool:
        """Return True if every case that this one became asks for less."""
        here = self._dataset.after.get(id_) if self._is_tested(prompt) else None
        if here is not None:
            return is_weaker(case, here)
        same = self._cases[prompt].get(case.content, ())
        return bool(same) and all(is_weaker(case, after) for after in same)

    def _homes(self, prompt: str, id_: str, case: ReviewedCase) -> list[DatasetReview]:
        """The datasets that have a case now: this one, or else those that have the same."""
        if self._is_tested(prompt) and (id_ in self._dataset.after or case.content in self._contents(self._dataset)):
            return [self._dataset]
        return [each for each in self._testing(prompt) if case.content in self._contents(each)]

    def _contents(self, dataset: DatasetReview) -> set[str]:
        if dataset.path not in self._known:
            self._known[dataset.path] = {case.content for case in dataset.after.values()}
        return self._known[dataset.path]


def tests_behind(moments: ReviewRange, changes: Changes, reading: DatasetReading) -> Iterator[str]:
    """Yield each dataset in which HEAD lacks what the tip of BASE asks, in a sentence without its full stop.

    Only tests of prompts whose behaviour HEAD changes count. A case that HEAD has, or edits as well, is not lacking.
    """
    ids = {id_ for each in changes.prompts if each.is_to_be_measured for id_ in (each.id, each.former_id) if id_}
    ids |= {old for old, new in successors(changes.datasets, changes.prompts).items() if new in ids}
    if not ids or moments.base.commit == moments.tip.commit:
        return
    found = Changes(moments.base, moments.tip, reading).datasets_of(sorted(ids))
    gained = [each for each in found if ids & {*each.prompts}]
    here = {path: each for each in changes.datasets for path in (each.path, each.former_path) if path}
    present: dict[str, list[ReviewedCase]] = {}
    unchanged = [case for each in gained if each.path not in here for case in each.before.values()]
    for case in [*unchanged, *(case for each in changes.datasets for case in each.after.values())]:
        present.setdefault(case.content, []).append(case)
    for dataset in gained:
        yield from _lacks(dataset, here.get(dataset.path), present)


def _lacks(dataset: DatasetReview, own: DatasetReview | None, present: dict[str, list[ReviewedCase]]) -> Iterator[str]:
    """`dataset` is what BASE did to one, `own` what HEAD did; `present` are HEAD's cases by their content."""
    lacking = []
    for id_, case in dataset.after.items():
        before = dataset.before.get(id_)
        if case == before:
            continue
        kept = list(present.get(case.content, ()))
        edited = own.after.get(id_) if own is not None else None
        if before is not None and edited not in (None, before):
            kept.append(edited)
        if all(is_weaker(case, each) for each in kept):
            lacking.append(id_)
    if lacking:
        asked = f"{count(len(lacking), 'case')} ({name_some(lacking)})"
        yield f"HEAD lacks {asked} that {dataset.path} of BASE has now: update the branch"
    was, now = dataset.min_pass
    if was is not None and now is not None and now > was:
        mine = own.min_pass[1] if own is not None else was
        if mine is not None and mine < now:
            yield f"{dataset.path} of BASE has min_pass {now:g} now, HEAD {mine:g}: update the branch"
