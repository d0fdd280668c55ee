"""The search for better texts by GEPA, the only module that knows the library: what is tried next, and on which cases.

GEPA reflects on a few cases that failed, has one text written anew, keeps a candidate that does better on them, and
goes on from those that are best on any case to choose by (Agrawal et al. 2025, arXiv:2507.19457). All that it asks goes
through `Tries`; it reads and writes no file, and every draw is by the seed. So a search that was ended is taken up
by beginning it again: what is known of each try comes from the log and the cache, and the same is tried next.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Protocol

from promptctl.authoring.candidates import Texts
from promptctl.errors import UsageError

# Cases that one edit reflects on: those that the prompt fails first, and one that must stay as it is.
BATCH = 4
_WHOLE = 1.0


class SearchEnded(BaseException):
    """The end of a search from within: it was stopped, or too little money is left."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of one case: `score` from 0 to 1, 1 if it passed; `about` is what whoever edits is shown of it."""

    case_id: str
    score: float
    has_passed: bool
    about: Mapping[str, Any] = field(repr=False)
    is_error: bool = False


class Tries(Protocol):
    """The hands of the search. Each may raise `SearchEnded`."""

    def grade(self, texts: Texts, ids: Sequence[str]) -> list[Grade]:
        """Return the grades of a candidate on these cases, in their order."""

    def edit(self, texts: Texts, name: str, graded: Sequence[Grade]) -> str | None:
        """Return a new text for the component of that name; None if none could be had."""

    def begin_round(self, number: int) -> bool:
        """Return True if one more round is to be made; they count from 1."""

    def keep(self, texts: Texts, parents: Sequence[int]) -> None:
        """Keep a candidate that was graded on the cases to choose by; the first is the prompt as it is."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The cases of a search, by id: to `learn` from, of which the prompt fails the `failing`, and to `choose` by."""

    learn: Sequence[str]
    failing: Sequence[str]
    choose: Sequence[str]


def check_installed() -> None:
    """Raise `UsageError` if the library is not installed."""
    try:
        import gepa  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "improving a prompt needs the library GEPA, which is not installed",
            hint="pip install 'promptctl-git[improve]'",
        ) from error


def evolve(tries: Tries, texts: Texts, ground: Ground, *, seed: int) -> None:
    """Search until `begin_round` ends it. Raises `SearchEnded`, and what the tries raise."""
    from gepa.api import optimize

    optimize(
        seed_candidate=dict(texts),
        trainset=list(ground.learn),
        valset=list(ground.choose),
        adapter=_Adapter(tries),  # type: ignore[arg-type]
        batch_sampler=_FailingFirst(ground, seed),
        stop_callbacks=lambda state: not tries.begin_round(state.i + 2),
        logger=_Silent(),
        callbacks=[_Keeper(tries)],  # type: ignore[list-item]
        track_best_outputs=False,
        perfect_score=_WHOLE,
        seed=seed,
    )


class _Silent:
    def log(self, message: str) -> None:
        """Say nothing: what matters is kept by the tries."""


class _Adapter:
    """Answers the questions of GEPA."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def evaluate(self, batch: list[str], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        from gepa.core.adapter import EvaluationBatch

        graded = self._tries.grade(candidate, batch)
        return EvaluationBatch(
            outputs=graded, scores=[each.score for each in graded], trajectories=graded if capture_traces else None
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002 - the library's protocol
        eval_batch: Any,
        components_to_update: list[str],
    ) -> dict[str, list[dict[str, Grade]]]:
        return {name: [{"case": each} for each in eval_batch.trajectories] for name in components_to_update}

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Grade]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        made = dict(candidate)
        for name in components_to_update:
            text = self._tries.edit(made, name, [each["case"] for each in reflective_dataset[name]])
            if text is not None:
                made[name] = text
        return {name: text for name, text in made.items() if text != candidate[name]}


class _Keeper:
    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        self._tries.keep(event["candidate"], event["parent_ids"])


class _FailingFirst:
    """Draws the cases of each round: those that the prompt fails take turns, and so do the others."""

    def __init__(self, ground: Ground, seed: int) -> None:
        drawn = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
        failing = [at for at, id_ in enumerate(ground.learn) if id_ in set(ground.failing)]
        passing = [at for at in range(len(ground.learn)) if at not in set(failing)]
        drawn.shuffle(failing)
        drawn.shuffle(passing)
        room = BATCH - 1 if passing else BATCH
        self._taken = min(room, len(failing)), min(BATCH - min(room, len(failing)), len(passing))
        self._turns = cycle(failing), cycle(passing)

    def next_minibatch_ids(self, loader: object, state: object) -> list[int]:  # noqa: ARG002 - the library's protocol
        return [at for turns, taken in zip(self._turns, self._taken, strict=True) for at in islice(turns, taken)]
