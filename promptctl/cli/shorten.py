"""`promptctl shorten`: a prompt without what it does not need, proven on cases that chose nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.estimate_output import say_estimate
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import format_id, tell_wrapped
from promptctl.cli.proposing import AskingOptions, offer
from promptctl.reports.rows import STOPPED
from promptctl.reports.wording import count, format_cost, format_spent

if TYPE_CHECKING:
    from promptctl import Shortened, TriedCut

EXAMPLES = """\
  promptctl shorten support/triage -d triage --dry-run
  promptctl shorten support/triage -d triage --max-cost 1.00
  promptctl shorten support/triage -d triage --margin 0.1 --yes
"""
_OUTCOMES = {
    "dropped": "dropped",
    "needed": "needed",
    "not-proven": "not proven",
    "unfit": "has to stay",
    "unknown": "not known",
}


@dataclass(frozen=True, slots=True)
class ShorteningOptions:
    """Options for what is tried and what it may lose."""

    heading: ClassVar[str] = "Search"
    model: Annotated[str | None, options.model_option("Run the prompt on this model instead.")] = None
    margin: Annotated[
        float | None,
        options.share_option(
            "--margin",
            "The loss of passing cases that must be ruled out. Default: the gate's, 0.05.",
            least=0.001,
            most=0.999,
        ),
    ] = None
    seed: Annotated[int | None, option("--seed", "N", "Draws the split, if the dataset has none.")] = None


def shorten(
    context: typer.Context,
    ref: Annotated[str, argument("ID", "The prompt to shorten, as the work tree has it.", completes="ref")],
    dataset: Annotated[str, options.dataset_option("The cases to choose by and to prove it on.")],
    search: ShorteningOptions,
    judging: options.JudgeOptions,
    bounds: options.BoundOptions,
    code: options.CodeOptions,
    wanted: AskingOptions,
) -> None:
    """Leave out one paragraph, example or description at a time, and keep what held-out cases allow.

    Nothing is written unasked. Exit code 0 whether a part can be left out or not, 5 if it ended before all were tried.
    """
    workspace = options.workspace_of(context)
    from promptctl import ShorteningRequest

    request = ShorteningRequest(
        ref=ref,
        dataset=dataset,
        model=search.model,
        margin=search.margin,
        seed=search.seed,
        limits=bounds.limits(),
        **judging.asked,
        **code.asked,
    )
    if wanted.dry_run:
        say_estimate(workspace.authoring.estimate_shortening(request), as_json=wanted.as_json)
        return
    with EvaluationProgress(context) as progress:
        found = workspace.authoring.shorten(request, progress, progress.begin_step)
    if not wanted.as_json:
        _tell(found)
    offer(workspace, found.proposal, wanted, found.as_dict)
    raise typer.Exit(found.exit_code)


def _tell(found: Shortened) -> None:
    """Print what was tried, and what came of it."""
    tell_wrapped(
        f"{found.prompt} {found.version_display} · {found.model} · {found.dataset}: "
        f"{count(found.choosing, 'case')} to choose by, {found.held_out} held out (split seed {found.split_seed})"
    )
    for each in found.tried:
        tell_wrapped(_words(each, found.choosing), "  ")
    if found.loss is None:
        tell_wrapped("nothing that can be left out was found" if found.stopped is None else "nothing was proven yet")
    else:
        tell_wrapped(f"{count(found.saved_tokens, 'token')} of {found.tokens} fewer in each request{_saved(found)}")
        before, after = map(format_id, found.loss.evaluations)
        tell_wrapped(f"{found.loss.words}; {found.margin * 100:g} points or more are ruled out")
        tell_wrapped(f"case by case: promptctl compare {before} {after}", "  ")
    tell_wrapped(f"{count(found.calls, 'call')} · {format_spent(found)}", "  ")
    if found.is_unfinished:
        why = f"{STOPPED[found.stopped]}; " if found.stopped else ""
        untried = f"{count(found.untried, 'part')} not tried; " if found.untried else ""
        tell_wrapped(f"{why}{untried}the same command goes on, and asks for nothing that was answered", "  ")


def _saved(found: Shortened) -> str:
    """Return what that saves of the calls in the log, and what that is in a month; nothing if it is not known."""
    if found.saved_of_recent_nano_usd is None or found.saved_nano_usd is None:
        return ""
    days = max(1, round(found.recent_days))
    calls = f"{count(found.recent_calls, 'call')} in {count(days, 'day')}"
    less, month = map(format_cost, (found.saved_of_recent_nano_usd, found.saved_nano_usd))
    return f": {less} less for the log's {calls}, which is {month} a month at that rate"


def _words(tried: TriedCut, choosing: int) -> str:
    """Return a part, and what became of it, in a line."""
    why = f": {tried.note}" if tried.note else f", {tried.lost} of {choosing} lost" if tried.outcome == "needed" else ""
    tokens = count(tried.cut.tokens, "token")
    return f"{_OUTCOMES[tried.outcome]}{why} · {tokens} · {tried.cut.about}, line {tried.cut.line}: {tried.cut.words}"
