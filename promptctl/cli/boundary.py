"""The one place where errors end: printed for a person, turned into an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import typer

from promptctl import errors
from promptctl._version import __version__
from promptctl.cli.output import styled, tell, tell_error

_CommandLineError = typer.BadParameter.__mro__[2]


def run_guarded(command: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    try:
        result = command(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.stdout.flush()
    except errors.PromptctlError as error:
        tell_error(error)
        return error.exit_code
    except typer.Exit as finished:
        return finished.exit_code
    except (KeyboardInterrupt, typer.Abort):
        tell("interrupted")
        return errors.INTERRUPTED
    except BrokenPipeError:
        # What reads our output has gone; a second failure at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.BROKEN_PIPE
    except _CommandLineError as error:  # type: ignore[misc]
        return _tell_usage(error)
    except Exception as error:
        return _tell_bug(error)
    return result if isinstance(result, int) else errors.OK


def _tell_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        tell(error.format_message())
        return errors.USAGE
    tell(styled("error: ", sys.stderr, fg="red", bold=True) + error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        tell(f"  {styled('hint:', sys.stderr, fg='cyan')} {context.command_path} --help")
    return int(getattr(error, "exit_code", errors.USAGE)) or errors.USAGE


def _tell_bug(error: Exception) -> int:
    import traceback

    from promptctl.log.redaction import Redactor, secrets_of

    text = "".join(traceback.format_exception(error))
    safe = Redactor(secrets_of(os.environ)).redact(text)
    descriptor, path = tempfile.mkstemp(prefix="promptctl-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"promptctl {__version__}, Python {sys.version}\n\n{safe}")
    tell(styled("bug: ", sys.stderr, fg="red", bold=True) + f"{type(error).__name__} in promptctl {__version__}")
    tell(f"  {styled('hint:', sys.stderr, fg='cyan')} please report it with the traceback saved in {path}")
    return errors.BUG
