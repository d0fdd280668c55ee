"""The split of a dataset's cases into parts: one to learn from, one to choose by, one that nothing is tuned on.

The draw is a hash of a seed and a case's own id, so a case that is added or removed moves no other. The seed, the
shares and the groups of cases that are alike stand in the dataset's file under `split:`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from promptctl.datasets.cases import Case
from promptctl.errors import Problem, UsageError
from promptctl.files.names import did_you_mean
from promptctl.files.plain import content_digest
from promptctl.files.wording import count, name_some

TRAIN, CHOOSE, HELD_OUT = PARTS = ("train", "choose", "held_out")
# Most cases decide: what is tuned on the others needs them to prove itself.
SHARES: Mapping[str, float] = MappingProxyType({TRAIN: 0.3, CHOOSE: 0.3, HELD_OUT: 0.4})
# Of fewer held-out cases no result is significant: four flips in one direction have p = 1/16.
LEAST: Mapping[str, int] = MappingProxyType({TRAIN: 3, CHOOSE: 3, HELD_OUT: 5})
# The tag of a case that a model wrote. It is never held out.
GENERATED = "generated"


@dataclass(frozen=True)
class Split:
    """A draw of the cases into `PARTS`, as it stands in the dataset's file.

    `together` are groups of names that are in one part, since their cases are alike; a name is a case's `cluster`, or
    else its id without the ending of a matrix. The first name of a group is drawn for all, whether it is there or not.
    """

    seed: int
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    together: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of_header(cls, data: Mapping[str, Any]) -> Split:
        """Return the split of a checked header."""
        together = tuple(tuple(names) for names in data.get("together", ()))
        return cls(data["seed"], data.get("shares", SHARES), together)

    def as_header(self) -> dict[str, Any]:
        """Return the value of `split:`; what is the default is left out."""
        made: dict[str, Any] = {"seed": self.seed}
        if dict(self.shares) != dict(SHARES):
            made["shares"] = dict(self.shares)
        if self.together:
            made["together"] = [list(names) for names in self.together]
        return made

    def part(self, case: Case) -> str | None:
        """Return the part of a case.

        One that a model wrote is never held out; if what it is kept together with is, it is in no part: None.
        """
        name, leader = name_of(case), self.leader(case)
        drawn = self._part_at(_drawn(self.seed, leader))
        if drawn != HELD_OUT or GENERATED not in case.tags:
            return drawn
        if leader != name or name in self._leaders or case.cluster is not None:
            return None
        below = 1 - self.shares[HELD_OUT]
        return self._part_at((_drawn(self.seed, leader) - below) / self.shares[HELD_OUT] * below)

    def leader(self, case: Case) -> str:
        """Return the name that is drawn for a case."""
        return self._leaders.get(name_of(case), name_of(case))

    def spec(self, part: str) -> dict[str, Any]:
        """Return what an evaluation of one part keeps of the split: it differs if the part may hold other cases."""
        return {"part": part, "seed": self.seed, "digest": content_digest(self.as_header())[:16]}

    def _part_at(self, drawn: float) -> str:
        if drawn < self.shares[TRAIN]:
            return TRAIN
        return CHOOSE if drawn < 1 - self.shares[HELD_OUT] else HELD_OUT

    @cached_property
    def _leaders(self) -> dict[str, str]:
        return {name: names[0] for names in self.together for name in names}


def held_out_again(cases: Iterable[Case], split: Split, path: str) -> list[Problem]:
    """Return the warning of held-out cases that have the very inputs of a case of another part, if there are any."""
    others = set[str]()
    held_out: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        part, inputs = split.part(case), content_digest(dict(case.inputs))
        if part == HELD_OUT:
            held_out[inputs].append(case)
        elif part is not None:
            others.add(inputs)
    again = [case for inputs, same in held_out.items() if inputs in others for case in same]
    if not again:
        return []
    have = "has the inputs of a case" if len(again) == 1 else "have the inputs of cases"
    message = f"{count(len(again), 'held-out case')} {have} to learn from or to choose by"
    named = f"{message}: {name_some([case.id for case in again])}"
    hint = f"bring equal cases into one part: promptctl dataset split {path}"
    return [Problem(named, again[0].place, hint, "held-out-again", "warning")]


def name_of(case: Case) -> str:
    """Return what a case is drawn by: cases of one cluster or one matrix are in one part."""
    return case.cluster or case.id.partition("[")[0]


def check_part(part: str) -> None:
    """Raise `UsageError` for a name of no part."""
    if part not in PARTS:
        hint = did_you_mean(part, PARTS) or f"the parts are {', '.join(PARTS)}"
        raise UsageError(f"no part of a split is called `{part}`", hint=hint)


def _drawn(seed: int, name: str) -> float:
    """Return a number from 0 to 1 that seed and name decide."""
    digest = blake2b(f"split\0{seed}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / (1 << 64)
