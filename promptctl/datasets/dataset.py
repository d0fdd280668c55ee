"""A dataset: a header and a stream of cases, of which only a small dataset's stay in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.preparing import Preparer
from promptctl.datasets.case_checks import CaseChecks
from promptctl.datasets.cases import Case, CaseMaker, Defaults
from promptctl.datasets.github_rows import github_assertions, github_rows
from promptctl.datasets.ids import IdTable
from promptctl.datasets.row_files import RowFile, open_rows
from promptctl.datasets.rows import Row
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.tree import Tree
from promptctl.formats.github_dialect import UNUSABLE_TEST
from promptctl.prompts.prompt import Prompt

MAX_PROBLEMS = 100
_MOST_KEPT = 10_000
_MOST_KEPT_CHARACTERS = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """What a dataset says of itself. `path` is its file; `min_pass` the share of all its cases that must pass."""

    path: str
    name: str = ""
    prompts: tuple[str, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()
    min_pass: float = 1.0
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Dataset:
    """A dataset of one tree. `cases` may be called any number of times; each call gives them from the first.

    `check` goes through all of it before anything runs, and leaves the number of cases in `count`, a hash of them,
    whatever their order, in `digest` (both are None before), and who is asked to grade them in `judges`. At most
    10,000 cases and 8 MiB are kept for `cases`; of a larger dataset each call reads the file anew.
    """

    def __init__(self, header: Header, rows: RowFile, defaults: Defaults, preparer: Preparer) -> None:
        self.header = header
        self.count: int | None = None
        self.digest: str | None = None
        self.judges: frozenset[AskedJudge] = frozenset()
        self._rows = rows
        self._defaults = defaults
        self._preparer = preparer
        self._faults: list[Problem] = []
        self._kept: _Kept | None = None

    @classmethod
    def open(cls, tree: Tree, path: str, *, allow_code: bool = False, is_read_only: bool = False) -> Dataset:
        """The dataset at a path of the workspace: YAML, or a `.jsonl` or `.csv` of cases by itself.

        Code that its assertions name runs only with `allow_code`, and is an error without; with `is_read_only`, for
        whoever looks at cases and grades none, it is neither.

        Raises `InvalidFiles` where its header or its inline cases have not the shape of a dataset; everything else is
        for `check` to tell.
        """
        rows = open_rows(tree, path)
        preparer = Preparer(tree, path, allow_code=allow_code, is_read_only=is_read_only)
        faults: list[Problem] = []
        given = rows.defaults
        assertions = preparer.prepare(given.get("assert", ()), rows.locate_default, faults)
        defaults = Defaults(
            inputs=given.get("inputs", {}),
            matrix=given.get("matrix", {}),
            assertions=assertions,
            threshold=given.get("threshold"),
            tags=tuple(given.get("tags", ())),
            metadata=given.get("metadata", {}),
            as_written=rows.default_as_written,
        )
        dataset = cls(_header(path, rows.header), rows, defaults, preparer)
        dataset._faults = faults
        return dataset

    @classmethod
    def of_prompt(cls, prompt: Prompt, tree: Tree) -> Dataset | None:
        """The tests that a prompt file of GitHub's dialect holds, graded as `gh models eval` did; None without any.

        The prompt runs without a test or an evaluator that cannot be used; to evaluate it so is an error, as it was.
        """
        inline = prompt.inline_dataset
        if inline is None:
            return None
        preparer = Preparer(tree, prompt.path)
        defaults = Defaults(assertions=github_assertions(inline.get("evaluators", ()), tree), implies_equals=False)
        header = Header(prompt.path, prompt.name, (prompt.id,), prompt.description)
        rows = RowFile(lambda: github_rows(prompt, inline.get("testData", ())), prompt.path)
        dataset = cls(header, rows, defaults, preparer)
        dataset._faults = [replace(each, severity="error") for each in prompt.problems if each.code == UNUSABLE_TEST]
        return dataset

    def cases(self, prompt: Prompt | None = None) -> Iterator[Case]:
        """Each case, one at a time. With a prompt, table cells are read by the types of its inputs.

        Raises `InvalidFiles` at the first problem: call `check` before.
        """
        if self._faults:
            raise InvalidFiles(self._faults)
        if self._kept is not None and self._kept.prompt is prompt:
            yield from self._kept.cases
            return
        maker = CaseMaker(self._defaults, self._preparer, prompt)
        for row in self._rows.read():
            if isinstance(row, Problem):
                raise InvalidFiles([row])
            problems: list[Problem] = []
            yield from maker.make(row, problems)
            if problems:
                raise InvalidFiles(problems)

    def check(self, prompt: Prompt | None = None) -> list[Problem]:
        """Everything wrong with the dataset, each with its place: one pass over all of it, and nothing is run.

        With a prompt also inputs that a case lacks, has too many, or has of the wrong kind. After 100 problems it
        stops, saying so. `count` and `digest` are set when there is no error.
        """
        self._kept = None
        run = _Check(self._faults, CaseChecks(prompt), _Kept(prompt))
        maker = CaseMaker(self._defaults, self._preparer, prompt)
        try:
            for row in self._rows.read():
                run.see(row, maker)
                if run.is_full:
                    break
        except InvalidFiles as invalid:
            run.problems += invalid.problems
        except WorkspaceError as error:
            run.problems.append(Problem(error.message, error.place, error.hint, "unreadable"))
        problems = run.finished(self._twice, Place(self._rows.path))
        if not any(problem.severity == "error" for problem in problems):
            self.count, self.digest, self.judges = run.count, run.digest, frozenset(run.judges)
            self._kept = run.kept if run.kept.is_whole else None
        return problems

    def _twice(self, ids: set[str]) -> Iterator[Problem]:
        """A problem for each case whose id another one before it has, naming both places."""
        first: dict[str, Place] = {}
        maker = CaseMaker(self._defaults, self._preparer)
        for row in self._rows.read():
            if isinstance(row, Problem):
                continue
            for case in maker.make(row, []):
                if case.id in first:
                    yield _duplicate(case, row, first[case.id])
                elif case.id in ids:
                    first[case.id] = case.place


class _Kept:
    """The cases that a check made for a prompt, while they are few and small."""

    def __init__(self, prompt: Prompt | None) -> None:
        self.prompt = prompt
        self.cases: list[Case] = []
        self.is_whole = True
        self._characters = 0

    def add(self, case: Case, row: Row) -> None:
        self._characters += row.size
        if self.is_whole and len(self.cases) < _MOST_KEPT and self._characters <= _MOST_KEPT_CHARACTERS:
            self.cases.append(case)
        else:
            self.is_whole = False
            self.cases.clear()


class _Check:
    """One check under way: the problems so far, and what was counted."""

    def __init__(self, faults: list[Problem], checks: CaseChecks, kept: _Kept) -> None:
        self.problems = list(faults)
        self.kept = kept
        self.count = 0
        self.judges: set[AskedJudge] = set()
        self._checks = checks
        self._ids = IdTable()
        self._duplicates: set[str] = set()
        self._sum = 0
        self._is_sound = True

    @property
    def is_full(self) -> bool:
        return len(self.problems) + len(self._duplicates) >= MAX_PROBLEMS

    @property
    def digest(self) -> str:
        return f"{self._sum:032x}"

    def see(self, row: Row | Problem, maker: CaseMaker) -> None:
        if isinstance(row, Problem):
            self.problems.append(row)
            self._is_sound = False
            return
        for case in maker.make(row, self.problems):
            self.count += 1
            self.kept.add(case, row)
            self.problems += self._checks.problems_of(case, row)
            if case.needs_judge:
                self.judges.update(judge for assertion in case.assertions for judge in assertion.judges)
            if not self._ids.add(case.id):
                self._duplicates.add(case.id)
            self._sum = (self._sum + _number(case)) % (1 << 128)

    def finished(self, twice: Any, place: Place) -> list[Problem]:
        """All problems, with the ids that came twice, or that there was no case at all."""
        if self._duplicates:
            self.problems += twice(self._duplicates)
            self.problems.sort(key=_in_reading_order)
        if not self.count and not self.problems:
            hint = "give it at least one case: an evaluation of nothing proves nothing"
            self.problems.append(Problem("the dataset holds no case", place, hint, "no-cases"))
        if len(self.problems) > MAX_PROBLEMS:
            del self.problems[MAX_PROBLEMS:]
        if len(self.problems) == MAX_PROBLEMS:
            message = f"checking stopped after {MAX_PROBLEMS} problems; there may be more"
            self.problems.append(Problem(message, place, "mend these and check again", "too-many-problems"))
        return self.problems


def _header(path: str, data: Mapping[str, Any]) -> Header:
    return Header(
        path=path,
        name=data.get("name", ""),
        prompts=tuple(data.get("prompts", ())),
        description=data.get("description", ""),
        tags=tuple(data.get("tags", ())),
        min_pass=float(data.get("min_pass", 1.0)),
        metadata=data.get("metadata", {}),
    )


def _duplicate(case: Case, row: Row, first: Place) -> Problem:
    if "id" in row.data:
        message, hint = (
            f"the case id {case.id} is given twice",
            "give each case an id of its own: results are compared by it",
        )
    else:
        message, hint = "the case is given twice", "remove one, or give each an id of its own"
    where = f"on line {first.line}" if first.path == case.place.path else f"at {first}"
    return Problem(f"{message}; the first is {where}", row.locate("id"), hint, "duplicate-id")


def _number(case: Case) -> int:
    """A number for one case's id and content; their sum is the same whatever the order."""
    import hashlib

    text = f"{case.id}\0{case.content_hash}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


def _in_reading_order(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.path, place.line or 0, place.column or 0) if place else ("", 0, 0)
