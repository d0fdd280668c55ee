"""One check of a dataset under way: its problems, digests of all its cases, and these while they are few and small."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from promptctl.assertions.assertion import AskedJudge
from promptctl.datasets.case_checks import CaseChecks
from promptctl.datasets.cases import Case, CaseMaker
from promptctl.datasets.rows import Row
from promptctl.errors import Place, Problem, in_reading_order, with_count

MAX_PROBLEMS = 100
# Values of a case in a message: problems that differ in them alone are of one kind.
# Anything else in backticks is a name, which the group keeps.
_VALUE = re.compile(r"(?<=not )(?:the text )?`[^`]*`|(?<=is )`[^`]*`|(?<=case id )\S+|(`[^`]*`)|\d+")
_MOST_KEPT = 10_000
_MOST_KEPT_CHARACTERS = 8 << 20


class DatasetChecking:
    """One check under way. `kept` are the cases, None once they are many or large; `digest` is of them in any order.

    `beside` is the same of what decides beside their content: a recorded reply, `must_pass` and a strict `xfail`; empty
    if no case has any.
    """

    def __init__(self) -> None:
        self._kinds: dict[object, tuple[Problem, int, Problem]] = {}
        self.count = 0
        self.judges: set[AskedJudge] = set()
        self._looked_at: object = None
        self.kept: list[Case] | None = []
        self.characters = 0
        self._ids: set[str] = set()
        self._duplicates: set[str] = set()
        self._sum = 0
        self._beside = 0

    @property
    def is_full(self) -> bool:
        """True once enough is wrong to stop."""
        return len(self._kinds) + len(self._duplicates) >= MAX_PROBLEMS

    @property
    def digest(self) -> str:
        """The hash of all cases so far."""
        return f"{self._sum:032x}"

    @property
    def beside(self) -> str:
        """The hash of what all cases so far ask beside their content."""
        return f"{self._beside:032x}" if self._beside else ""

    def add(self, problems: Iterable[Problem], case_id: object = None) -> None:
        """Add problems; those of a kind in a file count as one: they differ in the case and its values alone."""
        for problem in problems:
            words = _VALUE.sub(r"\1", problem.message.replace(f"`{case_id}`", ""))
            kind = (problem.code, problem.severity, problem.place and problem.place.path, words)
            first, more, _ = self._kinds.get(kind, (problem, -1, problem))
            self._kinds[kind] = first, more + 1, problem

    def see(self, row: Row | Problem, maker: CaseMaker, checks: CaseChecks) -> None:
        """Check the cases that a row makes."""
        if isinstance(row, Problem):
            self.add([row])
            return
        found: list[Problem] = []
        for case in maker.make(row, found):
            self.count += 1
            self.characters += row.size
            if self.count > _MOST_KEPT or self.characters > _MOST_KEPT_CHARACTERS:
                self.kept = None
            if self.kept is not None:
                self.kept.append(case)
            self.add(checks.problems_of(case, row), row.data.get("id") or case.id)
            if case.assertions is not self._looked_at:
                self._looked_at = case.assertions
                self.judges.update(case.judges)
            if case.id in self._ids:
                self._duplicates.add(case.id)
            self._ids.add(case.id)
            # A case that is expected to fail asks for less: a verdict on it stands for no other.
            asked = case.content_hash if case.xfail is None else f"{case.content_hash}\0xfail"
            self._sum = _added(self._sum, case.id, asked)
            beside = (case.must_pass, case.is_xfail_strict, case.output)
            if beside != (False, False, None):
                self._beside = _added(self._beside, case.id, repr(beside))
        self.add(found, row.data.get("id"))

    def finished(self, twice: Callable[[set[str]], Iterable[Problem]], place: Place) -> list[Problem]:
        """Return all problems, with the ids that came twice, or that there was no case at all."""
        if self._duplicates:
            self.add(twice(self._duplicates))
        problems = [with_count(first, more, last.place) for first, more, last in self._kinds.values()]
        if self._duplicates:
            problems = in_reading_order(problems)
        if not self.count and not problems:
            hint = "give it at least one case: an evaluation of nothing proves nothing"
            problems.append(Problem("the dataset holds no case", place, hint, "no-cases"))
        if self.is_full:
            del problems[MAX_PROBLEMS:]
            message = f"checking stopped after {MAX_PROBLEMS} problems; there may be more"
            problems.append(Problem(message, place, "mend these and check again", "too-many-problems"))
        return problems


def _added(sum_: int, *texts: str) -> int:
    """Return the sum with the number of these texts: it is the same whatever the order of what is added."""
    import hashlib

    text = "\0".join(texts).encode("utf-8", "surrogatepass")
    return (sum_ + int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")) % (1 << 128)
