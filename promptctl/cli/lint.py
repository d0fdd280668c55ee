"""`promptctl lint`: risks and poor style in prompts, as text, JSON, SARIF or annotations of GitHub."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from promptctl import LintFinding, LintOptions, LintReport, errors
from promptctl.cli import options
from promptctl.cli.checks import Format, check_as_dict, refuse_two_formats, say_to_ci
from promptctl.cli.commands import option, refuse_given
from promptctl.cli.output import say, say_json, tell_problems
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.errors import UsageError
from promptctl.reports.wording import count

EXAMPLES = """\
  promptctl lint
  promptctl lint prompts/support --ignore P105,P403
  promptctl lint --format sarif > lint.sarif
  promptctl lint --fix
"""


def lint(
    context: typer.Context,
    paths: options.Paths = None,
    select: Annotated[list[str] | None, option("--select", "CODES", "Only these rules: P103,P401. Repeatable.")] = None,
    ignore: Annotated[list[str] | None, option("--ignore", "CODES", "Not these rules. Repeatable.")] = None,
    fix: Annotated[
        bool, option("--fix", "Show as a diff what can be mended without a change of replies, and write it.")
    ] = False,
    strict: Annotated[bool, option("--strict", "Exit code 1 on warnings, too.")] = False,
    format_: Format = "text",
    *,
    wanted: WriteOptions,
) -> None:
    """Look for risks and poor style in prompts. Exit code 1 on any error; warnings alone fail nothing.

    Each finding has the code of its rule. `# promptctl: ignore=P103` on its line, above it, or at the top of the file
    silences it; `lint:` in promptctl.yaml sets rules by glob.
    """
    _check_together(context, fix, format_, wanted)
    workspace = options.workspace_of(context)
    asked: LintOptions = {"select": select or (), "ignore": ignore or ()}
    report = workspace.lint(paths or (), **asked)

    def document() -> dict[str, Any]:
        nonlocal report
        if fix and wanted.yes and not wanted.dry_run:  # what is left once that is written
            report = workspace.lint(paths or (), **asked)
        return check_as_dict(report.findings, prompts=report.prompts)

    if wanted.as_json or format_ == "json":
        if fix:
            offer(workspace, report.proposal, replace(wanted, as_json=True), document)
        else:
            say_json(document())
    elif not say_to_ci(report.findings, format_, workspace.root):
        if fix and offer(workspace, report.proposal, wanted):
            report = workspace.lint(paths or (), **asked)
        _say_text(report)
    if report.has_errors or (strict and report.findings):
        raise typer.Exit(errors.CHECK_FAILED)


def _say_text(report: LintReport) -> None:
    tell_problems(
        replace(each, message=f"{each.code} {each.message}") if isinstance(each, LintFinding) else each
        for each in report.findings
    )
    found = check_as_dict(report.findings)
    words = f"{count(found['errors'], 'error')}, {count(found['warnings'], 'warning')}"
    linted = count(report.prompts, "prompt") if report.prompts else count(report.files, "file")
    say(f"{linted} linted: {words}")


def _check_together(context: typer.Context, fix: bool, format_: Format, wanted: WriteOptions) -> None:
    refuse_two_formats(format_, as_json=wanted.as_json)
    if not fix:
        refuse_given(context, ["yes", "dry_run"], "says nothing without --fix", "add --fix")
    if fix and format_ in ("sarif", "github"):
        raise UsageError(f"--fix and --format {format_} cannot be given together", hint="fix first, and lint again")
