"""The end of a command that evaluates: what it prints, the reports that it writes, its exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NoReturn

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.checks import failure_as_dict
from promptctl.cli.evaluation_output import say_evaluations
from promptctl.cli.output import conclude, say_json, tell, tell_error, tell_hint
from promptctl.errors import PromptctlError
from promptctl.reports.files import check_report_path

if TYPE_CHECKING:
    from promptctl import Against, Evaluation, Workspace


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options for the files that results go to besides the screen."""

    heading: ClassVar[str] = "Output"
    reports: Annotated[
        list[Path], options.output_option("Also write .json .jsonl .csv .md .xml (JUnit) .html. Repeatable.")
    ] = field(default_factory=list)
    as_json: options.Json = False

    def check(self) -> None:
        """Raise `UsageError` for a report that could not be written, before anything is paid for."""
        for path in self.reports:
            check_report_path(path)


class BrokenFiles(list[PromptctlError]):
    """Errors of prompts and datasets that were left out, each printed at once."""

    def tell(self, error: PromptctlError) -> None:
        """Print an error, and remember it."""
        if str(error) not in map(str, self):
            tell_error(error)
            self.append(error)

    def worst_with(self, code: int) -> int:
        """Return the exit code of the command if the rest of it ended with this one."""
        found = {code, *(error.exit_code for error in self)}
        order = (errors.CHECK_FAILED, errors.WORKSPACE, errors.MODEL)
        return next((each for each in order if each in found), code)


@dataclass(frozen=True, slots=True)
class EvaluationEnding:
    """The end of a command that evaluates in a workspace; `broken` are files that it left out.

    As a context manager it ends the command if nothing is left to evaluate; without a second word if what is raised was
    printed.
    """

    workspace: Workspace
    output: OutputOptions
    broken: BrokenFiles = field(default_factory=BrokenFiles)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, errors.NothingLeft):
            self.nothing(error.message, error.hint)
        if error in self.broken:
            if self.output.as_json:
                say_json(failure_as_dict(self.broken))
            raise typer.Exit(self.broken.worst_with(errors.OK)) from None

    def nothing(self, why: str, hint: str | None = None) -> NoReturn:
        """End with nothing evaluated, for a reason that is no failure."""
        tell(why)
        if hint:
            tell_hint(hint)
        self._conclude((), partial(say_json, []) if self.output.as_json else lambda: None, errors.OK)

    def evaluations(self, found: Sequence[Evaluation]) -> NoReturn:
        """Report evaluations, and end as the worst of them, or of what could not be evaluated, says."""
        say = partial(say_evaluations, self.workspace, found, as_json=self.output.as_json)
        self._conclude(found, say, exit_code_of(found))

    def comparisons(self, found: Against, base: str) -> NoReturn:
        """Report comparisons with a `base`, empty for the usual one, and end as the decision on them says."""
        from promptctl.cli.comparison_output import say_against

        if not base and found.base:
            tell(f"compared with @{found.base.partition('@')[2]}")

        def write(path: Path) -> None:
            self.workspace.results.export_comparisons(found.compared, path, found.alone, found.together)

        again = "write it again with: promptctl compare BASE HEAD -o FILE"
        code = self.broken.worst_with(found.decision.exit_code)
        conclude(partial(say_against, found, as_json=self.output.as_json), self.output.reports, write, again, code)

    def _conclude(self, found: Sequence[Evaluation], say: Callable[[], None], code: int) -> NoReturn:
        """Print what was found, write the reports, and end."""
        again = "write it again with: promptctl results export ID -o FILE"
        write = partial(self.workspace.results.export, found)
        conclude(say, self.output.reports, write, again, self.broken.worst_with(code))


def exit_code_of(found: Sequence[Evaluation]) -> int:
    """Return 1 if anything failed; else 5 if anything is incomplete; else 0."""
    verdicts = {each.verdict for each in found}
    if "failed" in verdicts:
        return errors.CHECK_FAILED
    if "incomplete" in verdicts or not found or any(each.stopped not in (None, "decided") for each in found):
        return errors.INCOMPLETE
    return errors.OK
