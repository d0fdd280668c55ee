"""The draw of a dataset's parts: a seed that makes them even, and cases that are alike in one of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.likeness import Alike, alike, groups
from promptctl.datasets.splitting import CHOOSE, GENERATED, HELD_OUT, LEAST, PARTS, SHARES, TRAIN, Split, name_of
from promptctl.errors import WorkspaceError
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.proposal import Proposal, change_of
from promptctl.files.tree import Tree
from promptctl.files.wording import count
from promptctl.prompts.prompt import Prompt

_MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class DrawnSplit:
    """The split of a dataset, with how many cases each part has, and the change that keeps it in the dataset's file.

    `left_out` are cases in no part. `before` is the split that it takes the place of. `apart` are pairs of cases that
    are alike, and that the split that is kept has in different parts.
    """

    path: str
    split: Split
    sizes: Mapping[str, int]
    left_out: tuple[str, ...]
    before: Split | None
    apart: tuple[tuple[str, str], ...]
    proposal: Proposal

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "dataset": self.path,
            "seed": self.split.seed,
            "shares": dict(self.split.shares),
            "parts": dict(self.sizes),
            "together": [list(names) for names in self.split.together],
            "left_out": list(self.left_out),
            "apart": [list(pair) for pair in self.apart],
        }


def split_dataset(tree: Tree, dataset: Dataset, prompt: Prompt | None, seed: int | None) -> DrawnSplit:
    """Return the split of a dataset without problems, drawn as `draw` does from the one that stands in its file.

    Raises `WorkspaceError` as `draw` does, and for a file that can keep none.
    """
    from promptctl.files.yaml_editing import Set, edit_yaml

    path, cases = dataset.header.path, list(dataset.cases(prompt))
    if not path.endswith(DATASET_SUFFIXES):
        stem, _, name = path.rpartition(".")[0], *path.rpartition("/")[1:]
        raise WorkspaceError(
            f"{path} has no header that could keep a split",
            hint=f"write {stem}.yaml with `prompts:` and `cases: ./{name}`, and split that",
        )
    pairs = alike_cases(cases)
    split = draw(cases, path, seed=seed, kept=dataset.split, pairs=pairs)
    edit = Set(("split",), split.as_header(), before=("defaults", "cases", "delimiter", "metadata"))
    change = change_of(tree, path, edit_yaml(tree.read(path), path, [edit]))
    sizes = _sizes(split, cases)
    return DrawnSplit(
        path,
        split,
        {part: sizes[part] for part in PARTS},
        tuple(case.id for case in cases if split.part(case) is None),
        dataset.split,
        tuple(_apart(cases, pairs, split)),
        Proposal((change,)),
    )


def draw(
    cases: Sequence[Case],
    path: str,
    *,
    seed: int | None = None,
    kept: Split | None = None,
    pairs: Sequence[Alike] | None = None,
) -> Split:
    """Return a split of the cases by a seed; without one, by the first whose parts come near to the shares.

    Cases that are alike, as `pairs` says if they are known, come together. Of a split that is `kept`, shares and
    groups stay, and the seed unless one is given. Raises `WorkspaceError` for a case without an id, if there are too
    few cases, with how many are needed, or if the seed leaves a part with too few.
    """
    nameless = next((case for case in cases if case.cluster is None and case.has_derived_id), None)
    if nameless is not None:
        message = "a case without an id cannot be kept in a part: what it is called changes with its content"
        raise WorkspaceError(message, place=nameless.place, hint="give each case an `id` that stays")
    shares = kept.shares if kept else SHARES
    seed = kept.seed if seed is None and kept else seed
    pairs = alike_cases(cases) if pairs is None else pairs
    whole = Split(0, shares, _together(cases, pairs, kept.together if kept else ()))
    written = [case for case in cases if GENERATED not in case.tags]
    names = {whole.leader(case) for case in written}
    needed = max(math.ceil(round(LEAST[part] / shares[part], 9)) for part in PARTS)
    if len(names) < needed:
        raise WorkspaceError(
            f"{path} is too small to split: it has {count(len(names), 'case')} that people wrote and that differ from "
            f"each other, and {needed} are needed",
            hint=f"add {needed - len(names)}: promptctl dataset add, promptctl dataset from-log",
        )
    tried = (replace(whole, seed=each) for each in range(_MOST_SEEDS))
    if seed is None:
        return _most_even(tried, written)
    split = replace(whole, seed=seed)
    sizes = _sizes(split, written)
    for part in PARTS:
        if sizes[part] < LEAST[part]:
            raise WorkspaceError(
                f"seed {seed} draws {count(sizes[part], 'case')} of {path} for `{part}`, and {LEAST[part]} are needed",
                hint=f"a seed whose parts are even: --seed {_most_even(tried, written).seed}",
            )
    return split


def alike_cases(cases: Sequence[Case]) -> list[Alike]:
    """Return the pairs of cases whose inputs are alike."""
    return alike([case.inputs for case in cases])


def like_others(cases: Sequence[Case], split: Split) -> list[str]:
    """Return the ids of the held-out cases that are like one of another part, directly or through others."""
    found = list[str]()
    for places in groups(alike_cases(cases)):
        parts = [split.part(cases[at]) for at in places]
        if not {TRAIN, CHOOSE}.isdisjoint(parts):
            found += [cases[at].id for at, part in zip(places, parts, strict=True) if part == HELD_OUT]
    return found


def _together(
    cases: Sequence[Case], pairs: Iterable[Alike], kept: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Return the groups of names whose cases are alike; those that are kept stay, and grow.

    A group that is new is led by its first name in the file, so that a case that is added joins those that are there.
    """
    made = [list(names) for names in kept]
    group_of = {name: names for names in made for name in names}
    for places in groups(pairs):
        names = list(dict.fromkeys(name_of(cases[at]) for at in places))
        known = [group_of[name] for name in names if name in group_of]
        new = [name for name in names if name not in group_of]
        if known:
            group = known[0]
            group += new
        elif len(names) > 1:
            group = names
            made.append(group)
        else:
            continue
        group_of |= dict.fromkeys(new, group)
    return tuple(map(tuple, made))


def _apart(cases: Sequence[Case], pairs: Iterable[Alike], split: Split) -> Iterator[tuple[str, str]]:
    """Yield pairs of cases that are alike and in different parts."""
    for pair in pairs:
        one, other = cases[pair.first], cases[pair.second]
        if None not in (parts := {split.part(one), split.part(other)}) and len(parts) > 1:
            yield one.id, other.id


def _most_even(tried: Iterable[Split], cases: Sequence[Case]) -> Split:
    return min(_until_even(tried, cases), key=lambda each: each[0])[1]


def _until_even(tried: Iterable[Split], cases: Sequence[Case]) -> Iterator[tuple[float, Split]]:
    """Yield splits with how far their parts are from the shares, up to the first that is near enough."""
    most = max(1.0, len(cases) / 50)
    for split in tried:
        sizes = _sizes(split, cases)
        is_short = any(sizes[part] < LEAST[part] for part in PARTS)
        off = max(abs(sizes[part] - len(cases) * split.shares[part]) for part in PARTS)
        yield (math.inf if is_short else off), split
        if off <= most and not is_short:
            return


def _sizes(split: Split, cases: Iterable[Case]) -> Counter[str | None]:
    return Counter(map(split.part, cases))
