"""`promptctl eval`: how good a prompt version is on the cases of its datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.commands import argument, names_in, option, refuse_given
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_ending import EvaluationEnding, OutputOptions
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.errors import UsageError, printable

if TYPE_CHECKING:
    from promptctl import Selection, Workspace

EXAMPLES = """\
  promptctl eval support/triage
  promptctl eval --all --against @production --max-cost 2.00 -o report.html
  promptctl eval support/triage --failed -m openai/gpt-4o-mini
"""
_ID = re.compile(r"[0-9a-f-]{4,36}")


@dataclass(frozen=True, slots=True)
class SubjectOptions:
    """Arguments and options that say which prompts are evaluated, and on which datasets."""

    heading: ClassVar[str] = "Prompts and datasets"
    names: Annotated[
        list[str],
        argument(
            "[REF]...", "Prompts, each at a version if wanted; with --failed also an evaluation's id.", completes="ref"
        ),
    ] = field(default_factory=list)
    everything: Annotated[bool, option("--all", "Every prompt that a dataset tests.")] = False
    changed_since: Annotated[
        str | None,
        option(
            "--changed-since",
            "REV",
            "Every prompt that changed, or whose dataset did, since HEAD left REV.",
            completes="revision",
        ),
    ] = None
    datasets: Annotated[list[str], options.dataset_option("Only this dataset. Repeatable.")] = field(
        default_factory=list
    )


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """Options that choose among the cases of a dataset."""

    heading: ClassVar[str] = "Cases"
    cases: Annotated[list[str], option("--case", "ID", "Only this case. Repeatable.", completes="case")] = field(
        default_factory=list
    )
    tags: Annotated[list[str], option("--tag", "TAG", "Only cases with this tag. Repeatable.", completes="tag")] = (
        field(default_factory=list)
    )
    sample: Annotated[int | None, option("--sample", "N", "Only N cases, drawn by --seed.", min=1)] = None
    seed: options.Seed = 0
    first: Annotated[int | None, option("--first", "N", "Only the first N cases.", min=1)] = None
    split: Annotated[str | None, option("--split", "PART", "Only the cases of a part: train, choose or held_out.")] = (
        None
    )
    failed: Annotated[bool, option("--failed", "Only what did not pass the last time, or in the evaluation ID.")] = (
        False
    )

    @property
    def selection(self) -> Selection:
        """The choice that needs no earlier evaluation."""
        from promptctl import Selection

        return Selection(
            ids=frozenset(self.cases) if self.cases else None,
            tags=tuple(self.tags),
            sample=self.sample,
            seed=self.seed,
            first=self.first,
            part=self.split,
        )


@dataclass(frozen=True, slots=True)
class PassOptions:
    """Options that say when a case passes, and when its dataset does."""

    heading: ClassVar[str] = "Passing"
    repeats: Annotated[int, option("--repeat", "K", "Ask for each case K times.", min=1, max=1000)] = 1
    at_least: Annotated[
        int | None, option("--at-least", "M", "A case passes with M of its K; all by default.", min=1)
    ] = None
    min_pass: Annotated[float | None, options.share_option("--min-pass", "The share that must pass.")] = None


@dataclass(frozen=True, slots=True)
class OverridingOptions:
    """Options that win over what a prompt and its datasets name."""

    heading: ClassVar[str] = "Models and replies"
    parameters: options.Parameters = field(default_factory=list)


def evaluate(
    context: typer.Context,
    subjects: SubjectOptions,
    asked: options.ReplyOptions,
    instead: OverridingOptions,
    judging: options.JudgeOptions,
    choice: CaseOptions,
    passing: PassOptions,
    bounds: options.BoundOptions,
    *,
    fail_fast: options.FailFast = False,
    until_decided: options.UntilDecided = False,
    sequential: options.Sequential = False,
    dry_run: options.AskNothing = False,
    code: options.CodeOptions,
    watch: Annotated[bool, option("--watch", "Evaluate again what a saved file touches, until Ctrl-C.")] = False,
    against: Annotated[
        str | None,
        option(
            "--against",
            "[REF]",
            "Also evaluate this version and compare: @production, @origin/main, a whole ref. Without one, "
            "`gate.base` of promptctl.yaml, else @production, else the default branch.",
            completes="base",
        ),
    ] = None,
    gate: options.AskingGateOptions,
    afresh: Annotated[
        bool, option("--afresh", "Ask all anew, and set earlier comparisons of the same content aside.")
    ] = False,
    output: OutputOptions,
) -> None:
    """Evaluate prompts over their datasets. Exit code 1 if too few cases pass, 5 if some could not be graded."""
    if passing.at_least is not None and passing.at_least > passing.repeats:
        raise UsageError(f"--at-least {passing.at_least} is more than --repeat {passing.repeats}")
    if against is None:
        compare = "compares two versions: give it with --against"
        refuse_given(context, [*names_in(options.AskingGateOptions), "afresh"], compare)
    if afresh and asked.replies in ("record", "refresh", "replay"):
        raise UsageError("--afresh asks both sides anew, without recordings: leave out --replies")
    if choice.sample is None and not (until_decided or sequential):
        why = "draws the cases of --sample, or the order of --until-decided and --sequential: give it with one of them"
        refuse_given(context, ["seed"], why)
    if sequential:
        refuse_given(
            context, ["until_decided"], "and --sequential cannot be given together", "--sequential ends sooner"
        )
    told = code.asked
    if dry_run and output.reports:
        raise UsageError("--dry-run evaluates nothing that -o could report")
    output.check()
    if watch:
        why = "and --watch cannot be given together"
        refuse_given(context, ["changed_since", "failed", "dry_run"], why, "--watch finds what was changed by itself")
    workspace = options.workspace_of(context)
    names, failed_of = split_names(workspace, subjects.names) if choice.failed else (subjects.names, None)
    ending, since = EvaluationEnding(workspace, output), subjects.changed_since
    models = (*asked.models, judging.judge or "")
    is_replayed = asked.replies == "replay" or any(each.startswith("replay/") for each in models)
    refs = _refs(ending, names, subjects, failed_of, is_replayed=is_replayed, is_failed=choice.failed, against=against)
    if since is not None and not refs:
        tested = f"nothing that {' or '.join(subjects.datasets)} tests" if subjects.datasets else None
        ending.nothing(
            f"nothing to evaluate: {tested or 'no tested prompt, and no dataset of one,'} has changed since {since}"
        )
    from promptctl import EvaluationRequest

    request = EvaluationRequest(
        refs=refs,
        datasets=subjects.datasets,
        models=asked.models,
        parameters=options.read_pairs(instead.parameters, "--param"),
        selection=choice.selection,
        only_own_datasets=since is not None,
        left=None if since is None else (since, workspace.datasets.left_at(since)),
        only_failed=choice.failed,
        failed_of=failed_of,
        repeats=passing.repeats,
        at_least=passing.at_least,
        min_pass=passing.min_pass,
        limits=bounds.limits(fails_fast=fail_fast),
        replies="ask" if afresh else asked.replies,
        afresh=afresh,
        until="sequential" if sequential else "decided" if until_decided else None,
        on_broken=ending.broken.tell,
        **judging.asked,
        **told,
    )
    with ending:
        if dry_run:
            say_estimate(workspace.estimate(request, against), as_json=output.as_json)
            raise typer.Exit(ending.broken.worst_with(errors.OK))
        if watch:
            from promptctl.cli.watching import watch as watch_files

            watch_files(context, request, output, against, gate.rule)
        if against is None:
            with EvaluationProgress(context) as progress:
                found = workspace.evaluate(request, progress)
            ending.evaluations(found)
        with EvaluationProgress(context) as progress:
            compared = workspace.evaluate_against(request, against or None, gate.rule, progress)
        ending.comparisons(compared, against)


def split_names(workspace: Workspace, names: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the prompts that are named, and the id of an evaluation: what looks like one and is no prompt."""
    known = workspace.complete("")
    ids = [name for name in names if _ID.fullmatch(name) and name not in known]
    if len(ids) > 1:
        raise UsageError("name one evaluation, not several", hint=f"you named {', '.join(ids)}")
    return [name for name in names if name not in ids], ids[0] if ids else None


def _refs(
    ending: EvaluationEnding,
    names: Sequence[str],
    subjects: SubjectOptions,
    failed_of: str | None,
    *,
    is_replayed: bool,
    is_failed: bool,
    against: str | None,
) -> list[str] | None:
    """Return the prompts named, those that changed, or those of the evaluation that had failures; None for all."""
    workspace = ending.workspace
    if bool(names) + subjects.everything + (subjects.changed_since is not None) > 1:
        raise UsageError("give prompts, --all or --changed-since: one of them")
    if subjects.changed_since is not None:
        since, tell_broken = subjects.changed_since, ending.broken.tell
        return workspace.datasets.changed_since(since, subjects.datasets, tell_broken, is_replayed=is_replayed)
    if subjects.everything:
        return None
    if is_failed and not names:
        rows = workspace.results.last_command() if failed_of is None else [workspace.results.evaluation(failed_of).row]
        return list(dict.fromkeys(row.prompt for row in rows))
    if not names:
        hint = "a prompt, or --all, or --changed-since origin/main"
        if against and not against.startswith("@"):
            hint = f"--against took `{printable(against)}`: name the prompt before it, or a version as --against=REF"
        raise UsageError("say what to evaluate", hint=hint)
    return list(names)
