"""`promptctl review`: a whole pull request: what changed, who breaks, what it did to the results, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from promptctl import ReviewRequest
from promptctl.cli import options
from promptctl.cli.commands import argument, names_in, option, refuse_given
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.output import conclude, hiding, say_json
from promptctl.cli.review_output import say_review
from promptctl.reports.review_files import check_suffixes
from promptctl.reports.review_json import review_as_dict

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
