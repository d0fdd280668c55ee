"""`promptctl serve`: the chat-completions protocol on this machine, from recordings, an echo or a recorded model."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.output import say, tell
from promptctl.errors import UsageError

EXAMPLES = """\
  promptctl serve --record             ask the real model once, and record its replies
  promptctl serve --replay --port 8089 answer from recordings, offline and for free
"""


def serve(
    context: typer.Context,
    is_replay: Annotated[bool, typer.Option("--replay", help="Answer from datasets/recordings/ alone.")] = False,
    is_record: Annotated[
        bool, typer.Option("--record", help="Ask the model for what is not recorded yet, and record its reply.")
    ] = False,
    is_echo: Annotated[bool, typer.Option("--echo", help="Answer with the last user message.")] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="Listen on this port; 0 takes a free one.")
    ] = 0,
    model: Annotated[str | None, options.model_option("Answer as this model, whatever model a program names.")] = None,
    prompt_type: Annotated[
        str,
        typer.Option(
            "--as", metavar="ID", help="Record to datasets/recordings/ID.jsonl; calls are logged and ruled as of ID."
        ),
    ] = "served",
    is_refreshed: Annotated[
        bool, typer.Option("--refresh", help="With --record: ask once more for what is recorded.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Answer the chat-completions protocol on this machine, so that a program's tests run offline and free.

    Set the printed base URL as OPENAI_BASE_URL, or as the base URL of any client of the protocol.
    """
    if is_replay + is_record + is_echo != 1:
        raise UsageError("give one of --replay, --record and --echo")
    if is_refreshed and not is_record:
        raise UsageError("--refresh goes with --record: nothing else asks a model")
    workspace = options.workspace_of(context)
    root = workspace.context
    options.begin_waiting(context, "starting")

    from promptctl.serving.loopback import HOST, listen
    from promptctl.serving.repliers import EchoReplier, RecordReplier, ReplayReplier, Replier
    from promptctl.serving.server import serve as serve_on

    replier: Replier
    if is_record:
        replier = RecordReplier(root, prompt_type, model, is_refreshed=is_refreshed)
    else:
        replier = ReplayReplier(root, model) if is_replay else EchoReplier()
    listening = listen(port)
    port = listening.getsockname()[1]
    url = f"http://{HOST}:{port}/v1"
    options.end_waiting(context)
    say(json.dumps({"base_url": url, "host": HOST, "port": port}) if as_json else f"OPENAI_BASE_URL={url}")
    sys.stdout.flush()
    tell("Ctrl-C ends it")
    serve_on(listening, replier, tell)
