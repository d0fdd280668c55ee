"""`promptctl improve`: better texts for a prompt, searched for by a model and proven on cases that none was tried on."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import format_id, styled, tell_wrapped
from promptctl.cli.proposing import AskingOptions, offer
from promptctl.reports.rows import STOPPED
from promptctl.reports.wording import count, format_spent

if TYPE_CHECKING:
    from promptctl import Improvement, PromptCandidate

EXAMPLES = """\
  promptctl improve support/triage -d triage --dry-run
  promptctl improve support/triage -d triage --max-cost 2.00
  promptctl improve support/triage -d triage --writer openai/gpt-4o --yes
"""
_VERDICTS = {
    "better": ("better", "green"),
    "not-shown": ("no improvement that can be shown", "yellow"),
    "unknown": ("the verdict is not known", "yellow"),
}


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Options for the search."""

    heading: ClassVar[str] = "Search"
    model: Annotated[str | None, options.model_option("Run the prompt on this model instead.")] = None
    writer: Annotated[
        str | None,
        option("--writer", "MODEL", "The model that writes the edits, instead of the workspace's.", completes="model"),
    ] = None
    rounds: Annotated[int, option("--rounds", "N", "Edits that are tried at most.", min=1, max=1000)] = 10
    seed: Annotated[
        int | None, option("--seed", "N", "Draws the split, if the dataset has none, and what is tried.")
    ] = None
    edit_parameters: Annotated[bool, option("--edit-parameters", "Also try other parameters, such as temperature.")] = (
        False
    )


def improve(
    context: typer.Context,
    ref: Annotated[str, argument("ID", "The prompt to improve, as the work tree has it.", completes="ref")],
    dataset: Annotated[str, options.dataset_option("The cases to learn from, to choose by, and to prove it on.")],
    search: SearchOptions,
    judging: options.JudgeOptions,
    bounds: options.BoundOptions,
    code: options.CodeOptions,
    wanted: AskingOptions,
) -> None:
    """Let a model improve a prompt, and prove it on cases that no candidate was tried on. Nothing is written unasked.

    Exit code 0 whether an improvement is shown or not, 5 if that is not known yet: the same command then goes on.
    """
    workspace = options.workspace_of(context)
    from promptctl import ImprovementRequest

    request = ImprovementRequest(
        ref=ref,
        dataset=dataset,
        model=search.model,
        writer=search.writer,
        rounds=search.rounds,
        seed=search.seed,
        edits_parameters=search.edit_parameters,
        limits=bounds.limits(),
        **judging.asked,
        **code.asked,
        source="run",
    )
    if wanted.dry_run:
        say_estimate(workspace.authoring.estimate_improvement(request), as_json=wanted.as_json)
        return
    with EvaluationProgress(context) as progress:
        found = workspace.authoring.improve(request, progress, progress.begin_step)
    if not wanted.as_json:
        _tell(found)
    decided = replace(wanted, dry_run=found.verdict == "unknown")
    offer(workspace, found.proposal, decided, found.as_dict)
    raise typer.Exit(found.exit_code)


def _tell(found: Improvement) -> None:
    """Print what was tried, and what came of it."""
    learn, choose, held_out = found.cases
    tell_wrapped(
        f"{found.prompt} {found.version_display} · {found.model} · {found.dataset}: {count(learn, 'case')} to learn "
        f"from, {choose} to choose by, {held_out} held out (split seed {found.split_seed})"
    )
    for each in found.candidates:
        best = " · best" if each.number == found.best and len(found.candidates) > 1 else ""
        tell_wrapped(f"candidate {each.number}: {each.passed} of {choose} · {_origin(each)}{best}", "  ")
    word, colour = _VERDICTS[found.verdict]
    tell_wrapped(f"{styled(word, sys.stderr, fg=colour, bold=True)}: {found.reason}")
    if found.evidence is not None:
        before, after = map(format_id, found.evidence.evaluations)
        tell_wrapped(f"case by case: promptctl compare {before} {after}", "  ")
    refused = f", {count(found.refused, 'edit')} refused" if found.refused else ""
    rounds = f"{found.rounds} of {count(found.rounds_asked, 'round')}{refused}"
    tell_wrapped(f"{rounds} · {count(found.calls, 'call')} · {format_spent(found)}", "  ")
    if found.stopped is not None or found.verdict == "unknown":
        why = f"{STOPPED[found.stopped]}; " if found.stopped else ""
        more = " with more money" if found.stopped in ("max-cost", "budget") else ""
        tell_wrapped(f"{why}the same command goes on{more}, and asks for nothing that was answered", "  ")


def _origin(candidate: PromptCandidate) -> str:
    if not candidate.parents:
        return "the prompt as it is"
    parents = " and ".join(map(str, candidate.parents))
    return f"round {candidate.round_number}, from {parents}: {', '.join(candidate.edited)}"
