"""A review: the prompts and datasets that differ between two moments, and the results of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptctl.assertions.assertion import AskedJudge
from promptctl.comparisons.compared import Compared
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import JointVerdict
from promptctl.differences.diff import Break, PromptDiff
from promptctl.differences.part_changes import ValueChange
from promptctl.differences.text_diff import Hunk
from promptctl.errors import INCOMPLETE, Problem
from promptctl.evaluations.evaluation import Evaluation
from promptctl.formats.settings_file import CalibrationRule
from promptctl.labels.times import LabelMove
from promptctl.prompts.prompt import Prompt

ChangeKind = Literal["added", "removed", "renamed", "changed"]
State = Literal[
    "passed", "failed", "incomplete", "undecided", "not evaluated", "no prompt changed", "nothing to evaluate"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReview:
    """One prompt that differs.

    `id` is head's, base's if it was removed. `base` and `head` are None if there is none or it cannot be loaded;
    `base_problems` and `head_problems` then say why. `through` are the shared files of its closure that differ.
    """

    id: str
    kind: ChangeKind
    path: str
    former_id: str | None = None
    base: Prompt | None = None
    head: Prompt | None = None
    base_problems: tuple[Problem, ...] = ()
    head_problems: tuple[Problem, ...] = ()
    through: tuple[str, ...] = ()
    diff: PromptDiff | None = None

    @property
    def is_other_behaviour(self) -> bool:
        """True if the prompt's behaviour can differ; a changed description alone does not count."""
        return self.diff is None or not self.diff.is_same_behaviour

    @property
    def is_activated(self) -> bool:
        """True if it runs in HEAD, and refused to in BASE."""
        is_inactive = [side is not None and side.status == "inactive" for side in (self.base, self.head)]
        return self.head is not None and is_inactive == [True, False]

    @property
    def is_to_be_measured(self) -> bool:
        """True if its tests are to be run: it is there, and can behave otherwise than what ran in BASE."""
        return self.kind != "removed" and (self.is_other_behaviour or self.is_activated)

    @property
    def breaks_callers(self) -> tuple[Break, ...]:
        """Breaks for callers of the prompt as base had it."""
        own = self.diff.breaks_callers if self.diff is not None else ()
        if self.kind == "removed":
            return (Break("prompt", self.id, "was removed: calling it is an error now"),)
        if self.kind == "renamed":
            return (Break("prompt", self.former_id or "", f"is called {self.id} now"), *own)
        return own

    @property
    def breaks_consumers(self) -> tuple[Break, ...]:
        """Breaks for code that reads replies, or runs tools, as base promised them."""
        return self.diff.breaks_consumers if self.diff is not None else ()

    @property
    def is_breaking(self) -> bool:
        """True if the change can break anybody's code."""
        return bool(self.breaks_callers or self.breaks_consumers)

    def breaks(self) -> Iterator[tuple[str, str, str]]:
        """Each break as who fails, at what (empty if it is the prompt itself), and why."""
        for whose, found in (("callers", self.breaks_callers), ("consumers", self.breaks_consumers)):
            for each in found:
                if each.part != "prompt":
                    yield whose, each.what, each.reason
                else:
                    yield whose, "", each.reason if each.name == self.id else f"{each.name} {each.reason}"


@dataclass(frozen=True, slots=True)
class Judging:
    """The number of a case's judged assertions, and of those whose judge may decide; `is_ruled` if not all may."""

    asked: int = 0
    deciding: int = 0
    is_ruled: bool = False

    def is_undone(self, after: Judging) -> bool:
        """Return True if fewer judges decide, which were licensed or of which now one is not."""
        return after.deciding < self.deciding and (self.is_ruled or after.deciding < after.asked)


@dataclass(frozen=True, slots=True)
class CaseEdit:
    """A row of a dataset that HEAD edited, as YAML: the ids of its cases, several with a matrix, and what differs.

    Without hunks there is too much to show.
    """

    cases: tuple[str, ...]
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True)
class ReviewedCase:
    """A case at one moment: the hash of its content, and what of it decides results.

    `asked` is the hash of its inputs and of what is expected, known of cases that must pass. `assertions` are the
    digests of those that weigh anything, `judging` is of those that ask judges. `threshold` is infinite if all of them
    must hold.
    """

    content: str
    must_pass: bool = False
    asked: str = ""
    is_xfail: bool = False
    output: str | None = None
    cluster: str | None = None
    assertions: frozenset[str] = frozenset()
    threshold: float = math.inf
    is_xfail_strict: bool = False
    judging: Judging = field(default=Judging(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReview:
    """One dataset that differs: ids of cases, by what became of them, and the values of its header that differ.

    `edits` are all rows that HEAD edited. `prompts` are the ids it tests, head's if it is there;
    `tested` those that base's tested. `before` and `after`
    are all its cases by id, `min_pass`, `judges` and `calibrated`, what is asked of judges, of both sides. `problems`
    are of either side, and leave out its cases.
    """

    path: str
    kind: ChangeKind
    former_path: str | None = None
    prompts: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: int = 0
    edits: tuple[CaseEdit, ...] = ()
    header: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    before: Mapping[str, ReviewedCase] = field(default_factory=dict)
    after: Mapping[str, ReviewedCase] = field(default_factory=dict)
    min_pass: tuple[float | None, float | None] = (None, None)
    calibrated: tuple[CalibrationRule | None, CalibrationRule | None] = (None, None)
    judges: tuple[frozenset[AskedJudge], frozenset[AskedJudge]] = (frozenset(), frozenset())
    problems: tuple[Problem, ...] = ()

    @property
    def edited(self) -> frozenset[str]:
        """The cases of which HEAD changed what decides their results, under the same id."""
        sides = ((id_, self.before[id_], self.after[id_]) for id_ in self.changed)
        return frozenset(id_ for id_, old, new in sides if (old.content, old.output) != (new.content, new.output))

    @property
    def is_other_test(self) -> bool:
        """True if an evaluation over it can end differently."""
        is_other_bar = not self.header.keys().isdisjoint(("min_pass", "judge"))
        return bool(self.added or self.removed or self.changed or self.problems or is_other_bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The results of one prompt.

    Against base as `compared`, one for each dataset and model; on head alone as `evaluations`. `why_not` says why
    there is neither. `notes` are what a reader must know of how it was made.
    """

    prompt: str
    decision: Decision
    compared: tuple[Compared, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    why_not: str | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_made(self) -> bool:
        """True if anything was evaluated."""
        return bool(self.compared or self.evaluations)


@dataclass(frozen=True, slots=True)
class ReviewSide:
    """One side of a review: the commit (None for the work tree), and the name that the user gave it, if any."""

    commit: str | None
    name: str | None = None

    @property
    def short(self) -> str:
        """The text that people read."""
        return self.commit[:7] if self.commit is not None else "the work tree"


def _same(data: Any) -> Any:
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A whole review.

    `tip` is where BASE stands, and what settings were read from; `base` is the commit where HEAD left it. `files` are
    shared files that differ, with the ids of the prompts that pull them in. `recordings` are files of recorded replies
    that differ. `lines` are the first in HEAD that differ of files that both sides have, by path. `together` are the
    verdicts on comparisons that share a cause, and on all of them. `settings` are the values of `promptctl.yaml` that
    HEAD changed; `doubts` say what of it no result here can show. `taken_away` says what tested head's prompts and does
    no more. `arguments` make the same review again.
    `hide` returns text, or JSON-able data, without secrets: what is said of a review goes through it.
    """

    tip: ReviewSide
    base: ReviewSide
    head: ReviewSide
    prompts: tuple[PromptReview, ...] = ()
    datasets: tuple[DatasetReview, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recordings: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    moves: tuple[LabelMove, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    together: tuple[JointVerdict, ...] = ()
    settings_differ: bool = False
    settings: tuple[ValueChange, ...] = ()
    doubts: tuple[str, ...] = ()
    uses_recordings: bool = False
    notes: tuple[str, ...] = ()
    taken_away: tuple[str, ...] = ()
    rule: GateRule = field(default_factory=GateRule)
    arguments: tuple[str, ...] = ()
    decision: Decision
    hide: Callable[[Any], Any] = field(default=_same, repr=False, compare=False)

    def measurement(self, prompt: str) -> Measurement | None:
        """Return the results of a prompt; None if it was not to be evaluated."""
        return next((found for found in self.measurements if found.prompt == prompt), None)

    @property
    def compared(self) -> list[Compared]:
        """Every comparison with base."""
        return [each for found in self.measurements for each in found.compared]

    @property
    def alone(self) -> list[Evaluation]:
        """Every evaluation on head alone."""
        return [each for found in self.measurements for each in found.evaluations]

    @property
    def state(self) -> State:
        """The whole of it in the words of its title, the same in every report."""
        if not self.decision.is_passed:
            return "incomplete" if self.decision.exit_code == INCOMPLETE else "failed"
        if self.is_empty:
            return "no prompt changed"
        if any(found.is_made for found in self.measurements):
            return "passed" if self.alone or any(each.is_told for each in self.compared) else "undecided"
        return "not evaluated" if self.measurements or self.doubts else "nothing to evaluate"

    @property
    def breaking(self) -> tuple[PromptReview, ...]:
        """The prompts whose callers or consumers can fail."""
        return tuple(prompt for prompt in self.prompts if prompt.is_breaking)

    @property
    def is_empty(self) -> bool:
        """True if nothing that a review looks at differs."""
        return not (self.prompts or self.datasets or self.files or self.recordings or self.settings_differ)
