"""`promptctl review`: a whole pull request: what changed, who breaks, what it did to the results, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from promptctl import Review, ReviewRequest
from promptctl.cli import options
from promptctl.cli.commands import WAY, argument, names_in, option, refuse_given, way_here
from promptctl.cli.comparison_output import say_comparisons
from promptctl.cli.diff import say_changed_text, say_parts
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import conclude, flat, hiding, say, say_json, say_wrapped, styled, visible
from promptctl.cli.tables import say_table
from promptctl.reports import review as words
from promptctl.reports.review_files import check_suffixes
from promptctl.reports.review_json import review_as_dict
from promptctl.reports.wording import count

EXAMPLES = """\
  promptctl review
  promptctl review origin/main --gate strict -o review.md -o review.html
  promptctl review --no-eval --fail-on-breaking
"""


def review(
    context: typer.Context,
    base: Annotated[
        str | None,
        argument(
            "[BASE]",
            "Compare HEAD with the commit at which it left this. Default: the default branch.",
            completes="revision",
        ),
    ] = None,
    head: Annotated[
        str | None,
        argument(
            "[HEAD]",
            "The revision under review. Default: the work tree, or HEAD if that is clean.",
            completes="revision",
        ),
    ] = None,
    base_as_is: Annotated[
        bool, option("--base-as-is", "Compare with BASE itself, not with the commit at which HEAD left it.")
    ] = False,
    no_eval: Annotated[bool, option("--no-eval", "Ask no model: say what changed and who breaks.")] = False,
    *,
    asked: options.ReplyOptions,
    judging: options.JudgeOptions,
    gate: options.AskingGateOptions,
    bounds: options.BoundOptions,
    fail_on_breaking: Annotated[bool, option("--fail-on-breaking", "Fail if callers or consumers break.")] = False,
    allow_code: Annotated[
        bool,
        option("--allow-code", "Run `python:` assertions of HEAD, else left out. Only if you trust whoever wrote it."),
    ] = False,
    outputs: Annotated[
        list[Path] | None, options.output_option("Also write .md .json .html .xml (JUnit). Repeatable.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Review what HEAD changed: prompts, schemas, datasets, who breaks, and whether results got worse.

    Settings, and so endpoints and the names of keys, come from BASE. Exit code 1 if the gate fails.
    """
    if no_eval:
        groups = names_in(options.ReplyOptions, options.JudgeOptions, options.BoundOptions)
        why = "and --no-eval cannot be given together"
        refuse_given(context, [*groups, "allow_code"], why, "--no-eval asks for no reply at all")
    check_suffixes(outputs or ())
    workspace = options.workspace_of(context)
    workspace.context.start = Path(context.meta.get(WAY) or way_here())
    arguments = _arguments(
        {
            **{_option(name): value for name, value in gate.rule.items()},
            "--replies": asked.replies if asked.replies != "cache" else None,
            "--base-as-is": base_as_is,
            "--no-eval": no_eval,
            "--fail-on-breaking": fail_on_breaking,
            "--allow-code": allow_code,
            "--model": asked.models,
            "--judge": judging.judge,
            "--judge-param": judging.judge_parameters,
        }
    )
    request = ReviewRequest(
        base=base,
        head=head,
        is_base_as_it_is=base_as_is,
        models=asked.models,
        rule=gate.rule,
        limits=bounds.limits(),
        is_evaluated=not no_eval,
        replies=asked.replies,
        allows_code=allow_code,
        fails_on_breaking=fail_on_breaking,
        arguments=arguments,
        **judging.asked,
    )
    with EvaluationProgress(context) as progress:
        found = workspace.review(request, progress)

    def say_it() -> None:
        with hiding(found.hide):
            if as_json:
                say_json(review_as_dict(found))
            else:
                say_review(found)

    conclude(
        say_it,
        outputs or (),
        lambda path: workspace.export_review(found, path),
        "give the command again: what was answered comes from the cache",
        found.decision.exit_code,
    )


def _option(field: str) -> str:
    return "--metric" if field == "metrics" else f"--{field.replace('_', '-')}"


def _arguments(given: Mapping[str, Any]) -> list[str]:
    """Return options as they would be typed: a flag that is set, and each value of any other."""
    found = []
    for name, value in given.items():
        if value is True:
            found.append(name)
        elif value is not False and value is not None:
            values = value if isinstance(value, (tuple, list)) else (value,)
            found += [part for each in values for part in (name, str(each))]
    return found


MOST_IDS = 10


def say_review(review: Review) -> None:
    """Print a review on stdout."""
    say_wrapped(f"{styled(_line(' → '.join(words.sides(review))), sys.stdout, bold=True)}: {words.counts(review)}")
    for note in words.told_notes(review):
        say_wrapped(_line(note), indent="  ")
    _say_diffs(review)
    _say_list("Datasets", [words.about_dataset(each, MOST_IDS) for each in review.datasets])
    for dataset in review.datasets:
        for edit in dataset.edits[:MOST_IDS]:
            say(f"\n{styled(_line(words.edit_title(dataset, edit)), sys.stdout, bold=True)}")
            say_changed_text(words.edit_lines(edit))
        if (more := len(dataset.edits) - MOST_IDS) > 0:
            say(f"\n… and {count(more, 'more edited case')} of {_line(dataset.path)}")
    _say_list("Labels moved meanwhile", [words.about_moves(move) for move in review.moves])
    _say_list("Breaking changes", words.told_breaks(review), colour="red")
    for found in review.measurements:
        if found.compared:
            say()
            say_comparisons([words.readable(each) for each in found.compared])
    rows = list(words.outcomes(review))
    if rows:
        say()
        right = ["Passed", "Cost"]
        say_table(
            ["Prompt", "Change", "Result", "Dataset", *right],
            map(_row, rows, words.row_names(rows)),
            right=right,
            texts=["Change", "Result"],
        )
    for problem in words.told_problems(review):
        say_wrapped(_line(str(problem)), indent="  ")
    say()
    for warning in words.warnings(review):
        say_wrapped(f"{styled('warning', sys.stdout, fg='yellow', bold=True)}: {_line(warning)}")
    yellow = ("incomplete", "undecided", "not evaluated")
    colour = "red" if review.state == "failed" else "yellow" if review.state in yellow else "green"
    say_wrapped(
        f"{styled(review.state, sys.stdout, fg=colour, bold=True)}: {_line(' '.join(words.told_reasons(review)))}"
    )


def _line(text: str) -> str:
    """Return the text as one line, whatever a file is called."""
    return visible(flat(text))


def _row(row: words.ReviewRow, name: str) -> tuple[str, ...]:
    passed, _, cost, _ = words.numbers(row)
    return name, row.change, row.verdict, row.dataset.removeprefix("datasets/"), passed, cost


def _say_diffs(review: Review) -> None:
    for prompt in review.prompts:
        if prompt.diff is None or prompt.diff.is_empty:
            continue
        was = f" (was {_line(prompt.former_id)})" if prompt.former_id else ""
        say(f"\n{styled(_line(prompt.id), sys.stdout, bold=True)}{was}")
        say_parts(prompt.diff)


def _say_list(title: str, lines: Sequence[str], colour: str | None = None) -> None:
    if lines:
        say(f"\n{styled(title, sys.stdout, bold=True)}")
    for line in lines:
        say_wrapped(_line(line), indent="  ", fg=colour)
