"""The program: a word for a shell, or a command."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """The console script's entry point."""
    if "_PROMPTCTL_COMPLETE" in os.environ:
        from promptctl.cli.completing import answer, rejoin

        left_out = rejoin(os.environ)
        if (found := answer(os.environ)) is None and left_out:
            found = _of_typer()
        if found is not None:
            sys.stdout.write("".join(f"{line.removeprefix(left_out)}\n" for line in found.split("\n")))
            sys.stdout.flush()
            os._exit(0)
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:  # until the program is loaded, Ctrl-C ends it as the system does, and not within an import
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from promptctl.cli.main import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _of_typer() -> str:
    import io
    from contextlib import redirect_stdout, suppress

    from promptctl.cli.boundary import run_program
    from promptctl.cli.main import command

    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        run_program(command)
    return printed.getvalue().rstrip("\n")
