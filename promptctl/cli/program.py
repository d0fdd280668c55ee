"""The program: a word for a shell, or a command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The console script's entry point."""
    if "_PROMPTCTL_COMPLETE" in os.environ:
        from promptctl.cli.completing import answer

        if (found := answer(os.environ)) is not None:
            sys.stdout.write(f"{found}\n")
            sys.stdout.flush()
            os._exit(0)
    from promptctl.cli.main import main as run

    run()
