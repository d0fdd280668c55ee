"""`promptctl doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import sys

import typer

from promptctl.cli import options
from promptctl.cli.output import say_json, say_wrapped, styled, tell
from promptctl.errors import CHECK_FAILED
from promptctl.reports.wording import count

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDTH = 11
_INDENT = " " * 2 * _WIDTH


def doctor(context: typer.Context, as_json: options.Json = False) -> None:
    """Look at everything that promptctl depends on here, and say what to do about what is wrong.

    Git, SQLite, the workspace and its files, the log, its rules, budgets, keys of models, and LiteLLM. Nothing is
    changed or sent. The exit code is 1 if there is a problem; a warning is none.
    """
    from promptctl import diagnose

    options.begin_waiting(context, "looking")
    found = diagnose(context.obj)
    number = {status: sum(each.status == status for each in found) for status in _COLOURS}
    if as_json:
        checks = [each.as_dict() for each in found]
        say_json({"problems": number["problem"], "warnings": number["warning"], "checks": checks})
    else:
        for each in found:
            status = styled(each.status.ljust(_WIDTH), sys.stdout, fg=_COLOURS[each.status])
            say_wrapped(each.message, _INDENT, f"{status}{each.check.ljust(_WIDTH)}")
            for line in (each.hint or "").splitlines():
                say_wrapped(f"→ {line}", _INDENT, dim=True)
        tell(f"{count(number['problem'], 'problem')}, {count(number['warning'], 'warning')}")
    if number["problem"]:
        raise typer.Exit(CHECK_FAILED)
