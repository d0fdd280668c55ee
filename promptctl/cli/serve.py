"""`promptctl serve`: the chat-completions protocol on this machine, from recordings, an echo or a recorded model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option, refuse_given
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError, printable

EXAMPLES = """\
  promptctl serve --record -- npm test   ask the model once, record its replies
  promptctl serve --replay -- npm test   answer from recordings, offline, free
  promptctl serve --replay --port 8089   the same, until Ctrl-C
"""


def serve(
    context: typer.Context,
    is_replay: Annotated[bool, option("--replay", "Answer from datasets/recordings/ alone.")] = False,
    is_record: Annotated[
        bool, option("--record", "Ask the model for what is not recorded yet, and record its reply.")
    ] = False,
    is_echo: Annotated[bool, option("--echo", "Answer with the last user message.")] = False,
    port: options.Port = 0,
    model: Annotated[str | None, options.model_option("Answer as this model, whatever model a program names.")] = None,
    prompt_type: Annotated[
        str,
        option("--as", "ID", "Record to datasets/recordings/ID.jsonl; calls are logged and ruled as of ID."),
    ] = "served",
    is_refreshed: Annotated[bool, option("--refresh", "With --record: ask once more for what is recorded.")] = False,
    as_json: options.Json = False,
    command: Annotated[
        list[str] | None,
        argument("[-- COMMAND...]", "Run this, and end when it has ended.", show_default=False),
    ] = None,
) -> None:
    """Answer the chat-completions protocol on this machine, so that a program's tests run offline and free.

    A COMMAND finds the server by OPENAI_BASE_URL, and its exit code is that of `serve`. Without one, set the printed
    variable, or give the URL to any client of the protocol.
    """
    if is_replay + is_record + is_echo != 1:
        raise UsageError("give one of --replay, --record and --echo")
    if not is_record:
        refuse_given(context, ["is_refreshed", "prompt_type"], "goes with --record: nothing else asks a model")
    if is_echo:
        refuse_given(context, ["model"], "and --echo cannot be given together", "an echo is of no model")
    if command:
        refuse_given(context, ["as_json"], "goes without a COMMAND, which finds the server by itself")
    workspace = options.workspace_of(context)
    root = workspace.context
    options.begin_waiting(context, "starting")

    from promptctl.loopback.sockets import HOST, listen
    from promptctl.serving.repliers import EchoReplier, RecordReplier, ReplayReplier, Replier
    from promptctl.serving.server import serve as serve_on
    from promptctl.serving.server import serving_beside

    replier: Replier
    if is_record:
        replier = RecordReplier(root, prompt_type, model, is_refreshed=is_refreshed)
    else:
        replier = ReplayReplier(root, model) if is_replay else EchoReplier()
    listening = listen(port)
    options.end_waiting(context)
    if command:
        with serving_beside(listening, replier, tell) as url:
            status = _run(command, url)
        raise typer.Exit(status)
    port = listening.getsockname()[1]
    url = f"http://{HOST}:{port}/v1"
    say(json.dumps({"base_url": url, "host": HOST, "port": port}) if as_json else f"OPENAI_BASE_URL={url}")
    sys.stdout.flush()
    recorded = "" if replier.count is None else f"{replier.count:,} recorded; "
    tell(f"{recorded}any key will do, such as OPENAI_API_KEY=none-is-needed; Ctrl-C ends it")
    serve_on(listening, replier, tell)


def _run(command: Sequence[str], url: str) -> int:
    """Run a program whose clients ask the server, and return its exit code, as a shell has it."""
    environ = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_BASE": url}
    environ.setdefault("OPENAI_API_KEY", "none-is-needed")
    try:
        with subprocess.Popen(command, env=environ) as program:  # noqa: S603 - it is the user's own
            # A terminal sends Ctrl-C to the program as well, which ends as it likes.
            handlers = {signal.SIGTERM: lambda *_: program.terminate(), signal.SIGINT: lambda *_: None}
            before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
            try:
                status = program.wait()
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)
    except OSError as error:
        raise UsageError(f"cannot run {printable(command[0])}: {error.strerror}") from error
    return status if status >= 0 else 128 - status
