"""`promptctl eval --watch`: what a saved file touches is evaluated, or compared, again, until Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer

from promptctl import Against, Evaluation, EvaluationRequest, EvaluationWatch, Workspace, open_workspace
from promptctl.cli.comparison_output import say_against
from promptctl.cli.evaluation_ending import BrokenFiles, OutputOptions, exit_code_of
from promptctl.cli.evaluation_output import EvaluationProgress, say_evaluations
from promptctl.cli.options import end_waiting
from promptctl.cli.output import flat, say_json, tell, tell_error, warn, write_each
from promptctl.errors import OK, InvalidFiles, PromptctlError, UsageError, WorkspaceError
from promptctl.reports.wording import count, name_some


def watch(
    context: typer.Context,
    request: EvaluationRequest,
    output: OutputOptions,
    base: str | None,
    rule: dict[str, Any],
) -> NoReturn:
    """Evaluate, and again what was changed; end with the exit code of the last round.

    With a `base`, empty for the usual one, compare with it by this rule.
    """
    if context.find_root().params.get("snapshot") is not None:
        raise UsageError("--watch looks at files, and a snapshot does not change")
    end_waiting(context)

    def open_here() -> Workspace:
        return open_workspace(context.obj, on_warning=warn, refresh_s=0)

    rounds = _Rounds(context, output, base, rule, open_here, EvaluationWatch(open_here, request))
    try:
        while rounds.evaluate():
            sys.stdout.flush()
            tell(f"\nwatching {count(rounds.watch.files, 'file')}; Ctrl-C ends")
            changed = rounds.watch.wait()
            tell(f"\n── {datetime.now().astimezone():%H:%M:%S}  {flat(name_some(changed))}")
    except KeyboardInterrupt:
        tell("")
    raise typer.Exit(rounds.code)


@dataclass
class _Rounds:
    """The rounds of one command; `code` is the exit code that it would have now."""

    context: typer.Context
    output: OutputOptions
    base: str | None
    rule: dict[str, Any]
    open_workspace: Callable[[], Workspace]
    watch: EvaluationWatch
    code: int = OK
    number: int = 0
    told: set[str] = field(default_factory=set)

    def evaluate(self) -> bool:
        """Evaluate what is not as it was, and show it; False if no round is to follow."""
        self.number += 1
        broken = BrokenFiles()
        try:
            with EvaluationProgress(self.context) as progress:
                found = self._evaluate(progress, broken)
        except PromptctlError as error:
            if error not in broken:
                tell_error(error)
            self.code = broken.worst_with(error.exit_code)
            # What is wrong with the command itself, such as a prompt that is not there, no save of a file mends.
            is_command = isinstance(error, (UsageError, WorkspaceError)) and not isinstance(error, InvalidFiles)
            return bool(self.watch.files) and not (self.number == 1 and is_command)
        self._show(found, broken)
        if self.watch.is_spent:
            tell("stopped watching: --max-cost lets this command spend no more")
        return self.watch.stopped not in ("max-cost", "interrupted")

    def _evaluate(self, progress: EvaluationProgress, broken: BrokenFiles) -> list[Evaluation] | Against:
        if self.base is None:
            return self.watch.evaluate(progress, on_broken=broken.tell)
        return self.watch.evaluate_against(self.base or None, self.rule, progress, on_broken=broken.tell)

    def _show(self, found: list[Evaluation] | Against, broken: BrokenFiles) -> None:
        left = OK
        if found.heads if isinstance(found, Against) else found:
            with self.open_workspace() as workspace:
                if isinstance(found, Against):
                    if not self.base and found.base and self.number == 1:
                        tell(f"compared with @{found.base.partition('@')[2]}")
                    say_against(found, as_json=self.output.as_json, is_brief=True)
                else:
                    say_evaluations(workspace, found, as_json=self.output.as_json)
                sys.stdout.flush()
                left = write_each(
                    self.output.reports, partial(self._write, workspace), "the next round writes it again"
                )
                for notice in set(workspace.notices) - self.told:
                    self.told.add(notice)
                    warn(notice)
        elif self.output.as_json and self.number == 1:
            say_json([])
        elif not broken:
            tell("nothing that is evaluated was changed")
        latest = [*self.watch.latest.values()]
        code = exit_code_of(latest) if self.base is None else self.watch.latest_against.decision.exit_code
        self.code = broken.worst_with(code) or left

    def _write(self, workspace: Workspace, path: Path) -> None:
        if self.base is None:
            workspace.results.export([*self.watch.latest.values()], path)
        else:
            against = self.watch.latest_against
            workspace.results.export_comparisons(against.compared, path, against.alone)
