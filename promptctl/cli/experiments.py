"""`promptctl experiment`: versions compared on live calls, what they found, and how it ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.output import (
    format_moment,
    left_to_show,
    say,
    say_json,
    styled,
    tell,
    time_heading,
    told_moment,
    visible,
)
from promptctl.cli.page_layout import say_columns, say_fact
from promptctl.cli.tables import Styled, say_table
from promptctl.errors import CheckFailed, quote
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import Ending, Experiment, ExperimentStatus

app = Group("Versions compared on live calls: who gets which, what they found, how it ends.")

EXAMPLES = """\
  promptctl experiment report tone
  promptctl experiment promote tone
  promptctl experiment stop tone --reason "The kinder tone is too long"
"""

ExperimentName = Annotated[str, argument("NAME", "An experiment's name.", completes="experiment")]

_NONE_YET = "no experiment yet: write one under `experiments` in promptctl.yaml"
_COLOURS = {"broken": "red", "stopped": "yellow", "promoted": "green", "refused": "red"}


@app.command("list")
def list_experiments(context: typer.Context, as_json: options.Json = False) -> None:
    """List the experiments. Says what each does now, and how many keys and calls it had."""
    found = options.workspace_of(context).experiments.all()
    if not left_to_show(found, _NONE_YET, as_json=as_json):
        return
    since = time_heading("Since", (each.first_at for each in found))
    rows = [
        (
            each.experiment.name,
            Styled(each.state, {"fg": _COLOURS.get(each.state)}),
            each.experiment.prompt,
            ", ".join(f"{arm.arm.name} {arm.arm.share:g}%" for arm in each.arms),
            _primary(each.experiment),
            each.keys,
            each.calls,
            format_moment(each.first_at),
        )
        for each in found
    ]
    say_table(
        ["Experiment", "State", "Prompt", "Arms", "Decides", "Keys", "Calls", since],
        rows,
        right=["Keys", "Calls"],
        texts=["Arms", "Prompt"],
        spare=[since, "Decides", "Calls"],
    )
    for each in found:
        if each.reason:
            tell(f"{each.experiment.name} is {each.state}: {each.reason}")


@app.command("show")
def show_experiment(context: typer.Context, name: ExperimentName, as_json: options.Json = False) -> None:
    """Show one experiment. Its arms with what they name now, which calls take part, and what decides."""
    found = options.workspace_of(context).experiments.experiment(name)
    if as_json:
        say_json(found.as_dict())
        return
    experiment = found.experiment
    say(f"{styled(visible(experiment.name), sys.stdout, bold=True)}  {visible(experiment.hypothesis or '')}".rstrip())
    say()
    say_fact("state", f"{found.state}: {found.reason}" if found.reason else found.state, fg=_COLOURS.get(found.state))
    say_fact("prompt", experiment.prompt)
    missing = {"refuse": "a call without one is refused", "control": "a call without one gets control, not compared"}
    say_fact("key", f"{experiment.key}; {missing[experiment.key_missing]}" if experiment.key != "call" else "each call")
    say_fact("only", _only(experiment))
    say_fact("decides", _primary(experiment))
    say_fact(
        "guards",
        ", ".join(f"{each.kind} {each.of} {_amount(each.limit, each.is_relative)}" for each in experiment.guards),
    )
    if experiment.ends is not None:
        say_fact("ends", f"when decided, then {experiment.ends.then}, by promptctl experiment step")
    say_fact("calls", _calls(found))
    say_fact("rule", str(experiment.place))
    say()
    say_columns(
        ["Arm", "Ref", "Version", "Share", "Keys from", "to", "Keys", "Calls"],
        [
            (
                each.arm.name,
                each.arm.ref,
                each.version_display or "cannot be resolved",
                f"{each.arm.share:g}%",
                f"{each.arm.start / 10_000:.4f}",
                f"{each.arm.end / 10_000:.4f}",
                f"{each.keys:,}",
                f"{each.calls:,}",
            )
            for each in found.arms
        ],
    )


@app.command("report")
def report(context: typer.Context, name: ExperimentName, as_json: options.Json = False) -> None:
    """Say what an experiment found so far, however often it is asked. Ends with 1 if the report is void."""
    from promptctl.reports import experiment as words

    found = options.workspace_of(context).experiments.report(name)
    if as_json:
        say_json(found.as_dict())
    else:
        say(visible(words.title(found)))
        say()
        say_table(
            words.ARM_COLUMNS, words.arm_rows(found), right=["Keys", "Known"], spare=["Share", "Known", "Version"]
        )
        if guards := list(words.guard_rows(found)):
            say()
            say_table(words.GUARD_COLUMNS, guards, spare=["At most", "On control"])
        say()
        for sentence in words.sentences(found):
            say(visible(sentence))
    if found.voided:
        raise CheckFailed(f"the report of {name} is void", hint="begin anew under another name, which is the seed")


@app.command("stop")
def stop_experiment(
    context: typer.Context,
    name: ExperimentName,
    reason: Annotated[
        str, option("--reason", "TEXT", "Why, which must be said; it is written to promptctl.yaml.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Stop an experiment in promptctl.yaml: everybody gets control. Comments in the file stay."""
    _say_ending(options.workspace_of(context).experiments.stop(name, reason), as_json=as_json)


@app.command("promote")
def promote(
    context: typer.Context,
    name: ExperimentName,
    arm: Annotated[str | None, option("--arm", "ARM", "The arm; by default the best.")] = None,
    force: Annotated[
        bool, option("--force", "Move it though the report does not say that it is better; needs --reason.")
    ] = False,
    reason: options.Reason = "",
    as_json: options.Json = False,
) -> None:
    """Move the label of control to a better arm. The report is the evidence in the label's event."""
    workspace = options.workspace_of(context, asks=True)
    ending = workspace.experiments.promote(name, arm, reason=reason, is_forced=force)
    _say_ending(ending, as_json=as_json)


@app.command("step")
def step(
    context: typer.Context,
    names: Annotated[
        list[str] | None, argument("[NAME]...", "Only these.", completes="experiment", show_default=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Do what `ends` says of each experiment that is decided. For cron and CI: done again, it does nothing."""
    found = options.workspace_of(context).experiments.step(names or ())
    if left_to_show(found, _NONE_YET, as_json=as_json):
        rows = [
            (
                each.experiment,
                each.verdict or "-",
                Styled(each.action if each.action != "none" else "nothing", {"fg": _COLOURS.get(each.action)}),
                each.words,
            )
            for each in found
        ]
        say_table(["Experiment", "Verdict", "Done", "Why"], rows, texts=["Why"])
    for each in found:
        _tell_next(each)
    if errors := [each.error for each in found if each.error is not None]:
        raise max(errors, key=lambda error: error.exit_code)
    if refused := [each.experiment for each in found if each.action == "refused"]:
        raise CheckFailed(f"{', '.join(refused)} could not be ended", hint=f"promptctl experiment report {refused[0]}")


def _say_ending(ending: Ending, *, as_json: bool) -> None:
    if as_json:
        say_json(ending.as_dict())
    elif ending.action == "none":
        tell(f"nothing to do: {ending.words}")
    else:
        say(f"{ending.experiment}  {ending.action}: {ending.words}")
    _tell_next(ending)


def _tell_next(ending: Ending) -> None:
    """Say what is left to be done for an ending to reach every process."""
    if ending.action == "stopped":
        tell("commit promptctl.yaml: each process goes by the file that it runs with")
    elif ending.action == "promoted":
        stop = f"promptctl experiment stop {quote(ending.experiment)} --reason promoted"
        tell(f"its arms name the same now; to draw nobody any more: {stop}")


def _primary(experiment: Experiment) -> str:
    primary = experiment.primary
    least = f" by {_amount(primary.minimum, primary.is_relative)}" if primary.minimum is not None else ""
    return f"{primary.of if primary.kind == 'feedback' else f'{primary.kind} {primary.of}'} {primary.direction}{least}"


def _amount(amount: float, is_relative: bool) -> str:
    return f"+{amount * 100:g}{'%' if is_relative else ' points'}"


def _only(experiment: Experiment) -> str:
    parts = [f"label {experiment.label}"] if experiment.label else []
    parts += [f"{name} {' or '.join(values)}" for name, values in experiment.metadata.items()]
    return ", ".join(parts)


def _calls(found: ExperimentStatus) -> str:
    if found.first_at is None or found.last_at is None:
        return "none yet"
    fell = f"; {count(found.fell_back, 'more call')} fell back to control, not compared" if found.fell_back else ""
    span = f"from {told_moment(found.first_at)} to {told_moment(found.last_at)}"
    return f"{count(found.calls, 'call')} of {count(found.keys, 'key')}, {span}{fell}"
