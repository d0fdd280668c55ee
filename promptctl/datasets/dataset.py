"""A dataset: a header and a stream of cases, of which only a small dataset's stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promptctl.assertions.assertion import AskedJudge, Assertion
from promptctl.assertions.preparing import CodeUse, Preparer, too_many
from promptctl.datasets.case_checks import CaseChecks
from promptctl.datasets.cases import Case, CaseMaker, CodeLeftOut
from promptctl.datasets.checking import DatasetChecking
from promptctl.datasets.github_rows import github_assertions, github_rows
from promptctl.datasets.row_files import RowFile, open_rows
from promptctl.datasets.rows import Row
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.names import did_you_mean
from promptctl.files.tree import Tree
from promptctl.files.wording import as_text
from promptctl.formats.github_dialect import UNUSABLE_TEST
from promptctl.formats.settings_file import DEFAULT_LIMITS, CalibrationRule, DatasetLimits, calibration_rule
from promptctl.prompts.prompt import Input, Prompt

if TYPE_CHECKING:
    from promptctl.datasets.splitting import Split


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a dataset, without its cases.

    `min_pass` is the share of all its cases that must pass, `calibrated` what it asks of a judge that is to decide.
    `split` is as in the file; `Dataset.split` reads it.
    """

    path: str
    name: str = ""
    prompts: tuple[str, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()
    min_pass: float = 1.0
    split: Mapping[str, Any] | None = None
    calibrated: CalibrationRule | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """Room for what the datasets of one command keep: parsed files and cases, beyond which they are read anew.

    A parsed file takes about 40 times its bytes, a case about 2 KB.
    """

    cases: int = 50_000
    characters: int = 32 << 20
    file_bytes: int = 4 << 20

    def takes_file(self, size: int) -> bool:
        """Return True, and take the room, if a parsed file of that many bytes may be kept."""
        if size > self.file_bytes:
            return False
        self.file_bytes -= size
        return True

    def takes_cases(self, cases: int, characters: int) -> bool:
        """Return True, and take the room, if these cases may be kept."""
        if cases > self.cases or characters > self.characters:
            return False
        self.cases -= cases
        self.characters -= characters
        return True


class Dataset:
    """A dataset of one tree. `cases` may be called any number of times; each call gives them from the first.

    `check` goes through all of it before anything runs. It leaves the number of cases in `count`, a hash of them,
    whatever their order, in `digest`, one of what they ask beside their content in `beside`, and in `asks` a value that
    is equal for datasets that ask the same (all are None before); who is asked to grade them in `judges`, and the code
    that was left out in `code_left_out`. At most 10,000 cases and 8 MiB are kept for `cases`; of a larger dataset each
    call reads the file anew.
    """

    def __init__(self, header: Header, read: Callable[[], RowFile], preparer: Preparer, memory: Memory) -> None:
        self.header = header
        self.count: int | None = None
        self.digest: str | None = None
        self.beside: str | None = None
        self.asks: object = None
        self.judges: frozenset[AskedJudge] = frozenset()
        self.code_left_out = CodeLeftOut()
        self._read = read
        self._leaves_out_code = preparer.code_use == "leave-out"
        self._limits = preparer.limits
        self._checking = preparer.checking
        self._prepare = partial(preparer.prepare, header.path)
        self._memory = memory
        self._assertions: tuple[Assertion, ...] | None = None
        self._implies_equals = True
        self._faults: list[Problem] = []
        self._kept: list[tuple[Mapping[str, Input] | None, list[Case]]] = []

    @classmethod
    def open(
        cls,
        tree: Tree,
        path: str,
        *,
        code: CodeUse = "refuse",
        trusted: Tree | None = None,
        limits: DatasetLimits = DEFAULT_LIMITS,
    ) -> Dataset:
        """Open the dataset at a path of the workspace by itself; see `open_with`, and `Preparer` for `trusted`."""
        return cls.open_with(Preparer(tree, code=code, trusted=trusted, limits=limits), Memory(), tree, path)

    @classmethod
    def open_with(cls, preparer: Preparer, memory: Memory, tree: Tree, path: str) -> Dataset:
        """Open the dataset at a path of the workspace: YAML, or a `.jsonl` or `.csv` of cases by itself.

        Raises `InvalidFiles` if its header or its inline cases do not have the shape of a dataset; `check` reports
        everything else.
        """
        file = open_rows(tree, path)
        is_kept = memory.takes_file(file.size)
        return cls(
            _header(path, file.header), (lambda: file) if is_kept else (lambda: open_rows(tree, path)), preparer, memory
        )

    @classmethod
    def of_prompt(
        cls, prompt: Prompt, tree: Tree, trusted: Tree | None = None, limits: DatasetLimits = DEFAULT_LIMITS
    ) -> Dataset | None:
        """Return the tests in a prompt file of GitHub's dialect, graded as `gh models eval` did; None without any.

        The prompt runs without a test or an evaluator that cannot be used; to evaluate it so is an error, as it was.
        """
        inline = prompt.inline_dataset
        rows = prompt.own_tests
        if inline is None or not rows:
            return None
        none = Row({}, Place(prompt.path))
        file = RowFile(lambda: github_rows(prompt, rows), prompt.path, {}, none)
        header = Header(prompt.path, prompt.name, (prompt.id,), prompt.description)
        dataset = cls(header, lambda: file, Preparer(tree, limits=limits), Memory())
        evaluators = inline.get("evaluators", ())
        many = too_many(evaluators, limits, lambda *_: Place(prompt.path))
        dataset._assertions = () if many else github_assertions(evaluators, tree, trusted)
        # The rows of a file without evaluators are graded by what they expect.
        dataset._implies_equals = not dataset._assertions
        dataset._faults = [many] if many else []
        dataset._faults += [replace(each, severity="error") for each in prompt.problems if each.code == UNUSABLE_TEST]
        return dataset

    def place(self, *keys: str | int) -> Place:
        """Return the place of the value at these keys in the dataset's file."""
        return replace(self._read().defaults, keys=()).locate(*keys)

    def missing_prompts(self, known: Collection[str]) -> list[Problem]:
        """Return a problem for each prompt that the dataset tests and that is not among those known."""
        return [
            Problem(
                f"the dataset tests `{id_}`, and there is no such prompt",
                self.place("prompts", index),
                did_you_mean(id_, known) or "write it, or mend the name",
                "missing-prompt",
            )
            for index, id_ in enumerate(self.header.prompts)
            if id_ not in known
        ]

    def cases(self, prompt: Prompt | None = None) -> Iterator[Case]:
        """Yield each case, one at a time. With a prompt, table cells are read by the types of its inputs.

        Cases that are kept serve every prompt that declares the same inputs. Raises `InvalidFiles` at the first
        problem: call `check` before.
        """
        inputs = None if prompt is None else prompt.inputs
        kept = next((cases for declared, cases in self._kept if declared == inputs), None)
        if kept is not None:
            yield from kept
            return
        file, maker = self._begin(prompt)
        if self._faults:
            raise InvalidFiles(self._faults)
        for row in file.read():
            if isinstance(row, Problem):
                if row.severity == "warning":
                    continue
                raise InvalidFiles([row])
            problems: list[Problem] = []
            yield from maker.make(row, problems)
            if problems:
                raise InvalidFiles(problems)

    def written(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return the row that the file has for each of some cases, by the case's id. Call `check` before."""
        found: dict[str, Mapping[str, Any]] = {}
        file, maker = self._begin(None)
        for row in file.read():
            if len(found) == len(ids):
                break
            made = () if isinstance(row, Problem) else maker.make(row, [])
            found |= {case.id: row.data for case in made if case.id in ids and not isinstance(row, Problem)}
        return found

    def check(self, prompt: Prompt | None = None) -> list[Problem]:
        """Return everything wrong with the dataset, each with its place: one pass over all of it, and nothing is run.

        With a prompt also inputs that a case lacks, has too many, or has of the wrong kind. After 100 problems it
        stops, saying so. `count` and `digest` are set when there is no error.
        """
        inputs = None if prompt is None else prompt.inputs
        self._kept = [each for each in self._kept if each[0] != inputs]
        run = DatasetChecking()
        place = Place(self.header.path)
        try:
            file, maker = self._begin(prompt)
            place = Place(file.path)
            run.add(self._faults)
            checks = CaseChecks(prompt, file.defaults, self._checking)
            for row in file.read():
                run.see(row, maker, checks)
                if run.is_full:
                    break
            self.code_left_out = maker.left_out
            if maker.left_out.cases and not run.count:
                run.add([_nothing_without_code(place)])
        except WorkspaceError as error:
            run.add(error.problems_of(self.header.path))
        problems = run.finished(self._twice, place)
        if not any(problem.severity == "error" for problem in problems):
            self.count, self.digest, self.judges = run.count, run.digest, frozenset(run.judges)
            self.beside = run.beside
            self.asks = (run.digest, run.beside, self.header.min_pass, self.header.calibrated)
            if run.kept is not None and self._memory.takes_cases(len(run.kept), run.characters):
                self._kept.append((inputs, run.kept))
        return problems

    def held_out_again(self) -> list[Problem]:
        """Return the warning of held-out cases that have the very inputs of a case of another part.

        There is none without a split in its file, nor before `check` found no error.
        """
        split = self.split if self.count is not None else None
        if split is None:
            return []
        from promptctl.datasets.splitting import held_out_again

        return held_out_again(self.cases(), split, self.header.path)

    @property
    def split(self) -> Split | None:
        """The draw of its cases into parts, if there is one."""
        if self.header.split is None:
            return None
        from promptctl.datasets.splitting import Split  # most datasets have none

        return Split.of_header(self.header.split)

    @property
    def defaults(self) -> str:
        """The defaults that hold for every case, as one text."""
        return as_text(dict(self.default_data))

    @property
    def default_data(self) -> Mapping[str, Any]:
        """The defaults as the file has them."""
        return self._read().defaults.data

    def _begin(self, prompt: Prompt | None) -> tuple[RowFile, CaseMaker]:
        """Return the file and what makes cases of its rows; faults of the defaults are found the first time."""
        file = self._read()
        if self._assertions is None:
            own = file.defaults.data.get("assert", ())
            self._assertions = self._prepare(own, file.defaults.locate, self._faults)
        return file, CaseMaker(
            file.defaults,
            self._assertions,
            self._prepare,
            prompt,
            implies_equals=self._implies_equals,
            leaves_out_code=self._leaves_out_code,
            limits=self._limits,
        )

    def _twice(self, ids: set[str]) -> Iterator[Problem]:
        """Yield a problem for each case whose id is that of an earlier case, naming both places."""
        first: dict[str, Place] = {}
        file, maker = self._begin(None)
        for row in file.read():
            if isinstance(row, Problem):
                continue
            for case in maker.make(row, []):
                if case.id in first:
                    yield _duplicate(case, row, first[case.id])
                elif case.id in ids:
                    first[case.id] = case.place


def _header(path: str, data: Mapping[str, Any]) -> Header:
    return Header(
        path=path,
        name=data.get("name", ""),
        prompts=tuple(data.get("prompts", ())),
        description=data.get("description", ""),
        tags=tuple(data.get("tags", ())),
        min_pass=float(data.get("min_pass", 1.0)),
        split=data.get("split"),
        calibrated=calibration_rule(data["judge"]) if "judge" in data else None,
        metadata=data.get("metadata", {}),
    )


def _nothing_without_code(place: Place) -> Problem:
    message = "every case needs code of this workspace, which may not run: without it nothing is checked"
    hint = "--allow-code runs it, if you trust the workspace; or add assertions of other types"
    return Problem(message, place, hint, "code-not-allowed")


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
