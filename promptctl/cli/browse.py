"""`promptctl browse`: the workspace as pages on this machine."""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import is_terminal, say, tell
from promptctl.errors import quote
from promptctl.workspace import open_workspace


def browse(
    context: typer.Context,
    port: options.Port = 0,
    is_opened: Annotated[
        bool, option("--open/--no-open", "Open the browser, if a terminal is there to see it.")
    ] = True,
) -> None:
    """Show the workspace as pages on this machine, until Ctrl-C: prompts, versions, labels, calls, results.

    The pages only read: for each change they show the command to copy.
    """
    options.begin_waiting(context, "starting")
    folder = context.find_root().params.get("workspace")
    place = context.obj or "."
    program = f"promptctl -C {quote(folder)}" if folder else "promptctl"
    open_workspace(place).close()  # raises if there is none, before anything is imported for it

    from promptctl.browse.gate import Gate
    from promptctl.loopback.sockets import listen

    listening = listen(port)
    gate = Gate(listening.getsockname()[1])
    options.end_waiting(context)
    say(gate.address)
    sys.stdout.flush()
    tell("Ctrl-C ends it")
    if is_opened and is_terminal() and _has_browser():
        threading.Thread(target=_open, args=(gate.address_for_once,), daemon=True).start()

    # The browser starts meanwhile; whoever is faster waits for the first answer.
    from promptctl.browse.server import serve
    from promptctl.browse.site import Site

    serve(listening, gate, Site(lambda on_warning: open_workspace(place, on_warning=on_warning, refresh_s=0), program))


def _has_browser() -> bool:
    """Return True if a browser would open in a window: one in the terminal would take it from us."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _open(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
